//! The laws of sandboxes: kept by a truthful one, each broken by its own liar.

mod support;

use futures::executor::block_on;
use harness_core::testing::laws::sandbox;
use harness_core::testing::{Fixture, InMemorySandbox};
use support::process_sandbox::ProcessSandbox;
use support::{assert_caught, law};

harness_core::sandbox_laws!(truthful, block_on, || Fixture::new(ProcessSandbox::truthful()));

/// One test for each liar, so that those which must be waited for are waited for side by side.
macro_rules! liars {
    ($($law:ident)*) => {
        mod liars {
            use super::*;
            $(
                #[test]
                fn $law() {
                    let liar = ProcessSandbox::lying(stringify!($law));
                    let laws = sandbox::laws();
                    assert_caught(stringify!($law), &block_on((law(&laws, stringify!($law)).check)(&liar)));
                }
            )*
            pub(super) const NAMES: &[&str] = &[$(stringify!($law)),*];
        }
    };
}
liars! {
    bytes_round_trip empty_file_round_trips large_file_round_trips odd_names_round_trip mode_bits_are_set
    missing_file_is_not_found directory_is_not_a_file write_makes_parents write_through_a_file_is_refused
    write_replaces commands_see_what_was_written read_sees_what_commands_wrote
    relative_paths_are_in_the_working_directory locate_names_the_path fifo_does_not_block device_is_refused
    symlink_out_is_not_followed list_finds_what_was_written list_follows_no_link
    stamp_is_stable stamp_sees_a_new_file stamp_sees_a_change stamp_sees_a_removal stamp_sees_a_mode
    exit_code_is_data signal_is_data timeout_is_data missing_program_is_data stdout_and_stderr_are_apart
    invalid_utf8_is_kept truncation_is_counted short_output_is_whole arguments_are_not_parsed
    environment_reaches_commands command_variables_win working_directory_is_honoured stdin_reaches_the_command
    empty_stdin_is_the_end
    timeout_kills_children timeout_kills_new_sessions timeout_kills_double_forks timeout_kills_what_ignores_signals
    session_outlives_a_timeout dropped_exec_kills_the_tree daemon_outlives_its_command
    exec_does_not_wait_for_a_daemon close_kills_daemons dropped_session_kills_daemons end_processes_kills_daemons
    sessions_do_not_see_each_other many_sessions_at_once many_commands_at_once working_directory_starts_empty
    open_applies_no_files engine_variables_are_out_of_sight home_is_out_of_sight nothing_is_written_to_the_host
    isolation_is_constant close_removes_what_was_written dropped_open_leaves_a_working_sandbox
}

#[test]
fn every_law_has_a_liar() {
    assert_eq!(sandbox::NAMES, liars::NAMES);
}

/// Files, stamps and sessions of the double in memory are like those of any sandbox; its commands are whatever a script says.
#[test]
fn the_double_in_memory_keeps_the_laws_about_files() {
    let laws = sandbox::laws();
    for name in [
        "bytes_round_trip",
        "empty_file_round_trips",
        "large_file_round_trips",
        "odd_names_round_trip",
        "missing_file_is_not_found",
        "directory_is_not_a_file",
        "write_makes_parents",
        "write_through_a_file_is_refused",
        "write_replaces",
        "device_is_refused",
        "isolation_is_constant",
        "nothing_is_written_to_the_host",
        "close_removes_what_was_written",
    ] {
        let result = block_on((law(&laws, name).check)(&InMemorySandbox::default()));
        assert_eq!(result, Ok(()), "{name}");
    }
}

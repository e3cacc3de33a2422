//! Features of the kernel taken away, one at a time: a lower level is chosen and says why, or nothing is.
//!
//! A filter on a thread of the test's takes a feature's system calls away from all that the thread starts, as a container's
//! profile would; control groups are covered by an empty directory.

use std::collections::BTreeMap;

use harness_core::Sandbox as _;
use harness_sandbox::{SandboxKind, build};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter,
};

use crate::scene::{actor, alone, is_root, order};

/// Not a test by itself: tells what a machine gives.
#[test]
fn an_inspector() {
    if order().is_none() {
        return;
    }
    for kind in [SandboxKind::Auto, SandboxKind::Full, SandboxKind::User, SandboxKind::Landlock] {
        match build(kind) {
            Ok(sandbox) => {
                let isolation = sandbox.isolation();
                let note = isolation.residual.join(" | ").replace('\n', " ");
                println!("\n{kind:?}: {}/{:?} {note}", isolation.backend, isolation.level);
            }
            Err(error) => println!("\n{kind:?}: refused {}", error.report().replace('\n', " ")),
        }
    }
}

/// What a machine gives by the kind that was asked for.
type Given = BTreeMap<String, String>;

/// Looks with these system calls answered by `errno`, where all conditions (argument, bits that are set) hold.
fn without(calls: Vec<(i64, Option<(u8, i32)>)>, errno: i32) -> Given {
    std::thread::spawn(move || {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
        for (call, condition) in calls {
            let rules = rules.entry(call).or_default();
            if let Some((argument, bits)) = condition {
                let bits = u64::from(bits.unsigned_abs());
                let condition =
                    SeccompCondition::new(argument, Len::Dword, Op::MaskedEq(bits), bits).unwrap();
                rules.push(SeccompRule::new(vec![condition]).unwrap());
            }
        }
        let filter = SeccompFilter::new(
            rules,
            SeccompAction::Allow,
            SeccompAction::Errno(errno.unsigned_abs()),
            std::env::consts::ARCH.try_into().unwrap(),
        );
        let program: BpfProgram = filter.unwrap().try_into().unwrap();
        apply_filter(&program).unwrap();
        look(&mut actor("masked::an_inspector", "look"))
    })
    .join()
    .unwrap()
}

fn look(inspector: &mut std::process::Command) -> Given {
    let output = inspector.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let kinds = ["Auto", "Full", "User", "Landlock"];
    let given: Given = text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(kind, _)| kinds.contains(kind))
        .map(|(kind, what)| (kind.to_owned(), what.to_owned()))
        .collect();
    assert_eq!(given.len(), 4, "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    given
}

/// The level that a kind gave; `refused` for none.
fn level(given: &Given, kind: &str) -> String {
    let said = &given[kind];
    match said.split_once(' ').map_or(said.as_str(), |(first, _)| first) {
        "refused" => "refused".to_owned(),
        other => other.rsplit('/').next().unwrap().to_lowercase(),
    }
}

fn levels(given: &Given) -> [String; 4] {
    ["Auto", "Full", "User", "Landlock"].map(|kind| level(given, kind))
}

/// What the machine gives unmasked, or `None` where it lacks one of the levels itself.
fn whole() -> Option<Given> {
    let given = look(&mut actor("masked::an_inspector", "look"));
    let wanted = if is_root() { "full" } else { "user" };
    let there = level(&given, "Auto") == wanted && level(&given, "Landlock") == "restricted";
    if !there {
        let required = std::env::var("HARNESS_TEST_REQUIRE").unwrap_or_default();
        assert!(required.is_empty() || required == "landlock", "required, but: {given:?}");
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("SKIPPED: a machine that lacks features itself: {given:?}\n").as_bytes(),
        );
        return None;
    }
    Some(given)
}

/// Without any of these no level with namespaces is reached, and `auto` says so.
#[test]
fn without_a_namespace_the_level_below_is_taken_and_told() {
    let _alone = alone();
    if whole().is_none() {
        return;
    }
    for (name, flag) in [
        ("user", libc::CLONE_NEWUSER),
        ("mount", libc::CLONE_NEWNS),
        ("pid", libc::CLONE_NEWPID),
        ("network", libc::CLONE_NEWNET),
        ("ipc", libc::CLONE_NEWIPC),
        ("host name", libc::CLONE_NEWUTS),
        ("cgroup", libc::CLONE_NEWCGROUP),
    ] {
        let calls = [libc::SYS_clone, libc::SYS_unshare].map(|call| (call, Some((0, flag))));
        let given = without(calls.to_vec(), libc::EPERM);
        let expected = ["restricted", "refused", "refused", "restricted"];
        assert_eq!(levels(&given), expected, "without {name} namespaces: {given:?}");
        assert!(given["Auto"].contains("is not available here"), "{name}: {given:?}");
    }
}

/// The calls by which a private root is mounted.
#[test]
fn without_the_mount_calls_the_level_below_is_taken_and_told() {
    let _alone = alone();
    if whole().is_none() {
        return;
    }
    for call in [
        libc::SYS_open_tree,
        libc::SYS_move_mount,
        libc::SYS_fsopen,
        libc::SYS_mount_setattr,
        libc::SYS_pivot_root,
    ] {
        let given = without(vec![(call, None)], libc::ENOSYS);
        let expected = ["restricted", "refused", "refused", "restricted"];
        assert_eq!(levels(&given), expected, "without call {call}: {given:?}");
        assert!(given["Auto"].contains("is not available here"), "{call}: {given:?}");
    }
}

/// Namespaces still confine; that their second line is missing is told.
#[test]
fn without_landlock_what_is_lost_is_told() {
    let _alone = alone();
    let Some(whole) = whole() else { return };
    let given = without(vec![(libc::SYS_landlock_create_ruleset, None)], libc::ENOSYS);
    assert_eq!(level(&given, "Landlock"), "refused", "{given:?}");
    for kind in ["Auto", "User"] {
        assert_eq!(level(&given, kind), level(&whole, kind), "{given:?}");
        assert!(given[kind].contains("Landlock's scopes are missing"), "{kind}: {given:?}");
        assert!(!whole[kind].contains("Landlock's scopes are missing"), "{kind}: {whole:?}");
    }
}

/// No level goes without a filter.
#[test]
fn without_seccomp_everything_is_refused() {
    let _alone = alone();
    if whole().is_none() {
        return;
    }
    let given = without(vec![(libc::SYS_seccomp, None)], libc::ENOSYS);
    assert_eq!(levels(&given), ["refused"; 4], "{given:?}");
}

/// Needs root, for a mount; an ordinary user has none to lose.
#[test]
fn without_control_groups_level_user_is_taken_and_told() {
    let _alone = alone();
    if whole().is_none() || !is_root() {
        return;
    }
    let cover = "mount --make-rprivate / && mount -t tmpfs none /sys/fs/cgroup && exec \"$@\"";
    let inspector = actor("masked::an_inspector", "look");
    let mut covered = std::process::Command::new("unshare");
    covered
        .args(["--mount", "sh", "-c", cover, "sh"])
        .arg(inspector.get_program())
        .args(inspector.get_args())
        .envs(inspector.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let given = look(&mut covered);
    assert_eq!(levels(&given), ["user", "refused", "user", "restricted"], "{given:?}");
    assert!(given["Auto"].contains("control group"), "{given:?}");
    assert!(given["Full"].contains("Delegate=yes"), "{given:?}");
}

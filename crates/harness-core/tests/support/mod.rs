//! What the tests of this crate share.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test binary uses its own part; clippy knows only functions marked as tests"
)]

pub(crate) mod lying_harness;
pub(crate) mod process_sandbox;
pub(crate) mod scene_llm;
pub(crate) mod stage_liars;
pub(crate) mod stored_journal;

use futures::future::BoxFuture;
use harness_core::testing::{Law, LawResult, Unkept};

/// A law of the table by its name.
pub(crate) fn law<'a, T: ?Sized>(laws: &'a [Law<T>], name: &str) -> &'a Law<T> {
    laws.iter().find(|law| law.name == name).unwrap_or_else(|| panic!("no law is called {name}"))
}

/// Fails unless the law caught the liar. A law that this machine cannot check catches nobody, and says so.
pub(crate) fn assert_caught(name: &str, result: &LawResult) {
    let required = std::env::var("HARNESS_TEST_REQUIRE").is_ok_and(|value| value == "all");
    match result {
        Err(Unkept::Broken(_)) => {}
        Err(Unkept::Skipped(why)) if !required => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "SKIPPED the liar of {name}: {why}");
        }
        _ => panic!("the liar of {name} was not caught: {result:?}"),
    }
}

/// What a law does, handed to whoever builds the liar for it.
pub(crate) type Check<T> = for<'a> fn(&'a T) -> BoxFuture<'a, LawResult>;

/// Tells `lie` the name of every law in turn, with the law; it must come back broken. So a law without a liar fails, because a
/// liar that knows no such lie is truthful.
pub(crate) fn caught_by_every_liar<T: ?Sized>(
    laws: &[Law<T>],
    lie: impl Fn(&'static str, Check<T>) -> LawResult,
) {
    for law in laws {
        assert_caught(law.name, &lie(law.name, law.check));
    }
}

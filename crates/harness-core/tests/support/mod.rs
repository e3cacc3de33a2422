//! What the tests of this crate share.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test binary uses its own part; clippy knows only functions marked as tests"
)]

pub(crate) mod process_sandbox;

use harness_core::testing::{Law, LawResult, Unkept};

/// A law of the table by its name.
pub(crate) fn law<'a, T: ?Sized>(laws: &'a [Law<T>], name: &str) -> &'a Law<T> {
    laws.iter().find(|law| law.name == name).unwrap_or_else(|| panic!("no law is called {name}"))
}

/// Fails unless the law caught the liar.
pub(crate) fn assert_caught(name: &str, result: &LawResult) {
    assert!(
        matches!(result, Err(Unkept::Broken(_))),
        "the liar of {name} was not caught: {result:?}"
    );
}

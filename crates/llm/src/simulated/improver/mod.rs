//! stub
use super::dice::Dice;
use super::profile::Profile;
use harness_core::Request;
pub(super) fn diagnose(_: &Request, _: Profile, _: &Dice) -> String {
    String::new()
}
pub(super) fn propose(_: &Request, _: Profile, _: &Dice) -> String {
    String::new()
}

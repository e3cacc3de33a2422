//! How much could be gained at all: a greedy climb by the truth itself, over every edit that the improver can think of.

use std::collections::HashMap;

use harness_core::{Harness, MinimalHarness, Result};
use harness_llm::Truth;

use crate::world::World;

/// An edit that gains less than this is left out.
const LEAST: f64 = 1e-6;

/// A harness that no single edit within reach leads further up from.
///
/// An edit's gain mostly shrinks as others are in place, so the edits are tried in the order of what they gained last, and the first
/// that gains more than the next one did is taken without trying the rest. One that gained nothing when it was tried last is not tried
/// again: what only helps beside another is left out, so this is no upper bound.
pub(crate) fn best(world: &World, truth: &Truth) -> Result<MinimalHarness> {
    let mut harness = MinimalHarness::default();
    let mut rate = world.pass_rate(truth, &harness)?;
    let mut gains: HashMap<&str, f64> = HashMap::new();
    loop {
        let mut edits = Truth::edits_in_reach(&harness);
        let expected =
            |name: &str, gains: &HashMap<&str, f64>| gains.get(name).copied().unwrap_or(1.0);
        edits.sort_by(|a, b| expected(b.0, &gains).total_cmp(&expected(a.0, &gains)));
        let mut better: Option<(f64, MinimalHarness)> = None;
        for (name, edit) in edits {
            if gains.get(name).is_some_and(|gain| *gain <= 0.0) {
                continue;
            }
            if better.as_ref().is_some_and(|(reached, _)| reached - rate >= expected(name, &gains))
            {
                break;
            }
            let next = harness.apply(&edit)?;
            let reached = world.pass_rate(truth, &next)?;
            gains.insert(name, reached - rate);
            if reached > better.as_ref().map_or(rate + LEAST, |(best, _)| *best) {
                better = Some((reached, next));
            }
        }
        match better {
            Some((reached, next)) => (rate, harness) = (reached, next),
            None => return Ok(harness),
        }
    }
}

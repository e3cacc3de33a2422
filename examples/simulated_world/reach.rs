//! How much could be gained at all: a greedy climb by the truth itself, over every edit that the improver can think of.

use harness_core::{Harness, MinimalHarness, Result};
use harness_llm::Truth;

use crate::world::World;

/// An edit that gains less than this is left out.
const LEAST: f64 = 1e-6;

/// The harness from which no single edit within reach leads further up.
pub(crate) fn best(world: &World, truth: &Truth) -> Result<MinimalHarness> {
    let mut harness = MinimalHarness::default();
    let mut rate = world.pass_rate(truth, &harness)?;
    loop {
        let mut better = None;
        for (_, edit) in Truth::edits_in_reach(&harness) {
            let next = harness.apply(&edit)?;
            let reached = world.pass_rate(truth, &next)?;
            if reached > rate + LEAST {
                rate = reached;
                better = Some(next);
            }
        }
        match better {
            Some(next) => harness = next,
            None => return Ok(harness),
        }
    }
}

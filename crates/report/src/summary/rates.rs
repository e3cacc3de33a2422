//! Pass rates before and after, and what may be concluded from them.

use harness_core::{Claim, RoundReport, RunReport, Score};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::interval::{Interval, difference, wilson};
use crate::text::points;

/// Pass rates by split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PassRates {
    /// The mined split.
    pub held_in: SplitRates,
    /// The split that gates promotion: a validation set, not a test set.
    pub held_out: SplitRates,
    /// The split that no round touched; null when there is none, or it was not read.
    pub sealed: Option<SplitRates>,
    /// Which reading of the sealed split that is: more than 1 when it was forced after an earlier one, and is no claim any
    /// more; null when it was not read.
    #[serde(default)]
    pub sealed_reading: Option<u32>,
}

/// One split, before and after the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SplitRates {
    /// The seed harness's; null when it was not measured.
    pub before: Option<Rate>,
    /// The last harness's; null when nothing was promoted.
    pub after: Option<Rate>,
    /// After minus before, with a 95 % interval: on the sealed split the claim's own, exact for paired trials; elsewhere
    /// Newcombe's method 10.
    pub difference: Option<Interval>,
    /// Whether the `after` trials took part in choosing the last harness: then it looks better than it is, and
    /// supports no claim.
    pub used_for_selection: bool,
}

/// Outcomes of one harness on one split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// Trials that passed.
    pub passed: u64,
    /// Trials that were scored.
    pub scored: u64,
    /// Trials that could not be scored.
    pub void: u64,
    /// The share of scored trials that passed; null when none was scored.
    pub rate: Option<f64>,
    /// Its 95 % interval (Wilson's score interval).
    pub interval: Option<Interval>,
}

/// What the sealed split says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// The last harness passes more often: the whole interval of the difference is above 0.
    Improved,
    /// Nothing was promoted, or the whole interval is at or below 0.
    NotImproved,
    /// The interval holds both, or there was no sealed split to read.
    Inconclusive,
}

impl Rate {
    /// Of counts.
    pub fn of(score: &Score) -> Self {
        let Score { passed, scored, void } = *score;
        let interval = wilson(passed, scored);
        Self { passed, scored, void, rate: score.pass_rate(), interval }
    }
}

impl SplitRates {
    fn of(before: Option<Score>, after: Option<Score>, used_for_selection: bool) -> Self {
        let counts = |score: Score| (score.passed, score.scored);
        let difference =
            before.zip(after).and_then(|(from, to)| difference(counts(from), counts(to)));
        Self {
            before: before.as_ref().map(Rate::of),
            after: after.as_ref().map(Rate::of),
            difference,
            used_for_selection,
        }
    }
}

impl SplitRates {
    /// Of a claim; one without pairs was recorded by a version that did not keep them.
    fn of_claim(claim: &Claim) -> Self {
        let sides = Self::of(Some(claim.before), Some(claim.after), false);
        let own = claim.difference.map(Interval::from);
        let unpaired =
            sides.difference.filter(|_| claim.pairs.is_empty() && claim.first != claim.last);
        Self { difference: own.or(unpaired), ..sides }
    }
}

impl PassRates {
    /// Of a run. Before is the first round's assessment of the seed harness; after is the evidence that promoted the last harness (or that left it, in a pruning),
    /// which was used for selection; sealed is the claim.
    pub fn of(run: &RunReport) -> Self {
        let first = run.rounds.first().map(|round| round.assessed);
        let leads_to_last =
            |round: &&RoundReport| !round.promoted.is_empty() && round.tip == run.last;
        let promoted = run.rounds.iter().rev().find(leads_to_last);
        let last = promoted
            .and_then(|round| round.composition.as_ref())
            .and_then(|decision| decision.evidence.as_ref());
        let last = last.map(|evidence| (evidence.held_in.candidate, evidence.held_out.candidate));
        let last = last.or_else(|| pruned(run));
        let selected = last.is_some();
        Self {
            held_in: SplitRates::of(
                first.map(|assessed| assessed.held_in),
                last.map(|(held_in, _)| held_in),
                selected,
            ),
            held_out: SplitRates::of(
                first.map(|assessed| assessed.held_out),
                last.map(|(_, held_out)| held_out),
                selected,
            ),
            sealed: run.claim.as_ref().map(SplitRates::of_claim),
            sealed_reading: run.claim.as_ref().map(|claim| claim.reading),
        }
    }
}

/// How the last harness did in the pruning that left it: in the trials that took the last edit out.
fn pruned(run: &RunReport) -> Option<(Score, Score)> {
    let ablations = run.rounds.iter().rev().flat_map(|round| round.ablations.iter().rev());
    let mut left = ablations.filter(|ablation| ablation.without == Some(run.last));
    left.find_map(|ablation| ablation.left).map(|left| (left.held_in, left.held_out))
}

/// The conclusion and the sentence that says it, with a mark where the sealed split had been read before.
pub(super) fn conclude(run: &RunReport) -> (Conclusion, String) {
    let (conclusion, words) = of_sealed(run);
    match run.claim.as_ref().and_then(repeated) {
        Some(mark) => (conclusion, format!("{words} ({mark})")),
        None => (conclusion, words),
    }
}

/// What must stand beside a reading that was forced.
pub(crate) fn repeated(claim: &Claim) -> Option<String> {
    claim.is_repeated().then(|| {
        let reading = claim.reading;
        format!("reading {reading} of the sealed split, forced: what was chosen may have been chosen for it")
    })
}

fn of_sealed(run: &RunReport) -> (Conclusion, String) {
    if run.first == run.last {
        let words = "nothing was promoted: the harness is the one the run began with";
        return (Conclusion::NotImproved, words.to_owned());
    }
    let Some(claim) = &run.claim else {
        let words = "there is no reading of a sealed split, so no claim can be made; \
                     held-in and held-out decided the promotions and cannot carry one";
        return (Conclusion::Inconclusive, words.to_owned());
    };
    let sides = SplitRates::of_claim(claim);
    let rates = claim.before.pass_rate().zip(claim.after.pass_rate());
    let (Some((before, after)), Some(interval)) = (rates, sides.difference) else {
        let words = "no sealed trial could be scored on one side, so no claim can be made";
        return (Conclusion::Inconclusive, words.to_owned());
    };
    let change = points(claim.pairs.change().unwrap_or(after - before), interval);
    if interval.low > 0.0 {
        (Conclusion::Improved, format!("on the sealed split the last harness is better: {change}"))
    } else if interval.high <= 0.0 {
        let words = format!("on the sealed split the last harness is not better: {change}");
        (Conclusion::NotImproved, words)
    } else {
        let words = format!("the sealed split does not tell the harnesses apart: {change}");
        (Conclusion::Inconclusive, words)
    }
}

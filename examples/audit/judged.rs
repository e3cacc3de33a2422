//! The run's own gate once more: does it still say what is recorded?

use std::path::Path;
use std::sync::Arc;

use harness_benchmark::{Loaded, Loader};
use harness_core::{
    Decision, ErrorKind, MinimalHarness, Prior, Rejudged, RejudgedControl, Replay, Replayed,
    ReplayedRound, Result,
};
use harness_journal::{Audit, SqliteJournal};
use harness_report::PriorSummary;
use harness_validator::{Guards, RegressionValidator};

use crate::leaks::leaks;
use crate::rule::Rule;

/// What judging again has shown.
#[derive(Debug, Default)]
pub(crate) struct JudgedAgain {
    /// One line for the reader.
    pub(crate) told: String,
    /// What the gate expected before each round's candidates, one line a round; none from a gate without a prior.
    pub(crate) expected: Vec<String>,
    /// Verdicts and priors that do not follow from the recorded trials.
    pub(crate) discrepancies: Vec<String>,
}

/// Judges every recorded round again by the rule that the run's identity names, from the recorded trials alone.
///
/// # Errors
/// Those of reading the journal or the tasks.
pub(crate) async fn again(
    directory: &Path,
    found: &Audit,
    tasks: Option<&Path>,
) -> Result<JudgedAgain> {
    let nothing = |told: &str| Ok(JudgedAgain { told: told.to_owned(), ..JudgedAgain::default() });
    let Some(rule) = found.identity.0.get("gate") else { return nothing("no gate took part") };
    if found.rounds == 0 {
        return nothing("no round ended");
    }
    let Ok(parsed) = rule.parse() else {
        return nothing(&format!("not again: '{rule}' is no rule that this program knows"));
    };
    let replay = match Replay::<MinimalHarness>::read(&SqliteJournal::read(directory)?).await {
        Err(error) if error.kind() == ErrorKind::Mismatch => {
            return nothing("not again: the harness is none that this program knows");
        }
        replay => replay?,
    };
    let rounds = replay.judge(&validator(parsed, tasks)?).await?;
    let mut judged = JudgedAgain::default();
    let (mut same, mut open) = (0, 0);
    for round in &rounds {
        judged.derive_prior(round);
        for one in &round.judged {
            match outcome(round, one, tasks.is_some()) {
                Outcome::Same => same += 1,
                Outcome::Unjudged => open += 1,
                Outcome::Another(what) => judged.discrepancies.push(what),
            }
        }
    }
    for control in replay.judge_controls(&parsed.validator()).await? {
        match control_differs(&control) {
            None => same += 1,
            Some(what) => judged.discrepancies.push(what),
        }
    }
    judged.told = format!("{same} verdicts judged again by '{rule}' and found the same");
    if open > 0 {
        judged.told += &format!("; {open} depend on the tasks themselves: give --tasks");
    }
    Ok(judged)
}

impl JudgedAgain {
    /// Adds a round's prior, derived anew from the rounds before it and the incumbent's trials.
    fn derive_prior(&mut self, round: &ReplayedRound) {
        let Some((recorded, derived)) = round.judged.iter().find_map(priors) else { return };
        let (number, derived) = (round.round, in_words(&derived));
        if let Some(recorded) =
            recorded.map(|recorded| in_words(&recorded)).filter(|r| *r != derived)
        {
            self.discrepancies.push(format!(
                "round {number}: what the gate expected is recorded as {recorded}; derived again it is {derived}"
            ));
        }
        self.expected.push(format!("round {number}: {derived}"));
    }
}

/// A decision's prior as recorded, where it is, and as derived again.
fn priors(one: &Rejudged) -> Option<(Option<Arc<Prior>>, Arc<Prior>)> {
    let of = |decision: &Decision| decision.finding.as_ref()?.prior.clone();
    let Replayed::Decided(now) = &one.replayed else { return None };
    Some((of(&one.recorded), of(now)?))
}

fn in_words(prior: &Prior) -> String {
    PriorSummary::from(prior).in_words()
}

fn control_differs(control: &RejudgedControl) -> Option<String> {
    let (kind, recorded) = (control.kind.as_str(), control.recorded.verdict);
    match &control.replayed {
        Replayed::Decided(now) if now.verdict == recorded => None,
        Replayed::Decided(now) => Some(format!(
            "the control '{kind}' is recorded as {}, and judged again it is {}: {}",
            recorded.as_str(),
            now.verdict.as_str(),
            now.reason
        )),
        Replayed::Short(_) => Some(format!(
            "the recorded trials do not carry the verdict on the control '{kind}', which is {}",
            recorded.as_str()
        )),
    }
}

fn validator(rule: Rule, tasks: Option<&Path>) -> Result<RegressionValidator> {
    let validator = rule.validator();
    let Some(directory) = tasks else { return Ok(validator) };
    let loader = Loader::new().with_variables(std::env::vars().collect());
    let Loaded { tasks, .. } = loader.load(directory)?;
    Ok(validator.with_guards(Guards::default().with_leaks(leaks(&tasks))))
}

enum Outcome {
    Same,
    Unjudged,
    Another(String),
}

fn outcome(round: &ReplayedRound, one: &Rejudged, with_tasks: bool) -> Outcome {
    let recorded = one.recorded.verdict;
    // Refused before any trial, perhaps for what the tasks say; that changes what the round's other candidates were compared with.
    let refused = round.judged.iter().any(|judged| judged.recorded.evidence.is_none());
    match &one.replayed {
        Replayed::Decided(now) if now.verdict == recorded => Outcome::Same,
        _ if refused && !with_tasks => Outcome::Unjudged,
        Replayed::Decided(now) => Outcome::Another(format!(
            "round {}: {} is recorded as {}, and judged again it is {}: {}",
            round.round,
            one.proposal,
            recorded.as_str(),
            now.verdict.as_str(),
            now.reason
        )),
        Replayed::Short(_) => Outcome::Another(format!(
            "round {}: the recorded trials do not carry the verdict on {}, which is {}",
            round.round,
            one.proposal,
            recorded.as_str()
        )),
    }
}

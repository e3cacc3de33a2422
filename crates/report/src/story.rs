//! A run told line by line, as it happens.

use harness_core::{
    Claim, ControlArm, Decision, Event, Found, RoundReport, Sampling, Score, Trial, Weakness,
};

use crate::summary::RoundSummary;
use crate::summary::rates::repeated;
use crate::text::{COLUMNS, counted, names, percent, plain, points, wrap};

/// Turns events into lines for a person. Every line says `[simulated]` when the model is simulated, and none is longer than 100
/// columns unless a single word is. Nothing is written anywhere; [`ProgressObserver`](crate::ProgressObserver) does that.
#[derive(Debug, Default)]
pub struct Story {
    simulated: bool,
    batch: Batch,
}

/// Trials that were announced together.
#[derive(Debug, Default)]
struct Batch {
    purpose: String,
    planned: usize,
    finished: usize,
    reused: usize,
    score: Score,
    last: String,
    told: bool,
}

/// A gate may buy trials a few at a time: batches with one purpose are told together, so many trials at a time.
const TOLD_TOGETHER: usize = 40;

impl Story {
    /// The lines that an event adds; often none.
    pub fn tell(&mut self, event: &Event<'_>) -> Vec<String> {
        let mut lines = match event {
            Event::TrialFinished { .. }
            | Event::TrialVoid { .. }
            | Event::ModelDown { .. }
            | Event::ModelBack { .. } => Vec::new(),
            Event::TrialsPlanned { purpose, .. } if plain(purpose) == self.batch.purpose => {
                Vec::new()
            }
            _ => self.batch.rest(),
        };
        lines.extend(match event {
            Event::RunStarted { model, isolation, rounds_done } => {
                self.simulated = model.is_simulated();
                begin(&model.to_string(), &isolation.to_string(), *rounds_done)
            }
            Event::Resumed { found } => vec![resumed(found)],
            Event::RoundStarted { round } => vec![format!("round {round}")],
            Event::TrialsPlanned { count, purpose } => {
                self.batch.plan(*count, plain(purpose));
                Vec::new()
            }
            Event::TrialFinished { trial, reused } => self.batch.finish(trial, *reused),
            Event::TrialVoid { task, split, reason } => {
                vec![format!("  void, tried again: {task} ({split}): {}", plain(reason))]
            }
            Event::ModelDown { reason } => vec![format!(
                "  waiting: the model's server does not answer ({}); nothing is lost, trials wait without losing time",
                plain(reason)
            )],
            Event::ModelBack { lasted } => {
                vec![format!("  the model's server answers again, after {:.0} s", lasted.as_secs_f64())]
            }
            Event::Mined { weaknesses } => mined(weaknesses),
            Event::Proposed { proposal, surface, mechanism } => {
                vec![format!("  {proposal} edits {}: {}", plain(surface), plain(mechanism))]
            }
            Event::Judged { proposal, decision } => vec![judged(proposal, decision)],
            Event::RoundFinished { report } => {
                expected(report).into_iter().chain([finished(report)]).collect()
            }
            Event::Controlled { arm } => vec![controlled(arm)],
            Event::Sampled { sampling } => vec![sampled(sampling)],
            Event::Claimed { claim } => vec![claimed(claim)],
            _ => Vec::new(),
        });
        lines.iter().flat_map(|line| self.labelled(line)).collect()
    }

    /// What is going on right now, for a live display; empty between batches of trials.
    pub fn status(&self) -> String {
        let batch = &self.batch;
        if batch.finished >= batch.planned {
            return String::new();
        }
        let status = format!(
            "{}: {} of {}, {} passed, {} void {}",
            batch.purpose,
            batch.finished,
            batch.planned,
            batch.score.passed,
            batch.score.void,
            batch.last
        );
        format!("{}{status}", self.label())
    }

    /// How many trials of the current batch are done, and how many there are.
    pub fn position(&self) -> (u64, u64) {
        (self.batch.finished as u64, self.batch.planned as u64)
    }

    /// The lines that were held back for more of the same; for the end of a run.
    pub fn rest(&mut self) -> Vec<String> {
        let lines = self.batch.rest();
        lines.iter().flat_map(|line| self.labelled(line)).collect()
    }

    fn label(&self) -> &'static str {
        if self.simulated { "[simulated] " } else { "" }
    }

    fn labelled(&self, line: &str) -> Vec<String> {
        let label = self.label();
        let wrapped = wrap(line, COLUMNS - label.len());
        wrapped.into_iter().map(|line| format!("{label}{line}")).collect()
    }
}

impl Batch {
    fn plan(&mut self, count: usize, purpose: String) {
        if self.told || purpose != self.purpose {
            *self = Self { purpose, ..Self::default() };
        }
        self.planned += count;
    }

    fn finish(&mut self, trial: &Trial, reused: bool) -> Vec<String> {
        self.finished += 1;
        self.reused += usize::from(reused);
        let word = match trial.passed() {
            Some(true) => "passed",
            Some(false) => "failed",
            None => "void",
        };
        self.score.passed += u64::from(trial.passed() == Some(true));
        self.score.scored += u64::from(trial.passed().is_some());
        self.score.void += u64::from(trial.passed().is_none());
        self.last = format!("(last: {} {word})", plain(trial.key.task.as_str()));
        let enough = self.finished == self.planned && self.finished >= TOLD_TOGETHER;
        if enough { self.rest() } else { Vec::new() }
    }

    /// The line that was held back, once.
    fn rest(&mut self) -> Vec<String> {
        if self.told || self.finished == 0 {
            return Vec::new();
        }
        self.told = true;
        vec![self.line()]
    }

    fn line(&self) -> String {
        let Score { passed, scored, void } = self.score;
        let reused = match self.reused {
            0 => String::new(),
            reused => format!(" ({reused} from the journal)"),
        };
        format!(
            "  {}: {}, {passed} passed, {} failed, {void} void{reused}",
            self.purpose,
            counted(self.finished as u64, "trial"),
            scored - passed,
        )
    }
}

fn begin(model: &str, isolation: &str, rounds_done: u32) -> Vec<String> {
    let mut lines = vec![format!("model {}, sandbox {}", plain(model), plain(isolation))];
    if rounds_done > 0 {
        let rounds = counted(u64::from(rounds_done), "round");
        lines.push(format!("going on after {rounds} of earlier sessions"));
    }
    lines
}

fn resumed(found: &Found) -> String {
    let mut line = format!(
        "from the journal: {} finished, {} unscored, {} in flight when it ended",
        counted(found.finished, "trial"),
        found.unscored,
        found.in_flight
    );
    if found.spent.calls_unknown > 0 {
        let calls = counted(found.spent.calls_unknown, "call");
        let tokens = found.spent.unknown_tokens;
        line.push_str(&format!(
            "; {calls} of unknown outcome, charged at {tokens} tokens at worst"
        ));
    }
    line
}

fn mined(weaknesses: &[Weakness]) -> Vec<String> {
    if weaknesses.is_empty() {
        return vec!["  no weakness found".to_owned()];
    }
    let mut lines = Vec::new();
    for weakness in weaknesses {
        lines.push(format!(
            "  weakness {}: {}, in {}: {}",
            weakness.id,
            plain(&weakness.signature.to_string()),
            counted(weakness.tasks.len() as u64, "task"),
            names(weakness.tasks.iter().map(harness_core::TaskName::as_str), 6),
        ));
    }
    lines
}

fn judged(proposal: &str, decision: &Decision) -> String {
    format!("  {proposal} {}: {}", decision.verdict.as_str(), plain(&decision.reason))
}

fn expected(report: &RoundReport) -> Option<String> {
    RoundSummary::of(report).prior_in_words().map(|words| format!("  {words}"))
}

fn finished(report: &RoundReport) -> String {
    let round = report.round;
    if let Some(ancestor) = report.reverted_to() {
        let words = RoundSummary::of(report).drift_in_words().unwrap_or_default();
        return format!(
            "round {round}: {words} (harness {} → {})",
            report.incumbent.short(),
            ancestor.short()
        );
    }
    if report.is_inconclusive() {
        let words = RoundSummary::of(report).void_in_words();
        return format!("round {round} is inconclusive: {words}");
    }
    if let Some(words) = RoundSummary::of(report).pruned {
        let (from, to) = (report.incumbent.short(), report.tip.short());
        return format!("round {round}: {words} (harness {from} → {to})");
    }
    if report.promoted.is_empty() {
        return format!("round {round} promoted nothing: the harness stays {}", report.tip.short());
    }
    let promoted = names(report.promoted.iter().map(harness_core::ProposalId::as_str), 9);
    format!(
        "round {round} promoted {promoted}: harness {} → {}",
        report.incumbent.short(),
        report.tip.short()
    )
}

fn controlled(arm: &ControlArm) -> String {
    let name = arm.kind.as_str();
    match &arm.decision {
        Some(Decision { verdict, reason, .. }) => {
            format!("control {name}: {}: {}", verdict.as_str(), plain(reason))
        }
        None => format!("control {name}: left out, the harness offers no such edit"),
    }
}

fn sampled(sampling: &Sampling) -> String {
    format!(
        "sampling the seed harness up to {} at each sealed task solves {} of {}",
        counted(u64::from(sampling.attempts), "time"),
        sampling.solved,
        sampling.tasks
    )
}

fn claimed(claim: &Claim) -> String {
    let Claim { before, after, .. } = claim;
    let side = |score: &Score| {
        format!("{} of {} ({})", score.passed, score.scored, percent(score.pass_rate()))
    };
    let change = match (before.pass_rate().zip(after.pass_rate()), claim.difference) {
        (Some((from, to)), Some(interval)) => {
            points(claim.pairs.change().unwrap_or(to - from), interval.into())
        }
        (Some(_), None) if claim.first == claim.last => "the same harness".to_owned(),
        _ => "no pair of trials could be scored".to_owned(),
    };
    let reading = repeated(claim).unwrap_or_else(|| "sealed split, read once".to_owned());
    format!("{reading}: seed harness {}, final harness {}: {change}", side(before), side(after))
}

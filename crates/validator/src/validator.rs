//! Guards, gate, composition: a round's proposals from end to end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use harness_core::{
    Arena, Composed, Decision, Harness, Incumbent, Judged, Judgement, Proposal, ProposalId, Result,
    SignatureReader, TaskName, Validator, Verdict,
};

use crate::baseline::Baseline;
use crate::constraint::Constraints;
use crate::court::{Case, Court};
use crate::docket::PastDecision;
use crate::gate::{Gate, GateKind};
use crate::guard::{Admission, Effects, Guards};
use crate::merge::{Composing, ForwardSelection};
use crate::reading::Reading;

/// Judges by regression trials: each candidate beside the incumbent on both gating splits, then what passed together.
///
/// 1. Static guards ([`Guards`]) refuse, without a trial, what is no change, no surface's business, a repetition, too long, out of
///    reach, or a leak.
/// 2. The gate decides on each candidate, buying trials as it goes.
/// 3. Several accepted edits are composed in the order of evidence and judged by the same gate on fresh trials. If they fail
///    together, forward selection keeps a subset that passed, at least the best single edit; the others end as
///    rejected, with the reason.
#[derive(Clone, Debug)]
pub struct RegressionValidator {
    gate: Arc<dyn Gate>,
    guards: Guards,
    constraints: Constraints,
    reader: Option<Arc<dyn SignatureReader>>,
}

impl RegressionValidator {
    /// A validator with this gate.
    pub fn new(gate: impl Gate + 'static) -> Self {
        Self {
            gate: Arc::new(gate),
            guards: Guards::default(),
            constraints: Constraints::default(),
            reader: None,
        }
    }

    /// The same with these guards: they should know the benchmark's tasks ([`Guards::with_leaks`]).
    #[must_use]
    pub fn with_guards(mut self, guards: Guards) -> Self {
        self.guards = guards;
        self
    }
}

impl Default for RegressionValidator {
    fn default() -> Self {
        GateKind::default().into()
    }
}

impl From<GateKind> for RegressionValidator {
    fn from(kind: GateKind) -> Self {
        Self {
            gate: kind.gate(),
            guards: Guards::default(),
            constraints: Constraints::default(),
            reader: None,
        }
    }
}

impl RegressionValidator {
    /// The same, where a promotion must keep these constraints too.
    #[must_use]
    pub fn with_constraints(mut self, constraints: Constraints) -> Self {
        self.constraints = constraints;
        self
    }

    /// The same, knowing which held-out tasks show a targeted weakness: `reader` tells the signatures of held-out failures, by the same
    /// diagnosis as the run's miner. Without one, only held-in tasks are targeted.
    #[must_use]
    pub fn with_reader(mut self, reader: impl SignatureReader + 'static) -> Self {
        self.reader = Some(Arc::new(reader));
        self
    }
}

#[async_trait]
impl<H: Harness> Validator<H> for RegressionValidator {
    async fn judge(
        &self,
        incumbent: &Incumbent<'_, H>,
        proposals: Vec<Proposal<H::Edit>>,
        arena: &Arena<H>,
    ) -> Result<Judgement<H>> {
        let mut effects = Effects::of(incumbent, arena.round(), self.guards.memory())?;
        let admissions = self.guards.admit(incumbent.harness, &proposals, &mut effects)?;
        let mut baseline = Baseline::of(incumbent)?;
        let past = PastDecision::all(incumbent.history);
        let any = admissions.iter().any(|admission| matches!(admission, Admission::Candidate(_)));
        let reading = match &self.reader {
            Some(reader) if any => Reading::of(reader.as_ref(), incumbent, arena).await?,
            _ => Reading::default(),
        };
        let round = Round { incumbent, reading, arena };
        let mut docket =
            self.race(&round, proposals, admissions, past.clone(), &mut baseline).await?;
        let composed = self.compose(&round, &mut docket, past, &baseline).await?;
        let judged = docket
            .into_iter()
            .map(|entry| Judged { proposal: entry.proposal, decision: entry.decision });
        Ok(Judgement { judged: judged.collect(), composed })
    }

    fn reassessment(&self, attempts: u32) -> u32 {
        self.gate.reassessment(attempts)
    }
}

/// A proposal on its way through the round.
#[derive(Debug)]
struct Entry<H: Harness> {
    proposal: Proposal<H::Edit>,
    /// The incumbent with its edit, where that is allowed.
    candidate: Option<H>,
    decision: Decision,
}

/// What all hearings of a round have in common.
#[derive(Debug)]
struct Round<'a, 'i, H: Harness> {
    incumbent: &'a Incumbent<'i, H>,
    reading: Reading,
    arena: &'a Arena<H>,
}

impl<H: Harness> Round<'_, '_, H> {
    fn target(&self, proposals: &[&Proposal<H::Edit>]) -> BTreeSet<TaskName> {
        self.reading.target(self.incumbent.weaknesses, proposals)
    }
}

/// How a composition fared.
enum Together<H> {
    Passed(H, Decision),
    /// Why, and what the gate decided, where it came to that.
    Failed(String, Option<Decision>),
}

impl RegressionValidator {
    /// Lets the gate hear all candidates that the guards admit, together.
    async fn race<H: Harness>(
        &self,
        round: &Round<'_, '_, H>,
        proposals: Vec<Proposal<H::Edit>>,
        admissions: Vec<Admission<H>>,
        past: Vec<PastDecision>,
        baseline: &mut Baseline<'_, H>,
    ) -> Result<Vec<Entry<H>>> {
        let cases = proposals.iter().zip(&admissions).filter_map(|(proposal, admission)| {
            let Admission::Candidate(harness) = admission else { return None };
            let target = round.target(&[proposal]);
            Some(Case::new(round.incumbent.harness, harness, target, Vec::new()))
        });
        let court =
            Court::open(cases.collect(), past, baseline, round.arena).under(self.constraints);
        let mut decisions = court.hear(self.gate.as_ref()).await?.into_iter();
        let entry = |(proposal, admission)| match admission {
            Admission::Refused(decision) => {
                Some(Entry { proposal, candidate: None, decision: *decision })
            }
            Admission::Candidate(harness) => decisions.next().map(|decision| Entry {
                proposal,
                candidate: Some(harness),
                decision,
            }),
        };
        Ok(proposals.into_iter().zip(admissions).filter_map(entry).collect())
    }

    /// Finds which accepted edits stay, and turns the others' verdicts into rejections.
    async fn compose<H: Harness>(
        &self,
        round: &Round<'_, '_, H>,
        docket: &mut [Entry<H>],
        mut past: Vec<PastDecision>,
        baseline: &Baseline<'_, H>,
    ) -> Result<Option<Composed<H>>> {
        let accepted = by_evidence(docket);
        let Some(first) = accepted.first().map(|index| &docket[*index]) else { return Ok(None) };
        let Some(harness) = first.candidate.clone() else { return Ok(None) };
        let mut best = (harness, first.decision.clone());
        let judged = docket.iter().map(|entry| entry.decision.clone());
        past.extend(judged.map(|decision| PastDecision { round: round.arena.round(), decision }));
        let candidates: Vec<&Entry<H>> = accepted.iter().map(|index| &docket[*index]).collect();
        let conflicts = conflicts(&candidates)?;
        let mut selection = ForwardSelection::along(accepted.len(), conflicts.keys().copied());
        let (mut baseline, arena) = (baseline.afresh(), round.arena.composing());
        let mut failures = Vec::new();
        let kept = loop {
            match selection.next() {
                Composing::Keep(kept) => break kept,
                Composing::Try(members) => {
                    let entries: Vec<_> =
                        members.iter().map(|member| &docket[accepted[*member]]).collect();
                    let together = self
                        .judge_together(round, &entries, &best.0, &past, &mut baseline, &arena)
                        .await?;
                    match together {
                        Together::Passed(_, decision) if !improves(&best.1, &decision) => {
                            past.push(PastDecision { round: arena.round(), decision });
                            failures.push((members, WORSE_TOGETHER.to_owned()));
                            selection.learn(false);
                        }
                        Together::Passed(harness, decision) => {
                            past.push(PastDecision {
                                round: arena.round(),
                                decision: decision.clone(),
                            });
                            best = (harness, decision);
                            selection.learn(true);
                        }
                        Together::Failed(why, decision) => {
                            let number = arena.round();
                            let failed = |decision| PastDecision { round: number, decision };
                            past.extend(decision.map(failed));
                            failures.push((members, why));
                            selection.learn(false);
                        }
                    }
                }
            }
        };
        let proposals = kept.iter().map(|member| docket[accepted[*member]].proposal.id.clone());
        let proposals: Vec<ProposalId> = proposals.collect();
        for (member, index) in accepted.iter().enumerate() {
            if !kept.contains(&member) {
                let pair = |kept: &usize| (member.min(*kept), member.max(*kept));
                let rival = kept.iter().find_map(|kept| conflicts.get(&pair(kept)));
                drop_from_composition(&mut docket[*index].decision, member, rival, &failures);
            }
        }
        let (harness, decision) = best;
        Ok(Some(Composed { harness, proposals, decision }))
    }

    /// Applies these edits one after the other and judges the result on trials of its own.
    async fn judge_together<H: Harness>(
        &self,
        round: &Round<'_, '_, H>,
        entries: &[&Entry<H>],
        best: &H,
        past: &[PastDecision],
        baseline: &mut Baseline<'_, H>,
        arena: &Arena<H>,
    ) -> Result<Together<H>> {
        let mut harness = round.incumbent.harness.clone();
        for entry in entries {
            harness = match harness.apply(&entry.proposal.edit) {
                Ok(harness) => harness,
                Err(error) => {
                    let id = &entry.proposal.id;
                    let why = format!("{id} does not apply after the others: {}", error.report());
                    return Ok(Together::Failed(why, None));
                }
            };
        }
        let effect = harness.fingerprint()?;
        if effect == round.incumbent.harness.fingerprint()? {
            return Ok(Together::Failed("the edits undo each other".to_owned(), None));
        }
        if effect == best.fingerprint()? {
            return Ok(Together::Failed("it adds nothing to the others".to_owned(), None));
        }
        let proposals: Vec<_> = entries.iter().map(|entry| &entry.proposal).collect();
        let parts = entries.iter().map(|entry| entry.decision.clone()).collect();
        let target = round.target(&proposals);
        let case = Case::new(round.incumbent.harness, &harness, target, parts);
        let court = Court::open(vec![case], past.to_vec(), baseline, arena).under(self.constraints);
        let decisions = court.hear(self.gate.as_ref()).await?;
        let Some(decision) = decisions.into_iter().next() else {
            return Ok(Together::Failed("the gate did not decide".to_owned(), None));
        };
        Ok(match decision.verdict {
            Verdict::Promote => Together::Passed(harness, decision),
            Verdict::Reject | Verdict::Inconclusive => {
                Together::Failed(decision.reason.clone(), Some(decision))
            }
        })
    }
}

/// The accepted entries, largest gain first, ties by id.
fn by_evidence<H: Harness>(docket: &[Entry<H>]) -> Vec<usize> {
    let mut accepted: Vec<usize> = (0..docket.len())
        .filter(|index| docket[*index].decision.verdict == Verdict::Promote)
        .collect();
    accepted.sort_by(|left, right| {
        let (left, right) = (&docket[*left], &docket[*right]);
        gain(&right.decision)
            .total_cmp(&gain(&left.decision))
            .then_with(|| left.proposal.id.cmp(&right.proposal.id))
    });
    accepted
}

const WORSE_TOGETHER: &str = "together they gain less than the better one alone";

/// Pairs of accepted edits that no harness can have both of, numbered in the order of evidence, with what is the matter: the later does not
/// apply after the earlier, undoes it, or adds nothing to it.
fn conflicts<H: Harness>(accepted: &[&Entry<H>]) -> Result<BTreeMap<(usize, usize), String>> {
    let mut found = BTreeMap::new();
    for (second, entry) in accepted.iter().enumerate() {
        for (first, better) in accepted[..second].iter().enumerate() {
            if let Some(why) = conflict(better, entry)? {
                found.insert((first, second), why);
            }
        }
    }
    Ok(found)
}

fn conflict<H: Harness>(better: &Entry<H>, entry: &Entry<H>) -> Result<Option<String>> {
    let (Some(one), Some(other)) = (&better.candidate, &entry.candidate) else { return Ok(None) };
    let both = match one.apply(&entry.proposal.edit) {
        Ok(both) => both.fingerprint()?,
        Err(error) => {
            let (id, why) = (&entry.proposal.id, error.report());
            return Ok(Some(format!("{id} does not apply after the others: {why}")));
        }
    };
    Ok(if both == one.fingerprint()? {
        Some("it adds nothing to the others".to_owned())
    } else {
        let undoes = both == other.fingerprint()?;
        undoes.then(|| format!("it undoes {}, which is better", better.proposal.id))
    })
}

/// Whether a composition is worth at least as much as the best subset so far: by what the gate holds of both, else by what was counted.
fn improves(best: &Decision, together: &Decision) -> bool {
    match (&best.finding, &together.finding) {
        (Some(best), Some(together)) => together.gain >= best.gain,
        _ => gain(together) >= gain(best),
    }
}

/// The counted gain per attempt, over both splits.
#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
fn gain(decision: &Decision) -> f64 {
    let Some(evidence) = &decision.evidence else { return 0.0 };
    let scored = evidence.held_in.candidate.scored + evidence.held_out.candidate.scored;
    let change = evidence.held_in.change() + evidence.held_out.change();
    change as f64 / scored.max(1) as f64
}

/// Turns an acceptance into a rejection, with the better edit that it conflicts with, or the reason of the last composition that failed with it.
fn drop_from_composition(
    decision: &mut Decision,
    member: usize,
    rival: Option<&String>,
    failures: &[(Vec<usize>, String)],
) {
    let last = failures.iter().rev().find(|(members, _)| members.contains(&member));
    let why =
        rival.or(last.map(|(_, why)| why)).map_or("a better edit stays alone", String::as_str);
    decision.verdict = Verdict::Reject;
    decision.reason = format!("accepted alone, dropped in composition: {why}");
}

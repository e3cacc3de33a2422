//! The loop: assess, mine, propose, validate, promote.

mod assess;
mod builder;
mod calibrate;
mod claim;
mod controls;
mod drift;
mod prune;
mod report;
mod resume;
mod stop;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::{self, Either};
use tracing::Instrument;

use self::assess::Assessment;
pub use self::builder::{EngineBuilder, EngineConfig, Measured};
pub use self::claim::Claim;
pub use self::controls::{
    BeatSampling, ControlArm, ControlGroup, ControlKind, Controls, NoiseFloor, Sampling,
};
pub use self::drift::Drift;
pub use self::prune::{Ablation, AblationOutcome, Pruning};
pub use self::report::{Assessed, RoundReport, RunReport, TrialCounts};
pub use self::stop::StopReason;

pub(crate) use self::controls::Control;
pub(crate) use self::report::{typed as typed_proposal, typed_promotion};
pub(crate) use self::resume::Earlier;

use crate::arena::Arena;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::harness::Harness;
use crate::history::RunHistory;
use crate::id::{ProposalId, TaskName};
use crate::journal::Record;
use crate::lineage::{Lineage, PromotedEdit, Promotion};
use crate::meter::Meter;
use crate::miner::Miner;
use crate::proposal::{Brief, PastProposal, Proposal};
use crate::proposer::Proposer;
use crate::runner::Runner;
use crate::split::Benchmark;
use crate::stage::StageContext;
use crate::trial::{HeldIn, Phase, Trials};
use crate::validator::{Incumbent, Validator};
use crate::verdict::{Judged, Judgement, Verdict};
use crate::weakness::Weakness;

/// The stage in which the validator asks the model.
pub(crate) const JUDGE: &str = "judge";

/// A harness that improves itself, round by round.
///
/// Made by [`Engine::builder`]. [`Engine::run`] goes on until a reason to stop; [`Engine::round`] is for callers who own
/// the loop. Every method may be dropped at any await: what was finished is in the journal, and a new engine over
/// the same journal goes on from there.
#[derive(Debug)]
pub struct Engine<H: Harness> {
    runner: Arc<Runner>,
    miner: Arc<dyn Miner>,
    proposer: Arc<dyn Proposer<H>>,
    validator: Arc<dyn Validator<H>>,
    improver: Meter,
    benchmark: Arc<Benchmark>,
    config: EngineConfig,
    lineage: Lineage<H>,
    past: RunHistory,
    history: Vec<PastProposal>,
    claims: Vec<Claim>,
    read_again: bool,
    controlled_by: Option<Arc<ControlGroup<H>>>,
    controls: Controls,
    pruning: Option<Pruning>,
    bar: Option<f64>,
    earlier: resume::Earlier,
}

impl<H: Harness> Engine<H> {
    /// Starts describing an engine for `seed`.
    pub fn builder(seed: H) -> EngineBuilder<H> {
        EngineBuilder::new(seed)
    }

    /// Rounds until a reason to stop, then pruning where it is asked for, then the claim on the sealed split, then the controls.
    ///
    /// # Errors
    /// Broken machinery, or a spent budget ([`ErrorKind::Budget`](crate::ErrorKind::Budget)): everything finished is
    /// recorded, and a new engine over the same journal goes on.
    pub async fn run(&mut self) -> Result<RunReport> {
        let span =
            tracing::info_span!("run", model = %self.runner.model.model(), seed = self.config.seed);
        let ended = self.within_time().instrument(span).await;
        let broken = matches!(&ended, Err(error) if error.kind() == ErrorKind::Journal);
        if !broken {
            let elapsed = self.runner.ledger.elapsed();
            self.runner.ledger.journal.append(&Record::Closed { elapsed }).await?;
        }
        ended
    }

    /// The cap on time holds over all sessions, and in the middle of a trial as well.
    async fn within_time(&mut self) -> Result<RunReport> {
        let ledger = Arc::clone(&self.runner.ledger);
        ledger.budget.note_elapsed(ledger.elapsed());
        let Some(cap) = ledger.budget.caps().time else { return self.rounds_then_claim().await };
        let left = cap.saturating_sub(ledger.budget.elapsed());
        let work = self.rounds_then_claim();
        futures::pin_mut!(work);
        match future::select(work, ledger.clock.sleep(left)).await {
            Either::Left((report, _)) => report,
            Either::Right(((), _)) => {
                let message = format!("the cap on time is reached ({:.0} s)", cap.as_secs_f64());
                Err(Error::new(ErrorKind::Budget, message))
            }
        }
    }

    async fn rounds_then_claim(&mut self) -> Result<RunReport> {
        let stopped = loop {
            if let Some(reason) = self.stop_reason() {
                break reason;
            }
            self.round().await?;
        };
        if let Some(pruning) = self.pruning {
            self.prune(pruning).await?;
        }
        self.claim().await?;
        self.control().await?;
        Ok(self.report(Some(stopped)))
    }

    /// One round.
    ///
    /// # Errors
    /// As [`Engine::run`]. A round that failed is not part of the lineage; calling again repeats it, taking
    /// finished trials from the record.
    pub async fn round(&mut self) -> Result<RoundReport> {
        let round = self.next_round();
        let span = tracing::info_span!("round", round);
        async {
            self.runner.observer.observe(&Event::RoundStarted { round });
            let assessed = self.assess(round).await?;
            if assessed.level.is_mostly_void() {
                return self.leave_as_it_is(round, &assessed).await;
            }
            self.calibrate().await?;
            if let Some(better) = drift::better_ancestor(&assessed.drift) {
                return self.revert(round, &assessed, better).await;
            }
            let weaknesses = self.mine(round, &assessed).await?;
            let proposals = self.propose(round, &assessed, &weaknesses).await?;
            let judgement = self.judge(round, &assessed, &weaknesses, proposals).await?;
            self.commit(round, &assessed, weaknesses, judgement).await
        }
        .instrument(span)
        .await
    }

    /// The history of promotions so far.
    pub fn lineage(&self) -> &Lineage<H> {
        &self.lineage
    }

    /// The rounds so far.
    pub fn rounds(&self) -> &[RoundReport] {
        self.past.rounds()
    }

    /// Ends a round whose trials say too little of the incumbent for anything to be mined or judged: it is inconclusive, and the
    /// run goes on with the next.
    async fn leave_as_it_is(&mut self, round: u32, assessed: &Assessment) -> Result<RoundReport> {
        let nothing = Judgement { judged: Vec::new(), composed: None };
        let tip = self.lineage.tip();
        let report = report::round(round, tip, assessed, Vec::new(), &nothing, None)?;
        self.publish(report, None).await
    }

    async fn mine(&self, round: u32, assessed: &Assessment) -> Result<Vec<Weakness>> {
        let weaknesses = match self.earlier.mined.get(&round) {
            Some(recorded) => recorded.clone(),
            None => {
                let cx = self.stage("mine", round);
                let weaknesses = self.miner.mine(&assessed.held_in, &cx).await?;
                let record = Record::Mined { round, weaknesses: weaknesses.clone() };
                self.runner.ledger.journal.append(&record).await?;
                weaknesses
            }
        };
        self.runner.observer.observe(&Event::Mined { weaknesses: &weaknesses });
        Ok(weaknesses)
    }

    async fn propose(
        &self,
        round: u32,
        assessed: &Assessment,
        weaknesses: &[Weakness],
    ) -> Result<Vec<Proposal<H::Edit>>> {
        let proposals = match self.earlier.proposed.get(&round) {
            Some(recorded) => recorded.iter().map(report::typed).collect::<Result<_>>()?,
            None if weaknesses.is_empty() => Vec::new(),
            None => self.propose_anew(round, assessed, weaknesses).await?,
        };
        for proposal in &proposals {
            self.runner.observer.observe(&Event::Proposed {
                proposal: proposal.id.as_str(),
                surface: proposal.surface.as_str(),
                mechanism: &proposal.mechanism,
            });
        }
        Ok(proposals)
    }

    async fn propose_anew(
        &self,
        round: u32,
        assessed: &Assessment,
        weaknesses: &[Weakness],
    ) -> Result<Vec<Proposal<H::Edit>>> {
        let passing = passing(&assessed.held_in);
        let tip = self.lineage.tip();
        let brief = Brief {
            round,
            incumbent: tip,
            surfaces: tip.surfaces(),
            weaknesses,
            passing: &passing,
            history: &self.history,
            width: self.config.width,
        };
        let cx = self.stage("propose", round);
        let mut proposals = self.proposer.propose(&brief, &cx).await?;
        proposals.truncate(self.config.width);
        for (index, proposal) in proposals.iter_mut().enumerate() {
            proposal.id = ProposalId::new(format!("r{round}-p{}", index + 1));
        }
        let plain = proposals.iter().map(report::plain).collect::<Result<_>>()?;
        self.runner.ledger.journal.append(&Record::Proposed { round, proposals: plain }).await?;
        Ok(proposals)
    }

    async fn judge(
        &self,
        round: u32,
        assessed: &Assessment,
        weaknesses: &[Weakness],
        proposals: Vec<Proposal<H::Edit>>,
    ) -> Result<Judgement<H>> {
        let incumbent = Incumbent {
            harness: self.lineage.tip(),
            held_in: &assessed.held_in,
            held_out: &assessed.held_out,
            weaknesses,
            history: &self.past,
        };
        let given = proposals.clone();
        let arena = self.arena(round, Phase::Judge).with_stage(self.stage(JUDGE, round));
        let judgement = self.validator.judge(&incumbent, proposals, &arena).await?;
        // Whole proposals, not their ids: the edit that is promoted must be the one that was proposed.
        if !judgement.judged.iter().map(|judged| &judged.proposal).eq(&given) {
            let message =
                "the validator did not answer each proposal once, as it was and in the order given";
            return Err(Error::new(ErrorKind::Contract, message));
        }
        for Judged { proposal, decision } in &judgement.judged {
            self.runner
                .observer
                .observe(&Event::Judged { proposal: proposal.id.as_str(), decision });
        }
        Ok(judgement)
    }

    /// Makes the round's promotion, verdicts and record take effect together: prepared first, written down,
    /// then published without another await.
    async fn commit(
        &mut self,
        round: u32,
        assessed: &Assessment,
        weaknesses: Vec<Weakness>,
        judgement: Judgement<H>,
    ) -> Result<RoundReport> {
        let promotion = match &judgement.composed {
            Some(composed) => {
                let edits = promoted_edits(composed.proposals.as_slice(), &judgement.judged)?;
                let promotion = self.lineage.promotion(round, edits)?;
                if promotion.child != composed.harness.fingerprint()? {
                    let message =
                        "the validator promoted a harness that its proposals' edits do not lead to";
                    return Err(Error::new(ErrorKind::Contract, message));
                }
                Some(promotion)
            }
            None => None,
        };
        let report = report::round(
            round,
            self.lineage.tip(),
            assessed,
            weaknesses,
            &judgement,
            promotion.as_ref(),
        )?;
        self.publish(report, promotion).await
    }

    async fn publish(
        &mut self,
        report: RoundReport,
        promotion: Option<Promotion<H::Edit>>,
    ) -> Result<RoundReport> {
        let plain = promotion.as_ref().map(report::plain_promotion).transpose()?;
        let record = Record::Round { report: Box::new(report.clone()), promotion: plain };
        self.runner.ledger.journal.append(&record).await?;
        if let Some(promotion) = promotion {
            self.lineage.push(promotion)?;
        }
        self.remember(&report);
        self.runner.observer.observe(&Event::RoundFinished { report: &report });
        Ok(report)
    }

    fn remember(&mut self, report: &RoundReport) {
        self.history.extend(report.past_proposals());
        self.past.push(report.clone(), self.runner.paid.recorded().iter().map(AsRef::as_ref));
        self.runner.paid.committed(report.round);
        self.runner.ledger.budget.note_elapsed(self.runner.ledger.elapsed());
    }

    fn next_round(&self) -> u32 {
        self.past.rounds().last().map_or(1, |report| report.round + 1)
    }

    fn arena(&self, round: u32, phase: Phase) -> Arena<H> {
        let (runner, benchmark) = (Arc::clone(&self.runner), Arc::clone(&self.benchmark));
        Arena::new(runner, benchmark, self.config.attempts, self.config.seed, round, phase)
    }

    fn stage(&self, stage: &str, round: u32) -> StageContext {
        let recorded = Arc::clone(&self.earlier.consulted);
        StageContext::new(&self.improver, recorded, stage, round, self.config.seed)
    }
}

/// Held-in tasks of which every scored attempt passed.
fn passing(trials: &Trials<HeldIn>) -> BTreeSet<TaskName> {
    let names = |wanted: bool| -> BTreeSet<TaskName> {
        let with = trials.iter().filter(|trial| trial.passed() == Some(wanted));
        with.map(|trial| trial.key.task.clone()).collect()
    };
    &names(true) - &names(false)
}

fn promoted_edits<E: Clone>(
    ids: &[ProposalId],
    judged: &[Judged<E>],
) -> Result<Vec<PromotedEdit<E>>> {
    ids.iter()
        .map(|id| {
            let accepted = judged.iter().find(|judged| {
                judged.proposal.id == *id && judged.decision.verdict == Verdict::Promote
            });
            let Some(Judged { proposal, .. }) = accepted else {
                let message = format!("the validator promoted '{id}', which it did not accept");
                return Err(Error::new(ErrorKind::Contract, message));
            };
            Ok(PromotedEdit { proposal: id.clone(), edit: proposal.edit.clone() })
        })
        .collect()
}

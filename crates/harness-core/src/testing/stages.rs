//! Stages and a judge that do what they are told to.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::arena::Arena;
use crate::error::{ErrorKind, Result};
use crate::harness::Harness;
use crate::id::{Fingerprint, ProposalId};
use crate::miner::Miner;
use crate::proposal::{Brief, Proposal};
use crate::proposer::Proposer;
use crate::sandbox::{SandboxPath, Session};
use crate::stage::StageContext;
use crate::task::Task;
use crate::trial::{HeldIn, HeldOut, Outcome, Trial, TrialId, Trials};
use crate::validator::{Incumbent, Validator};
use crate::verdict::{Comparison, Composed, Decision, Judged, Judgement, Pair, Verdict};
use crate::verifier::Verifier;
use crate::weakness::{Citation, Signature, Weakness};

macro_rules! scripted {
    ($($name:ident $(<$generic:ident>)?)*) => {$(
        impl$(<$generic: Harness>)? fmt::Debug for $name$(<$generic>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}
scripted!(ScriptedVerifier ScriptedMiner ScriptedProposer<H> ScriptedValidator<H>);

type Verify =
    dyn for<'a> Fn(&'a Task, &'a dyn Session) -> BoxFuture<'a, Result<Outcome>> + Send + Sync;

/// Judges by a closure over the task and what the session holds.
#[derive(Clone)]
pub struct ScriptedVerifier {
    name: String,
    verify: Arc<Verify>,
}

impl ScriptedVerifier {
    /// Judges by `verify`; `name` stands for what it does, in its fingerprint.
    pub fn new(
        name: impl Into<String>,
        verify: impl for<'a> Fn(&'a Task, &'a dyn Session) -> BoxFuture<'a, Result<Outcome>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self { name: name.into(), verify: Arc::new(verify) }
    }

    /// Passes when the file holds exactly these bytes. What it holds instead is the evidence.
    pub fn expecting(path: SandboxPath, wanted: impl Into<Vec<u8>>) -> Self {
        let wanted = Arc::new(wanted.into());
        let name = format!("{path} holds {}", Fingerprint::of_bytes(&wanted));
        Self::new(name, move |_, session| {
            let (path, wanted) = (path.clone(), Arc::clone(&wanted));
            async move {
                let evidence = match session.read(&path).await {
                    Ok(bytes) if bytes == *wanted => {
                        return Ok(Outcome::Scored { reward: 1.0, evidence: Vec::new() });
                    }
                    Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                    Err(error) if error.kind() == ErrorKind::NotFound => error.message().to_owned(),
                    Err(error) => return Err(error),
                };
                Ok(Outcome::Scored { reward: 0.0, evidence: vec![evidence] })
            }
            .boxed()
        })
    }
}

#[async_trait]
impl Verifier for ScriptedVerifier {
    fn fingerprint(&self, task: &Task) -> Result<Fingerprint> {
        Fingerprint::of(&(&self.name, task.fingerprint()?))
    }

    async fn verify(&self, task: &Task, session: &dyn Session) -> Result<Outcome> {
        (self.verify)(task, session).await
    }
}

type Mine = dyn for<'a> Fn(&'a Trials<HeldIn>, &'a StageContext) -> BoxFuture<'a, Result<Vec<Weakness>>>
    + Send
    + Sync;

/// Mines by a closure.
#[derive(Clone)]
pub struct ScriptedMiner(Arc<Mine>);

impl ScriptedMiner {
    /// Mines by `mine`.
    pub fn new(
        mine: impl for<'a> Fn(
            &'a Trials<HeldIn>,
            &'a StageContext,
        ) -> BoxFuture<'a, Result<Vec<Weakness>>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self(Arc::new(mine))
    }

    /// One weakness for each first line of evidence that failed trials show: a plain miner that keeps every law.
    pub fn by_evidence() -> Self {
        Self::new(|trials, _| {
            let result = weaknesses_by_evidence(trials);
            async move { result }.boxed()
        })
    }
}

fn weaknesses_by_evidence(trials: &Trials<HeldIn>) -> Result<Vec<Weakness>> {
    let mut groups = std::collections::BTreeMap::<String, Vec<&Arc<Trial>>>::new();
    for trial in trials.failed() {
        let first = match &trial.outcome {
            Outcome::Scored { evidence, .. } => evidence.first().cloned(),
            Outcome::Void { .. } => None,
        };
        groups.entry(first.unwrap_or_else(|| "unknown".to_owned())).or_default().push(trial);
    }
    let mut weaknesses = groups
        .into_iter()
        .map(|(evidence, failed)| weakness(&evidence, &failed))
        .collect::<Result<Vec<_>>>()?;
    weaknesses.sort_by(|a, b| b.weight().total_cmp(&a.weight()).then_with(|| a.id.cmp(&b.id)));
    Ok(weaknesses)
}

fn weakness(evidence: &str, failed: &[&Arc<Trial>]) -> Result<Weakness> {
    let signature = Signature {
        cause: evidence.to_owned(),
        status: "direct".to_owned(),
        mechanism: "scripted".to_owned(),
    };
    let mut cited: Vec<Citation> = failed
        .iter()
        .map(|trial| {
            let (task, quote) = (trial.key.task.clone(), evidence.to_owned());
            Ok(Citation { trial: trial.id()?, task, step: None, quote })
        })
        .collect::<Result<_>>()?;
    cited.sort_by_key(|citation| citation.trial);
    Ok(Weakness {
        id: Weakness::id_of(&signature)?,
        signature,
        tasks: failed.iter().map(|trial| trial.key.task.clone()).collect(),
        trials: u32::try_from(failed.len()).unwrap_or(u32::MAX),
        addressability: 1.0,
        description: format!("trials fail with '{evidence}'"),
        evidence: cited,
    })
}

type Propose<H> = dyn for<'a> Fn(
        &'a Brief<'a, H>,
        &'a StageContext,
    ) -> BoxFuture<'a, Result<Vec<Proposal<<H as Harness>::Edit>>>>
    + Send
    + Sync;

/// Proposes by a closure.
#[derive(Clone)]
pub struct ScriptedProposer<H: Harness>(Arc<Propose<H>>);

impl<H: Harness> ScriptedProposer<H> {
    /// Proposes by `propose`.
    pub fn new(
        propose: impl for<'a> Fn(
            &'a Brief<'a, H>,
            &'a StageContext,
        ) -> BoxFuture<'a, Result<Vec<Proposal<H::Edit>>>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self(Arc::new(propose))
    }

    /// Works through `pool`, `brief.width` edits a round, from its beginning again when it is used up. An edit that does not apply, or
    /// that comes to the same as another of the round, is left out; so a plain proposer that keeps every law.
    pub fn cycling(pool: Vec<H::Edit>) -> Self {
        Self::new(move |brief, _| {
            let proposals = cycle(&pool, brief);
            async move { proposals }.boxed()
        })
    }

    /// A proposal of `edit` against the heaviest weakness of the brief, or none when it has none.
    pub fn proposal(brief: &Brief<'_, H>, edit: H::Edit) -> Option<Proposal<H::Edit>> {
        let weakness = brief.weaknesses.first()?;
        Some(Proposal {
            id: ProposalId::new("unnumbered"),
            weakness: weakness.id.clone(),
            surface: H::surface_of(&edit),
            mechanism: "scripted".to_owned(),
            edit,
            rationale: "the script says so".to_owned(),
            expected_to_mend: weakness.tasks.clone(),
            risks: "none known".to_owned(),
        })
    }
}

fn cycle<H: Harness>(pool: &[H::Edit], brief: &Brief<'_, H>) -> Result<Vec<Proposal<H::Edit>>> {
    let skip = (brief.round.max(1) as usize - 1) * brief.width;
    let mut seen = vec![brief.incumbent.fingerprint()?];
    let mut proposals = Vec::new();
    for edit in pool.iter().cycle().skip(skip % pool.len().max(1)).take(pool.len()) {
        let Ok(candidate) = brief.incumbent.apply(edit) else { continue };
        let fingerprint = candidate.fingerprint()?;
        if proposals.len() < brief.width && !seen.contains(&fingerprint) {
            seen.push(fingerprint);
            proposals.extend(ScriptedProposer::proposal(brief, edit.clone()));
        }
    }
    Ok(proposals)
}

type Judge<H> = dyn for<'a> Fn(
        &'a Incumbent<'a, H>,
        Vec<Proposal<<H as Harness>::Edit>>,
        &'a Arena<H>,
    ) -> BoxFuture<'a, Result<Judgement<H>>>
    + Send
    + Sync;

/// Judges by a closure.
#[derive(Clone)]
pub struct ScriptedValidator<H: Harness>(Arc<Judge<H>>);

impl<H: Harness> ScriptedValidator<H> {
    /// Judges by `judge`.
    pub fn new(
        judge: impl for<'a> Fn(
            &'a Incumbent<'a, H>,
            Vec<Proposal<H::Edit>>,
            &'a Arena<H>,
        ) -> BoxFuture<'a, Result<Judgement<H>>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self(Arc::new(judge))
    }

    /// Measures every candidate once on both splits and lets `decide` look at the counts. What is promoted is composed, and the
    /// composition measured and decided in the same way; where it does not pass, the first that was promoted stands alone.
    pub fn measuring(decide: impl Fn(&Comparison) -> Verdict + Send + Sync + 'static) -> Self {
        let decide = Arc::new(decide);
        Self::new(move |incumbent, proposals, arena| {
            let decide = Arc::clone(&decide);
            async move { measure_all(incumbent, proposals, arena, decide.as_ref()).await }.boxed()
        })
    }

    /// Promotes what passes more often on one split and not less often on the other; void trials on either side, as many as the
    /// difference could hide behind, leave it open. A plain gate that keeps every law.
    pub fn counting() -> Self {
        Self::measuring(count)
    }
}

fn count(seen: &Comparison) -> Verdict {
    let voids = |pair: &Pair| pair.incumbent.void + pair.candidate.void;
    let (inside, outside) = (seen.held_in.change(), seen.held_out.change());
    if voids(&seen.held_in) + voids(&seen.held_out) > 0 {
        return Verdict::Inconclusive;
    }
    match inside >= 0 && outside >= 0 && inside + outside > 0 {
        true => Verdict::Promote,
        false => Verdict::Reject,
    }
}

async fn measure_all<H: Harness>(
    incumbent: &Incumbent<'_, H>,
    proposals: Vec<Proposal<H::Edit>>,
    arena: &Arena<H>,
    decide: &(dyn Fn(&Comparison) -> Verdict + Send + Sync),
) -> Result<Judgement<H>> {
    let mut judged = Vec::new();
    for proposal in proposals {
        let decision = match incumbent.harness.apply(&proposal.edit) {
            Err(error) => Decision::refuse(error.report()),
            Ok(candidate) if candidate.fingerprint()? == incumbent.harness.fingerprint()? => {
                Decision::refuse("it changes nothing")
            }
            Ok(candidate) => weigh(incumbent, &candidate, arena, decide).await?,
        };
        judged.push(Judged { proposal, decision });
    }
    let composed = compose(incumbent, &judged, arena, decide).await?;
    Ok(Judgement { judged, composed })
}

async fn weigh<H: Harness>(
    incumbent: &Incumbent<'_, H>,
    candidate: &H,
    arena: &Arena<H>,
    decide: &(dyn Fn(&Comparison) -> Verdict + Send + Sync),
) -> Result<Decision> {
    let held_in = arena.measure::<HeldIn>(candidate).await?;
    let held_out = arena.measure::<HeldOut>(candidate).await?;
    let all = incumbent.held_in.iter().chain(incumbent.held_out.iter());
    let all = all.chain(held_in.iter()).chain(held_out.iter());
    let evidence = Comparison {
        held_in: Pair { incumbent: incumbent.held_in.score(), candidate: held_in.score() },
        held_out: Pair { incumbent: incumbent.held_out.score(), candidate: held_out.score() },
        trials: all.map(|trial| trial.id()).collect::<Result<Vec<TrialId>>>()?,
        mended: Vec::new(),
        broken: Vec::new(),
    };
    let verdict = decide(&evidence);
    let (inside, outside) = (evidence.held_in.change(), evidence.held_out.change());
    let reason = format!("passes change by {inside} held-in and {outside} held-out");
    Ok(Decision { verdict, reason, evidence: Some(evidence) })
}

async fn compose<H: Harness>(
    incumbent: &Incumbent<'_, H>,
    judged: &[Judged<H::Edit>],
    arena: &Arena<H>,
    decide: &(dyn Fn(&Comparison) -> Verdict + Send + Sync),
) -> Result<Option<Composed<H>>> {
    let passed: Vec<&Judged<H::Edit>> =
        judged.iter().filter(|judged| judged.decision.verdict == Verdict::Promote).collect();
    let Some(first) = passed.first() else { return Ok(None) };
    let together = passed.iter().try_fold(incumbent.harness.clone(), |harness, judged| {
        harness.apply(&judged.proposal.edit)
    });
    if let (Ok(harness), true) = (together, passed.len() > 1) {
        let decision = weigh(incumbent, &harness, &arena.composing(), decide).await?;
        if decision.verdict == Verdict::Promote {
            let proposals = passed.iter().map(|judged| judged.proposal.id.clone()).collect();
            return Ok(Some(Composed { harness, proposals, decision }));
        }
    }
    Ok(Some(Composed {
        harness: incumbent.harness.apply(&first.proposal.edit)?,
        proposals: vec![first.proposal.id.clone()],
        decision: first.decision.clone(),
    }))
}

#[async_trait]
impl Miner for ScriptedMiner {
    async fn mine(&self, trials: &Trials<HeldIn>, cx: &StageContext) -> Result<Vec<Weakness>> {
        (self.0)(trials, cx).await
    }
}

#[async_trait]
impl<H: Harness> Proposer<H> for ScriptedProposer<H> {
    async fn propose(
        &self,
        brief: &Brief<'_, H>,
        cx: &StageContext,
    ) -> Result<Vec<Proposal<H::Edit>>> {
        (self.0)(brief, cx).await
    }
}

#[async_trait]
impl<H: Harness> Validator<H> for ScriptedValidator<H> {
    async fn judge(
        &self,
        incumbent: &Incumbent<'_, H>,
        proposals: Vec<Proposal<H::Edit>>,
        arena: &Arena<H>,
    ) -> Result<Judgement<H>> {
        (self.0)(incumbent, proposals, arena).await
    }
}

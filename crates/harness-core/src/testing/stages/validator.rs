//! A validator that does what it is told to.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::arena::Arena;
use crate::error::Result;
use crate::harness::Harness;
use crate::proposal::Proposal;
use crate::trial::{HeldIn, HeldOut, TrialId};
use crate::validator::{Incumbent, Validator};
use crate::verdict::{Comparison, Composed, Decision, Judged, Judgement, Pair, Verdict};

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
    Ok(Decision { verdict, reason, evidence: Some(evidence), finding: None })
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

impl<H: Harness> fmt::Debug for ScriptedValidator<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScriptedValidator")
    }
}

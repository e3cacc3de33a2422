//! A proposer that does what it is told to.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::error::Result;
use crate::harness::Harness;
use crate::id::ProposalId;
use crate::proposal::{Brief, Proposal};
use crate::proposer::Proposer;
use crate::stage::StageContext;

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

impl<H: Harness> fmt::Debug for ScriptedProposer<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScriptedProposer")
    }
}

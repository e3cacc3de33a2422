//! A critic who mines, an editor who proposes, a judge who validates.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use harness_core::{
    Arena, Brief, Citation, Comparison, Composed, Decision, Harness, HeldIn, HeldOut, Incumbent,
    Judged, Judgement, Miner, Outcome, Pair, Proposal, Proposer, Result, Signature, StageContext,
    Trials, Validator, Verdict, Weakness,
};

use crate::{Change, Phrasebook};

/// Finds the words that came out as a question mark.
#[derive(Debug)]
pub struct Critic;

#[async_trait]
impl Miner for Critic {
    async fn mine(&self, trials: &Trials<HeldIn>, _cx: &StageContext) -> Result<Vec<Weakness>> {
        let mut gaps: BTreeMap<Signature, Weakness> = BTreeMap::new();
        for trial in trials.failed() {
            let Outcome::Scored { evidence, .. } = &trial.outcome else { continue };
            let signature = Signature {
                cause: "wording".into(),
                status: "root_cause".into(),
                mechanism: "unknown_word".into(),
            };
            let id = Weakness::id_of(&signature)?;
            let weakness = gaps.entry(signature.clone()).or_insert_with(|| Weakness {
                id,
                signature,
                tasks: BTreeSet::new(),
                trials: 0,
                addressability: 1.0,
                description: "words without a translation".into(),
                evidence: Vec::new(),
            });
            weakness.trials += 1;
            if weakness.tasks.insert(trial.key.task.clone()) {
                let quote = evidence.first().cloned().unwrap_or_default();
                let task = trial.key.task.clone();
                weakness.evidence.push(Citation { trial: trial.id()?, task, step: Some(1), quote });
            }
        }
        Ok(gaps.into_values().collect())
    }
}

/// Proposes one good word, one harmful one, and one edit that does nothing.
#[derive(Debug)]
pub struct Editor;

#[async_trait]
impl Proposer<Phrasebook> for Editor {
    async fn propose(
        &self,
        brief: &Brief<'_, Phrasebook>,
        _cx: &StageContext,
    ) -> Result<Vec<Proposal<Change>>> {
        let Some(weakness) = brief.weaknesses.first() else { return Ok(Vec::new()) };
        let learn = |word: &str, translation: &str| Change::Learn {
            word: word.into(),
            translation: translation.into(),
        };
        let ideas = [learn("eau", "water"), learn("pain", "ache"), Change::DoubleCheck(false)];
        let proposals = ideas.into_iter().map(|edit| Proposal {
            id: "to be numbered".into(),
            weakness: weakness.id.clone(),
            surface: Phrasebook::surface_of(&edit),
            mechanism: "vocabulary".into(),
            edit,
            rationale: "the word is missing".into(),
            expected_to_mend: weakness.tasks.clone(),
            risks: String::new(),
        });
        Ok(proposals.take(brief.width).collect())
    }
}

/// Promotes the first proposal that gains on one split and loses on none.
#[derive(Debug)]
pub struct Judge;

#[async_trait]
impl Validator<Phrasebook> for Judge {
    async fn judge(
        &self,
        incumbent: &Incumbent<'_, Phrasebook>,
        proposals: Vec<Proposal<Change>>,
        arena: &Arena<Phrasebook>,
    ) -> Result<Judgement<Phrasebook>> {
        let mut judgement = Judgement { judged: Vec::new(), composed: None };
        for proposal in proposals {
            let candidate = incumbent.harness.apply(&proposal.edit)?;
            let held_in: Trials<HeldIn> = arena.measure(&candidate).await?;
            let held_out: Trials<HeldOut> = arena.measure(&candidate).await?;
            let evidence = Comparison {
                held_in: Pair { incumbent: incumbent.held_in.score(), candidate: held_in.score() },
                held_out: Pair {
                    incumbent: incumbent.held_out.score(),
                    candidate: held_out.score(),
                },
                ..Comparison::default()
            };
            let changes = [evidence.held_in.change(), evidence.held_out.change()];
            let better = changes.iter().all(|change| *change >= 0)
                && changes.iter().any(|change| *change > 0);
            let taken = judgement.composed.is_some();
            let verdict = if better && !taken { Verdict::Promote } else { Verdict::Reject };
            let decision = Decision {
                verdict,
                reason: format!("{changes:?}"),
                evidence: Some(evidence),
                finding: None,
            };
            if verdict == Verdict::Promote {
                judgement.composed = Some(Composed {
                    harness: candidate,
                    proposals: vec![proposal.id.clone()],
                    decision: decision.clone(),
                });
            }
            judgement.judged.push(Judged { proposal, decision });
        }
        Ok(judgement)
    }
}

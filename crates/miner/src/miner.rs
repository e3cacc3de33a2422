//! The miner: asks about each failure, then groups.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use harness_core::{
    ErrorKind, HeldIn, HeldOut, Miner, Outcome, Result, Shown, SignatureReader, StageContext,
    Trials, Weakness,
};
use tracing::Instrument;

use crate::cause::terminal_cause;
use crate::cluster::{Diagnosed, weaknesses};
use crate::diagnosis::{Diagnosis, question};
use crate::evidence::{EvidenceLimits, Material};
use crate::select::{Case, Selection, cases};
use crate::vocabulary::VOCABULARY_VERSION;

/// Mines by failure signature: the terminal cause by rules, causal status and agent mechanism by the model, both
/// over closed vocabularies.
///
/// Each diagnosed failure is one question to the model, two where the first answer cannot be read. An answer that stays
/// unreadable gives `unknown` parts and never stops the round.
#[derive(Clone, Debug)]
pub struct SignatureMiner {
    max_diagnoses: usize,
    concurrency: usize,
    reply_tokens: u32,
    limits: EvidenceLimits,
}

impl Default for SignatureMiner {
    fn default() -> Self {
        Self::new()
    }
}

impl SignatureMiner {
    /// At most 24 diagnoses a round, 4 at once, replies of at most 4096 tokens, the default evidence limits.
    pub fn new() -> Self {
        Self {
            max_diagnoses: 24,
            concurrency: 4,
            reply_tokens: 4096,
            limits: EvidenceLimits::default(),
        }
    }

    /// At most so many failures are diagnosed in a round, distinct tasks first. The descriptions of a round that
    /// left some out say so. With 0 nothing is mined.
    #[must_use]
    pub fn with_max_diagnoses(mut self, count: usize) -> Self {
        self.max_diagnoses = count;
        self
    }

    /// So many questions at once, at least 1. Does not change the result.
    #[must_use]
    pub fn with_concurrency(mut self, count: usize) -> Self {
        self.concurrency = count.max(1);
        self
    }

    /// Tokens of one reply, thoughts included.
    #[must_use]
    pub fn with_reply_tokens(mut self, tokens: u32) -> Self {
        self.reply_tokens = tokens;
        self
    }

    /// How much of a trial the model is shown.
    #[must_use]
    pub fn with_evidence_limits(mut self, limits: EvidenceLimits) -> Self {
        self.limits = limits;
        self
    }

    async fn diagnose_all(
        &self,
        selection: Selection,
        cx: &StageContext,
    ) -> Result<Vec<Diagnosed>> {
        // Collected first: a closure over `cx` here is not general enough for async_trait's `Send` bound.
        let mut pending = Vec::with_capacity(selection.cases.len());
        for case in selection.cases {
            let span =
                tracing::info_span!("diagnose", task = %case.trial.key.task, trial = %case.id);
            pending.push(self.diagnose(case, cx).instrument(span));
        }
        stream::iter(pending).buffered(self.concurrency).try_collect().await
    }

    async fn diagnose(&self, case: Case, cx: &StageContext) -> Result<Diagnosed> {
        let cause = match &case.trial.outcome {
            Outcome::Scored { reward, evidence } => {
                terminal_cause(evidence, &case.trial.finish, *reward)
            }
            Outcome::Void { .. } => crate::vocabulary::Cause::Unknown,
        };
        let material = Material::of(&case.trial, cause, case.contrast.as_deref(), &self.limits);
        let diagnosis = self.ask(&case, &material, cx).await?;
        tracing::debug!(%cause, status = %diagnosis.status, mechanism = %diagnosis.mechanism, "diagnosed");
        Ok(Diagnosed { case, cause, diagnosis })
    }

    async fn ask(&self, case: &Case, material: &Material, cx: &StageContext) -> Result<Diagnosis> {
        let shown = material.step_ids();
        // 31 bits: some servers take no larger seed.
        let seed = cx.seed().wrapping_add(case.id.0.seed()) & 0x7fff_ffff;
        let request = question(material, seed, self.reply_tokens)?;
        match cx.ask_for(request, |answer| Diagnosis::read(answer, &shown)).await {
            Ok(Ok(diagnosis)) => Ok(diagnosis),
            Ok(Err(unreadable)) => {
                tracing::warn!(complaint = %unreadable.complaint, "a diagnosis stayed unreadable: unknown");
                Ok(Diagnosis::salvage(&unreadable, &shown))
            }
            // The record of this one trial is too long for this model: its problem, not the round's.
            Err(error) if error.kind() == ErrorKind::ContextOverflow => {
                tracing::warn!(error = %error.report(), "a record does not fit the model: unknown");
                Ok(Diagnosis::unknown())
            }
            Err(error) => Err(error.while_doing(format_args!(
                "diagnosing a failed attempt at '{}'",
                case.trial.key.task
            ))),
        }
    }
}

#[async_trait]
impl Miner for SignatureMiner {
    async fn mine(&self, trials: &Trials<HeldIn>, cx: &StageContext) -> Result<Vec<Weakness>> {
        let selection =
            cases(trials, self.max_diagnoses, cx.seed().wrapping_add(cx.round().into()))?;
        let (failures, chosen) = (selection.failures, selection.cases.len());
        let span = tracing::info_span!(
            "mine",
            round = cx.round(),
            vocabulary = VOCABULARY_VERSION,
            failures,
            diagnosed = chosen,
        );
        let diagnosed = self.diagnose_all(selection, cx).instrument(span.clone()).await?;
        let _entered = span.entered();
        let mut found = weaknesses(&diagnosed)?;
        if chosen < failures {
            tracing::info!(failures, diagnosed = chosen, "not every failure was diagnosed");
            let note = format!(" [{chosen} of this round's {failures} failures were diagnosed]");
            found.iter_mut().for_each(|weakness| weakness.description.push_str(&note));
        }
        trace_causes(&diagnosed);
        Ok(found)
    }
}

fn trace_causes(diagnosed: &[Diagnosed]) {
    let mut causes = BTreeMap::<&str, usize>::new();
    for one in diagnosed {
        *causes.entry(one.cause.as_str()).or_default() += 1;
    }
    tracing::debug!(?causes, "terminal causes");
}

/// The same diagnosis for failures that only the validator sees.
#[async_trait]
impl SignatureReader for SignatureMiner {
    async fn read(&self, trials: &Trials<HeldOut>, cx: &StageContext) -> Result<Shown> {
        let selection =
            cases(trials, self.max_diagnoses, cx.seed().wrapping_add(cx.round().into()))?;
        let span = tracing::info_span!(
            "read",
            round = cx.round(),
            vocabulary = VOCABULARY_VERSION,
            failures = selection.failures,
            diagnosed = selection.cases.len(),
        );
        let mut shown = Shown::new();
        for diagnosed in self.diagnose_all(selection, cx).instrument(span).await? {
            let task = diagnosed.case.trial.key.task.clone();
            shown.entry(task).or_default().insert(diagnosed.signature());
        }
        Ok(shown)
    }
}

//! A miner that does what it is told to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::error::Result;
use crate::miner::Miner;
use crate::reader::{Shown, SignatureReader};
use crate::stage::StageContext;
use crate::trial::{HeldIn, HeldOut, Outcome, Split, Trial, Trials};
use crate::weakness::{Citation, Signature, Weakness};

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

fn weaknesses_by_evidence<S: Split>(trials: &Trials<S>) -> Result<Vec<Weakness>> {
    let mut groups = BTreeMap::<String, Vec<&Arc<Trial>>>::new();
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

#[async_trait]
impl Miner for ScriptedMiner {
    async fn mine(&self, trials: &Trials<HeldIn>, cx: &StageContext) -> Result<Vec<Weakness>> {
        (self.0)(trials, cx).await
    }
}

/// Reads held-out failures as [`ScriptedMiner::by_evidence`] mines held-in ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct EvidenceReader;

#[async_trait]
impl SignatureReader for EvidenceReader {
    async fn read(&self, trials: &Trials<HeldOut>, _: &StageContext) -> Result<Shown> {
        let mut shown = Shown::new();
        for weakness in weaknesses_by_evidence(trials)? {
            for task in weakness.tasks {
                shown.entry(task).or_default().insert(weakness.signature.clone());
            }
        }
        Ok(shown)
    }
}

impl fmt::Debug for ScriptedMiner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScriptedMiner")
    }
}

//! What a weakness is: failures of this model that share a signature.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::id::{Fingerprint, TaskName, WeaknessId};
use crate::trial::TrialId;

/// The paper's triple (arXiv 2606.09498, section on weakness mining): what the verifier objected to, how the agent's
/// behaviour relates to it, and the reusable description of that behaviour.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Signature {
    /// Terminal, verifier-level cause of the failure.
    pub cause: String,
    /// Causal status of the agent's behaviour with respect to that cause.
    pub status: String,
    /// The agent mechanism behind it.
    pub mechanism: String,
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {} / {}", self.cause, self.status, self.mechanism)
    }
}

/// A recurring failure pattern, with its support.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weakness {
    /// Derived from the signature.
    pub id: WeaknessId,
    /// What its failures share.
    pub signature: Signature,
    /// Distinct tasks that show it: its support. One flaky task tried twice supports no more than once.
    pub tasks: BTreeSet<TaskName>,
    /// How many failed trials show it.
    pub trials: u32,
    /// How likely a harness edit can mend it, 0 (a plain limit of the model) to 1.
    pub addressability: f64,
    /// What happens, in a sentence or two.
    pub description: String,
    /// Where it can be seen.
    pub evidence: Vec<Citation>,
}

impl Weakness {
    /// The id of a signature.
    ///
    /// # Errors
    /// None in practice.
    pub fn id_of(signature: &Signature) -> Result<WeaknessId> {
        Ok(WeaknessId::new(format!("w-{}", &Fingerprint::of(signature)?.short()[..8])))
    }

    /// Support weighted by how likely an edit helps: the order in which weaknesses are worked on.
    #[expect(clippy::cast_precision_loss, reason = "counts of tasks are far below 2^52")]
    pub fn weight(&self) -> f64 {
        self.tasks.len() as f64 * self.addressability
    }
}

/// Where a claim about a trial can be checked: a step that exists, or the verifier's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// The trial.
    pub trial: TrialId,
    /// Its task.
    pub task: TaskName,
    /// The step that shows it; `None` when the verifier's evidence does.
    pub step: Option<u32>,
    /// The words that show it, cut to a length a person reads.
    pub quote: String,
}

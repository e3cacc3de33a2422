//! Who sees everything and forgets nothing, whatever is killed.

use std::collections::HashSet;
use std::fmt::Display;
use std::sync::{Arc, Mutex};

use harness_core::{Fingerprint, Record, Request};

use crate::scheduler::lock;

/// What was acknowledged, and what should not have happened. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Witness(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    acknowledged: Vec<String>,
    /// Of trials that were scored and acknowledged.
    finished: HashSet<u64>,
    /// Of stages' questions whose answer was acknowledged.
    answered: HashSet<Fingerprint>,
    violations: Vec<String>,
    hasher: blake3::Hasher,
}

impl Witness {
    /// The journal says that this record, written as `text`, is safe.
    pub fn acknowledged(&self, record: &Record, text: &str) {
        self.note(text);
        let again = match record {
            Record::TrialFinished { trial } if trial.passed().is_some() => {
                let seed = trial.id().map_or(0, |id| id.0.seed());
                !lock(&self.0).finished.insert(seed)
            }
            Record::Consulted { consultation } => {
                !lock(&self.0).answered.insert(consultation.request)
            }
            _ => false,
        };
        if again {
            self.object(format!("recorded twice: {text}"));
        }
        lock(&self.0).acknowledged.push(text.to_owned());
    }

    /// The server was asked this on behalf of the trial with this seed, or of a stage.
    pub fn asked(&self, request: &Request, trial: Option<u64>) {
        let again = match trial {
            Some(seed) => lock(&self.0).finished.contains(&seed),
            None => Fingerprint::of(request)
                .is_ok_and(|digest| lock(&self.0).answered.contains(&digest)),
        };
        if again {
            let said = request.messages.first().map_or("", |message| message.content.as_str());
            self.object(format!("paid for again, though the answer was on record: {said}"));
        }
    }

    /// Compares what is on record with what was acknowledged.
    pub fn compare(&self, found: &[String]) {
        let mut rest = found.iter();
        let lost = lock(&self.0)
            .acknowledged
            .iter()
            .find(|wanted| !rest.any(|found| found == *wanted))
            .cloned();
        if let Some(lost) = lost {
            self.object(format!("acknowledged and lost, or out of order: {lost}"));
        }
    }

    /// Something that must not happen has happened.
    pub fn object(&self, what: impl Display) {
        lock(&self.0).violations.push(what.to_string());
    }

    /// Something happened: the same history must tell the same things in the same order.
    pub fn note(&self, what: &str) {
        lock(&self.0).hasher.update(what.as_bytes()).update(b"\n");
    }

    /// Everything that must not happen and did.
    pub fn violations(&self) -> Vec<String> {
        lock(&self.0).violations.clone()
    }

    /// Of everything noted so far.
    pub fn hash(&self) -> String {
        lock(&self.0).hasher.finalize().to_hex()[..16].to_owned()
    }
}

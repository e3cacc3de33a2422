//! What mining and proposing may use: the run's own model, metered and recorded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::call::Purpose;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Fingerprint, ModelId};
use crate::journal::{Consultation, Record};
use crate::llm::{Completion, LlmBackend, Request};
use crate::meter::{Ledger, Meter};

/// Handed to [`Miner`](crate::Miner) and [`Proposer`](crate::Proposer). Its model is the one that runs under the harness,
/// unless the embedder asked aloud for another, which the run's identity then records.
#[derive(Debug)]
pub struct StageContext {
    meter: Meter,
    recorded: Recorded,
    asked: Mutex<HashMap<Fingerprint, u32>>,
    stage: String,
    round: u32,
    seed: u64,
    on_record: bool,
}

/// No model: what is not on record has no answer.
#[derive(Debug)]
struct Nobody(ModelId);

#[async_trait]
impl LlmBackend for Nobody {
    fn model(&self) -> &ModelId {
        &self.0
    }

    async fn complete(&self, _: Request) -> Result<Completion> {
        Err(Error::new(ErrorKind::Journal, "the journal holds no answer to what a stage asks now"))
    }
}

/// Consultations of an interrupted session, by (round, stage, request, ordinal).
pub(crate) type Recorded = Arc<Answers>;
pub(crate) type Answers = HashMap<(u32, String, Fingerprint, u32), Completion>;

impl StageContext {
    /// A context outside any run: unlimited, recorded nowhere. For tests and for stages used alone.
    pub fn alone(model: Arc<dyn LlmBackend>, seed: u64) -> Self {
        let purpose = Purpose::Stage { round: 0, stage: "alone".to_owned() };
        let meter = Meter::new(model, Arc::new(Ledger::unlimited()), purpose);
        Self::new(&meter, Recorded::default(), "alone", 0, seed)
    }

    pub(crate) fn new(
        meter: &Meter,
        recorded: Recorded,
        stage: &str,
        round: u32,
        seed: u64,
    ) -> Self {
        let asked = Mutex::default();
        let stage = stage.to_owned();
        let meter = meter.for_purpose(Purpose::Stage { round, stage: stage.clone() });
        Self { meter, recorded, asked, stage, round, seed, on_record: false }
    }

    /// A context that only knows what was answered before: whoever asks anything else is refused.
    pub(crate) fn on_record(recorded: Recorded, stage: &str, round: u32, seed: u64) -> Self {
        let model = Arc::new(Nobody(ModelId::new("journal", "on record")));
        let purpose = Purpose::Stage { round, stage: stage.to_owned() };
        let meter = Meter::new(model, Arc::new(Ledger::unlimited()), purpose);
        Self { on_record: true, ..Self::new(&meter, recorded, stage, round, seed) }
    }

    /// Whether nobody answers any more: of a recorded run that is judged again. What it was not asked then has no answer
    /// ([`ErrorKind::Journal`]).
    pub fn is_on_record(&self) -> bool {
        self.on_record
    }

    /// Who answers.
    pub fn model(&self) -> &ModelId {
        self.meter.model()
    }

    /// The round, from 1; 0 outside rounds.
    pub fn round(&self) -> u32 {
        self.round
    }

    /// Whatever is random in a stage comes from here.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Asks the model. The answer is recorded before it is returned, and a resumed run takes a recorded answer
    /// instead of paying again.
    ///
    /// # Errors
    /// Those of the model; [`ErrorKind::Budget`](crate::ErrorKind::Budget) when a cap is reached.
    pub async fn ask(&self, mut request: Request) -> Result<Completion> {
        let digest = Fingerprint::of(&request)?;
        let ordinal = self.next_ordinal(digest);
        let key = (self.round, self.stage.clone(), digest, ordinal);
        if let Some(completion) = self.recorded.get(&key) {
            return Ok(completion.clone());
        }
        request.origin.replicate = Some(self.replicate(ordinal));
        let completion = self.meter.complete(request).await?;
        let consultation = Consultation {
            round: self.round,
            stage: self.stage.clone(),
            request: digest,
            ordinal,
            completion: completion.clone(),
        };
        self.meter.ledger().journal.append(&Record::Consulted { consultation }).await?;
        Ok(completion)
    }

    /// The same question asked again, or in a later round, is another sample.
    fn replicate(&self, ordinal: u32) -> u64 {
        self.seed ^ (u64::from(self.round) << 32 | u64::from(ordinal))
    }

    fn next_ordinal(&self, digest: Fingerprint) -> u32 {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let count = asked.entry(digest).or_default();
        *count += 1;
        *count - 1
    }
}

//! The model's server: slow, sometimes broken, sometimes gone, and the only one who knows what was really charged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use harness_core::testing::{Chance, ManualClock};
use harness_core::{
    Clock, Completion, Error, ErrorKind, Fingerprint, LlmBackend, ModelId, Price, Request, Result,
    Usage,
};

use crate::plan::Faults;
use crate::scheduler::lock;
use crate::witness::Witness;

/// What a token costs, in dollars: a power of two, so that sums are exact.
const DOLLARS_A_TOKEN: f64 = 1.0 / 65_536.0;

/// Answers as a pure function of the question. Clones share the accounts, which no crash of the client touches.
#[derive(Clone, Debug)]
pub struct Server {
    model: ModelId,
    clock: ManualClock,
    witness: Witness,
    faults: Faults,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    chance: Chance,
    tokens: u64,
    calls: u64,
    refused: u64,
    /// Faults so far, by trial: more than the client bears would change what a trial comes to.
    faults: BTreeMap<u64, u32>,
}

/// What a server does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Answers.
    Answered,
    /// Answers, and does not tell what it used.
    WithoutUsage,
    /// Is overloaded: nothing was done and nothing charged.
    Refused,
    /// Charges, and sends half of an answer.
    Cut,
    /// Charges, and is never heard of.
    Silent,
    /// Is not there.
    Down,
}

impl Server {
    /// A server on this clock.
    pub fn new(clock: ManualClock, witness: Witness, faults: Faults, seed: u64) -> Self {
        let state = State {
            chance: Chance::new(seed),
            tokens: 0,
            calls: 0,
            refused: 0,
            faults: BTreeMap::new(),
        };
        let model = ModelId::new(ModelId::SIMULATED, "server");
        Self { model, clock, witness, faults, state: Arc::new(Mutex::new(state)) }
    }

    /// Tokens that were charged for.
    pub fn tokens(&self) -> u64 {
        lock(&self.state).tokens
    }

    /// Dollars that were charged.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub fn dollars(&self) -> f64 {
        self.tokens() as f64 * DOLLARS_A_TOKEN
    }

    /// Requests that were answered or charged.
    pub fn calls(&self) -> u64 {
        lock(&self.state).calls
    }

    /// Requests that came while it was down.
    pub fn knocks(&self) -> u64 {
        lock(&self.state).refused
    }

    /// Whether something else than the model goes wrong with this trial now.
    pub fn mishap(&self, trial: u64) -> bool {
        let mut state = lock(&self.state);
        let happens = state.chance.happens(self.faults.mishap);
        happens && state.bears_another(trial, self.faults.most)
    }

    fn tell(&self, request: &Request, trial: Option<u64>) -> (Told, Usage) {
        let down = self.faults.is_down(self.clock.now());
        let mut state = lock(&self.state);
        let usage = usage(request, &mut state.chance);
        let told = if down { Told::Down } else { state.draw(&self.faults, trial) };
        match told {
            Told::Answered | Told::WithoutUsage | Told::Cut | Told::Silent => {
                state.calls += 1;
                state.tokens += usage.tokens();
            }
            Told::Down => state.refused += 1,
            Told::Refused => {}
        }
        (told, usage)
    }

    fn latency(&self) -> Duration {
        Duration::from_millis(lock(&self.state).chance.below(self.faults.latency_ms + 1))
    }
}

impl State {
    fn draw(&mut self, faults: &Faults, trial: Option<u64>) -> Told {
        let die = self.chance.unit();
        let kinds = [
            (faults.refused, Told::Refused),
            (faults.cut, Told::Cut),
            (faults.silent, Told::Silent),
            (faults.without_usage, Told::WithoutUsage),
        ];
        let mut below = 0.0;
        let fault = kinds.into_iter().find(|(probability, _)| {
            below += probability;
            die < below
        });
        match (fault, trial) {
            (None, _) => Told::Answered,
            (Some((_, Told::WithoutUsage)), _) => Told::WithoutUsage,
            (Some((_, told)), None) => told,
            (Some((_, told)), Some(trial)) if self.bears_another(trial, faults.most) => told,
            _ => Told::Answered,
        }
    }

    fn bears_another(&mut self, trial: u64, most: u32) -> bool {
        let count = self.faults.entry(trial).or_default();
        let bears = *count < most;
        *count += u32::from(bears);
        bears
    }
}

/// At most what a client must reserve for it.
fn usage(request: &Request, chance: &mut Chance) -> Usage {
    let bytes: usize = request.messages.iter().map(|message| message.content.len()).sum();
    let most = u64::from(request.max_tokens.unwrap_or(4096));
    let (prompt_tokens, completion_tokens) = (bytes as u64 / 4, 1 + chance.below(most.min(64)));
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let cost = (prompt_tokens + completion_tokens) as f64 * DOLLARS_A_TOKEN;
    Usage { prompt_tokens, completion_tokens, cost_usd: Some(cost), ..Usage::default() }
}

/// What call number `call` of a trial asks.
pub(crate) fn question(trial: u64, call: u32) -> String {
    format!("trial {trial} call {call}")
}

fn trial_of(question: &str) -> Option<u64> {
    question.strip_prefix("trial ")?.split(' ').next()?.parse().ok()
}

/// What the model says to it.
pub(crate) fn answer(question: &str) -> String {
    Fingerprint::of_bytes(question.as_bytes()).short()
}

#[async_trait]
impl LlmBackend for Server {
    fn model(&self) -> &ModelId {
        &self.model
    }

    fn price(&self) -> Option<Price> {
        let dollars_a_million = DOLLARS_A_TOKEN * 1e6;
        Some(Price {
            prompt: dollars_a_million,
            cached: None,
            cache_write: None,
            completion: dollars_a_million,
        })
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        let question =
            request.messages.first().map(|message| message.content.clone()).unwrap_or_default();
        let trial = trial_of(&question);
        self.witness.asked(&request, trial);
        self.clock.sleep(self.latency()).await;
        let (told, usage) = self.tell(&request, trial);
        self.witness.note(&format!("{:?} {question}: {told:?}", self.clock.now()));
        self.clock.sleep(self.latency()).await;
        let unavailable = |why: &str| Err(Error::new(ErrorKind::ModelUnavailable, why));
        match told {
            Told::Answered => Ok(Completion::text(answer(&question)).with_usage(usage)),
            Told::WithoutUsage => Ok(Completion::text(answer(&question))),
            Told::Refused => unavailable("the server is overloaded"),
            Told::Cut => unavailable("the reply was cut"),
            Told::Down => unavailable("the connection was refused"),
            Told::Silent => {
                self.clock.sleep(Duration::from_secs(120)).await;
                unavailable("the server took longer than 120 s")
            }
        }
    }
}

//! Who thinks: one set of options for every server, and what stands between it and the run.

use std::fs;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use harness_benchmark::HarborTask;
use harness_core::{LlmBackend, ModelId, Redactor, Result};
use harness_llm::{
    AnthropicBackend, Cassette, Limited, Limiter, OpenAiBackend, Price, PriceTable, Priced,
    Profile, Recorded, Redacted, Replayed, Retried, Secret, SimulatedLlm, Timeouts,
};

use crate::options::{Options, Span};
use crate::playbook::playbook;
use crate::wrong;

const OPENAI: &str = "https://api.openai.com/v1";
const ANTHROPIC: &str = "https://api.anthropic.com/v1";
/// The variable for the key of whatever server; each provider's own comes after it.
const ANY_KEY: &str = "SELF_HARNESS_API_KEY";

/// How the model's server is spoken to, whichever it is.
#[derive(Debug, Args)]
#[command(next_help_heading = "The model's server")]
pub(crate) struct Wire {
    /// An OpenAI-compatible server, such as http://127.0.0.1:8000/v1, or with anthropic:MODEL one that speaks Anthropic's
    /// Messages. The key comes from the environment (SELF_HARNESS_API_KEY, or OPENAI_API_KEY or ANTHROPIC_API_KEY),
    /// never from an option.
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// Ask for streams: a server that stalls is found out between two pieces.
    #[arg(long)]
    pub(crate) stream: bool,
    /// Calls to the server at once, over all trials.
    #[arg(long, value_name = "N")]
    pub(crate) calls_at_once: Option<NonZeroU32>,
    /// Calls to the server a minute, evenly.
    #[arg(long, value_name = "N")]
    pub(crate) calls_per_minute: Option<NonZeroU32>,
    /// Tokens a minute, counted before each call.
    #[arg(long, value_name = "N")]
    pub(crate) tokens_per_minute: Option<NonZeroU32>,
    /// Until a connection stands, such as 10s.
    #[arg(long, value_name = "DURATION")]
    pub(crate) connect_timeout: Option<Span>,
    /// Until the answer begins.
    #[arg(long, value_name = "DURATION")]
    pub(crate) first_byte_timeout: Option<Span>,
    /// Between two pieces of an answer.
    #[arg(long, value_name = "DURATION")]
    pub(crate) stall_timeout: Option<Span>,
    /// For a whole call.
    #[arg(long, value_name = "DURATION")]
    pub(crate) call_timeout: Option<Span>,
    /// Repeat also calls that the server may have charged for (time-outs, cut answers, 500): for a server of your own.
    #[arg(long)]
    pub(crate) repeat_charged: bool,
    /// Prices in dollars, as TOML; without one for the model its cost is unknown.
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
    /// Keep every reply in this file.
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub(crate) record: Option<PathBuf>,
    /// Ask no server: the replies are those in this file, and what is not there ends the run.
    #[arg(long, value_name = "FILE", conflicts_with = "base_url")]
    pub(crate) replay: Option<PathBuf>,
}

impl Wire {
    fn timeouts(&self) -> Timeouts {
        let usual = Timeouts::default();
        let or = |span: &Option<Span>, usual| span.map_or(usual, |span| span.0);
        let total = or(&self.call_timeout, usual.total);
        Timeouts {
            connect: or(&self.connect_timeout, usual.connect),
            first_byte: or(&self.first_byte_timeout, usual.first_byte).min(total),
            between_chunks: or(&self.stall_timeout, usual.between_chunks),
            total,
        }
    }

    fn limiter(&self) -> Limiter {
        let mut limiter = Limiter::new();
        if let Some(calls) = self.calls_at_once {
            limiter = limiter.with_concurrency(calls);
        }
        if let Some(calls) = self.calls_per_minute {
            limiter = limiter.with_calls_per_minute(calls);
        }
        if let Some(tokens) = self.tokens_per_minute {
            limiter = limiter.with_tokens_per_minute(tokens);
        }
        limiter
    }

    fn prices(&self) -> Result<PriceTable> {
        let Some(file) = &self.prices else { return Ok(PriceTable::default()) };
        let name = file.display();
        let text = fs::read_to_string(file)
            .map_err(|source| wrong(format!("--prices {name}: reading it")).with_source(source))?;
        PriceTable::from_toml(&text).map_err(|error| error.while_doing(format!("--prices {name}")))
    }
}

/// The model behind what a run needs of it, no key in sight. A breaker is not among it: the engine has its own.
pub(crate) async fn model(options: &Options, tasks: &[HarborTask]) -> Result<Arc<dyn LlmBackend>> {
    if let Some(profile) = options.model.strip_prefix("simulated:") {
        let named = |task: &HarborTask| playbook(task, task.task.name.as_str());
        let playbooks = tasks.iter().filter_map(named);
        return Ok(Arc::new(SimulatedLlm::new(Profile::named(profile)?, options.seed, playbooks)));
    }
    let wire = &options.wire;
    let prices = wire.prices()?;
    if let Some(file) = &wire.replay {
        let cassette = Arc::new(Cassette::load(file)?);
        return Ok(Arc::new(Priced::new(Replayed::new(named(options), cassette), &prices)));
    }
    let (backend, redactor) = served(options).await?;
    let limited = Limited::new(backend, wire.limiter());
    let retried = Retried::new(limited).repeating_charged(wire.repeat_charged);
    let kept: Arc<dyn LlmBackend> = match &wire.record {
        Some(file) => {
            let cassette = Cassette::open(file)?.with_redactor(redactor.clone());
            Arc::new(Recorded::new(retried, Arc::new(cassette)))
        }
        None => Arc::new(retried),
    };
    Ok(Arc::new(Redacted::new(Priced::new(kept, &prices), redactor)))
}

/// What every backend is given, and what finds its key. Each is probed before a run is begun: a wrong address or key is the
/// commonest mistake, and costs nothing to find.
macro_rules! furnished {
    ($backend:expr, $variable:literal, $wire:expr) => {{
        let mut backend = $backend?.with_timeouts($wire.timeouts())?.with_streaming($wire.stream);
        let key = match Secret::from_variable(ANY_KEY)? {
            Some(key) => Some(key),
            None => Secret::from_variable($variable)?,
        };
        let redactor = key.as_ref().map_or_else(|| Ok(Redactor::default()), Secret::redactor)?;
        backend = match key {
            Some(key) => backend.with_key(key),
            None => backend.with_key_variable(ANY_KEY),
        };
        backend.probe().await?;
        (Arc::new(backend) as Arc<dyn LlmBackend>, redactor)
    }};
}

/// The server's model. The key comes from the environment, and goes no further than the backend.
async fn served(options: &Options) -> Result<(Arc<dyn LlmBackend>, Redactor)> {
    let (provider, name) = options.model.split_once(':').unwrap_or(("", &options.model));
    let wire = &options.wire;
    let url = wire.base_url.as_deref();
    Ok(match (url, provider) {
        (url, "anthropic") => {
            let backend = AnthropicBackend::new(url.unwrap_or(ANTHROPIC), name);
            furnished!(backend, "ANTHROPIC_API_KEY", wire)
        }
        (url, "openai") => {
            furnished!(OpenAiBackend::new(url.unwrap_or(OPENAI), name), "OPENAI_API_KEY", wire)
        }
        (Some(url), _) => {
            furnished!(OpenAiBackend::new(url, &options.model), "OPENAI_API_KEY", wire)
        }
        (None, _) => {
            let model = &options.model;
            return Err(wrong(format!(
                "--model {model}: say where it is served with --base-url, or write openai:{model}, anthropic:{model} or simulated:PROFILE"
            )));
        }
    })
}

/// What the model is called in the record. A server that only an address names is taken to be OpenAI-compatible.
fn named(options: &Options) -> ModelId {
    match options.model.split_once(':') {
        Some((provider @ ("openai" | "anthropic"), name)) => ModelId::new(provider, name),
        _ => ModelId::new("openai", &options.model),
    }
}

/// What the model charges, where that is known.
pub(crate) fn price(options: &Options) -> Result<Option<Price>> {
    Ok(options.wire.prices()?.price(&named(options)))
}

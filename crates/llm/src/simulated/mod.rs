//! Models that need no server: pure functions of a request that drive real commands, with documented weaknesses.
//!
//! **Everything that such a model achieves is simulated.** Its [`ModelId`] has the provider [`ModelId::SIMULATED`], and whatever
//! shows a result has to say so. It is there to exercise a harness, and the machinery that improves one, honestly: the
//! commands are really run, the controls really step in, the verifier really judges. What is simulated is only the thinking.
//!
//! A [`SimulatedLlm`] sees nothing but the request. What it knows of a task is a [`Playbook`]; what it did so far it
//! reads back from the conversation; what it is inclined to is drawn by hash from its profile, its seed, the task
//! and the seed of the attempt's first request. The same request always gets the same reply.
//!
//! It reads what its harness says (system message, text beside the task, reminders, words beside results,
//! interceptions) for advice, and reacts to what its calls really bring: an interception, a refused finish, a failing
//! check. As improver it answers requests for a `diagnosis` or a `proposal` from the material that they show, right and
//! wrong, useful and harmful.
//!
//! What its harnesses are really worth is known exactly: see [`Truth`].
//!
//! Reading order: `doses` and `profiles` (every number), `reading` (text to advice), `conversation`, `mind`, `agent`,
//! `improver`, `script`; then `walk`, `rehearsal` and `truth`.
//!
#![doc = include_str!("doses.md")]

mod agent;
mod conversation;
mod dice;
mod doses;
mod facts;
mod habits;
mod improver;
mod luck;
mod mind;
mod notes;
mod playbook;
mod profile;
mod profiles;
mod reading;
mod rehearsal;
mod script;
mod solution;
#[cfg(test)]
mod table;
mod temptation;
#[cfg(test)]
mod tests;
mod traits;
mod truth;
#[cfg(feature = "twin")]
mod twin;
mod walk;
mod work;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use harness_core::{
    Arguments, Completion, FinishReason, LlmBackend, ModelId, Request, Result, ToolCall, Usage,
};

pub use self::facts::{Facts, StanzaFacts};
pub use self::playbook::Playbook;
pub use self::profile::Profile;
pub use self::solution::SolutionFiles;
pub use self::truth::{Course, Truth};

use self::agent::Move;
use self::conversation::Conversation;
use self::dice::Dice;
use self::luck::Luck;
use self::mind::Mind;
use self::traits::Traits;
use self::walk::Walk;

/// A simulated model.
#[derive(Clone, Debug)]
pub struct SimulatedLlm {
    model: ModelId,
    profile: Profile,
    dice: Dice,
    playbooks: Vec<Playbook>,
    /// Set for a model that walks through every course at a task of these traits, instead of drawing one.
    walk: Option<(Traits, Arc<Mutex<Walk>>)>,
}

impl SimulatedLlm {
    /// A model with the weaknesses of `profile`, which knows the way through the tasks of `playbooks`. `seed` chooses which tasks
    /// bring its weaknesses out.
    pub fn new(profile: Profile, seed: u64, playbooks: impl IntoIterator<Item = Playbook>) -> Self {
        let model = ModelId::new(ModelId::SIMULATED, profile.name());
        let dice = Dice::new(profile.name(), seed);
        Self { model, profile, dice, playbooks: playbooks.into_iter().collect(), walk: None }
    }

    /// Who knows what this model's harnesses are really worth.
    pub fn truth(&self) -> Truth {
        Truth::new(self.clone())
    }

    /// The same model at one task, on a walk.
    fn walking(&self, playbook: Playbook, traits: Traits, walk: Arc<Mutex<Walk>>) -> Self {
        Self { playbooks: vec![playbook], walk: Some((traits, walk)), ..self.clone() }
    }

    fn answer(&self, request: &Request) -> Completion {
        let stage = request.response_schema.as_ref().map(|schema| schema.name.as_str());
        match stage {
            Some("diagnosis") => {
                Completion::text(improver::diagnose(request, self.profile.0, &self.dice))
            }
            Some("proposal") => {
                Completion::text(improver::propose(request, self.profile.0, &self.dice))
            }
            _ => self.act(request),
        }
    }

    /// A reply at a task.
    fn act(&self, request: &Request) -> Completion {
        let conversation = Conversation::read(request, &self.playbooks);
        let Some(playbook) = conversation.playbook else { return unknown_task(&conversation) };
        let task = self.dice.narrowed(&playbook.task);
        let first = || task.narrowed(&request.seed.unwrap_or(0).to_string()).name();
        let attempt = conversation.attempt.map_or_else(first, str::to_owned);
        let (traits, luck) = match &self.walk {
            Some((traits, walk)) => (traits.clone(), Luck::Walked(Arc::clone(walk))),
            None => (Traits::of(&task, self.profile.0), Luck::Drawn(task.narrowed(&attempt))),
        };
        let (conversation, traits) = (&conversation, &traits);
        let mind = Mind { conversation, playbook, doses: self.profile.0, traits, luck };
        let next = match (conversation.offers("finish"), conversation.offers("shell")) {
            (true, true) => agent::next(&mind),
            (true, false) => Move::finish("There is nothing that I could do without a shell."),
            (false, _) => agent::help(&mind),
        };
        completion(next, &attempt, conversation.replies)
    }
}

/// A task without a playbook: a look, and the end.
fn unknown_task(conversation: &Conversation<'_>) -> Completion {
    let words = "I do not know how to do this.";
    match conversation.offers("finish") {
        true => completion(Move::finish(words), "unknown", conversation.replies),
        false => Completion::text(words),
    }
}

fn completion(next: Move, attempt: &str, turn: usize) -> Completion {
    match next {
        Move::Say(words) => Completion::text(words),
        Move::Call { note, say, tool, arguments } => {
            let id = notes::id(attempt, turn, note);
            let arguments = Arguments::Parsed(arguments);
            Completion::calls(say, vec![ToolCall { id, name: tool.to_owned(), arguments }])
        }
    }
}

/// Tokens are estimated at four characters each.
fn tokens(characters: usize) -> u64 {
    u64::try_from(characters.div_ceil(4)).unwrap_or(u64::MAX)
}

/// How long a value is as JSON.
fn written(value: &serde_json::Value) -> usize {
    struct Length(usize);
    impl std::io::Write for Length {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut length = Length(0);
    serde_json::to_writer(&mut length, value).map_or(0, |()| length.0)
}

fn usage(request: &Request, completion: &Completion) -> Usage {
    let text = |message: &harness_core::Message| {
        let calls =
            message.tool_calls.iter().map(|call| call.name.len() + call.arguments.to_text().len());
        message.content.len() + calls.sum::<usize>()
    };
    let tools = request.tools.iter().map(|tool| tool.description.len() + written(&tool.parameters));
    let sent = request.messages.iter().map(text).sum::<usize>() + tools.sum::<usize>();
    Usage {
        prompt_tokens: tokens(sent),
        completion_tokens: tokens(text(&completion.message)),
        cached_tokens: 0,
        cache_write_tokens: 0,
        cost_usd: None,
    }
}

#[async_trait]
impl LlmBackend for SimulatedLlm {
    fn model(&self) -> &ModelId {
        &self.model
    }

    /// Answers at once, and never fails. A reply beyond `max_tokens` is cut, as a server would, and calls nothing.
    async fn complete(&self, request: Request) -> Result<Completion> {
        let mut completion = self.answer(&request);
        let mut usage = usage(&request, &completion);
        if let Some(most) =
            request.max_tokens.map(u64::from).filter(|most| usage.completion_tokens > *most)
        {
            let kept = usize::try_from(most.saturating_mul(4)).unwrap_or(usize::MAX);
            completion.message.content = completion.message.content.chars().take(kept).collect();
            completion.message.tool_calls.clear();
            completion.finish = FinishReason::Length;
            usage.completion_tokens = most;
        }
        Ok(completion.with_usage(usage))
    }
}

//! A model that plays scenes, truthfully, or breaking one law.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use futures_timer::Delay;
use harness_core::testing::Fixture;
use harness_core::testing::laws::{LlmSeat, Scene};
use harness_core::{
    Arguments, Completion, Delta, Error, ErrorKind, FinishReason, LlmBackend, ModelId, Request,
    Result, Usage,
};

const SECRET: &str = "sk-very-secret";

/// Plays one scene.
pub(crate) struct SceneLlm {
    scene: Scene,
    lie: &'static str,
    names: [ModelId; 2],
    called: AtomicBool,
    last: Mutex<String>,
    busy: Arc<AtomicUsize>,
}

/// Where such models come from.
pub(crate) fn place(lie: &'static str) -> impl Fn(Scene) -> Fixture<LlmSeat> + Send + Sync {
    move |scene| {
        let busy = Arc::new(AtomicUsize::new(0));
        let provider =
            if lie == "only_simulated_models_say_so" { "openai" } else { ModelId::SIMULATED };
        let later = if lie == "model_is_constant" { "other" } else { "scene" };
        let backend = SceneLlm {
            scene,
            lie,
            names: [ModelId::new(provider, "scene"), ModelId::new(provider, later)],
            called: AtomicBool::new(false),
            last: Mutex::default(),
            busy: Arc::clone(&busy),
        };
        Fixture::new(LlmSeat {
            backend: Arc::new(backend),
            simulated: true,
            secret: Some(SECRET.to_owned()),
            in_flight: Some(Arc::new(move || busy.load(Ordering::SeqCst))),
        })
    }
}

impl fmt::Debug for SceneLlm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.lie == "key_is_hidden" { SECRET } else { "…" };
        f.debug_struct("SceneLlm").field("key", &key).finish_non_exhaustive()
    }
}

/// A request that the server is busy with.
struct Busy(Arc<AtomicUsize>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl SceneLlm {
    fn lies(&self, law: &str) -> bool {
        self.lie == law
    }

    fn busy(&self, lie: &str) -> Option<Busy> {
        self.busy.fetch_add(1, Ordering::SeqCst);
        let busy = Busy(Arc::clone(&self.busy));
        if self.lies(lie) {
            std::mem::forget(busy);
            return None;
        }
        Some(busy)
    }

    fn refusal(&self) -> Option<Error> {
        let error = |kind, law: &str, lie| {
            Some(Error::new(if self.lies(law) { lie } else { kind }, "the scene says so"))
        };
        let (gone, no) = (ErrorKind::ModelUnavailable, ErrorKind::ModelRejected);
        match &self.scene {
            Scene::RateLimited(wait) => {
                let error = Error::new(gone, "slow down");
                Some(if self.lies("rate_limit_is_retryable") {
                    error
                } else {
                    error.with_retry_after(*wait)
                })
            }
            Scene::Overloaded => error(gone, "overload_is_retryable", no),
            Scene::Nonsense if self.lies("nonsense_is_an_error") => None,
            Scene::Nonsense => error(gone, "-", no),
            Scene::BadRequest => error(no, "bad_request_is_final", gone),
            Scene::BadKey => error(no, "bad_key_is_final", gone),
            Scene::Overflow => error(ErrorKind::ContextOverflow, "overflow_is_its_own_kind", no),
            Scene::Cut if self.lies("cut_reply_is_an_error") => None,
            Scene::Cut => error(gone, "-", no),
            _ => None,
        }
    }

    fn answer(&self, request: &Request) -> Completion {
        let usage = Usage { prompt_tokens: 5, completion_tokens: 5, ..Usage::default() };
        match &self.scene {
            Scene::Reply(text) if self.lies("reply_is_whole") => Completion::text(text.trim()),
            Scene::Reply(text) => Completion::text(text),
            Scene::Echo => Completion::text(request.messages.last().unwrap().content.clone()),
            Scene::Call(call) => {
                let mut call = call.clone();
                let empty = Arguments::parse("");
                match &call.arguments {
                    Arguments::Parsed(_) if self.lies("calls_arrive") => call.arguments = empty,
                    Arguments::Malformed(_) if self.lies("malformed_arguments_are_kept") => {
                        call.arguments = empty;
                    }
                    _ => {}
                }
                Completion::calls("", vec![call])
            }
            Scene::Usage(usage) => {
                let mut usage = *usage;
                if self.lies("usage_is_told") {
                    usage.prompt_tokens += usage.cached_tokens;
                }
                Completion::text("hi").with_usage(usage)
            }
            Scene::NoUsage if self.lies("unknown_usage_is_none") => {
                Completion::text("hi").with_usage(Usage::default())
            }
            Scene::NoUsage => Completion::text("hi"),
            _ => Completion::text("hal").with_usage(usage),
        }
    }
}

#[async_trait]
impl LlmBackend for SceneLlm {
    fn model(&self) -> &ModelId {
        &self.names[usize::from(self.called.load(Ordering::SeqCst))]
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        let _busy = self.busy("dropped_call_stops");
        self.called.store(true, Ordering::SeqCst);
        if self.scene == Scene::Silence {
            return futures::future::pending().await;
        }
        if let Some(error) = self.refusal() {
            return Err(error);
        }
        self.last.lock().unwrap().clone_from(&request.messages.last().unwrap().content);
        Delay::new(Duration::from_millis(1)).await;
        if self.lies("calls_at_once_keep_their_answers") {
            return Ok(Completion::text(self.last.lock().unwrap().clone()));
        }
        Ok(self.answer(&request))
    }

    async fn stream(&self, request: Request) -> Result<BoxStream<'static, Result<Delta>>> {
        let busy = self.busy("dropped_stream_stops");
        if self.scene == Scene::Silence {
            return Ok(stream::once(async move {
                let _busy = busy;
                futures::future::pending().await
            })
            .boxed());
        }
        if self.scene == Scene::Cut {
            let mut deltas = vec![Ok(Delta::Text("hal".to_owned()))];
            if !self.lies("cut_stream_is_an_error") {
                deltas.push(Err(Error::new(ErrorKind::ModelUnavailable, "cut off")));
            }
            return Ok(stream::iter(deltas).boxed());
        }
        if let Some(error) = self.refusal() {
            return Err(error);
        }
        let mut completion = self.answer(&request);
        if self.lies("stream_and_completion_agree") {
            completion.finish = FinishReason::Length;
        }
        let text: Vec<char> = completion.message.content.chars().collect();
        let skip = usize::from(self.lies("deltas_make_the_completion"));
        let pieces = text.chunks(7).skip(skip).map(|piece| Ok(Delta::Text(piece.iter().collect())));
        let mut deltas: Vec<Result<Delta>> = pieces.collect();
        deltas.push(Ok(Delta::Done(Box::new(completion))));
        Ok(stream::iter(deltas).boxed())
    }
}

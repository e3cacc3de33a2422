//! What a trial and a run may use, and how they end when it is used up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use harness_core::testing::{ManualClock, ScriptedLlm, ToyEdit, ToyHarness};
use harness_core::{
    Caps, Clock, Completion, Engine, Error, ErrorKind, Finish, Harness, LlmBackend, Message,
    ModelId, Price, Request, Result, RunContext, Surface, SurfaceId, Task, TrialLimits,
};

use serde::{Deserialize, Serialize};

use crate::setting::{Setting, charged, moment, tasks, trials, verifier};

fn finish(setting: &Setting) -> Finish {
    let measured =
        setting.clock.block_on(setting.builder().measure(tasks("in")[..1].to_vec())).unwrap();
    let finish = measured.trials[0].finish.clone();
    assert!(measured.trials[0].passed().is_some(), "used up is judged like any other end");
    finish
}

#[test]
fn out_of_steps_is_an_end_like_another() {
    let mut setting = Setting::default();
    setting.seed.calls = 5;
    setting.config.limits = TrialLimits { steps: 3, ..TrialLimits::default() };
    assert_eq!(finish(&setting), Finish::OutOfSteps);
    // Both attempts, three calls each.
    assert_eq!(setting.model.requests().len(), 6);
}

#[test]
fn out_of_tokens_is_an_end_like_another() {
    let mut setting = Setting::default();
    setting.seed.calls = 5;
    setting.config.limits = TrialLimits { tokens: 150, ..TrialLimits::default() };
    assert_eq!(finish(&setting), Finish::OutOfTokens);
    assert_eq!(setting.model.requests().len(), 4, "two calls of 100 tokens each");
}

#[test]
fn out_of_context_is_an_end_like_another() {
    let overflow = || Err(Error::new(ErrorKind::ContextOverflow, "too long"));
    let setting = Setting { model: ScriptedLlm::new(move |_| overflow()), ..Setting::default() };
    assert_eq!(finish(&setting), Finish::OutOfContext);
}

/// Takes so long for each answer.
#[derive(Debug)]
struct SlowLlm(ManualClock, Duration, ModelId);

#[async_trait]
impl LlmBackend for SlowLlm {
    fn model(&self) -> &ModelId {
        &self.2
    }

    async fn complete(&self, _request: Request) -> Result<Completion> {
        self.0.sleep(self.1).await;
        Ok(Completion::text("at last"))
    }
}

fn slow(setting: &Setting, minutes: u64) -> SlowLlm {
    let answer = Duration::from_secs(60 * minutes);
    SlowLlm(setting.clock.clone(), answer, ModelId::new("test", "slow"))
}

#[test]
fn out_of_time_is_an_end_like_another_and_leaves_its_record() {
    let mut setting = Setting::default();
    setting.config.limits.time = Duration::from_secs(3 * 3600 + 1);
    setting.seed.calls = 5;
    let mut task = (*tasks("in")[0]).clone();
    task.agent_timeout = None;
    let builder = setting.builder().model(slow(&setting, 60));
    let measured = setting.clock.block_on(builder.measure(vec![task.into()])).unwrap();
    let trial = &measured.trials[0];
    assert_eq!((trial.finish.clone(), trial.passed()), (Finish::OutOfTime, Some(false)));
    assert_eq!(trial.trajectory.steps.len(), 3, "three answers came in time and are on record");
    assert_eq!(trial.elapsed, Duration::from_secs(3 * 3600 + 1));
}

/// Never answers the first call.
#[derive(Debug)]
struct SilentLlm(AtomicBool, ModelId);

#[async_trait]
impl LlmBackend for SilentLlm {
    fn model(&self) -> &ModelId {
        &self.1
    }

    async fn complete(&self, _request: Request) -> Result<Completion> {
        if !self.0.swap(true, Ordering::SeqCst) {
            return std::future::pending().await;
        }
        Ok(Completion::text("ok"))
    }
}

#[test]
fn a_call_that_is_never_answered_is_no_failed_task() {
    let setting = Setting::default();
    let model = SilentLlm(AtomicBool::default(), ModelId::new("test", "silent"));
    let builder = setting.builder().model(model);
    let measured = setting.clock.block_on(builder.measure(tasks("in")[..1].to_vec())).unwrap();
    let trial = &measured.trials[0];
    assert_eq!((trial.void_attempts, trial.passed()), (1, Some(true)), "{:?}", trial.outcome);
    assert_ne!(trial.finish, Finish::OutOfTime);
}

/// Asks once, does not wait for the answer, and does nothing for the rest of its time.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct GivesUp(ToyHarness);

impl Harness for GivesUp {
    type Edit = ToyEdit;

    fn surfaces(&self) -> Vec<Surface> {
        self.0.surfaces()
    }

    fn surface_of(edit: &ToyEdit) -> SurfaceId {
        ToyHarness::surface_of(edit)
    }

    fn apply(&self, edit: &ToyEdit) -> Result<Self> {
        self.0.apply(edit).map(Self)
    }

    async fn run(&self, _task: &Task, cx: &RunContext<'_>) -> Result<Finish> {
        let asked =
            cx.complete(Request { messages: vec![Message::user("?")], ..Request::default() });
        futures::future::select(Box::pin(asked), Box::pin(moment())).await;
        std::future::pending().await
    }
}

#[test]
fn a_call_that_the_harness_gave_up_excuses_nothing() {
    let setting = Setting::default();
    let builder = Engine::builder(GivesUp(setting.seed.clone()))
        .model(SilentLlm(AtomicBool::default(), ModelId::new("test", "silent")))
        .sandbox(setting.sandbox.clone())
        .verifier(verifier())
        .clock(setting.clock.clone());
    let measured = setting.clock.block_on(builder.measure(tasks("in")[..1].to_vec())).unwrap();
    let trial = &measured.trials[0];
    assert_eq!((trial.void_attempts, trial.passed()), (0, Some(false)), "{:?}", trial.outcome);
    assert_eq!(trial.finish, Finish::OutOfTime);
}

/// Stands still for an hour before each answer, and says so.
#[derive(Debug)]
struct PausedLlm(ManualClock, ModelId);

#[async_trait]
impl LlmBackend for PausedLlm {
    fn model(&self) -> &ModelId {
        &self.1
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        let pause = request.origin.standstill.begin();
        self.0.sleep(Duration::from_secs(3600)).await;
        pause.end(Duration::from_secs(3600));
        assert!(request.origin.time_left > Some(Duration::ZERO), "none of the time was its own");
        Ok(Completion::text("at last"))
    }
}

#[test]
fn an_outage_takes_no_time_from_an_attempt() {
    let mut setting = Setting::default();
    setting.config.limits.time = Duration::from_secs(60);
    setting.seed.calls = 5;
    let model = PausedLlm(setting.clock.clone(), ModelId::new("test", "paused"));
    let builder = setting.builder().model(model);
    let measured = setting.clock.block_on(builder.measure(tasks("in")[..1].to_vec())).unwrap();
    let trial = &measured.trials[0];
    assert_ne!(trial.finish, Finish::OutOfTime);
    assert!(trial.elapsed >= Duration::from_secs(5 * 3600), "{:?}", trial.elapsed);
}

#[test]
fn a_cap_on_time_holds_over_all_sessions_to_the_second() {
    let mut setting = Setting::default();
    // The tasks allow ten minutes for a trial, in which two answers come; four run at once.
    setting.seed.calls = 5;
    setting.clock.advance(Duration::from_secs(5 * 3600));
    setting.caps.time = Some(Duration::from_secs(3 * 3600));
    let run = |setting: &Setting| {
        let work = async { setting.builder().model(slow(setting, 4)).build().await?.run().await };
        setting.clock.block_on(work)
    };
    let error = run(&setting).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget, "{error}");
    assert_eq!(setting.clock.now(), Duration::from_secs(8 * 3600), "to the second");
    let before = trials(&setting.records()).len();
    // The same cap again: nothing is left of it.
    let error = run(&setting).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget, "{error}");
    assert_eq!(setting.clock.now(), Duration::from_secs(8 * 3600));
    // A higher cap is measured from the beginning of the first session.
    setting.caps.time = Some(Duration::from_secs(4 * 3600));
    run(&setting).unwrap_err();
    assert_eq!(setting.clock.now(), Duration::from_secs(9 * 3600));
    setting.caps.time = None;
    run(&setting).unwrap();
    assert!(before > 0 && trials(&setting.records()).len() > before);
}

/// Charges for replies alone, a quarter of a dollar for ten tokens.
const PRICE: Price = Price { prompt: 0.0, cached: None, cache_write: None, completion: 25_000.0 };

#[test]
fn caps_on_tokens_and_dollars_end_the_run_before_they_are_overrun() {
    let caps = [
        Caps { tokens: Some(6_000), ..Caps::default() },
        Caps { usd: Some(2.1), ..Caps::default() },
    ];
    for caps in caps {
        let mut setting = Setting { caps, ..Setting::default() };
        setting.config.limits.reply_tokens = 10;
        setting.model = setting.model.priced(PRICE);
        let error = setting.run().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Budget, "{error}");
        let spent = charged(&setting.records());
        assert!(spent.tokens_at_most() <= caps.tokens.unwrap_or(u64::MAX), "{spent:?}");
        assert!(spent.usd_at_most().unwrap() <= caps.usd.unwrap_or(f64::MAX), "{spent:?}");
        assert!((4..=200).contains(&spent.calls), "{spent:?}");
        // What is left of the cap does not carry another call, in another session neither.
        setting.run().unwrap_err();
        assert_eq!(charged(&setting.records()).calls, spent.calls);
    }
}

#[test]
fn a_cap_on_dollars_refuses_to_start_without_a_price() {
    let setting =
        Setting { caps: Caps { usd: Some(100.0), ..Caps::default() }, ..Setting::default() };
    let error = setting.run().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.message().contains("price"), "{error}");
    assert!(setting.records().is_empty() && setting.model.requests().is_empty());
}

#[test]
fn a_cap_that_is_no_number_is_refused_before_anything_is_recorded() {
    for usd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
        let caps = Caps { usd: Some(usd), ..Caps::default() };
        let mut setting = Setting { caps, ..Setting::default() };
        setting.model = setting.model.priced(PRICE);
        let error = setting.run().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{usd}: {error}");
        assert!(error.message().contains("dollars"), "{error}");
        assert!(setting.records().is_empty() && setting.model.requests().is_empty());
    }
}

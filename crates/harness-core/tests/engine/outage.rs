//! A model's server that is down: the run waits, asks rarely, loses nothing, and goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use harness_core::testing::{ManualClock, Noted};
use harness_core::{
    Caps, Clock, Completion, Error, ErrorKind, LlmBackend, ModelId, Request, Result, RunReport,
    Usage,
};

use crate::setting::{Setting, tasks, trials};

/// Takes a second for each answer, and is down from one moment to another.
#[derive(Clone, Debug)]
struct Server {
    clock: ManualClock,
    model: ModelId,
    down: std::ops::Range<u64>,
    /// Requests that hold this text are never answered.
    poison: &'static str,
    knocks: Arc<AtomicU64>,
}

impl Server {
    fn new(setting: &Setting, down: std::ops::Range<u64>) -> Self {
        let model = ModelId::new(ModelId::SIMULATED, "scripted");
        let clock = setting.clock.clone();
        Self { clock, model, down, poison: "no such text", knocks: Arc::default() }
    }

    fn knocks(&self) -> u64 {
        self.knocks.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl LlmBackend for Server {
    fn model(&self) -> &ModelId {
        &self.model
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        let down = self.down.contains(&self.clock.now().as_secs());
        if down || request.messages[0].content.contains(self.poison) {
            self.knocks.fetch_add(1, Ordering::SeqCst);
            return Err(Error::new(ErrorKind::ModelUnavailable, "connection refused"));
        }
        self.clock.sleep(Duration::from_secs(1)).await;
        let usage = Usage {
            cost_usd: Some(0.25),
            prompt_tokens: 90,
            completion_tokens: 10,
            ..Usage::default()
        };
        Ok(Completion::text("ok").with_usage(usage))
    }
}

fn run(setting: &Setting, server: &Server) -> Result<RunReport> {
    let work = async { setting.builder().model(server.clone()).build().await?.run().await };
    setting.clock.block_on(work)
}

fn whole() -> RunReport {
    Setting::default().run().unwrap()
}

#[test]
fn an_outage_pauses_the_run_and_changes_nothing() {
    let setting = Setting::default();
    let report = run(&setting, &Server::new(&setting, 5..1800)).unwrap();
    assert_eq!((report.rounds, report.claim), (whole().rounds, whole().claim));
    assert_eq!(report.trials.void, 0);
    assert!(trials(&setting.records()).iter().all(|trial| trial.void_attempts == 0));
    let told = setting.observer.events();
    let lasted = told.iter().find_map(|event| match event {
        Noted::ModelBack(lasted) => Some(lasted.as_secs()),
        _ => None,
    });
    assert!((1795..1835).contains(&lasted.unwrap()), "{lasted:?}");
    assert!(
        told.iter().any(|event| matches!(event, Noted::ModelDown(why) if why.contains("refused")))
    );
}

#[test]
fn a_minute_without_a_server_costs_at_most_twenty_requests() {
    for concurrency in [1, 4, 8] {
        let mut setting = Setting::default();
        setting.config.concurrency = concurrency;
        let server = Server::new(&setting, 5..65);
        run(&setting, &server).unwrap();
        assert!((4..=20).contains(&server.knocks()), "{} at {concurrency}", server.knocks());
    }
}

#[test]
fn an_outage_takes_no_time_from_a_trial() {
    let mut setting = Setting::default();
    setting.seed.calls = 5;
    setting.config.patience = Duration::from_secs(9 * 3600);
    setting.config.limits.time = Duration::from_secs(20);
    // Eight hours, for trials that have twenty seconds.
    let server = Server::new(&setting, 3..8 * 3600);
    let builder = setting.builder().model(server);
    let measured = setting.clock.block_on(builder.measure(tasks("in"))).unwrap();
    assert_eq!((measured.counts.scored, measured.counts.void), (6, 0));
    let finishes: Vec<_> = measured.trials.iter().map(|trial| &trial.finish).collect();
    assert!(finishes.iter().all(|finish| **finish == harness_core::Finish::Done), "{finishes:?}");
}

#[test]
fn a_cap_on_time_holds_through_an_outage() {
    let mut setting = Setting {
        caps: Caps { time: Some(Duration::from_secs(600)), ..Caps::default() },
        ..Setting::default()
    };
    setting.config.patience = Duration::from_secs(9 * 3600);
    let server = Server::new(&setting, 5..8 * 3600);
    let error = run(&setting, &server).unwrap_err();
    assert_eq!((error.kind(), setting.clock.now().as_secs()), (ErrorKind::Budget, 600));
    setting.clock.advance(Duration::from_secs(8 * 3600));
    setting.caps = Caps::default();
    assert_eq!(run(&setting, &server).unwrap().rounds, whole().rounds);
}

#[test]
fn patience_ends_and_the_run_can_be_resumed() {
    let mut setting = Setting::default();
    setting.config.patience = Duration::from_secs(120);
    let server = Server::new(&setting, 5..4000);
    let error = run(&setting, &server).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Infrastructure, "{error}");
    assert!(error.message().contains("refused") && error.message().contains("120 s"), "{error}");
    assert!(trials(&setting.records()).iter().all(|trial| trial.passed().is_some()));
    setting.clock.advance(Duration::from_secs(4000));
    assert_eq!(run(&setting, &server).unwrap().rounds, whole().rounds);
}

#[test]
fn a_request_that_alone_fails_voids_its_trial_and_holds_nobody_up() {
    let mut setting = Setting::default();
    setting.seed.calls = 3;
    let server = Server { poison: "needs grep", ..Server::new(&setting, 0..0) };
    let builder = setting.builder().model(server);
    let measured = setting.clock.block_on(builder.measure(tasks("in"))).unwrap();
    assert_eq!((measured.counts.scored, measured.counts.void), (4, 2));
}

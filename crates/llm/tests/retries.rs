//! Repeating calls, on tokio's paused clock.
#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use harness_core::{Completion, Error, ErrorKind, LlmBackend, ModelId, Request, Result};
use harness_llm::{Backoff, Retried};
use tokio::time::Instant;

/// Fails as told, then answers; notes when it was asked.
#[derive(Debug)]
struct Flaky {
    model: ModelId,
    errors: Mutex<VecDeque<Error>>,
    asked: Mutex<Vec<Instant>>,
}

impl Flaky {
    fn new(errors: impl IntoIterator<Item = Error>) -> Self {
        let errors = Mutex::new(errors.into_iter().collect());
        Self { model: ModelId::new("test", "flaky"), errors, asked: Mutex::default() }
    }
}

#[async_trait]
impl LlmBackend for &Flaky {
    fn model(&self) -> &ModelId {
        &self.model
    }

    async fn complete(&self, _: Request) -> Result<Completion> {
        self.asked.lock().unwrap().push(Instant::now());
        match self.errors.lock().unwrap().pop_front() {
            Some(error) => Err(error),
            None => Ok(Completion::text("at last")),
        }
    }
}

fn busy() -> Error {
    Error::new(ErrorKind::ModelUnavailable, "busy").uncharged()
}

fn asked(flaky: &Flaky) -> Vec<Duration> {
    let times = flaky.asked.lock().unwrap();
    times.iter().map(|time| *time - times[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn a_passing_trouble_is_waited_out() {
    let flaky = Flaky::new([busy(), busy(), busy()]);
    let completion = Retried::new(&flaky).complete(Request::default()).await.unwrap();
    assert_eq!(completion.message.content, "at last");
    let asked = asked(&flaky);
    assert_eq!(asked.len(), 4);
    // 1 + 2 + 4 seconds are the ceilings of the waits.
    assert!(asked[3] <= Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_server_is_never_asked_before_it_said() {
    let told = Duration::from_secs(20);
    let flaky = Flaky::new([busy().with_retry_after(told), busy().with_retry_after(told)]);
    Retried::new(&flaky).complete(Request::default()).await.unwrap();
    let asked = asked(&flaky);
    assert!(asked[1] >= told && asked[2] >= asked[1] + told, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_cap_gives_up_at_once() {
    let flaky = Flaky::new([busy().with_retry_after(Duration::from_secs(3600))]);
    let error = Retried::new(&flaky).complete(Request::default()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    assert_eq!(asked(&flaky).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_succeed_is_not_repeated() {
    for kind in [ErrorKind::ModelRejected, ErrorKind::ContextOverflow, ErrorKind::Budget] {
        let flaky = Flaky::new([Error::new(kind, "no")]);
        let error = Retried::new(&flaky).complete(Request::default()).await.unwrap_err();
        assert_eq!((error.kind(), error.message(), asked(&flaky).len()), (kind, "no", 1));
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_paid_for_is_repeated_only_when_allowed() {
    let charged = || Error::new(ErrorKind::ModelUnavailable, "broke off");
    let flaky = Flaky::new([charged()]);
    let error = Retried::new(&flaky).complete(Request::default()).await.unwrap_err();
    assert_eq!((error.message(), asked(&flaky).len()), ("broke off", 1));

    let flaky = Flaky::new([charged()]);
    let allowed = Retried::new(&flaky).repeating_charged(true);
    allowed.complete(Request::default()).await.unwrap();
    assert_eq!(asked(&flaky).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_caller_can_use_an_answer() {
    let flaky = Flaky::new((0..100).map(|_| busy().with_retry_after(Duration::from_secs(10))));
    let mut request = Request::default();
    request.origin.time_left = Some(Duration::from_secs(25));
    let began = Instant::now();
    let error = Retried::new(&flaky).complete(request).await.unwrap_err();
    assert!(error.is_retryable(), "an outage is no task failure: {error}");
    assert!(began.elapsed() <= Duration::from_secs(25), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn waiting_is_no_time_of_the_attempts_own() {
    let flaky = Flaky::new([busy().with_retry_after(Duration::from_secs(20)), busy()]);
    let request = Request::default();
    let account = request.origin.standstill.clone();
    let began = Instant::now();
    Retried::new(&flaky).complete(request).await.unwrap();
    assert_eq!(account.total(), began.elapsed());
    assert!(!account.is_on());
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_calls_at_thirty_percent_faults_lose_none() {
    // Every third or so fails, in a fixed order.
    let mut dice = 7u64;
    let mut failed = move || {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % 10 < 3
    };
    let (mut attempts, mut lost) = (0, 0);
    for _ in 0..10_000 {
        let errors = std::iter::from_fn(|| failed().then(busy)).take(20);
        let flaky = Flaky::new(errors.collect::<Vec<_>>());
        let patient = Backoff { max_attempts: 30, ..Backoff::default() };
        let retried = Retried::new(&flaky).with_backoff(patient);
        lost += usize::from(retried.complete(Request::default()).await.is_err());
        attempts += asked(&flaky).len();
    }
    assert_eq!(lost, 0);
    assert!(attempts <= 16_000, "{attempts} attempts");
}

#[tokio::test(start_paused = true)]
async fn attempts_and_time_are_bounded() {
    let flaky = Flaky::new((0..100).map(|_| busy()));
    let began = Instant::now();
    let error = Retried::new(&flaky).complete(Request::default()).await.unwrap_err();
    assert_eq!(asked(&flaky).len(), 6);
    assert_eq!(error.message(), "after 6 attempts: busy");
    assert!(began.elapsed() <= Backoff::default().total);

    let patient = Backoff { max_attempts: u32::MAX, ..Backoff::default() };
    let flaky = Flaky::new((0..1000).map(|_| busy()));
    let began = Instant::now();
    Retried::new(&flaky).with_backoff(patient).complete(Request::default()).await.unwrap_err();
    assert!(began.elapsed() <= patient.total);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_call_stops_it() {
    let flaky = Flaky::new((0..100).map(|_| busy()));
    let retried = Retried::new(&flaky);
    let call = retried.complete(Request::default());
    assert!(tokio::time::timeout(Duration::from_millis(1), call).await.is_err());
    let before = asked(&flaky).len();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(asked(&flaky).len(), before);
}

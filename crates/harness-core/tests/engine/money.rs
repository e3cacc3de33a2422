//! Every attempt of every call is on record before it is sent; what is unknown is charged at its worst case.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use futures::executor::block_on;
use harness_core::testing::{Noted, ScriptedLlm};
use harness_core::{
    Arena, Budget, CallId, Caps, Completion, Error, ErrorKind, HeldIn, LlmBackend, ModelId,
    Purpose, Record, Request, Reserved, Result, Settlement, Usage,
};
use proptest::prelude::*;

use crate::setting::{Setting, SlowJournal, charged, finished, moment};

/// Fails so often before each answer, and repeats as a wrapper should.
#[derive(Debug)]
struct Repeating {
    inner: ScriptedLlm,
    failures: Vec<fn() -> Error>,
}

#[async_trait]
impl LlmBackend for Repeating {
    fn model(&self) -> &ModelId {
        self.inner.model()
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        for failure in &self.failures {
            request.sent_again(&failure()).await?;
        }
        self.inner.complete(request).await
    }
}

fn timed_out() -> Error {
    Error::new(ErrorKind::ModelUnavailable, "it did not answer in time")
}

fn turned_away() -> Error {
    Error::new(ErrorKind::ModelUnavailable, "too many requests").uncharged()
}

/// The settlements of each purpose's attempts, in the order of the attempts.
fn attempts(records: &[Record]) -> BTreeMap<String, Vec<Option<Settlement>>> {
    let mut settled: BTreeMap<CallId, Settlement> = BTreeMap::new();
    for record in records {
        if let Record::CallSettled { call, settlement, .. } = record {
            assert!(settled.insert(*call, settlement.clone()).is_none(), "settled once");
        }
    }
    let mut attempts: BTreeMap<String, Vec<Option<Settlement>>> = BTreeMap::new();
    for record in records {
        if let Record::CallStarted { intent } = record {
            let purpose = format!("{:?}", intent.purpose);
            attempts.entry(purpose).or_default().push(settled.get(&intent.id).cloned());
        }
    }
    attempts
}

#[test]
fn each_attempt_of_a_repeated_call_is_an_intent_of_its_own() {
    let setting = Setting::default();
    let model = Repeating {
        inner: setting.model.clone(),
        failures: vec![timed_out, turned_away, timed_out],
    };
    let builder = setting.builder().model(model);
    let measured = block_on(builder.measure(crate::setting::tasks("in")[..1].to_vec())).unwrap();
    let calls = attempts(&setting.records());
    assert_eq!(calls.len(), 2, "two attempts at the task: {calls:?}");
    for outcomes in calls.values() {
        assert!(
            matches!(
                outcomes.as_slice(),
                [
                    Some(Settlement::Unknown { .. }),
                    Some(Settlement::Free { .. }),
                    Some(Settlement::Unknown { .. }),
                    Some(Settlement::Answered { .. })
                ]
            ),
            "{outcomes:?}"
        );
    }
    let spent = measured.spent;
    assert_eq!((spent.calls, spent.calls_unknown), (6, 4), "a free failure is no call");
    assert!(spent.unknown_tokens > 4 * 4096, "worst cases: {spent:?}");
    assert_eq!(spent, charged(&setting.records()));
    let of_trials = measured.trials.iter().map(|trial| trial.spent).sum();
    assert_eq!(spent, of_trials, "a trial's account has its unknown calls too");
    assert_eq!(spent.usd(), None, "what is unknown has no price");
}

#[test]
fn a_cap_stops_a_call_before_it_is_repeated() {
    let mut setting = Setting::default();
    setting.config.attempts = 1;
    setting.caps = Caps { tokens: Some(10_000), ..Caps::default() };
    let failures = vec![timed_out as fn() -> Error; 9];
    let model = Repeating { inner: setting.model.clone(), failures };
    let builder = setting.builder().model(model);
    let error = block_on(builder.measure(crate::setting::tasks("in")[..1].to_vec())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget, "{error}");
    let spent = charged(&setting.records());
    assert!(spent.tokens_at_most() <= 10_000 && spent.calls_unknown == 2, "{spent:?}");
}

/// Never answers.
#[derive(Debug)]
struct Silent(ModelId);

#[async_trait]
impl LlmBackend for Silent {
    fn model(&self) -> &ModelId {
        &self.0
    }

    async fn complete(&self, _request: Request) -> Result<Completion> {
        pending().await
    }
}

#[test]
fn what_was_in_flight_stays_unknown_and_is_charged_in_every_later_session() {
    let setting = Setting::default();
    let silent = Silent(setting.model.model().clone());
    let mut engine = block_on(setting.builder().model(silent).build()).unwrap();
    let mut run = Box::pin(engine.run());
    let mut cx = std::task::Context::from_waker(futures::task::noop_waker_ref());
    for _ in 0..50 {
        assert!(run.as_mut().poll(&mut cx).is_pending());
    }
    drop(run);
    drop(engine);
    let unknown = charged(&setting.records());
    assert_eq!((unknown.calls, unknown.calls_unknown), (4, 4), "four at once");
    for _ in 0..2 {
        let report = setting.run().unwrap();
        assert_eq!(report.spent.calls_unknown, 4);
        assert_eq!(report.spent.unknown_tokens, unknown.unknown_tokens);
        assert_eq!(report.spent, charged(&setting.records()));
    }
    let found = setting.observer.events().into_iter().find_map(|event| match event {
        Noted::Resumed(found) => Some(found),
        _ => None,
    });
    let found = found.unwrap();
    assert_eq!((found.finished, found.unscored, found.in_flight), (0, 0, 4));
    assert_eq!(found.spent, unknown);
}

#[test]
fn calls_are_numbered_without_gaps_over_all_sessions() {
    let setting = Setting::default();
    let mut first = setting.engine().unwrap();
    setting.clock.block_on(first.round()).unwrap();
    drop(first);
    setting.run().unwrap();
    let started = setting.records().into_iter().filter_map(|record| match record {
        Record::CallStarted { intent } => Some((intent.id.0, intent.purpose)),
        _ => None,
    });
    let started: Vec<(u64, Purpose)> = started.collect();
    assert!(started.iter().map(|(id, _)| *id).eq(1..=started.len() as u64));
}

#[test]
fn the_same_attempt_asked_for_twice_at_once_runs_once() {
    let setting = Setting::default();
    let running = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&running);
    #[derive(Debug)]
    struct Counting(ScriptedLlm, Arc<AtomicU32>);
    #[async_trait]
    impl LlmBackend for Counting {
        fn model(&self) -> &ModelId {
            self.0.model()
        }
        async fn complete(&self, request: Request) -> Result<Completion> {
            self.1.fetch_add(1, Ordering::Relaxed);
            for _ in 0..5 {
                moment().await;
            }
            self.0.complete(request).await
        }
    }
    let builder = setting.builder().model(Counting(setting.model.clone(), running));
    let arena: Arena<_> = block_on(builder.arena(1)).unwrap();
    let ask = || arena.trials::<HeldIn>(&setting.seed, arena.tasks::<HeldIn>(), 0..2);
    let (one, two, three) = block_on(async { futures::join!(ask(), ask(), ask()) });
    let (one, two, three) = (one.unwrap(), two.unwrap(), three.unwrap());
    assert!(one.iter().eq(two.iter()) && one.iter().eq(three.iter()));
    assert_eq!(seen.load(Ordering::Relaxed), 6, "three tasks, twice each");
    assert!(finished(&setting.records()).values().all(|count| *count == 1));
}

#[test]
fn one_who_waits_for_a_dropped_trial_runs_it() {
    let mut cx = std::task::Context::from_waker(futures::task::noop_waker_ref());
    for polls in 0..40 {
        let setting = Setting::default();
        let journal = SlowJournal(Arc::clone(&setting.journal));
        let arena = block_on(setting.builder().journal(journal).arena(1)).unwrap();
        let ask = || Box::pin(arena.trials::<HeldIn>(&setting.seed, arena.tasks::<HeldIn>(), 0..1));
        let (mut leader, mut follower) = (ask(), ask());
        let _ended = (0..polls).any(|_| leader.as_mut().poll(&mut cx).is_ready());
        let waited = follower.as_mut().poll(&mut cx);
        drop(leader);
        let trials = match waited {
            std::task::Poll::Ready(trials) => trials,
            std::task::Poll::Pending => block_on(follower),
        };
        assert_eq!(trials.unwrap().len(), 3);
    }
}

/// What a caller does with a reservation.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Answered(u8),
    Silent,
    Free,
    Unknown,
    Dropped,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        any::<u8>().prop_map(Fate::Answered),
        Just(Fate::Silent),
        Just(Fate::Free),
        Just(Fate::Unknown),
        Just(Fate::Dropped)
    ]
}

/// A settlement within the worst case.
fn settlement(fate: Fate, worst: &Reserved) -> Option<Settlement> {
    let reason = String::new();
    Some(match fate {
        Fate::Answered(share) => {
            let part = f64::from(share) / 255.0;
            let tokens = worst.tokens * u64::from(share) / 255;
            let usage = Usage {
                prompt_tokens: tokens / 2,
                completion_tokens: tokens - tokens / 2,
                cost_usd: worst.usd.map(|usd| usd * part),
                ..Usage::default()
            };
            Settlement::Answered { usage: Some(usage) }
        }
        Fate::Silent => Settlement::Answered { usage: None },
        Fate::Free => Settlement::Free { reason },
        Fate::Unknown => Settlement::Unknown { reason },
        Fate::Dropped => return None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Eight threads spend as fast as they can; at no moment is more spent than the caps allow.
    #[test]
    fn no_concurrency_overruns_a_cap(
        tokens in 0_u64..50_000,
        usd in 0.0..2.0_f64,
        calls in proptest::collection::vec((1_u64..4_000, 0.0..0.2_f64, fate()), 64),
    ) {
        let caps = Caps { tokens: Some(tokens), usd: Some(usd), trials: Some(5), time: None };
        let budget = Arc::new(Budget::new(caps));
        let admitted = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for share in calls.chunks(8) {
                let (budget, admitted) = (Arc::clone(&budget), &admitted);
                scope.spawn(move || {
                    for (tokens, usd, fate) in share {
                        if budget.admit_trial().is_ok() {
                            admitted.fetch_add(1, Ordering::Relaxed);
                        }
                        let worst = Reserved { tokens: *tokens, usd: Some(*usd) };
                        let Ok(reservation) = budget.reserve(worst) else { continue };
                        std::thread::yield_now();
                        if let Some(settlement) = settlement(*fate, &worst) {
                            reservation.settle(&settlement);
                        }
                    }
                });
            }
        });
        let spent = budget.spent();
        prop_assert!(spent.tokens_at_most() <= tokens, "{spent:?} over {tokens}");
        prop_assert!(spent.usd_at_most().unwrap() <= usd + 1e-9, "{spent:?} over {usd}");
        prop_assert!(admitted.load(Ordering::Relaxed) <= 5);
    }

    /// Whatever happens to a call, it is charged no more than was reserved.
    #[test]
    fn no_settlement_is_dearer_than_its_reservation(tokens in 1_u64..9_999, usd in 0.0..9.0_f64, fate in fate()) {
        let worst = Reserved { tokens, usd: Some(usd) };
        if let Some(settlement) = settlement(fate, &worst) {
            let spent = settlement.spent(&worst);
            prop_assert!(spent.tokens_at_most() <= tokens);
            prop_assert!(spent.usd_at_most().unwrap() <= usd + 1e-9);
        }
    }
}

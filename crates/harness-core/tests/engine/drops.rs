//! A run may be dropped at any await: what comes back to it ends where it would have ended.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use harness_core::testing::{ScriptedLlm, ToyHarness};
use harness_core::{
    Completion, Engine, Harness, LlmBackend, ModelId, Record, Request, Result, RunReport,
    StopReason,
};
use proptest::prelude::*;

use crate::setting::{Setting, SlowJournal, learn, moment};

/// A model that is pending once for each call.
#[derive(Debug)]
struct PendingLlm(ScriptedLlm);

#[async_trait]
impl LlmBackend for PendingLlm {
    fn model(&self) -> &ModelId {
        self.0.model()
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        moment().await;
        self.0.complete(request).await
    }
}

/// A useless proposal, one that is promoted, and the claim: all that a run can be dropped in, in thirty trials.
fn setting() -> Setting {
    let mut setting = Setting { pool: vec![learn("juggle"), learn("sort")], ..Setting::default() };
    (setting.config.rounds, setting.config.width, setting.config.attempts) = (2, 1, 1);
    setting.config.claim_attempts = 1;
    setting
}

fn engine(setting: &Setting) -> impl Future<Output = Result<Engine<ToyHarness>>> {
    let journal = SlowJournal(Arc::clone(&setting.journal));
    setting.builder().model(PendingLlm(setting.model.clone())).journal(journal).build()
}

/// Polls so many times; everything here wakes itself.
pub(crate) fn poll<T>(times: usize, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut cx = Context::from_waker(futures::task::noop_waker_ref());
    for _ in 0..times {
        if let Poll::Ready(done) = work.as_mut().poll(&mut cx) {
            return Some(done);
        }
    }
    None
}

/// All of a report that a run's interruptions may not change. A run that had read the sealed split before it was
/// interrupted gives that as its reason to stop.
fn essence(mut report: RunReport, claimed: bool) -> String {
    report.trials.reused = 0;
    if claimed {
        report.stopped = StopReason::Claimed.into();
    }
    // Calls of an interrupted trial were paid, or may have been: the cost differs.
    report.spent = harness_core::Spent::default();
    format!("{report:#?}")
}

/// The uninterrupted run, and how many polls it takes.
fn uninterrupted() -> (RunReport, usize) {
    let setting = setting();
    let mut polls = 0;
    let mut work = pin!(async { engine(&setting).await?.run().await });
    let mut cx = Context::from_waker(futures::task::noop_waker_ref());
    loop {
        polls += 1;
        if let Poll::Ready(report) = work.as_mut().poll(&mut cx) {
            return (report.unwrap(), polls);
        }
    }
}

fn check(setting: &Setting, report: RunReport, whole: &RunReport) {
    let claimed = report.stopped == StopReason::Claimed.into();
    assert_eq!(essence(report, claimed), essence(whole.clone(), claimed));
    assert_one_outcome_each(&setting.records());
    assert_eq!(setting.sandbox.open_sessions(), 0, "a session was left open");
    let engine = setting.engine().unwrap();
    assert_eq!(engine.lineage().tip().fingerprint().unwrap(), whole.last);
}

/// A record may be written twice, when the first time was dropped before it was acknowledged. A trial never runs again once it
/// is on record.
fn assert_one_outcome_each(records: &[Record]) {
    let mut on_record = BTreeSet::new();
    for record in records {
        match record {
            Record::TrialStarted { id, .. } => {
                assert!(!on_record.contains(id), "a trial on record was run again");
            }
            Record::TrialFinished { trial } => {
                on_record.insert(trial.id().unwrap());
            }
            _ => {}
        }
    }
}

#[test]
fn dropped_after_any_number_of_polls_another_engine_goes_on() {
    let (whole, polls) = uninterrupted();
    for drop_at in 1..polls {
        let setting = setting();
        let interrupted = poll(drop_at, async { engine(&setting).await?.run().await });
        assert!(interrupted.is_none());
        let report =
            poll(usize::MAX, async { engine(&setting).await?.run().await }).unwrap().unwrap();
        check(&setting, report, &whole);
    }
}

#[test]
fn dropped_after_any_number_of_polls_the_same_engine_goes_on() {
    let (whole, polls) = uninterrupted();
    for drop_at in 1..polls {
        let setting = setting();
        let mut engine = poll(usize::MAX, engine(&setting)).unwrap().unwrap();
        if let Some(done) = poll(drop_at, engine.run()) {
            check(&setting, done.unwrap(), &whole);
            continue;
        }
        let report = poll(usize::MAX, engine.run()).unwrap().unwrap();
        check(&setting, report, &whole);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn dropped_again_and_again_it_arrives(drops in proptest::collection::vec((1..60_usize, any::<bool>()), 1..12)) {
        let (whole, _) = uninterrupted();
        let setting = setting();
        let mut current = None;
        let mut report = None;
        for (polls, anew) in drops {
            if anew {
                current = None;
            }
            let mut engine = match current.take() {
                Some(engine) => engine,
                None => poll(usize::MAX, engine(&setting)).unwrap().unwrap(),
            };
            report = poll(polls, engine.run());
            current = Some(engine);
        }
        drop(current);
        let report = match report {
            Some(report) => report.unwrap(),
            None => poll(usize::MAX, async { engine(&setting).await?.run().await }).unwrap().unwrap(),
        };
        check(&setting, report, &whole);
    }
}

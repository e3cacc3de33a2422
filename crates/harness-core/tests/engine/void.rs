//! Infrastructure that fails: tried again, never scored, and an outage stops the run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use futures::FutureExt;
use harness_core::testing::{InMemorySandbox, Noted, ScriptedLlm, ScriptedVerifier};
use harness_core::{
    Environment, Error, ErrorKind, Finish, Isolation, Measured, Outcome, Record, Result,
    RoundReport, Sandbox, Session, Spent, StopReason,
};

use crate::setting::{Setting, learn, tasks, trials, verifier};

/// Fails to open every `nth` session.
#[derive(Debug)]
struct FlakySandbox {
    inner: InMemorySandbox,
    nth: u32,
    opened: AtomicU32,
}

#[async_trait]
impl Sandbox for FlakySandbox {
    fn isolation(&self) -> &Isolation {
        self.inner.isolation()
    }

    async fn open(&self, environment: &Environment) -> Result<Box<dyn Session>> {
        let count = self.opened.fetch_add(1, Ordering::SeqCst) + 1;
        if count.is_multiple_of(self.nth) {
            return Err(Error::new(ErrorKind::Sandbox, "the sandbox is out of order"));
        }
        self.inner.open(environment).await
    }
}

fn flaky(setting: &Setting, nth: u32) -> FlakySandbox {
    FlakySandbox { inner: setting.sandbox.clone(), nth, opened: AtomicU32::new(0) }
}

fn measure(setting: &Setting, verifier: ScriptedVerifier) -> Result<Measured> {
    setting.clock.block_on(setting.builder().verifier(verifier).measure(tasks("in")))
}

#[test]
fn a_void_trial_is_tried_again_and_the_run_is_the_same() {
    let setting = Setting::default();
    let builder = || setting.builder().sandbox(flaky(&setting, 3));
    let report = setting.clock.block_on(async { builder().build().await?.run().await }).unwrap();
    let whole = Setting::default().run().unwrap();
    assert_eq!((report.rounds, report.trials.void), (whole.rounds, 0));
    let retried = trials(&setting.records()).iter().filter(|trial| trial.void_attempts > 0).count();
    assert!(retried > 0);
    let told = setting
        .observer
        .events()
        .iter()
        .filter(|event| matches!(event, Noted::TrialVoid(..)))
        .count();
    assert!(told >= retried);
    assert_eq!(setting.sandbox.open_sessions(), 0);
}

#[test]
fn a_trial_that_stays_void_is_neither_passed_nor_failed() {
    let broken = ScriptedVerifier::new("broken for grep", |task, session| {
        async move {
            match task.name.as_str() {
                "in-grep" => Err(Error::new(ErrorKind::Verifier, "no reward was left")),
                _ => harness_core::Verifier::verify(&verifier(), task, session).await,
            }
        }
        .boxed()
    });
    let setting = Setting::default();
    let measured = measure(&setting, broken).unwrap();
    assert_eq!((measured.counts.scored, measured.counts.void), (4, 2));
    let void = measured.trials.iter().find(|trial| trial.passed().is_none()).unwrap();
    assert_eq!((void.finish.clone(), void.void_attempts), (Finish::Void, 2));
    let Outcome::Void { reason } = &void.outcome else { panic!("{:?}", void.outcome) };
    assert!(reason.contains("verifying") && reason.contains("no reward was left"), "{reason}");
}

#[test]
fn rewards_that_are_no_rewards_are_void() {
    for reward in [f64::NAN, f64::INFINITY, -0.5, 1.5] {
        let odd = ScriptedVerifier::new("odd", move |_, _| {
            async move { Ok(Outcome::Scored { reward, evidence: Vec::new() }) }.boxed()
        });
        let setting = Setting::default();
        assert_eq!(measure(&setting, odd).unwrap().counts.scored, 0, "{reward}");
    }
}

#[test]
fn a_harness_that_breaks_makes_its_trial_void() {
    let calls = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&calls);
    let model = ScriptedLlm::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Err(Error::new(ErrorKind::Contract, "the harness does not know what to do"))
    });
    let mut setting = Setting { model, ..Setting::default() };
    setting.config.void_retries = 1;
    let measured =
        setting.clock.block_on(setting.builder().measure(tasks("in")[..1].to_vec())).unwrap();
    assert_eq!((measured.counts.scored, measured.counts.void), (0, 2));
    assert_eq!(calls.load(Ordering::SeqCst), 4, "two attempts, each tried twice");
}

#[test]
fn what_void_attempts_cost_is_the_trials_cost() {
    let first = AtomicU32::new(0);
    let fails_once = ScriptedVerifier::new("fails once", move |task, session| {
        let fails = first.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            match fails {
                true => Err(Error::new(ErrorKind::Verifier, "once")),
                false => harness_core::Verifier::verify(&verifier(), task, session).await,
            }
        }
        .boxed()
    });
    let mut setting = Setting::default();
    setting.config.attempts = 1;
    let builder = setting.builder().verifier(fails_once);
    let measured = setting.clock.block_on(builder.measure(tasks("in")[..1].to_vec())).unwrap();
    let trial = &measured.trials[0];
    assert_eq!((trial.void_attempts, trial.spent.calls), (1, 2), "both calls were paid for");
    assert_eq!(trial.spent, measured.spent);
    assert_eq!(trial.trajectory.steps.len(), 2, "the record is that of the attempt that counts");
    let recorded: Spent = trials(&setting.records()).iter().map(|trial| trial.spent).sum();
    assert_eq!(recorded, measured.spent);
}

#[test]
fn an_outage_stops_the_run_and_is_not_taken_for_failures() {
    let setting = Setting::default();
    let work = async { setting.builder().sandbox(flaky(&setting, 1)).build().await?.run().await };
    let error = setting.clock.block_on(work).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Infrastructure, "{error}");
    assert!(trials(&setting.records()).iter().all(|trial| trial.passed().is_none()));
    // When it is over, the run goes on as if it had never been.
    let report = setting.run().unwrap();
    assert_eq!(report.rounds, Setting::default().run().unwrap().rounds);
}

/// Cannot judge two of the three held-in tasks, as often as an assessment of two attempts tries them; well after that.
fn broken_for_an_assessment() -> ScriptedVerifier {
    let left = AtomicU32::new(2 * 2 * 3);
    ScriptedVerifier::new("broken for a while", move |task, session| {
        let concerned = matches!(task.name.as_str(), "in-sort" | "in-grep");
        let breaks = concerned
            && left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                .is_ok();
        async move {
            match breaks {
                true => Err(Error::new(ErrorKind::Verifier, "no reward was left")),
                false => harness_core::Verifier::verify(&verifier(), task, session).await,
            }
        }
        .boxed()
    })
}

#[test]
fn a_mostly_void_assessment_makes_an_inconclusive_round_and_the_run_goes_on() {
    let mut setting = Setting::default();
    // One dry round would end the run; an inconclusive one is none.
    setting.config.dry_rounds = 1;
    setting.pool = vec![learn("sort"), learn("grep")];
    let work =
        async { setting.builder().verifier(broken_for_an_assessment()).build().await?.run().await };
    let report = setting.clock.block_on(work).unwrap();
    let [first, second, ..] = &report.rounds[..] else { panic!("{:?}", report.rounds) };
    assert!(first.is_inconclusive() && first.is_dry());
    assert_eq!((first.assessed.held_in.scored, first.assessed.held_in.void), (2, 4));
    assert!(first.weaknesses.is_empty() && first.judged.is_empty());
    assert!(!second.is_inconclusive() && !second.promoted.is_empty(), "{second:?}");
    assert_eq!(second.assessed.held_in.void, 0);
    // The record says the same to a later session, which runs nothing.
    let before = setting.records().len();
    let again = setting.clock.block_on(async {
        setting.builder().verifier(broken_for_an_assessment()).build().await?.run().await
    });
    assert_eq!(again.unwrap().rounds, report.rounds);
    let begun = |record: &Record| matches!(record, Record::TrialStarted { .. });
    assert!(!setting.records()[before..].iter().any(begun));
}

#[test]
fn a_run_that_stays_mostly_void_ends_with_its_rounds_and_promotes_nothing() {
    let broken = ScriptedVerifier::new("broken for two of three", |task, session| {
        async move {
            match task.name.as_str() {
                "in-sort" | "in-grep" => Err(Error::new(ErrorKind::Verifier, "no reward was left")),
                _ => harness_core::Verifier::verify(&verifier(), task, session).await,
            }
        }
        .boxed()
    });
    let setting = Setting::default();
    let work = async { setting.builder().verifier(broken).build().await?.run().await };
    let report = setting.clock.block_on(work).unwrap();
    assert_eq!((report.rounds.len(), report.stopped), (3, Some(StopReason::Rounds)));
    assert!(report.rounds.iter().all(RoundReport::is_inconclusive));
    assert_eq!(report.first, report.last);
}

#[test]
fn an_outage_is_not_what_the_sealed_split_says() {
    let broken = ScriptedVerifier::new("broken for the sealed", |task, session| {
        async move {
            match task.name.as_str().starts_with("sealed") {
                true => Err(Error::new(ErrorKind::Verifier, "no reward was left")),
                false => harness_core::Verifier::verify(&verifier(), task, session).await,
            }
        }
        .boxed()
    });
    // Fewer trials than an outage in one batch shows by itself.
    let mut setting = Setting::default();
    (setting.config.rounds, setting.config.claim_attempts) = (2, 1);
    let work = async { setting.builder().verifier(broken).build().await?.run().await };
    let error = setting.clock.block_on(work).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Infrastructure, "{error}");
    assert!(!setting.records().iter().any(|record| matches!(record, Record::Claimed { .. })));
    // Mended, it is read for the first time. The verifier's name is part of the identity.
    let mended = ScriptedVerifier::new("broken for the sealed", |task, session| {
        async move { harness_core::Verifier::verify(&verifier(), task, session).await }.boxed()
    });
    let work = async { setting.builder().verifier(mended).build().await?.run().await };
    let claim = setting.clock.block_on(work).unwrap().claim.unwrap();
    assert_eq!((claim.reading, claim.before.void, claim.after.void), (1, 0, 0));
}

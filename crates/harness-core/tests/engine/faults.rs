//! Twelve ways in which the infrastructure fails, fifty times each: never scored, never lost.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use harness_core::testing::{InMemorySandbox, ManualClock, ScriptedVerifier, ToyHarness, toy_task};
use harness_core::{
    Clock, Command, Completion, Environment, Error, ErrorKind, ExecOutput, File, Fingerprint,
    Isolation, LlmBackend, Measured, ModelId, Outcome, Request, Result, Sandbox, SandboxPath,
    Session, Task, Upload, Usage, Verifier,
};

use crate::setting::{Setting, verifier};

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fault {
    SessionCannotBeOpened,
    SessionNeverOpens,
    SetUpFails,
    SessionIsLost,
    LeftoversCannotBeRead,
    SessionCannotBeClosed,
    ModelIsDown,
    ReplyIsCut,
    ModelIsSilent,
    VerifierFails,
    VerifierNeverEnds,
    RewardIsNoReward,
}

use Fault::*;

const ALL: [Fault; 12] = [
    SessionCannotBeOpened,
    SessionNeverOpens,
    SetUpFails,
    SessionIsLost,
    LeftoversCannotBeRead,
    SessionCannotBeClosed,
    ModelIsDown,
    ReplyIsCut,
    ModelIsSilent,
    VerifierFails,
    VerifierNeverEnds,
    RewardIsNoReward,
];

impl Fault {
    /// Whether a trial that meets it cannot be scored. The others are waited out, or come too late to matter.
    fn voids(self) -> bool {
        !matches!(self, SessionCannotBeClosed | ModelIsDown | ReplyIsCut | ModelIsSilent)
    }
}

const TRIALS: usize = 100;
const INJECTED: usize = 50;
const LONG: Duration = Duration::from_secs(9999);

/// Strikes every second trial with one fault: once, or whenever it can.
#[derive(Clone, Debug)]
struct Injector {
    fault: Fault,
    always: bool,
    struck: Arc<Mutex<HashSet<String>>>,
    clock: ManualClock,
}

impl Injector {
    /// Whether the trial of the task called `name` is to meet `fault` now.
    fn strikes(&self, fault: Fault, name: &str) -> bool {
        let number: usize = name.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
        let due = fault == self.fault && number.is_multiple_of(2);
        due && (self.struck.lock().unwrap().insert(name.to_owned()) || self.always)
    }

    fn fails(&self, fault: Fault, name: &str, kind: ErrorKind) -> Result<()> {
        match self.strikes(fault, name) {
            true => Err(Error::new(kind, format!("injected: {fault:?}"))),
            false => Ok(()),
        }
    }

    async fn hangs(&self, fault: Fault, name: &str) {
        if self.strikes(fault, name) {
            self.clock.sleep(LONG).await;
        }
    }
}

#[derive(Debug)]
struct FaultySandbox(Injector, InMemorySandbox);

#[async_trait]
impl Sandbox for FaultySandbox {
    fn isolation(&self) -> &Isolation {
        self.1.isolation()
    }

    async fn open(&self, environment: &Environment) -> Result<Box<dyn Session>> {
        let name = environment.env["TASK"].clone();
        self.0.fails(SessionCannotBeOpened, &name, ErrorKind::Sandbox)?;
        self.0.hangs(SessionNeverOpens, &name).await;
        let inner = self.1.open(environment).await?;
        Ok(Box::new(FaultySession { injector: self.0.clone(), name, inner }))
    }
}

#[derive(Debug)]
struct FaultySession {
    injector: Injector,
    name: String,
    inner: Box<dyn Session>,
}

#[async_trait]
impl Session for FaultySession {
    fn locate(&self, path: &SandboxPath) -> String {
        self.inner.locate(path)
    }
    async fn exec(&self, command: &Command) -> Result<ExecOutput> {
        self.inner.exec(command).await
    }
    async fn read(&self, path: &SandboxPath) -> Result<Vec<u8>> {
        self.injector.fails(LeftoversCannotBeRead, &self.name, ErrorKind::Sandbox)?;
        self.inner.read(path).await
    }
    async fn write(&self, path: &SandboxPath, file: File<'_>) -> Result<()> {
        // The environment's own file comes first, the attempt's answer later.
        let fault = if path.as_str().contains("given") { SetUpFails } else { SessionIsLost };
        self.injector.fails(fault, &self.name, ErrorKind::Sandbox)?;
        self.inner.write(path, file).await
    }
    async fn stamp(&self) -> Result<Fingerprint> {
        self.inner.stamp().await
    }
    async fn close(self: Box<Self>) -> Result<()> {
        self.injector.fails(SessionCannotBeClosed, &self.name, ErrorKind::Sandbox)?;
        self.inner.close().await
    }
}

#[derive(Debug)]
struct FaultyModel(Injector, ModelId);

#[async_trait]
impl LlmBackend for FaultyModel {
    fn model(&self) -> &ModelId {
        &self.1
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        let asked = &request.messages[0].content;
        let usage = Usage { prompt_tokens: 9, completion_tokens: 1, ..Usage::default() };
        let answer = Completion::text("ok").with_usage(usage);
        if asked.contains("needs") {
            self.0.fails(ModelIsDown, asked, ErrorKind::ModelUnavailable)?;
            self.0.fails(ReplyIsCut, asked, ErrorKind::ModelUnavailable)?;
            if self.0.strikes(ModelIsSilent, asked) {
                self.0.clock.sleep(Duration::from_secs(120)).await;
                return Err(Error::new(ErrorKind::ModelUnavailable, "no answer in 120 s"));
            }
        }
        Ok(answer)
    }
}

fn faulty_verifier(injector: Injector) -> ScriptedVerifier {
    ScriptedVerifier::new("faulty", move |task, session| {
        let injector = injector.clone();
        async move {
            let name = task.name.as_str();
            injector.fails(VerifierFails, name, ErrorKind::Verifier)?;
            injector.hangs(VerifierNeverEnds, name).await;
            if injector.strikes(RewardIsNoReward, name) {
                return Ok(Outcome::Scored { reward: f64::NAN, evidence: Vec::new() });
            }
            verifier().verify(task, session).await
        }
        .boxed()
    })
}

/// A task that the toy harness passes whenever nothing fails.
fn task(number: usize) -> Arc<Task> {
    let mut task = toy_task(&format!("task-{number}"), &format!("skill-{number}"));
    task.environment.env.insert("TASK".to_owned(), task.name.to_string());
    let path = SandboxPath::new("given").unwrap();
    task.environment.files.push(Upload { path, content: b"given".as_slice().into(), mode: 0o644 });
    Arc::new(task)
}

/// A hundred trials, of which every second meets `fault`.
fn measure(fault: Fault, always: bool) -> (Setting, Measured) {
    let mut setting = Setting::default();
    let skills = (0..TRIALS).map(|number| format!("skill-{number}")).collect();
    setting.seed = ToyHarness { skills, calls: 1 };
    (setting.config.attempts, setting.config.void_retries) = (1, 1);
    let injector = Injector { fault, always, struck: Arc::default(), clock: setting.clock.clone() };
    let builder = setting
        .builder()
        .sandbox(FaultySandbox(injector.clone(), setting.sandbox.clone()))
        .model(FaultyModel(injector.clone(), ModelId::new(ModelId::SIMULATED, "faulty")))
        .verifier(faulty_verifier(injector));
    let tasks = (0..TRIALS).map(task).collect();
    let measured = setting.clock.block_on(builder.measure(tasks)).unwrap();
    (setting, measured)
}

/// The harness passes every trial that is scored: one that was counted as failed was failed by the infrastructure.
fn check_none_is_lost_and_none_failed(fault: Fault, measured: &Measured) {
    let counts = measured.counts;
    assert_eq!(counts.scored + counts.void, TRIALS as u64, "{fault:?}");
    assert_eq!(measured.trials.len(), TRIALS, "{fault:?}");
    let failed = measured.trials.iter().filter(|trial| trial.passed() == Some(false)).count();
    assert_eq!(failed, 0, "{fault:?} was counted as the harness's failure");
}

#[test]
fn a_fault_that_passes_is_tried_again_and_every_trial_is_scored() {
    for fault in ALL {
        let (setting, measured) = measure(fault, false);
        check_none_is_lost_and_none_failed(fault, &measured);
        assert_eq!(measured.counts.void, 0, "{fault:?}");
        let again = measured.trials.iter().filter(|trial| trial.void_attempts > 0).count();
        assert_eq!(again, if fault.voids() { INJECTED } else { 0 }, "{fault:?}");
        assert_eq!(setting.sandbox.open_sessions(), 0, "{fault:?}");
    }
}

#[test]
fn a_fault_that_stays_leaves_its_trials_unscored() {
    for fault in ALL.into_iter().filter(|fault| fault.voids()) {
        let (_, measured) = measure(fault, true);
        check_none_is_lost_and_none_failed(fault, &measured);
        assert_eq!(measured.counts.void, INJECTED as u64, "{fault:?}");
        for trial in measured.trials.iter().filter(|trial| trial.passed().is_none()) {
            let Outcome::Void { reason } = &trial.outcome else { unreachable!() };
            assert!(!reason.is_empty(), "{fault:?}");
        }
    }
}

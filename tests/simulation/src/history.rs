//! One run from its first session to its last.

use std::time::Duration;

use futures::FutureExt;
use harness_core::testing::{Chance, InMemorySandbox, ManualClock, ScriptedVerifier};
use harness_core::{
    Caps, Clock, Engine, EngineBuilder, Error, ErrorKind, Result, RunReport, StopReason, Verifier,
};
use harness_validator::RegressionValidator;

use crate::asking::Asking;
use crate::disk::{Disk, DiskFault};
use crate::journal::{self, LogJournal};
use crate::plan::{Faults, Plan};
use crate::scheduler::{End, Scheduler};
use crate::server::Server;
use crate::stages;
use crate::witness::Witness;

/// More sessions than any plan needs: one that reaches this goes round in circles.
const MOST_SESSIONS: u32 = 100;
/// So often a cap is raised by as much as it was at first; then by twice as much each time. Trials that end void are run again by every
/// session that asks for them, so a run whose owner only ever adds less than they take would never be over.
const EQUAL_RAISES: u32 = 30;
/// More steps than any session takes.
const ENDLESS: u64 = 20_000_000;

/// How a history went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// All of the final report that no disturbance may change.
    pub result: String,
    /// Of everything that happened, in its order.
    pub hash: String,
    /// What must not happen and did.
    pub violations: Vec<String>,
    /// Sessions until the run was over.
    pub sessions: u32,
    /// Sessions that were killed.
    pub kills: u32,
    /// Requests that came while the server was down.
    pub knocks: u64,
}

/// What outlives a session.
struct Stage<'a> {
    plan: &'a Plan,
    chance: Chance,
    clock: ManualClock,
    disk: Disk,
    server: Server,
    witness: Witness,
    caps: Caps,
    /// How often a cap was raised.
    raises: u32,
}

/// The run with nothing failing, nothing taking time, and nobody waiting for anybody.
///
/// # Errors
/// What goes wrong all the same.
pub fn undisturbed(plan: &Plan) -> Result<Account> {
    let calm = Plan {
        faults: Faults::default(),
        caps: Caps::default(),
        sync: Duration::ZERO,
        ..plan.clone()
    };
    let mut stage = Stage::new(&calm, 0);
    match stage.session(ENDLESS) {
        End::Done(report) => Ok(stage.account(&report?, 1, 0)),
        End::Killed => Err(Error::new(ErrorKind::Contract, "an undisturbed run never ends")),
    }
}

/// The run as its plan disturbs it, resumed until it is over.
///
/// # Errors
/// An end that no disturbance explains.
pub fn disturbed(plan: &Plan) -> Result<Account> {
    let mut stage = Stage::new(plan, plan.seed);
    let (mut kills, mut last) = (0, String::new());
    for session in 1..=MOST_SESSIONS {
        let steps = stage.disturb(session);
        let began = stage.clock.now();
        let end = stage.session(steps);
        stage.check_caps(began);
        match end {
            End::Done(Ok(report)) => return Ok(stage.account(&report, session, kills)),
            End::Done(Err(error)) => {
                last = error.report();
                stage.heed(error)?;
            }
            End::Killed => kills += 1,
        }
        stage.interrupt();
    }
    let message = format!("not over after {MOST_SESSIONS} sessions; the last error: {last}");
    Err(Error::new(ErrorKind::Contract, message))
}

/// A whole seed: `Err` tells what did not hold.
///
/// # Errors
/// One line for each thing that did not hold.
pub fn check(plan: &Plan) -> Result<Account, Vec<String>> {
    let failed = |error: Error| vec![error.report()];
    let (calm, account) = (undisturbed(plan).map_err(failed)?, disturbed(plan).map_err(failed)?);
    let mut violations = [calm.violations, account.violations.clone()].concat();
    if calm.result != account.result {
        violations.push(format!(
            "the result is another one: {}",
            difference(&calm.result, &account.result)
        ));
    }
    if violations.is_empty() { Ok(account) } else { Err(violations) }
}

impl<'a> Stage<'a> {
    fn new(plan: &'a Plan, seed: u64) -> Self {
        let (clock, witness) = (ManualClock::new(), Witness::default());
        let server = Server::new(clock.clone(), witness.clone(), plan.faults.clone(), seed);
        let chance = Chance::new(seed ^ 0xd15_7ab5);
        Self {
            plan,
            chance,
            clock,
            disk: Disk::default(),
            server,
            witness,
            caps: plan.caps,
            raises: 0,
        }
    }

    /// Decides how the coming session ends: the steps it may take, or a disk that fails.
    fn disturb(&mut self, session: u32) -> u64 {
        if session > self.plan.disturbances {
            return ENDLESS;
        }
        let faults = [DiskFault::Full, DiskFault::Unwritable, DiskFault::Unsynced];
        match self.chance.below(4) {
            0 => {
                let which = usize::try_from(self.chance.below(3)).unwrap_or_default();
                self.disk.fail(1 + self.chance.below(300), faults[which]);
                ENDLESS
            }
            // Most sessions die in the middle, some while they open.
            1 => 1 + self.chance.below(40),
            _ => 1 + self.chance.below(4000),
        }
    }

    /// One session, from opening the journal to the end of the run, an error or death.
    fn session(&mut self, steps: u64) -> End<Result<RunReport>> {
        let scheduler = Scheduler::default();
        let journal = LogJournal::open(
            self.disk.clone(),
            &scheduler,
            &self.clock,
            self.plan.sync,
            &self.witness,
        );
        let builder = self.builder(&scheduler).map(|builder| builder.journal(journal));
        let work = async move { builder?.build().await?.run().await };
        let end = scheduler.run(work, &self.clock, &mut self.chance, steps);
        self.witness.note(&format!("session ends at {:?}", self.clock.now()));
        end
    }

    fn builder(&self, scheduler: &Scheduler) -> Result<EngineBuilder<Asking>> {
        let plan = self.plan;
        let seed = Asking { calls: plan.calls, ..Asking::default() };
        Ok(Engine::builder(seed)
            .model(self.server.clone())
            .sandbox(InMemorySandbox::default())
            .verifier(self.verifier())
            .benchmark(plan.world.benchmark()?)
            .miner(stages::miner())
            .proposer(stages::proposer(plan.pool.clone()))
            .validator(RegressionValidator::from(plan.gate))
            .executor(scheduler.clone())
            .clock(self.clock.clone())
            .caps(self.caps)
            .config(plan.config.clone()))
    }

    /// The world's verifier, which sometimes fails.
    fn verifier(&self) -> ScriptedVerifier {
        let (truth, server) = (self.plan.world.verifier(), self.server.clone());
        ScriptedVerifier::new("world", move |task, session| {
            let (truth, server) = (truth.clone(), server.clone());
            async move {
                let seed = session.read(&Asking::seed_path()?).await?;
                let seed = String::from_utf8_lossy(&seed).parse().unwrap_or_default();
                if server.mishap(seed) {
                    return Err(Error::new(ErrorKind::Verifier, "the verifier fell over"));
                }
                truth.verify(task, session).await
            }
            .boxed()
        })
    }

    /// What the server charged is never more than the caps allow, and no session is longer than its cap.
    fn check_caps(&self, began: Duration) {
        let (tokens, dollars) = (self.server.tokens(), self.server.dollars());
        if self.caps.tokens.is_some_and(|cap| tokens > cap) {
            self.witness.object(format!("{tokens} tokens were charged: {:?}", self.caps));
        }
        if self.caps.usd.is_some_and(|cap| dollars > cap) {
            self.witness.object(format!("{dollars} dollars were charged: {:?}", self.caps));
        }
        let lasted = self.clock.now() - began;
        // A session's time begins when the record of its beginning is safe, and it ends with a record that may have to wait for
        // a sync that is under way, and then takes one of its own.
        let records = self.plan.sync * 3;
        if self.caps.time.is_some_and(|cap| lasted > cap + records) {
            self.witness.object(format!("a session lasted {lasted:?}: {:?}", self.caps));
        }
    }

    /// An error that its cause explains lets the run go on; any other ends the history.
    fn heed(&mut self, error: Error) -> Result<()> {
        self.witness.note(&error.report());
        match error.kind() {
            ErrorKind::Budget => {
                self.raise_caps();
                Ok(())
            }
            ErrorKind::Journal | ErrorKind::Infrastructure => Ok(()),
            _ => Err(error),
        }
    }

    fn raise_caps(&mut self) {
        self.raises += 1;
        let times = 1 << self.raises.saturating_sub(EQUAL_RAISES).min(20);
        let (caps, first) = (&mut self.caps, &self.plan.caps);
        caps.tokens = add(caps.tokens, first.tokens.map(|tokens| tokens * u64::from(times)));
        caps.trials = add(caps.trials, first.trials.map(|trials| trials * u64::from(times)));
        caps.usd = add(caps.usd, first.usd.map(|usd| usd * f64::from(times)));
        caps.time = add(caps.time, first.time.map(|time| time * times));
    }

    /// The session is gone: by its own end, or by a power cut, which takes along what was not synced.
    fn interrupt(&mut self) {
        if self.chance.happens(0.5) {
            self.disk.power_cut(&mut self.chance);
        }
        self.disk.mend();
        self.witness.compare(&journal::texts(&self.disk));
        self.clock.advance(Duration::from_secs(self.chance.below(100)));
    }

    fn account(&self, report: &RunReport, sessions: u32, kills: u32) -> Account {
        self.witness.compare(&journal::texts(&self.disk));
        let result = essence(report.clone());
        self.witness.note(&result);
        Account {
            result,
            hash: self.witness.hash(),
            violations: self.witness.violations(),
            sessions,
            kills,
            knocks: self.server.knocks(),
        }
    }
}

/// The first lines that differ.
fn difference(one: &str, other: &str) -> String {
    let mut lines = one.lines().zip(other.lines()).enumerate();
    let first = lines.find(|(_, (calm, disturbed))| calm != disturbed);
    first.map_or_else(
        || "one is longer".to_owned(),
        |(number, (calm, disturbed))| {
            format!("line {number}: '{}', disturbed '{}'", calm.trim(), disturbed.trim())
        },
    )
}

fn add<T: std::ops::Add<Output = T>>(cap: Option<T>, more: Option<T>) -> Option<T> {
    Some(cap? + more?)
}

/// All of a report that a run's interruptions may not change: not how much was taken from earlier sessions, not what was paid
/// for what an interruption lost, and not that a run which had read the sealed split gives that as its reason to stop.
fn essence(mut report: RunReport) -> String {
    report.trials.reused = 0;
    report.spent = harness_core::Spent::default();
    report.stopped = report.stopped.map(|_| StopReason::Claimed);
    format!("{report:#?}")
}

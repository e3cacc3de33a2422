//! A toy harness that lacks two skills, the tasks that need them, and an engine around them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use futures::executor::block_on;
use futures::stream::BoxStream;
use harness_core::testing::{
    InMemorySandbox, ManualClock, RecordingObserver, ScriptedLlm, ScriptedMiner, ScriptedProposer,
    ScriptedValidator, ScriptedVerifier, ToyEdit, ToyHarness, toy_task,
};
use harness_core::{
    Benchmark, Caps, Completion, Engine, EngineBuilder, EngineConfig, Journal, MemoryJournal,
    Record, Result, RunReport, SandboxPath, Settlement, Spent, Task, Trial, TrialId, Usage,
};

/// The parts of an engine that a test looks at.
pub(crate) struct Setting {
    pub(crate) seed: ToyHarness,
    pub(crate) model: ScriptedLlm,
    pub(crate) sandbox: InMemorySandbox,
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) observer: RecordingObserver,
    pub(crate) clock: ManualClock,
    pub(crate) caps: Caps,
    pub(crate) config: EngineConfig,
    pub(crate) pool: Vec<ToyEdit>,
}

pub(crate) fn learn(skill: &str) -> ToyEdit {
    ToyEdit::Learn(skill.to_owned())
}

pub(crate) fn forget(skill: &str) -> ToyEdit {
    ToyEdit::Forget(skill.to_owned())
}

pub(crate) fn skills(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl Default for Setting {
    fn default() -> Self {
        let usage = Usage {
            prompt_tokens: 90,
            completion_tokens: 10,
            cached_tokens: 0,
            cache_write_tokens: 0,
            cost_usd: Some(0.25),
        };
        Self {
            seed: ToyHarness { skills: skills(&["read"]), calls: 1 },
            model: ScriptedLlm::new(move |_| Ok(Completion::text("ok").with_usage(usage))),
            sandbox: InMemorySandbox::default(),
            journal: Arc::default(),
            observer: RecordingObserver::default(),
            clock: ManualClock::new(),
            caps: Caps::default(),
            config: EngineConfig { rounds: 3, width: 2, attempts: 2, ..EngineConfig::default() },
            // Round 1: useless, and harmful. Round 2: both that help. Round 3: from the beginning again.
            pool: vec![learn("juggle"), forget("read"), learn("sort"), learn("grep")],
        }
    }
}

impl Setting {
    /// Everything that `build` needs.
    pub(crate) fn builder(&self) -> EngineBuilder<ToyHarness> {
        Engine::builder(self.seed.clone())
            .model(self.model.clone())
            .sandbox(self.sandbox.clone())
            .verifier(verifier())
            .benchmark(benchmark())
            .miner(ScriptedMiner::by_evidence())
            .proposer(ScriptedProposer::cycling(self.pool.clone()))
            .validator(ScriptedValidator::counting())
            .journal(Arc::clone(&self.journal))
            .observer(self.observer.clone())
            .clock(self.clock.clone())
            .caps(self.caps)
            .config(self.config.clone())
    }

    pub(crate) fn engine(&self) -> Result<Engine<ToyHarness>> {
        block_on(self.builder().build())
    }

    /// A whole run, on the clock that jumps.
    pub(crate) fn run(&self) -> Result<RunReport> {
        self.clock.block_on(async { self.builder().build().await?.run().await })
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        records(&*self.journal)
    }
}

pub(crate) fn verifier() -> ScriptedVerifier {
    ScriptedVerifier::expecting(SandboxPath::new("answer").unwrap(), "done")
}

pub(crate) fn records(journal: &dyn Journal) -> Vec<Record> {
    block_on(async { journal.scan().await?.try_collect().await }).unwrap()
}

/// Trials by how often the journal says that they finished.
pub(crate) fn finished(records: &[Record]) -> BTreeMap<TrialId, usize> {
    let mut counts = BTreeMap::new();
    for trial in trials(records) {
        *counts.entry(trial.id().unwrap()).or_default() += 1;
    }
    counts
}

pub(crate) fn trials(records: &[Record]) -> Vec<Arc<Trial>> {
    let finished = records.iter().filter_map(|record| match record {
        Record::TrialFinished { trial } => Some(Arc::clone(trial)),
        _ => None,
    });
    finished.collect()
}

/// What the journal says that all calls cost, those of unknown outcome at their worst case.
pub(crate) fn charged(records: &[Record]) -> Spent {
    let mut open = BTreeMap::new();
    let mut spent = Spent::default();
    for record in records {
        match record {
            Record::CallStarted { intent } => {
                open.insert(intent.id, intent.reserved);
            }
            Record::CallSettled { call, settlement, .. } => {
                spent += settlement.spent(&open.remove(call).unwrap());
            }
            _ => {}
        }
    }
    let unknown = Settlement::Unknown { reason: String::new() };
    spent += open.values().map(|reserved| unknown.spent(reserved)).sum();
    spent
}

pub(crate) fn tasks(split: &str) -> Vec<Arc<Task>> {
    let names = ["read", "sort", "grep"];
    names.map(|skill| Arc::new(toy_task(&format!("{split}-{skill}"), skill))).to_vec()
}

pub(crate) fn benchmark() -> Benchmark {
    Benchmark::new(tasks("in"), tasks("out"), tasks("sealed")).unwrap()
}

/// Lets others go first, once.
pub(crate) async fn moment() {
    let mut polled = false;
    futures::future::poll_fn(|cx| {
        if std::mem::replace(&mut polled, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

/// A journal that is pending before and after each record is stored.
#[derive(Debug)]
pub(crate) struct SlowJournal(pub(crate) Arc<MemoryJournal>);

#[async_trait]
impl Journal for SlowJournal {
    async fn append(&self, record: &Record) -> Result<()> {
        moment().await;
        self.0.append(record).await?;
        moment().await;
        Ok(())
    }

    async fn queue(&self, record: &Record) -> Result<()> {
        self.0.append(record).await
    }

    async fn scan(&self) -> Result<BoxStream<'static, Result<Record>>> {
        moment().await;
        self.0.scan().await
    }
}

#![doc = include_str!("../README.md")]

mod arena;
mod budget;
mod bundle;
mod call;
mod clock;
mod context;
mod control_edits;
pub mod document;
mod engine;
mod error;
mod event;
mod harness;
mod history;
mod id;
mod interval;
mod journal;
mod lineage;
mod llm;
mod meter;
mod miner;
pub mod minimal;
mod origin;
mod outage;
mod paid;
mod placebo;
mod price;
mod prior;
mod proposal;
mod proposer;
mod reader;
mod redact;
mod replay;
mod runner;
mod sandbox;
mod split;
mod stage;
mod structured;
mod task;
#[cfg(feature = "testing")]
pub mod testing;
mod trajectory;
mod trial;
mod validator;
mod verdict;
mod verifier;
mod weakness;

pub use arena::{Arena, Gating, Share};
pub use budget::{Budget, Caps, Reservation};
pub use bundle::{Bundle, BundledEdit, Evidence, RunFacts};
pub use call::{Attempts, CallId, CallIntent, Purpose, Reserved, Settlement};
pub use clock::{Clock, Executor, SystemClock};
pub use context::{RunContext, TrialLimits};
pub use control_edits::{ControlEdits, DocumentControls, NoControlEdits};
pub use document::{DocumentEdit, Operation};
pub use engine::{
    Ablation, AblationOutcome, Assessed, BeatSampling, Claim, ControlArm, ControlGroup,
    ControlKind, Controls, Drift, Engine, EngineBuilder, EngineConfig, Measured, NoiseFloor,
    Pruning, RoundReport, RunReport, Sampling, StopReason, TrialCounts,
};
pub use error::{Error, ErrorKind, Result};
pub use event::{Event, Found, Observer, Unobserved};
pub use harness::{Harness, Surface};
pub use history::{RunHistory, TaskRecord};
pub use id::{Fingerprint, ModelId, ProposalId, SurfaceId, TaskName, WeaknessId};
pub use interval::{Interval, Pairs, mean_interval};
pub use journal::{Consultation, Journal, MemoryJournal, Record, RunIdentity};
pub use lineage::{Lineage, PromotedEdit, Promotion};
pub use llm::{
    Arguments, Completion, Delta, FinishReason, LlmBackend, Message, Request, ResponseSchema, Role,
    ToolCall, ToolSpec, Usage,
};
pub use miner::Miner;
pub use minimal::MinimalHarness;
pub use origin::{Origin, StandingStill, Standstill};
pub use placebo::{Placebo, PlaceboEdit};
pub use price::Price;
pub use prior::{Beta, Expected, ExpectedRate, Prior, SpikeAndSlab};
pub use proposal::{Brief, PastProposal, Proposal};
pub use proposer::Proposer;
pub use reader::{Shown, SignatureReader};
pub use redact::{RedactedWriter, Redactor};
pub use replay::{Missing, Rejudged, RejudgedControl, Replay, Replayed, ReplayedRound};
pub use sandbox::{
    Captured, Command, ExecOutput, Exit, File, Isolation, IsolationLevel, Listed, OutputLimit,
    Sandbox, SandboxPath, Session, list_by_command, stamp_by_command,
};
pub use split::Benchmark;
pub use stage::StageContext;
pub use structured::{Unreadable, data_block, last_json_object, visible};
pub use task::{Environment, Network, ResourceLimits, Task, Upload};
pub use trajectory::{Observation, ObservationStatus, Step, StepSource, Trajectory};
pub use trial::{
    Finish, HeldIn, HeldOut, Outcome, Phase, Replicate, Score, Sealed, Spent, Split, SplitName,
    Trial, TrialId, TrialKey, Trials,
};
pub use validator::{Incumbent, Validator};
pub use verdict::{
    Comparison, Composed, Decision, Estimate, Finding, Judged, Judgement, Pair, Stake, Verdict,
};
pub use verifier::Verifier;
pub use weakness::{Citation, Signature, Weakness};

//! The vocabulary, the traits and the loop.
mod error;
mod id;
mod sandbox;
mod task;

pub use error::{Error, ErrorKind, Result};
pub use id::{Fingerprint, ModelId, ProposalId, SurfaceId, TaskName, WeaknessId};
pub use sandbox::{
    Captured, Command, ExecOutput, Exit, File, Isolation, IsolationLevel, OutputLimit, Sandbox,
    SandboxPath, Session, stamp_by_command,
};
pub use task::{Environment, Network, ResourceLimits, Task, Upload};

#![doc = include_str!("../README.md")]

#[cfg(not(target_os = "linux"))]
compile_error!(
    "harness-sandbox isolates by what only Linux offers; implement `Sandbox` yourself elsewhere"
);

#[cfg(target_os = "linux")]
mod backend;
#[cfg(target_os = "linux")]
mod collect;
#[cfg(all(target_os = "linux", feature = "docker"))]
mod container;
#[cfg(target_os = "linux")]
mod detect;
#[cfg(target_os = "linux")]
mod engine;
#[cfg(target_os = "linux")]
mod executor;
#[cfg(target_os = "linux")]
mod features;
#[cfg(target_os = "linux")]
mod floor;
#[cfg(target_os = "linux")]
mod options;
#[cfg(target_os = "linux")]
mod root;
#[cfg(all(target_os = "linux", feature = "tarballs"))]
mod store;
#[cfg(target_os = "linux")]
mod supervisor;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod wire;

#[cfg(target_os = "linux")]
pub use backend::LocalSandbox;
#[cfg(target_os = "linux")]
pub use collect::{CollectLimits, Collected, collect, collect_only};
#[cfg(all(target_os = "linux", feature = "docker"))]
pub use container::{ContainerOptions, ContainerSandbox, ContainerUser, HealthCheck, Pull};
#[cfg(target_os = "linux")]
pub use detect::{Capabilities, Missing, SandboxKind, build, detect};
#[cfg(target_os = "linux")]
pub use engine::{LocalSession, OutputStream};
#[cfg(target_os = "linux")]
pub use executor::TokioExecutor;
#[cfg(target_os = "linux")]
pub use features::{Feature, features};
#[cfg(target_os = "linux")]
pub use options::SandboxOptions;
#[cfg(target_os = "linux")]
pub use root::RootFileSystem;
#[cfg(all(target_os = "linux", feature = "tarballs"))]
pub use store::RootStore;

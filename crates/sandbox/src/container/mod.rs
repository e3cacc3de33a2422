//! Sessions in containers, by the Docker API: Docker Engine, or Podman's socket.
//!
//! A session is one container. What keeps it alive is a stream that the engine holds open to the container's first
//! process: when the engine closes it, or dies, that process reads the end of its input, and everything in the container
//! ends with it; what is left of it is removed by the next engine's sweep. Commands are run by the daemon's exec; files go in and out by its archives, which never open a
//! path of the container on the host.

mod archive;
mod create;
mod daemon;
mod exec;
mod fault;
mod files;
mod health;
mod image;
mod options;
mod remover;
mod sandbox;
mod script;
mod session;
mod sweep;

pub use self::health::HealthCheck;
pub use self::options::{ContainerOptions, ContainerUser, Pull};
pub use self::sandbox::ContainerSandbox;

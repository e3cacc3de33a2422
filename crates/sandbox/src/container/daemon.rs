//! The daemon behind the socket: who it is and what it can enforce.

use std::path::{Path, PathBuf};

use bollard::models::SystemInfo;
use bollard::{API_DEFAULT_VERSION, Docker};
use harness_core::{Error, ErrorKind, Isolation, IsolationLevel, Result};

use super::options::{ContainerOptions, ContainerUser};

/// Where daemons listen, tried in this order.
const SOCKETS: [&str; 2] = ["/var/run/docker.sock", "/run/podman/podman.sock"];
/// Seconds that one answer of the daemon may take; streams are not bound by it.
pub(super) const PATIENCE: u64 = 120;

/// A daemon that answered.
#[derive(Clone, Debug)]
pub(super) struct Daemon {
    /// The client.
    pub(super) docker: Docker,
    /// Where it listens.
    pub(super) socket: PathBuf,
    /// What it says of itself.
    pub(super) info: SystemInfo,
    /// Whether it reads paths as patterns, so that it cannot be asked for a file named `*` (seen with Podman 4.3, which knows
    /// no escape either).
    pub(super) reads_patterns: bool,
}

/// Finds the daemon and agrees on a version of the API (Podman's is older than Docker's).
pub(super) async fn connect(socket: Option<&Path>) -> Result<Daemon> {
    let path = match socket {
        Some(path) => path.to_owned(),
        None => found()?,
    };
    let unreachable = |refusal| {
        let why = format!(
            "no container daemon answers at '{}': start Docker or `podman system service`, or set \
             `ContainerOptions::socket`",
            path.display()
        );
        Error::new(ErrorKind::Sandbox, why).with_source(refusal)
    };
    let text = path.to_string_lossy();
    let docker = Docker::connect_with_unix(&text, PATIENCE, API_DEFAULT_VERSION);
    let docker = docker.map_err(unreachable)?.negotiate_version().await.map_err(unreachable)?;
    let info = docker.info().await.map_err(unreachable)?;
    let version = docker.version().await.map_err(unreachable)?;
    let mut components = version.components.iter().flatten();
    let reads_patterns = components.any(|component| component.name.contains("Podman"));
    Ok(Daemon { docker, socket: path, info, reads_patterns })
}

fn found() -> Result<PathBuf> {
    SOCKETS.map(PathBuf::from).into_iter().find(|path| path.exists()).ok_or_else(|| {
        let why = format!(
            "there is no container daemon at {}: start Docker or `podman system service`, or set \
             `ContainerOptions::socket`",
            SOCKETS.join(" or ")
        );
        Error::new(ErrorKind::Sandbox, why)
    })
}

/// What containers of this daemon isolate. Pure.
pub(super) fn isolation(options: &ContainerOptions, info: &SystemInfo) -> Isolation {
    let mut residual = vec![
        "The kernel is shared: a flaw in it, or in the container daemon, is not stopped."
            .to_owned(),
        "Storage is bounded for each file, not in all.".to_owned(),
        "Exit statuses 129 to 192 are told as signals: the API does not tell them apart."
            .to_owned(),
    ];
    let mut level = IsolationLevel::Full;
    let unlimited: Vec<&str> = [
        ("memory", info.memory_limit),
        ("processes", info.pids_limit),
        ("processor time", info.cpu_cfs_quota),
    ]
    .into_iter()
    .filter_map(|(what, enforced)| (enforced == Some(false)).then_some(what))
    .collect();
    if !unlimited.is_empty() {
        level = IsolationLevel::User;
        residual.push(format!("This daemon cannot limit {}.", unlimited.join(", ")));
    }
    if options.user == ContainerUser::Root && !has_own_users(info) {
        level = IsolationLevel::User;
        residual.push(
            "Commands run as the host's root, without capabilities: this daemon neither runs without root nor \
             remaps users."
                .to_owned(),
        );
    }
    if options.public_network {
        let open =
            "A task that asks for the public network reaches whatever the daemon's network does.";
        residual.push(open.to_owned());
    }
    Isolation { backend: "docker".to_owned(), level, residual }
}

/// Whether a container's root is nobody on the host.
fn has_own_users(info: &SystemInfo) -> bool {
    let options = info.security_options.iter().flatten();
    options.clone().any(|option| option == "name=rootless" || option == "name=userns")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(user: ContainerUser, info: &SystemInfo) -> IsolationLevel {
        isolation(&ContainerOptions { user, ..ContainerOptions::default() }, info).level
    }

    #[test]
    fn the_hosts_root_is_never_called_full() {
        let rootful = SystemInfo::default();
        assert_eq!(level(ContainerUser::default(), &rootful), IsolationLevel::Full);
        assert_eq!(level(ContainerUser::Root, &rootful), IsolationLevel::User);
        let security_options = Some(vec!["name=seccomp".to_owned(), "name=userns".to_owned()]);
        let remapped = SystemInfo { security_options, ..SystemInfo::default() };
        assert_eq!(level(ContainerUser::Root, &remapped), IsolationLevel::Full);
    }

    #[test]
    fn what_the_daemon_cannot_limit_is_told() {
        let info = SystemInfo { memory_limit: Some(false), ..SystemInfo::default() };
        let isolation = isolation(&ContainerOptions::default(), &info);
        assert_eq!(isolation.level, IsolationLevel::User);
        assert!(isolation.residual.iter().any(|what| what.contains("memory")), "{isolation:?}");
    }
}

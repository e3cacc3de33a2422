//! What a task may ask for that cannot be given yet, and what the host offers.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use toml::Value;

use super::manifest::Manifest;
use crate::obstacle::{Obstacle, Step, unavailable};

/// What the host offers to tasks. Given by the caller: nothing is read from the environment here.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) variables: BTreeMap<String, String>,
    /// Where programs are looked for.
    pub(crate) path: Vec<PathBuf>,
    pub(crate) public_network: bool,
    pub(crate) allowed_hosts: bool,
    /// Nothing is judged, so that an empty directory will do for an environment.
    pub(crate) for_solutions: bool,
}

impl Default for Host {
    fn default() -> Self {
        // Not the user's own PATH: a sandbox shows the system's directories and nothing of the user's home.
        let system =
            ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
        Self {
            variables: BTreeMap::new(),
            path: system.map(PathBuf::from).to_vec(),
            public_network: false,
            for_solutions: false,
            allowed_hosts: false,
        }
    }
}

impl Host {
    /// Skips a task whose programs are not here.
    pub(crate) fn require<'a>(&self, programs: impl IntoIterator<Item = &'a str>) -> Step<()> {
        match programs.into_iter().find(|program| !self.has(program)) {
            None => Ok(()),
            Some(absent) => unavailable(format!(
                "it needs the program '{absent}', which this machine lacks: install it"
            )),
        }
    }

    /// What is not to be had here is left out, where only solutions are wanted.
    pub(crate) fn unless_for_solutions<T>(&self, step: Step<T>) -> Step<Option<T>> {
        match step {
            Err(Obstacle::Unavailable(_)) if self.for_solutions => Ok(None),
            step => step.map(Some),
        }
    }

    fn has(&self, program: &str) -> bool {
        let runs = |path: &Path| {
            path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
        };
        self.path.iter().any(|directory| runs(&directory.join(program)))
    }
}

/// Skips a task that asks for what no sandbox of ours gives yet.
pub(crate) fn check(directory: &Path, manifest: &Manifest) -> Step<()> {
    let environment = &manifest.environment;
    let there = |name: &str| directory.join(name).exists();
    let os = environment.os.as_deref().unwrap_or("linux").to_lowercase();
    let asks = [
        (os != "linux", format!("it runs on {os}, and sandboxes here are Linux")),
        (
            ["yaml", "yml"].iter().any(|end| there(&format!("environment/docker-compose.{end}"))),
            "it needs several containers (environment/docker-compose.yaml)".to_owned(),
        ),
        (
            there("environment/singularity-compose.yaml"),
            "it needs several containers (environment/singularity-compose.yaml)".to_owned(),
        ),
        (!manifest.steps.is_empty() || there("steps"), "it has several steps".to_owned()),
        (
            there("trajectory.json"),
            "it continues an earlier trajectory (trajectory.json)".to_owned(),
        ),
        (environment.gpus.unwrap_or(0) > 0, "it needs a GPU".to_owned()),
        (environment.tpu.is_some(), "it needs a TPU".to_owned()),
        (!environment.mcp_servers.is_empty(), "it needs MCP servers".to_owned()),
        (
            manifest.verifier.environment.is_some()
                || manifest.verifier.environment_mode.as_deref() == Some("separate")
                || there("tests/Dockerfile")
                || there("tests/docker-compose.yaml"),
            "its verifier needs a container of its own".to_owned(),
        ),
        (!manifest.verifier.collect.is_empty(), "it collects with [[verifier.collect]]".to_owned()),
        (
            is_other_user(manifest.agent.user.as_ref())
                || is_other_user(manifest.verifier.user.as_ref()),
            "its agent or verifier works as another user than root".to_owned(),
        ),
    ];
    match asks.into_iter().find(|(asked, _)| *asked) {
        None => Ok(()),
        Some((_, reason)) => unavailable(format!("{reason}: not supported yet")),
    }
}

fn is_other_user(user: Option<&Value>) -> bool {
    user.is_some_and(|user| user.as_str() != Some("root") && user.as_integer() != Some(0))
}

//! From `[environment]` and `environment/` to what a sandbox opens.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use harness_core::{Environment, Network, ResourceLimits, SandboxPath, Upload};

use super::dockerfile::{Build, Built, quote, stand_in};
use super::ignore::Ignore;
use super::manifest::{self, Healthcheck, Manifest, seconds};
use super::sizes;
use super::support::Host;
use super::tree::{self, Entry, Tree};
use super::variables::Variables;
use crate::obstacle::{Step, unavailable, wrong};

/// Where a task works that says nothing of it.
const WORKDIR: &str = "/app";

/// A task directory while its environment is made.
pub(crate) struct Site<'a> {
    pub(crate) directory: &'a Path,
    /// Its `task.toml`.
    pub(crate) file: &'a Path,
    pub(crate) manifest: &'a Manifest,
    pub(crate) host: &'a Host,
}

impl Site<'_> {
    /// What a sandbox opens, and what is done in it before the agent starts.
    pub(crate) fn environment(&self) -> Step<Environment> {
        let declared = &self.manifest.environment;
        let own = variables(self.host, &declared.env, "[environment].env")?;
        let limits = self.limits()?;
        let network = self.network()?;
        let workdir =
            declared.workdir.as_deref().map(|path| self.path("environment.workdir", path));
        let workdir = workdir.transpose()?;
        let mut environment = match self.dockerfile()? {
            Some(built) => self.by_build(built, workdir, &own)?,
            None => self.by_image(workdir)?,
        };
        environment.env.extend(own.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        environment.setup.extend(declared.healthcheck.as_ref().map(healthcheck));
        Ok(Environment { limits, network, ..environment })
    }

    fn dockerfile(&self) -> Step<Option<Built>> {
        let Some(text) = tree::text(self.directory, "environment/Dockerfile")? else {
            return Ok(None);
        };
        let file = self.directory.join("environment/Dockerfile");
        let context = self.context()?;
        Build::read(&file, &text, &context).map(Some)
    }

    /// What `environment/` holds, without what `.dockerignore` leaves out. Nothing outside of it can be reached, not by a
    /// link either: the tests lie next door.
    fn context(&self) -> Step<Tree> {
        let directory = self.directory.join("environment");
        let mut context = Tree::read(&directory, &directory)?;
        if let Some(text) = tree::text(self.directory, "environment/.dockerignore")? {
            let ignore = Ignore::parse(&directory.join(".dockerignore"), &text)?;
            context.retain(|path| !ignore.ignores(path));
        }
        Ok(context)
    }

    fn by_build(
        &self,
        built: Built,
        workdir: Option<SandboxPath>,
        own: &Variables,
    ) -> Step<Environment> {
        self.host.require(built.requires.iter().copied())?;
        let workdir = workdir.unwrap_or_else(|| built.workdir.clone());
        let mut env = built.env.clone();
        env.extend(own.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        let setup = built.setup(&workdir, &env);
        let (image, env, files) = (Some(built.image), built.env, built.files);
        Ok(Environment { image, workdir, env, files, setup, ..Environment::default() })
    }

    /// An image without a Dockerfile: what `environment/` holds goes into the working directory.
    fn by_image(&self, workdir: Option<SandboxPath>) -> Step<Environment> {
        let Some(image) = self.manifest.environment.docker_image.clone() else {
            let file = self.directory.join("environment/Dockerfile");
            let remedy = "write one, or set [environment].docker_image in task.toml";
            return Err(wrong(&file, "the file", "is missing", remedy).into());
        };
        let Some(requires) = stand_in(&image) else {
            return unavailable(format!(
                "it needs the image '{image}', which nothing here can stand in for: that comes with a container backend"
            ));
        };
        self.host.require(requires.iter().copied())?;
        let workdir = workdir.map_or_else(|| self.path("environment.workdir", WORKDIR), Ok)?;
        let mut environment = Environment { image: Some(image), workdir, ..Environment::default() };
        if self.directory.join("environment").is_dir() {
            for (path, entry) in self.context()?.iter() {
                place(&mut environment, self.path("environment", path)?, entry);
            }
        }
        Ok(environment)
    }

    fn limits(&self) -> Step<ResourceLimits> {
        let declared = &self.manifest.environment;
        let timeout = declared.build_timeout_sec.unwrap_or(600.0);
        let cpus = declared.cpus;
        if cpus.is_some_and(|cpus| !(cpus.is_finite() && cpus > 0.0)) {
            let remedy = "write a positive number such as 1";
            return Err(
                wrong(self.file, "key `environment.cpus`", "is not positive", remedy).into()
            );
        }
        Ok(ResourceLimits {
            cpus,
            memory_bytes: self.size("memory", declared.memory_mb, declared.memory.as_deref())?,
            disk_bytes: self.size("storage", declared.storage_mb, declared.storage.as_deref())?,
            processes: None,
            setup_timeout: self.seconds("environment.build_timeout_sec", timeout)?,
        })
    }

    fn size(&self, what: &str, mb: Option<u64>, legacy: Option<&str>) -> Step<Option<u64>> {
        let wrong = |key: String, problem: &str| {
            let remedy = format!("write {what}_mb = 2048");
            Err(wrong(self.file, key, problem, remedy).into())
        };
        let (key, size) = match (mb, legacy) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return wrong(
                    format!("keys `environment.{what}` and `environment.{what}_mb`"),
                    "contradict each other",
                );
            }
            (Some(mb), None) => (format!("{what}_mb"), sizes::megabytes(mb)),
            (None, Some(text)) => (what.to_owned(), sizes::bytes(text)),
        };
        match size.filter(|size| *size > 0) {
            Some(size) => Ok(Some(size)),
            None => wrong(format!("key `environment.{key}`"), "is no size"),
        }
    }

    fn network(&self) -> Step<Network> {
        let declared = &self.manifest.environment;
        let legacy = declared.allow_internet.filter(|_| declared.allowed_hosts.is_none());
        let mode = match (declared.network_mode.as_deref(), legacy) {
            (Some(mode), _) => Some(mode),
            (None, Some(true)) => Some("public"),
            (None, Some(false)) => Some("no-network"),
            (None, None) => None,
        };
        for (phase, of_phase) in [
            ("agent", &self.manifest.agent.network_mode),
            ("verifier", &self.manifest.verifier.network_mode),
        ] {
            if of_phase.is_some() && of_phase.as_deref() != mode {
                return unavailable(format!(
                    "its {phase} needs another network than the environment: not supported yet"
                ));
            }
        }
        if declared.allowed_hosts.is_some() && mode != Some("allowlist") {
            let remedy = "set network_mode = \"allowlist\", or remove it";
            return Err(wrong(
                self.file,
                "key `environment.allowed_hosts`",
                "is given without an allowlist",
                remedy,
            )
            .into());
        }
        match mode {
            None if self.host.public_network => Ok(Network::Public),
            None | Some("no-network") => Ok(Network::None),
            Some("public") if self.host.public_network => Ok(Network::Public),
            Some("public") => {
                unavailable("it needs the public network, which this run does not offer")
            }
            Some("allowlist") => self.allowed_hosts(),
            Some(other) => {
                let remedy = "write public, no-network or allowlist";
                Err(wrong(
                    self.file,
                    "key `environment.network_mode`",
                    format!("'{other}' is no mode"),
                    remedy,
                )
                .into())
            }
        }
    }

    fn allowed_hosts(&self) -> Step<Network> {
        let hosts = self.manifest.environment.allowed_hosts.iter().flatten();
        let hosts: Vec<String> =
            hosts.map(|host| host.trim_end_matches('.').to_lowercase()).collect();
        let is_host = |host: &&String| {
            let port = host.rsplit_once(':').is_some_and(|(name, _)| !name.contains(':'));
            let network = host.split_once('/').is_some_and(|(_, bits)| bits.parse::<u8>().is_ok());
            host.is_empty() || host.contains("://") || port || (host.contains('/') && !network)
        };
        if let Some(strange) = hosts.iter().find(is_host) {
            let problem = format!("'{strange}' is no host");
            let remedy = "write names, addresses or networks, without scheme, port and path";
            return Err(wrong(self.file, "key `environment.allowed_hosts`", problem, remedy).into());
        }
        if !self.host.allowed_hosts {
            return unavailable(format!(
                "it needs the hosts {}, and this run offers no network to single hosts",
                hosts.join(", ")
            ));
        }
        Ok(Network::Allow(hosts))
    }

    fn path(&self, key: &str, path: &str) -> Step<SandboxPath> {
        SandboxPath::new(path).map_err(|error| {
            wrong(self.file, format!("key `{key}`"), error.message(), "write it without '..'")
                .into()
        })
    }

    pub(crate) fn seconds(&self, key: &str, number: f64) -> Step<Duration> {
        Ok(seconds(self.file, key, number)?)
    }
}

/// The variables of a table, or a skipped task where the host lacks one.
pub(crate) fn variables(
    host: &Host,
    templates: &BTreeMap<String, String>,
    table: &str,
) -> Step<Variables> {
    Variables::resolve(templates, &host.variables).or_else(|name| {
        unavailable(format!(
            "{table} needs the variable {name}, which is not set: set it, or write ${{{name}:-default}}"
        ))
    })
}

fn place(environment: &mut Environment, path: SandboxPath, entry: &Entry) {
    match entry {
        Entry::Directory => environment.setup.push(format!("mkdir -p {}", quote(path.as_str()))),
        Entry::Link { target } => {
            let (path, target) = (quote(path.as_str()), quote(target));
            environment
                .setup
                .push(format!("mkdir -p \"$(dirname {path})\" && ln -sfn {target} {path}"));
        }
        Entry::File { mode, content } => {
            environment.files.push(Upload { path, mode: *mode, content: content.clone() });
        }
    }
}

/// A set-up line that waits until the environment says that it is well.
fn healthcheck(check: &Healthcheck) -> String {
    let manifest::Healthcheck { command, interval_sec, timeout_sec, retries, .. } = check;
    // Failures during the start period do not count: they are further tries.
    let during_start =
        (check.start_period_sec / check.start_interval_sec.max(0.1)).clamp(0.0, 1e6).ceil();
    let tries = f64::from(*retries) + during_start;
    format!(
        "tries=0\nuntil timeout {timeout_sec} bash -c {}; do\n  tries=$((tries + 1))\n  \
         if [ \"$tries\" -ge {tries:.0} ]; then echo 'the healthcheck failed' >&2; exit 1; fi\n  sleep {interval_sec}\ndone",
        quote(command)
    )
}

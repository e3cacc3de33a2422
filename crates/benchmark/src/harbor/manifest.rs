//! `task.toml`, read leniently: keys that we do not know are none of our business.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use harness_core::Result;
use serde::Deserialize;
use toml::{Table, Value};

use crate::obstacle::{line_of, wrong};

/// The part of `task.toml` that matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "a table")]
pub(crate) struct Manifest {
    pub(crate) task: Option<Package>,
    pub(crate) metadata: Metadata,
    pub(crate) agent: Agent,
    pub(crate) verifier: Verifier,
    pub(crate) solution: Solution,
    pub(crate) environment: Environment,
    pub(crate) artifacts: Vec<Artifact>,
    pub(crate) steps: Vec<Table>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "a table")]
pub(crate) struct Package {
    pub(crate) name: String,
}

/// A free table upstream; only `requires` is ours, so only that is held to its type.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "a table")]
pub(crate) struct Metadata {
    pub(crate) category: Option<Value>,
    pub(crate) requires: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "a table")]
pub(crate) struct Agent {
    pub(crate) timeout_sec: Option<f64>,
    pub(crate) user: Option<Value>,
    pub(crate) network_mode: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "a table")]
pub(crate) struct Verifier {
    pub(crate) timeout_sec: Option<f64>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) user: Option<Value>,
    pub(crate) network_mode: Option<String>,
    pub(crate) environment_mode: Option<String>,
    pub(crate) environment: Option<Table>,
    pub(crate) collect: Vec<Table>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "a table")]
pub(crate) struct Solution {
    pub(crate) env: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "a table")]
pub(crate) struct Environment {
    pub(crate) build_timeout_sec: Option<f64>,
    pub(crate) docker_image: Option<String>,
    pub(crate) os: Option<String>,
    pub(crate) cpus: Option<f64>,
    pub(crate) memory_mb: Option<u64>,
    pub(crate) memory: Option<String>,
    pub(crate) storage_mb: Option<u64>,
    pub(crate) storage: Option<String>,
    pub(crate) gpus: Option<u32>,
    pub(crate) tpu: Option<Table>,
    pub(crate) mcp_servers: Vec<Table>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) healthcheck: Option<Healthcheck>,
    pub(crate) workdir: Option<String>,
    pub(crate) network_mode: Option<String>,
    pub(crate) allow_internet: Option<bool>,
    pub(crate) allowed_hosts: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "a table")]
pub(crate) struct Healthcheck {
    pub(crate) command: String,
    #[serde(default = "five")]
    pub(crate) interval_sec: f64,
    #[serde(default = "thirty")]
    pub(crate) timeout_sec: f64,
    #[serde(default)]
    pub(crate) start_period_sec: f64,
    #[serde(default = "five")]
    pub(crate) start_interval_sec: f64,
    #[serde(default = "three")]
    pub(crate) retries: u32,
}

fn three() -> u32 {
    3
}
fn five() -> f64 {
    5.0
}
fn thirty() -> f64 {
    30.0
}

/// A file that the task asks for: its path, or a table with its path.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a path, or a table with the key `source`")]
pub(crate) enum Artifact {
    Path(String),
    Table { source: String },
}

impl Artifact {
    pub(crate) fn source(&self) -> &str {
        match self {
            Self::Path(source) | Self::Table { source } => source,
        }
    }
}

impl Manifest {
    /// Parses the text of `file`.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self> {
        let table: Table = toml::from_str(text).map_err(|source| {
            let at = line_of(text, source.span());
            wrong(file, format!("line {at}"), source.message(), "make it valid TOML")
        })?;
        table.try_into().map_err(|source: toml::de::Error| {
            // The deserialiser adds the key's path on a line of its own.
            let said = source.to_string();
            let (problem, key) = said.trim_end().rsplit_once("\nin `").unwrap_or((&said, "?`"));
            let key = key.trim_end_matches('`');
            wrong(file, format!("key `{key}`"), problem.trim(), "give it a value of that type")
        })
    }
}

/// Seconds as a positive duration.
pub(crate) fn seconds(file: &Path, key: &str, seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero()).ok_or_else(|| {
        let problem = format!("{seconds} is not a positive number of seconds");
        wrong(file, format!("key `{key}`"), problem, "write, for example, 600.0")
    })
}

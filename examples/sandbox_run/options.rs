//! The command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use harness_core::{Error, ErrorKind, Result};
use harness_sandbox::{RootFileSystem, RootStore, SandboxKind};

#[derive(Debug, Parser)]
#[command(about = "Runs, collects and verifies what nobody should trust")]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) what: What,
}

#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Runs one command in a fresh session
    Exec(Exec),
    /// Copies an untrusted tree to a new directory, without links, capped
    Collect(Collect),
    /// Runs tests/test.sh in a fresh session over the declared artifacts
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// The writable working directory; a fresh one in the session when absent
    #[arg(long, value_name = "DIR")]
    pub(crate) workspace: Option<PathBuf>,
    /// A root file system in place of the host's system directories: a directory, or a tarball, which is unpacked once
    #[arg(long, value_name = "PATH")]
    pub(crate) root: Option<PathBuf>,
    /// Where tarballs are unpacked
    #[arg(long, value_name = "DIR", default_value_os_t = default_store())]
    pub(crate) store: PathBuf,
    /// How strongly to isolate
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) level: Level,
    /// Processes and threads at once
    #[arg(long, value_name = "N")]
    pub(crate) pids: Option<u32>,
    /// Bytes of memory
    #[arg(long, value_name = "BYTES")]
    pub(crate) memory: Option<u64>,
    /// Bytes of storage outside of the workspace
    #[arg(long, value_name = "BYTES")]
    pub(crate) disk: Option<u64>,
    /// Bytes passed on of each output stream; the rest is dropped and counted
    #[arg(long, value_name = "BYTES")]
    pub(crate) output: Option<u64>,
    /// When to kill it: 10, 10s, 500ms, 2m, 1h
    #[arg(long, value_name = "D", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Shares the host's network
    #[arg(long)]
    pub(crate) network: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Collect {
    /// The untrusted tree
    #[arg(long, value_name = "DIR")]
    pub(crate) from: PathBuf,
    /// A directory that does not exist yet
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// What an agent left
    #[arg(long, value_name = "DIR")]
    pub(crate) workspace: PathBuf,
    /// The tests; test.sh is run
    #[arg(long, value_name = "DIR")]
    pub(crate) tests: PathBuf,
    /// A file or directory of the workspace that the tests may see; all of it when none is named
    #[arg(long, value_name = "PATH")]
    pub(crate) artifact: Vec<String>,
    /// How strongly to isolate
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) level: Level,
    /// When to give up
    #[arg(long, value_name = "D", value_parser = duration, default_value = "600s")]
    pub(crate) timeout: Duration,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Level {
    Auto,
    Full,
    User,
    Landlock,
}

impl From<Level> for SandboxKind {
    fn from(level: Level) -> Self {
        match level {
            Level::Auto => Self::Auto,
            Level::Full => Self::Full,
            Level::User => Self::User,
            Level::Landlock => Self::Landlock,
        }
    }
}

/// In the user's cache.
fn default_store() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = variable("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".cache")));
    cache.unwrap_or_else(std::env::temp_dir).join("self-harness/roots")
}

/// The root file system at `path`, unpacked if it is a tarball that never was.
pub(crate) fn root(path: &Path, store: &Path) -> Result<RootFileSystem> {
    if path.is_dir() { RootFileSystem::unpacked(path) } else { RootStore::new(store).unpack(path) }
}

/// The absolute path of a directory that exists.
pub(crate) fn directory(path: &Path) -> Result<PathBuf> {
    let absolute = path.canonicalize().ok().filter(|path| path.is_dir());
    absolute.ok_or_else(|| {
        let why = format!("{} is not a directory: name one that exists", path.display());
        Error::new(ErrorKind::InvalidInput, why)
    })
}

fn duration(text: &str) -> std::result::Result<Duration, String> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("", 1.0)];
    let parsed = units.iter().find_map(|(unit, seconds)| {
        let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        Duration::try_from_secs_f64(number * seconds).ok()
    });
    parsed.ok_or_else(|| format!("'{text}' is no duration: 10, 10s, 500ms, 2m, 1h"))
}

//! Removing containers: of sessions that are closed, and of those that are dropped, whose end somebody has to wait for.

use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bollard::query_parameters::RemoveContainerOptionsBuilder;
use bollard::{API_DEFAULT_VERSION, Docker};
use harness_core::Result;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::daemon::PATIENCE;
use super::fault::{self, broken};

/// Between two tries.
const AGAIN: Duration = Duration::from_millis(50);
/// How long a daemon that fails is asked again.
const STUBBORN: Duration = Duration::from_secs(30);
/// How long a container whose making was interrupted may take to appear.
const UNBORN: Duration = Duration::from_secs(10);
/// How long the last owner waits for what was left to it.
const LAST: Duration = Duration::from_secs(60);

/// A container that nobody holds any more.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) name: String,
    /// The daemon was asked to make it, and its answer was not heard: it may come to be only now.
    pub(super) unborn: bool,
}

/// Removes what dropped sessions leave, on a thread of its own: the runtime that a session lived on may end at once, and with it
/// whatever was spawned there. Whoever drops the last handle waits until everything is gone.
pub(super) struct Remover {
    socket: PathBuf,
    running: Mutex<Option<Running>>,
}

struct Running {
    left: UnboundedSender<Left>,
    done: Receiver<()>,
}

impl fmt::Debug for Remover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remover").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Remover {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket, running: Mutex::new(None) }
    }

    /// Takes over a container. Returns at once.
    pub(super) fn take(&self, left: Left) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let started = running.get_or_insert_with(|| start(self.socket.clone()));
        // A thread that could not be started leaves it to the end of its standard input, and to the next sweep.
        let _ = started.left.send(left);
    }
}

impl Drop for Remover {
    fn drop(&mut self) {
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { left, done }) = running {
            drop(left);
            // Ended, or given up: a daemon that answers nobody must not keep a program from its end.
            let _ = done.recv_timeout(LAST);
        }
    }
}

fn start(socket: PathBuf) -> Running {
    let (left, waiting) = unbounded_channel();
    let (finished, done) = channel();
    std::thread::spawn(move || {
        if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
            runtime.block_on(remove_all(&socket, waiting));
        }
        // Nobody may be waiting.
        let _ = finished.send(());
    });
    Running { left, done }
}

async fn remove_all(socket: &std::path::Path, mut waiting: UnboundedReceiver<Left>) {
    let text = socket.to_string_lossy();
    // A client of this runtime's own: connections belong to the one that they were made on.
    let Ok(docker) = Docker::connect_with_unix(&text, PATIENCE, API_DEFAULT_VERSION) else {
        return;
    };
    let Ok(docker) = docker.negotiate_version().await else { return };
    let mut removals = JoinSet::new();
    while let Some(left) = waiting.recv().await {
        let docker = docker.clone();
        removals.spawn(async move { remove_left(&docker, &left).await });
        while removals.try_join_next().is_some() {}
    }
    while removals.join_next().await.is_some() {}
}

async fn remove_left(docker: &Docker, left: &Left) {
    let begun = Instant::now();
    loop {
        let done = remove(docker, &left.name).await;
        // "There is none" says nothing about one that is only being made.
        let early = left.unborn && matches!(done, Ok(false)) && begun.elapsed() < UNBORN;
        if !early {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Ends every process of a container and removes it, whoever else does the same; tells whether there was one.
pub(super) async fn remove(docker: &Docker, name: &str) -> Result<bool> {
    let begun = Instant::now();
    loop {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match docker.remove_container(name, Some(options)).await {
            Ok(()) => return Ok(true),
            Err(refusal) if fault::is_missing(&refusal) => return Ok(false),
            // Its own removal is under way, or its processes are just ending: look again until it is through.
            Err(refusal) if fault::status(&refusal).is_some() && begun.elapsed() < STUBBORN => {
                tokio::time::sleep(AGAIN).await;
            }
            Err(refusal) => return Err(broken("removing a container", refusal)),
        }
    }
}

//! The engine's handle on the supervisor: started once, asked for one session after another.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use harness_core::{Error, ErrorKind, Result};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair, sockopt};

use super::broken;
use crate::sys;
use crate::wire::{self, MARKER, Numbered, Order, Plan, Reply, Setup};

/// A supervisor process of this engine's. It ends, with every session, when this is dropped or the
/// engine dies in whatever way.
#[derive(Debug)]
pub(crate) struct Spawner {
    order: Order,
    running: Mutex<Running>,
}

#[derive(Debug)]
struct Running {
    control: OwnedFd,
    process: Option<Child>,
}

/// Why a session could not be opened, by the step that failed.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) doing: String,
    pub(crate) cause: io::Error,
}

impl Spawner {
    /// Starts one.
    ///
    /// # Errors
    /// [`ErrorKind::Sandbox`] when the program cannot be executed again.
    pub(crate) fn start(setup: Setup) -> Result<Self> {
        let order = Order::Serve(setup);
        Ok(Self { running: Mutex::new(Running::start(&order, &[])?), order })
    }

    /// Asks for a session; returns the engine's end of its socket, on which all else will be told.
    /// `given` goes along.
    pub(crate) async fn request(&self, plan: &Plan, given: &[OwnedFd]) -> Result<OwnedFd> {
        let (ours, theirs) = pair().map_err(|error| broken("opening a session", error))?;
        loop {
            match self.try_request(plan, &theirs, given)? {
                true => return Ok(ours),
                // Many sessions are being asked for at once, and the socket is full.
                false => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    }

    /// One attempt, without waiting; `false` when the socket is full. A dead supervisor is replaced.
    fn try_request(&self, plan: &Plan, theirs: &OwnedFd, given: &[OwnedFd]) -> Result<bool> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let fds: Vec<_> = [theirs].into_iter().chain(given).map(OwnedFd::as_fd).collect();
        for attempt in 0.. {
            let sent = wire::send(running.control.as_fd(), plan, &fds, false);
            match sent {
                Ok(()) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if attempt > 0 => return Err(broken("asking the supervisor", error)),
                Err(_) => *running = Running::start(&self.order, &[])?,
            }
        }
        Ok(false)
    }

    /// Opens a session and closes it again, waiting at most `patience` for each answer: what this
    /// machine can do is what it does when tried. Returns what the session lacks, in words.
    pub(crate) fn probe(&self, plan: &Plan, patience: Duration) -> Result<Vec<String>, Refusal> {
        let refuse = |cause| Refusal { doing: "asking the supervisor".to_owned(), cause };
        let (ours, theirs) = pair().map_err(refuse)?;
        sockopt::set_socket_timeout(&ours, sockopt::Timeout::Recv, Some(patience))
            .map_err(|errno| refuse(errno.into()))?;
        self.try_request(plan, &theirs, &[]).map_err(|error| refuse(io::Error::other(error)))?;
        drop(theirs);
        loop {
            let received = wire::receive::<Numbered<Reply>>(ours.as_fd()).map_err(refuse)?;
            match received.map(|(reply, _)| reply.body) {
                Some(Reply::Opened { lacks, .. }) => return Ok(lacks),
                Some(Reply::Failed { doing, errno }) => {
                    return Err(Refusal { doing, cause: io::Error::from_raw_os_error(errno) });
                }
                Some(_) => {}
                None => {
                    return Err(refuse(io::Error::other("it ended without an answer")));
                }
            }
        }
    }
}

/// Has a supervisor of its own do `order`, with the descriptors that it needs, and waits for its answer.
///
/// # Errors
/// [`ErrorKind::Sandbox`] when it cannot be started, or ends without an answer.
#[cfg(feature = "tarballs")]
pub(crate) fn order(order: &Order, fds: &[BorrowedFd<'_>]) -> Result<Reply> {
    let running = Running::start(order, fds)?;
    let received = wire::receive::<Numbered<Reply>>(running.control.as_fd());
    match received.map_err(|error| broken("hearing from the supervisor", error))? {
        Some((reply, _)) => Ok(reply.body),
        None => Err(broken("hearing from the supervisor", io::Error::other("it ended"))),
    }
}

impl Running {
    fn start(order: &Order, fds: &[BorrowedFd<'_>]) -> Result<Self> {
        is_in_executable()?;
        let start = || {
            let (control, theirs) = pair()?;
            let process = Command::new("/proc/self/exe")
                .arg0(MARKER)
                .env_clear()
                .current_dir("/")
                .stdin(Stdio::from(theirs))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?;
            let running = Self { control, process: Some(process) };
            wire::send(running.control.as_fd(), order, fds, true)?;
            Ok(running)
        };
        start().map_err(|error| broken("starting the sandbox's supervisor", error))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The supervisor ends when its socket closes, right after this. Somebody has to collect its
        // status then, and a drop must not wait.
        if let Some(mut process) = self.process.take() {
            std::thread::spawn(move || process.wait());
        }
    }
}

fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let kind = SocketType::SEQPACKET;
    Ok(socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?)
}

/// The supervisor is this program executed again. That works only if the constructor is in the
/// executable itself: an interpreter that loaded us as a library would start a second script instead.
fn is_in_executable() -> Result<()> {
    let wrong = |why: &str| {
        let message = format!(
            "this sandbox works only in programs that link the crate statically ({why}); link it into \
             an executable and start that one"
        );
        Err(Error::new(ErrorKind::Sandbox, message))
    };
    let maps = fs::read_to_string("/proc/self/maps")
        .map_err(|error| broken("reading /proc/self/maps (is /proc mounted?)", error))?;
    let executable = fs::metadata("/proc/self/exe")
        .map_err(|error| broken("looking at the running program", error))?;
    let address = sys::constructor_address();
    let Some(line) = maps.lines().find(|line| holds(line, address)) else {
        return wrong("its code is not mapped from a file");
    };
    let inode = line.split_whitespace().nth(4).and_then(|inode| inode.parse::<u64>().ok());
    if inode == Some(executable.ino()) { Ok(()) } else { wrong("it was loaded as a library") }
}

fn holds(line: &str, address: usize) -> bool {
    let range = line.split_whitespace().next().and_then(|range| range.split_once('-'));
    let bound = |text| usize::from_str_radix(text, 16).ok();
    range.is_some_and(|(start, end)| {
        bound(start).is_some_and(|start| start <= address)
            && bound(end).is_some_and(|end| address < end)
    })
}

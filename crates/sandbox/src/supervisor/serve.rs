//! The loop of a session's first process: requests in, replies out, the dead reaped.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, WaitId, WaitIdOptions, WaitOptions, WaitStatus, getpid, pidfd_open,
    test_kill_process, wait, waitid,
};

use super::command::Bounds;
use super::failure::{Doing as _, Failure};
use super::memory::{self, Memory};
use super::place::Place;
use super::score::Score;
use super::spawner::numbered;
use super::start::Own;
use super::{command, files, list, score, shared, stamp, tree};
use crate::sys;
use crate::wire::{self, Exec, Numbered, Reply, Request, Status};

/// While killed processes are awaited, they are looked for at this interval too.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// How long the end of all processes may take before the session counts as broken.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Running {
    id: u64,
    ended: Option<Status>,
    /// Killed with the command, and not yet known to be gone.
    dying: HashSet<i32>,
    out_of_memory: bool,
    /// How often the kernel had killed for lack of memory when it began.
    kills: u64,
}

impl Running {
    fn kill(&mut self, pid: i32) {
        self.dying.extend(tree::kill_tree(pid));
        self.dying.remove(&pid);
    }
}

struct Server<'a> {
    socket: &'a OwnedFd,
    place: Place,
    running: HashMap<i32, Running>,
    bounds: Bounds,
    memory: Memory,
    score: Option<Score>,
}

/// Tells the engine that the session is open and serves it until it is gone.
pub(super) fn run(
    socket: &OwnedFd,
    place: Place,
    own: Own,
    bounds: Bounds,
    lacks: Vec<String>,
) -> Result<(), Failure> {
    let children = sys::child_signals().doing("watching child processes")?;
    let opened = Reply::Opened { root: place.private_root(), lacks };
    let process = pidfd_open(getpid(), PidfdFlags::empty()).doing("opening the first process")?;
    wire::send(socket.as_fd(), &numbered(opened), &[process.as_fd()], true)
        .doing("answering the engine")?;
    let Own { memory, go, score } = own;
    // The spawner may turn to the next session now; and no command has been started yet.
    drop((process, go));
    let mut server = Server { socket, place, running: HashMap::new(), bounds, memory, score };
    // Any error here means that the engine is gone or the socket is broken: the session ends.
    let _ = server.serve(&children);
    Ok(())
}

impl Server<'_> {
    fn serve(&mut self, children: &OwnedFd) -> io::Result<()> {
        loop {
            let mut polled =
                [PollFd::new(self.socket, PollFlags::IN), PollFd::new(children, PollFlags::IN)];
            match poll(&mut polled, self.patience().as_ref()) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            let [asked, died] = polled.map(|fd| !fd.revents().is_empty());
            if died {
                drain(children);
            }
            self.watch_memory();
            self.reap()?;
            self.report()?;
            if asked && !self.answer()? {
                return Ok(());
            }
        }
    }

    /// How long to wait for news at most.
    fn patience(&self) -> Option<Timespec> {
        if self.running.values().any(|running| !running.dying.is_empty()) {
            return Some(LOOK);
        }
        let watching = matches!(self.memory, Memory::Watched(_)) && has_children();
        watching.then(|| memory::INTERVAL.try_into().ok()).flatten()
    }

    /// Kills the command with the largest process, or a daemon that is it, if the session uses too much.
    fn watch_memory(&mut self) {
        let Some(line) = self.memory.overdrawn() else { return };
        let command = line.iter().find(|pid| self.running.contains_key(pid));
        match command.and_then(|pid| Some((*pid, self.running.get_mut(pid)?))) {
            Some((pid, running)) => {
                running.out_of_memory = true;
                running.kill(pid);
            }
            None => line.first().into_iter().for_each(|daemon| drop(tree::kill_tree(*daemon))),
        }
    }

    /// Answers one request; `false` when the engine is gone.
    fn answer(&mut self) -> io::Result<bool> {
        let received = wire::receive::<Numbered<Request>>(self.socket.as_fd())?;
        let Some((Numbered { id, body }, mut fds)) = received else { return Ok(false) };
        let (reply, fds) = match body {
            Request::Exec(exec) => match self.start(id, &exec, fds) {
                Ok(()) => return Ok(true),
                Err(reply) => (reply, Vec::new()),
            },
            Request::Kill => {
                self.kill(id);
                return Ok(true);
            }
            Request::Read { path } => files::read(&self.place, &path),
            Request::Write { path, mode } => match fds.pop() {
                Some(source) => (files::write(&self.place, &path, mode, source), Vec::new()),
                None => (broken("a write came without content"), Vec::new()),
            },
            Request::Stamp { path } => (stamp::stamp(&self.place, &path), Vec::new()),
            Request::List { path } => (list::list(&self.place, &path), Vec::new()),
            Request::Changes => match self.place.changes() {
                Ok(lines) => (Reply::Changed { lines }, Vec::new()),
                Err(error) => (broken(&format!("looking at the layers: {error}")), Vec::new()),
            },
            Request::EndProcesses => (self.end_processes()?, Vec::new()),
            Request::Namespaces => namespaces(),
        };
        let fds: Vec<_> = fds.iter().map(OwnedFd::as_fd).collect();
        wire::send(self.socket.as_fd(), &Numbered { id, body: reply }, &fds, true)?;
        Ok(true)
    }

    fn start(&mut self, id: u64, exec: &Exec, fds: Vec<OwnedFd>) -> Result<(), Reply> {
        let kills = self.memory.kills();
        let start = || command::start(&self.place, exec, fds, &self.bounds);
        let pid = score::first_to_be_killed(self.score.as_ref(), start)?;
        let dying = HashSet::new();
        let running = Running { id, ended: None, dying, out_of_memory: false, kills };
        self.running.insert(pid, running);
        Ok(())
    }

    /// Ends every process but this one, commands that run included, and waits for it.
    fn end_processes(&mut self) -> io::Result<Reply> {
        let deadline = Instant::now() + PATIENCE;
        while has_children() {
            if Instant::now() > deadline {
                return Ok(broken("processes of the session do not end"));
            }
            tree::kill_children_but(&[]);
            self.reap()?;
            self.report()?;
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Reply::ProcessesEnded)
    }

    /// Kills a command that has not ended yet, with its tree.
    fn kill(&mut self, id: u64) {
        let running = self.running.iter_mut().find(|(_, running)| running.id == id);
        if let Some((pid, running)) = running {
            running.kill(*pid);
        }
    }

    /// Collects every child that ended: commands, and the orphans that came here.
    fn reap(&mut self) -> io::Result<()> {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => self.bury(pid.as_raw_nonzero().get(), status),
                Ok(None) | Err(Errno::CHILD) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn bury(&mut self, pid: i32, status: WaitStatus) {
        if let Some(running) = self.running.get_mut(&pid) {
            let signal = status.terminating_signal().map(Status::Signal);
            running.ended = signal.or(status.exit_status().map(Status::Code));
        }
        for running in self.running.values_mut() {
            running.dying.remove(&pid);
        }
    }

    /// Reports the commands that have ended, and whose killed trees are gone.
    fn report(&mut self) -> io::Result<()> {
        for running in self.running.values_mut().filter(|running| running.ended.is_some()) {
            running.dying.retain(|pid| {
                Pid::from_raw(*pid).is_some_and(|pid| test_kill_process(pid).is_ok())
            });
        }
        let done =
            |_: &i32, running: &mut Running| running.ended.is_some() && running.dying.is_empty();
        let done: Vec<Running> =
            self.running.extract_if(done).map(|(_, running)| running).collect();
        for Running { id, ended, out_of_memory, kills, .. } in done {
            let Some(status) = ended else { continue };
            // The kernel does not say whom it killed: the command itself, or a child for which its shell answers.
            let killed = [Status::Signal(libc::SIGKILL), Status::Code(128 + libc::SIGKILL)];
            let lacked = killed.contains(&status) && self.memory.kills() > kills;
            let status = if out_of_memory || lacked { Status::OutOfMemory } else { status };
            if status == Status::OutOfMemory && self.place.private_root().is_empty() {
                shared::drop_segments();
            }
            let reply = Numbered { id, body: Reply::Exited { status } };
            wire::send(self.socket.as_fd(), &reply, &[], true)?;
        }
        Ok(())
    }
}

/// Whether there is any process below this one, dead ones that nobody has collected included.
fn has_children() -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::All, look).is_ok()
}

/// The namespaces of this process, for a view into the session.
fn namespaces() -> (Reply, Vec<OwnedFd>) {
    let opened = wire::NAMESPACES.iter().map(|name| File::open(format!("/proc/self/ns/{name}")));
    match opened.map(|file| file.map(OwnedFd::from)).collect() {
        Ok(fds) => (Reply::Namespaces, fds),
        Err(error) => (broken(&format!("opening the session's namespaces: {error}")), Vec::new()),
    }
}

fn broken(message: &str) -> Reply {
    Reply::Broken { message: message.to_owned() }
}

/// Takes what a descriptor of signals has to tell.
pub(super) fn drain(signals: &OwnedFd) {
    let mut buffer = [0_u8; 1024];
    while matches!(rustix::io::read(signals, &mut buffer), Ok(read) if read > 0) {}
}

//! The loop of a session's first process: requests in, replies out, the dead reaped.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus, test_kill_process, wait};

use super::failure::{Doing as _, Failure};
use super::memory::{self, Watch};
use super::place::Place;
use super::spawner::numbered;
use super::{command, files, stamp, tree};
use crate::sys;
use crate::wire::{self, Numbered, Plan, Reply, Request, Status};

/// While killed processes are awaited, they are looked for at this interval too.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

#[derive(Debug)]
struct Running {
    id: u64,
    ended: Option<Status>,
    /// Killed with the command, and not yet known to be gone.
    dying: HashSet<i32>,
    out_of_memory: bool,
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
    file_bytes: Option<u64>,
    memory: Option<Watch>,
}

/// Tells the engine that the session is open and serves it until it is gone.
pub(super) fn run(
    socket: &OwnedFd,
    place: Place,
    plan: &Plan,
    file_bytes: Option<u64>,
) -> Result<(), Failure> {
    let children = sys::child_signals().doing("watching child processes")?;
    let opened = Reply::Opened { root: place.private_root() };
    wire::send(socket.as_fd(), &numbered(opened), &[], true).doing("answering the engine")?;
    let memory = plan.memory_bytes.map(Watch::new);
    let mut server = Server { socket, place, running: HashMap::new(), file_bytes, memory };
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
        self.memory.as_ref().and_then(|_| memory::INTERVAL.try_into().ok())
    }

    /// Kills the command with the largest process, or a daemon that is it, if the session uses too much.
    fn watch_memory(&mut self) {
        let Some(line) = self.memory.as_mut().and_then(Watch::overdrawn) else { return };
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
        let (reply, fd) = match body {
            Request::Exec(exec) => match command::start(&self.place, &exec, fds, self.file_bytes) {
                Ok(pid) => {
                    let running =
                        Running { id, ended: None, dying: HashSet::new(), out_of_memory: false };
                    self.running.insert(pid, running);
                    return Ok(true);
                }
                Err(reply) => (reply, None),
            },
            Request::Kill => {
                self.kill(id);
                return Ok(true);
            }
            Request::Read { path } => files::read(&self.place, &path),
            Request::Write { path, mode } => match fds.pop() {
                Some(source) => (files::write(&self.place, &path, mode, source), None),
                None => (Reply::Broken { message: "a write came without content".into() }, None),
            },
            Request::Stamp { path } => (stamp::stamp(&self.place, &path), None),
        };
        let fds: Vec<_> = fd.iter().map(OwnedFd::as_fd).collect();
        wire::send(self.socket.as_fd(), &Numbered { id, body: reply }, &fds, true)?;
        Ok(true)
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
        for Running { id, ended, out_of_memory, .. } in done {
            let Some(status) = ended else { continue };
            let status = if out_of_memory { Status::OutOfMemory } else { status };
            let reply = Numbered { id, body: Reply::Exited { status } };
            wire::send(self.socket.as_fd(), &reply, &[], true)?;
        }
        Ok(())
    }
}

fn drain(signals: &OwnedFd) {
    let mut buffer = [0_u8; 1024];
    while matches!(rustix::io::read(signals, &mut buffer), Ok(read) if read > 0) {}
}

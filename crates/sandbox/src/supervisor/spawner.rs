//! The spawner: waits for the engine's plans, starts one process per session, and cleans up after each.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Signal, WaitId, WaitIdOptions, WaitOptions, pidfd_send_signal,
    set_child_subreaper, set_dumpable_behavior, wait, waitid,
};

use super::cgroup::{Groups, SessionGroup};
use super::failure::Failure;
use super::materials::Materials;
use super::network::Network;
use super::start::{After, Live, start};
use super::{confine, serve, sweep, tree};
use crate::sys::{self, Child};
use crate::wire::{self, Numbered, Order, Plan, Reply, Setup};

/// After so long without news, control groups that no session asked for again are removed.
const QUIET: Timespec = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
/// From so many sessions at once on, descriptors are spared: what they would make faster is not what such a crowd waits for.
const CROWD: usize = 16;
/// How often a control group is tried again that could not be removed at once.
const AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// Does what the engine ordered.
pub(super) fn run() -> io::Result<()> {
    let control = prepare()?;
    match wire::receive::<Order>(control.as_fd())? {
        Some((Order::Serve(setup), _)) => serve(control, &setup),
        #[cfg(feature = "tarballs")]
        Some((Order::Unpack(order), fds)) => super::unpack::run(&control, &order, fds),
        None => Ok(()),
    }
}

/// Serves until the engine is gone, then ends every session.
fn serve(control: OwnedFd, setup: &Setup) -> io::Result<()> {
    let swept = sweep::start(Path::new(&setup.state));
    let mut spawner = Spawner {
        materials: Materials::prepare(setup),
        live: swept.into_iter().map(finishing).collect(),
        leaving: Vec::new(),
        opening: None,
        deaths: sys::child_signals()?,
    };
    while let Some(ready) = spawner.wait(&control)? {
        if ready.control {
            match wire::receive::<Plan>(control.as_fd())? {
                Some((plan, fds)) => spawner.open(&plan, fds),
                None => break,
            }
        }
        for index in ready.ended.into_iter().rev() {
            spawner.bury(index);
        }
        spawner.remove_groups();
        spawner.make_ready();
    }
    drop(control);
    spawner.end_all();
    Ok(())
}

/// Leaves everything the engine handed down by accident: descriptors, terminal, signals, directory.
fn prepare() -> io::Result<OwnedFd> {
    let control = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    sys::close_all_but(&[rustix::stdio::stdout(), rustix::stdio::stderr(), control.as_fd()])?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("another constructor of the program has started a thread"));
    }
    sys::reset_signals();
    confine::raise_open_files();
    // Out of the engine's process group: Ctrl-C is the engine's to handle.
    rustix::process::setsid()?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    rustix::process::chdir("/")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(control)
}

struct Spawner {
    /// Why no session can be opened, if none can: told to whoever asks for one.
    materials: Result<Materials, Failure>,
    live: Vec<Live>,
    /// Control groups whose last process was not yet gone.
    leaving: Vec<SessionGroup>,
    /// Of the session that was started last, if it is not open yet.
    opening: Option<OwnedFd>,
    /// Readable when a child ends.
    deaths: OwnedFd,
}

struct Ready {
    control: bool,
    ended: Vec<usize>,
}

impl Spawner {
    fn groups(&self) -> Option<&Groups> {
        self.materials.as_ref().ok()?.groups.as_ref()
    }

    fn network(&self) -> Option<&Network> {
        self.materials.as_ref().ok()?.network.as_ref()
    }

    fn wait(&mut self, control: &OwnedFd) -> io::Result<Option<Ready>> {
        let mut polled =
            vec![PollFd::new(control, PollFlags::IN), PollFd::new(&self.deaths, PollFlags::IN)];
        let children = self.live.iter().map(|session| &session.child.pidfd);
        polled.extend(children.map(|pidfd| PollFd::new(pidfd, PollFlags::IN)));
        polled.extend(self.opening.iter().map(|session| PollFd::new(session, PollFlags::IN)));
        let spare = self.groups().is_some_and(Groups::has_spares);
        let patience = match &self.leaving[..] {
            [] => spare.then_some(&QUIET),
            _ => Some(&AGAIN),
        };
        match poll(&mut polled, patience) {
            Err(Errno::INTR) => return Ok(Some(Ready { control: false, ended: Vec::new() })),
            Ok(0) if self.leaving.is_empty() => {
                let spares = self.groups().map(Groups::give_up_spares);
                self.leaving.extend(spares.into_iter().flatten());
            }
            other => drop(other?),
        }
        let mut ready = polled.iter().map(|fd| !fd.revents().is_empty());
        let control = ready.next().unwrap_or(false);
        let died = ready.next().unwrap_or(false);
        let ended = ready.by_ref().take(self.live.len()).enumerate();
        let ended = ended.filter_map(|(index, ended)| ended.then_some(index)).collect();
        if ready.next().unwrap_or(false) {
            self.opening = None;
        }
        if died {
            self.collect_strangers();
        }
        Ok(Some(Ready { control, ended }))
    }

    /// Collects whoever has ended, the known ones too, of whom their descriptors still tell. A killed view leaves a process
    /// in its session's pid namespace whose parent is this one now, and the session does not end before that is collected:
    /// its closing once waited in vain.
    fn collect_strangers(&self) {
        serve::drain(&self.deaths);
        while let Ok(Some(_)) | Err(Errno::INTR) = wait(WaitOptions::NOHANG) {}
    }

    /// Makes what the next session needs, once the last one has all that it needs: where there are two processors, it would wait for
    /// the one on which this is done.
    fn make_ready(&self) {
        if let Some(network) = self.network().filter(|_| self.opening.is_none()) {
            network.renew();
        }
    }

    /// Starts a session. Whatever goes wrong is told on the session's own socket, which comes first.
    fn open(&mut self, plan: &Plan, mut fds: Vec<OwnedFd>) {
        if fds.is_empty() {
            return;
        }
        let socket = fds.remove(0);
        let taken = self.live.iter().filter_map(|session| session.identity.as_ref());
        let started = match &self.materials {
            Ok(materials) => start(plan, &socket, &fds, materials, &taken),
            Err(failure) => Err(failure.clone()),
        };
        // A failure to tell means that the engine has given up: the session sees that by itself.
        match started {
            Ok(mut live) => {
                if self.live.len() >= CROWD {
                    live.group.iter_mut().for_each(SessionGroup::close);
                }
                if plan.view {
                    let pidfd = [live.child.pidfd.as_fd()];
                    let _ = wire::send(socket.as_fd(), &numbered(Reply::Started), &pidfd, true);
                }
                self.opening = live.opening.take().or(self.opening.take());
                self.live.push(live);
            }
            Err(failure) => {
                let _ = wire::send(socket.as_fd(), &numbered(failure.into_reply()), &[], true);
            }
        }
    }

    /// Reaps a child that ended, and removes what it left.
    fn bury(&mut self, index: usize) {
        let ended = self.live.swap_remove(index);
        let _ = waitid(WaitId::PidFd(ended.child.pidfd.as_fd()), WaitIdOptions::EXITED);
        if let (Some(groups), Some(group)) = (self.groups(), ended.group) {
            let removed = groups.take_back(group);
            self.leaving.extend(removed);
        }
        let After::Clean(private) = ended.after else { return };
        // Usually none: a session kills its processes itself, unless it was killed.
        let known: Vec<i32> = self.live.iter().map(|other| other.child.pid).collect();
        tree::kill_children_but(&known);
        let sweeper = sys::clone_process(0, || {
            private.remove();
            sys::exit_now(0)
        });
        self.live.extend(sweeper.ok().map(finishing));
    }

    fn remove_groups(&mut self) {
        self.leaving.retain_mut(|group| {
            let stays = !group.remove();
            if stays {
                group.kill();
            }
            stays
        });
    }

    /// Collects whoever ends, in whatever order, until every known child has. A killed view leaves a process in its session's
    /// pid namespace whose parent is this one now, and the session's first process does not end before that is collected:
    /// waiting for the session alone, a supervisor once waited for ever.
    fn collect_all(&self) {
        let mut open: HashSet<i32> = self.live.iter().map(|session| session.child.pid).collect();
        while !open.is_empty() {
            match wait(WaitOptions::empty()) {
                Ok(Some((pid, _))) => drop(open.remove(&pid.as_raw_nonzero().get())),
                Err(Errno::INTR) => {}
                _ => return,
            }
        }
    }

    fn end_all(&mut self) {
        for session in &self.live {
            if matches!(session.after, After::Nothing | After::Patience) {
                let _ = pidfd_send_signal(&session.child.pidfd, Signal::KILL);
            }
        }
        self.collect_all();
        while !self.live.is_empty() {
            self.bury(self.live.len() - 1);
        }
        self.remove_groups();
        if let Ok(materials) = &self.materials {
            materials.remove();
        }
    }
}

fn finishing(child: Child) -> Live {
    Live { child, after: After::Finish, identity: None, group: None, opening: None }
}

/// Replies that answer no request carry the number 0.
pub(super) fn numbered(body: Reply) -> Numbered<Reply> {
    Numbered { id: 0, body }
}

//! The spawner: waits for the engine's plans and clones one process per session.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Signal, WaitId, WaitIdOptions, pidfd_send_signal, set_child_subreaper,
    set_dumpable_behavior, waitid,
};

use super::failure::{Doing as _, Failure};
use super::filter::Filter;
use super::identity::Identity;
use super::private::PrivateDirectory;
use super::template::Template;
use super::{landlock, namespace, private, tree};
use crate::sys::{self, Child};
use crate::wire::{self, Confinement, Numbered, Plan, Reply};

const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// What every session is made from, looked up once.
#[derive(Debug)]
pub(super) struct Materials {
    pub(super) template: Template,
    pub(super) filter: Filter,
}

/// A child of the spawner's and what is left to do when it ends.
#[derive(Debug)]
struct Live {
    child: Child,
    after: After,
}

#[derive(Debug)]
enum After {
    /// The kernel has done it all: processes and mounts ended with the namespaces.
    Nothing,
    /// Stray processes are to be killed and the directory to be removed.
    Clean(PrivateDirectory),
    /// It is itself removing a directory, and must not be disturbed.
    Finish,
}

/// Serves until the engine is gone, then ends every session.
pub(super) fn run() -> io::Result<()> {
    let control = prepare()?;
    let materials = Materials { template: Template::survey(), filter: Filter::compile()? };
    let mut live: Vec<Live> = Vec::new();
    while let Some(ready) = wait(&control, &live)? {
        if ready.control {
            match wire::receive::<Plan>(control.as_fd())? {
                Some((plan, fds)) => live.extend(open(&plan, fds, &materials)),
                None => break,
            }
        }
        for index in ready.ended.into_iter().rev() {
            let ended = live.swap_remove(index);
            let sweeper = bury(ended, &live);
            live.extend(sweeper);
        }
    }
    drop(control);
    end_all(live)
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
    // Out of the engine's process group: Ctrl-C is the engine's to handle.
    rustix::process::setsid()?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    rustix::process::chdir("/")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(control)
}

struct Ready {
    control: bool,
    ended: Vec<usize>,
}

fn wait(control: &OwnedFd, live: &[Live]) -> io::Result<Option<Ready>> {
    let mut polled = vec![PollFd::new(control, PollFlags::IN)];
    polled.extend(live.iter().map(|session| PollFd::new(&session.child.pidfd, PollFlags::IN)));
    match poll(&mut polled, None) {
        Err(Errno::INTR) => return Ok(Some(Ready { control: false, ended: Vec::new() })),
        other => other?,
    };
    let mut ready = polled.iter().map(|fd| !fd.revents().is_empty());
    let control = ready.next().unwrap_or(false);
    let ended = ready.enumerate().filter_map(|(index, ended)| ended.then_some(index)).collect();
    Ok(Some(Ready { control, ended }))
}

/// Clones a session. Whatever goes wrong is told on the session's own socket.
fn open(plan: &Plan, mut fds: Vec<OwnedFd>, materials: &Materials) -> Option<Live> {
    let socket = fds.pop()?;
    match start(plan, &socket, materials) {
        Ok(live) => {
            let pidfd = [live.child.pidfd.as_fd()];
            // A failure means that the engine has given up: the session sees that by itself.
            let _ = wire::send(socket.as_fd(), &numbered(Reply::Started), &pidfd, true);
            Some(live)
        }
        Err(failure) => {
            let _ = wire::send(socket.as_fd(), &numbered(failure.into_reply()), &[], true);
            None
        }
    }
}

/// Replies that answer no request carry the number 0.
pub(super) fn numbered(body: Reply) -> Numbered<Reply> {
    Numbered { id: 0, body }
}

fn start(plan: &Plan, socket: &OwnedFd, materials: &Materials) -> Result<Live, Failure> {
    match plan.confinement {
        Confinement::Namespace => start_in_namespaces(plan, socket, materials),
        Confinement::Landlock => {
            let identity = Identity::choose()?;
            let private = PrivateDirectory::create(plan, Some(identity))?;
            let path = private.path().to_owned();
            let child = sys::clone_process(0, || {
                child(socket, &[], || {
                    landlock::session(socket, plan, &path, identity, &materials.filter)
                })
            })
            .doing("starting the session's process")?;
            Ok(Live { child, after: After::Clean(private) })
        }
        Confinement::Unconfined => {
            let private = PrivateDirectory::create(plan, None)?;
            let path = private.path().to_owned();
            let child = sys::clone_process(0, || {
                child(socket, &[], || private::session(socket, plan, &path))
            })
            .doing("starting the session's process")?;
            Ok(Live { child, after: After::Clean(private) })
        }
    }
}

fn start_in_namespaces(
    plan: &Plan,
    socket: &OwnedFd,
    materials: &Materials,
) -> Result<Live, Failure> {
    let identity = Identity::choose()?;
    let (mapped, go) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).doing("making a pipe")?;
    let network = if plan.network { 0 } else { libc::CLONE_NEWNET };
    // The child inherits this flag, and the files in which an ordinary user may write its id maps belong
    // to root unless it is set. The child clears it before anything else runs.
    set_dumpable_behavior(DumpableBehavior::Dumpable).doing("becoming dumpable")?;
    let cloned = sys::clone_process(NAMESPACES | network, || {
        child(socket, &[mapped.as_fd()], || namespace::session(socket, &mapped, plan, materials))
    });
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("becoming undumpable")?;
    let child = cloned.doing("creating the namespaces")?;
    let live = Live { child, after: After::Nothing };
    if let Err(failure) = map_ids(live.child.pid, identity) {
        let _ = pidfd_send_signal(&live.child.pidfd, Signal::KILL);
        let _ = waitid(WaitId::PidFd(live.child.pidfd.as_fd()), WaitIdOptions::EXITED);
        return Err(failure);
    }
    // A failure means that the child is gone, which its pidfd tells as well.
    let _ = File::from(go).write_all(b"1");
    Ok(live)
}

/// Runs `session` in the child with nothing inherited but its own descriptors.
fn child(
    socket: &OwnedFd,
    more: &[std::os::fd::BorrowedFd<'_>],
    session: impl FnOnce() -> Result<(), Failure>,
) -> Infallible {
    let mut keep = vec![
        rustix::stdio::stdin(),
        rustix::stdio::stdout(),
        rustix::stdio::stderr(),
        socket.as_fd(),
    ];
    keep.extend_from_slice(more);
    let outcome = sys::close_all_but(&keep).doing("closing inherited descriptors");
    let outcome = outcome.and_then(|()| session());
    let failed = outcome.is_err();
    if let Err(failure) = outcome {
        let _ = wire::send(socket.as_fd(), &numbered(failure.into_reply()), &[], true);
    }
    sys::exit_now(i32::from(failed))
}

fn map_ids(pid: i32, identity: Identity) -> Result<(), Failure> {
    let inside = namespace::ID;
    if matches!(identity, Identity::Inherited { .. }) {
        // The kernel's condition for mapping a group without privilege.
        fs::write(format!("/proc/{pid}/setgroups"), "deny").doing("writing setgroups")?;
    }
    fs::write(format!("/proc/{pid}/uid_map"), format!("{inside} {} 1", identity.uid()))
        .doing("writing the user id map")?;
    fs::write(format!("/proc/{pid}/gid_map"), format!("{inside} {} 1", identity.gid()))
        .doing("writing the group id map")
}

/// Reaps a child that ended; returns the one that removes what it left.
fn bury(ended: Live, others: &[Live]) -> Option<Live> {
    let _ = waitid(WaitId::PidFd(ended.child.pidfd.as_fd()), WaitIdOptions::EXITED);
    let After::Clean(private) = ended.after else { return None };
    // Usually none: a session kills its processes itself, unless it was killed.
    let known: Vec<i32> = others.iter().map(|other| other.child.pid).collect();
    tree::kill_children_but(&known);
    let sweeper = sys::clone_process(0, || {
        private.remove();
        sys::exit_now(0)
    });
    Some(Live { child: sweeper.ok()?, after: After::Finish })
}

fn end_all(mut live: Vec<Live>) -> io::Result<()> {
    for session in live.iter().filter(|session| matches!(session.after, After::Nothing)) {
        let _ = pidfd_send_signal(&session.child.pidfd, Signal::KILL);
    }
    while let Some(session) = live.pop() {
        let sweeper = bury(session, &live);
        live.extend(sweeper);
    }
    Ok(())
}

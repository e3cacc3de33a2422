//! Making a root file system of a tarball, in a store where others may be doing the same.
//!
//! The tarball is hostile. It is read by a process that is root in a user namespace of its own, knows no other directory
//! than the new one, holds no descriptor but the tarball's, and can make no network connection.

mod archive;
mod compression;
mod source;

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};
use rustix::process::{
    Resource, Rlimit, Signal, WaitId, WaitIdOptions, pidfd_send_signal, setrlimit, waitid,
};
use rustix::thread::CapabilitySet;
use serde::{Deserialize, Serialize};

use super::failure::{Doing as _, Failure};
use super::filter::Filter;
use super::identity::{BLOCK, Identity};
use super::start::{keep_only, map_ids, pair};
use super::{confine, materials, namespace, private};
use crate::sys::{self, Child};
use crate::wire::{self, Confinement, Numbered, Reply, Unpack};
use archive::{Bad, Limits};

/// Where the store keeps what is not complete. Only the holder of the store's lock makes or removes it.
const BEGUN: &str = "unpacking";
/// How often a locked store is tried again.
const AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
/// Memory for a decoder: the largest windows of zstd and xz fit, a bomb's do not.
const MEMORY: u64 = 1 << 30;

/// What owners, permissions and file capabilities need, over the ids of the namespace and the files of the new directory.
const OF_AN_UNPACKER: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::SETFCAP);

/// Does what the engine ordered, unless the engine goes away, and tells it.
pub(in crate::supervisor) fn run(
    control: &OwnedFd,
    order: &Unpack,
    mut fds: Vec<OwnedFd>,
) -> io::Result<()> {
    let Some(tarball) = fds.pop() else { return Ok(()) };
    let reply = match unpack(control, order, &tarball) {
        Ok(Some(reply)) => reply,
        Ok(None) => return Ok(()),
        Err(failure) => failure.into_reply(),
    };
    wire::send(control.as_fd(), &Numbered { id: 0, body: reply }, &[], true)
}

/// The answer; `None` when the engine has gone.
fn unpack(control: &OwnedFd, order: &Unpack, tarball: &OwnedFd) -> Result<Option<Reply>, Failure> {
    let (uids, gids) = ids()?;
    let store = Path::new(&order.store);
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let opened = openat(CWD, store, flags, Mode::empty()).doing("opening the store")?;
    if !lock(&opened, control)? {
        return Ok(None);
    }
    let place = store.join(&order.digest);
    if place.symlink_metadata().is_ok() {
        return Ok(Some(Reply::Unpacked));
    }
    let begun = Begun::make(store)?;
    let (child, answers) = begin(order, tarball, &begun.root, (&uids, &gids))?;
    let answer = wait(control, &child, &answers);
    match answer {
        Some(Answer::Done { digest }) if digest == order.digest => {
            // A name in the store means that all of it is there, after a loss of power too.
            rustix::fs::syncfs(&opened).doing("writing the root file system to its disk")?;
            fs::rename(&begun.root, &place).doing("naming the root file system")?;
            rustix::fs::fsync(&opened).doing("writing the store to its disk")?;
            Ok(Some(Reply::Unpacked))
        }
        Some(Answer::Done { .. }) => {
            let message = "it was changed while it was being read".to_owned();
            Ok(Some(Reply::BadTarball { message }))
        }
        Some(Answer::Bad { message }) => Ok(Some(Reply::BadTarball { message })),
        Some(Answer::Failed { doing, errno }) => Ok(Some(Reply::Failed { doing, errno })),
        None => Ok(None),
    }
}

/// What the unpacking process tells.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Done { digest: String },
    Bad { message: String },
    Failed { doing: String, errno: i32 },
}

/// The id maps of the unpacking process. Files of root's engine keep the ids that the tarball names, which its sessions
/// see translated; an ordinary user's belong to it and to its subordinate ids, as in its sessions.
fn ids() -> Result<(String, String), Failure> {
    if rustix::process::geteuid().is_root() && !materials::is_pretended_root() {
        return Ok((format!("0 0 {BLOCK}"), format!("0 0 {BLOCK}")));
    }
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let subordinate = materials::enter_user_namespace(true)?;
    Identity::Inherited { uid, gid, subordinate }.many()
}

/// Waits for the store's lock, which the kernel releases whatever ends its holder; `false` when the engine has gone.
fn lock(store: &OwnedFd, control: &OwnedFd) -> Result<bool, Failure> {
    loop {
        match flock(store, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => {}
            other => return other.doing("locking the store").map(|()| true),
        }
        if has_gone(control, &AGAIN) {
            return Ok(false);
        }
    }
}

fn has_gone(control: &OwnedFd, patience: &Timespec) -> bool {
    // The engine says nothing after its order: whatever can be read is the end.
    let mut polled = [PollFd::new(control, PollFlags::IN)];
    poll(&mut polled, Some(patience)).is_ok_and(|ready| ready > 0)
}

/// A directory that is removed unless what it is for was moved away in time.
struct Begun {
    path: PathBuf,
    root: PathBuf,
}

impl Begun {
    fn make(store: &Path) -> Result<Self, Failure> {
        let path = store.join(BEGUN);
        // Somebody was killed: with the lock goes the right to remove it.
        private::remove_tree(&path);
        let begun = Self { root: path.join("root"), path };
        let make = || {
            fs::create_dir(&begun.path)?;
            fs::create_dir(&begun.root)
        };
        make().doing("making a directory in the store")?;
        Ok(begun)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        private::remove_tree(&self.path);
    }
}

/// Starts the process that unpacks into `root`.
fn begin(
    order: &Unpack,
    tarball: &OwnedFd,
    root: &Path,
    (uids, gids): (&str, &str),
) -> Result<(Child, OwnedFd), Failure> {
    let filter = Filter::compile();
    let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
    let root = openat(CWD, root, flags, Mode::empty()).doing("opening the new directory")?;
    let (answers, theirs) = pair()?;
    let (go, ours) = pair()?;
    let namespaces =
        libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWIPC;
    let cloned = confine::while_dumpable(|| {
        sys::clone_process(namespaces, || {
            let keep: [BorrowedFd<'_>; 3] = [go.as_fd(), tarball.as_fd(), root.as_fd()];
            let ready = keep_only(&theirs, &keep).and_then(|()| {
                // Until its ids are mapped.
                let _ = wire::receive::<()>(go.as_fd());
                confined(&filter, &root)
            });
            let answer = ready.map_or_else(failed, |()| answer(order, tarball));
            let _ = wire::send(theirs.as_fd(), &answer, &[], true);
            sys::exit_now(0)
        })
    })?;
    let child = cloned.doing("starting the process that unpacks")?;
    if let Err(failure) = map_ids(child.pid, false, uids, gids) {
        end(&child);
        return Err(failure);
    }
    // A failure means that the child is gone, which its pidfd tells as well.
    let _ = wire::send(ours.as_fd(), &(), &[], true);
    Ok((child, answers))
}

/// Shuts the calling process into `root`.
fn confined(filter: &Filter, root: &OwnedFd) -> Result<(), Failure> {
    namespace::become_user(0)?;
    rustix::process::umask(Mode::empty());
    let enter = || {
        rustix::process::fchdir(root)?;
        rustix::process::chroot(".")?;
        rustix::process::chdir("/")
    };
    enter().doing("entering the new directory")?;
    for (resource, limit) in [(Resource::Core, 0), (Resource::As, MEMORY)] {
        let limit = Some(limit);
        setrlimit(resource, Rlimit { current: limit, maximum: limit })
            .doing("setting a resource limit")?;
    }
    confine::keep_capabilities(OF_AN_UNPACKER)?;
    filter.apply(Confinement::Namespace, false, true)
}

fn answer(order: &Unpack, tarball: &OwnedFd) -> Answer {
    let limits = Limits { bytes: order.bytes, entries: order.entries, ids: u64::from(BLOCK) };
    let file = tarball.try_clone().map(File::from).map_err(Bad::from);
    match file.and_then(|file| source::unpack(file, limits)) {
        Ok(digest) => Answer::Done { digest },
        Err(Bad::Tarball(message)) => Answer::Bad { message },
        Err(Bad::System { doing, error }) => failed(Failure::from_io(&doing, &error)),
    }
}

fn failed(failure: Failure) -> Answer {
    match failure.into_reply() {
        Reply::Failed { doing, errno } => Answer::Failed { doing, errno },
        other => Answer::Bad { message: format!("{other:?}") },
    }
}

/// Waits for the child's answer and end; `None` when the engine has gone, or the child without an answer.
fn wait(control: &OwnedFd, child: &Child, answers: &OwnedFd) -> Option<Answer> {
    let mut polled =
        [PollFd::new(control, PollFlags::IN), PollFd::new(&child.pidfd, PollFlags::IN)];
    while matches!(poll(&mut polled, None), Err(rustix::io::Errno::INTR)) {}
    let [gone, ended] = polled.map(|fd| !fd.revents().is_empty());
    end(child);
    if gone && !ended {
        return None;
    }
    let died = || Answer::Failed {
        doing: "unpacking (the process was killed, perhaps for lack of memory)".to_owned(),
        errno: libc::ENOMEM,
    };
    // Its end of the socket is closed by now, but for ours, which is why this does not wait for more.
    let told = wire::receive::<Answer>(answers.as_fd()).ok().flatten();
    Some(told.map_or_else(died, |(answer, _)| answer))
}

fn end(child: &Child) {
    let _ = pidfd_send_signal(&child.pidfd, Signal::KILL);
    let _ = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
}

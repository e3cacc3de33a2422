//! What engine and supervisor say to each other, and how: JSON in one packet each, descriptors beside it.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The name (argv[0]) under which a program becomes the supervisor instead of running its `main`.
pub(crate) const MARKER: &str = "harness-sandbox-supervisor";

/// How a session is confined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Confinement {
    /// Namespaces, a root of its own, seccomp.
    Namespace,
    /// A private directory, Landlock, seccomp.
    Landlock,
    /// A private directory, nothing else.
    Unconfined,
}

/// Engine to supervisor, first of all: what it is there for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Open sessions.
    Serve(Setup),
    /// Unpack the tarball whose descriptor travels along, and end.
    #[cfg(feature = "tarballs")]
    Unpack(Unpack),
}

/// How a tarball becomes a directory.
#[cfg(feature = "tarballs")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unpack {
    /// The directory that keeps root file systems.
    pub(crate) store: String,
    /// The tarball's digest, which is the new directory's name.
    pub(crate) digest: String,
    /// Bytes that its files may take.
    pub(crate) bytes: u64,
    /// Files and directories that it may hold.
    pub(crate) entries: u64,
}

/// Engine to spawner: what all sessions have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) confinement: Confinement,
    /// Whether control groups bound every session.
    pub(crate) control_groups: bool,
    /// Where directories of the supervisor's are made.
    pub(crate) state: String,
    /// Whether sessions have a root file system with users of its own.
    pub(crate) many_ids: bool,
    /// Whether a session may share the host's network.
    pub(crate) network: bool,
}

/// Engine to spawner, with the session's socket: open a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) confinement: Confinement,
    /// The working directory, absolute.
    pub(crate) workdir: String,
    /// Bytes of storage (namespace) or of the largest file (Landlock).
    pub(crate) disk_bytes: u64,
    /// Files and directories (namespace).
    pub(crate) inodes: u64,
    /// Processes and threads at once.
    pub(crate) processes: u64,
    /// Bytes of memory of all processes together.
    pub(crate) memory_bytes: u64,
    /// Processors, fractions allowed; `None` leaves them to the scheduler.
    pub(crate) cpus: Option<f64>,
    /// Whether the host's network is shared.
    pub(crate) network: bool,
    /// Further host directories to show read-only at the same path.
    pub(crate) show: Vec<String>,
    /// A host directory that is bound, writable, at the working directory.
    pub(crate) workspace: Option<String>,
    /// An unpacked root file system, in place of the host's system directories.
    pub(crate) root: Option<String>,
    /// The session looks into another one, whose namespaces travel along.
    pub(crate) view: bool,
}

#[cfg(test)]
impl Plan {
    /// A plan with nothing special in it.
    pub(crate) fn for_tests() -> Self {
        Self {
            confinement: Confinement::Namespace,
            workdir: "/app".to_owned(),
            disk_bytes: 1 << 20,
            inodes: 1024,
            processes: 64,
            memory_bytes: 1 << 30,
            cpus: None,
            network: false,
            show: Vec::new(),
            workspace: None,
            root: None,
            view: false,
        }
    }
}

/// Engine to session.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Run a command; its stdout, stderr and (optionally) stdin travel along.
    Exec(Exec),
    /// Kill a command's tree; its [`Reply::Exited`] tells when that is done.
    Kill,
    /// Open a regular file; the descriptor comes back.
    Read { path: String },
    /// Replace a file's content by that of the descriptor sent along.
    Write { path: String, mode: u32 },
    /// Digest the working directory.
    Stamp { path: String },
    /// List what lies below a path.
    List { path: String },
    /// Tell what was changed of the system.
    Changes,
    /// End every process but the session's first; files stay.
    EndProcesses,
    /// Send descriptors of the session's namespaces, in the order of [`NAMESPACES`].
    Namespaces,
}

/// The namespaces of a session, by their names in `/proc`, in the order in which they are entered: the network first, which
/// may be the supervisor's, then the user namespace, which gives the right to enter the others.
pub(crate) const NAMESPACES: [&str; 6] = ["net", "user", "mnt", "ipc", "uts", "pid"];

/// A command with everything resolved by the engine.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Exec {
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// Absolute, as the session names it.
    pub(crate) cwd: String,
}

/// A request and the number its reply will carry.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Numbered<T> {
    pub(crate) id: u64,
    pub(crate) body: T,
}

/// Session to engine.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// From the spawner: a view's process runs that outlives its others; its pidfd travels along.
    Started,
    /// The session is ready; a pidfd of its first process travels along. `root` is where its private directory lies, empty
    /// when it has a root of its own; `lacks` is what of its isolation this kernel has not, in words.
    Opened { root: String, lacks: Vec<String> },
    /// The session could not be opened.
    Failed { doing: String, errno: i32 },
    /// A command ended.
    Exited { status: Status },
    /// A command could not be started, and why: data for whoever asked for it.
    NotStarted { code: i32, message: String },
    /// A file was opened; the descriptor travels along.
    File { bytes: u64 },
    /// A write is done.
    Written,
    /// The digest, in hexadecimal.
    Stamp { digest: String },
    /// What lies below a path.
    Listed { entries: Vec<ListedEntry> },
    /// What was changed of the system, a line each.
    Changed { lines: Vec<String> },
    /// No process is left but the session's first.
    ProcessesEnded,
    /// The namespaces travel along.
    Namespaces,
    /// The root file system lies in its store.
    #[cfg(feature = "tarballs")]
    Unpacked,
    /// The tarball is not one that can be unpacked, and why.
    #[cfg(feature = "tarballs")]
    BadTarball { message: String },
    /// A path does not lead to what was asked for.
    BadPath { missing: bool, message: String },
    /// The session's own machinery failed.
    Broken { message: String },
}

/// A file or directory of a session's, its path relative to what was asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ListedEntry {
    pub(crate) path: String,
    pub(crate) mode: u32,
    /// `None` for a directory.
    pub(crate) bytes: Option<u64>,
}

/// How a command ended, by the kernel's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    Code(i32),
    Signal(i32),
    /// Killed because the session used more memory than it may.
    OutOfMemory,
}

/// A longer message travels in a memory file, for which the packet has room in any case.
const INLINE: usize = 4 * 1024;
const FDS: usize = 8;

/// Sends one message with descriptors. Never raises SIGPIPE.
pub(crate) fn send<T: Serialize>(
    socket: BorrowedFd<'_>,
    message: &T,
    fds: &[BorrowedFd<'_>],
    blocking: bool,
) -> io::Result<()> {
    let body = serde_json::to_vec(message).map_err(io::Error::other)?;
    if body.len() <= INLINE {
        return send_packet(socket, &[b"i", &body], fds, blocking);
    }
    let file = memory_file("message", &body)?;
    let mut all = vec![file.as_fd()];
    all.extend_from_slice(fds);
    send_packet(socket, &[b"m"], &all, blocking)
}

fn send_packet(
    socket: BorrowedFd<'_>,
    parts: &[&[u8]],
    fds: &[BorrowedFd<'_>],
    blocking: bool,
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("too many descriptors for one message"));
    }
    let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let mut flags = SendFlags::NOSIGNAL;
    flags.set(SendFlags::DONTWAIT, !blocking);
    loop {
        match sendmsg(socket, &slices, &mut control, flags) {
            Err(rustix::io::Errno::INTR) => {}
            other => return other.map(|_| ()).map_err(Into::into),
        }
    }
}

/// Receives one message with its descriptors; `None` when the other side is gone.
pub(crate) fn receive<T: DeserializeOwned>(
    socket: BorrowedFd<'_>,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut buffer = [0_u8; INLINE + 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = loop {
        let slices = &mut [IoSliceMut::new(&mut buffer)];
        match recvmsg(socket, slices, &mut control, flags) {
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            other => break other?,
        }
    };
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    let body = match buffer.get(..received.bytes) {
        None | Some([]) => return Ok(None),
        Some([b'm', ..]) if !fds.is_empty() => read_all(fds.remove(0))?,
        Some([_, body @ ..]) => body.to_vec(),
    };
    let message = serde_json::from_slice(&body).map_err(io::Error::other)?;
    Ok(Some((message, fds)))
}

/// A file in memory that holds `bytes`, positioned at its beginning.
pub(crate) fn memory_file(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = std::fs::File::from(memfd_create(name, MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    io::Seek::rewind(&mut file)?;
    Ok(file.into())
}

fn read_all(fd: OwnedFd) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::from(fd).read_to_end(&mut bytes)?;
    Ok(bytes)
}

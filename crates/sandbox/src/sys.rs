//! Everything `unsafe` of this crate, each block with the reason why it is sound.
//!
//! What is here is what no safe wrapper offers: the constructor that turns a re-executed copy of the
//! program into the supervisor, `clone` into namespaces, closing inherited descriptors, and four
//! plain system calls.
#![allow(unsafe_code)]

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Runs before `main` of every program this crate is linked into; it returns at once unless the
/// program was started as the supervisor.
#[used]
// SAFETY: the loader calls each pointer of `.init_array` once, before `main`, as a C function; `enter`
// takes no argument, so it does not matter which ones the C library passes.
#[unsafe(link_section = ".init_array")]
static ENTER: extern "C" fn() = enter;

extern "C" fn enter() {
    crate::supervisor::enter();
}

/// The address of the constructor: tells in which file of the process this crate lives.
pub(crate) fn constructor_address() -> usize {
    ENTER as *const () as usize
}

/// Ends the process without running any handler of the host program.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: `_exit` takes a plain integer and does not return.
    unsafe { libc::_exit(status) }
}

/// A child process and a descriptor that refers to it for as long as it is held.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
}

/// Clones the calling, *single-threaded* process with `namespaces` (`CLONE_NEW*`), and runs `body` in
/// the child.
pub(crate) fn clone_process(
    namespaces: i32,
    body: impl FnOnce() -> Infallible,
) -> io::Result<Child> {
    let mut pidfd: RawFd = -1;
    let flags = libc::c_long::from(namespaces | libc::CLONE_PIDFD | libc::SIGCHLD);
    // SAFETY: without CLONE_VM the child gets a copy of the memory, as after `fork`, and a null stack
    // keeps the caller's. The supervisor checks at its start that it has one thread, so that no
    // lock can be held by a thread which the child lacks. `pidfd` outlives the call.
    let pid =
        unsafe { libc::syscall(libc::SYS_clone, flags, 0_usize, &raw mut pidfd, 0_usize, 0_usize) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        #[expect(unreachable_code, reason = "`body` never returns, which is the point")]
        0 => match body() {},
        pid => Ok(Child {
            pid: i32::try_from(pid).unwrap_or(i32::MAX),
            // SAFETY: the kernel has just stored a descriptor there that nobody else owns.
            pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
        }),
    }
}

/// Closes every descriptor but those of `keep`, which were inherited or are not needed any more.
///
/// The owners of what is closed must never run again: only a process about to be replaced, or a child
/// that left its parent's frames for good, may call this.
pub(crate) fn close_all_but(keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut kept: Vec<u32> = keep.iter().map(|fd| fd.as_raw_fd().unsigned_abs()).collect();
    kept.sort_unstable();
    let mut first = 0_u32;
    for fd in kept {
        if fd > first {
            close_range(first, fd - 1)?;
        }
        first = fd + 1;
    }
    close_range(first, u32::MAX)
}

fn close_range(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: closing affects only descriptors; the caller vouches that their owners are gone.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0_u32) })
}

/// Gives every signal its default action: the supervisor inherits what the engine ignored.
pub(crate) fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL installs no handler; numbers the kernel refuses are left as they are.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Blocks SIGCHLD and returns a descriptor that becomes readable when a child ends.
pub(crate) fn child_signals() -> io::Result<OwnedFd> {
    // SAFETY: an all-zero `sigset_t` is valid storage which `sigemptyset` then initialises; the
    // other calls get pointers to it that live through the call; the descriptor is new and ours.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        check(libc::c_long::from(libc::sigprocmask(
            libc::SIG_BLOCK,
            &raw const set,
            std::ptr::null_mut(),
        )))?;
        let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        check(libc::c_long::from(fd))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Adds `attributes` (`MOUNT_ATTR_*`) to a mount, and to those below it when `recursive`; `owners` is a user
/// namespace whose id map translates the owners of its files.
pub(crate) fn add_mount_attributes(
    mount: BorrowedFd<'_>,
    attributes: u64,
    recursive: bool,
    owners: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let translating = if owners.is_some() { libc::MOUNT_ATTR_IDMAP } else { 0 };
    let attr = libc::mount_attr {
        attr_set: attributes | translating,
        attr_clr: 0,
        propagation: 0,
        userns_fd: owners.map_or(0, |fd| u64::from(fd.as_raw_fd().unsigned_abs())),
    };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty C string, `attr` lives through the call and its true size is given.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    })
}

/// Moves the calling, single-threaded process into new namespaces (`CLONE_NEW*`).
pub(crate) fn unshare(namespaces: i32) -> io::Result<()> {
    // SAFETY: the flags given here name namespaces only; nothing of the process's memory changes.
    check(libc::c_long::from(unsafe { libc::unshare(namespaces) }))
}

/// Moves the calling, single-threaded process into the namespace that `fd` refers to.
pub(crate) fn enter_namespace(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: a plain system call on a descriptor that is borrowed for its length.
    check(libc::c_long::from(unsafe { libc::setns(fd.as_raw_fd(), 0) }))
}

/// Switches the loopback interface of the current network namespace on.
pub(crate) fn loopback_up(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: `ifreq` is plain data for which zero is valid; the kernel reads and writes only it. The
    // union's `ifru_flags` is the member that SIOCSIFFLAGS reads.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        check(libc::c_long::from(libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as _,
            &raw const request,
        )))
    }
}

/// Has `prepare` run in the child between `fork` and `exec`.
pub(crate) fn before_exec(
    command: &mut Command,
    prepare: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: the supervisor has one thread, so a forked child may do all that the parent may; the
    // closures given here make system calls only.
    unsafe { command.pre_exec(prepare) };
}

fn check(returned: libc::c_long) -> io::Result<()> {
    if returned == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

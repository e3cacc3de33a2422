//! Everything `unsafe` of this crate, each block with the reason why it is sound.
//!
//! What is here is what no safe wrapper offers: the constructor that turns a re-executed copy of the
//! program into the supervisor, `clone` into namespaces and for commands, closing inherited descriptors, and
//! some plain system calls.
#![allow(unsafe_code)]

use std::convert::Infallible;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

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

/// Destroys a System V segment of the calling process's IPC namespace, as soon as nobody is attached to it.
pub(crate) fn remove_segment(id: i32) {
    // SAFETY: this command takes no buffer, and nothing of this process is in any such segment.
    let _ = unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) };
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

unsafe extern "C" {
    /// The C library's: `execvp` looks for programs along the `PATH` in it.
    static mut environ: *const *const libc::c_char;
}

/// Bytes for the functions that run before a program does; the C library's `execvp` needs some beside a path.
const STACK: usize = 64 * 1024;

/// What a child that shares our memory reads and leaves there.
struct Beginning<'a> {
    prepare: &'a mut dyn FnMut() -> io::Result<()>,
    argv: *const *const libc::c_char,
    failed: Option<io::Error>,
}

/// Starts a program with these arguments, the first of which names it, and this environment; returns its pid. `prepare`
/// runs in the new process. The calling, *single-threaded* process is not copied: it sleeps until the program runs.
pub(crate) fn spawn(
    argv: &[CString],
    env: &[CString],
    prepare: &mut dyn FnMut() -> io::Result<()>,
) -> io::Result<i32> {
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, env) = (pointers(argv), pointers(env));
    // For a script without a `#!` line the C library makes another list of the arguments on the stack.
    let mut stack = Vec::<u128>::with_capacity((STACK + 16 * argv.len()) / size_of::<u128>());
    let mut beginning = Beginning { prepare, argv: argv.as_ptr(), failed: None };
    // SAFETY: `top` is the end of an aligned block that nobody else uses. With CLONE_VFORK this process, whose only thread
    // it is, does not run before the child has left the shared memory by `execve` or `_exit`: meanwhile the child is the only
    // one that uses anything of it, so that whatever this thread may do, the child may, but return from this function,
    // which it does not, having a stack of its own. All pointers live until then, and `environ` is put back.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(stack.capacity());
        let own = environ;
        environ = env.as_ptr();
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let pid = libc::clone(begin, top.cast(), flags, (&raw mut beginning).cast());
        environ = own;
        pid
    };
    check(libc::c_long::from(pid))?;
    match beginning.failed.take() {
        None => Ok(pid),
        Some(error) => {
            // SAFETY: a null status is allowed; the child is ours, and has ended.
            unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
            Err(error)
        }
    }
}

extern "C" fn begin(beginning: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `spawn` passes a pointer to a `Beginning` that outlives this process's use of it. An all-zero `sigset_t` is
    // initialised by `sigemptyset`. `argv` ends with a null pointer, as `execvp` wants it.
    unsafe {
        let beginning = &mut *beginning.cast::<Beginning<'_>>();
        let prepared = (beginning.prepare)().and_then(|()| {
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            let set = libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
            check(libc::c_long::from(set))
        });
        let error = prepared.err().unwrap_or_else(|| {
            libc::execvp(*beginning.argv, beginning.argv);
            io::Error::last_os_error()
        });
        beginning.failed = Some(error);
    }
    127
}

fn check(returned: libc::c_long) -> io::Result<()> {
    if returned == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

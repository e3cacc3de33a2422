//! The system calls that a session's commands may make, by family. What is not listed is refused.

/// `calls![SYS_read SYS_write]` is a list of their numbers.
macro_rules! calls {
    ($($name:ident)*) => { &[$(libc::$name),*] };
}

/// Every family. Those of old architectures only are apart: newer ones never had them.
pub(super) const FAMILIES: &[&[i64]] = &[
    FILES,
    TREES,
    METADATA,
    DESCRIPTORS,
    WAITING,
    MEMORY,
    PROCESSES,
    IDENTITY,
    SIGNALS,
    TIME,
    SOCKETS,
    SHARED_MEMORY,
    SCHEDULING,
    FACTS,
    RECENT,
    HISTORIC,
];

/// Opening, reading, writing.
const FILES: &[i64] = calls![
    SYS_openat SYS_openat2 SYS_close SYS_close_range SYS_read SYS_write SYS_readv SYS_writev SYS_pread64 SYS_pwrite64
    SYS_preadv SYS_pwritev SYS_preadv2 SYS_pwritev2 SYS_lseek SYS_truncate SYS_ftruncate SYS_fallocate
    SYS_sendfile SYS_copy_file_range SYS_splice SYS_tee SYS_vmsplice SYS_readahead SYS_fadvise64
    SYS_fsync SYS_fdatasync SYS_sync SYS_syncfs SYS_sync_file_range
];

/// Directories and names. No mounts, no change of root, no handles that bypass paths.
const TREES: &[i64] = calls![
    SYS_getcwd SYS_chdir SYS_fchdir SYS_getdents64 SYS_mkdirat SYS_mknodat SYS_unlinkat SYS_linkat SYS_symlinkat
    SYS_readlinkat SYS_renameat2 SYS_umask SYS_name_to_handle_at
    SYS_inotify_init1 SYS_inotify_add_watch SYS_inotify_rm_watch
];

/// Owners, permissions, times, attributes. Bits that would give a file's owner away are refused apart.
const METADATA: &[i64] = calls![
    SYS_fstat SYS_newfstatat SYS_statx SYS_statfs SYS_fstatfs SYS_faccessat SYS_faccessat2 SYS_fchmod SYS_fchmodat
    SYS_fchown SYS_fchownat SYS_utimensat
    SYS_getxattr SYS_lgetxattr SYS_fgetxattr SYS_setxattr SYS_lsetxattr SYS_fsetxattr
    SYS_listxattr SYS_llistxattr SYS_flistxattr SYS_removexattr SYS_lremovexattr SYS_fremovexattr
];

/// Descriptors, pipes and the odd files of the kernel's. `ioctl` is narrowed below.
const DESCRIPTORS: &[i64] = calls![
    SYS_dup SYS_dup3 SYS_fcntl SYS_flock SYS_ioctl SYS_pipe2 SYS_eventfd2 SYS_memfd_create
    SYS_signalfd4 SYS_timerfd_create SYS_timerfd_settime SYS_timerfd_gettime
];

/// Waiting for several things at once.
const WAITING: &[i64] = calls![
    SYS_ppoll SYS_pselect6 SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2
    SYS_io_setup SYS_io_destroy SYS_io_submit SYS_io_cancel SYS_io_getevents
];

/// The process's own memory. Nothing that reaches into another process's.
const MEMORY: &[i64] = calls![
    SYS_brk SYS_mmap SYS_munmap SYS_mremap SYS_mprotect SYS_madvise SYS_mincore SYS_msync SYS_remap_file_pages
    SYS_mlock SYS_mlock2 SYS_munlock SYS_mlockall SYS_munlockall SYS_membarrier
    SYS_pkey_mprotect SYS_pkey_alloc SYS_pkey_free
    SYS_mbind SYS_get_mempolicy SYS_set_mempolicy SYS_migrate_pages SYS_move_pages
];

/// Starting, ending, watching processes of the session. Debuggers keep `ptrace`, which the pid namespace or
/// Landlock bounds. `clone` is narrowed below; seccomp lets a program give up more.
const PROCESSES: &[i64] = calls![
    SYS_clone SYS_execve SYS_execveat SYS_exit SYS_exit_group SYS_wait4 SYS_waitid SYS_set_tid_address
    SYS_getpid SYS_getppid SYS_gettid SYS_getpgid SYS_setpgid SYS_getsid SYS_setsid SYS_ptrace SYS_prctl SYS_seccomp
    SYS_pidfd_open SYS_pidfd_send_signal SYS_set_robust_list SYS_get_robust_list SYS_futex SYS_rseq SYS_personality
    SYS_landlock_create_ruleset SYS_landlock_add_rule SYS_landlock_restrict_self
];

/// Users, groups, capabilities, limits: what the session's ids allow. `prlimit64` is narrowed below.
const IDENTITY: &[i64] = calls![
    SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getresuid SYS_getresgid SYS_getgroups SYS_setgroups
    SYS_setuid SYS_setgid SYS_setreuid SYS_setregid SYS_setresuid SYS_setresgid SYS_setfsuid SYS_setfsgid
    SYS_capget SYS_capset SYS_getrlimit SYS_setrlimit SYS_prlimit64 SYS_getrusage SYS_sethostname SYS_setdomainname
];

/// Signals.
const SIGNALS: &[i64] = calls![
    SYS_kill SYS_tkill SYS_tgkill SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigpending SYS_rt_sigtimedwait
    SYS_rt_sigqueueinfo SYS_rt_tgsigqueueinfo SYS_rt_sigreturn SYS_rt_sigsuspend SYS_sigaltstack SYS_restart_syscall
];

/// Reading clocks, sleeping, timers. No clock can be set.
const TIME: &[i64] = calls![
    SYS_clock_gettime SYS_clock_getres SYS_clock_nanosleep SYS_nanosleep SYS_gettimeofday SYS_times
    SYS_getitimer SYS_setitimer SYS_timer_create SYS_timer_settime SYS_timer_gettime SYS_timer_getoverrun
    SYS_timer_delete
];

/// Sockets of the families that are let through below.
const SOCKETS: &[i64] = calls![
    SYS_socket SYS_socketpair SYS_bind SYS_listen SYS_accept SYS_accept4 SYS_connect SYS_shutdown
    SYS_getsockname SYS_getpeername SYS_getsockopt SYS_setsockopt
    SYS_sendto SYS_recvfrom SYS_sendmsg SYS_recvmsg SYS_sendmmsg SYS_recvmmsg
];

/// System V and POSIX messages, semaphores, shared memory; refused where no IPC namespace separates sessions.
pub(super) const SHARED_MEMORY: &[i64] = calls![
    SYS_shmget SYS_shmat SYS_shmdt SYS_shmctl SYS_semget SYS_semop SYS_semtimedop SYS_semctl
    SYS_msgget SYS_msgsnd SYS_msgrcv SYS_msgctl
    SYS_mq_open SYS_mq_unlink SYS_mq_timedsend SYS_mq_timedreceive SYS_mq_notify SYS_mq_getsetattr
];

/// Priorities and processors.
const SCHEDULING: &[i64] = calls![
    SYS_sched_yield SYS_getpriority SYS_setpriority SYS_ioprio_get SYS_ioprio_set SYS_getcpu
    SYS_sched_setparam SYS_sched_getparam SYS_sched_setscheduler SYS_sched_getscheduler SYS_sched_setattr
    SYS_sched_getattr SYS_sched_get_priority_max SYS_sched_get_priority_min SYS_sched_rr_get_interval
    SYS_sched_setaffinity SYS_sched_getaffinity
];

/// Facts about the machine, and randomness.
const FACTS: &[i64] = calls![SYS_uname SYS_sysinfo SYS_getrandom];

/// Linux 5.16 to 6.10, whose numbers are the same on every architecture: `futex_waitv`,
/// `set_mempolicy_home_node`, `cachestat`, `fchmodat2`, `map_shadow_stack`, `futex_wake`, `futex_wait`,
/// `futex_requeue`, `lsm_get_self_attr`, `lsm_list_modules`, `mseal`. Not `statmount`, `listmount`, `lsm_set_self_attr`.
const RECENT: &[i64] = &[449, 450, 451, FCHMODAT2, 453, 454, 455, 456, 459, 461, 462];

/// `fchmodat2`, Linux 6.6.
pub(super) const FCHMODAT2: i64 = 452;

/// What only old architectures have: the same as above with fewer arguments.
#[cfg(target_arch = "x86_64")]
const HISTORIC: &[i64] = calls![
    SYS_open SYS_creat SYS_stat SYS_lstat SYS_access SYS_chmod SYS_chown SYS_lchown SYS_mkdir SYS_rmdir SYS_mknod
    SYS_link SYS_unlink SYS_symlink SYS_readlink SYS_rename SYS_renameat SYS_getdents SYS_utime SYS_utimes SYS_futimesat
    SYS_dup2 SYS_pipe SYS_eventfd SYS_signalfd SYS_inotify_init SYS_poll SYS_select
    SYS_epoll_create SYS_epoll_wait SYS_fork SYS_vfork SYS_getpgrp SYS_alarm SYS_pause SYS_time SYS_arch_prctl
    SYS_set_thread_area SYS_get_thread_area SYS_sysfs SYS_ustat
];
#[cfg(not(target_arch = "x86_64"))]
const HISTORIC: &[i64] = calls![];

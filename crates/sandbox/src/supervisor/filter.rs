//! The system-call filter, by families of what is refused.
//!
//! Everything the kernel grew after [`NEWEST`] is absent, so that a new system call is refused until it
//! has been judged. Another architecture's calls kill the process.

use std::collections::BTreeMap;
use std::io;

use rustix::io::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter, sock_filter,
};

use super::failure::Failure;
use crate::wire::Confinement;

/// `mseal`, Linux 6.10. Also below every x32 call (bit 30), which would slip through by its number.
const NEWEST: u32 = 462;

/// System call → any of these rules refuses it; an empty list refuses it always.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// How many system calls one stretch of the program tells apart. The kernel runs a new program once for
/// each number that exists, so that a chain of all rules would cost as much as the rest of a session's start.
const STRETCH: usize = 6;

/// The compiled filters.
#[derive(Debug)]
pub(super) struct Filter {
    namespace: BpfProgram,
    shared_kernel: BpfProgram,
    shared_kernel_with_network: BpfProgram,
}

impl Filter {
    pub(super) fn compile() -> io::Result<Self> {
        Self::build().map_err(io::Error::other)
    }

    fn build() -> Result<Self, seccompiler::BackendError> {
        let inet = [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
        let all = [&inet[..], &[libc::AF_UNIX]].concat();
        Ok(Self {
            namespace: program(union([refused()?, sockets(&all)?]))?,
            shared_kernel: program(union([refused()?, contacts()?, sockets(&[])?]))?,
            shared_kernel_with_network: program(union([refused()?, contacts()?, sockets(&inet)?]))?,
        })
    }

    /// Applies it to the calling process and all it will start, for good.
    pub(super) fn apply(&self, confinement: Confinement, network: bool) -> Result<(), Failure> {
        let refusing = match (confinement, network) {
            (Confinement::Namespace, _) => &self.namespace,
            (_, true) => &self.shared_kernel_with_network,
            (_, false) => &self.shared_kernel,
        };
        apply_filter(refusing).map_err(|error| {
            let errno = match error {
                seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error) => {
                    Errno::from_io_error(&error)
                }
                _ => None,
            };
            Failure::new("installing the system-call filter", errno.unwrap_or(Errno::INVAL))
        })
    }
}

/// Programs fall back when these are absent, and would fail if they were forbidden. `clone3` hides its
/// flags behind a pointer, where no filter can look.
const ABSENT: &[i64] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Refused whatever the arguments.
const REFUSED: &[i64] = &[
    // Mounts and roots.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    // Namespaces.
    libc::SYS_unshare,
    libc::SYS_setns,
    // Keys live beside namespaces.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // Large kernel surfaces with a history of escapes.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
    // Reaching into other processes; debuggers keep `ptrace`, which the pid namespace or Landlock bounds.
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    // The machine itself.
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_nfsservctl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
];

/// Where no IPC namespace separates sessions from each other and from the host.
const SHARED_IPC: &[i64] = &[
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
];

fn refused() -> Result<Rules, seccompiler::BackendError> {
    let mut rules = always(REFUSED);
    let namespaces = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
    ];
    for flag in namespaces {
        let flag = u64::from(flag.unsigned_abs());
        when(&mut rules, libc::SYS_clone, &[(0, Op::MaskedEq(flag), flag)])?;
    }
    // Typing into a terminal. The kernel looks at the low 32 bits only, and so must the filter.
    for request in [libc::TIOCSTI, libc::TIOCLINUX, libc::TIOCCONS] {
        when(&mut rules, libc::SYS_ioctl, &[(1, Op::Eq, u64::from(request as u32))])?;
    }
    // Another process's limits, the session's first process included; one's own is pid 0.
    when(&mut rules, libc::SYS_prlimit64, &[(0, Op::Ne, 0)])?;
    // A command that stopped being the reaper of its children would lose them from its tree.
    let subreaper = libc::PR_SET_CHILD_SUBREAPER.unsigned_abs();
    when(&mut rules, libc::SYS_prctl, &[(0, Op::Eq, u64::from(subreaper)), (1, Op::Eq, 0)])?;
    Ok(rules)
}

/// Where processes and sockets of the host are within reach.
fn contacts() -> Result<Rules, seccompiler::BackendError> {
    let mut rules = always(SHARED_IPC);
    // "Every process I may signal": Landlock bounds it, but only from Linux 6.12 on.
    when(&mut rules, libc::SYS_kill, &[(0, Op::Eq, 0xffff_ffff)])?;
    Ok(rules)
}

/// Refuses sockets of other families than `families`, and netlink beyond routes. Pairs stay.
fn sockets(families: &[i32]) -> Result<Rules, seccompiler::BackendError> {
    let mut rules = Rules::new();
    let other: Vec<_> =
        families.iter().map(|family| (0, Op::Ne, u64::from(family.unsigned_abs()))).collect();
    if other.is_empty() {
        return Ok(always(&[libc::SYS_socket]));
    }
    when(&mut rules, libc::SYS_socket, &other)?;
    let netlink = u64::from(libc::AF_NETLINK.unsigned_abs());
    when(&mut rules, libc::SYS_socket, &[(0, Op::Eq, netlink), (2, Op::Ne, 0)])?;
    Ok(rules)
}

fn always(calls: &[i64]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

/// Adds: refuse `call` when all of `(argument, operator, value)` hold, on 32 bits.
fn when(
    rules: &mut Rules,
    call: i64,
    conditions: &[(u8, Op, u64)],
) -> Result<(), seccompiler::BackendError> {
    let conditions = conditions
        .iter()
        .map(|(argument, op, value)| {
            SeccompCondition::new(*argument, Len::Dword, op.clone(), *value)
        })
        .collect::<Result<_, _>>()?;
    rules.entry(call).or_default().push(SeccompRule::new(conditions)?);
    Ok(())
}

fn union<const N: usize>(families: [Rules; N]) -> Rules {
    let mut all = Rules::new();
    for (call, rules) in families.into_iter().flatten() {
        all.entry(call).or_default().extend(rules);
    }
    all
}

/// "Load the number. If it is absent, say so. For each stretch of rules: if the number lies beyond it, jump
/// over it", and the stretch itself, which checks the architecture and always returns.
fn program(mut rules: Rules) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut program = vec![instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    program.extend(absent(libc::BPF_JGT, NEWEST));
    for call in ABSENT {
        program.extend(absent(libc::BPF_JEQ, number(*call)));
    }
    while !rules.is_empty() {
        let next = rules.keys().nth(STRETCH).copied();
        let rest = next.map(|next| rules.split_off(&next)).unwrap_or_default();
        let stretch = stretch(std::mem::replace(&mut rules, rest))?;
        if let Some(next) = next {
            let beyond = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
            program.push(instruction(beyond, 1, number(next)));
            let length = u32::try_from(stretch.len()).unwrap_or(u32::MAX);
            program.push(instruction(libc::BPF_JMP | libc::BPF_JA, 0, length));
        }
        program.extend(stretch);
    }
    Ok(program)
}

fn stretch(rules: Rules) -> Result<BpfProgram, seccompiler::BackendError> {
    let refusal = SeccompAction::Errno(Errno::PERM.raw_os_error().unsigned_abs());
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, SeccompAction::Allow, refusal, arch)?.try_into()
}

/// "If the number compares so, the call does not exist."
fn absent(comparison: u32, number: u32) -> [sock_filter; 2] {
    let absent = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
    [
        instruction(libc::BPF_JMP | comparison | libc::BPF_K, 1, number),
        instruction(libc::BPF_RET | libc::BPF_K, 0, absent),
    ]
}

/// `jf` counts the instructions to skip when a comparison fails.
fn instruction(code: u32, jf: u8, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf, k }
}

fn number(call: i64) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

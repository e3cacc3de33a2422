//! The system-call filter: a list of what is allowed ([`allowed`]), narrowed by arguments.
//!
//! Whatever else the kernel knows, or will grow, is refused until it has been judged. Another architecture's
//! calls kill the process.

mod allowed;

use std::collections::BTreeMap;
use std::io;

use rustix::io::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter, sock_filter,
};

use super::failure::Failure;
use crate::wire::Confinement;

/// `mseal`, Linux 6.10. What came later does not exist for a session, as for an older kernel.
const NEWEST: i64 = 462;

/// Programs fall back when these are absent, and would fail if they were forbidden. `clone3` hides its
/// flags behind a pointer, where no filter can look.
const ABSENT: &[i64] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// What a root file system's package manager and servers need beside.
const OF_A_ROOT: &[i64] = &[libc::SYS_chroot];

/// System call → any of these rules refuses it; an empty list refuses it always.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The compiled filters.
#[derive(Debug)]
pub(super) struct Filter {
    namespace: BpfProgram,
    root: BpfProgram,
    shared_kernel: BpfProgram,
    shared_kernel_with_network: BpfProgram,
    beside_a_workspace: BpfProgram,
}

impl Filter {
    pub(super) fn compile() -> io::Result<Self> {
        Self::build().map_err(io::Error::other)
    }

    fn build() -> Result<Self, seccompiler::BackendError> {
        let inet = [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
        let all = [&inet[..], &[libc::AF_UNIX]].concat();
        let plain = || Ok(union([narrowed()?, given_away()?]));
        Ok(Self {
            namespace: program(&[], &union([plain()?, sockets(&all)?]))?,
            root: program(OF_A_ROOT, &union([narrowed()?, sockets(&all)?]))?,
            shared_kernel: program(&[], &union([plain()?, contacts()?, sockets(&[])?]))?,
            shared_kernel_with_network: program(
                &[],
                &union([plain()?, contacts()?, sockets(&inet)?]),
            )?,
            beside_a_workspace: without_openat2(),
        })
    }

    /// The program that commands get on top where a directory of the host's is shared; the session's own process
    /// cannot do without that call.
    pub(super) fn beside_a_workspace(&self) -> BpfProgram {
        self.beside_a_workspace.clone()
    }

    /// Applies it to the calling process and all it will start, for good.
    pub(super) fn apply(
        &self,
        confinement: Confinement,
        network: bool,
        own_root: bool,
    ) -> Result<(), Failure> {
        let program = match (confinement, network) {
            (Confinement::Namespace, _) if own_root => &self.root,
            (Confinement::Namespace, _) => &self.namespace,
            (_, true) => &self.shared_kernel_with_network,
            (_, false) => &self.shared_kernel,
        };
        apply_filter(program).map_err(|error| {
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

/// Arguments that are refused wherever a session runs.
fn narrowed() -> Result<Rules, seccompiler::BackendError> {
    let mut rules = Rules::new();
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

/// `openat2` hides the mode of a new file behind a pointer, where no filter can look. Programs fall back to `openat`.
fn without_openat2() -> BpfProgram {
    vec![
        load(0),
        instruction(libc::BPF_JMP | libc::BPF_JEQ, 1, number(libc::SYS_openat2)),
        instruction(libc::BPF_RET, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs()),
        instruction(libc::BPF_RET, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

/// A file that runs as its owner would outlive the session where a directory of the host's is shared: no such
/// bit can be set. Where a root file system has users of its own, packages need it.
fn given_away() -> Result<Rules, seccompiler::BackendError> {
    let mut rules = Rules::new();
    let modes = [
        (libc::SYS_fchmod, 1),
        (libc::SYS_fchmodat, 2),
        (allowed::FCHMODAT2, 2),
        (libc::SYS_openat, 3),
        (libc::SYS_mknodat, 2),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_chmod, 1),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, 2),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_creat, 1),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_mknod, 1),
    ];
    for (call, argument) in modes {
        for bit in [libc::S_ISUID, libc::S_ISGID].map(u64::from) {
            let set = (argument, Op::MaskedEq(bit), bit);
            match flags_argument(call) {
                // The mode counts only when a file may be made; else it is whatever the register held.
                Some(flags) => {
                    let create = u64::from(libc::O_CREAT.unsigned_abs());
                    let creates = (flags, Op::MaskedEq(create), create);
                    when(&mut rules, call, &[set, creates])?;
                }
                None => when(&mut rules, call, &[set])?,
            }
        }
    }
    Ok(rules)
}

fn flags_argument(call: i64) -> Option<u8> {
    match call {
        libc::SYS_openat => Some(2),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open => Some(1),
        _ => None,
    }
}

/// Where processes and sockets of the host are within reach.
fn contacts() -> Result<Rules, seccompiler::BackendError> {
    let mut rules = always(allowed::SHARED_MEMORY);
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
        let known = all.get(&call).map(Vec::is_empty);
        match known {
            // Refused always already.
            Some(true) => {}
            _ if rules.is_empty() => drop(all.insert(call, rules)),
            _ => all.entry(call).or_default().extend(rules),
        }
    }
    all
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq)]
enum Fate {
    Allowed,
    Refused,
    Absent,
    /// Refused when any of these rules holds.
    Judged(Vec<SeccompRule>),
}

fn fate(call: i64, more: &[i64], rules: &Rules) -> Fate {
    let listed = allowed::FAMILIES.iter().any(|family| family.contains(&call));
    match rules.get(&call) {
        _ if call > NEWEST || ABSENT.contains(&call) => Fate::Absent,
        Some(rules) if rules.is_empty() => Fate::Refused,
        Some(rules) if listed => Fate::Judged(rules.clone()),
        None if listed || more.contains(&call) => Fate::Allowed,
        _ => Fate::Refused,
    }
}

/// The smallest program that decides: the kernel runs a new one once for each number that exists, so that a chain
/// of all calls would cost as much as the rest of a session's start.
fn program(more: &[i64], rules: &Rules) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut runs: Vec<(u32, Fate)> = Vec::new();
    for call in 0..=NEWEST + 1 {
        let fate = fate(call, more, rules);
        let judged = matches!(fate, Fate::Judged(_));
        if judged || runs.last().is_none_or(|(_, last)| *last != fate) {
            runs.push((number(call), fate));
        }
    }
    let mut program = vec![
        load(4),
        // "Ours: over the next."
        sock_filter {
            code: (libc::BPF_JMP | libc::BPF_JEQ) as u16,
            jt: 1,
            jf: 0,
            k: architecture(),
        },
        instruction(libc::BPF_RET, 0, libc::SECCOMP_RET_KILL_PROCESS),
        load(0),
    ];
    program.extend(decide(&runs)?);
    Ok(program)
}

/// Halves the runs until one is left.
fn decide(runs: &[(u32, Fate)]) -> Result<BpfProgram, seccompiler::BackendError> {
    let (below, above) = runs.split_at(runs.len() / 2);
    let Some((middle, fate)) = above.first() else { return Ok(BpfProgram::new()) };
    if below.is_empty() {
        return leaf(*middle, fate);
    }
    let below = decide(below)?;
    let length = u32::try_from(below.len()).unwrap_or(u32::MAX);
    let mut program = vec![
        // "Below the middle: over the jump."
        instruction(libc::BPF_JMP | libc::BPF_JGE, 1, *middle),
        instruction(libc::BPF_JMP | libc::BPF_JA, 0, length),
    ];
    program.extend(below);
    program.extend(decide(above)?);
    Ok(program)
}

fn leaf(call: u32, fate: &Fate) -> Result<BpfProgram, seccompiler::BackendError> {
    let refusal = Errno::PERM.raw_os_error().unsigned_abs();
    let returned = match fate {
        Fate::Allowed => libc::SECCOMP_RET_ALLOW,
        Fate::Refused => libc::SECCOMP_RET_ERRNO | refusal,
        Fate::Absent => libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs(),
        Fate::Judged(rules) => {
            let rules = Rules::from([(i64::from(call), rules.clone())]);
            let arch = TargetArch::try_from(std::env::consts::ARCH)?;
            // As from a kernel that lacks the family: programs that ask for the audit log, `groupadd` for one, give up
            // when they are forbidden to, and go on without where there is none.
            let refusal = match i64::from(call) {
                libc::SYS_socket => Errno::AFNOSUPPORT.raw_os_error().unsigned_abs(),
                _ => refusal,
            };
            let refuse = SeccompAction::Errno(refusal);
            return SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)?.try_into();
        }
    };
    Ok(vec![instruction(libc::BPF_RET, 0, returned)])
}

/// Loads the word at `offset` of the kernel's description of a call: 0 is its number, 4 the architecture.
fn load(offset: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, offset)
}

/// `jf` counts the instructions to skip when a comparison fails.
fn instruction(code: u32, jf: u8, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf, k }
}

/// The architecture as the kernel's audit names it: the machine of the ELF format, 64 bits, little endian.
fn architecture() -> u32 {
    const SIXTY_FOUR_BITS_LITTLE_ENDIAN: u32 = 0xC000_0000;
    SIXTY_FOUR_BITS_LITTLE_ENDIAN
        | match std::env::consts::ARCH {
            "aarch64" => 183,
            "riscv64" => 243,
            _ => 62,
        }
}

fn number(call: i64) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_allowed_that_is_not_listed() {
        let rules = Rules::new();
        for call in [
            libc::SYS_mount,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_bpf,
            libc::SYS_keyctl,
            libc::SYS_perf_event_open,
            libc::SYS_userfaultfd,
            libc::SYS_init_module,
            libc::SYS_process_vm_writev,
            libc::SYS_pidfd_getfd,
            libc::SYS_open_by_handle_at,
            libc::SYS_chroot,
            libc::SYS_reboot,
        ] {
            assert_eq!(fate(call, &[], &rules), Fate::Refused, "{call}");
        }
        assert_eq!(fate(NEWEST + 1, &[], &rules), Fate::Absent);
        assert_eq!(fate(libc::SYS_read, &[], &rules), Fate::Allowed);
    }

    #[test]
    fn what_is_refused_always_stays_so_beside_conditions() {
        let mut conditional = Rules::new();
        when(&mut conditional, 1, &[(0, Op::Eq, 1)]).unwrap_or_else(|_| unreachable!());
        let both = union([always(&[1]), conditional.clone()]);
        assert!(both[&1].is_empty());
        let both = union([conditional, always(&[1])]);
        assert!(both[&1].is_empty());
    }
}

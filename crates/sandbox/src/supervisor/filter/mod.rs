//! The system-call filter: a list of what is allowed ([`allowed`]), narrowed by arguments.
//!
//! Whatever else the kernel knows, or will grow, is refused until it has been judged. Another architecture's
//! calls kill the process.

mod allowed;
mod program;

use std::collections::BTreeMap;

use rustix::io::Errno;
use seccompiler::{BpfProgram, apply_filter};

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

/// What the low 32 bits of an argument are, the only ones that the kernel looks at in what is judged here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Is(u32),
    IsNot(u32),
    /// Has at least one of these bits.
    HasAny(u32),
}

/// Refuses when all of these hold, each for the argument of this index.
type Rule = Vec<(u8, Test)>;

/// System call → any of these rules refuses it; an empty list refuses it always.
type Rules = BTreeMap<i64, Vec<Rule>>;

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
    pub(super) fn compile() -> Self {
        let inet = [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
        let all = [&inet[..], &[libc::AF_UNIX]].concat();
        let plain = || union([narrowed(), given_away()]);
        Self {
            namespace: program(&[], &union([plain(), sockets(&all)])),
            root: program(OF_A_ROOT, &union([narrowed(), sockets(&all)])),
            shared_kernel: program(&[], &union([plain(), contacts(), sockets(&[])])),
            shared_kernel_with_network: program(&[], &union([plain(), contacts(), sockets(&inet)])),
            beside_a_workspace: without_openat2(),
        }
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
fn narrowed() -> Rules {
    let mut rules = Rules::new();
    let namespaces = libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET;
    when(&mut rules, libc::SYS_clone, &[(0, Test::HasAny(namespaces.cast_unsigned()))]);
    // Typing into a terminal.
    for request in [libc::TIOCSTI, libc::TIOCLINUX, libc::TIOCCONS] {
        when(&mut rules, libc::SYS_ioctl, &[(1, Test::Is(request as u32))]);
    }
    // Another process's limits, the session's first process included; one's own is pid 0.
    when(&mut rules, libc::SYS_prlimit64, &[(0, Test::IsNot(0))]);
    // A command that stopped being the reaper of its children would lose them from its tree.
    let subreaper = libc::PR_SET_CHILD_SUBREAPER.cast_unsigned();
    when(&mut rules, libc::SYS_prctl, &[(0, Test::Is(subreaper)), (1, Test::Is(0))]);
    rules
}

/// `openat2` hides the mode of a new file behind a pointer, where no filter can look. Programs fall back to `openat`.
fn without_openat2() -> BpfProgram {
    let absent = number(libc::SYS_openat2);
    program::write(&[(0, Fate::Allowed), (absent, Fate::Absent), (absent + 1, Fate::Allowed)])
}

/// A file that runs as its owner would outlive the session where a directory of the host's is shared: no such
/// bit can be set. Where a root file system has users of its own, packages need it.
fn given_away() -> Rules {
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
        let set = (argument, Test::HasAny(libc::S_ISUID | libc::S_ISGID));
        match flags_argument(call) {
            // The mode counts only when a file may be made; else it is whatever the register held.
            Some(flags) => {
                let creates = (flags, Test::HasAny(libc::O_CREAT.cast_unsigned()));
                when(&mut rules, call, &[set, creates]);
            }
            None => when(&mut rules, call, &[set]),
        }
    }
    rules
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
fn contacts() -> Rules {
    let mut rules = always(allowed::SHARED_MEMORY);
    // "Every process I may signal": Landlock bounds it, but only from Linux 6.12 on.
    when(&mut rules, libc::SYS_kill, &[(0, Test::Is(u32::MAX))]);
    rules
}

/// Refuses sockets of other families than `families`, and netlink beyond routes. Pairs stay.
fn sockets(families: &[i32]) -> Rules {
    let mut rules = Rules::new();
    let other: Rule =
        families.iter().map(|family| (0, Test::IsNot(family.cast_unsigned()))).collect();
    if other.is_empty() {
        return always(&[libc::SYS_socket]);
    }
    when(&mut rules, libc::SYS_socket, &other);
    let netlink = libc::AF_NETLINK.cast_unsigned();
    when(&mut rules, libc::SYS_socket, &[(0, Test::Is(netlink)), (2, Test::IsNot(0))]);
    rules
}

fn always(calls: &[i64]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

/// Adds: refuse `call` when all of this holds.
fn when(rules: &mut Rules, call: i64, rule: &[(u8, Test)]) {
    rules.entry(call).or_default().push(rule.to_vec());
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
    Judged(Vec<Rule>),
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
fn program(more: &[i64], rules: &Rules) -> BpfProgram {
    let mut runs: Vec<(u32, Fate)> = Vec::new();
    for call in 0..=NEWEST + 1 {
        let fate = fate(call, more, rules);
        let judged = matches!(fate, Fate::Judged(_));
        if judged || runs.last().is_none_or(|(_, last)| *last != fate) {
            runs.push((number(call), fate));
        }
    }
    program::write(&runs)
}

fn number(call: i64) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use seccompiler::sock_filter;

    use super::program::architecture;
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
        when(&mut conditional, 1, &[(0, Test::Is(1))]);
        let both = union([always(&[1]), conditional.clone()]);
        assert!(both[&1].is_empty());
        let both = union([conditional, always(&[1])]);
        assert!(both[&1].is_empty());
    }

    /// What the kernel would do with `program` and a call: the machine as far as it is used here.
    fn run(program: &BpfProgram, call: u32, arguments: &[u64; 6]) -> u32 {
        let (mut at, mut word) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            let branch = |holds: bool| if holds { usize::from(jt) } else { usize::from(jf) };
            at += 1;
            match u32::from(code) {
                code if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => {
                    word = match k {
                        0 => call,
                        4 => architecture(),
                        low => arguments[(low as usize - 16) / 8] as u32,
                    };
                }
                code if code == libc::BPF_JMP | libc::BPF_JEQ => at += branch(word == k),
                code if code == libc::BPF_JMP | libc::BPF_JGE => at += branch(word >= k),
                code if code == libc::BPF_JMP | libc::BPF_JSET => at += branch(word & k != 0),
                code if code == libc::BPF_JMP | libc::BPF_JA => at += k as usize,
                _ => return k,
            }
        }
    }

    fn refuses(rule: &Rule, arguments: &[u64; 6]) -> bool {
        rule.iter().all(|(index, test)| {
            let low = arguments[usize::from(*index)] as u32;
            match *test {
                Test::Is(value) => low == value,
                Test::IsNot(value) => low != value,
                Test::HasAny(bits) => low & bits != 0,
            }
        })
    }

    proptest::proptest! {
        /// Values that rules name are as likely as all others together, with and without bits that nobody looks at.
        #[test]
        fn a_program_does_what_its_rules_say(
            chosen in 0..1_000_usize,
            picks in proptest::array::uniform6((0..8_usize, proptest::prelude::any::<u64>())),
        ) {
            let all = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
            let rules = union([narrowed(), given_away(), contacts(), sockets(&all)]);
            let judged: Vec<i64> = rules.keys().copied().collect();
            let call = match chosen {
                0..500 => chosen as i64,
                _ => judged[chosen % judged.len()],
            };
            let named: Vec<u64> = rules.get(&call).into_iter().flatten().flatten().map(|(_, test)| {
                match *test { Test::Is(value) | Test::IsNot(value) | Test::HasAny(value) => value.into() }
            }).collect();
            let arguments = picks.map(|(pick, any)| match pick {
                0..3 if !named.is_empty() => named[any as usize % named.len()],
                3 if !named.is_empty() => named[any as usize % named.len()] | (any << 32),
                4 => 0,
                5 => any & 0o7777,
                _ => any,
            });
            let errno = |errno: i32| libc::SECCOMP_RET_ERRNO | errno.unsigned_abs();
            let expected = match fate(call, &[], &rules) {
                Fate::Allowed => libc::SECCOMP_RET_ALLOW,
                Fate::Refused => errno(libc::EPERM),
                Fate::Absent => errno(libc::ENOSYS),
                Fate::Judged(rules) if rules.iter().any(|rule| refuses(rule, &arguments)) => {
                    errno(if call == libc::SYS_socket { libc::EAFNOSUPPORT } else { libc::EPERM })
                }
                Fate::Judged(_) => libc::SECCOMP_RET_ALLOW,
            };
            proptest::prop_assert_eq!(run(&program(&[], &rules), number(call), &arguments), expected);
        }
    }

    /// The kernel compiles it for each session.
    #[test]
    fn the_programs_are_short() {
        let filter = Filter::compile();
        let programs = [&filter.namespace, &filter.root, &filter.shared_kernel];
        assert!(programs.iter().all(|program| program.len() < 180), "{}", filter.namespace.len());
    }

    proptest::proptest! {
        /// Ours are so short that a comparison reaches everything; here most targets lie too far for one.
        #[test]
        fn a_long_program_does_what_its_rules_say(
            fates in proptest::collection::vec((0..6_u32, 0..8_usize), 1..400),
            call in 0..1_600_u32,
            argument in 0..8_u64,
        ) {
            let fate = |(kind, length): &(u32, usize)| match kind {
                0 => Fate::Allowed,
                1 => Fate::Refused,
                2 => Fate::Absent,
                _ => Fate::Judged(vec![vec![(1, Test::HasAny(*kind)), (0, Test::IsNot(*kind))]; *length]),
            };
            let runs: Vec<(u32, Fate)> =
                fates.iter().enumerate().map(|(index, it)| (index as u32 * 4, fate(it))).collect();
            let arguments = [argument, argument, 0, 0, 0, 0];
            let refused = |errno: i32| libc::SECCOMP_RET_ERRNO | errno.unsigned_abs();
            let expected = match &runs[(call as usize / 4).min(runs.len() - 1)].1 {
                Fate::Refused => refused(libc::EPERM),
                Fate::Absent => refused(libc::ENOSYS),
                Fate::Judged(rules) if rules.iter().any(|rule| refuses(rule, &arguments)) => {
                    refused(libc::EPERM)
                }
                _ => libc::SECCOMP_RET_ALLOW,
            };
            proptest::prop_assert_eq!(run(&program::write(&runs), call, &arguments), expected);
        }
    }
}

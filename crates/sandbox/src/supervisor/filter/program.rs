//! From fates to a program of the kernel's. It is written from its end to its beginning, because jumps lead only forwards: what
//! they lead to is there already, and ends that are alike are one.

use std::collections::HashMap;

use rustix::io::Errno;
use seccompiler::{BpfProgram, sock_filter};

use super::{Fate, Rule, Test};

/// Where the arguments begin in the kernel's description of a call, 64 bits each, the low ones first.
const ARGUMENTS: u32 = 16;

/// An instruction, counted from the program's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct At(usize);

#[derive(Debug, Default)]
struct Backwards {
    /// The last instruction first.
    program: BpfProgram,
    /// By what is returned there; the nearest.
    ends: HashMap<u32, At>,
}

/// The program for `runs` of numbers that begin with these and have these fates, the first of them at 0.
pub(super) fn write(runs: &[(u32, Fate)]) -> BpfProgram {
    let mut writing = Backwards::default();
    let ours = writing.decide(runs);
    let ours = writing.add(load(0), ours);
    let theirs = writing.end(libc::SECCOMP_RET_KILL_PROCESS);
    let start = writing.branch(libc::BPF_JEQ, architecture(), ours, theirs);
    writing.add(load(4), start);
    writing.program.reverse();
    writing.program
}

impl Backwards {
    fn push(&mut self, instruction: sock_filter) -> At {
        self.program.push(instruction);
        At(self.program.len() - 1)
    }

    /// How far `to` is from the instruction that is written next.
    fn distance(&self, to: At) -> usize {
        self.program.len() - 1 - to.0
    }

    /// Adds an instruction after which the program goes on at `next`.
    fn add(&mut self, instruction: sock_filter, next: At) -> At {
        self.within(next, 0);
        self.push(instruction)
    }

    /// An instruction not further away than `reach` that leads to `to`: itself, if it is near enough.
    fn within(&mut self, to: At, reach: u8) -> At {
        let distance = self.distance(to);
        if distance <= usize::from(reach) {
            return to;
        }
        let over = u32::try_from(distance).unwrap_or(u32::MAX);
        self.push(instruction(libc::BPF_JMP | libc::BPF_JA, over))
    }

    /// Returns `value`.
    fn end(&mut self, value: u32) -> At {
        // Room for a detour that another target of the same branch may need.
        match self.ends.get(&value) {
            Some(end) if self.distance(*end) < usize::from(u8::MAX) => *end,
            _ => {
                let end = self.push(instruction(libc::BPF_RET, value));
                self.ends.insert(value, end);
                end
            }
        }
    }

    /// Goes on at `holds` if the comparison with `k` holds, else at `fails`.
    fn branch(&mut self, comparison: u32, k: u32, holds: At, fails: At) -> At {
        // The detour of the first makes the second one instruction further.
        let holds = self.within(holds, u8::MAX - 1);
        let fails = self.within(fails, u8::MAX);
        let near = |distance: usize| u8::try_from(distance).unwrap_or(u8::MAX);
        let (jt, jf) = (near(self.distance(holds)), near(self.distance(fails)));
        let code = instruction(libc::BPF_JMP | comparison, k).code;
        self.push(sock_filter { code, jt, jf, k })
    }

    /// Halves the runs until one is left.
    fn decide(&mut self, runs: &[(u32, Fate)]) -> At {
        let (below, above) = runs.split_at(runs.len() / 2);
        match above.first() {
            Some((call, fate)) if below.is_empty() => self.leaf(*call, fate),
            Some((middle, _)) => {
                let (above, below) = (self.decide(above), self.decide(below));
                self.branch(libc::BPF_JGE, *middle, above, below)
            }
            None => self.end(refused(Errno::PERM)),
        }
    }

    fn leaf(&mut self, call: u32, fate: &Fate) -> At {
        match fate {
            Fate::Allowed => self.end(libc::SECCOMP_RET_ALLOW),
            Fate::Refused => self.end(refused(Errno::PERM)),
            Fate::Absent => self.end(refused(Errno::NOSYS)),
            Fate::Judged(rules) => {
                // As from a kernel that lacks the family: programs that ask for the audit log, `groupadd` for one, give up
                // when they are forbidden to, and go on without where there is none.
                let errno = match i64::from(call) {
                    libc::SYS_socket => Errno::AFNOSUPPORT,
                    _ => Errno::PERM,
                };
                let allowed = self.end(libc::SECCOMP_RET_ALLOW);
                rules.iter().rev().fold(allowed, |next, rule| {
                    let refused = self.end(refused(errno));
                    self.judge(rule, refused, next)
                })
            }
        }
    }

    /// Goes on at `refused` when all of `rule` holds, else at `next`.
    fn judge(&mut self, rule: &Rule, refused: At, next: At) -> At {
        let mut goes_on = refused;
        for (index, (argument, test)) in rule.iter().enumerate().rev() {
            goes_on = match *test {
                Test::Is(value) => self.branch(libc::BPF_JEQ, value, goes_on, next),
                Test::IsNot(value) => self.branch(libc::BPF_JEQ, value, next, goes_on),
                Test::HasAny(bits) => self.branch(libc::BPF_JSET, bits, goes_on, next),
            };
            let before = index.checked_sub(1).and_then(|index| rule.get(index));
            // The test before has left the same argument where this one looks.
            if before.is_none_or(|(other, _)| other != argument) {
                goes_on = self.add(load(ARGUMENTS + 8 * u32::from(*argument)), goes_on);
            }
        }
        goes_on
    }
}

fn refused(errno: Errno) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno.raw_os_error().unsigned_abs()
}

/// Loads the word at `offset` of the kernel's description of a call: 0 is its number, 4 the architecture.
pub(super) fn load(offset: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

pub(super) fn instruction(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

/// The architecture as the kernel's audit names it: the machine of the ELF format, 64 bits, little endian.
pub(super) fn architecture() -> u32 {
    const SIXTY_FOUR_BITS_LITTLE_ENDIAN: u32 = 0xC000_0000;
    SIXTY_FOUR_BITS_LITTLE_ENDIAN
        | match std::env::consts::ARCH {
            "aarch64" => 183,
            "riscv64" => 243,
            _ => 62,
        }
}

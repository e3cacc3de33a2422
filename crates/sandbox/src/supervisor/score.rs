//! Whom the kernel kills first where memory runs out, in a session's control group or on the whole machine: a command and what
//! that starts, before the session's first process, with which the session would end and nobody could say why.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;

/// First of all.
const FIRST: &[u8] = b"1000";

/// How much the first process of a session is to be killed, which its commands inherit.
#[derive(Debug)]
pub(super) struct Score {
    file: File,
    own: Vec<u8>,
}

impl Score {
    /// That of the calling process, as long as the file is its own: later on it is root's.
    pub(super) fn open() -> io::Result<Self> {
        let file = File::options().read(true).write(true).open("/proc/self/oom_score_adj")?;
        let mut own = [0_u8; 16];
        let read = file.read_at(&mut own, 0)?;
        Ok(Self { file, own: own[..read].to_vec() })
    }

    /// Starts a command that is killed first from its beginning on: it could take all memory before anybody said so of it.
    fn raised<T>(&self, start: impl FnOnce() -> T) -> T {
        let _ = self.file.write_all_at(FIRST, 0);
        let started = start();
        let _ = self.file.write_all_at(&self.own, 0);
        started
    }
}

/// Starts a command that is killed before the calling process; `score` is that one's, where it could be opened.
pub(super) fn first_to_be_killed<E>(
    score: Option<&Score>,
    start: impl FnOnce() -> Result<i32, E>,
) -> Result<i32, E> {
    match score {
        Some(score) => score.raised(start),
        // Of itself a command cannot tell it: until it is executed, its files there are root's.
        None => start().inspect(|pid| {
            let _ = fs::write(format!("/proc/{pid}/oom_score_adj"), FIRST);
        }),
    }
}

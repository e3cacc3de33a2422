//! Output on its way through. Whoever reads it may stop reading: a command's time is over then all the same.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use harness_sandbox::OutputStream;

/// So much may wait for its reader before the command has to.
const WAITING: usize = 1 << 20;
/// For what was written last, once a command had to be ended.
const GRACE: Duration = Duration::from_secs(1);

/// Writes each stream up to a limit, from a thread of its own.
pub(crate) struct Passed {
    left: [u64; 2],
    dropped: [u64; 2],
    /// When nobody's reading is waited for any longer.
    deadline: Option<Instant>,
    queue: Arc<Queue>,
}

#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<(OutputStream, Vec<u8>)>,
    /// Of these pieces and the one that is being written.
    bytes: usize,
    hurried: bool,
}

impl Passed {
    /// For a command that ends after `timeout`.
    pub(crate) fn new(limit: Option<u64>, timeout: Option<Duration>) -> Self {
        let queue = Arc::new(Queue::default());
        let written = Arc::clone(&queue);
        std::thread::spawn(move || written.write());
        Self {
            left: [limit.unwrap_or(u64::MAX); 2],
            dropped: [0; 2],
            deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            queue,
        }
    }

    /// What [`Queue::hurry`] is asked of.
    pub(crate) fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }

    /// Takes a piece, and waits for its reader where too much waits already, but not beyond the command's time.
    pub(crate) fn on(&mut self, stream: OutputStream, bytes: &[u8]) {
        let index = usize::from(stream == OutputStream::Stderr);
        let room = usize::try_from(self.left[index]).unwrap_or(usize::MAX).min(bytes.len());
        let (passed, dropped) = bytes.split_at(room);
        self.left[index] -= passed.len() as u64;
        self.dropped[index] += dropped.len() as u64;
        if !passed.is_empty() && !self.queue.push(stream, passed, self.deadline) {
            self.dropped[index] += passed.len() as u64;
        }
    }

    /// Waits until all is written; for a moment only, where the command was `ended` or this program was asked to hurry.
    /// Says what was dropped, and whether anybody still reads.
    pub(crate) fn finish(&self, ended: bool) -> bool {
        let written = self.queue.drained(ended.then(|| Instant::now() + GRACE));
        if written {
            for (name, dropped) in ["stdout", "stderr"].iter().zip(self.dropped) {
                if dropped > 0 {
                    eprintln!(
                        "sandbox_run: {dropped} bytes of {name} beyond --output were dropped"
                    );
                }
            }
        }
        written
    }
}

impl Queue {
    /// From now on nobody's reading is waited for.
    pub(crate) fn hurry(&self) {
        self.state().hurried = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change until `deadline`; whether it may be waited for longer.
    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        deadline: Option<Instant>,
    ) -> (MutexGuard<'a, State>, bool) {
        let Some(deadline) = deadline else {
            return (self.changed.wait(state).unwrap_or_else(PoisonError::into_inner), true);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return (state, false);
        }
        let waited = self.changed.wait_timeout(state, left);
        (waited.unwrap_or_else(PoisonError::into_inner).0, true)
    }

    /// Whether there was room in time.
    fn push(&self, stream: OutputStream, bytes: &[u8], deadline: Option<Instant>) -> bool {
        let mut state = self.state();
        while state.bytes >= WAITING {
            let (changed, longer) = self.wait(state, deadline);
            state = changed;
            if state.hurried || !longer {
                return false;
            }
        }
        state.bytes += bytes.len();
        state.pieces.push_back((stream, bytes.to_vec()));
        self.changed.notify_all();
        true
    }

    /// Whether all is written, in the end.
    fn drained(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.state();
        let mut deadline = deadline;
        while state.bytes > 0 {
            if state.hurried {
                deadline = deadline.or_else(|| Some(Instant::now() + GRACE));
            }
            let (changed, longer) = self.wait(state, deadline);
            state = changed;
            if !longer {
                return state.bytes == 0;
            }
        }
        true
    }

    /// Writes for ever: the program's end is its end.
    fn write(&self) {
        let mut state = self.state();
        loop {
            let Some((stream, bytes)) = state.pieces.pop_front() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            // Nobody may be listening any more: the command's end is still worth waiting for.
            let _ = match stream {
                OutputStream::Stdout => write_now(&mut std::io::stdout().lock(), &bytes),
                OutputStream::Stderr => write_now(&mut std::io::stderr().lock(), &bytes),
            };
            state = self.state();
            state.bytes -= bytes.len();
            self.changed.notify_all();
        }
    }
}

fn write_now(to: &mut dyn Write, bytes: &[u8]) -> std::io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

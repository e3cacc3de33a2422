//! One thread, many tasks, and a seed that picks who goes next.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake};

use futures::FutureExt;
use futures::future::BoxFuture;
use harness_core::Executor;
use harness_core::testing::{Chance, ManualClock};

/// Runs tasks in an order that the seed decides, and moves the clock whenever nobody can go on. Clones share the tasks.
#[derive(Clone, Default)]
pub struct Scheduler(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    next: u64,
    arriving: Vec<(u64, BoxFuture<'static, ()>)>,
    ready: Vec<u64>,
}

/// Why [`Scheduler::run`] returned.
#[derive(Debug, PartialEq, Eq)]
pub enum End<T> {
    /// The main task ended with this.
    Done(T),
    /// As many steps were taken as were allowed; every task was dropped where it was.
    Killed,
}

impl Scheduler {
    /// Takes steps until `main` is done, at most `steps`.
    ///
    /// # Panics
    /// When nobody can go on and nobody sleeps: a task waits for what never comes.
    pub fn run<T: Send + 'static>(
        &self,
        main: impl Future<Output = T> + Send + 'static,
        clock: &ManualClock,
        chance: &mut Chance,
        steps: u64,
    ) -> End<T> {
        let result = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&result);
        self.spawn(main.map(move |done| *lock(&slot) = Some(done)).boxed());
        let mut tasks = BTreeMap::new();
        for _ in 0..steps {
            self.admit(&mut tasks);
            let Some(id) = self.pick(chance) else {
                assert!(clock.advance_to_next(), "every task waits, and none for the clock");
                continue;
            };
            self.step(id, &mut tasks);
            if let Some(done) = lock(&result).take() {
                self.clear();
                return End::Done(done);
            }
        }
        self.clear();
        End::Killed
    }

    /// Drops what nobody will poll: it may hold this scheduler, and would keep it for ever.
    fn clear(&self) {
        // Dropped after the lock is free: a task may wake another while it goes.
        let _arriving = std::mem::take(&mut lock(&self.0).arriving);
    }

    fn admit(&self, tasks: &mut BTreeMap<u64, BoxFuture<'static, ()>>) {
        let mut queue = lock(&self.0);
        let arriving = std::mem::take(&mut queue.arriving);
        queue.ready.extend(arriving.iter().map(|(id, _)| *id));
        tasks.extend(arriving);
    }

    fn pick(&self, chance: &mut Chance) -> Option<u64> {
        let mut queue = lock(&self.0);
        let count = queue.ready.len();
        (count > 0).then(|| {
            let index = chance.below(count as u64);
            queue.ready.swap_remove(usize::try_from(index).unwrap_or_default())
        })
    }

    fn step(&self, id: u64, tasks: &mut BTreeMap<u64, BoxFuture<'static, ()>>) {
        let Some(task) = tasks.get_mut(&id) else { return };
        let waker = Arc::new(Bell { id, queue: Arc::clone(&self.0) }).into();
        if let Poll::Ready(()) = task.as_mut().poll(&mut Context::from_waker(&waker)) {
            tasks.remove(&id);
        }
    }
}

impl Executor for Scheduler {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let mut queue = lock(&self.0);
        queue.next += 1;
        let id = queue.next;
        queue.arriving.push((id, task));
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scheduler")
    }
}

struct Bell {
    id: u64,
    queue: Arc<Mutex<Queue>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let mut queue = lock(&self.queue);
        if !queue.ready.contains(&self.id) {
            queue.ready.push(self.id);
        }
    }
}

/// One thread takes one lock at a time here: a panic elsewhere leaves nothing half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! One thread, one task at a time, and the next one drawn by lot: the same seed runs the same tasks in the same order,
//! another seed runs them in another one that the machine could have chosen as well.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use app::ports::Spawn;
use futures::future::BoxFuture;
use parking_lot::Mutex;

use crate::{chance::Chance, crash::Fate};

/// How often tasks are polled at one moment before a world is said to spin.
const MOST_POLLS: u32 = 1_000_000;

/// The tasks of one life of the process.
pub(crate) struct Executor {
    inbox: Arc<Inbox>,
    tasks: BTreeMap<u64, Task>,
    next: u64,
    /// Those that were woken, in the order of their waking.
    ready: Vec<u64>,
    chance: Chance,
}

struct Task {
    future: BoxFuture<'static, ()>,
    waker: Arc<TaskWaker>,
}

/// What reaches the executor from inside its tasks.
#[derive(Default)]
struct Inbox {
    spawned: Mutex<Vec<BoxFuture<'static, ()>>>,
    woken: Mutex<Vec<u64>>,
}

struct TaskWaker {
    task: u64,
    /// Woken and not polled since.
    queued: AtomicBool,
    inbox: Arc<Inbox>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.inbox.woken.lock().push(self.task);
        }
    }
}

/// Starts tasks of the life that it belongs to.
pub(crate) struct Spawner(Arc<Inbox>);

impl Spawn for Spawner {
    fn spawn(&self, _: &'static str, task: BoxFuture<'static, ()>) {
        self.0.spawned.lock().push(task);
    }
}

impl Executor {
    pub(crate) fn new(chance: Chance) -> Self {
        Self { inbox: Arc::default(), tasks: BTreeMap::new(), next: 0, ready: Vec::new(), chance }
    }

    pub(crate) fn spawner(&self) -> Spawner {
        Spawner(self.inbox.clone())
    }

    /// Polls tasks until none can go on or the process has ended.
    ///
    /// # Panics
    ///
    /// When there is no end to it.
    pub(crate) fn run_until_stalled(&mut self, fate: &Fate) {
        let mut polls = 0;
        while !fate.is_sealed() {
            polls += 1;
            assert!(polls < MOST_POLLS, "tasks go on without end, and no time passes");
            self.collect();
            if self.ready.is_empty() {
                return;
            }
            let at = self.chance.below(self.ready.len());
            let no = self.ready.remove(at);
            self.poll(no);
        }
    }

    /// Takes in what was spawned and woken.
    fn collect(&mut self) {
        let spawned = std::mem::take(&mut *self.inbox.spawned.lock());
        for future in spawned {
            self.next += 1;
            let waker = Arc::new(TaskWaker {
                task: self.next,
                queued: AtomicBool::new(true),
                inbox: self.inbox.clone(),
            });
            self.tasks.insert(self.next, Task { future, waker });
            self.ready.push(self.next);
        }
        self.ready.append(&mut self.inbox.woken.lock());
    }

    fn poll(&mut self, no: u64) {
        let Some(task) = self.tasks.get_mut(&no) else { return };
        task.waker.queued.store(false, Ordering::Relaxed);
        let waker = Waker::from(task.waker.clone());
        if let Poll::Ready(()) = task.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            self.tasks.remove(&no);
        }
    }
}

//! The queues of real programs: `crossbeam-deque` behind the seam of [`queue`](super).

use super::{Deque, Inject, STEAL_TRIES, Steal};
use crossbeam_deque as deque;
use crossbeam_utils::Backoff;

/// Tasks that a local queue holds: large enough that a burst of wake-ups of one harvest (256
/// events) fits, small enough that its ring of pointers stays in 4 KiB.
const BOUND: usize = 256;

/// A worker's local queue: the FIFO deque of Chase and Lev as crossbeam builds it.
#[derive(Debug)]
pub(crate) struct Local<T>(deque::Worker<T>);

/// The handle by which siblings steal from a [`Local`].
#[derive(Debug, Clone)]
pub(crate) struct Victim<T>(deque::Stealer<T>);

/// The queue that all workers share: a list of blocks.
#[derive(Debug, Default)]
pub(crate) struct Injector<T>(deque::Injector<T>);

impl<T> Injector<T> {
    /// An empty queue.
    pub(crate) fn new() -> Self {
        Self(deque::Injector::new())
    }
}

impl<T> Inject<T> for Injector<T> {
    #[inline]
    fn push(&self, task: T) {
        self.0.push(task);
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

impl<T> Steal for Victim<T> {
    #[inline]
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

impl<T> Deque<T> for Local<T> {
    const BOUND: usize = BOUND;
    type Victim = Victim<T>;
    type Injector = Injector<T>;

    fn new() -> Self {
        Self(deque::Worker::new_fifo())
    }

    fn victim(&self) -> Victim<T> {
        Victim(self.0.stealer())
    }

    #[inline]
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn append(&self, task: T) {
        self.0.push(task);
    }

    #[inline]
    fn pop(&self) -> Option<T> {
        self.0.pop()
    }

    fn steal_into(&self, victim: &Victim<T>) -> Option<T> {
        patiently(|| victim.0.steal_batch_and_pop(&self.0))
    }

    fn take_from(&self, injector: &Injector<T>) -> Option<T> {
        patiently(|| injector.0.steal_batch_and_pop(&self.0))
    }
}

/// Tries a steal until it is decided, at most [`STEAL_TRIES`] times.
fn patiently<T>(mut steal: impl FnMut() -> deque::Steal<T>) -> Option<T> {
    let backoff = Backoff::new();
    for _ in 0..STEAL_TRIES {
        match steal() {
            deque::Steal::Success(task) => return Some(task),
            deque::Steal::Empty => return None,
            deque::Steal::Retry => backoff.spin(),
        }
    }
    None
}

//! Run queues that siblings steal from.
//!
//! # Vocabulary
//!
//! - A worker's *local* queue ([`Local`]): only its owner pushes and pops. First in, first out.
//! - A [`Victim`] is a handle on a local queue by which siblings steal.
//! - The [`Injector`] is shared by all: submissions from outside, and what overflows.
//!
//! Real programs use `crossbeam-deque` (`local.rs`). The models use a twin over the shim's atomics
//! (`model.rs`) since loom cannot look into crossbeam's. The seam is the trait [`Deque`] and the
//! names re-exported here; the spill policy is written once, in the trait.
//!
//! # Bound
//!
//! A local queue holds [`Deque::BOUND`] tasks. The push that finds it full first moves the older
//! half to the injector: a burst is spread over all workers, in batches, and the ring of
//! crossbeam's deque, which doubles when full and halves when a quarter full, stays within a few
//! cache pages. A steal into a queue that is not empty may exceed the bound by one batch.
//!
//! # Progress
//!
//! Push and pop are wait-free but for the growth of the ring and a spill; a steal is lock-free and
//! gives up after [`STEAL_TRIES`] lost races. crossbeam's `Injector` is not lock-free: an operation
//! waits for a thread that is suspended while it links a block of 31 tasks or writes its slot.
//!
//! # Rejected
//!
//! - Last in, first out: the newest task is in the LIFO slot already, and a batch steal from a LIFO
//!   deque is one exchange and one fence per task where a FIFO one is a single exchange.
//! - A ring of our own, as tokio has: the uncontended cost is the same (about 10 ns a pair).

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod local;
#[cfg(any(test, corio_loom, corio_shuttle))]
mod model;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;

#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) use local::{Injector, Local, Victim};
#[cfg(any(corio_loom, corio_shuttle))]
pub(crate) use model::{Injector, Local, Victim};

/// How often a steal is tried against owners and thieves that win the race. Each loss means that
/// somebody got a task; after a few the thief does better to look elsewhere.
pub(crate) const STEAL_TRIES: usize = 4;

/// The queue that all workers share.
pub(crate) trait Inject<T> {
    /// Adds a task at the end.
    fn push(&self, task: T);

    /// Whether no task is there. After the fence of `IdleSet::enter` it sees every push whose
    /// producer does not see the sleeper.
    fn is_empty(&self) -> bool;

    /// The number of tasks, at some moment during the call.
    fn len(&self) -> usize;
}

/// What a sibling may see of a local queue.
pub(crate) trait Steal {
    /// Whether no task is there; as [`Inject::is_empty`].
    fn is_empty(&self) -> bool;

    /// The number of tasks, at some moment during the call.
    fn len(&self) -> usize;
}

/// A worker's local queue, used by its owner alone.
pub(crate) trait Deque<T>: Sized {
    /// Tasks it holds before the older half moves to the injector.
    const BOUND: usize;
    /// The handle by which siblings steal.
    type Victim: Steal;
    /// The queue that takes the overflow.
    type Injector: Inject<T>;

    /// An empty queue.
    fn new() -> Self;

    /// A handle for siblings.
    fn victim(&self) -> Self::Victim;

    /// The number of tasks; exact but for thieves at work.
    fn len(&self) -> usize;

    /// Whether it holds none.
    #[inline]
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a task at the end, whatever the bound.
    fn append(&self, task: T);

    /// Adds a task at the end; a full queue first moves its older half to `overflow`.
    #[inline]
    fn push(&self, task: T, overflow: &Self::Injector) {
        if self.len() >= Self::BOUND {
            self.spill(overflow);
        }
        self.append(task);
    }

    /// Moves the older half to `overflow`. Tasks that thieves take meanwhile count as moved.
    #[cold]
    fn spill(&self, overflow: &Self::Injector) {
        for task in (0..Self::BOUND / 2).map_while(|_| self.pop()) {
            overflow.push(task);
        }
    }

    /// Takes the oldest task.
    fn pop(&self) -> Option<T>;

    /// Steals up to half of `victim`'s tasks: returns the oldest, queues the rest here.
    ///
    /// None means that it was empty or that others won [`STEAL_TRIES`] races; a worker that is
    /// about to sleep looks again by [`Steal::is_empty`].
    fn steal_into(&self, victim: &Self::Victim) -> Option<T>;

    /// The same from the injector.
    fn take_from(&self, injector: &Self::Injector) -> Option<T>;
}

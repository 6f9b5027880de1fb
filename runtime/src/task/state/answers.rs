//! What the steps of the [state word](super::State) find, and what their callers owe.

/// What the caller of a wake owes the task.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Nothing: it is scheduled, running or done.
    Nothing,
    /// Push one queue entry.
    Enqueue,
    /// The last reference is gone: free the cell.
    Free,
}

/// What the runner owes a task whose poll returned `Pending`.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Paused {
    /// Nothing: the task sleeps until it is woken.
    Idle,
    /// It was woken meanwhile: push one queue entry.
    Enqueue,
}

/// How a body has ended, for [`State::finish`](super::State::finish).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself: a cancel that was not delivered comes first.
    Itself,
    /// Cancelled, as the output says.
    Cancelled,
    /// By a panic that beats a cancel.
    Panicked,
}

/// What the completer owes a task after [`State::finish`](super::State::finish).
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finished {
    /// A cancel arrived before the task was done: replace the output and finish again.
    CancelFirst,
    /// The task is done and the runtime's reference is still held.
    Done {
        /// The join slot now belongs to the completer.
        join_waker: bool,
        /// No handle will ever look at the output: drop it.
        unwatched: bool,
        /// The extension may hold observers.
        observed: bool,
    },
    /// The task is done, nobody waits, and the runtime's reference was released with it.
    Released {
        /// That was the last one.
        free: bool,
    },
}

/// What a shutdown found when it tried to take a task's body.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It is done.
    Done,
    /// A thread is inside its body, or (for [`State::claim_idle`](super::State::claim_idle)) has its entry: that one will end
    /// it.
    Running,
    /// The body is the caller's. `queued`: an entry exists and inherits the runtime's reference.
    Claimed {
        /// An entry lies in some queue or is about to be pushed.
        queued: bool,
    },
}

/// What [`State::publish_join_waker`](super::State::publish_join_waker) found.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Join {
    /// The completer will use the waker.
    Waiting,
    /// The task is done: the slot still belongs to the handle.
    Done,
}

/// What the typed handle owes the cell when it goes.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Detached {
    /// Nothing.
    Kept,
    /// The output is the handle's: drop it, then release the reference.
    OwnsOutput,
    /// The output was taken: release the reference.
    Release,
}

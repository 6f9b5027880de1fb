//! Done-callbacks of tasks: what a loop calls when a task has ended.
//!
//! A callback is an [observer](super::observers) of its task. At the end it goes to the callbacks of
//! one loop, so it never runs inside the code that ended the task or that registered it. The loop is
//! that of the worker on which the first callback was told; later ones follow it there, so that the
//! callbacks of one task run one at a time and in order.

use std::fmt;
use std::panic::Location;
use std::task::Waker;

use corio_sync::shim::Ordering::Relaxed;

use super::contextvars::{self, Captured};
use super::observers::DoneCall;
use super::raw::TaskPtr;
use super::registry::TaskRef;
use crate::quiet::{drop_quietly, quietly};

/// A callback that waits for a task's end.
pub(crate) struct DoneCallback {
    call: Box<dyn FnOnce(&TaskRef) + Send>,
    variables: Captured,
    at: &'static Location<'static>,
}

/// Names a done-callback, for its removal; made by `add_done_callback`. It means nothing to another
/// task or deferred.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallbackId(u64);

impl CallbackId {
    pub(crate) fn new(number: u64) -> Self {
        Self(number)
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for CallbackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallbackId({})", self.0)
    }
}

impl TaskRef {
    /// Has `f` called when the task has ended, in whatever way.
    ///
    /// It is called by a loop as a plain callback, after what that loop has been given before: never
    /// inside this call, also if the task has ended already, and never inside the task. Callbacks
    /// of one task are called in the order in which they were added, on the worker that ended it
    /// (its own one, if it is pinned), in a copy of the caller's [`Context`](crate::Context). A
    /// panic in one is reported and concerns nobody else. A runtime that shuts down drops
    /// callbacks that it has not called.
    ///
    /// A task without callbacks pays nothing for them.
    ///
    /// asyncio: `Task.add_done_callback`. To choose the context, add it inside
    /// [`Context::run`](crate::Context::run).
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let (said, hears) = std::sync::mpsc::channel();
    /// let task = corio::task().name("answer").spawn(async { 42 });
    /// task.add_done_callback(move |task| said.send(task.name()).unwrap());
    /// assert_eq!(task.await.unwrap(), 42);
    /// let heard = corio::to_thread(move || hears.recv().unwrap()).await.unwrap();
    /// assert_eq!(&*heard, "answer");
    /// # });
    /// ```
    #[track_caller]
    pub fn add_done_callback(&self, f: impl FnOnce(&TaskRef) + Send + 'static) -> CallbackId {
        let task = self.ptr();
        let header = task.header();
        let (call, at) = (Box::new(f), Location::caller());
        let callback = DoneCallback { call, variables: contextvars::capture(), at };
        let number = header.ext_or_make().observers.add_callback(callback);
        if header.state.observe() {
            task.tell_observers::<true>(None, false);
        }
        CallbackId(number)
    }

    /// Drops a callback that was added before; `false` if it was removed already, or the task has
    /// ended and its loop has the callback.
    ///
    /// asyncio: `Task.remove_done_callback`, which takes the function and removes all equal ones;
    /// Rust's closures have no equality.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let task = corio::create_task(std::future::pending::<()>());
    /// let id = task.task_ref().add_done_callback(|_| unreachable!("it was removed"));
    /// assert!(task.remove_done_callback(id));
    /// assert!(!task.remove_done_callback(id), "it is gone");
    /// task.cancel();
    /// # });
    /// ```
    pub fn remove_done_callback(&self, id: CallbackId) -> bool {
        let task = self.ptr();
        task.header().ext().is_some_and(|ext| ext.observers.remove(id.0).is_some())
    }
}

impl TaskPtr {
    /// Wakes and queues whoever wants to hear of the end, which has come; `join_waker` is what lay in
    /// the join slot. If no handle is left (`unwatched`), nobody waits for that and the output goes.
    #[cold]
    pub(super) fn tell_observers<const PASS: bool>(
        self,
        mut join_waker: Option<Waker>,
        unwatched: bool,
    ) {
        if unwatched {
            drop_quietly(join_waker.take());
            // SAFETY: the caller is the completer, and no handle is left to own the output.
            unsafe { self.drop_output() };
        }
        let ext = self.header().ext_or_make();
        // Ordering: Relaxed; the number was written before the join waker was published.
        let also = join_waker.map(|waker| (ext.join_number.load(Relaxed), waker));
        let wake = |waker| self.wake_waiter::<PASS>(waker);
        ext.observers.tell_by(also, |callback| self.queue_callback(callback), wake);
    }

    /// The join slot is about to be filled, after others have begun to observe.
    #[cold]
    pub(super) fn note_join(self) {
        let ext = self.header().ext_or_make();
        // Ordering: Relaxed; see `tell_observers`.
        ext.join_number.store(ext.observers.draw(), Relaxed);
    }

    /// Gives a callback to its loop. A runtime that is gone drops it.
    fn queue_callback(self, callback: DoneCallback) {
        let DoneCallback { call, variables, at } = callback;
        let task = TaskRef::new(self);
        let call = DoneCall { call: Box::new(move || call(&task)), variables, at };
        // SAFETY: the arena keeps the runtime's shared part alive.
        let call_done = unsafe { self.head().as_ref() }.call_done;
        let home = &self.header().ext_or_make().callback_home;
        // Ordering: Relaxed; only who tells reads and writes it, and tellers are ordered.
        let chosen = home.load(Relaxed);
        // A closed loop drops the callback here, and that is a user's code.
        // SAFETY: the caller keeps the task alive, whose runtime this function is of.
        quietly(|| home.store(unsafe { call_done(self, chosen, call) }, Relaxed));
    }
}

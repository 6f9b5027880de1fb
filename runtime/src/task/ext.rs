//! The lazy part of a task: what most tasks never need.
//!
//! The extension is made on first use by a compare-exchange (the loser frees its own) and lives
//! as long as the cell. It holds the task's given name, the context that its variables live in, and
//! its [*observers*](super::observers): futures that wait for the task through a shared reference,
//! and done-callbacks.
//!
//! A cancel without a message needs none: where it was asked for lies in the word that the extension
//! hangs off, see [`ext_slot`](super::ext_slot).
//!
//! A name is replaced as a whole, while others may read the one before.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, OnceLock};

use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::{AtomicU32, AtomicU64, AtomicUsize};

use super::callback::DoneCallback;
use super::contextvars::slot::Slot;
use super::contextvars::{self, Context, ContextCell};
use super::ext_slot::Extension;
use super::observers::Observers;
use super::raw::{Header, TaskPtr};
use super::registry::TaskId;
use super::requests::Requests;
use super::scope::Tree;
use crate::error::{BY_HAND, Cancelled, TaskError, TaskName};

/// The lazy part of a task.
#[derive(Debug, Default)]
pub(crate) struct TaskExt {
    /// Polls that were counted, which is done in debug mode only.
    polls: AtomicU64,
    /// The task that awaits this one, by its address, as far as [`awaited`](super::awaited) goes; or 0.
    awaited_by: AtomicUsize,
    name: GivenName,
    /// References to the task that wake nobody, as far as [`silent`](super::silent) goes.
    silent: AtomicU32,
    /// Who wants to hear of the end.
    pub(super) observers: Observers<DoneCallback>,
    /// When the join slot was filled, among the observers; 0 is before all of them.
    pub(super) join_number: AtomicU64,
    /// The loop that the callbacks go to, counted from 1; 0: none has gone yet.
    pub(super) callback_home: AtomicU32,
    /// What the task's variables live in.
    pub(super) context: ContextCell,
    /// What the cancels of the task have said.
    pub(crate) requests: Requests,
    scopes: RunnersOwn<Tree>,
}

/// The name that the task was given last, if any.
struct GivenName(Slot<Arc<str>>);

impl Default for GivenName {
    fn default() -> Self {
        Self(Slot::new(None))
    }
}

impl fmt::Debug for GivenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.read(|name| name.fmt(f))
    }
}

/// What only the runner of a task may touch.
#[derive(Debug, Default)]
struct RunnersOwn<T>(T);

// SAFETY: `TaskExt::scopes` lends it to the runner only, and the state word hands it from one runner
// to the next.
unsafe impl<T> Sync for RunnersOwn<T> {}
// SAFETY: as above.
unsafe impl<T> Send for RunnersOwn<T> {}

impl Header {
    /// The extension, if anything ever needed one.
    #[inline]
    pub(crate) fn ext(&self) -> Option<&TaskExt> {
        self.ext.get()
    }

    /// The extension, made if need be. Lock-free: who loses the race frees its own.
    #[inline]
    pub(crate) fn ext_or_make(&self) -> &TaskExt {
        self.ext.get_or_make()
    }

    /// Leaves what a cancel says; the cancel itself is counted afterwards.
    pub(super) fn push_request(&self, msg: Option<Arc<str>>, at: &'static Location<'static>) {
        if msg.is_some() || !self.ext.put_place(at) {
            self.ext_or_make().requests.push_said(msg, at);
        }
    }

    /// The tasks that await this one, by their addresses: to be compared with tasks that the caller
    /// keeps alive, never followed. Each may have just stopped waiting.
    pub(crate) fn awaiters(&self) -> Vec<usize> {
        let observers = self.ext().map(|ext| ext.observers.waiters().map(|who| who.addr()));
        let mut found: Vec<usize> = observers.into_iter().flatten().collect();
        found.extend(self.joined_by().map(|who| who.addr()));
        found.extend(self.ext.awaiter());
        found
    }

    /// Names the task that awaits this one through a composition; 0: nobody does.
    #[inline]
    pub(super) fn set_awaiter(&self, who: usize) {
        self.ext.set_awaiter(who);
    }

    /// Frees the extension with the cell.
    #[inline]
    pub(super) fn free_ext(&self) {
        self.ext.free();
    }

    /// Takes what the cancels have said, and gives what the first one did; without scopes.
    pub(super) fn take_request(&self) -> Option<Cancelled> {
        self.ext.take_place().or_else(|| self.ext()?.requests.take_first())
    }
}

impl Extension for TaskExt {
    #[inline]
    fn requests(&self) -> &Requests {
        &self.requests
    }

    fn awaited_by(&self) -> &AtomicUsize {
        &self.awaited_by
    }
}

impl TaskExt {
    /// That of a task that is not spawned yet; without a context it gets a copy of the caller's.
    pub(crate) fn for_birth(name: Option<Arc<str>>, context: Option<Context>) -> Box<Self> {
        let context = ContextCell::new(context.or_else(contextvars::inherited));
        let name = GivenName(Slot::new(name));
        Box::new(Self { context, name, ..Self::default() })
    }

    /// That of a task which its spawner gave nothing: none, unless the spawner has a context.
    #[inline]
    pub(super) fn inherited() -> Option<Box<Self>> {
        contextvars::inherited().map(|context| Self::for_birth(None, Some(context)))
    }

    /// Gives the task a name.
    pub(crate) fn set_name(&self, name: Arc<str>) {
        self.name.0.update(|_| name.clone());
    }

    pub(crate) fn name(&self) -> Option<Arc<str>> {
        self.name.0.read(|name| name.cloned())
    }

    pub(super) fn add_silent(&self) {
        // Ordering: Relaxed; whoever compares it looks at the state word before and after.
        self.silent.fetch_add(1, Relaxed);
    }

    pub(super) fn sub_silent(&self) {
        // Ordering: Relaxed; as above.
        self.silent.fetch_sub(1, Relaxed);
    }

    pub(super) fn silent(&self) -> u64 {
        // Ordering: Relaxed; as above.
        self.silent.load(Relaxed).into()
    }

    /// One poll more; the runner's to call.
    pub(crate) fn count_poll(&self) {
        // Ordering: Relaxed; one writer at a time, and readers want a number only.
        self.polls.store(self.polls.load(Relaxed) + 1, Relaxed);
    }

    /// Polls that were counted.
    pub(crate) fn polls(&self) -> u64 {
        // Ordering: Relaxed; as above.
        self.polls.load(Relaxed)
    }

    /// The cancellation scopes of the task.
    ///
    /// # Safety
    ///
    /// The caller runs the task (holds RUNNING).
    #[inline]
    pub(crate) unsafe fn scopes(&self) -> &Tree {
        &self.scopes.0
    }
}

impl TaskPtr {
    /// The given name, else the default one.
    pub(crate) fn name(self) -> TaskName {
        match self.header().ext().and_then(TaskExt::name) {
            Some(name) => TaskName::from(name),
            None => {
                // SAFETY: the caller keeps the cell alive.
                let id = unsafe { TaskId::of(self) }.parts();
                TaskName::Default { body: self.type_name(), id, made: OnceLock::new() }
            }
        }
    }

    /// The error of a body that panicked.
    pub(crate) fn panicked(self, payload: Box<dyn std::any::Any + Send>) -> TaskError {
        TaskError::new_panicked(payload, self.name(), self.header().spawned_at)
    }

    /// The error of a body that was cancelled or aborted. Who goes on with its request in another
    /// task does so by hand: that one has not counted it, and has scopes of its own.
    pub(crate) fn cancelled(self, said: Cancelled) -> TaskError {
        TaskError::new_cancelled(said.with_origin(BY_HAND), self.name(), self.header().spawned_at)
    }
}

//! Untyped handles and identities of tasks.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

use corio_sync::place::Place;
use corio_sync::shim::Ordering::Relaxed;

use super::raw::TaskPtr;
use super::scope;
use super::slab;
use super::state::Woken;
use crate::error::{self, default_name};

/// Cancels of a task that goes on, after which who awaits it passes no more on.
const PATIENCE: u32 = 64;

/// A number that names one task of a runtime for ever: no other task gets it, before or after.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    slot: u64,
    generation: u32,
}

#[cfg(test)]
impl TaskId {
    /// A number for tests.
    pub(crate) fn of_test(slot: u64) -> Self {
        Self { slot, generation: 0 }
    }
}

impl TaskId {
    /// # Safety
    ///
    /// The cell is alive.
    pub(super) unsafe fn of(task: TaskPtr) -> Self {
        // SAFETY: passed on.
        let id = unsafe { slab::id_of(task.cell()) };
        Self {
            slot: u64::from(id.arena) << 40 | u64::from(id.page) << 12 | u64::from(id.slot),
            generation: id.generation,
        }
    }

    pub(super) fn parts(self) -> error::Id {
        (self.slot, self.generation)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{}", self.slot, self.generation)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({self})")
    }
}

/// One line of a task's stack: what it does and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// What is waited for, or `"spawned"`.
    pub what: &'static str,
    /// The line that waits or spawned.
    pub at: &'static Location<'static>,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.what, self.at)
    }
}

/// What a task is doing, as [`TaskRef::status`] saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskStatus {
    /// It waits; where, if its innermost future said so.
    Waiting(Option<Frame>),
    /// It lies in a run queue.
    Scheduled,
    /// A worker is inside it.
    Running,
    /// It has ended.
    Done,
}

/// An untyped handle to a task: names it, watches it, stops it. It keeps the task's memory, not
/// its body.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let task = corio::create_task(std::future::pending::<()>());
/// let watcher = task.task_ref();
/// assert!(watcher.cancel());
/// assert!(task.await.unwrap_err().is_cancelled());
/// assert!(watcher.done());
/// # });
/// ```
#[doc(alias = "AbortHandle")]
pub struct TaskRef(TaskPtr);

impl TaskRef {
    /// # Safety
    ///
    /// One reference of the cell passes to the handle.
    pub(crate) unsafe fn from_ptr(ptr: TaskPtr) -> Self {
        Self(ptr)
    }

    /// A new reference to a task that the caller keeps alive.
    pub(crate) fn new(ptr: TaskPtr) -> Self {
        ptr.header().state.ref_inc();
        Self(ptr)
    }

    pub(crate) fn ptr(&self) -> TaskPtr {
        self.0
    }

    /// True once the task has ended, in whatever way.
    #[doc(alias = "is_finished")]
    #[must_use]
    pub fn done(&self) -> bool {
        self.0.header().state.load().is_done()
    }

    /// True if the task has ended because it was cancelled or aborted.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let task = corio::create_task(std::future::pending::<()>());
    /// let (said, hears) = std::sync::mpsc::channel();
    /// task.add_done_callback(move |task| said.send(task.cancelled()).unwrap());
    /// task.cancel();
    /// assert!(task.await.is_err());
    /// assert_eq!(corio::to_thread(move || hears.recv()).await.unwrap(), Ok(true));
    /// # });
    /// ```
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.0.header().state.load().has_ended_cancelled()
    }

    /// Asks the task to stop. `false` if it has ended already; otherwise the request is counted
    /// and delivered at the task's next run: to the innermost scopes that it waits in
    /// ([`catch_cancel`](crate::catch_cancel) and its kin), or, if it has none, by dropping its
    /// body; then it ends cancelled. Requests that come before the first of them is delivered are
    /// delivered as one, with the first one's message. asyncio: `Task.cancel`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let task = corio::create_task(std::future::pending::<()>());
    /// assert!(task.cancel());
    /// assert!(task.await.unwrap_err().is_cancelled());
    /// # });
    /// ```
    #[track_caller]
    pub fn cancel(&self) -> bool {
        self.request(None, Location::caller())
    }

    /// As [`TaskRef::cancel`], with a message for the error.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let task = corio::create_task(std::future::pending::<()>());
    /// task.cancel_with("too slow");
    /// let error = task.await.unwrap_err();
    /// assert_eq!(error.cancelled().unwrap().msg(), Some("too slow"));
    /// # });
    /// ```
    #[track_caller]
    pub fn cancel_with(&self, msg: impl Into<Arc<str>>) -> bool {
        self.request(Some(msg.into()), Location::caller())
    }

    pub(crate) fn request(&self, msg: Option<Arc<str>>, at: &'static Location<'static>) -> bool {
        let header = self.0.header();
        if header.state.load().is_done() {
            return false;
        }
        let woken = header.state.join_cancel().or_else(|| {
            header.push_request(msg, at);
            header.state.request_cancel()
        });
        match woken {
            None => false,
            Some(Woken::Enqueue) => {
                self.0.schedule(self.0.header().state.load_relaxed());
                true
            }
            Some(_) => true,
        }
    }

    /// True if it was asked so often, and goes on, that who awaits it and is asked itself does not wait
    /// for its end any more. Tasks that await each other in a circle hand one cancel round until then.
    pub(crate) fn was_asked_in_vain(&self) -> bool {
        self.cancelling() >= PATIENCE && !self.done()
    }

    /// A cancel that was taken in the task, and was carried off, is delivered again.
    #[cold]
    pub(crate) fn return_cancel(&self) {
        let state = &self.0.header().state;
        if state.return_from_elsewhere() {
            if let (Woken::Enqueue, seen) = state.wake_seeing() {
                self.0.schedule(seen);
            }
        }
    }

    /// Has `waker` woken when the task has ended; `false` if it has already. Each call takes a place
    /// that only the end gives back.
    #[cold]
    pub(crate) fn wake_at_end(&self, waker: &Waker) -> bool {
        let header = self.0.header();
        let observers = &header.ext_or_make().observers;
        let place = observers.add_wait();
        place.register(waker);
        if header.state.observe() {
            observers.vacate(place);
            return false;
        }
        true
    }

    /// How many cancels were requested and not taken back; at most 4095.
    ///
    /// See [`uncancel`](Self::uncancel) for an example.
    #[must_use]
    pub fn cancelling(&self) -> u32 {
        self.0.header().state.load().cancelling()
    }

    /// Takes one cancel back and returns how many are left. With the last one a cancel that was
    /// not delivered yet is forgotten.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let stubborn = corio::task().eager(true).spawn(async {
    ///     let caught = corio::catch_cancel(std::future::pending::<()>()).await;
    ///     let me = corio::current_task().unwrap();
    ///     (caught.is_err(), me.cancelling(), me.uncancel())
    /// });
    /// stubborn.cancel();
    /// assert_eq!(stubborn.await.unwrap(), (true, 1, 0));
    /// # });
    /// ```
    pub fn uncancel(&self) -> u32 {
        let header = self.0.header();
        let left = header.state.uncancel();
        scope::see_retracted(self.0);
        if left == 0 {
            // What was taken back has nothing to say any more. The message of a cancel that comes at
            // this very moment may go with it; the cancel itself does not.
            drop(header.take_request());
        }
        left
    }

    /// Drops the task's body as soon as no poll is inside it; nothing in the body can refuse.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let stubborn = corio::create_task(async {
    ///     loop {
    ///         let _ = corio::catch_cancel(std::future::pending::<()>()).await;
    ///     }
    /// });
    /// stubborn.abort();
    /// assert!(stubborn.await.unwrap_err().is_cancelled());
    /// # });
    /// ```
    #[track_caller]
    pub fn abort(&self) {
        let header = self.0.header();
        if header.state.load().is_done() {
            return;
        }
        header.push_request(None, Location::caller());
        if header.state.request_abort() == Woken::Enqueue {
            self.0.schedule(self.0.header().state.load_relaxed());
        }
    }

    /// The task's name: the one it was given, else `Task-` with its [`id`](Self::id), and the type of
    /// its body.
    ///
    /// asyncio: `Task.get_name`; there the default is `Task-` with a counter.
    ///
    /// See [`set_name`](Self::set_name) for an example.
    #[doc(alias = "get_name")]
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        match self.0.header().ext().and_then(|ext| ext.name()) {
            Some(name) => name.clone(),
            None => default_name(self.id().parts(), self.0.type_name()).into(),
        }
    }

    /// The task's name, if it was given one; else the type of its body, which others may share.
    pub(crate) fn name_or_type(&self) -> Result<Arc<str>, &'static str> {
        self.0.header().ext().and_then(|ext| ext.name()).ok_or_else(|| self.0.type_name())
    }

    /// Gives the task a name for dumps and errors.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let task = corio::current_task().unwrap();
    /// task.set_name("request 7");
    /// assert_eq!(&*task.name(), "request 7");
    /// # });
    /// ```
    pub fn set_name(&self, name: impl Into<Arc<str>>) {
        self.0.header().ext_or_make().set_name(name.into());
    }

    /// A number that no other task of this runtime ever has.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let task = corio::create_task(async { corio::current_task().unwrap().id() });
    /// let id = task.id();
    /// assert_eq!(task.await.unwrap(), id);
    /// # });
    /// ```
    #[must_use]
    pub fn id(&self) -> TaskId {
        // SAFETY: the reference keeps the cell.
        unsafe { TaskId::of(self.0) }
    }

    /// The line that spawned the task.
    ///
    /// See [`status`](Self::status) for an example.
    #[must_use]
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.0.header().spawned_at
    }

    /// Bytes of the task's future.
    ///
    /// See [`status`](Self::status) for an example.
    #[must_use]
    pub fn future_size(&self) -> usize {
        self.0.future_size()
    }

    /// What the task is doing at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use corio::TaskStatus;
    ///
    /// # corio::run(async {
    /// let minute = std::time::Duration::from_secs(60);
    /// let task = corio::create_task(corio::time::sleep(minute)).task_ref();
    /// assert!(task.future_size() > 0 && task.get_loop().is_running());
    /// while !matches!(task.status(), TaskStatus::Waiting(_)) {
    ///     corio::time::yield_now().await;
    /// }
    /// let stack = task.stack(None);
    /// assert_eq!((stack[0].what, stack[1].at), ("sleep", task.spawned_at()));
    /// let mut page = Vec::new();
    /// task.print_stack(None, Some(&mut page)).unwrap();
    /// assert!(page.starts_with(b"Stack for "));
    /// # });
    /// ```
    #[must_use]
    pub fn status(&self) -> TaskStatus {
        let header = self.0.header();
        let state = header.state.load();
        if state.is_done() {
            TaskStatus::Done
        } else if state.is_running() {
            TaskStatus::Running
        } else if state.is_scheduled() {
            TaskStatus::Scheduled
        } else {
            // Ordering: Relaxed; the word tells by its low bit what it is, and a place points
            // at a static.
            let word = header.link.load(Relaxed);
            // SAFETY: an odd word in `link` is only ever stored by `TaskPtr::run`.
            let place = unsafe { Place::from_word(word) };
            TaskStatus::Waiting(place.map(|p| Frame { what: p.kind().name(), at: p.at() }))
        }
    }

    /// Marks the wait that the task is in; whether it was marked before. `None`: it is in no wait that
    /// says where it is.
    ///
    /// The mark goes with the wait, since the next one stores its own place. So whoever finds its mark
    /// knows that the task has not run meanwhile, and the task pays nothing for that. There is one mark:
    /// it belongs to the thread of the debug socket.
    pub(crate) fn mark_wait(&self) -> Option<bool> {
        let TaskStatus::Waiting(Some(_)) = self.status() else { return None };
        let link = &self.0.header().link;
        // Ordering: Relaxed, both; the word alone is compared, and a place points at a static. A waker
        // that uses the word as a queue link meanwhile stores an even one, so the exchange fails.
        let word = link.load(Relaxed);
        if word & 1 == 0 {
            return None;
        }
        if word & Place::MARK != 0 {
            return Some(true);
        }
        link.compare_exchange(word, word | Place::MARK, Relaxed, Relaxed).ok().map(|_| false)
    }

    /// Where the task waits, then where it was spawned; nothing once it has ended. At most `limit`
    /// lines, innermost first.
    ///
    /// A frame is a line that a wait has noted, and no frame of a thread's stack: a task that waits has
    /// none. Of futures inside each other (a lock inside an async function inside `timeout` inside a scope)
    /// one frame is known, that of the one of corio's that was polled last: a composition that notes its
    /// own place, or the innermost wait. The async functions around it leave no trace at run time. What a
    /// task that is awaited waits for is in [`print_stack`](Self::print_stack) and
    /// [`CallGraph::awaits`](crate::debug::CallGraph::awaits).
    ///
    /// asyncio: `Task.get_stack`, outermost first; of a task that waits it knows one frame, of one
    /// that has failed those of the exception, which here the panic's message names.
    ///
    /// See [`status`](Self::status) for an example.
    #[doc(alias = "get_stack")]
    #[must_use]
    pub fn stack(&self, limit: Option<usize>) -> Vec<Frame> {
        let waits = match self.status() {
            TaskStatus::Waiting(frame) => frame,
            TaskStatus::Done => return Vec::new(),
            TaskStatus::Scheduled | TaskStatus::Running => None,
        };
        let spawned = Frame { what: "spawned", at: self.spawned_at() };
        let frames = waits.into_iter().chain([spawned]);
        frames.take(limit.unwrap_or(usize::MAX)).collect()
    }
}

impl Clone for TaskRef {
    fn clone(&self) -> Self {
        Self::new(self.0)
    }
}

impl Drop for TaskRef {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl PartialEq for TaskRef {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for TaskRef {}

impl std::hash::Hash for TaskRef {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.as_raw().hash(state);
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Task {} name='{}' ", self.id(), self.name())?;
        if self.cancelling() > 0 && !self.done() {
            f.write_str("cancelling, ")?;
        }
        match self.status() {
            TaskStatus::Done if self.cancelled() => f.write_str("cancelled")?,
            TaskStatus::Done => f.write_str("finished")?,
            TaskStatus::Running => f.write_str("running")?,
            TaskStatus::Scheduled => f.write_str("scheduled")?,
            TaskStatus::Waiting(Some(frame)) => write!(f, "waiting for {frame}")?,
            TaskStatus::Waiting(None) => f.write_str("waiting")?,
        }
        write!(f, " spawned at {}>", self.spawned_at())
    }
}

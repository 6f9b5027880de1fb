//! The typed handle of a task and the futures that wait for it.
//!
//! A handle is unique and owns the output from DONE on: it may lend it, move it out, or drop it.
//! Waiting through `&mut` or by value uses the one join slot of the header; waiting through `&`
//! uses an observer in the extension, because there may be many.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use corio_sync::place::{self, WaitKind};

use super::callback::CallbackId;
use super::cancel_on_drop::CancelOnDrop;
use super::inside;
use super::raw::TaskPtr;
use super::registry::{Frame, TaskId, TaskRef};
use super::scope::Waits;
use super::state::{Detached, Join, Snapshot};
use crate::error::{ResultError, TaskError};

/// A handle to a task: what `create_task` returns.
///
/// Awaiting it by value or through `&mut` gives `Result<T, TaskError>`; awaiting `&task` gives
/// `Result<&T, &TaskError>` and may be done by any number of tasks at once.
///
/// A cancel that is delivered to a task while it awaits another one by value or through `&mut` is
/// passed on: the other one is cancelled, its end is awaited, and if it ends cancelled the cancel
/// goes on in the waiting task. If it returns a value all the same, the cancel is answered by that
/// value. A task that was cancelled by somebody else is a plain `Err(TaskError)`. Awaiting `&task`
/// only observes: a cancel ends the wait and leaves the other task alone.
///
/// A task that awaits its own handle panics, at once. asyncio: `RuntimeError`, "Task cannot await on
/// itself".
///
/// Dropping the handle detaches the task: it runs on, and its output is dropped when it ends.
/// asyncio: `Task`; there the loop holds only a weak reference and a forgotten task may vanish,
/// here a detached task always runs to its end.
///
/// A panic that nobody has seen when the output is dropped, by an await, [`Task::result`],
/// [`Task::exception`] or a late [`Task::cancel`], is told to the runtime's exception handler: "task
/// exception was never retrieved".
///
/// # Examples
///
/// ```
/// # fn main() {
/// corio_runtime::run(async {
///     let task = corio_runtime::create_task(async { 6 * 7 });
///     assert_eq!(task.await.unwrap(), 42);
///
///     let task = corio_runtime::task().name("answer").spawn(async { 42 });
///     assert_eq!((&task).await.unwrap(), &42);
///     assert!(task.done() && !task.cancelled() && task.exception().unwrap().is_none());
///     assert_eq!((task.result().unwrap(), &*task.name()), (&42, "answer"));
///     assert_eq!(task.id(), task.task_ref().id());
/// });
/// # }
/// ```
#[doc(alias = "JoinHandle")]
#[must_use = "a task that nobody awaits runs detached; drop it with `drop(task)` to say so"]
pub struct Task<T> {
    ptr: TaskPtr,
    /// That of the task that waits for this one by value or through `&mut`.
    waits: Waits,
    output: PhantomData<T>,
}

// SAFETY: the handle gives access to a `T` and may drop one; the rest of the cell is shared by
// atomics only.
unsafe impl<T: Send> Send for Task<T> {}
// SAFETY: a shared handle lends `&T`.
unsafe impl<T: Send + Sync> Sync for Task<T> {}

impl<T> Unpin for Task<T> {}

impl<T> Task<T> {
    /// # Safety
    ///
    /// `ptr` is a cell whose body gives `T`, and its JOIN_INTEREST reference passes to the handle.
    pub(crate) unsafe fn from_ptr(ptr: TaskPtr) -> Self {
        Self { ptr, waits: Waits::new(), output: PhantomData }
    }

    pub(crate) fn ptr(&self) -> TaskPtr {
        self.ptr
    }

    /// True once the task has ended, in whatever way.
    #[doc(alias = "is_finished")]
    #[inline]
    #[must_use]
    pub fn done(&self) -> bool {
        self.ptr.header().state.load().is_done()
    }

    /// True if the task has ended because it was cancelled or aborted; also after `&mut task` was
    /// awaited and has given that away.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.as_ref().cancelled()
    }

    /// Asks the task to stop; see [`TaskRef::cancel`]. If the task has panicked already, nobody is
    /// told any more that its panic was never retrieved.
    #[track_caller]
    pub fn cancel(&self) -> bool {
        self.as_ref().cancel() || self.end_was_seen()
    }

    /// Asks the task to stop and says why; see [`TaskRef::cancel_with`].
    #[track_caller]
    pub fn cancel_with(&self, msg: impl Into<Arc<str>>) -> bool {
        self.as_ref().cancel_with(msg) || self.end_was_seen()
    }

    /// A cancel that came too late has seen how the task ended. `false`, for its caller.
    fn end_was_seen(&self) -> bool {
        self.seen_outcome();
        false
    }

    /// How many cancels were requested and not taken back; see [`TaskRef::cancelling`].
    #[must_use]
    pub fn cancelling(&self) -> u32 {
        self.as_ref().cancelling()
    }

    /// Takes one cancel back; see [`TaskRef::uncancel`].
    pub fn uncancel(&self) -> u32 {
        self.as_ref().uncancel()
    }

    /// Drops the task's body as soon as possible; see [`TaskRef::abort`].
    #[track_caller]
    pub fn abort(&self) {
        self.as_ref().abort();
    }

    /// Turns the handle into one that cancels the task when it is dropped.
    /// See [`CancelOnDrop`] for an example.
    ///
    /// # Cancel safety
    ///
    /// Lossy: a drop at any time cancels the task.
    #[must_use = "dropping it at once cancels the task"]
    pub fn cancel_on_drop(self) -> CancelOnDrop<T> {
        CancelOnDrop(Some(self))
    }

    /// The value of an ended task, lent.
    ///
    /// # Errors
    ///
    /// [`ResultError::NotReady`] before the end (asyncio: `InvalidStateError`) and after the value
    /// was taken through `&mut`; [`ResultError::Cancelled`] and [`ResultError::Panicked`] if there
    /// is none.
    pub fn result(&self) -> Result<&T, ResultError> {
        match self.seen_outcome() {
            None => Err(ResultError::NotReady),
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(ResultError::from(error)),
        }
    }

    /// The error of an ended task; `None` if it ended well.
    ///
    /// # Errors
    ///
    /// As [`Task::result`], except that a panic is the answer and no error.
    pub fn exception(&self) -> Result<Option<&TaskError>, ResultError> {
        match self.seen_outcome() {
            None => Err(ResultError::NotReady),
            Some(Ok(_)) => Ok(None),
            Some(Err(error)) if error.is_cancelled() => Err(ResultError::from(error)),
            Some(Err(error)) => Ok(Some(error)),
        }
    }

    /// The task's name: the one it was given, else `Task-` with its id, and the type of its body.
    #[doc(alias = "get_name")]
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        self.as_ref().name()
    }

    /// Gives the task a name for dumps and errors.
    /// See [`TaskRef::set_name`].
    pub fn set_name(&self, name: impl Into<Arc<str>>) {
        self.as_ref().set_name(name);
    }

    /// A number that no other task of this runtime ever has.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.as_ref().id()
    }

    /// Where the task waits; see [`TaskRef::stack`].
    #[doc(alias = "get_stack")]
    #[must_use]
    pub fn stack(&self, limit: Option<usize>) -> Vec<Frame> {
        self.as_ref().stack(limit)
    }

    /// Prints where the task waits, and the await chain; `None` prints to standard error.
    /// See [`TaskRef::print_stack`] for an example.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn print_stack(&self, limit: Option<usize>, out: Option<&mut dyn Write>) -> io::Result<()> {
        self.as_ref().print_stack(limit, out)
    }

    /// The context that the task runs in; see [`TaskRef::get_context`].
    #[must_use]
    pub fn get_context(&self) -> super::contextvars::Context {
        self.as_ref().get_context()
    }

    /// Has `f` called when the task has ended; see [`TaskRef::add_done_callback`].
    #[track_caller]
    pub fn add_done_callback(&self, f: impl FnOnce(&TaskRef) + Send + 'static) -> CallbackId {
        self.as_ref().add_done_callback(f)
    }

    /// Drops a callback that was added before; see [`TaskRef::remove_done_callback`].
    pub fn remove_done_callback(&self, id: CallbackId) -> bool {
        self.as_ref().remove_done_callback(id)
    }

    /// An untyped handle, for sets and callbacks.
    #[doc(alias = "abort_handle")]
    #[must_use]
    pub fn task_ref(&self) -> TaskRef {
        (*self.as_ref()).clone()
    }

    /// The untyped handle that this one contains, without a reference of its own.
    pub(crate) fn as_ref(&self) -> ManuallyDrop<TaskRef> {
        // SAFETY: the handle's reference outlives the borrow, and `ManuallyDrop` gives none back.
        ManuallyDrop::new(unsafe { TaskRef::from_ptr(self.ptr) })
    }

    /// The output, if the task is done and it was not taken.
    pub(crate) fn outcome(&self) -> Option<&Result<T, TaskError>> {
        let state = self.ptr.header().state.load();
        (state.is_done() && !state.is_taken()).then(|| {
            // SAFETY: the handle keeps the cell.
            let output = unsafe { self.ptr.output() };
            // SAFETY: the output is a `Result<T, TaskError>`, is there, and is the handle's.
            unsafe { &*output.cast::<Result<T, TaskError>>() }
        })
    }

    /// As [`outcome`](Self::outcome), for a user's eyes: a panic is not told as unseen any more.
    pub(super) fn seen_outcome(&self) -> Option<&Result<T, TaskError>> {
        let outcome = self.outcome();
        if let Some(Err(error)) = outcome {
            error.mark_retrieved();
        }
        outcome
    }

    /// Moves the output of a done task out.
    #[inline]
    #[track_caller]
    pub(crate) fn take_output(&mut self) -> Result<T, TaskError> {
        let state = &self.ptr.header().state;
        if !state.take() {
            self.ptr.was_given();
        }
        // SAFETY: the handle keeps the cell.
        let output = unsafe { self.ptr.output() };
        // SAFETY: the output is a `Result<T, TaskError>`, was not taken before, and is the
        // handle's; nobody looks at it after TAKEN.
        unsafe { output.cast::<Result<T, TaskError>>().read() }
    }

    /// Waits for the end. A cancel of the waiting task is passed on and the end awaited; then it
    /// goes on in the waiting task.
    #[inline]
    pub(super) fn poll_join(
        &mut self,
        cx: &mut Context<'_>,
        at: &'static Location<'static>,
    ) -> Poll<Result<T, TaskError>> {
        if self.waits.is_addressed() && self.pass_cancel_on(cx) {
            return Poll::Pending;
        }
        if self.poll_done(cx, at).is_pending() {
            self.waits.suspend(cx);
            return Poll::Pending;
        }
        // It may have ended since a request was passed on, in this very poll.
        if self.waits.is_node() && self.sends_cancel_on() {
            return Poll::Pending;
        }
        self.waits.release();
        Poll::Ready(self.take_output())
    }

    /// A wait that a request has reached. True if it must go on waiting, whatever the task does.
    #[cold]
    fn pass_cancel_on(&mut self, cx: &Context<'_>) -> bool {
        if self.waits.is_raising() {
            return true;
        }
        if let Some(request) = self.waits.take(cx) {
            let at = request.requested_at().unwrap_or(self.ptr.header().spawned_at);
            let child = self.as_ref();
            let pass_on = || child.request(request.shared_msg(), at);
            if child.was_asked_in_vain() || !inside::passing(pass_on) {
                // It has ended, or is not waited for any more; and the cancel beats the value.
                self.waits.raise(request);
                return true;
            }
            self.waits.keep(request);
        }
        self.sends_cancel_on()
    }

    /// What the task was asked to do for the waiting one's sake goes on there, once it has done so:
    /// true, and the wait must go on. Its value, if it gave one all the same, answers the request.
    #[cold]
    fn sends_cancel_on(&mut self) -> bool {
        let Some(request) = self.waits.kept() else { return false };
        let ended = self.outcome().and_then(|outcome| outcome.as_ref().err()?.cancelled().cloned());
        let Some(said) = ended else { return false };
        self.waits.raise(said.with_origin(request.origin()));
        true
    }

    /// Waits through the join slot, and passes no cancel on.
    #[inline]
    pub(crate) fn poll_slot(
        &mut self,
        cx: &mut Context<'_>,
        at: &'static Location<'static>,
    ) -> Poll<Result<T, TaskError>> {
        ready!(self.poll_done(cx, at));
        Poll::Ready(self.take_output())
    }

    /// Waits through the join slot for the end, and leaves the output where it is.
    #[inline]
    pub(crate) fn poll_done(
        &mut self,
        cx: &mut Context<'_>,
        at: &'static Location<'static>,
    ) -> Poll<()> {
        let header = self.ptr.header();
        let seen = header.state.load();
        if seen.is_done() {
            return Poll::Ready(());
        }
        if seen.has_join_waker() {
            return self.poll_done_again(cx, at);
        }
        self.fill_slot(seen, cx, at)
    }

    /// A poll of a wait whose waker is in the slot: the polls before and after it need fewer registers.
    #[inline(never)]
    fn poll_done_again(
        &mut self,
        cx: &mut Context<'_>,
        at: &'static Location<'static>,
    ) -> Poll<()> {
        let header = self.ptr.header();
        // SAFETY: the slot was filled by this handle, the only one that ever writes it.
        if unsafe { header.join_waker_is(cx.waker()) } {
            place::note(WaitKind::Join, at);
            return Poll::Pending;
        }
        if !header.state.withdraw_join_waker() {
            return Poll::Ready(());
        }
        // SAFETY: the slot was withdrawn and is full.
        drop(unsafe { header.take_join_waker() });
        self.fill_slot(header.state.load(), cx, at)
    }

    /// Leaves the waker in the slot, which is empty; `seen` is what the state was.
    #[inline]
    fn fill_slot(
        &mut self,
        seen: Snapshot,
        cx: &mut Context<'_>,
        at: &'static Location<'static>,
    ) -> Poll<()> {
        let header = self.ptr.header();
        self.ptr.refuse_itself(cx.waker(), at);
        if seen.is_observed() {
            self.ptr.note_join();
        }
        // A clone runs foreign code and may panic: nothing is half-done here.
        let waker = cx.waker().clone();
        // SAFETY: the slot is the handle's while JOIN_WAKER is clear, and empty.
        unsafe { header.put_join_waker(waker) };
        match header.state.publish_join_waker() {
            Join::Waiting => {
                place::note(WaitKind::Join, at);
                Poll::Pending
            }
            Join::Done => {
                // SAFETY: the completer did not see the waker, so the slot is still the handle's.
                drop(unsafe { header.take_join_waker() });
                Poll::Ready(())
            }
        }
    }
}

impl TaskPtr {
    /// The typed handle goes with the output, or before there is one. The output was not taken.
    #[inline]
    pub(super) fn drop_handle(self) {
        match self.header().state.detach() {
            Detached::Kept => {}
            Detached::Release => self.release(),
            Detached::OwnsOutput => {
                // SAFETY: the task is done, and its output is the handle's and not taken.
                unsafe { self.drop_output() };
                self.release();
            }
        }
    }

    /// Refuses a wait of the task for its own end, which would never come. A waker of somebody
    /// between, as some combinators have, hides who waits.
    #[inline]
    pub(crate) fn refuse_itself(self, waiting: &Waker, at: &'static Location<'static>) {
        if waiting.data() == self.as_raw() {
            self.awaits_itself(at);
        }
    }

    /// Refuses to give the result a second time.
    #[cold]
    #[track_caller]
    fn was_given(self) -> ! {
        let name = self.name();
        panic!("task '{name}' was awaited again after it gave its result; keep the result instead");
    }

    #[cold]
    fn awaits_itself(self, at: &'static Location<'static>) -> ! {
        let name = self.name();
        panic!("task '{name}' cannot await itself at {at}: it would wait for ever");
    }
}

impl<T> Drop for Task<T> {
    #[inline]
    fn drop(&mut self) {
        if self.ptr.header().state.load_relaxed().is_taken() {
            self.ptr.release();
        } else {
            self.ptr.drop_handle();
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.as_ref(), f)
    }
}

impl<T> IntoFuture for Task<T> {
    type Output = Result<T, TaskError>;
    type IntoFuture = TaskJoin<T>;

    #[track_caller]
    fn into_future(self) -> TaskJoin<T> {
        TaskJoin { task: self, at: Location::caller() }
    }
}

/// The wait for a task's result; made by awaiting a [`Task`].
///
/// # Panics
///
/// In a task that awaits its own handle: asyncio's "cannot await on itself".
///
/// # Cancel safety
///
/// Lossy: dropping it detaches the task. Await `&mut task` to wait again later.
#[must_use = "futures do nothing unless you `.await` or poll them"]
#[derive(Debug)]
pub struct TaskJoin<T> {
    task: Task<T>,
    at: &'static Location<'static>,
}

impl<T> Future for TaskJoin<T> {
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.task.poll_join(cx, this.at)
    }
}

/// `&mut task` is for loops that wait for several things: it may be awaited again after a wait
/// that was dropped.
///
/// # Panics
///
/// When it is polled after it gave its result.
impl<T> Future for &mut Task<T> {
    type Output = Result<T, TaskError>;

    // Nobody has made this future, so its place is where it is polled: that of the `.await`.
    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().poll_join(cx, Location::caller())
    }
}

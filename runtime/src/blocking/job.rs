//! A job: a closure on its way to a thread, and the future of its outcome, in one allocation.
//!
//! Vocabulary and protocol are those of [`job_state`](super::job_state): the runner's side is a
//! [`QueuedJob`], the handle is a [`Job`]. Both point to one cell, which holds the closure first and
//! the outcome later in the same place. The cell is erased to its [`Header`]; what depends on the
//! closure's type goes through its [`JobKind`], a table of functions.
//!
//! User code that runs on a worker (the closure, a waker, the drop of an unwanted outcome) may
//! panic: the closure's panic is its outcome, all others end there, so a worker never dies of them.
//!
//! Rejected: a channel per job (a second allocation, and a waker slot with a protocol of its own).
use std::any::{Any, type_name};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, ready};

use corio_sync::coop;
use corio_sync::place::{self, WaitKind};
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::waker_slot::WakerSlot;

use super::job_state::{JobState, Outcome};
use crate::error::{Cancelled, TaskError};
pub(super) use crate::quiet::quietly;

/// A closure that runs on a thread of an executor; awaiting it gives what the closure returns.
///
/// The closure has been queued when this exists, awaited or not. A `Job` that is dropped before its
/// first poll is *detached*: the closure runs, its outcome is dropped. One that is dropped while it
/// is awaited is *cancelled*: the closure does not run if it has not started, otherwise it runs on.
///
/// asyncio: the future of `loop.run_in_executor`, with the same two cases.
///
/// # Errors
///
/// [`TaskError`]: cancelled, if the closure never started (by [`cancel`](Self::cancel), or because
/// its executor was shut down or could not start a thread); panicked, if the closure did.
///
/// # Panics
///
/// If polled after it has given its output.
///
/// # Cancel safety
///
/// Lossy: dropped while awaited, a closure that has started runs on and its value is lost. Await
/// `&mut job` to keep it.
#[doc(alias = "JoinHandle")]
#[must_use = "the closure runs anyway, but its outcome, also its panic, is lost unless awaited"]
pub struct Job<R> {
    cell: CellRef,
    awaited: bool,
    taken: bool,
    outcome: PhantomData<fn() -> R>,
}

/// The runner's side of a job. Dropping it refuses the job: its handle gets an error.
pub(super) struct QueuedJob {
    /// Always there, but inside of [`run`](QueuedJob::run).
    cell: Option<CellRef>,
}

/// What a report says of a job: plain references for ever.
#[derive(Clone, Copy)]
pub(super) struct JobOrigin {
    pub(super) kind: &'static JobKind,
    pub(super) spawned_at: &'static Location<'static>,
}

/// One of the two references to a cell.
struct CellRef(NonNull<Header>);

/// The part of a cell that does not depend on the closure.
///
/// # Safety
///
/// A `CellRef` points to the header of a `Cell<F, R>`, and `kind` is that of the same `F` and `R`.
/// The cell lives until both its references are released. Who may touch `stage` is told by `state`.
struct Header {
    state: JobState,
    kind: &'static JobKind,
    waker: WakerSlot,
    spawned_at: &'static Location<'static>,
}

#[repr(C)]
struct Cell<F, R> {
    header: Header,
    stage: UnsafeCell<Stage<F, R>>,
}

/// Both begin where it does.
#[repr(C)]
union Stage<F, R> {
    work: ManuallyDrop<F>,
    outcome: ManuallyDrop<Result<R, TaskError>>,
}

/// What depends on the closure. All but `type_name` take a pointer to the header of their kind of cell.
pub(super) struct JobKind {
    /// Runs the closure and settles. The caller has claimed it.
    run: unsafe fn(NonNull<Header>),
    /// Settles with an error, then drops the closure. The caller has claimed it.
    refuse: unsafe fn(NonNull<Header>, Cancelled),
    /// Drops the closure; there will be no outcome. The caller has claimed it, and abandoned before.
    discard: unsafe fn(NonNull<Header>),
    /// Moves the outcome to where the second pointer points. The caller owns the outcome.
    take: unsafe fn(NonNull<Header>, NonNull<()>),
    /// Drops the outcome. The caller owns it.
    drop_outcome: unsafe fn(NonNull<Header>),
    /// Frees the cell. The caller has released the last reference.
    free: unsafe fn(NonNull<Header>),
    type_name: fn() -> &'static str,
}

// SAFETY: the handle gives out an `R` on the thread that polls it, hence the bound; everything else
// that it reaches is the cell's state word, waker slot and constants, which any thread may use. A
// closure that it drops, on cancel, is `Send`.
unsafe impl<R: Send> Send for Job<R> {}
// SAFETY: by shared reference a handle only reads the state, claims and wakes.
unsafe impl<R: Send> Sync for Job<R> {}
// SAFETY: the closure and what it returns are `Send`, as `queue` demands.
unsafe impl Send for QueuedJob {}

/// A job for `work`, made at `spawned_at`: the part that is queued, and the handle.
pub(super) fn queue<F, R>(work: F, spawned_at: &'static Location<'static>) -> (QueuedJob, Job<R>)
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let state = JobState::new();
    let kind = const { &Cell::<F, R>::KIND };
    let header = Header { state, kind, waker: WakerSlot::new(), spawned_at };
    let stage = UnsafeCell::new(Stage::<F, R> { work: ManuallyDrop::new(work) });
    let cell = NonNull::from(Box::leak(Box::new(Cell { header, stage }))).cast();
    let job = Job { cell: CellRef(cell), awaited: false, taken: false, outcome: PhantomData };
    (QueuedJob { cell: Some(CellRef(cell)) }, job)
}

impl<R> Job<R> {
    /// Asks that the closure is not run. True if it had not started: then it never will, it is
    /// dropped before this returns, and awaiting gives a cancelled error. A closure that runs
    /// cannot be stopped.
    ///
    /// asyncio: `Future.cancel` of a future from `run_in_executor`, which returns true for a running
    /// closure too and then hides its outcome.
    ///
    /// # Panics
    ///
    /// If the drop of the closure does.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let executor = corio::ThreadPoolExecutor::new(1);
    /// let (go, waits) = std::sync::mpsc::channel();
    /// let first = executor.submit(move || waits.recv());
    /// let second = executor.submit(|| unreachable!("it is cancelled while the first one runs"));
    /// assert!(second.cancel());
    /// assert!(second.done() && !second.cancel(), "it has ended");
    /// go.send(5).unwrap();
    /// assert_eq!(corio::run(first).unwrap(), Ok(5));
    /// assert!(corio::run(second).unwrap_err().is_cancelled());
    /// ```
    #[track_caller]
    pub fn cancel(&self) -> bool {
        let claimed = self.cell.header().state.claim();
        if claimed {
            let reason = Cancelled::from_parts(None, Some(Location::caller()));
            self.cell.refuse_claimed(reason);
        }
        claimed
    }

    /// Lets the closure run, and its outcome go, also if it was awaited before.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let (done, is_done) = std::sync::mpsc::channel();
    /// corio::to_thread(move || done.send(7)).detach();
    /// assert_eq!(corio::to_thread(move || is_done.recv()).await.unwrap(), Ok(7));
    /// # });
    /// ```
    pub fn detach(mut self) {
        self.awaited = false;
    }

    /// True if awaiting it gives its outcome at once.
    ///
    /// See [`cancel`](Self::cancel) for an example.
    #[must_use]
    pub fn done(&self) -> bool {
        self.cell.header().state.is_done()
    }

    fn take_outcome(&mut self) -> Result<R, TaskError> {
        self.taken = true;
        let mut outcome = std::mem::MaybeUninit::<Result<R, TaskError>>::uninit();
        let place = NonNull::from(&mut outcome).cast();
        // SAFETY: the caller has seen DONE and we have neither taken nor abandoned, so the outcome
        // is ours; `place` is for the type that this cell was made with, R being ours.
        unsafe { (self.cell.header().kind.take)(self.cell.0, place) };
        // SAFETY: `take` has moved the outcome there.
        unsafe { outcome.assume_init() }
    }
}

impl<R> Future for Job<R> {
    type Output = Result<R, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(
            !self.taken,
            "a Job gives its output once; keep the output instead of polling again"
        );
        self.awaited = true;
        let unit = ready!(coop::poll_proceed(cx));
        let header = self.cell.header();
        if !header.state.is_done() {
            header.waker.register(cx.waker());
            if !header.state.is_done() {
                place::note(WaitKind::Executor, header.spawned_at);
                return Poll::Pending;
            }
        }
        unit.made_progress();
        Poll::Ready(self.take_outcome())
    }
}

impl<R> Drop for Job<R> {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let Header { state, kind, .. } = self.cell.header();
        match state.abandon() {
            // SAFETY: DONE was there before, so the outcome is ours.
            Outcome::Ours => unsafe { (kind.drop_outcome)(self.cell.0) },
            Outcome::Theirs if self.awaited && state.claim() => {
                // SAFETY: we have abandoned, and claimed.
                unsafe { (kind.discard)(self.cell.0) }
            }
            Outcome::Theirs => {}
        }
    }
}

impl<R> fmt::Debug for Job<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("closure", &(self.cell.header().kind.type_name)())
            .field("spawned_at", &self.cell.header().spawned_at)
            .field("done", &self.done())
            .finish()
    }
}

impl QueuedJob {
    /// Runs the closure, unless it was cancelled. Never panics.
    pub(super) fn run(mut self) {
        // Taken: who has run has nothing to refuse, and need not ask the word.
        let Some(cell) = self.cell.take() else { return };
        if cell.header().state.claim() {
            // SAFETY: we have claimed.
            unsafe { (cell.header().kind.run)(cell.0) };
        }
    }

    /// Drops the closure without running it; awaiting the job gives a cancelled error with
    /// `message`. Never panics.
    pub(super) fn refuse(&self, message: &str) {
        let Some(cell) = self.cell.as_ref().filter(|cell| cell.header().state.claim()) else {
            return;
        };
        let reason = Cancelled::from_parts(Some(message.into()), None);
        quietly(|| cell.refuse_claimed(reason));
    }

    /// `None` inside of [`run`](Self::run).
    pub(super) fn origin(&self) -> Option<JobOrigin> {
        let Header { kind, spawned_at, .. } = self.cell.as_ref()?.header();
        Some(JobOrigin { kind, spawned_at })
    }
}

impl Drop for QueuedJob {
    fn drop(&mut self) {
        self.refuse("its executor was dropped before it could start");
    }
}

impl JobOrigin {
    pub(super) fn type_name(self) -> &'static str {
        (self.kind.type_name)()
    }
}

impl CellRef {
    fn header(&self) -> &Header {
        // SAFETY: the cell lives as long as this reference, and headers are only read.
        unsafe { self.0.as_ref() }
    }

    /// The caller has claimed.
    fn refuse_claimed(&self, reason: Cancelled) {
        // SAFETY: the caller has claimed, and does so once.
        unsafe { (self.header().kind.refuse)(self.0, reason) }
    }
}

impl Drop for CellRef {
    fn drop(&mut self) {
        let Header { state, kind, .. } = self.header();
        if state.release() {
            // SAFETY: this was the last reference. A waker that is still registered is dropped with
            // the cell, and may panic.
            quietly(|| unsafe { (kind.free)(self.0) });
        }
    }
}

impl<F, R> Cell<F, R>
where
    F: FnOnce() -> R,
{
    const KIND: JobKind = JobKind {
        run: Self::run,
        refuse: Self::refuse,
        discard: Self::discard,
        take: Self::take,
        drop_outcome: Self::drop_outcome,
        free: Self::free,
        type_name: type_name::<F>,
    };

    /// # Safety
    ///
    /// `header` must be that of a living `Cell<F, R>`.
    unsafe fn of<'a>(header: NonNull<Header>) -> &'a Self {
        // SAFETY: the header is the first field of a `repr(C)` struct, and the pointer came from the
        // whole cell. What changes in it lies in an `UnsafeCell` or in atomics.
        unsafe { header.cast().as_ref() }
    }

    /// # Safety
    ///
    /// The caller has claimed, and takes the closure once.
    unsafe fn take_work(&self) -> F {
        self.stage.with_mut(|stage| {
            // SAFETY: until the outcome is written the stage holds the closure, and the claim makes
            // it the caller's.
            // It is taken once, as the caller promises.
            unsafe { stage.cast::<F>().read() }
        })
    }

    /// # Safety
    ///
    /// The caller owns the outcome, and takes it once.
    unsafe fn take_outcome(&self) -> Result<R, TaskError> {
        self.stage.with_mut(|stage| {
            // SAFETY: DONE says that the stage holds the outcome; the caller owns it.
            // It is taken once, as the caller promises.
            unsafe { stage.cast::<Result<R, TaskError>>().read() }
        })
    }

    /// Puts the outcome where the closure was and tells the handle, or drops it if nobody wants it.
    ///
    /// # Safety
    ///
    /// The caller has claimed, has taken the closure, and settles once.
    unsafe fn settle(&self, outcome: Result<R, TaskError>) {
        let outcome = Stage { outcome: ManuallyDrop::new(outcome) };
        // SAFETY: the stage is ours since the claim, and empty since the closure was taken.
        self.stage.with_mut(|stage| unsafe { stage.write(outcome) });
        match self.header.state.finish() {
            Outcome::Theirs => self.header.waker.wake(),
            // SAFETY: the handle has abandoned it, so the outcome that we have written is ours.
            Outcome::Ours => drop(unsafe { self.take_outcome() }),
        }
    }

    /// # Safety
    ///
    /// As [`JobKind::run`].
    unsafe fn run(header: NonNull<Header>) {
        // SAFETY: the caller's.
        let cell = unsafe { Self::of(header) };
        // SAFETY: the caller has claimed.
        let work = unsafe { cell.take_work() };
        let failed = |payload: Box<dyn Any + Send>| {
            TaskError::new_panicked(payload, type_name::<F>().into(), cell.header.spawned_at)
        };
        let outcome = catch_unwind(AssertUnwindSafe(work)).map_err(failed);
        // SAFETY: claimed, and taken above.
        quietly(|| unsafe { cell.settle(outcome) });
    }

    /// # Safety
    ///
    /// As [`JobKind::refuse`].
    unsafe fn refuse(header: NonNull<Header>, reason: Cancelled) {
        // SAFETY: the caller's.
        let cell = unsafe { Self::of(header) };
        // SAFETY: the caller has claimed. The closure is dropped last, also if a waker panics.
        let _work = unsafe { cell.take_work() };
        let (name, at) = (type_name::<F>().into(), cell.header.spawned_at);
        let outcome = Err(TaskError::new_cancelled(reason, name, at));
        // SAFETY: claimed, and taken above.
        unsafe { cell.settle(outcome) };
    }

    /// # Safety
    ///
    /// As [`JobKind::discard`].
    unsafe fn discard(header: NonNull<Header>) {
        // SAFETY: the caller's.
        let cell = unsafe { Self::of(header) };
        // SAFETY: the caller has claimed. Nobody asks for an outcome, so none is written.
        drop(unsafe { cell.take_work() });
    }

    /// # Safety
    ///
    /// As [`JobKind::take`]; `place` is for a `Result<R, TaskError>`.
    unsafe fn take(header: NonNull<Header>, place: NonNull<()>) {
        // SAFETY: the caller's.
        let cell = unsafe { Self::of(header) };
        // SAFETY: the caller owns the outcome.
        let outcome = unsafe { cell.take_outcome() };
        // SAFETY: `place` is writable and of this type, says the caller.
        unsafe { place.cast().write(outcome) };
    }

    /// # Safety
    ///
    /// As [`JobKind::drop_outcome`].
    unsafe fn drop_outcome(header: NonNull<Header>) {
        // SAFETY: the caller's.
        let cell = unsafe { Self::of(header) };
        // SAFETY: the caller owns the outcome.
        drop(unsafe { cell.take_outcome() });
    }

    /// # Safety
    ///
    /// As [`JobKind::free`].
    unsafe fn free(header: NonNull<Header>) {
        // SAFETY: the cell came from a box, and this was the last reference to it. What the stage
        // held has been taken: fields of unions are not dropped.
        drop(unsafe { Box::from_raw(header.cast::<Self>().as_ptr()) });
    }
}

#[cfg(test)]
mod tests;

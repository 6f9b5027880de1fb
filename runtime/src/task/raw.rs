//! The task cell: a header that the scheduler works with, then the body or its output.
//!
//! Everything outside this file knows a task as a [`Header`]; its future's type is erased here and
//! nowhere else. The header is followed by the [`Stage`], a union: the state word says which of
//! its halves is alive (the future until DONE, the output from DONE until TAKEN).
//!
//! A body that is too large or too strictly aligned for the slab has a box; the cell points to it.

use std::cell::Cell as StdCell;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

use corio_sync::debug;
use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::AtomicUsize;

use super::birth::Birth;
use super::ext::TaskExt;
use super::ext_slot::ExtSlot;
use super::join_slot::JoinSlot;
use super::observers::DoneCall;
use super::slab::{self, Arena};
use super::state::{End, Snapshot, State};
use crate::error::TaskError;
use crate::quiet::{drop_payload, drop_quietly, quietly};

/// The slab's alignment of cells.
const CELL_ALIGN: usize = 16;

/// No address of a header, and no wait place.
const STARTED_EAGERLY: usize = 2;

/// What a runtime offers to its tasks; the first field of the scheduler's shared part, found
/// through the arena of any of its cells.
#[derive(Debug)]
pub(crate) struct RuntimeHead {
    /// Pushes a queue entry. The caller has just set SCHEDULED; the value of the word is one of any
    /// time, for what never changes.
    pub(crate) schedule: unsafe fn(NonNull<RuntimeHead>, TaskPtr, Snapshot),
    /// Queues a done-callback of a task of this runtime for the loop of this number, counted from 1; 0
    /// leaves the choice to the runtime. Returns the loop's number.
    pub(crate) call_done: unsafe fn(TaskPtr, u32, DoneCall) -> u32,
    /// Wakes what waits for the end of a task by a waker that is no task's, as a composition does: now or
    /// in its turn.
    pub(crate) pass_on: fn(TaskPtr, Waker),
    /// Tells of the panic of a task of this runtime that nobody has looked at.
    pub(crate) report_panic: unsafe fn(TaskPtr, &TaskError),
}

/// A task by its header. Plain data: who holds one says elsewhere why the cell is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskPtr(NonNull<Header>);

// SAFETY: the pointer is data; every access through it states its own reason.
unsafe impl Send for TaskPtr {}
// SAFETY: as above.
unsafe impl Sync for TaskPtr {}

/// The part of a cell that does not depend on the future.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Header {
    /// First, because the slab's walkers read it in free cells too.
    pub(crate) state: State,
    /// While scheduled: the next task of an inbox (even). While parked: the wait place (odd), or
    /// zero. From an eager start to the first wait, if any: [`STARTED_EAGERLY`]. Second, because the
    /// slab threads its free list through it.
    pub(crate) link: AtomicUsize,
    vtable: &'static Vtable,
    /// Belongs to the typed handle while JOIN_WAKER is clear and to the completer while it is set.
    join: JoinSlot,
    /// Made on first use and freed with the cell; before that, perhaps what a cancel has said.
    pub(super) ext: ExtSlot<TaskExt>,
    pub(crate) spawned_at: &'static Location<'static>,
}

#[cfg(not(any(corio_loom, corio_shuttle)))]
const _: () = assert!(size_of::<Header>() == 56);

/// What is known of a body's type.
#[derive(Debug)]
pub(crate) struct Vtable {
    poll: unsafe fn(TaskPtr, &mut Context<'_>) -> Poll<()>,
    cancel: unsafe fn(TaskPtr, TaskError) -> End,
    replace_output: unsafe fn(TaskPtr, TaskError) -> End,
    drop_output: unsafe fn(TaskPtr),
    free_stage: unsafe fn(TaskPtr),
    output: unsafe fn(TaskPtr) -> *mut (),
    type_name: fn() -> &'static str,
    /// Bytes of the future itself.
    future_size: usize,
}

/// The future, then its output; both begin where it does.
#[repr(C)]
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<Result<F::Output, TaskError>>,
}

/// A cell whose stage fits the slab.
#[repr(C)]
struct Direct<F: Future> {
    header: Header,
    stage: Stage<F>,
}

/// A cell whose stage has a box of its own.
#[repr(C)]
struct Boxed<F: Future> {
    header: Header,
    stage: *mut Stage<F>,
}

struct Typed<F>(std::marker::PhantomData<F>);

impl<F: Future> Typed<F> {
    const BOXED: bool =
        slab::class_of(size_of::<Direct<F>>()).is_none() || align_of::<Direct<F>>() > CELL_ALIGN;

    const CLASS: u8 = {
        let size = if Self::BOXED { size_of::<Boxed<F>>() } else { size_of::<Direct<F>>() };
        match slab::class_of(size) {
            Some(class) => class,
            None => panic!("a header and a pointer fit the slab"),
        }
    };

    const VTABLE: Vtable = Vtable {
        poll: poll::<F>,
        cancel: cancel::<F>,
        replace_output: replace_output::<F>,
        drop_output: drop_output::<F>,
        free_stage: free_stage::<F>,
        output: output::<F>,
        type_name: std::any::type_name::<F>,
        future_size: size_of::<F>(),
    };

    /// The stage of a live cell.
    ///
    /// # Safety
    ///
    /// `task` is a live cell made by `TaskPtr::new::<F>`.
    unsafe fn stage(task: TaskPtr) -> *mut Stage<F> {
        if Self::BOXED {
            let cell = task.0.cast::<Boxed<F>>().as_ptr();
            // SAFETY: the cell is a live `Boxed<F>`; the pointer is written once, before the cell
            // is published.
            unsafe { (*cell).stage }
        } else {
            let cell = task.0.cast::<Direct<F>>().as_ptr();
            // SAFETY: the cell is a live `Direct<F>`, so the field lies inside it.
            unsafe { &raw mut (*cell).stage }
        }
    }
}

thread_local! {
    /// The arena that the calling worker owns.
    static OWN_ARENA: StdCell<Option<NonNull<Arena>>> = const { StdCell::new(None) };
}

/// Names the arena that the calling thread owns, for allocation and for local frees.
pub(crate) fn set_own_arena(arena: Option<NonNull<Arena>>) {
    OWN_ARENA.set(arena);
}

/// The arena that the calling thread owns.
#[inline]
pub(crate) fn own_arena() -> Option<NonNull<Arena>> {
    OWN_ARENA.get()
}

impl TaskPtr {
    /// Makes a cell in `arena` and publishes it with the state of a spawned task.
    ///
    /// # Safety
    ///
    /// The calling thread owns `arena`, whose tag points at a `RuntimeHead` that lives as long as
    /// the arena does. If `F` is not `Send`, `home` is the calling worker.
    #[inline]
    pub(crate) unsafe fn new<F: Future>(
        arena: NonNull<Arena>,
        future: F,
        home: Option<usize>,
        birth: Birth,
    ) -> Self {
        let given = birth.ext.or_else(TaskExt::inherited);
        // SAFETY: the caller owns the arena.
        let memory = unsafe { Arena::alloc(arena, Typed::<F>::CLASS) };
        let task = TaskPtr(memory.cast());
        let header = task.0.as_ptr();
        // The state word is not written here: walkers may be reading it.
        // SAFETY: the memory is this thread's alone and large enough for a header.
        let link = unsafe { &raw mut (*header).link };
        // SAFETY: `link` is valid for writes; the slab has let go of its free link.
        unsafe { link.write(AtomicUsize::new(0)) };
        // SAFETY: as for `link`.
        let vtable = unsafe { &raw mut (*header).vtable };
        // SAFETY: `vtable` is valid for writes.
        unsafe { vtable.write(&const { Typed::<F>::VTABLE }) };
        // SAFETY: as for `link`.
        let ext = unsafe { &raw mut (*header).ext };
        // SAFETY: `ext` is valid for writes.
        unsafe { ext.write(ExtSlot::new(given, birth.awaiter.addr())) };
        // SAFETY: as for `link`.
        let place = unsafe { &raw mut (*header).spawned_at };
        // SAFETY: `place` is valid for writes.
        unsafe { place.write(birth.spawned_at) };
        // SAFETY: the cell is being made for `F`.
        unsafe { write_stage(task, Stage { future: ManuallyDrop::new(future) }) };
        task.header().state.publish(Snapshot::spawned(home));
        task
    }

    /// The header of a live cell.
    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: whoever holds a TaskPtr keeps the cell alive: by a reference, or as the holder
        // of a queue entry, or by running the task.
        unsafe { self.0.as_ref() }
    }

    /// The header's address, for queues that link or point at headers.
    #[inline]
    pub(crate) fn header_ptr(self) -> NonNull<Header> {
        self.0
    }

    /// A task by the address of its header.
    #[inline]
    pub(crate) fn from_header(header: NonNull<Header>) -> Self {
        Self(header)
    }

    /// The raw pointer that wakers carry.
    #[inline]
    pub(crate) fn as_raw(self) -> *const () {
        self.0.as_ptr().cast()
    }

    /// A task by the pointer that [`TaskPtr::as_raw`] gave.
    ///
    /// # Safety
    ///
    /// `raw` came from `as_raw`.
    #[inline]
    pub(crate) unsafe fn from_raw(raw: *const ()) -> Self {
        // SAFETY: `as_raw` never returns null.
        TaskPtr(unsafe { NonNull::new_unchecked(raw.cast_mut().cast()) })
    }

    /// A task by the address of its cell in the slab.
    pub(crate) fn from_cell(cell: NonNull<u8>) -> Self {
        TaskPtr(cell.cast())
    }

    pub(crate) fn cell(self) -> NonNull<u8> {
        self.0.cast()
    }

    /// The runtime that the task belongs to.
    #[inline]
    pub(crate) fn head(self) -> NonNull<RuntimeHead> {
        // SAFETY: the cell is alive, so its arena is.
        let arena = unsafe { slab::arena_of(self.cell()) };
        // SAFETY: as above.
        let tag = unsafe { arena.as_ref() }.tag();
        // SAFETY: `TaskPtr::new` demands a tag that points at the runtime.
        unsafe { NonNull::new_unchecked(tag.cast_mut().cast()) }
    }

    /// Pushes the queue entry that the caller owes; `seen` is what its step has found. A load of the
    /// word right after that step would wait for it.
    #[inline]
    pub(crate) fn schedule(self, seen: Snapshot) {
        let head = self.head();
        // SAFETY: the arena keeps the runtime's shared part alive.
        let schedule = unsafe { head.as_ref() }.schedule;
        // SAFETY: the caller has just set SCHEDULED, as the contract demands.
        unsafe { schedule(head, self, seen) }
    }

    /// The task's first poll is inside its spawn, which alone knows the task. Its first wait puts
    /// another note in this one's place.
    pub(crate) fn note_eager_start(self) {
        // Ordering: Relaxed; who sees the end sees what was noted before it.
        self.header().link.store(STARTED_EAGERLY, Relaxed);
    }

    /// True if the task, which has ended, did so inside its eager start.
    pub(crate) fn has_ended_eagerly(self) -> bool {
        // Ordering: Relaxed; as above.
        self.header().link.load(Relaxed) == STARTED_EAGERLY
    }

    /// Gives a reference back and frees the cell with the last one.
    #[inline]
    pub(crate) fn release(self) {
        if self.header().state.ref_dec() {
            self.free();
        }
    }

    /// Frees a cell whose last reference is gone.
    #[cold]
    pub(crate) fn free(self) {
        let header = self.header();
        header.free_ext();
        // SAFETY: the body and the output are gone: DONE precedes the last release, and the
        // output was dropped or taken by whoever it belonged to.
        unsafe { (header.vtable.free_stage)(self) };
        header.state.retire();
        // SAFETY: nobody holds a reference; `own_arena` is what the calling thread owns.
        unsafe { slab::free(self.cell(), own_arena()) };
    }

    /// Polls the body. `Ready`: the body is dropped and the output written.
    ///
    /// # Safety
    ///
    /// The caller is the runner (holds RUNNING).
    #[inline]
    pub(crate) unsafe fn poll(self, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: the caller is the runner.
        unsafe { (self.header().vtable.poll)(self, cx) }
    }

    /// Drops the body and writes `error`, that of a cancel, as the output, or the panic of the drop.
    ///
    /// # Safety
    ///
    /// The caller is the runner, and the body has not returned `Ready`.
    pub(crate) unsafe fn cancel_body(self, error: TaskError) -> End {
        // SAFETY: passed on.
        unsafe { (self.header().vtable.cancel)(self, error) }
    }

    /// Drops the output and writes `error` in its place, unless the body has panicked: as in asyncio
    /// that beats a cancel which was not delivered.
    ///
    /// # Safety
    ///
    /// The caller is the runner, and has written the output.
    pub(crate) unsafe fn replace_output(self, error: TaskError) -> End {
        // SAFETY: passed on.
        unsafe { (self.header().vtable.replace_output)(self, error) }
    }

    /// Drops the output.
    ///
    /// # Safety
    ///
    /// The output is there and belongs to the caller.
    pub(crate) unsafe fn drop_output(self) {
        // SAFETY: passed on.
        unsafe { (self.header().vtable.drop_output)(self) }
    }

    /// Where the output `Result<T, TaskError>` lies.
    ///
    /// # Safety
    ///
    /// The cell is alive.
    #[inline]
    pub(crate) unsafe fn output(self) -> *mut () {
        // SAFETY: passed on.
        unsafe { (self.header().vtable.output)(self) }
    }

    /// The type of the body.
    pub(crate) fn type_name(self) -> &'static str {
        (self.header().vtable.type_name)()
    }

    /// Bytes of the body.
    pub(crate) fn future_size(self) -> usize {
        self.header().vtable.future_size
    }
}

impl Header {
    /// A number that tasks with bodies of one type have in common.
    pub(crate) fn kind(&self) -> usize {
        std::ptr::from_ref(self.vtable).addr()
    }

    /// Writes the join slot.
    ///
    /// # Safety
    ///
    /// The slot is the caller's and empty.
    #[inline]
    pub(crate) unsafe fn put_join_waker(&self, waker: Waker) {
        self.join.put(waker);
    }

    /// True if the slot holds, or last held, this very waker.
    ///
    /// # Safety
    ///
    /// The caller is the typed handle and has filled the slot before. The completer may be moving
    /// the waker out at the same time: only its two pointers are compared.
    #[inline]
    pub(crate) unsafe fn join_waker_is(&self, waker: &Waker) -> bool {
        let (data, vtable) = self.join.words();
        data == waker.data() && std::ptr::eq(vtable, waker.vtable())
    }

    /// The task whose handle's owner waits through the join slot, by its address: to be compared
    /// with tasks that the caller keeps alive, never followed. It may have just stopped waiting.
    pub(crate) fn joined_by(&self) -> Option<*const ()> {
        if !self.state.load().has_join_waker() {
            return None;
        }
        let (data, vtable) = self.join.words();
        super::waker::is_ours(vtable).then_some(data)
    }

    /// Moves the waker out of the join slot.
    ///
    /// # Safety
    ///
    /// The slot is the caller's and full; it is empty afterwards.
    #[inline]
    pub(crate) unsafe fn take_join_waker(&self) -> Waker {
        // SAFETY: the slot is the caller's, and full.
        unsafe { self.join.take() }
    }
}

/// # Safety
///
/// `task` is a cell of `F` whose stage nobody else touches and which holds nothing alive.
unsafe fn write_stage<F: Future>(task: TaskPtr, stage: Stage<F>) {
    if Typed::<F>::BOXED {
        let boxed = Box::into_raw(Box::new(stage));
        let cell = task.0.cast::<Boxed<F>>().as_ptr();
        // SAFETY: the memory was allocated for a `Boxed<F>`.
        let field = unsafe { &raw mut (*cell).stage };
        // SAFETY: the field is valid for writes.
        unsafe { field.write(boxed) };
    } else {
        let cell = task.0.cast::<Direct<F>>().as_ptr();
        // SAFETY: the memory was allocated for a `Direct<F>`.
        let field = unsafe { &raw mut (*cell).stage };
        // SAFETY: the field is valid for writes.
        unsafe { field.write(stage) };
    }
}

/// # Safety
///
/// As [`TaskPtr::poll`], for a cell of `F`.
unsafe fn poll<F: Future>(task: TaskPtr, cx: &mut Context<'_>) -> Poll<()> {
    // SAFETY: the cell is one of `F`.
    let stage = unsafe { Typed::<F>::stage(task) };
    // SAFETY: the runner alone touches the stage, and the future is alive.
    let future: &mut F = unsafe { &mut *stage.cast::<F>() };
    // SAFETY: the future stays in its cell until it is dropped there.
    let pinned = unsafe { Pin::new_unchecked(future) };
    // A panic ends the task, not the worker. The future is dropped: nobody sees it half-changed.
    match catch_unwind(AssertUnwindSafe(|| pinned.poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(value)) => {
            // SAFETY: the future is alive and nobody else touches it.
            unsafe { drop_future_then::<F>(task, Ok(value)) };
            Poll::Ready(())
        }
        Err(payload) => {
            let error = task.panicked(payload);
            // SAFETY: as above.
            unsafe { drop_future_then::<F>(task, Err(error)) };
            Poll::Ready(())
        }
    }
}

/// Drops the future and writes the output; a panic in the drop is the output unless the body
/// panicked before.
///
/// # Safety
///
/// The caller is the runner and the future is alive.
unsafe fn drop_future_then<F: Future>(task: TaskPtr, output: Result<F::Output, TaskError>) {
    // SAFETY: the cell is one of `F`.
    let stage = unsafe { Typed::<F>::stage(task) };
    let dropped = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the runner alone touches the stage; the future is alive, and the output
        // overwrites it.
        unsafe { std::ptr::drop_in_place(stage.cast::<F>()) }
    }));
    let output = match (dropped, output) {
        (Err(payload), Ok(value)) => {
            drop_quietly(value);
            Err(task.panicked(payload))
        }
        (Err(payload), output) => {
            drop_payload(payload);
            output
        }
        (Ok(()), output) => output,
    };
    // SAFETY: the stage holds nothing alive any more.
    unsafe { stage.write(Stage { output: ManuallyDrop::new(output) }) };
}

/// # Safety
///
/// As [`TaskPtr::cancel_body`], for a cell of `F`.
unsafe fn cancel<F: Future>(task: TaskPtr, error: TaskError) -> End {
    // A panic in the drop outranks the cancel: it tells of a bug that the cancel would hide.
    // SAFETY: the cell is one of `F`.
    let stage = unsafe { Typed::<F>::stage(task) };
    let dropped = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the runner alone touches the stage; the future is alive, and the output
        // overwrites it.
        debug::silently(|| unsafe { std::ptr::drop_in_place(stage.cast::<F>()) });
    }));
    let (error, end) = match dropped {
        Ok(()) => (error, End::Cancelled),
        Err(payload) => (task.panicked(payload), End::Panicked),
    };
    // SAFETY: the stage holds nothing alive any more.
    unsafe { stage.write(Stage { output: ManuallyDrop::new(Err(error)) }) };
    end
}

/// # Safety
///
/// As [`TaskPtr::replace_output`], for a cell of `F`.
unsafe fn replace_output<F: Future>(task: TaskPtr, error: TaskError) -> End {
    // SAFETY: the cell is one of `F`.
    let stage = unsafe { Typed::<F>::stage(task) };
    // SAFETY: the output is there and the runner's.
    let output = unsafe { &*stage.cast::<Result<F::Output, TaskError>>() };
    if output.as_ref().is_err_and(TaskError::is_panic) {
        return End::Panicked;
    }
    // SAFETY: the output is there and the runner's.
    unsafe { drop_output::<F>(task) };
    // SAFETY: the stage holds nothing alive any more.
    unsafe { stage.write(Stage { output: ManuallyDrop::new(Err(error)) }) };
    End::Cancelled
}

/// # Safety
///
/// As [`TaskPtr::drop_output`], for a cell of `F`.
unsafe fn drop_output<F: Future>(task: TaskPtr) {
    // SAFETY: the cell is one of `F`.
    let stage = unsafe { Typed::<F>::stage(task) };
    // SAFETY: the output is there and the caller's; it is moved out once, and the caller never
    // looks at it again.
    let output = unsafe { stage.cast::<Result<F::Output, TaskError>>().read() };
    if let Err(error) = &output {
        if error.is_unretrieved() {
            report_panic(task, error);
        }
    }
    drop_quietly(output);
}

/// Nobody has seen the panic of a live task.
#[cold]
fn report_panic(task: TaskPtr, error: &TaskError) {
    // SAFETY: the arena keeps the runtime's shared part alive.
    let report = unsafe { task.head().as_ref() }.report_panic;
    // SAFETY: the task is alive, and the function is of its runtime.
    quietly(|| unsafe { report(task, error) });
}

/// # Safety
///
/// The cell is one of `F`; neither future nor output is alive.
unsafe fn free_stage<F: Future>(task: TaskPtr) {
    if Typed::<F>::BOXED {
        // SAFETY: the cell is one of `F`.
        let stage = unsafe { Typed::<F>::stage(task) };
        // SAFETY: `write_stage` made the box; its content, a union, drops nothing.
        drop(unsafe { Box::from_raw(stage) });
    }
}

/// # Safety
///
/// As [`TaskPtr::output`], for a cell of `F`.
unsafe fn output<F: Future>(task: TaskPtr) -> *mut () {
    // SAFETY: the cell is one of `F`.
    unsafe { Typed::<F>::stage(task) }.cast()
}

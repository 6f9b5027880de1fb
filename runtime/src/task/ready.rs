//! Which of many parts have something to be looked at.
//!
//! A future that waits for many tasks gives each its own waker. To wake one puts the part on a list
//! and wakes the future if the list was empty; the future takes the whole list and looks at those
//! parts only. So n ends of n tasks cost n looks, and not n times n.
//!
//! Vocabulary: the *owner* is the future; a *slot* is what the waker of one part points to; all
//! slots and the list lie in one *hub*, which lives as long as the owner or any of its wakers.
//!
//! # Protocol
//!
//! ```text
//! slot   QUEUED   it is on the list, or about to be pushed by who set the bit
//! head   the list of queued slots, latest first; null: the owner has all
//!
//!   (1) wake    sets QUEUED; who finds it set is done: somebody else is to push, or has
//!   (2) wake    pushes the slot; who finds the list empty wakes the owner
//!   (3) owner   leaves its waker, then takes the whole list
//!   (4) owner   clears QUEUED, then looks at the part
//! ```
//! Nothing is lost: a part that is ready before (1) is looked at after (4), whether (1) found the
//! bit set or not, because both are read-modify-writes of one bit. And while the list is not empty
//! the owner was woken for it, or has yet to take it before it sleeps.
//!
//! Waking is lock-free, taking wait-free. A list that is only ever taken whole has no ABA problem.
//!
//! Rejected: a counted cell for each part (an allocation each); a set of bits (a part's waker would
//! have to find its word, and the owner to search them).

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::task::{RawWaker, RawWakerVTable, Waker};

use corio_sync::shim::Ordering::{AcqRel, Acquire, Relaxed, Release};
use corio_sync::shim::atomic::{AtomicBool, AtomicPtr, AtomicUsize};
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::{mutant, ord};
use corio_sync::waker_slot::WakerSlot;

/// Slots of the first block are at least so many; each further block has twice those before.
const FIRST_MIN: usize = 4;
/// Past this many wakers the count is near an overflow; `mem::forget` of wakers in a loop gets here.
const REFS_LIMIT: usize = usize::MAX / 2;

/// What the waker of one part points to.
struct Slot {
    hub: NonNull<Hub>,
    index: usize,
    queued: AtomicBool,
    /// The part has ended in a way that ends the wait.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    failed: AtomicBool,
    /// The link of the list: from (1) to (2) the waker's, from (3) to (4) the owner's.
    next: UnsafeCell<*const Slot>,
}

struct Hub {
    /// Who keeps it: the owner and each waker.
    refs: AtomicUsize,
    /// The slots that were woken and not taken.
    head: AtomicPtr<Slot>,
    owner: WakerSlot,
    /// The owner's; freed with the hub. The first has `1 << shift` slots, each further one twice
    /// those of the one before.
    blocks: UnsafeCell<Vec<NonNull<Slot>>>,
    shift: u32,
    /// What the owner waits for, if it has said so. In a box: beside the list it would lie between what the
    /// wakers of several workers write.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    ends: Option<Box<ends::Ends>>,
    /// Models see here that the hub is freed once.
    #[cfg(any(corio_loom, corio_shuttle))]
    freed_once: corio_sync::shim::sync::Arc<()>,
}

/// The parts of one future; see the module.
///
/// # Safety
///
/// The invariant that the unsafe code below relies on: the hub and its slots live until its count is
/// given back to zero, and the owner and each waker hold one. The blocks are the owner's alone.
pub(crate) struct Ready {
    hub: NonNull<Hub>,
    len: usize,
    /// Slots that were taken from the list and not looked at, first woken first.
    taken: *const Slot,
}

// SAFETY: what several threads touch is atomic; the rest is the owner's.
unsafe impl Send for Ready {}
// SAFETY: a shared owner lends wakers and no more.
unsafe impl Sync for Ready {}

impl Ready {
    /// Room for `len` parts to begin with.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    pub(crate) fn with_capacity(len: usize) -> Self {
        Self::new(len, None)
    }

    #[cfg(any(corio_loom, corio_shuttle))]
    pub(crate) fn with_capacity(len: usize) -> Self {
        Self::new(len)
    }

    fn new(
        len: usize,
        #[cfg(not(any(corio_loom, corio_shuttle)))] ends: Option<Box<ends::Ends>>,
    ) -> Self {
        let hub = Box::new(Hub {
            refs: AtomicUsize::new(1),
            head: AtomicPtr::new(ptr::null_mut()),
            owner: WakerSlot::new(),
            blocks: UnsafeCell::new(Vec::new()),
            shift: len.max(FIRST_MIN).next_power_of_two().trailing_zeros(),
            #[cfg(not(any(corio_loom, corio_shuttle)))]
            ends,
            #[cfg(any(corio_loom, corio_shuttle))]
            freed_once: corio_sync::shim::sync::Arc::new(()),
        });
        Self { hub: NonNull::from(Box::leak(hub)), len: 0, taken: ptr::null() }
    }

    fn hub(&self) -> &Hub {
        // SAFETY: the owner holds a count.
        unsafe { self.hub.as_ref() }
    }

    /// One more part; its number.
    pub(crate) fn add(&mut self) -> usize {
        let index = self.len;
        let (block, offset) = self.hub().place(index);
        if offset == 0 {
            let first = new_block(self.hub, index, self.hub().block_len(block));
            // SAFETY: the blocks are the owner's.
            self.hub().blocks.with_mut(|blocks| unsafe { (*blocks).push(first) });
        }
        self.len += 1;
        index
    }

    fn slot(&self, index: usize) -> &Slot {
        assert!(index < self.len, "there is no part {index}");
        let (block, offset) = self.hub().place(index);
        // SAFETY: the blocks are the owner's.
        let first = self.hub().blocks.with(|blocks| unsafe { (&(*blocks))[block] });
        // SAFETY: `place` gives an offset inside the block.
        let slot = unsafe { first.add(offset) };
        // SAFETY: slots live as long as the hub.
        unsafe { slot.as_ref() }
    }

    /// The waker of a part, without a count of its own.
    #[inline]
    pub(crate) fn waker(&self, index: usize) -> Lent<'_> {
        let slot: *const Slot = self.slot(index);
        // SAFETY: the vtable keeps the contract; the waker is never dropped, so the count that it
        // lacks is never given back, and the borrow keeps the hub.
        let waker = unsafe { Waker::from_raw(RawWaker::new(slot.cast(), &VTABLE)) };
        Lent { waker: ManuallyDrop::new(waker), owner: PhantomData }
    }

    /// A part is to be looked at, says the owner itself. It may have left its waker already, so that
    /// wakes it: no later part would.
    pub(crate) fn mark(&self, index: usize) {
        self.slot(index).wake();
    }

    /// The owner is to be woken by the next part. It takes once more afterwards.
    #[inline]
    pub(crate) fn watch(&self, waker: &Waker) {
        #[cfg(not(any(corio_loom, corio_shuttle)))]
        self.begin_wait();
        self.hub().owner.register(waker);
    }

    /// Edges 3 and 4. The next part to be looked at, in the order in which they were woken.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<usize> {
        if self.taken.is_null() {
            self.taken = self.hub().take_all();
        }
        // SAFETY: slots live as long as the hub.
        let slot = unsafe { self.taken.as_ref() }?;
        // SAFETY: the slot was taken and is QUEUED, so the link is the owner's.
        self.taken = slot.next.with(|next| unsafe { *next });
        if !mutant("ready.stays_queued") {
            // Ordering(ready.clear): AcqRel; pairs with Ordering(ready.queue): what the part's
            // waker knows is seen by the look that follows, and the next waker writes the link after
            // it was read above.
            slot.queued.swap(false, ord("ready.clear", AcqRel));
        }
        Some(slot.index)
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        drop(self.hub().owner.take());
        Hub::release(self.hub);
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").field("parts", &self.len).finish_non_exhaustive()
    }
}

/// A part's waker that is lent.
pub(crate) struct Lent<'a> {
    waker: ManuallyDrop<Waker>,
    owner: PhantomData<&'a Ready>,
}

impl Deref for Lent<'_> {
    type Target = Waker;

    fn deref(&self) -> &Waker {
        &self.waker
    }
}

/// `len` slots in a row, the first of which has the number `from`.
fn new_block(hub: NonNull<Hub>, from: usize, len: usize) -> NonNull<Slot> {
    let slot = |i| Slot {
        hub,
        index: from + i,
        queued: AtomicBool::new(false),
        #[cfg(not(any(corio_loom, corio_shuttle)))]
        failed: AtomicBool::new(false),
        next: UnsafeCell::new(ptr::null()),
    };
    let block: Box<[Slot]> = (0..len).map(slot).collect();
    NonNull::from(Box::leak(block)).cast()
}

impl Hub {
    /// The block of a slot, and its place there.
    fn place(&self, index: usize) -> (usize, usize) {
        // Before block b lie 2^b - 1 times as many slots as the first one has.
        let block = ((index >> self.shift) + 1).ilog2() as usize;
        (block, index - (((1 << block) - 1) << self.shift))
    }

    const fn block_len(&self, block: usize) -> usize {
        1 << (self.shift as usize + block)
    }

    /// Edge 3. The whole list, first pushed first.
    fn take_all(&self) -> *const Slot {
        // Ordering: Relaxed; an empty list is taken as it is: whoever pushes next wakes the owner.
        // Who has left its waker before sees what was pushed before that waker was taken.
        if self.head.load(Relaxed).is_null() {
            return ptr::null();
        }
        // Ordering(ready.take): Acquire; pairs with Ordering(ready.push): the links are read as
        // they were written.
        let mut latest = self.head.swap(ptr::null_mut(), ord("ready.take", Acquire)).cast_const();
        let mut first = ptr::null();
        // SAFETY: slots live as long as the hub.
        while let Some(slot) = unsafe { latest.as_ref() } {
            // SAFETY: the slot was taken and is QUEUED, so the link is the owner's.
            let before = slot.next.with_mut(|next| std::mem::replace(unsafe { &mut *next }, first));
            first = latest;
            latest = before;
        }
        first
    }

    fn release(this: NonNull<Hub>) {
        // SAFETY: the caller gives back a count that it holds.
        let refs = unsafe { &this.as_ref().refs };
        // Ordering(ready.release): AcqRel; pairs with itself: who frees the hub comes after every
        // other use of it.
        if refs.fetch_sub(1, ord("ready.release", AcqRel)) == 1 {
            // SAFETY: that was the last count, and the hub came from a box.
            let hub = unsafe { Box::from_raw(this.as_ptr()) };
            hub.free_blocks();
        }
    }

    fn free_blocks(&self) {
        // SAFETY: the hub's last user is the only one left.
        let blocks = self.blocks.with_mut(|blocks| std::mem::take(unsafe { &mut *blocks }));
        for (i, first) in blocks.into_iter().enumerate() {
            let block = ptr::slice_from_raw_parts_mut(first.as_ptr(), self.block_len(i));
            // SAFETY: the block came from a box of that length.
            drop(unsafe { Box::from_raw(block) });
        }
    }
}

impl Slot {
    /// Edges 1 and 2.
    fn wake(&self) {
        // Ordering(ready.queue): AcqRel; pairs with Ordering(ready.clear): the look that follows
        // sees what made the part ready, and the owner has read the link.
        if self.queued.swap(true, ord("ready.queue", AcqRel)) {
            return;
        }
        // SAFETY: the caller holds a count of the hub, or lends one.
        let hub = unsafe { self.hub.as_ref() };
        let this = ptr::from_ref(self).cast_mut();
        // Ordering: Relaxed; the exchange below validates it.
        let mut first = hub.head.load(Relaxed);
        loop {
            // SAFETY: this thread has set QUEUED and has not pushed, so the link is its own.
            self.next.with_mut(|next| unsafe { *next = first });
            // Ordering(ready.push): Release; pairs with Ordering(ready.take): the owner finds the
            // link as it was written here.
            match hub.head.compare_exchange_weak(first, this, ord("ready.push", Release), Relaxed) {
                Ok(_) => break,
                Err(now) => first = now,
            }
        }
        if first.is_null() && !mutant("ready.wakes_nobody") {
            hub.owner.wake();
        }
    }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// # Safety
///
/// As the contract of `RawWakerVTable`; so are the four below.
unsafe fn slot_of<'a>(raw: *const ()) -> &'a Slot {
    // SAFETY: `raw` is the data of a waker of ours, which keeps the hub and so the slot.
    unsafe { &*raw.cast::<Slot>() }
}

/// # Safety
///
/// See `slot_of`.
unsafe fn clone(raw: *const ()) -> RawWaker {
    // SAFETY: passed on.
    let slot = unsafe { slot_of(raw) };
    // SAFETY: as in `slot_of`.
    let hub = unsafe { slot.hub.as_ref() };
    // Ordering: Relaxed; a new count is made from one that is held.
    if hub.refs.fetch_add(1, Relaxed) >= REFS_LIMIT {
        // Unwinding here would let the count go on to overflow and free a hub in use.
        std::process::abort();
    }
    RawWaker::new(raw, &VTABLE)
}

/// # Safety
///
/// See `slot_of`.
unsafe fn wake(raw: *const ()) {
    // SAFETY: passed on.
    let slot = unsafe { slot_of(raw) };
    let hub = Given(slot.hub);
    slot.wake();
    drop(hub);
}

/// Gives a count back, also if waking panics.
struct Given(NonNull<Hub>);

impl Drop for Given {
    fn drop(&mut self) {
        Hub::release(self.0);
    }
}

/// # Safety
///
/// See `slot_of`.
unsafe fn wake_by_ref(raw: *const ()) {
    // SAFETY: passed on.
    unsafe { slot_of(raw) }.wake();
}

/// # Safety
///
/// See `slot_of`.
unsafe fn drop_waker(raw: *const ()) {
    // SAFETY: passed on.
    Hub::release(unsafe { slot_of(raw) }.hub);
}

#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod ends;
mod reads;

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

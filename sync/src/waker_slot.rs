//! A place for one waker: the party that waits leaves it here, any party may take it and wake.
//!
//! Vocabulary: the *owner* is the future that registers; a *taker* is anyone who has made the
//! owner's condition true and now wants to wake it.
//!
//! Use: the owner registers and **then** looks at its condition once more; a taker changes the
//! condition and **then** takes. Whichever of `register` and `take` comes second in the order of
//! the word below sees what the other has done, so no wake is ever lost.
//!
//! # Protocol
//!
//! ```text
//! word   bit 0  FULL         `data` and `vtable` hold a waker that nobody has claimed
//!        bit 1  REGISTERING  a thread is between edges (1) and (3)
//!        rest   version      moved by edge (3), and by (4) if there is nothing to take
//!
//!   (1) register   sets REGISTERING; who finds it set gives up and wakes itself
//!   (2) register   clears FULL: who clears it owns the waker that lies there
//!       register   stores `data` and `vtable`
//!   (3) register   FULL on, REGISTERING off, version + 1
//!   (4) take       FULL: compare-exchange clears it and owns the waker; else: version + 1
//!   (5) alone      found empty: stores `data` and `vtable`; FULL on, version + 1
//! ```
//! A waker is two words, and both are atomics here. A taker *reads* them first and *claims* them
//! after, with one compare-exchange of the whole word: the version tells whether what it has read
//! is still what lies there. Hence nobody is ever inside the slot with an unfinished claim, and no
//! thread waits for another. `register` is wait-free: three read-modify-writes. An owner that is the
//! only one for good needs no claim (5): nobody but itself fills what it has found empty, and a taker
//! that finds its new words beside an old state fails in its exchange. `take` is
//! lock-free: it retries only if another transition came between. The version has 62 bits; on
//! 32-bit targets it has 30, and a taker would have to sleep through exactly 2^30 registrations to
//! be fooled.
//!
//! A waker is user code. `register` clones before (1) and drops a replaced waker after (3); `take`
//! hands the waker out. Whatever panics, the slot is in order.
//!
//! Rejected: the lock bits of `AtomicWaker` (futures, tokio). While a taker holds the lock there, a
//! registration can only wake itself and be polled again, in a loop as long as the taker sleeps.
use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr;
use std::task::{RawWakerVTable, Waker};

use crate::shim::Ordering::{AcqRel, Acquire, Relaxed, Release};
use crate::shim::atomic::{AtomicPtr, AtomicUsize};
use crate::shim::{mutant, ord};

const FULL: usize = 1;
const REGISTERING: usize = 1 << 1;
const VERSION: usize = 1 << 2;

/// Holds at most one [`Waker`].
///
/// ```
/// use corio_sync::waker_slot::WakerSlot;
/// use std::task::Waker;
///
/// let slot = WakerSlot::new();
/// slot.register(Waker::noop());
/// assert!(slot.take().is_some());
/// assert!(slot.take().is_none());
/// ```
///
/// # Safety
///
/// The invariant that the unsafe code below relies on: while FULL is set, `data` and `vtable` are
/// the parts of one leaked `Waker`, and whoever clears FULL owns it. Only the thread that has set
/// REGISTERING stores them, after FULL is clear; or, while nobody else registers, the one owner.
pub struct WakerSlot {
    word: AtomicUsize,
    /// What `Waker::data` of the registered waker says.
    data: AtomicPtr<()>,
    /// What `Waker::vtable` of the registered waker says: a `&'static RawWakerVTable`.
    vtable: AtomicPtr<RawWakerVTable>,
}

/// A waker in two words that may or may not be owned.
#[derive(Clone, Copy)]
struct Parts {
    data: *const (),
    vtable: *const RawWakerVTable,
}

impl WakerSlot {
    /// An empty slot.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[must_use]
    pub const fn new() -> Self {
        let data = AtomicPtr::new(ptr::null_mut());
        Self { word: AtomicUsize::new(0), data, vtable: AtomicPtr::new(ptr::null_mut()) }
    }

    /// An empty slot.
    #[cfg(any(corio_loom, corio_shuttle))]
    #[must_use]
    pub fn new() -> Self {
        let data = AtomicPtr::new(ptr::null_mut());
        Self { word: AtomicUsize::new(0), data, vtable: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Leaves a clone of `waker` here in place of what was here before.
    ///
    /// The caller must look at its condition again afterwards. Costs no clone if an equal waker is
    /// still here. The slot serves one owner at a time: of two threads that register at once one
    /// wins, and the other one's waker is woken so that it tries again.
    ///
    /// # Panics
    ///
    /// If the waker's clone panics, or the drop of a replaced one; the slot stays usable.
    pub fn register(&self, waker: &Waker) {
        if self.holds(waker) {
            return;
        }
        let new = waker.clone();
        // Ordering(waker_slot.claim): Acquire; pairs with Ordering(waker_slot.publish) and
        // Ordering(waker_slot.take). Shows us the two words that another owner has left, which we
        // are about to drop; and a taker has read the two words before it emptied the slot, so our
        // stores come after its reads.
        let before = self.word.fetch_or(REGISTERING, ord("waker_slot.claim", Acquire));
        if before & REGISTERING != 0 {
            return new.wake();
        }
        let replaced = self.evict(before);
        self.publish(new, REGISTERING);
        drop(replaced);
    }

    /// As [`register`](Self::register), for an owner beside whom nobody registers: edge (5). True if
    /// it has left a clone; false if an equal waker is still here.
    ///
    /// # Safety
    ///
    /// No other thread registers until this returns.
    #[inline]
    pub(crate) unsafe fn register_alone(&self, waker: &Waker) -> bool {
        if self.holds(waker) {
            return false;
        }
        let new = waker.clone();
        // Ordering(waker_slot.alone): Acquire; pairs with Ordering(waker_slot.take). The taker that
        // emptied the slot has read the two words before we store new ones. Not killable: as at
        // Ordering(waker_slot.evict).
        if self.word.load(ord("waker_slot.alone", Acquire)) & (FULL | REGISTERING) == 0 {
            self.publish(new, 0);
        } else {
            // Another waker lies here: it has to be claimed.
            self.register(&new);
        }
        true
    }

    /// Edges (3) and (5): stores the waker's words and sets FULL; `off` is cleared with that step.
    ///
    /// The slot is empty, and nobody else stores its words.
    #[inline]
    fn publish(&self, new: Waker, off: usize) {
        let parts = Parts::leak(new);
        // Ordering: Relaxed stores; the publication below releases them.
        self.data.store(parts.data.cast_mut(), Relaxed);
        self.vtable.store(parts.vtable.cast_mut(), Relaxed);
        let version = if mutant("waker_slot.version") { 0 } else { VERSION };
        // Ordering(waker_slot.publish): AcqRel; pairs with Ordering(waker_slot.peek),
        // Ordering(waker_slot.claim) and Ordering(waker_slot.take). Releases the two words to the
        // taker and the next owner; acquires what a taker that found nothing had made true, so
        // that the caller's second look sees it.
        let word = version.wrapping_add(FULL).wrapping_sub(off);
        self.word.fetch_add(word, ord("waker_slot.publish", AcqRel));
    }

    /// Takes the waker, if one is here. The caller wakes it outside whatever it holds.
    ///
    /// What the caller did before is visible to an owner that registers later, also if nothing is
    /// here to take.
    #[must_use = "the waker is to be woken: its owner will not be told in another way"]
    pub fn take(&self) -> Option<Waker> {
        loop {
            // Ordering(waker_slot.peek): Acquire; pairs with Ordering(waker_slot.publish). Makes
            // the two words visible that were published with FULL.
            let seen = self.word.load(ord("waker_slot.peek", Acquire));
            let parts = self.parts();
            let full = seen & FULL != 0;
            let next = if full { seen & !FULL } else { seen.wrapping_add(VERSION) };
            // Ordering(waker_slot.take): Release; pairs with Ordering(waker_slot.claim),
            // Ordering(waker_slot.evict), Ordering(waker_slot.alone) and Ordering(waker_slot.publish). Ends our reads of the
            // two words, and shows the caller's condition to an owner that registers later.
            let order = ord("waker_slot.take", Release);
            if self.word.compare_exchange_weak(seen, next, order, Relaxed).is_ok() {
                // SAFETY: we have cleared FULL, so the waker is ours. The word had not changed
                // since before the reads, so they are its parts (invariant of `WakerSlot`).
                return full.then(|| unsafe { parts.into_waker() });
            }
        }
    }

    /// Wakes the waker, if one is here.
    ///
    /// # Panics
    ///
    /// If waking panics; the slot is empty then.
    pub fn wake(&self) {
        if let Some(waker) = self.take() {
            waker.wake();
        }
    }

    /// Whether a waker lies here, to the caller's knowledge: whoever must not miss one has a fence
    /// before this, and the owner one behind its registration.
    ///
    /// Ordering: Relaxed load; `take` decides.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.word.load(Relaxed) & FULL != 0
    }

    /// True if an equal waker lies here, to the owner's knowledge.
    ///
    /// Ordering: Relaxed loads; nothing is concluded from them but that no clone is needed. Only
    /// the owner stores the two words. If FULL is an old value, a taker has claimed this very waker
    /// and wakes it: not yet seen here, so after the poll that we are in has begun.
    #[inline]
    fn holds(&self, waker: &Waker) -> bool {
        let parts = self.parts();
        let full = self.word.load(Relaxed) & FULL != 0;
        full && parts.data == waker.data() && ptr::eq(parts.vtable, waker.vtable())
    }

    /// Ordering: Relaxed loads; the word's orderings decide whether the values may be used.
    #[inline]
    fn parts(&self) -> Parts {
        Parts { data: self.data.load(Relaxed), vtable: self.vtable.load(Relaxed) }
    }

    /// Empties the slot for the thread that has set REGISTERING.
    fn evict(&self, before: usize) -> Option<Waker> {
        if before & FULL == 0 {
            return None;
        }
        let parts = self.parts();
        // Ordering(waker_slot.evict): Acquire; pairs with Ordering(waker_slot.take). A taker that
        // was faster than we has read the two words before we store new ones; without it its reads
        // could return our words, and be validated. Not killable: no model shows a load a value
        // that is stored later in the same execution.
        let before = self.word.fetch_and(!FULL, ord("waker_slot.evict", Acquire));
        // SAFETY: we have cleared FULL, so the waker is ours; nobody else can have stored the two
        // words, because REGISTERING is ours (invariant of `WakerSlot`).
        (before & FULL != 0).then(|| unsafe { parts.into_waker() })
    }
}

impl Parts {
    #[inline]
    fn leak(waker: Waker) -> Self {
        let waker = ManuallyDrop::new(waker);
        Self { data: waker.data(), vtable: waker.vtable() }
    }

    /// # Safety
    ///
    /// The parts must come from [`Parts::leak`], and the caller must own that waker.
    unsafe fn into_waker(self) -> Waker {
        // SAFETY: a leaked waker's vtable is `&'static`; the caller vouches for the parts.
        let vtable = unsafe { &*self.vtable };
        // SAFETY: data and vtable are one waker's, which the caller owns.
        unsafe { Waker::new(self.data, vtable) }
    }
}

impl Drop for WakerSlot {
    fn drop(&mut self) {
        // `&mut self` has been ordered after all uses: what is seen is the last state.
        if self.is_full() {
            drop(self.take());
        }
    }
}

impl Default for WakerSlot {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WakerSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ordering: Relaxed; a picture for people.
        let full = self.word.load(Relaxed) & FULL != 0;
        f.debug_struct("WakerSlot").field("full", &full).finish()
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;

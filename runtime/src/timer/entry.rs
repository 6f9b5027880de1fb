//! What a sleeper and a wheel share of one timer.
//!
//! Vocabulary: the *sleeper* is the future that holds a [`Timer`], on whatever thread it is polled
//! or dropped. The *owner* is whoever holds the word of the wheel's [`Timers`](super::Timers): its
//! worker, or a rescuer. The [`Entry`] is between them: a state, and the waker to wake.
//!
//! # Who may touch what
//!
//! An entry belongs to its sleeper until the sleeper gives it back, and always comes back to the
//! owner: nobody else frees it. So neither side ever waits for the other, and the address stays
//! good for as long as a `Timer` exists, also when the runtime is gone.
//!
//! The waker cell is the only contended place. The state decides who may open it:
//!
//! | bit       | set by  | meaning                                                                |
//! |-----------|---------|------------------------------------------------------------------------|
//! | FIRED     | owner   | the deadline has come; the owner takes the waker unless HELD was set   |
//! | CLOSED    | owner   | with FIRED: not the deadline has come but the end of the runtime       |
//! | HELD      | sleeper | the sleeper has the waker cell; cleared when it has put a waker back   |
//! | CANCELLED | sleeper | with HELD, for good: the sleeper is gone                               |
//! | LINKED    | owner   | the wheel knows the entry; before, it is on its way there by mail      |
//!
//! ```text
//!            (1) insert: LINKED                    (2) post: 0 --(3) link--> LINKED
//!
//!   waiting --(4) fire--> FIRED: the owner takes the waker       --(8) give back--> free
//!   waiting --(5) hold--> HELD --(6) put back--> waiting
//!                         HELD --(4) fire--> FIRED: the sleeper notices in (6), or is gone
//!                         HELD --(7) cancel--> CANCELLED: comes back by mail (8), or in (3)
//! ```
//!
//! 1. `Timers::insert`, by the owner. 2. `Timers::post`. 3. [`Entry::link`]. 4. [`Entry::fire`].
//!    5. and 6. [`Timer::replace_waker`]. 7. [`Timer::recall`]. 8. `Timers::cancel` at home, else
//!    `Mail::push` by `recall`.
//!
//! Whoever changes the state second sees what the first did, and acts on it: a fire that finds HELD
//! leaves the waker to the sleeper; a hold that finds FIRED leaves it to the owner. Each transition
//! is one read-modify-write: wait-free. Before (3) nothing can fire; that is why a CANCELLED
//! without LINKED is reclaimed by `link`, and with LINKED by mail.
//!
//! Inside the owned state the cell may be opened without HELD: only an owner fires.
//!
//! Rejected: the entry inside the future, as tokio has it: dropping the future on another thread
//! then has to wait until the wheel lets go. A generation per entry: the sleeper owns its entry, so
//! nobody can hold a stale one (the wheel's keys do have generations).
use std::ptr::NonNull;
use std::task::{RawWakerVTable, Waker};

use corio_sync::shim::atomic::{AtomicU8, Ordering};
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::{mutant, ord};

use super::owner::Shared;
use super::wheel::Key;

const FIRED: u8 = 1;
const CLOSED: u8 = 1 << 1;
const HELD: u8 = 1 << 2;
const CANCELLED: u8 = 1 << 3;
const LINKED: u8 = 1 << 4;

/// Why an entry fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Deadline,
    Closed,
}

/// What the sleeper learns about its timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// The deadline has not come; the waker is in place.
    Pending,
    /// The deadline has come.
    Fired,
    /// The runtime ended first; the deadline may or may not have come.
    Closed,
}

impl Expiry {
    fn of(state: u8) -> Self {
        match state & (FIRED | CLOSED) {
            0 => Expiry::Pending,
            FIRED => Expiry::Fired,
            _ => Expiry::Closed,
        }
    }
}

/// One timer; see the module for who may touch which field.
#[derive(Debug)]
pub(super) struct Entry {
    state: AtomicU8,
    /// False: allocated alone by a poster; see `Timers::post`.
    pub(super) in_chunk: bool,
    pub(super) home: NonNull<Shared>,
    waker: UnsafeCell<Option<Waker>>,
    /// Which waker the sleeper has left in `waker`. The sleeper only.
    waker_id: UnsafeCell<WakerId>,
    /// The entry below this one while it is posted. Poster, then owner.
    next: UnsafeCell<*mut Entry>,
    /// Until it is linked the deadline, then the bits of its [`Key`]. Poster, then owner.
    spot: UnsafeCell<u64>,
}

/// One line of memory for each timer.
#[cfg(not(any(corio_loom, corio_shuttle)))]
const _: () = assert!(size_of::<Entry>() <= 64);

impl Entry {
    /// An entry that nobody waits for.
    pub(super) fn new(home: NonNull<Shared>, in_chunk: bool) -> Self {
        Self {
            state: AtomicU8::new(FIRED),
            in_chunk,
            home,
            waker: UnsafeCell::new(None),
            waker_id: UnsafeCell::new(WakerId::of(Waker::noop())),
            next: UnsafeCell::new(std::ptr::null_mut()),
            spot: UnsafeCell::new(Key::NONE.to_bits()),
        }
    }

    /// Edge 1: makes an entry wait that the wheel has put at `key`, and gives out its timer.
    ///
    /// # Safety
    ///
    /// `this` is valid, and free: the caller, the owner, is its only user.
    #[inline]
    pub(super) unsafe fn arm_linked(this: NonNull<Entry>, waker: Waker, key: Key) -> Timer {
        // SAFETY: the caller's promise.
        unsafe { Entry::arm(this, waker, key.to_bits(), LINKED) }
    }

    /// Edge 2: makes an entry wait that goes to the wheel by mail, and gives out its timer.
    ///
    /// # Safety
    ///
    /// `this` is valid, and new: the caller is its only user.
    pub(super) unsafe fn arm_posted(this: NonNull<Entry>, waker: Waker, deadline: u64) -> Timer {
        // SAFETY: the caller's promise.
        unsafe { Entry::arm(this, waker, deadline, 0) }
    }

    /// # Safety
    ///
    /// `this` is valid and the caller its only user.
    #[inline]
    unsafe fn arm(this: NonNull<Entry>, waker: Waker, spot: u64, state: u8) -> Timer {
        // SAFETY: the caller's promise.
        let entry = unsafe { this.as_ref() };
        entry.set_waker_id(WakerId::of(&waker));
        // SAFETY: nobody else uses the entry.
        entry.waker.with_mut(|cell| unsafe { *cell = Some(waker) });
        entry.set_spot(spot);
        // Ordering: Relaxed; the word or the mail carries it to the owner, the `Timer` to the rest.
        entry.state.store(state, Ordering::Relaxed);
        Timer { entry: this }
    }

    /// Edge 4, by the owner: marks the entry and takes the waker, if that is still to be had.
    #[inline]
    pub(super) fn fire(&self, cause: Cause) -> Option<Waker> {
        let bits = match cause {
            Cause::Deadline => FIRED,
            Cause::Closed => FIRED | CLOSED,
        };
        // Ordering(timer.fire): AcqRel. Acquire pairs with Ordering(timer.put_back): the waker
        // taken below is complete. Release pairs with Ordering(timer.poll), Ordering(timer.hold)
        // and Ordering(timer.put_back): who sees FIRED sees a clock that has reached the deadline.
        let old = self.state.fetch_or(bits, ord("timer.fire", Ordering::AcqRel));
        if old & HELD != 0 && !mutant("timer.fire_held") {
            return None;
        }
        // SAFETY: the entry was waiting and not held, so the cell is ours: a sleeper that comes
        // later sees FIRED and keeps out, and none can give the entry to another while we own the
        // wheel.
        self.waker.with_mut(|cell| unsafe { (*cell).take() })
    }

    /// Edge 3, by the owner: the entry came by mail and enters the wheel. False if its sleeper is
    /// already gone; then the entry is the owner's to free.
    pub(super) fn link(&self) -> bool {
        // Ordering(timer.link): AcqRel; pairs with Ordering(timer.cancel). Acquire: if the sleeper
        // is gone, it has also finished with the waker cell; the entry may be freed. Release: a
        // sleeper that sees LINKED may use the entry's link, which was the mail's until now.
        let old = self.state.fetch_or(LINKED, ord("timer.link", Ordering::AcqRel));
        old & CANCELLED == 0
    }

    /// Takes the waker of a waiting entry, inside the owned state.
    #[inline]
    pub(super) fn take_waker_owned(&self) -> Option<Waker> {
        // Ordering: Relaxed; fires happen under the word that the caller holds.
        if self.state.load(Ordering::Relaxed) & FIRED != 0 {
            return None;
        }
        // SAFETY: only an owner fires, and that is us; the only sleeper is our caller.
        self.waker.with_mut(|cell| unsafe { (*cell).take() })
    }

    /// True if the entry has fired, asked inside the owned state.
    #[inline]
    pub(super) fn has_fired_owned(&self) -> bool {
        // Ordering: Relaxed; fires happen under the word that the caller holds.
        self.state.load(Ordering::Relaxed) & FIRED != 0
    }

    #[inline]
    fn spot(&self) -> u64 {
        // SAFETY: only the poster and the owner use the cell, one after the other.
        self.spot.with(|cell| unsafe { *cell })
    }

    #[inline]
    fn set_spot(&self, spot: u64) {
        // SAFETY: only the poster and the owner use the cell, one after the other.
        self.spot.with_mut(|cell| unsafe { *cell = spot });
    }

    /// Where the wheel has a linked entry.
    #[inline]
    pub(super) fn key(&self) -> Key {
        Key::from_bits(self.spot())
    }

    #[inline]
    pub(super) fn set_key(&self, key: Key) {
        self.set_spot(key.to_bits());
    }

    /// Where the wheel shall put an entry that is about to be linked.
    pub(super) fn deadline(&self) -> u64 {
        self.spot()
    }

    #[inline]
    fn waker_id(&self) -> WakerId {
        // SAFETY: only the sleeper uses the cell.
        self.waker_id.with(|cell| unsafe { *cell })
    }

    #[inline]
    fn set_waker_id(&self, id: WakerId) {
        // SAFETY: only the sleeper uses the cell.
        self.waker_id.with_mut(|cell| unsafe { *cell = id });
    }

    pub(super) fn next(&self) -> *mut Entry {
        // SAFETY: only the poster and the owner use the cell, one after the other.
        self.next.with(|cell| unsafe { *cell })
    }

    pub(super) fn set_next(&self, next: *mut Entry) {
        // SAFETY: only the poster and the owner use the cell, one after the other.
        self.next.with_mut(|cell| unsafe { *cell = next });
    }

    /// Checks that nobody has left anything in an entry that goes back.
    pub(super) fn debug_assert_empty(&self) {
        // SAFETY: the entry came back to the owner; it has no sleeper.
        self.waker.with_mut(|cell| debug_assert!(unsafe { (*cell).is_none() }));
    }
}

/// The identity of a stored waker. It stays comparable while the waker it was taken from is alive,
/// that is while the timer is pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WakerId {
    data: *const (),
    vtable: *const RawWakerVTable,
}

impl WakerId {
    #[inline]
    fn of(waker: &Waker) -> Self {
        Self { data: waker.data(), vtable: waker.vtable() }
    }
}

/// The sleeper's half of a timer. Dropping it cancels, from any thread and without waiting;
/// `Timers::cancel` does the same at home for less.
#[derive(Debug)]
pub(crate) struct Timer {
    entry: NonNull<Entry>,
}

// SAFETY: the entry outlives the timer, and the protocol of its state covers every thread.
unsafe impl Send for Timer {}
// SAFETY: a shared timer shows its address and its home, which never change. `entry` leads further;
// the owner uses it on a timer that its caller is about to give up.
unsafe impl Sync for Timer {}

impl Timer {
    /// Asks whether the timer has fired; if not, `waker` is the one that it will wake.
    #[inline]
    pub(crate) fn poll(&mut self, waker: &Waker) -> Expiry {
        // Ordering(timer.poll): Acquire; pairs with Ordering(timer.fire). A sleeper that reads the
        // clock next finds its deadline passed.
        let state = self.entry().state.load(ord("timer.poll", Ordering::Acquire));
        if state & FIRED != 0 {
            return Expiry::of(state);
        }
        // While the timer is pending the stored waker lives, so equal identity means the same
        // waker. If it fires between the load and here, it wakes the caller.
        if self.entry().waker_id() == WakerId::of(waker) {
            return Expiry::Pending;
        }
        self.replace_waker(waker)
    }

    /// Edges 5 and 6. The clone is made before and the old waker dropped after: both run code of
    /// the user's.
    #[cold]
    fn replace_waker(&mut self, waker: &Waker) -> Expiry {
        let waker = waker.clone();
        let id = WakerId::of(&waker);
        // Ordering(timer.hold): Acquire; pairs with Ordering(timer.fire), as Ordering(timer.poll).
        let old = self.entry().state.fetch_or(HELD, ord("timer.hold", Ordering::Acquire));
        if old & FIRED != 0 && !mutant("timer.hold_fired") {
            return Expiry::of(old);
        }
        // SAFETY: HELD is set and FIRED was not, so the owner keeps out of the cell.
        let previous = self.entry().waker.with_mut(|cell| unsafe { (*cell).replace(waker) });
        self.entry().set_waker_id(id);
        // Ordering(timer.put_back): AcqRel. Release pairs with Ordering(timer.fire), which reads
        // the waker. Acquire pairs with it too, as Ordering(timer.poll).
        let old = self.entry().state.fetch_and(!HELD, ord("timer.put_back", Ordering::AcqRel));
        if old & FIRED == 0 || mutant("timer.put_back_fired") {
            drop(previous);
            return Expiry::Pending;
        }
        // It fired meanwhile and left the cell to us.
        // SAFETY: a fire happens once, and this one found HELD.
        let unused = self.entry().waker.with_mut(|cell| unsafe { (*cell).take() });
        drop((previous, unused));
        Expiry::of(old)
    }

    /// Edge 7: cancels from any thread and gives the waker back, unless the timer has fired.
    pub(crate) fn recall(self) -> Option<Waker> {
        std::mem::ManuallyDrop::new(self).give_back()
    }

    fn give_back(&mut self) -> Option<Waker> {
        let entry = self.entry();
        // Ordering: Relaxed; if FIRED is not set, the waker in the cell is one that this sleeper
        // put there, and the owner will see HELD. If it is, we keep out of the cell.
        let old = entry.state.fetch_or(HELD, Ordering::Relaxed);
        let waker = if old & FIRED == 0 {
            // SAFETY: HELD is set and FIRED was not, so the owner keeps out of the cell.
            entry.waker.with_mut(|cell| unsafe { (*cell).take() })
        } else {
            None
        };
        // Ordering(timer.cancel): AcqRel; pairs with Ordering(timer.link). Release: the owner may
        // free the entry as soon as it sees CANCELLED. Acquire: if it is linked, its link is free.
        let old = entry.state.fetch_or(CANCELLED, ord("timer.cancel", Ordering::AcqRel));
        // From here on the entry is ours only if it is linked: then the owner waits for its return.
        if old & LINKED != 0 {
            Shared::give_back(self.entry);
        }
        waker
    }

    /// True if `shared` is where this timer belongs.
    #[inline]
    pub(super) fn is_at_home(&self, shared: NonNull<Shared>) -> bool {
        self.entry().home == shared
    }

    /// Ends the sleeper's share without telling the entry: the caller frees it.
    #[inline]
    pub(super) fn into_entry(self) -> NonNull<Entry> {
        std::mem::ManuallyDrop::new(self).entry
    }

    #[inline]
    pub(super) fn entry_ptr(&self) -> NonNull<Entry> {
        self.entry
    }

    #[inline]
    pub(super) fn entry(&self) -> &Entry {
        // SAFETY: an entry is not freed before its sleeper has given it back, which `recall`,
        // `into_entry` and `drop` do last.
        unsafe { self.entry.as_ref() }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // The waker, if any, is dropped when the entry is no longer ours to lose.
        drop(self.give_back());
    }
}

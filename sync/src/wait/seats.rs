//! The wakers of parties that come to stay: a seat for each, on a list that only grows.
//!
//! *Purpose.* A receiver of a channel that tells everybody waits again and again. To draw a new
//! place for each wait, and to give it back, is half a dozen read-modify-writes and a share of a
//! segment. A receiver is one party that waits for one thing at a time, so here it gets one
//! **seat** when it waits for the first time, and keeps it: to wait is to leave a waker there.
//!
//! *Protocol.*
//! - Who waits leaves its waker, passes a fence, and looks once more for what it waits for.
//! - Who has news publishes them, passes a fence, and walks over all seats, taking what it finds.
//!
//! One of the two fences comes first, so the look finds the news or the walk finds the waker, and
//! the seat itself if it is new. A seat is a [`WakerSlot`]: whoever takes its waker, takes it alone.
//! Its party alone registers there: one read-modify-write. Where such a step is a full fence, as on
//! x86-64, it is the fence, too, and likewise that by which news are published.
//!
//! ```text
//! (new) --(1) join--> taken --(2) leave--> spare --(1) join--> taken
//! ```
//! (1) [`Roster::join`], (2) [`Roster::leave`]. A seat is listed once, and freed with the roster;
//! those of parties that left lie on a second stack, to be used again. One thread at a time takes
//! from that stack, so no seat can go and come back unnoticed while it looks at the top (ABA). Who
//! finds another thread there lists a new seat instead of waiting.
//!
//! *Progress.* Waiting is wait-free, taking a seat and giving it back lock-free. Telling takes time
//! in proportion to the seats, whether or not somebody waits there; each party has to fetch what it
//! is told of, so that adds a constant to what a value costs. A thread that is descheduled on its
//! walk delays those it has not reached, until it goes on or another walk comes by.
//!
//! *Memory.* As many seats as parties have waited at the same time, and one for each party that
//! came for the first time while another was inside [`Roster::join`].
//!
//! *Rejected.* A flag that says whether anybody waits: it would be written for each wait, by all,
//! on one cache line. Unlinking seats: needs epochs for the walk, which is what this is to save.

use super::pool;
use crate::shim::atomic::{AtomicBool, AtomicPtr};
use crate::shim::cell::UnsafeCell;
use crate::shim::{Ordering, fence_at, mutant, ord, rmw_was_fence};
use crate::waker_slot::WakerSlot;
use crate::waking::Several;
use std::ptr;
use std::task::Waker;

struct Member {
    slot: WakerSlot,
    /// The one that was listed before; written before this one is listed.
    next: UnsafeCell<*mut Member>,
    /// The spare one below this one; written before this one becomes spare.
    below: UnsafeCell<*mut Member>,
}

/// The seats of a channel's parties.
pub(crate) struct Roster {
    /// The latest of all.
    listed: AtomicPtr<Member>,
    /// The top of those whose party has left.
    spares: AtomicPtr<Member>,
    /// A thread is taking a spare one.
    taking: AtomicBool,
}

/// A party's seat.
///
/// # Safety
///
/// It belongs to the roster that gave it out, which frees it: its owner keeps that roster alive
/// while it has the seat, and uses it with no other.
pub(crate) struct Seat(*mut Member);

// SAFETY: a seat is a shared slot; its party may move between threads.
unsafe impl Send for Seat {}
// SAFETY: as above; `&Seat` gives nothing that the roster's methods do not protect.
unsafe impl Sync for Seat {}
// SAFETY: the links are written by one thread before they are published, see their sites.
unsafe impl Send for Roster {}
// SAFETY: as above.
unsafe impl Sync for Roster {}

impl Seat {
    #[inline]
    fn slot(&self) -> &WakerSlot {
        // SAFETY: seats live as long as their roster, which the owner keeps.
        let member = unsafe { &*self.0 };
        &member.slot
    }

    /// Whether a waker lies here.
    #[inline]
    pub(crate) fn is_filled(&self) -> bool {
        self.slot().is_full()
    }

    /// Takes the waker back that nobody has taken: its party waits no longer.
    #[inline]
    pub(crate) fn clear(&self) {
        if self.is_filled() {
            self.take();
        }
    }

    #[cold]
    fn take(&self) {
        drop(self.slot().take());
    }
}

impl Roster {
    /// A roster without seats.
    pub(crate) fn new() -> Self {
        Self {
            listed: AtomicPtr::new(ptr::null_mut()),
            spares: AtomicPtr::new(ptr::null_mut()),
            taking: AtomicBool::new(false),
        }
    }

    /// A seat for a party that has none.
    pub(crate) fn join(&self) -> Seat {
        Seat(self.take_spare().unwrap_or_else(|| self.list()))
    }

    // Ordering(seats.take_enter): Acquire; pairs with Ordering(seats.take_leave): the stack as
    // the last taker left it. Without it this one could take an older top for the present one.
    // Ordering(seats.take_spare): Acquire; pairs with Ordering(seats.spare): the link below.
    fn take_spare(&self) -> Option<*mut Member> {
        // Ordering(seats.any_spare): Relaxed. Whether to try; the load below decides.
        if self.spares.load(Ordering::Relaxed).is_null() {
            return None;
        }
        let enter = ord("seats.take_enter", Ordering::Acquire);
        if self.taking.swap(true, enter) && !mutant("seats.taking") {
            return None;
        }
        let acquire = ord("seats.take_spare", Ordering::Acquire);
        let mut top = self.spares.load(acquire);
        while !top.is_null() {
            // SAFETY: seats live as long as the roster.
            let member = unsafe { &*top };
            let below = member.below.with(|below| {
                // SAFETY: written before the seat became spare; it stays spare while we are here.
                unsafe { *below }
            });
            match self.spares.compare_exchange(top, below, acquire, acquire) {
                Ok(_) => break,
                Err(now) => top = now,
            }
        }
        // Ordering(seats.take_leave): Release; pairs with Ordering(seats.take_enter).
        self.taking.store(false, ord("seats.take_leave", Ordering::Release));
        (!top.is_null()).then_some(top)
    }

    /// Lists a new seat.
    // Ordering(seats.list): Release; pairs with Ordering(seats.walk): the seat is whole for who
    // walks by. On failure nothing is looked into.
    fn list(&self) -> *mut Member {
        let new = pool::boxed(Member {
            slot: WakerSlot::new(),
            next: UnsafeCell::new(ptr::null_mut()),
            below: UnsafeCell::new(ptr::null_mut()),
        });
        // SAFETY: made above.
        let member = unsafe { &*new };
        let mut latest = self.listed.load(Ordering::Relaxed);
        loop {
            member.next.with_mut(|next| {
                // SAFETY: not listed yet, so ours alone.
                unsafe { *next = latest };
            });
            let (ok, err) = (ord("seats.list", Ordering::Release), Ordering::Relaxed);
            match self.listed.compare_exchange_weak(latest, new, ok, err) {
                Ok(_) => return new,
                Err(now) => latest = now,
            }
        }
    }

    /// Gives a seat back.
    // Ordering(seats.spare): Release; pairs with Ordering(seats.take_spare): the link, and that
    // its former party is finished with the seat.
    pub(crate) fn leave(&self, seat: Seat) {
        // Dropped last: that is user code.
        let _waker = seat.slot().take();
        // SAFETY: seats live as long as the roster.
        let member = unsafe { &*seat.0 };
        let mut top = self.spares.load(Ordering::Relaxed);
        loop {
            member.below.with_mut(|below| {
                // SAFETY: the seat is the caller's, and not spare yet.
                unsafe { *below = top };
            });
            let (ok, err) = (ord("seats.spare", Ordering::Release), Ordering::Relaxed);
            match self.spares.compare_exchange_weak(top, seat.0, ok, err) {
                Ok(_) => return,
                Err(now) => top = now,
            }
        }
    }

    /// Leaves a waker on a seat. The caller looks once more for what it waits for.
    #[inline]
    pub(crate) fn wait(&self, seat: &mut Seat, waker: &Waker) {
        // SAFETY: whoever has the seat has it alone, and this is the only place that registers.
        let left = unsafe { seat.slot().register_alone(waker) };
        // Either the walk finds the waker, or the look finds the news: pairs with
        // fence(seats.announce).
        if !(left && rmw_was_fence()) {
            fence_at("seats.waits");
        }
    }

    /// Wakes all that wait for what the caller has published.
    pub(crate) fn wake_all(&self) {
        self.tell(false);
    }

    /// As [`wake_all`](Self::wake_all), for who published by a read-modify-write and has done
    /// nothing since that others must see.
    #[inline]
    pub(crate) fn wake_all_behind_rmw(&self) {
        self.tell(true);
    }

    #[inline]
    fn tell(&self, behind_rmw: bool) {
        // Pairs with fence(seats.waits).
        if !(behind_rmw && rmw_was_fence()) {
            fence_at("seats.announce");
        }
        // Ordering(seats.walk): Acquire; pairs with Ordering(seats.list): the seats are whole.
        let latest = self.listed.load(ord("seats.walk", Ordering::Acquire));
        Walk { member: latest, several: Several::new() }.run();
    }
}

/// Goes on with the next seat even if a waker of this one panicked.
struct Walk {
    member: *mut Member,
    several: Several,
}

impl Walk {
    #[inline]
    fn run(mut self) {
        while self.step() {}
    }

    /// Wakes who sits on the next seat; false if there is none.
    #[inline]
    fn step(&mut self) -> bool {
        // SAFETY: seats live as long as the roster, which the caller of `wake_all` has.
        let Some(member) = (unsafe { self.member.as_ref() }) else { return false };
        self.member = member.next.with(|next| {
            // SAFETY: written before the seat was listed, and not again.
            unsafe { *next }
        });
        if member.slot.is_full() {
            self.several.next();
            member.slot.wake();
        }
        true
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        while self.step() {}
    }
}

impl Drop for Roster {
    fn drop(&mut self) {
        // Ordering(seats.drop): Relaxed. `&mut self` has been ordered after all uses.
        let mut next = self.listed.load(Ordering::Relaxed);
        while !next.is_null() {
            let member = next;
            // SAFETY: no seat outlives its roster's users, so this list is ours alone.
            let listed = unsafe { &*member };
            next = listed.next.with(|next| {
                // SAFETY: as above.
                unsafe { *next }
            });
            // SAFETY: as above; made by `pool::boxed`, and each is visited once.
            unsafe { pool::unbox(member) };
        }
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;

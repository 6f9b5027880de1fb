//! The waiter queue: the infinite array of waiting places, made at first contention.
//!
//! A primitive is a word and a [`WaitQueue`]: eight bytes that stay null while nobody waits. The
//! first waiter *or granter* makes the queue (the loser of that race frees its own), and it is kept
//! until the primitive is dropped.

use super::cell::{Cell, Taken, Waiter};
use super::list::List;
use super::reclaim::{Domain, Managed};
use super::wakers::{BATCH, Wakers};
use crate::coop;
use crate::shim::atomic::{AtomicPtr, AtomicU64};
use crate::shim::{Ordering, ord};
use std::ptr;
use std::task::{Context, Poll};

/// The queue proper.
pub(crate) struct Queue {
    pub(super) list: List<Cell>,
    /// Positions handed out by [`Queue::enter`]. Primitives that draw positions from their own
    /// word leave it at zero.
    pub(super) entered: AtomicU64,
}

/// Where a future stands that waits for one grant.
#[derive(Default)]
pub(crate) enum Place {
    /// Not polled yet.
    #[default]
    Idle,
    /// Polled, but only when its task had to yield: see [`Place::proceed`].
    Yielded,
    /// In the queue; empty only while a poll collects the grant.
    Waiting(Option<Waiter>),
    /// The grant was handed to the caller.
    Done,
}

impl Place {
    /// Takes the waiter out, for good.
    pub(crate) fn leave(&mut self) -> Option<Waiter> {
        match std::mem::replace(self, Place::Done) {
            Place::Waiting(waiter) => waiter,
            Place::Idle | Place::Yielded | Place::Done => None,
        }
    }

    /// [`coop::poll_proceed`], and whoever drops the future can tell whether it was ever polled. The
    /// protocols behind it find the place idle or waiting.
    #[inline]
    pub(crate) fn proceed(&mut self, cx: &mut Context<'_>) -> Poll<coop::Restore> {
        let polled = coop::poll_proceed(cx);
        match self {
            Place::Idle if polled.is_pending() => *self = Place::Yielded,
            Place::Yielded if polled.is_ready() => *self = Place::Idle,
            _ => {}
        }
        polled
    }
}

/// What became of a grant.
#[must_use]
pub(crate) enum Granted {
    /// It belongs to the next waiter, whose waker, if any, must be woken.
    Yes(Taken),
    /// This many waiters had left; the grant is still in the caller's hand.
    Absent(u64),
}

impl Queue {
    fn new() -> Self {
        Self { list: List::new(), entered: AtomicU64::new(0) }
    }

    /// Takes the next place in FIFO order.
    pub(crate) fn enter(&self) -> Waiter {
        // Ordering(wait.enter): Acquire; pairs with Ordering(weighted.shut_limit). The cell orders
        // the rest.
        let order = ord("wait.enter", Ordering::Acquire);
        let position = self.list.enter(|| Some(self.entered.fetch_add(1, order)));
        Waiter::new(position.expect("a counter always gives a position"))
    }

    /// Takes the place that `take` draws from the primitive's own word, unless it declines.
    pub(crate) fn enter_with(&self, take: impl FnOnce() -> Option<u64>) -> Option<Waiter> {
        self.list.enter(take).map(Waiter::new)
    }

    /// Grants the next place, even if its waiter is still on the way.
    pub(crate) fn grant(&self, note: u64) -> Granted {
        let absent = std::cell::Cell::new(1);
        let count_off = |rest| {
            absent.set(1 + rest);
            rest
        };
        match self.grant_counted(note, count_off, |_| absent.set(1)) {
            Granted::Absent(_) => Granted::Absent(absent.get()),
            granted => granted,
        }
    }

    /// As [`Queue::grant`], for several granters that count the places: each has taken one off its
    /// count. Before a run that was swept is passed, `count_off` is asked how much of the rest of
    /// it may be; `count_again` takes back what another granter then claimed first.
    pub(crate) fn grant_counted(
        &self,
        note: u64,
        count_off: impl FnOnce(u64) -> u64,
        count_again: impl FnOnce(u64),
    ) -> Granted {
        let granted = self.list.claim_counted(count_off, count_again, |cell| cell.grant(note));
        granted.and_then(Result::ok).map_or(Granted::Absent(1), Granted::Yes)
    }

    /// Grants the first live place below `limit`; false if there is none.
    pub(crate) fn grant_one_below(&self, limit: u64, note: u64) -> bool {
        let mut granted = None;
        while granted.is_none() {
            let found = self.list.claim_below(limit, 1, |cell| granted = cell.grant(note).ok());
            if !found {
                return false;
            }
        }
        if let Some(waker) = granted.flatten() {
            waker.wake();
        }
        true
    }

    /// Grants all places below `limit`, in batches that are woken outside of every guard.
    pub(crate) fn grant_all_below(&self, limit: u64, note: u64) {
        GrantAll { queue: self, limit, note, step: 0 }.run();
    }

    /// As `grant_all_below`; the live places get the notes 0, 1, 2 and so on. Returns how many.
    pub(crate) fn grant_numbered_below(&self, limit: u64) -> u64 {
        GrantAll { queue: self, limit, note: 0, step: 1 }.run()
    }

    /// The place whose turn comes next.
    pub(crate) fn next_grant(&self) -> u64 {
        self.list.next_claim()
    }

    /// Polls a place; `Ready` finishes it and empties the option.
    pub(crate) fn poll(&self, waiter: &mut Option<Waiter>, cx: &mut Context<'_>) -> Poll<u64> {
        let Some(waiting) = waiter else { unreachable!("polled without a place") };
        let note = std::task::ready!(waiting.poll(cx));
        if let Some(waiting) = waiter.take() {
            waiting.finish(&self.list);
        }
        Poll::Ready(note)
    }

    /// Leaves a place; `Some(note)` if a grant was here already and must be handed on.
    pub(crate) fn cancel(&self, waiter: Waiter) -> Option<u64> {
        waiter.cancel(&self.list)
    }
}

/// Goes on with the next batch even if a waker of this one panicked.
struct GrantAll<'q> {
    queue: &'q Queue,
    limit: u64,
    /// For the next live place, and by how much it grows from one to the next.
    note: u64,
    step: u64,
}

impl GrantAll<'_> {
    fn run(mut self) -> u64 {
        while self.batch() {}
        let note = self.note;
        std::mem::forget(self);
        note
    }

    /// Grants up to [`BATCH`] places; false if there were none left.
    fn batch(&mut self) -> bool {
        let mut wakers = Wakers::new();
        let found = self.queue.list.claim_below(self.limit, BATCH as u64, |cell| {
            if let Ok(waker) = cell.grant(self.note) {
                self.note += self.step;
                waker.into_iter().for_each(|waker| wakers.push(waker));
            }
        });
        wakers.wake_all();
        found
    }
}

impl Drop for GrantAll<'_> {
    fn drop(&mut self) {
        while self.batch() {}
    }
}

/// A [`Queue`] that is made when it is first needed. One pointer.
pub(crate) struct WaitQueue {
    queue: AtomicPtr<Managed<Queue>>,
    domain: Domain,
}

const_fn! {
    impl WaitQueue {
        /// No queue yet.
        pub(crate) fn new() -> Self {
            Self { queue: AtomicPtr::new(ptr::null_mut()), domain: Domain::new() }
        }
    }
}

impl WaitQueue {
    /// The queue, made if it has to be.
    // Ordering(wait.queue_peek): Acquire; pairs with Ordering(wait.queue_make): the queue's
    // contents are visible to whoever finds it.
    #[inline]
    pub(crate) fn get(&self) -> &Queue {
        let queue = self.queue.load(ord("wait.queue_peek", Ordering::Acquire));
        if queue.is_null() {
            return self.make();
        }
        // SAFETY: once made, the queue lives until `self` is dropped.
        unsafe { Managed::get(queue) }
    }

    // Ordering(wait.queue_make): Release; pairs with Ordering(wait.queue_peek) and
    // Ordering(wait.queue_lost).
    // Ordering(wait.queue_lost): Acquire; pairs with Ordering(wait.queue_make): the loser of the
    // race uses the winner's queue.
    #[cold]
    fn make(&self) -> &Queue {
        let made = self.domain.alloc(Queue::new());
        let (ok, err) =
            (ord("wait.queue_make", Ordering::Release), ord("wait.queue_lost", Ordering::Acquire));
        match self.queue.compare_exchange(ptr::null_mut(), made, ok, err) {
            // SAFETY: published now; lives until `self` is dropped.
            Ok(_) => unsafe { Managed::get(made) },
            Err(winner) => {
                // SAFETY: never published.
                unsafe { self.domain.free(made) };
                // SAFETY: as above.
                unsafe { Managed::get(winner) }
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn live_segments(&self) -> usize {
        let queue = self.queue.load(Ordering::Acquire);
        // SAFETY: once made, the queue lives until `self` is dropped.
        if queue.is_null() { 0 } else { unsafe { Managed::get(queue) }.list.live_segments() }
    }
}

impl Drop for WaitQueue {
    fn drop(&mut self) {
        // Ordering(wait.queue_drop): Relaxed. `&mut self` has been ordered after all uses.
        let queue = self.queue.load(Ordering::Relaxed);
        if !queue.is_null() {
            // SAFETY: made by `make`, and nobody can reach it any more.
            unsafe { self.domain.free(queue) };
        }
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

//! What all queues share: the two counters, admission, and the count of unfinished items.
//!
//! | word      | counts |
//! |-----------|--------|
//! | `puts`    | bit 0: shut down; above: admitted puts, twice for a put that had to store again |
//! | `refused` | admissions that were taken back: too late, or the store unwound |
//! | `again`   | admissions that a get has given up, because the put was slow; it stores again |
//! | `gets`    | items taken out; the FIFO store counts the numbers that gets came to instead |
//! | `done`    | items reported by `task_done` |
//!
//! *Unfinished* are `puts - refused - again - done`. A reader takes `puts` last: each can only have
//! grown since, so the difference is never too small, and a zero was true at the moment `done` was
//! read. The others are published by Release after the `puts` that they belong to, so whoever
//! counts them counts those, too.

use super::Store;
use crate::error::TooManyDone;
use crate::shim::atomic::AtomicU64;
use crate::shim::{Ordering, fence_at, hint, mutant, ord, thread};
use crate::wait::line::{Line, OnFlag};
use crate::wait::queue::Place;
use crate::wait::weighted::{Shut, Weighted};
use std::marker::PhantomData;
use std::task::{Context, Poll, ready};

const SHUT: u64 = 1;
const ONE: u64 = 2;

/// A cache line of its own: puts and gets do not slow each other down where they need not.
#[repr(align(64))]
struct Apart<T>(T);

pub(super) struct Core<T, S> {
    puts: Apart<AtomicU64>,
    refused: Apart<AtomicU64>,
    again: AtomicU64,
    gets: AtomicU64,
    done: AtomicU64,
    /// One for each item in the store that no get has been promised.
    items: Apart<Weighted>,
    /// One for each item that there is room for; unused if there is no limit.
    slots: Apart<Weighted>,
    pub(super) maxsize: usize,
    /// Those who wait for `unfinished` to be zero.
    joining: Line,
    store: S,
    holds: PhantomData<T>,
}

// SAFETY: items move between threads; the store synchronizes them.
unsafe impl<T: Send, S: Send> Send for Core<T, S> {}
// SAFETY: as above; no `&T` is ever handed out, and the store says whether it shares any.
unsafe impl<T: Send, S: Sync> Sync for Core<T, S> {}

impl<T, S: Store<T>> Core<T, S> {
    #[track_caller]
    pub(super) fn new(maxsize: usize) -> Self {
        let most = crate::Semaphore::MAX_PERMITS;
        assert!(maxsize <= most, "room for {maxsize} items, Semaphore::MAX_PERMITS is {most}");
        Self {
            puts: Apart(AtomicU64::new(0)),
            refused: Apart(AtomicU64::new(0)),
            again: AtomicU64::new(0),
            gets: AtomicU64::new(0),
            done: AtomicU64::new(0),
            items: Apart(Weighted::new(0)),
            slots: Apart(Weighted::new(maxsize)),
            maxsize,
            joining: Line::new(),
            store: S::new(),
            holds: PhantomData,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.items.0.available()
    }

    pub(super) fn is_full(&self) -> bool {
        self.maxsize > 0 && self.slots.0.available() == 0
    }

    pub(super) fn is_shut(&self) -> bool {
        // Ordering(queue.peek_shut): Relaxed. A snapshot that is stale at once.
        self.puts.0.load(Ordering::Relaxed) & SHUT != 0
    }

    // Puts.

    /// Takes room for one item, if there is some.
    #[inline]
    pub(super) fn try_slot(&self) -> Result<bool, Shut> {
        if self.maxsize == 0 { Ok(true) } else { self.slots.0.try_take(1) }
    }

    /// Waits for room for one item.
    #[inline]
    pub(super) fn poll_slot(&self, at: &mut Place, cx: &mut Context<'_>) -> Poll<Result<(), Shut>> {
        if self.maxsize == 0 { Poll::Ready(Ok(())) } else { self.slots.0.poll_take(at, 1, cx) }
    }

    /// Gives up waiting for room.
    pub(super) fn leave_slots(&self, at: &mut Place) {
        if let Place::Waiting(_) = at {
            self.slots.0.leave(at, 1);
        }
    }

    /// Stores an item for which there is room, unless the queue is shut down; false then.
    ///
    /// `value` keeps the item unless it is stored, also if the store unwinds.
    #[inline]
    pub(super) fn store(&self, value: &mut Option<T>) -> bool {
        let unwound = Unwound(|| {
            self.void(&self.refused.0);
            self.release_slot();
        });
        let stored = self.store.push(|| self.admit(), || self.admitted(), value);
        std::mem::forget(unwound);
        if stored {
            self.items.0.release(1);
        } else {
            self.release_slot();
        }
        stored
    }

    // Ordering(queue.admit): Acquire; pairs with Ordering(queue.admitted). The number decides who
    // came before a shutdown; the store and `items` publish the item.
    #[inline]
    pub(super) fn admit(&self) -> Option<u64> {
        let old = self.puts.0.fetch_add(ONE, ord("queue.admit", Ordering::Acquire));
        if old & SHUT == 0 {
            return Some(old / ONE);
        }
        // Too late: the number is taken back. `unfinished` was too large for a moment.
        self.void(&self.refused.0);
        None
    }

    /// How many numbers admissions have had, those that came too late included.
    // Ordering(queue.admitted): Release; pairs with Ordering(queue.admit): whoever is admitted
    // behind this sees what the caller did before.
    #[cold]
    fn admitted(&self) -> u64 {
        if mutant("queue.admitted_load") {
            return self.puts.0.load(Ordering::Relaxed) / ONE;
        }
        self.puts.0.fetch_or(0, ord("queue.admitted", Ordering::Release)) / ONE
    }

    /// One admission more that will not become an item.
    fn void(&self, counter: &AtomicU64) {
        // Ordering(queue.void): Release; pairs with Ordering(queue.is_over),
        // Ordering(queue.unfinished) and Ordering(queue.done_look): the admission is counted by
        // whoever counts this; else a get would miss an item that is still being stored.
        counter.fetch_add(1, ord("queue.void", Ordering::Release));
        self.wake_joining();
    }

    fn release_slot(&self) {
        if self.maxsize > 0 {
            self.slots.0.release(1);
        }
    }

    // Gets.

    /// Takes an item out if one is there that no get was promised.
    #[inline]
    pub(super) fn try_get(&self) -> Option<T> {
        if !self.items.0.try_take_one() {
            return None;
        }
        let mut value = self.take_out();
        while value.is_none() {
            // Somebody is comparing the item; see the priority store.
            thread::yield_now();
            value = self.take_out();
        }
        value
    }

    /// Waits for an item; `Err` once the queue is over. `promised` is whether one of `items` is held
    /// already.
    #[inline]
    pub(super) fn poll_get(
        &self,
        at: &mut Place,
        promised: &mut bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<T, Shut>> {
        if !std::mem::take(promised) && ready!(self.items.0.poll_take(at, 1, cx)).is_err() {
            return self.poll_shut(at, cx);
        }
        if let Some(value) = self.take_out() {
            return Poll::Ready(Ok(value));
        }
        // Somebody is comparing the item; see the priority store.
        *promised = true;
        hint::spin_loop();
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// A get of a queue that is shut down.
    #[cold]
    fn poll_shut(&self, at: &mut Place, cx: &mut Context<'_>) -> Poll<Result<T, Shut>> {
        let over = self.is_over();
        if let Some(value) = self.try_get() {
            return Poll::Ready(Ok(value));
        }
        if over {
            return Poll::Ready(Err(Shut));
        }
        // A put was admitted before the shutdown and is still storing its item.
        *at = Place::Yielded;
        hint::spin_loop();
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes an item out for one of `items`, which the caller still holds if this is none.
    fn take_out(&self) -> Option<T> {
        let unwound = Unwound(|| self.items.0.release(1));
        let value = self.store.pop(|| self.void(&self.again));
        std::mem::forget(unwound);
        let value = value?;
        // Ordering(queue.gets): Relaxed. Once the queue is shut no item is admitted, so however
        // late it is read, a sum that is reached is final.
        if !S::COUNTS_GETS {
            self.gets.fetch_add(1, Ordering::Relaxed);
        }
        self.release_slot();
        Some(value)
    }

    /// Gives up waiting for an item, or gives the promise of one back.
    pub(super) fn leave_items(&self, at: &mut Place, promised: &mut bool) {
        if std::mem::take(promised) {
            self.items.0.release(1);
        } else if let Place::Waiting(_) = at {
            self.items.0.leave(at, 1);
        }
    }

    /// Whether the queue is shut down and every admitted item was taken out, or is being so.
    // Ordering(queue.is_over): Acquire; pairs with Ordering(queue.void): `puts` has the admissions
    // that were given up, see the module's note. The others are Relaxed: numbers only.
    pub(super) fn is_over(&self) -> bool {
        let counted = || self.gets.load(Ordering::Relaxed);
        let gets = if S::COUNTS_GETS { self.store.gets() } else { counted() };
        let refused = self.refused.0.load(ord("queue.is_over", Ordering::Acquire));
        let puts = self.puts.0.load(Ordering::Relaxed);
        puts & SHUT != 0 && gets + refused >= puts / ONE
    }

    /// Refuses puts from now on, and tells those who wait.
    pub(super) fn shut(&self) {
        /// A waker of the one side may panic: the other is told all the same.
        struct ShutItems<'a>(&'a Weighted);
        impl Drop for ShutItems<'_> {
            fn drop(&mut self) {
                self.0.shut();
            }
        }
        // Ordering(queue.shut): Relaxed. The word's own order decides which puts came before.
        self.puts.0.fetch_or(SHUT, Ordering::Relaxed);
        let _items = ShutItems(&self.items.0);
        self.slots.0.shut();
    }

    // The count of unfinished items.

    // Ordering(queue.unfinished): Acquire, on the first two; pairs with Ordering(queue.done) and
    // Ordering(queue.void): whoever joins sees the work that was reported, and `puts` has all that
    // belongs to the others. See the module's note.
    pub(super) fn unfinished(&self) -> u64 {
        let acquire = ord("queue.unfinished", Ordering::Acquire);
        let done = self.done.load(acquire);
        let voids = self.voids(acquire);
        let puts = self.puts.0.load(Ordering::Relaxed);
        (puts / ONE).saturating_sub(voids + done)
    }

    /// Admissions that did not become items.
    fn voids(&self, acquire: Ordering) -> u64 {
        // Ordering(queue.voids): Acquire; as Ordering(queue.unfinished), or whatever the caller needs.
        self.refused.0.load(acquire) + self.again.load(acquire)
    }

    // Ordering(queue.done): Release; pairs with Ordering(queue.unfinished) and
    // Ordering(queue.done_look): whoever joins sees the work that is reported here.
    // Ordering(queue.done_look): Acquire; pairs with Ordering(queue.done) and
    // Ordering(queue.void): `puts` has the items of those who reported before, else this report
    // would be one too many.
    pub(super) fn task_done(&self) -> Result<(), TooManyDone> {
        let acquire = ord("queue.done_look", Ordering::Acquire);
        let mut done = self.done.load(acquire);
        loop {
            let voids = self.voids(acquire);
            let puts = self.puts.0.load(Ordering::Relaxed);
            if done + voids >= puts / ONE {
                return Err(TooManyDone(()));
            }
            let ok = ord("queue.done", Ordering::Release);
            match self.done.compare_exchange_weak(done, done + 1, ok, acquire) {
                Ok(_) => break,
                Err(now) => done = now,
            }
        }
        self.wake_joining();
        Ok(())
    }

    /// As `task_done` for an item that was taken out just now.
    pub(super) fn count_done(&self) {
        // Ordering: Release as Ordering(queue.done), of which this is a case.
        self.done.fetch_add(1, ord("queue.done", Ordering::Release));
        self.wake_joining();
    }

    fn wake_joining(&self) {
        // Either we see who joins, or they see what we counted: pairs with fence(queue.join).
        fence_at("queue.counted");
        let joining = self.joining.entered();
        if joining > 0 && self.unfinished() == 0 {
            self.joining.grant_all(joining, 0);
        }
    }

    /// Waits until nothing is unfinished.
    pub(super) fn poll_join(&self, at: &mut Place, cx: &mut Context<'_>) -> Poll<()> {
        if let Place::Idle = at {
            if self.unfinished() == 0 {
                *at = Place::Done;
                return Poll::Ready(());
            }
            self.joining.enter(at, OnFlag::Ignore);
            // Pairs with fence(queue.counted).
            fence_at("queue.join");
            if self.unfinished() == 0 && !mutant("queue.join_recheck") {
                self.joining.leave(at);
                return Poll::Ready(());
            }
        }
        self.joining.poll_granted(at, cx).map(drop)
    }

    /// Gives up joining.
    pub(super) fn leave_joining(&self, at: &mut Place) {
        let _ = self.joining.leave(at);
    }
}

/// Calls its closure if the store unwinds; forgotten otherwise.
struct Unwound<F: FnMut()>(F);

impl<F: FnMut()> Drop for Unwound<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
impl<T, S> Core<T, S> {
    /// Segments of the two counters' queues.
    pub(super) fn live_segments(&self) -> (usize, usize) {
        (self.items.0.live_segments(), self.slots.0.live_segments())
    }
}

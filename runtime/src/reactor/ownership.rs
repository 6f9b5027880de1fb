//! Who may wait on a poller, and what its parked worker sleeps on.
//!
//! Two threads that wait on one epoll instance at a time steal each other's edges: a harvester
//! swallows the edge of the very eventfd write that was meant to end its owner's sleep (109 of
//! 2,000 wake-ups lost, 1,369 through a nested epoll). Two words prevent that.
//!
//! # The claim: who waits
//!
//! ```text
//!            1 claim_or_want, try_poll               3 harvest
//!   OWNER <---------------------------- FREE ----------------------------> FOREIGN
//!         ---------------------------->  ^                                   |
//!            2 release                   | 4 harvest (end)                   | 5 claim_or_want
//!                                        +----------------- WANTED <---------+
//! ```
//! Every wait on the poller, blocking or not, happens between the edge into `OWNER` or `FOREIGN`
//! and the edge back to `FREE`. A harvester only tries (edge 3) and waits with a zero timeout. An
//! owner that wants to sleep while a harvester is inside marks the claim (edge 5) and sleeps on
//! its thread instead; the harvester finds the mark on its way out (edge 4) and wakes it.
//!
//! # The park word: what a wake-up has to do
//!
//! ```text
//!   RUNNING ----1 publish----> IN_POLLER        wake: write the eventfd
//!           ----2 sleep_on_thread--> a handle   wake: unpark this thread
//!           ----3 wake-------> NOTIFIED         wake: nothing left to do
//!   any     ----4 retract----> RUNNING          by the owner alone, when its park ends
//! ```
//! `wake` swaps in `NOTIFIED`; what it swapped out says what the worker sleeps on. A worker that
//! finds `NOTIFIED` when it publishes does not sleep. `IN_POLLER` implies the claim is `OWNER`,
//! so no harvester can be inside while an eventfd write is what the worker waits for: the writes
//! that a harvester swallows are late ones, whose `NOTIFIED` the worker has seen or will see.
//!
//! A worker sleeping on its thread puts a counted pointer to its thread handle into the word.
//! Whoever swaps it out owns it. The word therefore does not care which thread runs the worker,
//! and no handle is read that its writer may be replacing.
//!
//! # Progress
//!
//! `wake`, `try_poll` and `harvest` are wait-free but for the system calls they make. The owner's
//! claim is lock-free: it goes around once for each harvester that comes and goes meanwhile.
//!
//! # Rejected
//!
//! Spinning until the harvester is out: it may be descheduled. A blocking wait on the epoll
//! without the claim: loses wake-ups, see above. A thread handle written once per worker: a
//! worker handed to another thread would have to replace what wakers may be reading.
use std::ptr;

use corio_sync::shim::atomic::{AtomicPtr, AtomicU8};
use corio_sync::shim::sync::Arc;
use corio_sync::shim::{Ordering, mutant, ord, thread};

use Ordering::{AcqRel, Acquire, Relaxed, Release};

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

/// Nobody waits on the poller.
const FREE: u8 = 0;
/// The owner waits on the poller.
const OWNER: u8 = 1;
/// Another thread harvests the poller.
const FOREIGN: u8 = 2;
/// Another thread harvests the poller, and the owner wants to be woken when it is done.
const WANTED: u8 = 3;

/// Something that ends the sleep of one thread; a thread handle but for models.
pub(crate) trait Unpark {
    /// Ends the current or the next sleep.
    fn unpark(&self);
}

impl Unpark for thread::Thread {
    fn unpark(&self) {
        thread::Thread::unpark(self);
    }
}

/// The two words of one poller; see the module's documentation.
#[derive(Debug)]
pub(crate) struct Ownership<H: Unpark = thread::Thread> {
    claim: AtomicU8,
    park: AtomicPtr<H>,
}

/// The park word of a worker that runs.
const fn running<H>() -> *mut H {
    ptr::null_mut()
}

/// The park word of a worker that sleeps in its poller. Never the address of a handle.
const fn in_poller<H>() -> *mut H {
    ptr::without_provenance_mut(1)
}

/// The park word of a worker that was woken and has not noticed yet. Never the address of a
/// handle.
const fn notified<H>() -> *mut H {
    ptr::without_provenance_mut(2)
}

impl<H: Unpark> Ownership<H> {
    pub(crate) fn new() -> Self {
        const { assert!(align_of::<H>() > 2, "tags 1 and 2 may not be addresses of a handle") };
        Self { claim: AtomicU8::new(FREE), park: AtomicPtr::new(running()) }
    }

    /// Parks the owner until it is woken, until `wait` ends, or until `sleep` ends.
    ///
    /// Calls `wait` with the poller claimed; its argument says whether it may block. If a
    /// harvester is inside, calls `sleep` instead and returns `None`: the owner goes around and
    /// looks for work again. Neither may unwind. One thread at a time may park.
    pub(crate) fn park<R>(
        &self,
        handle: impl FnOnce() -> Arc<H>,
        wait: impl FnOnce(bool) -> R,
        sleep: impl FnOnce(),
    ) -> Option<R> {
        if !self.claim_or_want() {
            self.sleep_on_thread(handle(), sleep);
            return None;
        }
        // Relaxed: a waker that finds IN_POLLER reads nothing of ours, it writes the eventfd. If
        // the exchange fails the word is NOTIFIED, and `retract` synchronizes with that waker.
        let published =
            self.park.compare_exchange(running(), in_poller(), Relaxed, Relaxed).is_ok();
        let result = wait(published || mutant("ownership.notified"));
        self.retract();
        self.release();
        Some(result)
    }

    /// Calls `wait`, which must not block or unwind, with the poller claimed for its owner; `None`
    /// if a harvester is inside.
    pub(crate) fn try_poll<R>(&self, wait: impl FnOnce() -> R) -> Option<R> {
        self.try_claim(OWNER).ok()?;
        let result = wait();
        self.release();
        Some(result)
    }

    /// Calls `wait`, which must not block or unwind, with the poller claimed for a thread that
    /// does not own it; `None` if somebody is inside. `ring` writes the eventfd.
    pub(crate) fn harvest<R>(&self, wait: impl FnOnce() -> R, ring: impl FnOnce()) -> Option<R> {
        self.try_claim(FOREIGN).ok()?;
        let result = wait();
        // Ordering(ownership.leave): Release; pairs with Ordering(ownership.claim). The next to
        // wait finds our use of the poller's buffers complete; without it both race on them.
        let claim = self.claim.swap(FREE, ord("ownership.leave", Release));
        debug_assert!(claim == FOREIGN || claim == WANTED);
        if claim == WANTED && !mutant("ownership.wanted") {
            self.wake(ring);
        }
        Some(result)
    }

    /// Ends the owner's current or next park. `ring` writes the eventfd.
    ///
    /// What the caller wrote before is visible to the owner when its park returns.
    pub(crate) fn wake(&self, ring: impl FnOnce()) {
        // Ordering(ownership.wake): AcqRel; pairs with Ordering(ownership.retract) by its release
        // half: the owner sees the work it is woken for. Pairs with Ordering(ownership.sleep) by
        // its acquire half: the thread handle is read after it was written.
        let previous = self.park.swap(notified(), ord("ownership.wake", AcqRel));
        if previous == in_poller() {
            ring();
        } else if previous != running() && previous != notified() {
            // SAFETY: a word with another value is an `Arc` that `sleep_on_thread` turned into
            // this pointer, and the swap above made us the only one who turns it back.
            let handle = unsafe { Arc::from_raw(previous) };
            handle.unpark();
        }
    }

    /// For an owner that has not gone to sleep: true if a wake-up has come since its last park, and
    /// is now used up as by a park that returned.
    pub(crate) fn take_notice(&self) -> bool {
        // Relaxed: a look at what a later swap, of `retract` or of the next park, takes.
        let noticed = self.park.load(Relaxed) == notified();
        if noticed {
            self.retract();
        }
        noticed
    }

    /// True if the owner sleeps, or is about to, or was just woken by its poller.
    #[cfg(test)]
    pub(crate) fn is_parked(&self) -> bool {
        // Relaxed: a hint. Who must not miss a sleeper calls `wake`.
        let word = self.park.load(Relaxed);
        word != running() && word != notified()
    }

    /// Claims the poller for the owner, or marks the claim of the harvester inside.
    fn claim_or_want(&self) -> bool {
        loop {
            match self.try_claim(OWNER) {
                Ok(()) => return true,
                Err(WANTED) => return false,
                Err(claim) => assert_ne!(claim, OWNER, "two threads park as one worker"),
            }
            // Relaxed: the mark carries no data. That it is found is a matter of this word's
            // order alone, and the sleep that follows is decided on the park word.
            if self.claim.compare_exchange(FOREIGN, WANTED, Relaxed, Relaxed).is_ok() {
                return false;
            }
        }
    }

    fn try_claim(&self, who: u8) -> Result<(), u8> {
        // Ordering(ownership.claim): Acquire; pairs with Ordering(ownership.release) and
        // Ordering(ownership.leave). The poller's buffers are free; without it both race on them.
        self.claim.compare_exchange(FREE, who, ord("ownership.claim", Acquire), Relaxed)?;
        Ok(())
    }

    fn release(&self) {
        // Ordering(ownership.release): Release; pairs with Ordering(ownership.claim). The next to
        // wait finds our use of the poller's buffers complete. A store will do: nobody else
        // changes the claim while it is OWNER.
        self.claim.store(FREE, ord("ownership.release", Release));
    }

    /// Sleeps on the thread until woken by `wake`, be it a harvester's or anybody's.
    fn sleep_on_thread(&self, handle: Arc<H>, sleep: impl FnOnce()) {
        let handle = Arc::into_raw(handle).cast_mut();
        // Ordering(ownership.sleep): Release; pairs with Ordering(ownership.wake). The waker may
        // read the handle. Relaxed on failure: `retract` follows.
        let published = self
            .park
            .compare_exchange(running(), handle, ord("ownership.sleep", Release), Relaxed)
            .is_ok();
        if published || mutant("ownership.notified") {
            sleep();
        }
        let previous = self.retract();
        if !published || previous == handle {
            // SAFETY: the pointer comes from `into_raw` above, and it never left us or came back
            // by the swap: no waker owns it.
            drop(unsafe { Arc::from_raw(handle) });
        }
    }

    /// Ends a park: from now on wake-ups are for the next one.
    fn retract(&self) -> *mut H {
        // Ordering(ownership.retract): Acquire; pairs with Ordering(ownership.wake). The owner
        // sees what it was woken for; without it the wake-up is consumed and the work missed.
        self.park.swap(running(), ord("ownership.retract", Acquire))
    }
}

//! The timers of one worker: a wheel behind a word that says who may use it.
//!
//! # The word
//!
//! ```text
//!   FREE ----(1)----> OWNER ----(2)----> FREE
//!   FREE ----(3)----> RESCUER --(4)----> FREE
//!                     RESCUER --(5)--> WANTED --(4)--> FREE, and the owner's poller is woken
//! ```
//! 1. `insert`, `cancel`, `reset`, `expire`, `park_deadline`, `close` of the worker. 2. at their
//!    end. 3. and 4. `expire` of a sibling, while the worker is stuck in one poll. 5.
//!    `park_deadline` of a worker that finds a rescuer inside: it goes to sleep without knowing its
//!    deadline, and the rescuer's [`Expired::wake_owner`] brings it back.
//!
//! Nobody waits for the word. Who loses it takes the way that needs none: an insertion is posted,
//! a cancellation leaves its mark in the entry and posts that, an expiry is left to the winner. No
//! code of a user's runs while it is held: wakers are cloned before, woken and dropped after.
//!
//! # Mail
//!
//! *Arrivals* are new timers of threads that are no worker, or whose worker lost the word. Each is
//! allocated alone, because the free entries belong to the owner. *Returns* are entries that their
//! sleepers have given back. The owner sorts both whenever it looks at its timers, and the returns
//! before it would allocate: so cancelled timers take no memory beyond the most that were ever
//! armed at once.
//!
//! A parked worker must learn of an arrival with an earlier deadline. The poster that finds the
//! arrivals empty wakes its poller, whatever the deadline: the others in the same stack rely on
//! that one wake-up. A wake-up is sticky (it ends the next wait too), so the worker need not
//! announce that it is about to sleep. Waking only for earlier deadlines would save system calls
//! but let the arrivals of a worker that sleeps for an hour grow for an hour.
//!
//! # The end
//!
//! A `Timer` may outlive its runtime. When the last worker has left, all timers fire as
//! [`Expiry::Closed`](super::Expiry::Closed), and the mail for arrivals is closed: an arrival comes
//! before that and fires too, or it is refused. When the last driver goes, the mail for returns is
//! closed, and the entries still outside are *orphans*: the last one that comes back frees the
//! wheel's memory.
//!
//! # Progress
//!
//! Nothing here waits. `insert`, `cancel` and `reset` of the worker are wait-free apart from the
//! allocator, `post` and the drop of a `Timer` are lock-free. But timers fire only when somebody
//! looks at them: while the system keeps a rescuer off its core inside of a wheel, that wheel
//! stands still, as it does with a stuck worker that nobody rescues. `expire` enters at most one
//! slot at a time beyond what it fires; a slot's population is the longest that the word is held.
//!
//! Rejected: a lock or a spin (a stuck worker is the very case for which rescue exists); letting
//! any thread that finds the word free use the wheel, which would make workers lose their own; a
//! reference count on the driver for each timer, two locked instructions more for each sleep.
mod core;
mod shared;

use std::fmt;
use std::ptr::NonNull;
use std::task::Waker;

use corio_sync::shim::atomic::Ordering;
use corio_sync::shim::mutant;

use self::core::free_single;
use super::clock::Clock;
use super::entry::{Cause, Entry, Timer};
use super::mail::Posted;
use super::wheel::NEVER;
use crate::wake_batch::WakeBatch;
pub(super) use shared::Shared;

/// In whose name a thread looks at timers. At most one thread at a time is the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The worker that the timers belong to.
    Owner,
    /// A sibling, because that worker is stuck.
    Rescuer,
}

/// What an [`Timers::expire`] leaves to its caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "the batch may have been too small, and the owner may have to be woken"]
pub(crate) struct Expired {
    /// More is due: wake the batch and expire again.
    pub(crate) more: bool,
    /// The owner sleeps until the caller wakes its poller.
    pub(crate) wake_owner: bool,
}

/// The timers of one worker.
pub(crate) struct Timers {
    shared: NonNull<Shared>,
    clock: Clock,
}

// SAFETY: what `shared` points to is guarded by its word, or atomic.
unsafe impl Send for Timers {}
// SAFETY: as above.
unsafe impl Sync for Timers {}

impl Timers {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { shared: Shared::allocate(), clock }
    }

    /// The time that these timers go by.
    #[inline]
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The earliest deadline, or a time before it: one that was cancelled shows until somebody looks
    /// at the timers because of it. A hint for siblings and Watch: an insertion of the owner's
    /// shows at once on its own thread and soon on others.
    #[inline]
    pub(crate) fn next_deadline(&self) -> u64 {
        // Ordering: Relaxed; a hint. The owner's own decisions use `park_deadline`.
        self.shared().next_deadline.load(Ordering::Relaxed)
    }

    /// How many timers wait, as of the worker's last look at them: a number for people.
    pub(crate) fn waiting(&self) -> usize {
        // Ordering: Relaxed; as the comment says.
        self.shared().waiting.load(Ordering::Relaxed)
    }

    /// True if there is nothing that could fire and nothing to sort: a hint, exact for the owner but
    /// for mail that comes just now.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.next_deadline() == NEVER && !self.has_mail()
    }

    /// The time of the last `expire`. A deadline that lay ahead then has not been fired by it, even
    /// if it has passed since.
    #[inline]
    pub(crate) fn last_look(&self) -> u64 {
        // Ordering: Relaxed; an old value only stands for an older look.
        self.shared().last_look.load(Ordering::Relaxed)
    }

    /// Arms a timer from the worker's own thread.
    #[inline]
    pub(crate) fn insert(&self, deadline: u64, waker: Waker) -> Timer {
        match self.shared().own(Role::Owner) {
            Some(mut owned) => owned.with(|shared, core| {
                let entry = core.take_entry(shared);
                let key = core.wheel.insert(deadline, entry);
                shared.publish_earlier(deadline);
                // SAFETY: the entry was free and is the owner's.
                unsafe { Entry::arm_linked(entry, waker, key) }
            }),
            // A rescuer is inside. The worker looks at its mail before it sleeps, so no wake-up.
            None => self.post(deadline, waker, || ()),
        }
    }

    /// As [`Timers::try_post`], of timers that cannot be closed yet.
    #[cold]
    pub(crate) fn post(&self, deadline: u64, waker: Waker, wake: impl FnOnce()) -> Timer {
        let posted = self.try_post(deadline, waker, wake);
        posted.unwrap_or_else(|_| unreachable!("timers are closed after their worker has left"))
    }

    /// Arms a timer from any thread. `wake` wakes the worker's poller; it is called if the worker
    /// may not look by itself. Closed timers give the waker back: nobody would look at it.
    #[cold]
    pub(crate) fn try_post(
        &self,
        deadline: u64,
        waker: Waker,
        wake: impl FnOnce(),
    ) -> Result<Timer, Waker> {
        let entry = NonNull::from(Box::leak(Box::new(Entry::new(self.shared, false))));
        // SAFETY: the entry is new.
        let timer = unsafe { Entry::arm_posted(entry, waker, deadline) };
        match self.shared().mail.arrivals.push(entry) {
            Posted::First if !mutant("timer.post_wake") => wake(),
            Posted::First | Posted::Behind => {}
            Posted::Refused => {
                let entry = timer.into_entry();
                // SAFETY: the entry was refused, so it is still ours alone.
                let waker = unsafe { entry.as_ref() }.take_waker_owned();
                // SAFETY: as above; its timer is given up.
                unsafe { free_single(entry) };
                return Err(waker.expect("it was armed with one and has not fired"));
            }
        }
        Ok(timer)
    }

    /// Cancels a timer from the worker's own thread. Like [`Timer::recall`], and the entry can be
    /// used again at once. The caller drops the waker when nothing of ours is borrowed.
    #[inline]
    pub(crate) fn cancel(&self, timer: Timer) -> Option<Waker> {
        if !timer.is_at_home(self.shared) {
            return timer.recall();
        }
        let Some(mut owned) = self.shared().own(Role::Owner) else { return timer.recall() };
        owned.with(|shared, core| {
            let waker = core.detach(shared, &timer).take_waker_owned();
            core.free(timer.into_entry());
            // What others see as the earliest deadline may stay too early: whoever looks because of
            // it corrects it.
            waker
        })
    }

    /// Moves a timer to another deadline, from the worker's own thread; it then counts as newly
    /// inserted. A timer that has fired, or that is not to be had here and now, is given back, and
    /// the caller gets the waker that still waits, if any.
    #[inline]
    pub(crate) fn reset(&self, timer: Timer, deadline: u64) -> Result<Timer, Option<Waker>> {
        if !timer.is_at_home(self.shared) {
            return Err(timer.recall());
        }
        let Some(mut owned) = self.shared().own(Role::Owner) else { return Err(timer.recall()) };
        owned.with(|shared, core| {
            let entry = core.detach(shared, &timer);
            if entry.has_fired_owned() {
                core.free(timer.into_entry());
                return Err(None);
            }
            let key = core.wheel.insert(deadline, timer.entry_ptr());
            entry.set_key(key);
            shared.publish(core);
            Ok(timer)
        })
    }

    /// Fires what is due at `now`, as far as `batch` has room. The caller wakes the batch, also
    /// when it unwinds, and then calls again if there is more.
    ///
    /// When nothing is due and no mail has come this costs three loads and a store. Does nothing if
    /// another thread is at it.
    #[inline]
    pub(crate) fn expire(&self, role: Role, now: u64, batch: &mut WakeBatch) -> Expired {
        // Ordering: Relaxed; a hint, see `last_look`.
        self.shared().last_look.store(now, Ordering::Relaxed);
        if now < self.next_deadline() && !self.has_mail() {
            return Expired::default();
        }
        self.expire_now(role, now, batch)
    }

    fn expire_now(&self, role: Role, now: u64, batch: &mut WakeBatch) -> Expired {
        let Some(mut owned) = self.shared().own(role) else { return Expired::default() };
        let more = owned.with(|shared, core| {
            core.sort_mail(shared);
            core.fire_due(now, Cause::Deadline, batch);
            shared.publish(core) <= now
        });
        Expired { more, wake_owner: owned.release() }
    }

    /// Until when the worker may sleep, asked by the worker itself with nothing left to do. The
    /// deadline is exact or a little early, and includes the mail.
    pub(crate) fn park_deadline(&self) -> u64 {
        loop {
            if let Some(mut owned) = self.shared().own(Role::Owner) {
                return owned.with(|shared, core| {
                    core.sort_mail(shared);
                    shared.publish(core)
                });
            }
            // A rescuer is inside and knows more than we do. Leave word that it wakes us; if it has
            // left meanwhile, the word is free.
            if self.shared().want() {
                return NEVER;
            }
        }
    }

    /// True if somebody has posted or given back an entry. A worker that announces its sleep asks
    /// this once more afterwards.
    #[inline]
    pub(crate) fn has_mail(&self) -> bool {
        let mail = &self.shared().mail;
        !mail.arrivals.is_empty() || !mail.returns.is_empty()
    }

    /// Fires all timers, due or not, as closed, and refuses those that are posted from now on. True
    /// if the batch was too small.
    pub(crate) fn close(&self, batch: &mut WakeBatch) -> bool {
        let Some(mut owned) = self.shared().own(Role::Owner) else { return true };
        owned.with(|shared, core| {
            core.close_mail(shared);
            core.fire_due(NEVER, Cause::Closed, batch);
            shared.publish(core);
            !core.wheel.is_empty()
        })
    }

    /// Entries that sleepers have.
    #[cfg(any(corio_loom, corio_shuttle))]
    pub(super) fn outside(&self) -> usize {
        let mut owned = self.shared().own(Role::Owner).expect("nobody else is inside");
        owned.with(|_, core| core.outside())
    }

    #[inline]
    fn shared(&self) -> &Shared {
        // SAFETY: only our own `drop` gives up the memory.
        unsafe { self.shared.as_ref() }
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        let mut batch = WakeBatch::new();
        while self.close(&mut batch) {
            batch.wake_all();
        }
        Shared::retire(self.shared);
        // The last wakers are woken when `batch` is dropped: with nothing left to go wrong.
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers")
            .field("next_deadline", &self.next_deadline())
            .field("has_mail", &self.has_mail())
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;

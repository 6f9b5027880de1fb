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
//! arrivals empty wakes its poller, whatever the deadline: the others in the same stack rely on that
//! one wake-up. A wake-up is sticky (it ends the next wait too), so the worker need not announce
//! that it is about to sleep. Waking only for earlier deadlines would save system calls but let the
//! arrivals of a worker that sleeps for an hour grow for an hour.
//!
//! # The end
//!
//! A `Timer` may outlive its runtime. When the last driver goes, all timers fire as
//! [`Expiry::Closed`](super::Expiry::Closed), the mail for returns is closed, and the entries still
//! outside are *orphans*: the last one that comes back frees the wheel's memory.
//!
//! Progress: `insert`, `cancel` and `reset` at home are wait-free apart from the allocator; `post` and the
//! drop of a `Timer` are lock-free; `expire` never waits.
//!
//! Rejected: a lock or a spin (a stuck worker is the very case for which rescue exists); letting any
//! thread that finds the word free use the wheel, which would make workers lose their own; a
//! reference count on the driver for each timer, two locked instructions more for each sleep.
use std::fmt;
use std::ptr::NonNull;
use std::task::Waker;

use corio_sync::shim::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::{mutant, ord};
use crossbeam_utils::CachePadded;

use super::clock::Clock;
use super::entry::{Cause, Entry, Spot, Timer};
use super::mail::{Mail, Posted};
use super::wheel::{Key, NEVER, Wheel};
use crate::wake_batch::WakeBatch;

/// Entries per allocation: 4 KiB, a page.
#[cfg(not(any(corio_loom, corio_shuttle)))]
const CHUNK: usize = 64;
/// Two in models, so that they reach the end of a chunk.
#[cfg(any(corio_loom, corio_shuttle))]
const CHUNK: usize = 2;

#[cfg(not(any(corio_loom, corio_shuttle)))]
const _: () = assert!(CHUNK * size_of::<Entry>() <= 4096);

const FREE: u8 = 0;
const OWNER: u8 = 1;
const RESCUER: u8 = 2;
const WANTED: u8 = 3;

/// In whose name a thread looks at timers.
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

    /// The earliest deadline, or a time before it; `NEVER` without timers. A hint for siblings and
    /// Watch: an insertion of the owner's shows at once on its own thread and soon on others.
    #[inline]
    pub(crate) fn next_deadline(&self) -> u64 {
        // Ordering: Relaxed; a hint. The owner's own decisions use `park_deadline`.
        self.shared().next_deadline.load(Ordering::Relaxed)
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
                shared.publish(core);
                // SAFETY: the entry was free and is the owner's.
                unsafe { Entry::arm(entry, waker, Spot { key, deadline }, true) }
            }),
            // A rescuer is inside. The worker looks at its mail before it sleeps, so no wake-up.
            None => self.post(deadline, waker, || ()),
        }
    }

    /// Arms a timer from any thread. `wake` wakes the worker's poller; it is called if the worker
    /// may not look by itself.
    #[cold]
    pub(crate) fn post(&self, deadline: u64, waker: Waker, wake: impl FnOnce()) -> Timer {
        let entry = NonNull::from(Box::leak(Box::new(Entry::new(self.shared, false))));
        let spot = Spot { key: Key::NONE, deadline };
        // SAFETY: the entry is new.
        let timer = unsafe { Entry::arm(entry, waker, spot, false) };
        // The mail is closed by `drop` only, which nobody can race who has `&self`.
        if self.shared().mail.arrivals.push(entry) == Posted::First && !mutant("timer.post_wake") {
            wake();
        }
        timer
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
            shared.publish(core);
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
            entry.set_spot(Spot { key, deadline });
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
        let shared = self.shared();
        loop {
            if let Some(mut owned) = shared.own(Role::Owner) {
                return owned.with(|shared, core| {
                    core.sort_mail(shared);
                    shared.publish(core)
                });
            }
            // A rescuer is inside and knows more than we do. Leave word that it wakes us.
            // Ordering: Relaxed; nothing is handed over. The rescuer's release is a swap and sees it.
            let wanted =
                shared.word.compare_exchange(RESCUER, WANTED, Ordering::Relaxed, Ordering::Relaxed);
            match wanted {
                Ok(_) | Err(WANTED) => return NEVER,
                // It has left meanwhile.
                Err(_) => {}
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

    /// Fires all timers, due or not, as closed. True if the batch was too small.
    pub(crate) fn close(&self, batch: &mut WakeBatch) -> bool {
        let Some(mut owned) = self.shared().own(Role::Owner) else { return true };
        owned.with(|shared, core| {
            core.sort_mail(shared);
            core.fire_due(NEVER, Cause::Closed, batch);
            shared.publish(core);
            core.wheel.len() > 0
        })
    }

    /// Entries that sleepers have.
    #[cfg(test)]
    pub(super) fn outside(&self) -> usize {
        let mut owned = self.shared().own(Role::Owner).expect("nobody else is inside");
        owned.with(|_, core| core.outside)
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
        // Should a waker panic, it does when everything else is done: when `batch` is dropped.
        Shared::retire(self.shared);
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

/// What the timers of a worker consist of. Lives until the last entry has come back.
pub(super) struct Shared {
    word: AtomicU8,
    /// Written by whoever owns the word, read by all.
    next_deadline: AtomicU64,
    /// Written by whoever expires, read by the owner.
    last_look: AtomicU64,
    /// Guarded by `word`.
    core: UnsafeCell<Core>,
    /// Entries that have not come back yet, once the timers are gone.
    orphans: AtomicUsize,
    /// Written by all other threads, read by the owner: a line of its own.
    mail: CachePadded<Boxes>,
}

struct Boxes {
    arrivals: Mail,
    returns: Mail,
}

impl Shared {
    fn allocate() -> NonNull<Shared> {
        let shared = Box::leak(Box::new(Shared {
            word: AtomicU8::new(FREE),
            next_deadline: AtomicU64::new(NEVER),
            last_look: AtomicU64::new(0),
            core: UnsafeCell::new(Core::new()),
            orphans: AtomicUsize::new(0),
            mail: CachePadded::new(Boxes { arrivals: Mail::new(), returns: Mail::new() }),
        }));
        let pointer = NonNull::from(&mut *shared);
        shared.core.with_mut(|core| {
            // SAFETY: nobody else knows of it yet.
            unsafe { (*core).home = pointer };
        });
        pointer
    }

    /// Edges 1 and 3: takes the word, if it is free.
    #[inline]
    fn own(&self, role: Role) -> Option<Owned<'_>> {
        let mine = match role {
            Role::Owner => OWNER,
            Role::Rescuer => RESCUER,
        };
        // Ordering(timer.own): Acquire; pairs with Ordering(timer.release) and
        // Ordering(timer.release_rescuer). The last owner's changes to the wheel are visible.
        // Relaxed on failure: nothing is read.
        let won = self.word.compare_exchange(
            FREE,
            mine,
            ord("timer.own", Ordering::Acquire),
            Ordering::Relaxed,
        );
        won.ok().map(|_| Owned { shared: self, role })
    }

    /// Edges 2 and 4. True if the owner wants to be woken.
    #[inline]
    fn disown(&self, role: Role) -> bool {
        match role {
            Role::Owner => {
                // Ordering(timer.release): Release; pairs with Ordering(timer.own). A store is
                // enough: nobody else changes OWNER.
                self.word.store(FREE, ord("timer.release", Ordering::Release));
                false
            }
            Role::Rescuer => {
                // Ordering(timer.release_rescuer): Release; pairs with Ordering(timer.own).
                let old = self.word.swap(FREE, ord("timer.release_rescuer", Ordering::Release));
                old == WANTED && !mutant("timer.wanted")
            }
        }
    }

    /// Tells the others the earliest deadline, if it has changed. Inside the owned state.
    #[inline]
    fn publish(&self, core: &Core) -> u64 {
        let next = core.wheel.next_deadline();
        // Ordering: Relaxed, both; the word orders the writers, and to readers it is a hint.
        if self.next_deadline.load(Ordering::Relaxed) != next {
            self.next_deadline.store(next, Ordering::Relaxed);
        }
        next
    }

    /// Returns an entry to its owner, from any thread.
    pub(super) fn give_back(entry: NonNull<Entry>) {
        // SAFETY: the caller gives its entry back now and not before.
        let home = unsafe { entry.as_ref() }.home;
        // SAFETY: the memory lives until the last entry has come back.
        let shared = unsafe { home.as_ref() };
        if shared.mail.returns.push(entry) != Posted::Refused {
            return;
        }
        // SAFETY: the entry was refused, so it is still ours, and the wheel does not know it any
        // more: it was emptied before the mail was closed.
        unsafe { free_single(entry) };
        // SAFETY: the entry was refused and is given up here.
        unsafe { Shared::count_back(home, 1) };
    }

    /// Gives up the memory as soon as all entries are back. The timers are gone: nobody owns, posts
    /// or expires any more, but entries still come back.
    fn retire(this: NonNull<Shared>) {
        // SAFETY: it lives until the last entry has come back and we have been here.
        let shared = unsafe { this.as_ref() };
        let outside = shared.core.with(|core| {
            // SAFETY: the timers are gone, so nobody owns the wheel.
            unsafe { (*core).outside }
        });
        // One more, for ourselves: nobody may free the memory before we have looked through it.
        // Ordering: Relaxed; published by closing the mail.
        shared.orphans.store(outside + 1, Ordering::Relaxed);
        let mut back = 1;
        for entry in shared.mail.returns.close() {
            back += 1;
            // SAFETY: the entry came back.
            unsafe { free_single(entry) };
        }
        // SAFETY: so many have come back, and our own.
        unsafe { Shared::count_back(this, back) };
    }

    /// Counts entries that have come back to retired timers; the last one frees the memory.
    ///
    /// # Safety
    ///
    /// The caller counts each entry once, and does not touch `this` afterwards.
    unsafe fn count_back(this: NonNull<Shared>, back: usize) {
        // SAFETY: the caller's share keeps the memory alive until it is subtracted.
        let shared = unsafe { this.as_ref() };
        // Ordering(timer.orphan): AcqRel; pairs with itself. The last one sees that all others have
        // finished, and only then frees what they used.
        let before = shared.orphans.fetch_sub(back, ord("timer.orphan", Ordering::AcqRel));
        if before == back {
            // SAFETY: all shares are gone, so this is the only reference; it came from a box.
            drop(unsafe { Box::from_raw(this.as_ptr()) });
        }
    }
}

/// Possession of the word.
struct Owned<'a> {
    shared: &'a Shared,
    role: Role,
}

impl Owned<'_> {
    #[inline]
    fn with<R>(&mut self, f: impl FnOnce(&Shared, &mut Core) -> R) -> R {
        let shared = self.shared;
        shared.core.with_mut(|core| {
            // SAFETY: the word is ours until `self` is dropped, and `self` is borrowed.
            f(shared, unsafe { &mut *core })
        })
    }

    fn release(self) -> bool {
        std::mem::ManuallyDrop::new(self).shared_disown()
    }

    fn shared_disown(&self) -> bool {
        self.shared.disown(self.role)
    }
}

impl Drop for Owned<'_> {
    #[inline]
    fn drop(&mut self) {
        self.shared_disown();
    }
}

/// The owned state.
struct Core {
    wheel: Wheel<NonNull<Entry>>,
    /// Entries of `chunks` that nobody uses. Has room for all of them.
    free: Vec<NonNull<Entry>>,
    chunks: Vec<NonNull<[Entry]>>,
    /// Entries that a sleeper has and that will come back here.
    outside: usize,
    home: NonNull<Shared>,
    /// Loom reports it if this memory is never freed.
    #[cfg(corio_loom)]
    probe: corio_sync::shim::sync::Arc<()>,
}

impl Core {
    fn new() -> Self {
        Self {
            wheel: Wheel::new(),
            free: Vec::new(),
            chunks: Vec::new(),
            outside: 0,
            home: NonNull::dangling(),
            #[cfg(corio_loom)]
            probe: corio_sync::shim::sync::Arc::new(()),
        }
    }

    /// A free entry.
    #[inline]
    fn take_entry(&mut self, shared: &Shared) -> NonNull<Entry> {
        self.outside += 1;
        match self.free.pop() {
            Some(entry) => entry,
            None => self.find_entry(shared),
        }
    }

    #[cold]
    fn find_entry(&mut self, shared: &Shared) -> NonNull<Entry> {
        self.sort_returns(shared);
        if let Some(entry) = self.free.pop() {
            return entry;
        }
        let chunk: Box<[Entry]> = (0..CHUNK).map(|_| Entry::new(self.home, true)).collect();
        let chunk = NonNull::from(Box::leak(chunk));
        self.chunks.push(chunk);
        self.free.reserve(self.chunks.len() * CHUNK);
        let first = chunk.cast::<Entry>();
        for at in 1..CHUNK {
            // SAFETY: `at` is inside of the chunk.
            self.free.push(unsafe { first.add(at) });
        }
        first
    }

    /// Takes the mail in: links what arrived, frees what came back.
    #[inline]
    fn sort_mail(&mut self, shared: &Shared) {
        if !shared.mail.arrivals.is_empty() {
            self.sort_arrivals(shared);
        }
        if !shared.mail.returns.is_empty() {
            self.sort_returns(shared);
        }
    }

    #[cold]
    fn sort_arrivals(&mut self, shared: &Shared) {
        for pointer in shared.mail.arrivals.take_all().reversed() {
            // SAFETY: an entry that arrives is not freed before it is linked.
            let entry = unsafe { pointer.as_ref() };
            if entry.link() {
                self.outside += 1;
                let deadline = entry.spot().deadline;
                let key = self.wheel.insert(deadline, pointer);
                entry.set_spot(Spot { key, deadline });
            } else {
                // SAFETY: its sleeper is gone and left it to us.
                unsafe { free_single(pointer) };
            }
        }
    }

    #[cold]
    fn sort_returns(&mut self, shared: &Shared) {
        for pointer in shared.mail.returns.take_all() {
            // SAFETY: the entry came back to us.
            let entry = unsafe { pointer.as_ref() };
            self.wheel.remove(entry.spot().key);
            self.free(pointer);
        }
    }

    /// Takes a timer out of the wheel.
    #[inline]
    fn detach<'a>(&mut self, shared: &Shared, timer: &'a Timer) -> &'a Entry {
        // It may be among the arrivals still; they must be in before it can be taken out.
        if !shared.mail.arrivals.is_empty() {
            self.sort_arrivals(shared);
        }
        let entry = timer.entry();
        self.wheel.remove(entry.spot().key);
        entry
    }

    /// Frees an entry that the wheel does not know and nobody waits for.
    #[inline]
    fn free(&mut self, pointer: NonNull<Entry>) {
        // SAFETY: the entry came back to us.
        let entry = unsafe { pointer.as_ref() };
        entry.debug_assert_empty();
        self.outside -= 1;
        if entry.in_chunk {
            self.free.push(pointer);
        } else {
            // SAFETY: the entry came back to us.
            unsafe { free_single(pointer) };
        }
    }

    fn fire_due(&mut self, now: u64, cause: Cause, batch: &mut WakeBatch) {
        while !batch.is_full() {
            let Some(pointer) = self.wheel.pop_due(now) else { break };
            // SAFETY: an entry in the wheel has not come back, or its return is not sorted yet.
            let entry = unsafe { pointer.as_ref() };
            if let Some(waker) = entry.fire(cause) {
                batch.push(waker);
            }
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        for chunk in &self.chunks {
            // SAFETY: the chunk came from a box, and all of its entries have come back.
            let chunk = unsafe { Box::from_raw(chunk.as_ptr()) };
            chunk.iter().for_each(Entry::debug_assert_empty);
        }
    }
}

/// Frees an entry that was allocated alone; leaves others alone.
///
/// # Safety
///
/// The entry belongs to the caller and is not used afterwards.
unsafe fn free_single(pointer: NonNull<Entry>) {
    // SAFETY: the entry belongs to the caller.
    let entry = unsafe { pointer.as_ref() };
    entry.debug_assert_empty();
    if !entry.in_chunk {
        // SAFETY: it came from a box, and the caller does not use it again.
        drop(unsafe { Box::from_raw(pointer.as_ptr()) });
    }
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;

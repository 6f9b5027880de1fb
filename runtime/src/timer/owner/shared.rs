//! What the timers of a worker consist of, and who holds the word.
use std::ptr::NonNull;

use corio_sync::shim::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::{mutant, ord};
use crossbeam_utils::CachePadded;

use super::super::entry::Entry;
use super::super::mail::{Mail, Posted};
use super::super::wheel::NEVER;
use super::Role;
use super::core::{Core, free_single};

const FREE: u8 = 0;
const OWNER: u8 = 1;
const RESCUER: u8 = 2;
const WANTED: u8 = 3;

/// What the timers of a worker consist of. Lives until the last entry has come back.
pub(in crate::timer) struct Shared {
    /// See the parent module for its states.
    word: AtomicU8,
    /// Written by whoever owns the word, read by all.
    pub(super) next_deadline: AtomicU64,
    /// How many entries wait, as of the last look. Written by whoever owns the word.
    pub(super) waiting: AtomicUsize,
    /// Written by whoever expires, read by the owner.
    pub(super) last_look: AtomicU64,
    /// Guarded by `word`.
    core: UnsafeCell<Core>,
    /// Entries that have not come back yet, once the timers are gone.
    orphans: AtomicUsize,
    /// Written by all other threads, read by the owner: a line of its own.
    pub(super) mail: CachePadded<Mailboxes>,
}

/// The mail of one worker's timers; see the parent module.
pub(super) struct Mailboxes {
    pub(super) arrivals: Mail,
    pub(super) returns: Mail,
}

impl Shared {
    pub(super) fn allocate() -> NonNull<Shared> {
        let this = NonNull::from(Box::leak(Box::new(Shared {
            word: AtomicU8::new(FREE),
            next_deadline: AtomicU64::new(NEVER),
            waiting: AtomicUsize::new(0),
            last_look: AtomicU64::new(0),
            core: UnsafeCell::new(Core::new()),
            orphans: AtomicUsize::new(0),
            mail: CachePadded::new(Mailboxes { arrivals: Mail::new(), returns: Mail::new() }),
        })));
        // SAFETY: it was just allocated.
        let shared = unsafe { this.as_ref() };
        // SAFETY: nobody else knows of it yet.
        shared.core.with_mut(|core| unsafe { (*core).home = this });
        this
    }

    /// Edges 1 and 3: takes the word, if it is free.
    #[inline]
    pub(super) fn own(&self, role: Role) -> Option<Owned<'_>> {
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

    /// Edge 5: asks the rescuer inside to wake the owner. False if there is none any more.
    pub(super) fn want(&self) -> bool {
        // Ordering: Relaxed; nothing is handed over. The rescuer's release is a swap and sees it.
        let wanted =
            self.word.compare_exchange(RESCUER, WANTED, Ordering::Relaxed, Ordering::Relaxed);
        matches!(wanted, Ok(_) | Err(WANTED))
    }

    /// Tells the others the earliest deadline, if it has changed, and returns it. Inside the owned
    /// state.
    #[inline]
    pub(super) fn publish(&self, core: &Core) -> u64 {
        let next = core.wheel.next_deadline();
        // Ordering: Relaxed, both; the word orders the writers, and to readers it is a hint.
        if self.next_deadline.load(Ordering::Relaxed) != next {
            self.next_deadline.store(next, Ordering::Relaxed);
        }
        // Ordering: Relaxed; a number for people.
        self.waiting.store(core.outside(), Ordering::Relaxed);
        next
    }

    /// Tells the others of a deadline that was inserted, if it is earlier than what they know.
    /// Inside the owned state.
    #[inline]
    pub(super) fn publish_earlier(&self, deadline: u64) {
        // Ordering: Relaxed, both; as in `publish`.
        if deadline < self.next_deadline.load(Ordering::Relaxed) {
            self.next_deadline.store(deadline, Ordering::Relaxed);
        }
    }

    /// Returns an entry to its owner, from any thread.
    pub(in crate::timer) fn give_back(entry: NonNull<Entry>) {
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

    /// Gives up the memory as soon as all entries are back. Called once, when the timers are gone:
    /// nobody owns, posts or expires any more, but entries still come back.
    pub(super) fn retire(this: NonNull<Shared>) {
        // SAFETY: it lives until the last entry has come back and we have been here.
        let shared = unsafe { this.as_ref() };
        let outside = shared.core.with(|core| {
            // SAFETY: the timers are gone, so nobody owns the wheel.
            unsafe { (*core).outside() }
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
pub(super) struct Owned<'a> {
    shared: &'a Shared,
    role: Role,
}

impl Owned<'_> {
    #[inline]
    pub(super) fn with<R>(&mut self, f: impl FnOnce(&Shared, &mut Core) -> R) -> R {
        let shared = self.shared;
        shared.core.with_mut(|core| {
            // SAFETY: the word is ours until `self` is dropped, and `self` is borrowed.
            f(shared, unsafe { &mut *core })
        })
    }

    /// Gives the word back. True if the owner wants to be woken.
    pub(super) fn release(self) -> bool {
        let this = std::mem::ManuallyDrop::new(self);
        this.shared.disown(this.role)
    }
}

impl Drop for Owned<'_> {
    #[inline]
    fn drop(&mut self) {
        // A rescuer uses `release`; should it unwind instead, there is nobody who could wake.
        self.shared.disown(self.role);
    }
}

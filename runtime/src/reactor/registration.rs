//! A source's registration with its home poller.
//!
//! ```text
//!   interest:  NONE --1 ensure--> BUSY --2 added--> READ or BOTH
//!              READ --3 ensure--> BUSY --4 modified--> BOTH
//!              BUSY --5 refused by the system--> what it was before
//! ```
//! The thread that makes an edge into `BUSY` makes the system call. Others that need the result
//! come back later: they may not sleep before the system has promised an event.
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::AtomicU8;
use corio_sync::shim::cell::UnsafeCell;

use super::key::Key;
use super::poller::Shared;
use super::readiness::Direction;
use super::record::Record;
use super::sys::Interest;
use crate::quiet::drop_quietly;

const NONE: u8 = 0;
const BUSY: u8 = 1;
const READ: u8 = 2;
const BOTH: u8 = 3;

/// The poller that a source is registered with, and the slot it has there.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) shared: Arc<Shared>,
    pub(super) index: u32,
}

impl Home {
    /// Lets the slot be taken again. May free it, if the poller is gone but for this.
    pub(super) fn give_back(self) {
        self.shared.slots.give(self.index);
    }
}

/// What a slot of a poller holds.
///
/// # Safety
///
/// `home` is written by the source that took the slot: after taking and before sharing it, and
/// again when it has the slot for itself before giving it back. In between it is only read, by
/// those who share the source.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) record: Record,
    interest: AtomicU8,
    home: UnsafeCell<Option<Home>>,
}

// SAFETY: `home` is only read while it is shared, and its contents are `Send` and `Sync`.
unsafe impl Sync for Registration {}

impl Registration {
    pub(super) fn new() -> Self {
        Self { record: Record::new(), interest: AtomicU8::new(NONE), home: UnsafeCell::new(None) }
    }

    /// Moves into a slot just taken.
    ///
    /// # Safety
    ///
    /// The caller has taken the slot and has not shared it.
    pub(super) unsafe fn move_in(&self, home: Home) {
        // SAFETY: the caller has the slot for itself.
        self.home.with_mut(|place| unsafe { *place = Some(home) });
    }

    /// Moves out; the caller gives the slot back when nothing refers to it any more.
    ///
    /// # Safety
    ///
    /// The caller has taken the slot and moved in, and nobody shares it with him any more.
    pub(super) unsafe fn move_out(&self) -> Home {
        self.record.readiness.renew();
        for direction in [Direction::Read, Direction::Write] {
            // A panic in here would leave the slot taken for ever.
            drop_quietly(self.record.waiters.inline(direction).take());
        }
        // Relaxed: the free list hands the slot on.
        self.interest.store(NONE, Relaxed);
        // SAFETY: the caller has the slot for itself.
        let home = self.home.with_mut(|home| unsafe { (*home).take() });
        home.expect("a source moves out once")
    }

    /// The poller and the slot.
    ///
    /// # Panics
    ///
    /// If called before the source moved in, which no source does.
    pub(super) fn home(&self) -> &Home {
        // SAFETY: shared, so `home` is only read; the reference ends before the source moves out.
        let home = self.home.with(|home| unsafe { &*home });
        home.as_ref().expect("a registration is shared after its source has moved in")
    }

    /// True if the system knows the source.
    pub(super) fn is_added(&self) -> bool {
        // Relaxed: asked by who has the source for himself.
        self.interest.load(Relaxed) >= READ
    }

    /// True if the system has promised to announce changes of `direction`. It never takes that back.
    pub(super) fn announces(&self, direction: Direction) -> bool {
        // Relaxed: see `ensure`.
        self.interest.load(Relaxed) >= needed(direction)
    }

    /// Sees to it that the system will announce changes of `direction`. `Ok(false)` if another
    /// thread is about to; the caller must not sleep then.
    ///
    /// `interest` is what to register for first, `fd` the source's descriptor.
    ///
    /// # Errors
    ///
    /// The system's, if it does not take the descriptor.
    pub(super) fn ensure(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        interest: Interest,
    ) -> io::Result<bool> {
        // Relaxed, as all accesses here: nothing of ours is published with it. Who finds the
        // interest there sleeps on the system's promise, and if that should take effect only a
        // moment later, it announces at that moment what there is.
        let now = self.interest.load(Relaxed);
        if now >= needed(direction) {
            return Ok(true);
        }
        if now == BUSY || self.interest.compare_exchange(now, BUSY, Relaxed, Relaxed).is_err() {
            return Ok(false);
        }
        let interest = if direction == Direction::Write { Interest::Both } else { interest };
        let result = self.change(fd, now, interest);
        let after = match (&result, interest) {
            (Err(_), _) => now,
            (Ok(()), Interest::Read) => READ,
            (Ok(()), Interest::Both) => BOTH,
        };
        self.interest.store(after, Relaxed);
        result.map(|()| true)
    }

    fn change(&self, fd: BorrowedFd<'_>, now: u8, interest: Interest) -> io::Result<()> {
        let Home { shared, index } = self.home();
        let generation = self.record.readiness.load().generation();
        let key = Key::Source { index: *index, generation };
        if now == NONE {
            shared.system.add(fd, key, interest)
        } else {
            shared.system.modify(fd, key, interest)
        }
    }

    /// Ends the registration with the system.
    ///
    /// # Errors
    ///
    /// The system's, if it does not know the descriptor.
    pub(super) fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        if !self.is_added() {
            return Ok(());
        }
        self.home().shared.system.delete(fd)
    }

    /// Counts sources for the choice of a home.
    pub(super) fn count(&self, change: isize) {
        // AcqRel would add nothing: Relaxed, a hint.
        let sources = &self.home().shared.sources;
        sources.fetch_add(change as usize, Relaxed);
    }
}

/// What a direction needs.
const fn needed(direction: Direction) -> u8 {
    match direction {
        Direction::Read => READ,
        Direction::Write => BOTH,
    }
}

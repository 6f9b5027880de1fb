//! How other threads hand entries to the owner of a wheel.
//!
//! A stack that is pushed one entry at a time and taken whole: Treiber's, without the pop and hence
//! without its ABA problem. The link lies in the entry; posting allocates nothing. An entry is on
//! at most one stack at a time, because whoever posts it gives it away.
//!
//! Progress: `push` is lock-free (it repeats only when another push came first), `take_all` and
//! `close` are wait-free.
use std::ptr::{self, NonNull};

use corio_sync::shim::atomic::{AtomicPtr, Ordering};
use corio_sync::shim::ord;

use super::entry::Entry;

/// The head of a stack that takes nothing any more. Odd, so that it is no entry's address.
const CLOSED: *mut Entry = ptr::without_provenance_mut(1);

/// Entries on their way to the owner of a wheel.
#[derive(Debug)]
pub(super) struct Mail {
    head: AtomicPtr<Entry>,
}

/// What became of a posted entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Posted {
    /// It is the first since the owner last looked.
    First,
    /// Others wait before it.
    Behind,
    /// The mail is closed; the entry still belongs to the caller.
    Refused,
}

impl Mail {
    pub(super) fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Gives `entry` to the wheel's owner. Unless refused, the caller may not touch it again.
    pub(super) fn push(&self, entry: NonNull<Entry>) -> Posted {
        // Ordering(timer.mail_refused): Acquire, here and when the exchange fails; pairs with
        // Ordering(timer.mail_close). Who is refused sees the count of orphans; without it the
        // entry's return would be subtracted from a count that is not there yet.
        let mut head = self.head.load(ord("timer.mail_refused", Ordering::Acquire));
        loop {
            if head == CLOSED {
                return Posted::Refused;
            }
            // SAFETY: the caller owns the entry until the exchange below succeeds.
            let target = unsafe { entry.as_ref() };
            target.set_next(head);
            // Ordering(timer.mail_post): Release; pairs with Ordering(timer.mail_take) and
            // Ordering(timer.mail_close). The owner sees the link and everything that was written
            // to the entry; later pushes are read-modify-writes and continue this release sequence,
            // so it holds for each entry below the head as well.
            match self.head.compare_exchange(
                head,
                entry.as_ptr(),
                ord("timer.mail_post", Ordering::Release),
                ord("timer.mail_refused", Ordering::Acquire),
            ) {
                Ok(_) if head.is_null() => return Posted::First,
                Ok(_) => return Posted::Behind,
                Err(newer) => head = newer,
            }
        }
    }

    /// True if there seems to be nothing to take.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        // Ordering: Relaxed; a hint. Whoever must not miss an entry is woken by its poster.
        let head = self.head.load(Ordering::Relaxed);
        head.is_null() || head == CLOSED
    }

    /// Takes all entries, the last one posted first. Only the wheel's owner may call this.
    pub(super) fn take_all(&self) -> Letters {
        // Closed mail stays closed: nobody else takes or closes meanwhile.
        if self.is_empty() {
            return Letters { head: ptr::null_mut() };
        }
        // Ordering(timer.mail_take): Acquire; pairs with Ordering(timer.mail_post).
        let head = self.head.swap(ptr::null_mut(), ord("timer.mail_take", Ordering::Acquire));
        Letters { head }
    }

    /// Takes all entries and refuses those to come. Only the wheel's owner may call this.
    pub(super) fn close(&self) -> Letters {
        // Ordering(timer.mail_close): AcqRel; pairs with Ordering(timer.mail_refused), which must
        // see the count of orphans, and with Ordering(timer.mail_post), as
        // Ordering(timer.mail_take).
        let head = self.head.swap(CLOSED, ord("timer.mail_close", Ordering::AcqRel));
        // It may have been closed before.
        Letters { head: if head == CLOSED { ptr::null_mut() } else { head } }
    }
}

/// Entries that were taken; they belong to the iterator's caller.
#[derive(Debug)]
pub(super) struct Letters {
    head: *mut Entry,
}

impl Letters {
    /// Turns the order around: the first one posted first.
    pub(super) fn reversed(self) -> Letters {
        let mut head: *mut Entry = ptr::null_mut();
        for entry in self {
            // SAFETY: the entry was taken and belongs to us.
            let target = unsafe { entry.as_ref() };
            target.set_next(head);
            head = entry.as_ptr();
        }
        Letters { head }
    }
}

impl Iterator for Letters {
    type Item = NonNull<Entry>;

    fn next(&mut self) -> Option<NonNull<Entry>> {
        let entry = NonNull::new(self.head)?;
        // SAFETY: the entry was taken and belongs to us; the link is read before the caller gets
        // it and perhaps frees it.
        let target = unsafe { entry.as_ref() };
        self.head = target.next();
        Some(entry)
    }
}

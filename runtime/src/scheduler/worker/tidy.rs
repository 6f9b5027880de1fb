//! Memory that a burst of tasks has left, while nothing runs.
//!
//! A worker that has tasks takes remotely freed cells in, and gives empty pages back, as it goes
//! along ([`maintain`](Worker::maintain)). One that sleeps would keep them for as long as it does:
//! nobody else may touch its arena. So who goes to sleep with pages to spare sleeps a second at
//! most, then gives some back every few milliseconds, and sleeps without a deadline when there are
//! none. The first worker does that for the arenas of threads that are no workers, too.
//!
//! It looks when it goes to sleep. Cells that somebody else frees while it sleeps wake nobody: pages
//! that they leave empty are kept at least until something has woken it and it goes to sleep again.
//!
//! What is kept in any case is below [`Arena::has_spare`]'s bound, so that tasks that come and go by
//! the dozen set no timer.

use std::time::Duration;

use super::Worker;
use crate::task::slab::Arena;

/// For how long pages are kept for the next burst, in nanoseconds: a second.
const KEEP_NS: u64 = 1_000_000_000;
/// Between two steps, in nanoseconds: 10 ms.
const STEP_EVERY_NS: u64 = 10_000_000;
/// Cells taken in, and pages given back, by one step: some 100 us, in which a message may wait.
const STEP_CELLS: usize = 4096;
const STEP_PAGES: usize = 16;

impl Worker {
    /// For a worker that is about to sleep: gives memory back if the time for that has come, and says
    /// when it will, if there is any.
    pub(super) fn tidy(&self) -> Option<Duration> {
        // SAFETY: this thread owns the arena.
        let own = unsafe { Arena::has_spare(self.arena) };
        let is_first = self.index == 0;
        let shared = is_first && (self.shared_spare.get() || self.shared.arenas.may_have_spare());
        if !own && !shared {
            self.tidy_at.set(None);
            return None;
        }
        let now = self.driver.timers.clock().now();
        let mut at = self.tidy_at.get().unwrap_or(now + KEEP_NS);
        if now >= at {
            // SAFETY: as above.
            let own = unsafe { Arena::tidy(self.arena, STEP_CELLS, STEP_PAGES) };
            let shared = is_first && self.shared.arenas.tidy(STEP_CELLS, STEP_PAGES);
            self.shared_spare.set(shared);
            if !own && !shared {
                self.tidy_at.set(None);
                return None;
            }
            at = now + STEP_EVERY_NS;
        }
        self.tidy_at.set(Some(at));
        Some(Duration::from_nanos(at - now))
    }
}

/// The earlier of two ends of a sleep, of which none may be there.
pub(super) fn earlier(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

//! Which workers sleep, and who is woken.
//!
//! # Vocabulary
//!
//! - A worker *sleeps* from [`IdleSet::enter`] until it leaves; its bit in the mask is set.
//! - A waker *claims* a worker by clearing its bit. Only who claimed makes the system call, so
//!   that N producers make one per sleep.
//! - A worker *searches* while it is counted in `searching`. Producers wake nobody meanwhile:
//!   they rely on the searcher to find what they pushed.
//!
//! # One worker's lanes
//!
//! A word of the mask has two lanes for each of its 32 workers:
//!
//! ```text
//! idle direct   meaning                                               edges
//!  0     0      awake, or claimed by notify and counted as searcher   1 enter          -> idle
//!  1     0      sleeps, or checks its queues for the last time        2 notify         -> 00, counted
//!  0     1      claimed by notify_worker, not counted                 3 notify_worker  -> direct
//!  1     1      never                                                 4 leave          -> 00 from any
//! ```
//!
//! [`IdleSet::leave`] tells a worker on which edge it got up: 2 leaves both lanes empty, and only
//! then the worker was counted by its waker.
//!
//! # Protocol
//!
//! ```text
//! producer                          worker that found nothing
//!   P1 push                           W1 end_search(false), if it searched
//!   P2 fence  (notify)                W2 enter: set the bit
//!   P3 any bit? searching == 0?       W3 fence  (enter)
//!   P4 searching 0 -> 1               W4 look again: own queues, inbox, injector,
//!   P5 claim a bit, wake                 siblings' deques, timers, stop flag
//!                                     W5 sleep, then leave
//!                                        or, if W4 saw something, leave_to_search
//! ```
//!
//! **Nothing is lost.** The fences P2 and W3 have an order. If P2 is first, W4 sees the push. If
//! W3 is first, P3 sees the bit of W2 or a claim after it, and sees the count without the worker
//! of W1. What P3 can then still see is a count of somebody else. Call *last* the thread whose
//! decrement is the first to reach zero after what P3 read. It is one of:
//!
//! 1. a searcher that found nothing. Its decrement is W1; a fence (W3) and a look (W4) follow.
//! 2. a searcher that found something. [`IdleSet::end_search`] makes a fence and tells it to look
//!    for more, and to notify again if there is some.
//! 3. a producer that reached P4 but found every bit claimed or left. It goes back to P2 and
//!    notifies again, whether or not it has anything of its own.
//!
//! In each case the thread's fence comes after the producer's P2, since P3 read a count older than
//! the decrement. So cases 1 and 2 see the push and case 3 sees the sleeper that P3 saw, unless
//! another thread claimed it meanwhile, for which the same argument holds from the start.
//!
//! **Whoever may be relied on looks before it runs anything.** Between W1 and W4 a worker runs
//! nothing. If W4 saw something, another push may lie beside it whose producer relied on this
//! worker; hence [`IdleSet::leave_to_search`], which makes it a searcher again: it takes one task,
//! and the end of its search wakes a sibling for the rest.
//!
//! **One at a time.** P4 admits one waker while nobody searches, so a burst of pushes wakes one
//! worker; that one, on finding more than it takes, wakes the next.
//!
//! A LIFO slot is not looked at in W4 except by its owner, who runs it before parking. What lies in
//! the slot of a worker stuck in a poll is rescued by the Watch, which notifies as long as the worker
//! is stuck; a push into an empty slot notifies nobody.
//!
//! # Progress
//!
//! `enter`, `leave` and `end_search` are wait-free. `notify`, `notify_worker` and `try_search` are
//! lock-free: a retry means that another thread claimed, left or began to search.
//!
//! # Rejected
//!
//! - A list of sleepers (a lock or a versioned stack): two words written per sleep, no choice of
//!   the worker.
//! - An RMW on a shared word for each push, as in tokio's `notify_should_wakeup`: it moves the line
//!   to every producer. Here a push that finds nobody asleep only reads.
//! - Waking without the count: N pushes wake N workers, most of which find nothing.

use corio_sync::shim::atomic::{AtomicU64, AtomicUsize, Ordering::*};
use corio_sync::shim::{fence_at, mutant, ord};
use crossbeam_utils::CachePadded;

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;

/// Workers per word: each has two lanes of a `u64`.
const LANES: usize = 32;
/// The lanes of sleeping workers.
const IDLE: u64 = u32::MAX as u64;

const _: () = assert!(LANES * 2 == u64::BITS as usize && IDLE.count_ones() as usize == LANES);

/// The sleeping workers of a runtime and the count of those that look for work.
#[derive(Debug)]
pub(crate) struct IdleSet {
    /// Two lanes per worker, see the table of the module. A line per word: a producer on a machine
    /// of up to 32 workers reads one line, and that line changes only when a worker sleeps or wakes.
    words: Box<[CachePadded<AtomicU64>]>,
    /// Workers that search, and the waker between P4 and P5.
    searching: CachePadded<AtomicUsize>,
    /// The sleeper that waits actively, or [`NOBODY`]: the cheapest one to wake.
    spinner: CachePadded<AtomicUsize>,
    workers: usize,
}

/// No worker.
const NOBODY: usize = usize::MAX;

impl IdleSet {
    /// A set in which all `workers` are awake and none searches.
    pub(crate) fn new(workers: usize) -> Self {
        let words = (0..workers.div_ceil(LANES)).map(|_| CachePadded::new(AtomicU64::new(0)));
        Self {
            words: words.collect(),
            searching: CachePadded::new(AtomicUsize::new(0)),
            spinner: CachePadded::new(AtomicUsize::new(NOBODY)),
            workers,
        }
    }

    /// Whether some worker sleeps unclaimed. A hint: only [`notify`](Self::notify) has the fence.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        // Relaxed: in `notify` the fence before this load does the work; elsewhere it is a hint.
        self.words.iter().any(|word| word.load(Relaxed) & IDLE != 0)
    }

    /// The number of workers that search now.
    #[cfg(test)]
    pub(crate) fn searching(&self) -> usize {
        // Relaxed: the tests ask when nobody else is at work.
        self.searching.load(Relaxed)
    }
}

/// What a worker calls about itself.
impl IdleSet {
    /// W2 and W3: announces that `worker` is about to sleep.
    ///
    /// The caller has ended its search, looks at every place where work may lie, and only then
    /// sleeps and calls [`leave`](Self::leave); or calls
    /// [`leave_to_search`](Self::leave_to_search) if it saw something.
    pub(crate) fn enter(&self, worker: usize) {
        let (word, lane) = self.place(worker);
        // Ordering(idle.enter): Release; pairs with Ordering(idle.claim) and
        // Ordering(idle.claim_direct). Where the worker sleeps (its poller or its parker) becomes
        // visible to who claims it; without it the waker could wake the wrong one.
        let before = word.fetch_or(idle(lane), ord("idle.enter", Release));
        debug_assert_eq!(before & (idle(lane) | direct(lane)), 0, "worker {worker} sleeps twice");
        // Dekker with `idle.notify` and `idle.notify_worker`: the look of W4 sees the push, or the
        // producer sees the bit.
        fence_at("idle.park");
    }

    /// Announces that `worker` is awake again, after a sleep.
    ///
    /// True: it is a plain worker. False: [`notify`](Self::notify) claimed it and counted it as a
    /// searcher; it searches and calls [`end_search`](Self::end_search). Events that it harvested
    /// and tasks of its own inbox count as found.
    #[must_use = "false obliges the worker to search and to end the search"]
    pub(crate) fn leave(&self, worker: usize) -> bool {
        let (word, lane) = self.place(worker);
        // Ordering(idle.leave): Acquire; pairs with the fence `idle.notify` before the waker's
        // claim. The push becomes visible to the first look of the worker that was woken for it;
        // without it the worker would find nothing and go round once more.
        let before = word.fetch_and(!(idle(lane) | direct(lane)), ord("idle.leave", Acquire));
        before & (idle(lane) | direct(lane)) != 0
    }

    /// Announces that `worker` does not sleep after all since its last look found something.
    ///
    /// It is a searcher afterwards, whatever the number of searchers: it searches and calls
    /// [`end_search`](Self::end_search).
    pub(crate) fn leave_to_search(&self, worker: usize) {
        if self.leave(worker) && !mutant("idle.rejoin") {
            // Relaxed: see `end_search`.
            self.searching.fetch_add(1, Relaxed);
        }
    }

    /// A sleeper is about to wait actively before it really sleeps; false if another does.
    ///
    /// It sleeps as far as the protocol goes. This only lets [`notify`](Self::notify) choose it.
    pub(crate) fn begin_spin(&self, worker: usize) -> bool {
        // Relaxed, as in `end_spin`: a preference; the claim decides who is woken.
        self.spinner.load(Relaxed) == NOBODY
            && self.spinner.compare_exchange(NOBODY, worker, Relaxed, Relaxed).is_ok()
    }

    /// The sleeper that began to spin does so no more.
    pub(crate) fn end_spin(&self) {
        // Relaxed: see `begin_spin`.
        self.spinner.store(NOBODY, Relaxed);
    }

    /// Makes a worker without work a searcher, if at most half of the workers search then.
    ///
    /// A worker that is refused does not search; it sleeps with the same last look as all.
    #[must_use = "true obliges the worker to call end_search"]
    pub(crate) fn try_search(&self) -> bool {
        // Relaxed: the count publishes nothing. A worker that joins takes over no duty of others.
        let mut seen = self.searching.load(Relaxed);
        while (seen * 2) < self.workers {
            match self.searching.compare_exchange_weak(seen, seen + 1, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        false
    }

    /// Ends the search of the calling worker.
    ///
    /// With `found` and a true result it was the last searcher, and producers may have relied on
    /// it: if anything else is visible in the queues that siblings may take from, it calls
    /// [`notify`](Self::notify) before it runs what it found. Without `found` the worker goes
    /// straight to [`enter`](Self::enter) and its last look; the result is false.
    #[must_use = "true obliges the worker to look for more work and to notify"]
    pub(crate) fn end_search(&self, found: bool) -> bool {
        // Relaxed: only the place of this decrement among the changes of the count matters, and
        // the fence after it: this one or `idle.park`.
        let before = self.searching.fetch_sub(1, Relaxed);
        debug_assert!(before > 0, "a search ended that had not begun");
        if before > 1 || !found || mutant("idle.end_search_last") {
            return false;
        }
        // Dekker with `idle.notify`: the look for more sees the push, or the producer sees the
        // count without this worker.
        fence_at("idle.end_search");
        true
    }
}

/// What producers and the Watch call.
impl IdleSet {
    /// P2 to P5, after one or several pushes: names the worker to wake, if one is to be woken.
    ///
    /// The caller wakes the poller or parker of that worker, which is claimed and counted as
    /// searching. `prefer` is tried first, then the one that spins, then the lowest, so that work
    /// stays on few workers.
    #[must_use = "the worker is claimed: nobody else will wake it"]
    pub(crate) fn notify(&self, prefer: Option<usize>) -> Option<usize> {
        loop {
            // Dekker with `idle.park` and `idle.end_search`, after the push, and with
            // `life.close_doors` for who then looks at the phase. On a second round it comes after
            // the count was given back, on behalf of producers that relied on it.
            fence_at("idle.notify");
            if !self.any() || !self.begin_wake() {
                return None;
            }
            // Relaxed: a preference, see `begin_spin`.
            let spinner = Some(self.spinner.load(Relaxed)).filter(|&worker| worker != NOBODY);
            if let Some(worker) = self.claim(prefer.or(spinner)) {
                return Some(worker);
            }
            // Relaxed: the fence of the next round follows.
            self.searching.fetch_sub(1, Relaxed);
            if mutant("idle.give_back") {
                return None;
            }
        }
    }

    /// Claims `worker`, after a push that only it can take. True: the caller wakes it.
    ///
    /// The worker is not counted as searching. False means that it is awake, or was claimed by
    /// somebody who wakes it; either way it looks again before it sleeps.
    #[must_use = "true obliges the caller to wake the worker"]
    pub(crate) fn notify_worker(&self, worker: usize) -> bool {
        let (word, lane) = self.place(worker);
        // Dekker with `idle.park`: the worker's last look sees the push, or this sees its bit.
        fence_at("idle.notify_worker");
        // Relaxed: the fence stands before it.
        let mut seen = word.load(Relaxed);
        while seen & idle(lane) != 0 {
            let claimed = (seen & !idle(lane)) | direct(lane);
            // Ordering(idle.claim_direct): Acquire; pairs with Ordering(idle.enter). Where the
            // worker sleeps becomes visible; without it the wrong thing could be woken. Its own
            // release half is the fence above.
            match word.compare_exchange_weak(
                seen,
                claimed,
                ord("idle.claim_direct", Acquire),
                Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        false
    }

    /// P4: at most one waker while nobody searches.
    fn begin_wake(&self) -> bool {
        // Relaxed: the fence `idle.notify` stands before both accesses. The load spares the line
        // an exchange that would fail.
        self.searching.load(Relaxed) == 0
            && self.searching.compare_exchange(0, 1, Relaxed, Relaxed).is_ok()
    }

    /// P5: clears the bit of one sleeping worker, if there is one still.
    fn claim(&self, prefer: Option<usize>) -> Option<usize> {
        if let Some(worker) = prefer {
            let (word, lane) = self.place(worker);
            if claim_in(word, idle(lane)).is_some() {
                return Some(worker);
            }
        }
        let mut words = self.words.iter().enumerate();
        words.find_map(|(index, word)| Some(index * LANES + claim_in(word, IDLE)?))
    }

    /// The word of a worker and its lane there.
    fn place(&self, worker: usize) -> (&AtomicU64, usize) {
        debug_assert!(worker < self.workers, "worker {worker} of {}", self.workers);
        (&self.words[worker / LANES], worker % LANES)
    }
}

/// Clears the lowest idle lane among `lanes` and names it.
fn claim_in(word: &AtomicU64, lanes: u64) -> Option<usize> {
    // Relaxed: a guess which lane to claim; the RMW below decides.
    let mut seen = word.load(Relaxed) & lanes;
    while seen != 0 {
        let lane = seen.trailing_zeros() as usize;
        // Ordering(idle.claim): Acquire; pairs with Ordering(idle.enter). Where the worker sleeps
        // becomes visible; without it the wrong thing could be woken. What the claim publishes to
        // Ordering(idle.leave) is covered by the fence `idle.notify`.
        let before = word.fetch_and(!idle(lane), ord("idle.claim", Acquire));
        if before & idle(lane) != 0 {
            return Some(lane);
        }
        seen = before & lanes;
    }
    None
}

/// The bit of a sleeping worker.
const fn idle(lane: usize) -> u64 {
    1 << lane
}

/// The bit of a worker that was claimed by name.
const fn direct(lane: usize) -> u64 {
    1 << (lane + LANES)
}

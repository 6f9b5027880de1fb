//! The state word of a task: one `AtomicU64` that says who may touch which part of its cell.
//!
//! ```text
//!  bits  0..12  flags
//!  bits 12..24  cancelling count; saturates at 4095
//!  bits 24..34  home worker of a pinned task
//!  bits 34..64  references
//! ```
//!
//! # Flags and who owns what
//!
//! | flag | while it is set |
//! |---|---|
//! | SCHEDULED | one run-queue entry exists, or is about to be pushed by who set the bit, or (with RUNNING) the runner will push it, or run it, when the poll ends |
//! | RUNNING | one thread owns the body; it alone touches the future and writes the output |
//! | DONE | the body is gone and the output is readable; never cleared |
//! | CANCEL | a cancel was requested and not delivered |
//! | ABORT | the body is to be dropped at the next run, whatever its scopes say |
//! | JOIN_INTEREST | the typed handle exists; it takes or drops the output |
//! | JOIN_WAKER | the join slot holds a waker that belongs to whoever completes the task |
//! | OBSERVED | the extension may hold observers that the completer must wake |
//! | PINNED | the task runs on its home worker only |
//! | TAKEN | the typed handle has moved the output out |
//! | JOINING | the last poll ended in a wait for another task that no scope is around; set by the runner |
//! | LOOK | the next run must look at the scopes before it polls; set and cleared by the runner. With DONE: the task has ended cancelled |
//!
//! Legal combinations: RUNNING and DONE exclude each other; TAKEN implies DONE; JOIN_WAKER is
//! cleared by the completer or by the handle before DONE. CANCEL is the one and only note of a cancel
//! that was requested and not delivered: whoever clears it has taken, retracted or answered it.
//!
//! # References
//!
//! The runtime holds one reference from spawn to DONE, the typed handle one, each waker and
//! `TaskRef` one, and a runner one to lend to a waker ([`State::start`]). A queue entry needs none:
//! while SCHEDULED is set the task is not done, so the runtime's own reference keeps the cell. The
//! one exception is [`State::claim`], by which a shutdown finishes a task whose entry still lies in
//! some queue: there the runtime's reference passes to the entry and whoever meets the entry
//! releases it.
//!
//! # Edges
//!
//! ```text
//!            wake 1                start 2               finish 4
//!   idle ------------> scheduled ----------> running ------------> done
//!    ^  \                  ^                 |  |  ^
//!    |   \ claim 6         | pause 3, woken  |  |  | wake 1 (only marks)
//!    |    `----> running <-------------------'  |
//!    `------------------------------------------'
//!                 pause 3, not woken
//! ```
//! 1 [`State::wake_seeing`], [`State::wake_by_value_seeing`], [`State::request_cancel`],
//! [`State::request_abort`];
//! 2 [`State::start`]; 3 [`State::pause_as`], [`State::pause_again`]; 4 [`State::finish`]; 6
//! [`State::claim`].
//!
//! Every edge is one read-modify-write (a retry loop where the new value depends on the old), so
//! each is lock-free; `wake`, `start` and `pause_as` are wait-free where the processor has the
//! instruction.
//!
//! Rejected: a notification counter in place of the SCHEDULED flag (saves the reset before a poll
//! but makes every wake of a scheduled task write a new value that the runner must compare again).

use corio_sync::shim::Ordering::{AcqRel, Acquire, Relaxed, Release};
use corio_sync::shim::atomic::AtomicU64;
use corio_sync::shim::{mutant, ord};

pub(crate) use answers::{Claim, Detached, End, Finished, Join, Paused, Woken};

const SCHEDULED: u64 = 1 << 0;
const RUNNING: u64 = 1 << 1;
const DONE: u64 = 1 << 2;
const CANCEL: u64 = 1 << 3;
const ABORT: u64 = 1 << 4;
const JOIN_INTEREST: u64 = 1 << 5;
const JOIN_WAKER: u64 = 1 << 6;
const OBSERVED: u64 = 1 << 7;
const PINNED: u64 = 1 << 8;
const TAKEN: u64 = 1 << 9;
const LOOK: u64 = 1 << 10;
const JOINING: u64 = 1 << 11;

const COUNT_SHIFT: u32 = 12;
const HOME_SHIFT: u32 = 24;
const REFS_SHIFT: u32 = 34;

/// The cancelling count stays here once it is reached: it must not carry into the home field.
pub(crate) const COUNT_MAX: u64 = (1 << (HOME_SHIFT - COUNT_SHIFT)) - 1;
/// A pinned task's home must fit its field, so a runtime has at most this many workers.
pub(crate) const WORKERS_MAX: usize = 1 << (REFS_SHIFT - HOME_SHIFT);

const COUNT_MASK: u64 = COUNT_MAX << COUNT_SHIFT;
const ONE_REF: u64 = 1 << REFS_SHIFT;
/// Past this many references an overflow is near; `mem::forget` of wakers in a loop gets here.
const REFS_LIMIT: u64 = 1 << (64 - REFS_SHIFT - 1);

const _: () = assert!(COUNT_MAX == 4095);
const _: () = assert!(JOINING < 1 << COUNT_SHIFT);

/// A value of the state word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Snapshot(u64);

impl Snapshot {
    /// The word of a new task: scheduled, with a typed handle.
    #[inline]
    pub(crate) fn spawned(home: Option<usize>) -> Self {
        let pinned = home.map_or(0, |home| {
            debug_assert!(home < WORKERS_MAX);
            PINNED | (home as u64) << HOME_SHIFT
        });
        Self(SCHEDULED | JOIN_INTEREST | pinned | (2 * ONE_REF))
    }

    pub(crate) const fn is_scheduled(self) -> bool {
        self.0 & SCHEDULED != 0
    }
    pub(crate) const fn is_running(self) -> bool {
        self.0 & RUNNING != 0
    }
    pub(crate) const fn is_done(self) -> bool {
        self.0 & DONE != 0
    }
    pub(crate) const fn is_taken(self) -> bool {
        self.0 & TAKEN != 0
    }
    /// True if the output is, or was, the error of a cancel.
    pub(crate) const fn has_ended_cancelled(self) -> bool {
        self.0 & (DONE | LOOK) == DONE | LOOK
    }
    pub(crate) const fn has_join_waker(self) -> bool {
        self.0 & JOIN_WAKER != 0
    }
    /// True if the completer must look for observers.
    pub(crate) const fn is_observed(self) -> bool {
        self.0 & OBSERVED != 0
    }
    /// True if the next run must do more than poll the body.
    pub(crate) const fn needs_care(self) -> bool {
        self.0 & (CANCEL | ABORT | LOOK) != 0
    }
    /// True if the body is to be dropped, whatever its scopes say.
    pub(crate) const fn is_aborted(self) -> bool {
        self.0 & ABORT != 0
    }
    /// True if the last poll ended in a wait for another task that no scope is around.
    pub(crate) const fn is_joining(self) -> bool {
        self.0 & JOINING != 0
    }
    /// True if the task waits, and of its references only the runtime's, the typed handle's and
    /// `known` more are left: nobody has a waker. That stays so, for only a poll makes new ones.
    pub(crate) const fn is_lost(self, known: u64) -> bool {
        let handle = (self.0 & JOIN_INTEREST != 0) as u64;
        self.0 & (SCHEDULED | RUNNING | DONE) == 0 && self.0 >> REFS_SHIFT == 1 + handle + known
    }
    /// True if the typed handle exists.
    pub(crate) const fn has_handle(self) -> bool {
        self.0 & JOIN_INTEREST != 0
    }
    /// True if a cancel was requested and not delivered.
    pub(crate) const fn is_cancel_pending(self) -> bool {
        self.0 & CANCEL != 0
    }
    pub(crate) const fn cancelling(self) -> u32 {
        (self.0 >> COUNT_SHIFT & COUNT_MAX) as u32
    }
    /// The worker that a pinned task belongs to.
    pub(crate) const fn home(self) -> Option<usize> {
        if self.0 & PINNED == 0 {
            None
        } else {
            Some((self.0 >> HOME_SHIFT) as usize & (WORKERS_MAX - 1))
        }
    }
    pub(crate) const fn refs(self) -> u64 {
        self.0 >> REFS_SHIFT
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let flags = [
            (SCHEDULED, "SCHEDULED"),
            (RUNNING, "RUNNING"),
            (DONE, "DONE"),
            (CANCEL, "CANCEL"),
            (ABORT, "ABORT"),
            (JOIN_INTEREST, "JOIN_INTEREST"),
            (JOIN_WAKER, "JOIN_WAKER"),
            (OBSERVED, "OBSERVED"),
            (PINNED, "PINNED"),
            (TAKEN, "TAKEN"),
            (LOOK, "LOOK"),
            (JOINING, "JOINING"),
        ];
        let mut list = f.debug_list();
        for (bit, name) in flags {
            if self.0 & bit != 0 {
                list.entry(&format_args!("{name}"));
            }
        }
        list.entry(&format_args!("cancelling {}", self.cancelling()));
        list.entry(&format_args!("refs {}", self.refs())).finish()
    }
}

/// The state word of one task.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct State(AtomicU64);

impl State {
    #[cfg(any(corio_loom, corio_shuttle))]
    pub(crate) fn new(value: Snapshot) -> Self {
        Self(AtomicU64::new(value.0))
    }

    /// Makes a new cell visible to walkers, after everything else in it was written.
    #[inline]
    pub(crate) fn publish(&self, value: Snapshot) {
        // Ordering(state.publish): Release; pairs with Ordering(state.try_ref). A walker that sees
        // references sees an initialized cell; weaker, it would read a vtable from before.
        self.0.store(value.0, ord("state.publish", Release));
    }

    /// Marks the memory as a free cell, after everything in it was dropped.
    #[inline]
    pub(crate) fn retire(&self) {
        // Ordering: Relaxed; the last reference was released with AcqRel, and a walker that
        // reads an older value fails its compare-exchange on zero references.
        self.0.store(0, Relaxed);
    }

    #[inline]
    pub(crate) fn load(&self) -> Snapshot {
        // Ordering(state.load): Acquire; pairs with Ordering(state.finish): who sees DONE may read
        // the output.
        Snapshot(self.0.load(ord("state.load", Acquire)))
    }

    /// For what never changes after the spawn, or by the caller alone.
    #[inline]
    pub(crate) fn load_relaxed(&self) -> Snapshot {
        // Ordering: Relaxed; the caller's own reference or entry already orders the spawn before.
        Snapshot(self.0.load(Relaxed))
    }

    #[cfg(any(corio_loom, corio_shuttle))]
    pub(crate) fn wake(&self) -> Woken {
        self.wake_seeing().0
    }

    #[cfg(any(corio_loom, corio_shuttle))]
    pub(crate) fn wake_by_value(&self) -> Woken {
        self.wake_by_value_seeing().0
    }

    /// Edge 1. A wake through a borrowed reference; with the word that it found.
    #[inline]
    pub(crate) fn wake_seeing(&self) -> (Woken, Snapshot) {
        // Ordering(state.wake): AcqRel; pairs with Ordering(state.start): the poll that this wake
        // causes sees what the waker wrote before; and with Ordering(state.pause): the pusher sees
        // the cell as the last runner left it. Without release a wake-up's cause is missed,
        // without acquire the queue link races with the note of the wait place.
        let old = self.0.fetch_or(SCHEDULED, ord("state.wake", AcqRel));
        let idle = old & (SCHEDULED | RUNNING | DONE) == 0;
        (if idle { Woken::Enqueue } else { Woken::Nothing }, Snapshot(old))
    }

    /// Edge 1. A wake that also gives its reference back; with the word that it found.
    #[inline]
    pub(crate) fn wake_by_value_seeing(&self) -> (Woken, Snapshot) {
        let mut old = self.0.load(Relaxed);
        loop {
            let new = (old | SCHEDULED) - ONE_REF;
            // Ordering(state.wake_by_value): AcqRel; pairs with Ordering(state.start) and
            // Ordering(state.pause) as Ordering(state.wake) does, and with
            // Ordering(state.ref_dec): who frees the cell has seen every other use of it.
            match self.0.compare_exchange_weak(
                old,
                new,
                ord("state.wake_by_value", AcqRel),
                Relaxed,
            ) {
                Ok(_) if new < ONE_REF => return (Woken::Free, Snapshot(old)),
                Ok(_) if old & (SCHEDULED | RUNNING | DONE) == 0 => {
                    return (Woken::Enqueue, Snapshot(old));
                }
                Ok(_) => return (Woken::Nothing, Snapshot(old)),
                Err(now) => old = now,
            }
        }
    }

    /// Edge 2. The holder of the queue entry becomes the runner. It gets a reference to lend, which
    /// it gives back with the step that ends its run: the `lent` of that says that it still has it.
    #[inline]
    pub(crate) fn start(&self) -> Snapshot {
        // SCHEDULED is set and RUNNING is not, so one addition turns the first into the second.
        // Ordering(state.start): Acquire; pairs with Ordering(state.wake), Ordering(state.pause),
        // Ordering(state.pause_again), Ordering(state.wake_by_value), Ordering(state.request) and
        // Ordering(state.request_abort): what the waker and the last runner wrote is visible to
        // this poll; without it the body is polled as it was before.
        let lent = if mutant("state.start_lends_nothing") { 0 } else { ONE_REF };
        let old = self.0.fetch_add(RUNNING - SCHEDULED + lent, ord("state.start", Acquire));
        debug_assert!(old & (SCHEDULED | RUNNING | DONE) == SCHEDULED, "{:?}", Snapshot(old));
        Snapshot(old)
    }

    /// Edge 3 of a task that waits for no other one.
    #[cfg(any(corio_loom, corio_shuttle))]
    pub(crate) fn pause(&self) -> Paused {
        self.pause_as(false, false, true)
    }

    /// Edge 3, the poll returned `Pending`; `joining` says whether the task waits for another one,
    /// `was` what `start` saw of that. `lent`: see [`State::start`].
    #[inline]
    pub(crate) fn pause_as(&self, joining: bool, was: bool, lent: bool) -> Paused {
        // RUNNING is set, and JOINING is what it was: one subtraction clears the first and makes the
        // second what it is now.
        let joins = (u64::from(was) * JOINING).wrapping_sub(u64::from(joining) * JOINING);
        let lent = if lent && !mutant("state.pause_keeps_loan") { ONE_REF } else { 0 };
        let step = (RUNNING + lent).wrapping_add(joins);
        // Ordering(state.pause): Release; pairs with Ordering(state.start),
        // Ordering(state.claim), Ordering(state.wake), Ordering(state.wake_by_value),
        // Ordering(state.request) and Ordering(state.request_abort): the next runner sees the body
        // as this poll left it, and a waker that enqueues writes the link after this poll did.
        let old = self.0.fetch_sub(step, ord("state.pause", Release));
        debug_assert!(old & (RUNNING | DONE) == RUNNING, "{:?}", Snapshot(old));
        if old & SCHEDULED != 0 && !mutant("state.pause_ignores_wake") {
            Paused::Enqueue
        } else {
            Paused::Idle
        }
    }

    /// Edge 3, the poll returned `Pending` and the task is to be polled again: the caller owes it a
    /// queue entry, whether it was woken meanwhile or not. The arguments are those of
    /// [`State::pause_as`].
    #[inline]
    pub(crate) fn pause_again(&self, joining: bool, lent: bool) {
        let mut old = self.0.load(Relaxed);
        loop {
            debug_assert!(old & (RUNNING | DONE) == RUNNING, "{:?}", Snapshot(old));
            let joins = if joining { JOINING } else { 0 };
            let lent = if lent && !mutant("state.again_keeps_loan") { ONE_REF } else { 0 };
            let new = (old & !(RUNNING | JOINING) | joins | SCHEDULED) - lent;
            if mutant("state.again_overwrites") {
                return self.0.store(new, Release);
            }
            // Ordering(state.pause_again): Release; pairs with Ordering(state.start) and
            // Ordering(state.claim): who runs or ends the body next sees it as this poll left it.
            // No waker is in need of that: it does not enqueue what is scheduled.
            match self.0.compare_exchange_weak(old, new, ord("state.pause_again", Release), Relaxed)
            {
                Ok(_) => return,
                Err(now) => old = now,
            }
        }
    }

    /// Edge 4. The body is dropped and the output written; `cancelled` says that the output
    /// already answers any cancel. `lent`: see [`State::start`].
    #[inline]
    pub(crate) fn finish(&self, end: End, queued: bool, lent: bool) -> Finished {
        let mut old = self.0.load(Relaxed);
        loop {
            debug_assert!(old & (RUNNING | DONE) == RUNNING, "{:?}", Snapshot(old));
            // A cancel() that returned true must not be swallowed by a result that came with it.
            if old & CANCEL != 0 && end == End::Itself && !mutant("state.finish_swallows_cancel") {
                return Finished::CancelFirst;
            }
            let kept = !(RUNNING | SCHEDULED | JOIN_WAKER | CANCEL | ABORT | LOOK);
            let mut new = old & kept | DONE;
            if end == End::Cancelled {
                new |= LOOK;
            }
            if lent && !mutant("state.finish_keeps_loan") {
                new -= ONE_REF;
            }
            // Who has nothing left to do after this step gives the reference back in it.
            let release = !queued && old & JOIN_INTEREST != 0 && old & (JOIN_WAKER | OBSERVED) == 0;
            if release {
                new -= ONE_REF;
            }
            // Ordering(state.finish): AcqRel; pairs with Ordering(state.load),
            // Ordering(state.detach_load), Ordering(state.detach_failure),
            // Ordering(state.publish_join), Ordering(state.withdraw_join),
            // Ordering(state.observe) and Ordering(state.detach): who sees DONE reads the output,
            // a join waker or observer that was published is seen here, and who frees the cell
            // here comes after the handle's last use. Without release the output is missed,
            // without acquire the waker is.
            match self.0.compare_exchange_weak(old, new, ord("state.finish", AcqRel), Relaxed) {
                Ok(_) if release => return Finished::Released { free: new < ONE_REF },
                Ok(_) => {
                    return Finished::Done {
                        join_waker: old & JOIN_WAKER != 0,
                        unwatched: old & JOIN_INTEREST == 0,
                        observed: old & OBSERVED != 0,
                    };
                }
                Err(now) => old = now,
            }
        }
    }

    /// Edge 6. A shutdown takes the body of a task that nobody runs. Only where nobody else starts
    /// the task, because [`State::start`] does not expect a claim beside it: the caller holds its
    /// entry, or no worker of the runtime starts tasks any more.
    pub(crate) fn claim(&self) -> Claim {
        self.claim_unless(RUNNING)
    }

    /// Edge 6. As [`State::claim`], but leaves a scheduled task to the holder of its entry: safe
    /// beside workers that still run. Nobody starts what is idle, and a wake only marks the word.
    pub(crate) fn claim_idle(&self) -> Claim {
        if mutant("state.claim_takes_scheduled") {
            return self.claim_unless(RUNNING);
        }
        self.claim_unless(RUNNING | SCHEDULED)
    }

    fn claim_unless(&self, taken: u64) -> Claim {
        let mut old = self.0.load(Relaxed);
        loop {
            if old & DONE != 0 {
                return Claim::Done;
            }
            if old & taken != 0 {
                return Claim::Running;
            }
            // Ordering(state.claim): Acquire; pairs with Ordering(state.pause) and
            // Ordering(state.pause_again): the body is seen as its last runner left it; without it
            // the body is dropped as it was before.
            match self.0.compare_exchange_weak(
                old,
                old | RUNNING,
                ord("state.claim", Acquire),
                Relaxed,
            ) {
                Ok(_) => return Claim::Claimed { queued: old & SCHEDULED != 0 },
                Err(now) => old = now,
            }
        }
    }
}

/// References and the typed handle.
impl State {
    #[inline]
    pub(crate) fn ref_inc(&self) {
        // Ordering: Relaxed; a new reference is made from one that is held.
        let old = self.0.fetch_add(ONE_REF, Relaxed);
        if Snapshot(old).refs() >= REFS_LIMIT {
            // Unwinding here would let the count go on to overflow and free a cell in use.
            std::process::abort();
        }
    }

    /// Gives a reference back; true if it was the last one.
    #[inline]
    pub(crate) fn ref_dec(&self) -> bool {
        // Ordering(state.ref_dec): AcqRel; pairs with itself and Ordering(state.wake_by_value):
        // who frees the cell has seen every other use of it.
        let old = self.0.fetch_sub(ONE_REF, ord("state.ref_dec", AcqRel));
        debug_assert!(Snapshot(old).refs() > 0);
        old < 2 * ONE_REF
    }

    /// A walker's look at a cell that may be free: whether it is a task's that has not ended.
    pub(crate) fn is_of_a_task(&self) -> bool {
        // Ordering: Relaxed; nothing else of the cell is read.
        let seen = Snapshot(self.0.load(Relaxed));
        seen.refs() > 0 && !seen.is_done()
    }

    /// A walker's attempt to keep a cell that may be free: fails on zero references.
    pub(crate) fn try_ref(&self) -> bool {
        let mut old = self.0.load(Relaxed);
        while Snapshot(old).refs() > 0 || mutant("state.try_ref_zero") {
            // Ordering(state.try_ref): Acquire; pairs with Ordering(state.publish): the cell was
            // initialized before it had references.
            match self.0.compare_exchange_weak(
                old,
                old + ONE_REF,
                ord("state.try_ref", Acquire),
                Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => old = now,
            }
        }
        false
    }

    /// Hands the waker in the join slot to the completer.
    #[inline]
    pub(crate) fn publish_join_waker(&self) -> Join {
        // Ordering(state.publish_join): AcqRel; pairs with Ordering(state.finish): the completer
        // sees the waker, or this thread sees the output.
        let old = self.0.fetch_or(JOIN_WAKER, ord("state.publish_join", AcqRel));
        if old & DONE == 0 {
            return Join::Waiting;
        }
        // The completer did not see the bit and never looks again.
        Join::Done
    }

    /// Takes the join slot back to replace its waker; false if the completer has it.
    #[inline]
    pub(crate) fn withdraw_join_waker(&self) -> bool {
        // Ordering(state.withdraw_join): Acquire; pairs with Ordering(state.finish): the handle
        // has the slot back, or it sees the output.
        let old = self.0.fetch_and(!JOIN_WAKER, ord("state.withdraw_join", Acquire));
        old & DONE == 0
    }

    /// The typed handle goes away.
    #[inline]
    pub(crate) fn detach(&self) -> Detached {
        // Ordering(state.detach_load): Acquire; pairs with Ordering(state.finish): the output is
        // dropped as it was written.
        let mut old = self.0.load(ord("state.detach_load", Acquire));
        loop {
            if old & TAKEN != 0 {
                return Detached::Release;
            }
            if old & DONE != 0 {
                return Detached::OwnsOutput;
            }
            // Not done: the runtime's own reference remains, so this one is not the last.
            let new = (old & !JOIN_INTEREST) - ONE_REF;
            // Ordering(state.detach): Release; pairs with Ordering(state.finish): the completer,
            // who may free the cell, comes after the handle's last look at the join slot.
            // Ordering(state.detach_failure): Acquire; pairs with Ordering(state.finish): DONE may
            // be what made it fail, and then the output is read.
            match self.0.compare_exchange_weak(
                old,
                new,
                ord("state.detach", Release),
                ord("state.detach_failure", Acquire),
            ) {
                Ok(_) => return Detached::Kept,
                Err(now) => old = now,
            }
        }
    }

    /// The typed handle moves the output out; false if it has done that before.
    #[inline]
    pub(crate) fn take(&self) -> bool {
        // Ordering: Relaxed; only the handle, which is unique, sets and reads this bit.
        self.0.fetch_or(TAKEN, Relaxed) & TAKEN == 0
    }

    /// Tells the completer to look for observers; true if the task is done already.
    pub(crate) fn observe(&self) -> bool {
        // Ordering(state.observe): AcqRel; pairs with Ordering(state.finish): the completer sees
        // the observer's node, or the observer sees the output.
        let old = self.0.fetch_or(OBSERVED, ord("state.observe", AcqRel));
        old & DONE != 0
    }
}

mod answers;
mod cancel;
#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

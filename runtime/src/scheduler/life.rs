//! How far a runtime has come on its way to the end, and who is still inside.
//!
//! ```text
//!   Running or Single --(1) advance--> Closing --(2) advance--> Closed
//! ```
//! A runtime is Running from its start, a single loop Single: the check of the phase that every
//! spawn makes tells the two apart for nothing.
//!
//! 1. `Shared::begin_shutdown`: spawns are refused, workers leave their loops. 2.
//!    `Shared::finish_shutdown`: whoever stops the last tasks looks through the queues once more.
//!
//! # Late entries
//!
//! A thread that is no worker pushes into the injector whenever it likes: it may have asked for the
//! phase long ago, or wake an old task. After the last look nobody would take its entry, and the
//! task in it would never end. So each side makes a fence and looks at what the other has done:
//!
//! ```text
//! pusher                                   shutdown
//!   P1 push                                  S1 advance(Closed)
//!   P2 fence (idle.notify)                   S2 fence (close_doors)
//!   P3 is it closed? then drain too          S3 drain the queues
//! ```
//! The fences have an order. If P2 is first, S3 finds the entry. If S2 is first, P3 finds Closed.
//! If both find something, the queue gives the entry to one of them.
//!
//! # Who waits for the workers
//!
//! ```text
//! waiting thread                           last worker
//!   W1 announce: the flag                    L1 leave: the count falls to zero
//!   W2 fence (announce_wait)                 L2 fence (someone_waits)
//!   W3 all left? else sleep                  L3 the flag? then wake
//! ```
//! The same argument: W3 finds zero, or L3 finds the flag.
//!
//! Progress: everything here is wait-free.

use corio_sync::shim::Ordering::{AcqRel, Acquire, Relaxed, Release};
use corio_sync::shim::atomic::{AtomicU8, AtomicUsize};
use corio_sync::shim::{fence_at, mutant, ord};

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

/// The life of a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Tasks are accepted and run.
    Running = 0,
    /// As Running, in a single loop: its tasks are all pinned, and it runs when its thread says so.
    Single = 1,
    /// No new task is accepted; workers leave their loops.
    Closing = 2,
    /// Every task is stopped.
    Closed = 3,
}

impl Phase {
    /// True if tasks and callbacks are accepted.
    #[inline]
    pub(crate) fn is_open(self) -> bool {
        self < Self::Closing
    }
}

/// The phase of a runtime, its workers and whoever waits for them; see the module.
#[derive(Debug)]
pub(crate) struct Life {
    phase: AtomicU8,
    /// Workers that have not left yet.
    inside: AtomicUsize,
    /// 1: a thread waits for the workers to leave.
    waits: AtomicU8,
}

impl Life {
    /// A running runtime of so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self::in_phase(Phase::Running, workers)
    }

    /// A single loop.
    pub(crate) fn new_single() -> Self {
        Self::in_phase(Phase::Single, 1)
    }

    fn in_phase(phase: Phase, workers: usize) -> Self {
        Self {
            phase: AtomicU8::new(phase as u8),
            inside: AtomicUsize::new(workers),
            waits: AtomicU8::new(0),
        }
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        // Ordering(life.phase): Acquire; pairs with Ordering(life.advance): who sees a later phase
        // sees what the shutdown did before it.
        match self.phase.load(ord("life.phase", Acquire)) {
            0 => Phase::Running,
            1 => Phase::Single,
            2 => Phase::Closing,
            _ => Phase::Closed,
        }
    }

    /// Edges 1 and 2: moves to a later phase; true for the one who did it.
    pub(crate) fn advance(&self, to: Phase) -> bool {
        // Ordering(life.advance): Release; pairs with Ordering(life.phase).
        let before = self.phase.fetch_max(to as u8, ord("life.advance", Release));
        before < to as u8
    }

    /// S2: what is pushed from now on is its pusher's to stop.
    pub(crate) fn close_doors(&self) {
        // Dekker with `idle.notify`: the drain that follows sees the push, or the pusher sees the
        // phase.
        fence_at("life.close_doors");
    }

    /// P3, after a push and `IdleSet::notify`: true if the shutdown may have looked through the
    /// queues before.
    pub(crate) fn doors_are_closed(&self) -> bool {
        // Ordering: Relaxed; the fence `idle.notify` orders it after the push.
        self.phase.load(Relaxed) == Phase::Closed as u8 && !mutant("life.late_entry")
    }

    /// L1: a worker is through. True for the last one.
    pub(crate) fn leave(&self) -> bool {
        // Ordering(life.leave): AcqRel; pairs with itself and with Ordering(life.all_left): the
        // last one, and whoever waited, see what all others did.
        self.inside.fetch_sub(1, ord("life.leave", AcqRel)) == 1
    }

    /// True once no worker will ever start a task again.
    pub(crate) fn all_left(&self) -> bool {
        // Ordering(life.all_left): Acquire; pairs with Ordering(life.leave).
        self.inside.load(ord("life.all_left", Acquire)) == 0
    }

    /// W1 and W2: the caller waits until all have left. How to wake it has been written before.
    pub(crate) fn announce_wait(&self) {
        // Ordering(life.announce): Release; pairs with Ordering(life.waits): who is to wake us
        // knows how.
        self.waits.store(1, ord("life.announce", Release));
        // Dekker with `life.someone_waits`: we see that all have left, or the last one sees us.
        fence_at("life.announce_wait");
    }

    /// L2 and L3, by the last worker: true if somebody is to be woken.
    pub(crate) fn someone_waits(&self) -> bool {
        // Dekker with `life.announce_wait`.
        fence_at("life.someone_waits");
        // Ordering(life.waits): Acquire; pairs with Ordering(life.announce).
        self.waits.load(ord("life.waits", Acquire)) == 1
    }
}

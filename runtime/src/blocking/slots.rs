//! The places of a pool's workers: what others may know of a worker, and how it is woken.
//!
//! Vocabulary: a slot is *held* by a worker, from before its thread starts until just before it is
//! struck from the pool's word. Slots come in chunks that are made when first needed and stay until
//! the pool is gone: an unused pool costs little, and a slot never moves.
//!
//! Invariant: whoever looks for a slot is counted in the word's `total` and holds none yet, and
//! `total` is at most the cap. So at every moment a slot is free, and a search that finds none in
//! one pass was overtaken by others that did find one: it goes round again. Taking a slot is
//! lock-free, but for the making of a chunk, where `OnceLock` lets a second thread wait.
//!
//! Who writes: `taken`, the holder. `link`, `unparker`, `deadline`, the holder while it does not
//! rest. `order`, the thread that has taken the resting holder from the word's stack; it reads
//! `unparker` and `deadline`. `origin`, the holder; reports read it.
use std::panic::Location;
use std::ptr;
use std::sync::OnceLock;
use std::time::Duration;

use corio_sync::park::Unparker;
use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::{AtomicPtr, AtomicU8, AtomicU64};
use corio_sync::shim::cell::UnsafeCell;

use super::job::{JobKind, JobOrigin};
use super::taken::Taken;
use super::word::{Link, Links, SlotId};

/// Slots per chunk: a kibibyte, and as many threads as most programs ever need.
const CHUNK: usize = 16;

/// A worker that was told nothing.
const NONE: u8 = 0;

/// What a resting worker is told when it is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Order {
    /// Arrive, and look at the queue.
    Work = 1,
    /// Leave, unless there is a job.
    Leave = 2,
}

/// The slots of one pool.
pub(super) struct Slots {
    chunks: Box<[OnceLock<Box<[Slot; CHUNK]>>]>,
    cap: usize,
}

/// Aligned to a cache line: its holder writes it for every job, and others read their own.
#[repr(align(64))]
struct Slot {
    taken: Taken,
    order: AtomicU8,
    link: Link,
    /// When the resting holder's time is up, in us since the pool was made.
    deadline: AtomicU64,
    /// # Safety
    ///
    /// Written by the holder while it does not rest; read by who has taken it from the stack.
    unparker: UnsafeCell<Option<Unparker>>,
    running: Running,
}

/// The job that a worker runs, for reports. Name and place are two words: a report that is made
/// while the job changes may show the one of the last and the other of the next.
#[derive(Debug, Default)]
pub(super) struct Running {
    kind: AtomicPtr<JobKind>,
    spawned_at: AtomicPtr<Location<'static>>,
}

// SAFETY: all fields but `unparker` are atomics or `Sync`; whose `unparker` is when is told there,
// and kept by the callers of the unsafe functions below.
unsafe impl Sync for Slot {}

impl Slots {
    pub(super) fn new(cap: usize) -> Self {
        Self { chunks: (0..cap.div_ceil(CHUNK)).map(|_| OnceLock::new()).collect(), cap }
    }

    /// A slot for a worker that is counted in the word's total and holds none.
    pub(super) fn take(&self) -> SlotId {
        loop {
            for index in 0..self.cap {
                let chunk = self.chunks[index / CHUNK].get_or_init(Slot::chunk);
                if chunk[index % CHUNK].taken.take() {
                    return SlotId::new(index);
                }
            }
        }
    }

    /// Gives a held slot back.
    pub(super) fn free(&self, slot: SlotId) {
        self.slot(slot).taken.free();
    }

    /// Says how to wake the holder.
    ///
    /// # Safety
    ///
    /// The caller holds the slot and does not rest.
    pub(super) unsafe fn set_unparker(&self, slot: SlotId, unparker: Unparker) {
        // SAFETY: the caller's; so nobody else looks at the cell.
        self.slot(slot).unparker.with_mut(|cell| unsafe { *cell = Some(unparker) });
    }

    /// Wakes a resting worker with an order.
    ///
    /// # Safety
    ///
    /// The caller has taken this worker from the word's stack, and wakes it once.
    pub(super) unsafe fn wake(&self, slot: SlotId, order: Order) {
        let slot = self.slot(slot);
        // The unparker is cloned, because the worker may be gone and the slot another one's before
        // `unpark` has returned.
        //
        // SAFETY: the worker rests until we unpark it, so it does not write.
        let unparker = slot.unparker.with(|cell| unsafe { (*cell).clone() });
        // Ordering: Relaxed; released by the unpark.
        slot.order.store(order as u8, Relaxed);
        unparker.expect("a worker rests after it has left its unparker").unpark();
    }

    /// The order that the holder was woken with.
    pub(super) fn order(&self, slot: SlotId) -> Order {
        // Ordering: Relaxed; acquired by the park.
        match self.slot(slot).order.swap(NONE, Relaxed) {
            NONE => unreachable!("a worker was woken without an order"),
            order if order == Order::Work as u8 => Order::Work,
            _ => Order::Leave,
        }
    }

    /// When the time of a resting worker is up.
    pub(super) fn deadline(&self, slot: SlotId) -> Duration {
        // Ordering: Relaxed; the word that gave us the worker has acquired it.
        Duration::from_micros(self.slot(slot).deadline.load(Relaxed))
    }

    /// Says when the holder's time is up; before it rests.
    pub(super) fn set_deadline(&self, slot: SlotId, deadline: Duration) {
        let micros = deadline.as_micros().try_into().unwrap_or(u64::MAX);
        // Ordering: Relaxed; released by the exchange that puts the holder on the stack.
        self.slot(slot).deadline.store(micros, Relaxed);
    }

    /// The job that a holder runs.
    pub(super) fn running(&self, slot: SlotId) -> &Running {
        &self.slot(slot).running
    }

    /// All jobs that are running, with their workers' slots.
    pub(super) fn all_running(&self) -> impl Iterator<Item = (SlotId, JobOrigin)> {
        let chunks = self.chunks.iter().map_while(OnceLock::get);
        let slots = chunks.flat_map(|chunk| chunk.iter()).enumerate();
        slots.filter_map(|(index, slot)| Some((SlotId::new(index), slot.running.get()?)))
    }

    fn slot(&self, slot: SlotId) -> &Slot {
        let chunk = self.chunks[slot.index() / CHUNK].get();
        &chunk.expect("a slot in use has been made")[slot.index() % CHUNK]
    }
}

impl Links for Slots {
    fn link(&self, slot: SlotId) -> &Link {
        &self.slot(slot).link
    }
}

impl Slot {
    fn chunk() -> Box<[Self; CHUNK]> {
        Box::new(std::array::from_fn(|_| Self {
            taken: Taken::default(),
            order: AtomicU8::new(NONE),
            link: Link::new(),
            deadline: AtomicU64::new(0),
            unparker: UnsafeCell::new(None),
            running: Running::default(),
        }))
    }
}

impl Running {
    pub(super) fn set(&self, origin: JobOrigin) {
        // Ordering: Relaxed; the words are looked at by people, and point to constants.
        self.spawned_at.store(ptr::from_ref(origin.spawned_at).cast_mut(), Relaxed);
        self.kind.store(ptr::from_ref(origin.kind).cast_mut(), Relaxed);
    }

    pub(super) fn clear(&self) {
        // Ordering: Relaxed; as in `set`.
        self.kind.store(ptr::null_mut(), Relaxed);
    }

    fn get(&self) -> Option<JobOrigin> {
        // Ordering: Relaxed; as in `set`.
        let kind = self.kind.load(Relaxed);
        let spawned_at = self.spawned_at.load(Relaxed);
        // SAFETY: null, or made from a `&'static` in `set`.
        let kind = unsafe { kind.as_ref() }?;
        // SAFETY: as above.
        let spawned_at = unsafe { spawned_at.as_ref() }?;
        Some(JobOrigin { kind, spawned_at })
    }
}

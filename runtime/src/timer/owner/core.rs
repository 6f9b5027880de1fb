//! The owned state: the wheel and the memory of its entries.
use std::ptr::NonNull;

use corio_sync::shim::mutant;

use super::super::entry::{Cause, Entry, Timer};
use super::super::mail::Letters;
use super::super::wheel::Wheel;
use super::shared::Shared;
use crate::wake_batch::WakeBatch;

/// Entries per allocation: 4 KiB, a page.
#[cfg(not(any(corio_loom, corio_shuttle)))]
const CHUNK: usize = 64;
/// Two in models, so that they reach the end of a chunk.
#[cfg(any(corio_loom, corio_shuttle))]
const CHUNK: usize = 2;

#[cfg(not(any(corio_loom, corio_shuttle)))]
const _: () = assert!(CHUNK * size_of::<Entry>() <= 4096);

/// The owned state.
pub(super) struct Core {
    pub(super) wheel: Wheel<NonNull<Entry>>,
    /// Entries of `chunks` that nobody uses. Has room for all of them.
    free: Vec<NonNull<Entry>>,
    pub(super) chunks: Vec<NonNull<[Entry]>>,
    /// Entries that were allocated alone, are linked, and will come back here.
    singles: usize,
    pub(super) home: NonNull<Shared>,
    /// Loom reports it if this memory is never freed.
    #[cfg(corio_loom)]
    probe: corio_sync::shim::sync::Arc<()>,
}

impl Core {
    pub(super) fn new() -> Self {
        Self {
            wheel: Wheel::new(),
            free: Vec::new(),
            chunks: Vec::new(),
            singles: 0,
            home: NonNull::dangling(),
            #[cfg(corio_loom)]
            probe: corio_sync::shim::sync::Arc::new(()),
        }
    }

    /// How many entries a sleeper has that will come back here.
    pub(super) fn outside(&self) -> usize {
        self.chunks.len() * CHUNK - self.free.len() + self.singles
    }

    /// A free entry. It counts as outside from now on.
    #[inline]
    pub(super) fn take_entry(&mut self, shared: &Shared) -> NonNull<Entry> {
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
    pub(super) fn sort_mail(&mut self, shared: &Shared) {
        if !shared.mail.arrivals.is_empty() {
            self.sort_arrivals(shared, shared.mail.arrivals.take_all());
        }
        if !shared.mail.returns.is_empty() {
            self.sort_returns(shared);
        }
    }

    /// As [`Core::sort_mail`], and nothing arrives from now on.
    pub(super) fn close_mail(&mut self, shared: &Shared) {
        self.sort_arrivals(shared, shared.mail.arrivals.close());
        self.sort_returns(shared);
    }

    #[cold]
    fn sort_arrivals(&mut self, shared: &Shared, arrivals: Letters) {
        for pointer in arrivals.reversed() {
            // SAFETY: an entry that arrives is not freed before it is linked.
            let entry = unsafe { pointer.as_ref() };
            if entry.link() {
                self.singles += 1;
                let deadline = entry.deadline();
                entry.set_key(self.wheel.insert(deadline, pointer));
                // Not every caller publishes: `detach` does not.
                if !mutant("timer.publish_arrival") {
                    shared.publish_earlier(deadline);
                }
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
            self.wheel.remove(entry.key());
            self.free(pointer);
        }
    }

    /// Takes a timer out of the wheel.
    #[inline]
    pub(super) fn detach<'a>(&mut self, shared: &Shared, timer: &'a Timer) -> &'a Entry {
        // It may be among the arrivals still; they must be in before it can be taken out.
        if !shared.mail.arrivals.is_empty() {
            self.sort_arrivals(shared, shared.mail.arrivals.take_all());
        }
        let entry = timer.entry();
        self.wheel.remove(entry.key());
        entry
    }

    /// Frees an entry that the wheel does not know and nobody waits for.
    #[inline]
    pub(super) fn free(&mut self, pointer: NonNull<Entry>) {
        // SAFETY: the entry came back to us.
        let entry = unsafe { pointer.as_ref() };
        entry.debug_assert_empty();
        if entry.in_chunk {
            self.free.push(pointer);
        } else {
            self.singles -= 1;
            // SAFETY: the entry came back to us.
            unsafe { free_single(pointer) };
        }
    }

    /// Fires what is due at `now`, as far as `batch` has room.
    pub(super) fn fire_due(&mut self, now: u64, cause: Cause, batch: &mut WakeBatch) {
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
pub(super) unsafe fn free_single(pointer: NonNull<Entry>) {
    // SAFETY: the entry belongs to the caller.
    let entry = unsafe { pointer.as_ref() };
    entry.debug_assert_empty();
    if !entry.in_chunk {
        // SAFETY: it came from a box, and the caller does not use it again.
        drop(unsafe { Box::from_raw(pointer.as_ptr()) });
    }
}

//! The poller of one worker: parking, waking, harvesting, and the records of its sources.
//!
//! Three kinds of threads meet here. The *owner* parks and polls. *Wakers* end its park.
//! *Harvesters*, workers that found the owner stuck or its poller stale, take its events. Who may
//! wait when is decided in [`ownership`](super::ownership); what an event does to a source in
//! [`readiness`](super::readiness).
//!
//! Events are collected with the poller claimed, at most 256 at a time, and delivered after the
//! claim is given up: delivering wakes tasks, and that runs user code. Two batches of one poller
//! may be delivered at one time and in any order; the readiness word bears that.
use std::io;
use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::Duration;

use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::{AtomicU64, AtomicUsize};

use super::batch::{ADOPTABLE, WakeBatch};
use super::key::Key;
use super::ownership::Ownership;
use super::readiness::Ready;
use super::registration::Registration;
use super::slots::Slots;
use super::sys::{Events, System};

use crate::sys::interrupt;

#[cfg(test)]
mod tests;

/// The poller of one worker.
///
/// A handle: the sources registered with a poller keep it alive.
#[derive(Clone, Debug)]
pub(crate) struct Poller {
    pub(super) shared: Arc<Shared>,
}

/// What the handles and the sources of a poller share.
#[derive(Debug)]
pub(super) struct Shared {
    ownership: Ownership,
    pub(super) system: System,
    pub(super) slots: Slots<Registration>,
    /// Registered sources, for the choice of a home.
    pub(super) sources: AtomicUsize,
    /// Adopted siblings.
    adopted: AtomicUsize,
    last_poll: AtomicU64,
}

impl Shared {
    /// True if nothing is registered whose events anybody would wait for.
    fn is_empty(&self) -> bool {
        // Relaxed: counted before the system learns of a source. Who does not see the count yet
        // polls again, and a park always asks the system.
        self.sources.load(Relaxed) == 0
            && self.adopted.load(Relaxed) == 0
            && !interrupt::is_ringing()
    }
}

thread_local! {
    /// The handle by which wakers end this thread's sleep.
    static THREAD: Arc<Thread> = Arc::new(thread::current());
}

impl Poller {
    /// Makes a poller; `CORIO_POLLER=portable` in the environment selects the portable one.
    ///
    /// # Errors
    ///
    /// If the process or the system has no descriptors left.
    pub(crate) fn new() -> io::Result<Self> {
        System::new().map(Self::with_system)
    }

    pub(super) fn with_system(system: System) -> Self {
        let shared = Shared {
            ownership: Ownership::new(),
            system,
            slots: Slots::new(),
            sources: AtomicUsize::new(0),
            adopted: AtomicUsize::new(0),
            last_poll: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Sleeps until there are events, until [`wake`](Self::wake), or for `timeout`; may return
    /// early. Returns how many source events were delivered; their wakers are in `batch`, as are
    /// the adopted siblings that have events.
    ///
    /// A wake-up that came since the last park returned makes this one return at once. If a
    /// harvester is inside, this sleeps until it is out and returns 0.
    ///
    /// # Errors
    ///
    /// Those of the system's wait, none of which is expected.
    ///
    /// # Panics
    ///
    /// If two threads park at one time.
    pub(crate) fn park(
        &self,
        timeout: Option<Duration>,
        batch: &mut WakeBatch,
    ) -> io::Result<usize> {
        let mut events = Events::new();
        let waited = self.shared.ownership.park(
            || THREAD.with(Arc::clone),
            |block| {
                let timeout = if block { timeout } else { Some(Duration::ZERO) };
                self.shared.system.wait(&mut events, timeout)
            },
            || match timeout {
                Some(timeout) => thread::park_timeout(timeout),
                None => thread::park(),
            },
        );
        // Also if it failed: what it took before that does not come again.
        let delivered = self.deliver(&events, batch);
        waited.transpose().map(|_| delivered)
    }

    /// The owner takes the events that are there; 0 if a harvester is inside. Without sources no
    /// system call is made.
    pub(crate) fn poll(&self, batch: &mut WakeBatch) -> usize {
        if self.shared.is_empty() {
            return 0;
        }
        let mut events = Events::new();
        let wait = || self.shared.system.wait(&mut events, Some(Duration::ZERO));
        // An error here shows again at the next park, which reports it.
        let _ = self.shared.ownership.try_poll(wait);
        self.deliver(&events, batch)
    }

    /// Another thread than the owner takes the events that are there; `None` if anybody is inside, who
    /// may have looked before the last of them came.
    pub(crate) fn harvest(&self, batch: &mut WakeBatch) -> Option<usize> {
        let mut delivered = 0;
        if self.shared.is_empty() {
            return Some(0);
        }
        loop {
            let mut events = Events::new();
            let wait = || self.shared.system.wait(&mut events, Some(Duration::ZERO));
            // As in `poll`, an error is the owner's to report.
            let _ = self.shared.ownership.harvest(wait, || self.shared.system.ring())?;
            delivered += self.deliver(&events, batch);
            if !events.is_full() {
                return Some(delivered);
            }
        }
    }

    /// For the owner instead of a park: true if a wake-up has come since the last one, which is
    /// then used up. Takes no events and makes no system call.
    pub(crate) fn take_notice(&self) -> bool {
        self.shared.ownership.take_notice()
    }

    /// Ends the owner's present park, or its next one. One system call if it is parked, none else.
    pub(crate) fn wake(&self) {
        self.shared.ownership.wake(|| self.shared.system.ring());
    }

    /// True if the owner sleeps or is about to.
    #[cfg(test)]
    pub(crate) fn is_parked(&self) -> bool {
        self.shared.ownership.is_parked()
    }

    /// When somebody last took events, in whatever unit [`stamp`](Self::stamp) was given.
    pub(crate) fn last_poll(&self) -> u64 {
        // Relaxed: a hint for the search of stale siblings.
        self.shared.last_poll.load(Relaxed)
    }

    /// Notes when events were taken.
    pub(crate) fn stamp(&self, now: u64) {
        // Relaxed: as above.
        self.shared.last_poll.store(now, Relaxed);
    }

    /// How many sources are registered.
    pub(crate) fn sources(&self) -> usize {
        // Relaxed: a hint for the choice of a home.
        self.shared.sources.load(Relaxed)
    }

    /// Lets this poller's park return when `other`, the poller of worker `sibling`, has events;
    /// [`WakeBatch::take_adopted`] then names it, and the caller harvests it. Each change is told
    /// once. May be called from any thread.
    ///
    /// # Errors
    ///
    /// `ELOOP` if `other` has adopted this one, directly or not, or if adoptions are nested too
    /// deeply; `Unsupported` if `sibling` is 256 or more. The caller then harvests by itself.
    pub(crate) fn adopt(&self, other: &Self, sibling: usize) -> io::Result<()> {
        if sibling >= ADOPTABLE {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let key = Key::Adopted { sibling: sibling as u32 };
        // Relaxed, before the system learns of it: see `is_empty`.
        self.shared.adopted.fetch_add(1, Relaxed);
        self.shared.system.nest(&other.shared.system, key).inspect_err(|_| self.count_out())
    }

    /// Tells of the adopted `other` once more if it has events now: for who was told, and found somebody
    /// inside.
    ///
    /// # Errors
    ///
    /// `NotFound` if `other` is not adopted.
    pub(crate) fn tell_again(&self, other: &Self, sibling: usize) -> io::Result<()> {
        let key = Key::Adopted { sibling: sibling as u32 };
        self.shared.system.renest(&other.shared.system, key)
    }

    /// Undoes [`adopt`](Self::adopt). A last event may still be told.
    ///
    /// # Errors
    ///
    /// `NotFound` if `other` is not adopted.
    pub(crate) fn unadopt(&self, other: &Self) -> io::Result<()> {
        self.shared.system.unnest(&other.shared.system)?;
        self.count_out();
        Ok(())
    }

    fn count_out(&self) {
        // Relaxed: see `is_empty`.
        self.shared.adopted.fetch_sub(1, Relaxed);
    }

    /// Tells all sources that no event will come any more, and wakes who waits for them. Sources
    /// that would register later are refused.
    pub(crate) fn close(&self, batch: &mut WakeBatch) {
        for registration in self.shared.slots.close() {
            let generation = registration.record.readiness.load().generation();
            registration.record.event(generation, Ready::SHUTDOWN, |waker| batch.push(waker));
        }
    }

    /// Delivers events, with nothing claimed; returns how many were for sources.
    pub(super) fn deliver(&self, events: &Events, batch: &mut WakeBatch) -> usize {
        let mut delivered = 0;
        for event in events.as_slice() {
            match Key::decode(event.key) {
                Key::Source { index, generation } => {
                    if let Some(registration) = self.shared.slots.get(index) {
                        delivered += 1;
                        registration
                            .record
                            .event(generation, event.ready, |waker| batch.push(waker));
                    }
                }
                Key::Adopted { sibling } => batch.mark_adopted(sibling),
                Key::Wake | Key::Unknown => {}
            }
        }
        delivered
    }
}

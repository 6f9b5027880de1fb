//! How the Watch sleeps while nothing runs.
//!
//! The Watch looks at the workers every few milliseconds while one of them runs. When all are
//! parked it sleeps without a deadline, so that an idle runtime costs nothing, and the first worker
//! that leaves its park wakes it, before it runs anything. A runtime is born with a Watch that
//! sleeps and has no thread yet: the first worker that runs something makes one.
//!
//! # Protocol
//!
//! ```text
//! Watch                                   worker
//!   A0 publish: how to unpark it
//!   A1 state := ASLEEP                      B1 publish: not parked
//!   A2 fence                                B2 fence
//!   A3 all parked? else AWAKE, no sleep     B3 state == ASLEEP? else done
//!   A4 park while the state is ASLEEP       B4 state := AWAKE by swap
//!                                           B5 who found ASLEEP there unparks the Watch, or
//!                                              makes its thread if A0 never came
//! ```
//!
//! **The Watch never sleeps for good while a worker runs.** If A2 precedes B2, B3 sees ASLEEP or a
//! swap after it: then this worker or the other one unparks. If B2 precedes A2, A3 sees that the
//! worker is not parked and the Watch does not sleep.
//!
//! **At most one wake per sleep.** Each ASLEEP is swapped away once. On the fast path, while the
//! Watch is awake, a worker makes a fence, which leaving a park can afford, and a Relaxed load of
//! a line that hardly changes.
//!
//! A worker that is slow between B3 and B4 may end the Watch's next sleep instead of this one:
//! the Watch then looks once and sleeps again.
//!
//! # Progress
//!
//! [`WatchSleep::wake`] is wait-free. [`WatchSleep::sleep`] waits, by purpose.
//!
//! # Rejected
//!
//! - An unpark per leaving worker: a system call, or at least a foreign cache line, on each wake-up
//!   of a worker.
//! - A counter of running workers as the Watch's condition: two read-modify-writes of one shared
//!   line per sleep of each worker. The Watch can read the workers' own lines.

use corio_sync::shim::atomic::{AtomicBool, Ordering::*};
use corio_sync::shim::{fence_at, mutant, ord};
use crossbeam_utils::CachePadded;

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

/// Whether the Watch sleeps without a deadline.
#[derive(Debug)]
pub(crate) struct WatchSleep {
    asleep: CachePadded<AtomicBool>,
}

impl WatchSleep {
    /// There is no Watch yet.
    pub(crate) fn new() -> Self {
        Self { asleep: CachePadded::new(AtomicBool::new(true)) }
    }

    /// A1 to A4, for the Watch: sleeps if `all_parked`, until [`wake`](Self::wake).
    ///
    /// `park` parks the thread; it may return for no reason. `all_parked` also says false when the
    /// Watch is to end, so that who ends it publishes that and then calls `wake`, as a worker does.
    pub(crate) fn sleep(&self, all_parked: impl FnOnce() -> bool, mut park: impl FnMut()) {
        // Ordering(watch_sleep.sleep): Release; pairs with Ordering(watch_sleep.wake). Whoever finds
        // the Watch asleep finds out how to unpark it; without it he would make a second one. A swap
        // rather than a store, since a worker's swap of the last sleep may still be on its way and
        // the new value must come after it.
        self.asleep.swap(true, ord("watch_sleep.sleep", Release));
        // Dekker with `watch_sleep.worker`: A3 sees the worker, or the worker sees ASLEEP.
        fence_at("watch_sleep.watch");
        if !all_parked() && !mutant("watch_sleep.recheck") {
            // Relaxed: nobody decides anything by it.
            self.asleep.swap(false, Relaxed);
            return;
        }
        // Relaxed: the Watch only learns that it should look; the unpark orders the rest.
        while self.asleep.load(Relaxed) {
            park();
        }
    }

    /// B2 to B4, for a worker that has just published that it runs. True: the caller unparks the
    /// Watch, or makes it.
    #[inline]
    #[must_use = "true obliges the caller to unpark the Watch, or to make it"]
    pub(crate) fn wake(&self) -> bool {
        // Dekker with `watch_sleep.watch`, after the worker published that it is not parked.
        fence_at("watch_sleep.worker");
        // Relaxed for the load: the fence stands before it. Who wins the swap unparks.
        // Ordering(watch_sleep.wake): Acquire; pairs with Ordering(watch_sleep.sleep).
        self.asleep.load(Relaxed) && self.asleep.swap(false, ord("watch_sleep.wake", Acquire))
    }
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_running_worker_keeps_it_awake() {
        let watch = WatchSleep::new();
        assert!(watch.wake(), "the first worker makes it");
        watch.sleep(|| false, || panic!("parked beside a running worker"));
        assert!(!watch.wake(), "it is awake");
    }

    #[test]
    fn the_first_worker_wakes_it_and_others_do_not() {
        let watch = WatchSleep::new();
        assert!(watch.wake(), "the first worker makes it");
        assert!(!watch.wake(), "it is being made");
        let mut wakes = Vec::new();
        watch.sleep(
            || true,
            || {
                // A return for no reason, then one after two wakes.
                if wakes.is_empty() {
                    wakes.push(None);
                } else {
                    wakes.extend([Some(watch.wake()), Some(watch.wake())]);
                }
            },
        );
        assert_eq!(wakes, [None, Some(true), Some(false)]);
    }
}

//! What the reactor's tests share: both kinds of poller, wakers that count, bounded waits.
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::batch::WakeBatch;
use super::poller::Poller;
use super::sys::System;

/// Longer than any wait that works, shorter than a tester's patience.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// Runs a test with the native poller and with the portable one.
pub(super) fn with_both(test: impl Fn(&dyn Fn() -> Poller)) {
    println!("native");
    test(&|| Poller::with_system(System::native().unwrap()));
    println!("portable");
    test(&|| Poller::with_system(System::portable().unwrap()));
}

/// A task whose wake-ups are counted.
pub(super) struct Task {
    waker: Waker,
    woken: Arc<Count>,
    seen: usize,
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Release);
    }
}

impl Task {
    pub(super) fn new() -> Self {
        let woken = Arc::new(Count(AtomicUsize::new(0)));
        Self { waker: Waker::from(woken.clone()), woken, seen: 0 }
    }

    /// A context to poll with.
    pub(super) fn cx(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    /// How often the task was woken since the last call.
    pub(super) fn wakes(&mut self) -> usize {
        let now = self.woken.0.load(Acquire);
        now - std::mem::replace(&mut self.seen, now)
    }

    /// Polls as an executor would: once, and again after each wake-up.
    pub(super) fn run<R>(
        &mut self,
        poller: &Poller,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    ) -> R {
        let start = Instant::now();
        loop {
            self.wakes();
            if let Poll::Ready(result) = poll(&mut self.cx()) {
                return result;
            }
            while self.wakes() == 0 {
                assert!(start.elapsed() < LIMIT, "asleep although there was an event");
                turn(poller, LIMIT);
            }
        }
    }
}

/// Parks once and wakes who has to be woken; returns how many events came.
pub(super) fn turn(poller: &Poller, timeout: Duration) -> usize {
    let mut batch = WakeBatch::new();
    let events = poller.park(Some(timeout), &mut batch).unwrap();
    batch.wake_all();
    events
}

/// Takes everything that has been announced, without waiting.
pub(super) fn settle(poller: &Poller) -> usize {
    let mut events = 0;
    loop {
        let more = turn(poller, Duration::ZERO);
        if more == 0 {
            return events;
        }
        events += more;
    }
}

/// Repeats `condition` until it holds.
pub(super) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

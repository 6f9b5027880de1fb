//! What a poller keeps of one source, as far as tasks and events meet in it.
use std::task::{Poll, Waker};

use super::readiness::{Direction, Proof, Readiness, Ready, State};
use super::waiters::Waiters;
use super::waker_cell::{Registered, WakerCell};

/// What one attempt at a system call came to.
#[derive(Debug)]
pub(super) enum Attempt<R> {
    /// A result. The kernel may have more.
    Done(R),
    /// A result, and proof that the kernel has nothing more.
    Short(R),
    /// The call would have blocked.
    WouldBlock,
    /// Another thread is about to do what has to be done before the task can sleep.
    Yield,
}

/// The readiness of a source and those who wait for it.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) readiness: Readiness,
    pub(super) waiters: Waiters,
}

impl Record {
    pub(super) fn new() -> Self {
        Self { readiness: Readiness::new(), waiters: Waiters::new() }
    }

    /// Delivers an event to the source of the given generation and hands the wakers of those who
    /// waited for it to `wake`, which may run user code.
    pub(super) fn event(&self, generation: u16, ready: Ready, mut wake: impl FnMut(Waker)) {
        let duty = self.readiness.event(generation, ready);
        if duty.is_none() {
            return;
        }
        for direction in [Direction::Read, Direction::Write] {
            if duty.wakes(direction) {
                self.waiters.take(direction, &mut wake);
            }
        }
    }

    /// Tries, as long as the source is ready; leaves the waker in the `cell` when it is not.
    ///
    /// If the source is not ready no attempt is made at all.
    pub(super) fn poll<'a, R>(
        &self,
        direction: Direction,
        mut cell: impl FnMut() -> &'a WakerCell,
        waker: &Waker,
        mut attempt: impl FnMut(State) -> Attempt<R>,
    ) -> Poll<R> {
        loop {
            let seen = self.readiness.load();
            if seen.is_ready(direction) {
                match attempt(seen) {
                    Attempt::Done(result) => return Poll::Ready(result),
                    Attempt::Short(result) => {
                        self.readiness.clear(direction, seen, Proof::Short);
                        return Poll::Ready(result);
                    }
                    Attempt::WouldBlock => {
                        self.readiness.clear(direction, seen, Proof::WouldBlock);
                    }
                    Attempt::Yield => {
                        waker.wake_by_ref();
                        return Poll::Pending;
                    }
                }
            } else if self.wait(direction, cell(), waker) {
                return Poll::Pending;
            }
        }
    }

    /// Waits until the kernel says that a call in `direction` may succeed.
    pub(super) fn poll_ready<'a>(
        &self,
        direction: Direction,
        mut cell: impl FnMut() -> &'a WakerCell,
        waker: &Waker,
    ) -> Poll<State> {
        loop {
            let seen = self.readiness.load();
            if seen.is_ready(direction) || seen.is_closed(direction) {
                return Poll::Ready(seen);
            }
            if self.wait(direction, cell(), waker) {
                return Poll::Pending;
            }
        }
    }

    /// Leaves the waker and arms. False if there is something to look at after all.
    fn wait(&self, direction: Direction, cell: &WakerCell, waker: &Waker) -> bool {
        match cell.register(waker) {
            Registered::Stored => !self.readiness.arm(direction).is_ready(direction),
            Registered::Raced => false,
            Registered::Busy => {
                // Another thread is inside the cell for a few instructions. Whether it wakes us
                // is not known, so we come back by ourselves.
                waker.wake_by_ref();
                true
            }
        }
    }
}

//! What a poller keeps of one source, as far as tasks and events meet in it.
//!
//! # Who may sleep
//!
//! "Not ready" is a reason to sleep only if the system is going to say when that changes. A call that
//! was tried without waiting may have cleared the bit of a direction that nobody asked the system
//! about, and the system may have refused to be asked. So whoever finds the bit cleared asks for the
//! promise himself, and does not believe the bit without it. A promise is never taken back, and what
//! is so when it is given is announced, however long ago the bit was cleared.
use std::io;
use std::task::{Poll, Waker};

use corio_sync::shim::mutant;

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
    /// If the source is not ready no attempt is made at all, unless the system has not `promised` to
    /// say when it will be.
    pub(super) fn poll<'a, R>(
        &self,
        direction: Direction,
        mut cell: impl FnMut() -> &'a WakerCell,
        waker: &Waker,
        mut promised: impl FnMut() -> bool,
        mut attempt: impl FnMut(State) -> Attempt<R>,
    ) -> Poll<R> {
        loop {
            let seen = self.readiness.load();
            if seen.is_ready(direction) || !(mutant("record.promised") || promised()) {
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

    /// Waits until the kernel says that a call in `direction` may succeed, once it has `promised` to.
    pub(super) fn poll_ready<'a>(
        &self,
        direction: Direction,
        mut cell: impl FnMut() -> &'a WakerCell,
        waker: &Waker,
        mut promised: impl FnMut() -> io::Result<bool>,
    ) -> Poll<io::Result<State>> {
        loop {
            let seen = self.readiness.load();
            if seen.is_ready(direction) || seen.is_closed(direction) {
                return Poll::Ready(Ok(seen));
            }
            if !mutant("record.promised_ready") && !promised()? {
                // Another thread is about to get the promise.
                waker.wake_by_ref();
                return Poll::Pending;
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

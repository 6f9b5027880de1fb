//! Holds one thread of a model at its k-th access to an atomic, until it is let go.
//!
//! All threads of a model are coroutines of one thread, and nothing here switches between them
//! except the waits: the state needs no synchronization of its own.

use std::cell::RefCell;
use std::panic::Location;

use shuttle::thread::{self, Thread, ThreadId};

#[derive(Default)]
struct State {
    /// The thread that is watched, and how many accesses it has left before it is held.
    victim: Option<(ThreadId, usize)>,
    held: Option<(Thread, &'static Location<'static>)>,
    /// The victim's operation has ended, or the victim may go on.
    over: bool,
}

std::thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

fn with<R>(f: impl FnOnce(&mut State) -> R) -> R {
    STATE.with(|state| f(&mut state.borrow_mut()))
}

/// An access to an atomic is about to happen.
#[track_caller]
pub(super) fn access() {
    let place = Location::caller();
    let stop = with(|state| {
        let Some((victim, left)) = &mut state.victim else { return false };
        if *victim != thread::current().id() {
            return false;
        }
        *left -= 1;
        if *left > 0 {
            return false;
        }
        state.victim = None;
        state.held = Some((thread::current(), place));
        true
    });
    while stop && !with(|state| state.over) {
        thread::park();
    }
}

/// Forgets what an earlier execution left.
pub fn reset() {
    with(|state| *state = State::default());
}

/// From now on the current thread is the victim: it is held before its `k`-th access.
pub fn begin(k: usize) {
    with(|state| state.victim = Some((thread::current().id(), k)));
}

/// The victim's operation has ended.
pub fn end() {
    with(|state| {
        state.victim = None;
        state.over = true;
    });
}

/// Waits until the victim is held, or its operation has ended; tells where it is held.
pub fn wait() -> Option<&'static Location<'static>> {
    loop {
        if let Some(place) = with(|state| state.held.as_ref().map(|held| held.1)) {
            return Some(place);
        }
        if with(|state| state.over) {
            return None;
        }
        thread::yield_now();
    }
}

/// Lets the victim go on.
pub fn release() {
    let held = with(|state| {
        state.over = true;
        state.held.take()
    });
    if let Some((thread, _)) = held {
        thread.unpark();
    }
}

//! Models of the reference that a run lends to a waker.
use super::*;

/// One run, in which a waker is cloned and sent away; `after` says what the poll comes to.
fn lend(after: impl FnOnce(&Twin)) {
    let twin = Twin::new();
    assert!(twin.entries.compare_exchange(1, 0, AcqRel, Relaxed).is_ok());
    twin.state.start();
    twin.body.set(1);
    let waker = twin.clone();
    let wakes = thread::spawn(move || {
        waker.cause.set(1);
        match waker.state.wake_by_value() {
            Woken::Enqueue => waker.enqueue(),
            Woken::Free => waker.free(),
            Woken::Nothing => {}
        }
    });
    let handle = twin.clone();
    let drops = thread::spawn(move || handle.detach());
    after(&twin);
    wakes.join().unwrap();
    drops.join().unwrap();
    while twin.entries.load(Acquire) == 1 {
        assert_eq!(twin.freed.load(Acquire), 0, "freed while it is scheduled");
        twin.work(2);
        assert_eq!(twin.cause.get(), 1);
    }
    assert_eq!(twin.freed.load(Acquire), 1, "not freed");
}

model! {
    /// The poll waits: the waker that it has left behind comes at once, and nobody awaits the task.
    state_lends_to_a_waker(threads = 3, bound = 3, claim = "a waker that was lent its reference loses neither its wake nor the cell") {
        lend(|twin| {
            if twin.state.pause_as(false, false, false) == Paused::Enqueue {
                twin.enqueue();
            }
        });
    }
}

model! {
    /// The poll asks for another.
    state_lends_and_asks_again(threads = 3, bound = 3, claim = "as state_lends_to_a_waker, beside a poll that asks for another") {
        lend(|twin| {
            twin.state.pause_again(false, false);
            twin.enqueue();
        });
    }
}

model! {
    /// The task ends all the same.
    state_lends_and_ends(threads = 3, bound = 3, claim = "as state_lends_to_a_waker, beside the end of the task") {
        lend(|twin| twin.complete(false, false));
    }
}

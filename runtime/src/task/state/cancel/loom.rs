//! Models of taking a cancel: by a scope, by the end of the task, or back.
use super::super::{End, Finished, Paused};
use super::*;
use corio_sync::model;
use corio_sync::shim::Witness;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;

struct Twin {
    state: State,
    message: Witness<usize>,
}

fn running() -> Arc<Twin> {
    let twin = Twin { state: State::new(Snapshot::spawned(None)), message: Witness::new(0) };
    twin.state.start();
    Arc::new(twin)
}

/// The runner ends the body; true if the output says cancelled.
fn end(twin: &Twin) -> bool {
    match twin.state.finish(End::Itself, true, true) {
        Finished::CancelFirst => {
            assert!(!matches!(
                twin.state.finish(End::Cancelled, true, true),
                Finished::CancelFirst
            ));
            true
        }
        _ => false,
    }
}

model! {
    /// A scope takes the cancel of which it knows only the bit.
    state_take_sees_the_message(threads = 2, bound = 3, claim = "who takes a cancel sees what the canceller wrote") {
        let twin = running();
        let canceller = twin.clone();
        let cancels = thread::spawn(move || {
            canceller.message.set(1);
            canceller.state.request_cancel().is_some()
        });
        let taken = twin.state.take_cancel();
        if taken {
            assert_eq!(twin.message.get(), 1);
        }
        let ended = end(&twin);
        let asked = cancels.join().unwrap();
        assert_eq!(u8::from(taken) + u8::from(ended), u8::from(asked), "delivered once if asked");
    }
}

model! {
    /// Two cancels, a scope that takes once, and the end of the task.
    state_conserves_cancels(threads = 3, bound = 3, claim = "every cancel that said true is taken, joins one that is, or ends the task cancelled") {
        let twin = running();
        let cancellers: Vec<_> = (0..2)
            .map(|_| {
                let twin = twin.clone();
                thread::spawn(move || twin.state.request_cancel().is_some())
            })
            .collect();
        let taken = twin.state.take_cancel();
        let ended = end(&twin);
        let asked: u8 = cancellers.into_iter().map(|it| u8::from(it.join().unwrap())).sum();
        let delivered = u8::from(taken) + u8::from(ended);
        assert!(delivered <= asked, "delivered {delivered}, asked {asked}");
        assert_eq!(asked == 0, delivered == 0, "lost");
    }
}

model! {
    /// A cancel is taken back while a scope takes it and the task ends.
    state_retracts_or_delivers(threads = 2, bound = 3, claim = "a cancel is delivered or retracted") {
        let twin = running();
        let other = twin.clone();
        let thread = thread::spawn(move || {
            let asked = other.state.request_cancel().is_some();
            let left = other.state.uncancel();
            assert_eq!(left, 0);
            asked
        });
        let taken = twin.state.take_cancel();
        let again = twin.state.take_cancel();
        assert!(!(taken && again), "one cancel was taken twice");
        let ended = end(&twin);
        thread.join().unwrap();
        assert!(!(taken && ended), "delivered twice");
        assert!(!twin.state.load().is_cancel_pending(), "it is still pending after the end");
    }
}

model! {
    /// A cancel that was taken is taken back while it is given back, beside a part's request.
    state_returns_or_retracts(threads = 2, bound = 3, claim = "after uncancel has left none, nothing is pending; before, what was taken comes back") {
        let twin = running();
        assert!(twin.state.request_cancel().is_some() && twin.state.take_cancel());
        let other = twin.clone();
        let retracts = thread::spawn(move || {
            assert_eq!(other.state.uncancel(), 0);
            assert!(!other.state.load().is_cancel_pending(), "it came back");
        });
        let before = twin.state.load().cancelling() == 1;
        let returned = twin.state.return_cancel(0);
        let delivered = twin.state.take_cancel();
        assert!(returned || !delivered);
        retracts.join().unwrap();
        assert!(before || !returned, "it had been taken back");
        assert!(!twin.state.return_cancel(0) && !twin.state.load().is_cancel_pending());
        twin.state.count_part();
        assert!(!twin.state.return_cancel(1), "the part's request is none of the task's");
        assert!(twin.state.request_cancel().is_some() && twin.state.take_cancel());
        assert!(twin.state.return_cancel(1) && twin.state.take_cancel());
    }
}

model! {
    /// A cancel that was taken, and carried off, comes back from another thread as it is taken back.
    state_returns_from_elsewhere(threads = 2, bound = 3, claim = "what comes back from elsewhere is delivered or was taken back, and is pending once") {
        let twin = running();
        assert!(twin.state.request_cancel().is_some() && twin.state.take_cancel());
        let other = twin.clone();
        let returns = thread::spawn(move || other.state.return_from_elsewhere());
        assert_eq!(twin.state.uncancel(), 0);
        returns.join().unwrap();
        assert!(!twin.state.load().is_cancel_pending(), "it came back");
        assert!(twin.state.request_cancel().is_some());
        assert!(!twin.state.return_from_elsewhere(), "it is pending");
        assert!(twin.state.take_cancel() && twin.state.return_from_elsewhere());
        assert!(twin.state.take_cancel() && !twin.state.take_cancel());
    }
}

model! {
    /// A cancel is taken back while a part's request is counted; another one comes as the runner
    /// forgets the first.
    state_forgets_what_was_retracted(threads = 2, bound = 3, claim = "a retracted cancel is forgotten, and one that is counted is not") {
        let twin = running();
        twin.state.count_part();
        assert!(twin.state.request_cancel().is_some());
        twin.state.retract(1);
        assert!(twin.state.load().is_cancel_pending(), "it was counted");
        assert_eq!(twin.state.uncancel(), 1);
        let other = twin.clone();
        let cancels = thread::spawn(move || other.state.request_cancel().is_some());
        twin.state.retract(1);
        let early = twin.state.load().is_cancel_pending();
        assert!(!early || twin.state.load().cancelling() == 2, "the first one is still there");
        assert!(cancels.join().unwrap());
        assert!(twin.state.take_cancel(), "the second one was forgotten");
        assert_eq!(twin.state.load().cancelling(), 2);
    }
}

model! {
    /// A part's request is counted beside cancels of the whole task.
    state_counts_parts(threads = 2, bound = 3, claim = "counting a part neither loses a cancel nor makes one") {
        let twin = running();
        let canceller = twin.clone();
        let cancels = thread::spawn(move || canceller.state.request_cancel().is_some());
        twin.state.count_part();
        assert!(twin.state.load().cancelling() >= 1);
        twin.state.uncount_part();
        assert!(cancels.join().unwrap());
        assert_eq!(twin.state.load().cancelling(), 1);
        assert!(twin.state.take_cancel(), "the pending cancel went with the part's request");
    }
}

model! {
    /// A request that comes back in the middle of a poll is looked at in the next one.
    state_looks_again(threads = 2, bound = 3, claim = "the next run takes care, whatever wakes it") {
        let twin = running();
        let waker = twin.clone();
        let wakes = thread::spawn(move || {
            let _ = waker.state.wake();
        });
        twin.state.return_uncounted();
        twin.state.look_again();
        assert_eq!(twin.state.pause(), Paused::Enqueue);
        wakes.join().unwrap();
        assert!(twin.state.start().needs_care());
        twin.state.looked();
        assert!(twin.state.take_cancel() && !twin.state.load().needs_care());
    }
}

//! Models of a poll that has asked for another one.
use super::*;

/// The runner's poll asks for another; the entry is pushed.
fn ask_again(twin: &Twin) {
    assert!(twin.entries.compare_exchange(1, 0, AcqRel, Relaxed).is_ok());
    twin.state.start();
    twin.body.set(1);
    twin.state.pause_again(false, true);
    twin.enqueue();
}

model! {
    /// Wakes and cancels that come at any moment of such a poll.
    state_again_meets_wake_and_cancel(threads = 3, bound = 3, claim = "a poll that asks for another leaves one entry, and the next one sees what came meanwhile") {
        let twin = Twin::new();
        let wakes = Twin::woken_elsewhere(&twin);
        let canceller = twin.clone();
        let cancels = thread::spawn(move || {
            if canceller.state.request_cancel() == Some(Woken::Enqueue) {
                canceller.enqueue();
            }
        });
        ask_again(&twin);
        wakes.join().unwrap();
        cancels.join().unwrap();
        assert_eq!(twin.state.load().refs(), 2);
        assert_eq!(twin.entries.load(Acquire), 1, "an entry too few");
        twin.work(usize::MAX);
        assert_eq!((twin.cause.get(), twin.output.get()), (1, 2));
        twin.detach();
        assert_eq!(twin.freed.load(Acquire), 1, "not freed");
    }
}

model! {
    /// The next runner is another worker.
    state_again_hands_over_the_body(threads = 2, bound = 3, claim = "the poll that was asked for sees the body as the last one left it") {
        let twin = Twin::new();
        let runner = twin.clone();
        let asks = thread::spawn(move || {
            runner.entries.store(0, Relaxed);
            runner.state.start();
            runner.body.set(1);
            runner.state.pause_again(false, true);
            // The entry is handed over without order, so that only the word carries the body.
            runner.entries.store(2, Relaxed);
        });
        if twin.entries.load(Relaxed) == 2 {
            twin.state.start();
            twin.body.set(twin.body.get() + 1);
            assert_eq!(twin.body.get(), 2);
        }
        asks.join().unwrap();
    }
}

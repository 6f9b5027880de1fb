//! Models of the deferred's core: one winner, and everybody sees what it left.

use super::{DeferredCore, Outcome};
use crate::model;
use crate::shim::{cell::UnsafeCell, sync::Arc, thread};
use crate::testing::{block_on, join_all, poll_once};
use std::pin::pin;
use std::task::{Context, Wake, Waker};

/// A value that the model sees being read where it was not published.
struct Watched(UnsafeCell<u8>);

impl Watched {
    fn new(value: u8) -> Self {
        let watched = Self(UnsafeCell::new(0));
        watched.0.with_mut(|inside| {
            // SAFETY: not shared yet.
            unsafe { *inside = value };
        });
        watched
    }

    fn get(&self) -> u8 {
        // SAFETY: written before it was shared only.
        self.0.with(|inside| unsafe { *inside })
    }
}

// SAFETY: written before it is shared only.
unsafe impl Sync for Watched {}

type Core = DeferredCore<Watched, Watched, ()>;

fn look(outcome: &Outcome<Watched, Watched, ()>) -> u8 {
    match outcome {
        Outcome::Value(value) | Outcome::Failed(value) => value.get(),
        Outcome::Cancelled(()) => 3,
    }
}

model! {
    /// All three ways to end it at once.
    deferred_one_winner(threads = 3, bound = 3, claim = "one of result, error and cancel wins, and a loser sees the winner's at once") {
        let core = Arc::new(Core::new());
        let (a, b) = (core.clone(), core.clone());
        let failing = thread::spawn(move || {
            let won = a.set_exception(Watched::new(2)).is_ok();
            (won, look(a.get().expect("whoever lost finds it done")))
        });
        let cancelling = thread::spawn(move || {
            let won = b.cancel(|| ());
            (won, look(b.get().expect("whoever lost finds it done")))
        });
        let here = core.set_result(Watched::new(1)).is_ok();
        let seen = look(core.get().expect("whoever lost finds it done"));
        let (failed, first) = failing.join().unwrap();
        let (cancelled, second) = cancelling.join().unwrap();
        assert_eq!([here, failed, cancelled].map(u8::from).iter().sum::<u8>(), 1);
        let winner = if here { 1 } else if failed { 2 } else { 3 };
        assert_eq!([seen, first, second], [winner; 3]);
    }
}

model! {
    /// Setting meets two waiters.
    deferred_wait(threads = 3, bound = 2, claim = "everybody who waits is woken and sees the outcome") {
        let core = Arc::new(Core::new());
        let threads = [(); 2].map(|()| {
            let core = core.clone();
            thread::spawn(move || assert_eq!(look(block_on(core.wait())), 1))
        });
        core.set_result(Watched::new(1)).unwrap_or_else(|_| unreachable!("the only one"));
        join_all(threads);
    }
}

model! {
    /// A waiter leaves while another one waits and a cancel comes.
    deferred_leave(threads = 3, bound = 2, claim = "a waiter that leaves takes nobody's wake-up with it") {
        let core = Arc::new(Core::new());
        let (a, b) = (core.clone(), core.clone());
        let threads = [
            thread::spawn(move || {
                let mut wait = pin!(a.wait());
                let _ = poll_once(|cx| wait.as_mut().poll(cx).map(look));
            }),
            thread::spawn(move || assert_eq!(look(block_on(b.wait())), 3)),
        ];
        assert!(core.cancel(|| ()));
        join_all(threads);
    }
}

/// A waker of which one can tell how many there are.
struct Counted;

impl Wake for Counted {
    fn wake(self: std::sync::Arc<Self>) {}
}

model! {
    /// The first one comes again with another waker, while it is set.
    deferred_again(threads = 2, bound = 3, claim = "the first one is woken by its latest waker, and none is left behind") {
        let core = Arc::new(Core::new());
        let waits = core.clone();
        let counted = std::sync::Arc::new(Counted);
        let before = Waker::from(counted.clone());
        let waiting = thread::spawn(move || {
            let mut wait = pin!(waits.wait());
            let _ = wait.as_mut().poll(&mut Context::from_waker(&before));
            drop(before);
            assert_eq!(look(block_on(wait)), 1);
        });
        core.set_result(Watched::new(1)).unwrap_or_else(|_| unreachable!("the only one"));
        waiting.join().unwrap();
        assert_eq!(std::sync::Arc::strong_count(&counted), 1);
    }
}

model! {
    /// The first one leaves, while another one comes and it is set.
    deferred_first_leaves(threads = 3, bound = 2, claim = "a waker that was left is dropped once, and the line is told") {
        let core = Arc::new(Core::new());
        let (a, b) = (core.clone(), core.clone());
        let counted = std::sync::Arc::new(Counted);
        let waker = Waker::from(counted.clone());
        let leaving = thread::spawn(move || {
            let _ = pin!(a.wait()).poll(&mut Context::from_waker(&waker));
        });
        let waiting = thread::spawn(move || assert_eq!(look(block_on(b.wait())), 1));
        core.set_result(Watched::new(1)).unwrap_or_else(|_| unreachable!("the only one"));
        join_all([leaving, waiting]);
        assert_eq!(std::sync::Arc::strong_count(&counted), 1);
    }
}

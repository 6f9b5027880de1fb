//! Models of a deadline that is moved while it comes.
use std::task::Wake;

use super::*;
use corio_sync::model;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;

/// Counts its wakes.
struct Wakes(AtomicU64);

impl Wake for Wakes {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

model! {
    /// A mover and a holder that finds the old deadline come.
    deadline_move_vs_expire(threads = 2, bound = 3, claim = "a move that was accepted is never overtaken by the expiry of the deadline before it") {
        let deadline = Arc::new(Deadline::new(10));
        let mover = deadline.clone();
        let moves = thread::spawn(move || mover.set(20));
        let (seen, _) = deadline.get();
        let expired = deadline.expire(seen);
        let moved = moves.join().unwrap();
        match (expired, moved) {
            (true, Ok(())) => assert_eq!((seen, deadline.get().0), (20, 20)),
            (true, Err(phase)) => assert_eq!((phase, deadline.get().0), (Phase::Expiring, 10)),
            (false, moved) => assert_eq!((moved, deadline.get()), (Ok(()), (20, Phase::Active))),
        }
    }
}

model! {
    /// A mover and a holder that goes to sleep.
    deadline_move_wakes(threads = 2, bound = 3, claim = "a holder that went to sleep until some deadline is woken by the move to an earlier one") {
        let deadline = Arc::new(Deadline::new(20));
        let wakes = std::sync::Arc::new(Wakes(AtomicU64::new(0)));
        let waker = Waker::from(wakes.clone());
        let mover = deadline.clone();
        let moves = thread::spawn(move || {
            assert_eq!(mover.set(30), Ok(()));
            assert_eq!(mover.set(10), Ok(()));
        });
        deadline.watch(&waker);
        let (sleeps_until, _) = deadline.get();
        moves.join().unwrap();
        let woken = wakes.0.load(Relaxed);
        assert!(sleeps_until == 10 || woken == 1, "it sleeps until {sleeps_until}");
        deadline.unwatch();
    }
}

model! {
    /// Two movers and the end of the wait.
    deadline_move_vs_conclude(threads = 3, bound = 2, claim = "after the end nobody moves it, and the last accepted move is what it says") {
        let deadline = Arc::new(Deadline::new(10));
        let movers: Vec<_> = [20, 30]
            .map(|at| {
                let mover = deadline.clone();
                thread::spawn(move || mover.set(at).is_ok().then_some(at))
            })
            .into_iter()
            .collect();
        deadline.conclude();
        let (at, phase) = deadline.get();
        assert_eq!(phase, Phase::Finished);
        let moved: Vec<_> = movers.into_iter().filter_map(|it| it.join().unwrap()).collect();
        assert_eq!(deadline.get(), (at, Phase::Finished));
        assert_eq!(moved.is_empty(), at == 10);
        assert!(moved.is_empty() || moved.contains(&at));
    }
}

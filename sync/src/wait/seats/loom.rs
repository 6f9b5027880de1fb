//! Models of the roster: no wake-up is lost, and no seat has two owners.

use super::{Roster, Seat};
use crate::model;
use crate::shim::atomic::AtomicUsize;
use crate::shim::cell::UnsafeCell;
use crate::shim::sync::Arc;
use crate::shim::{Ordering, thread};
use crate::testing::{block_on, join_all};
use std::task::Poll;

/// News that come once, told by a plain flag: the roster's fences are all that orders it.
struct Told {
    roster: Roster,
    news: AtomicUsize,
}

impl Told {
    fn new() -> Arc<Self> {
        Arc::new(Self { roster: Roster::new(), news: AtomicUsize::new(0) })
    }

    fn tell(&self, news: usize) {
        self.news.store(news, Ordering::Relaxed);
        self.roster.wake_all();
    }

    fn wait(&self, seat: &mut Seat, news: usize) {
        block_on(std::future::poll_fn(|cx| {
            let come = || self.news.load(Ordering::Relaxed) >= news;
            if come() {
                return Poll::Ready(());
            }
            self.roster.wait(seat, cx.waker());
            if come() { Poll::Ready(()) } else { Poll::Pending }
        }));
        seat.clear();
    }
}

model! {
    /// Somebody sits down and waits while news come.
    seats_wait(threads = 2, bound = 3, claim = "the look finds the news, or the walk finds the waker") {
        let told = Told::new();
        let other = told.clone();
        let thread = thread::spawn(move || {
            let mut seat = other.roster.join();
            other.wait(&mut seat, 1);
            other.roster.leave(seat);
        });
        told.tell(1);
        thread.join().unwrap();
    }
}

model! {
    /// Two sit down while news come.
    seats_two_wait(threads = 3, bound = 2, claim = "a walk reaches every seat that is listed") {
        let told = Told::new();
        let threads = [0, 1].map(|_| {
            let told = told.clone();
            thread::spawn(move || {
                let mut seat = told.roster.join();
                told.wait(&mut seat, 1);
            })
        });
        told.tell(1);
        join_all(threads);
    }
}

model! {
    /// Somebody waits twice on one seat.
    seats_waits_again(threads = 2, bound = 3, claim = "a seat serves again") {
        let told = Told::new();
        let other = told.clone();
        let thread = thread::spawn(move || {
            let mut seat = other.roster.join();
            other.wait(&mut seat, 1);
            other.wait(&mut seat, 2);
        });
        told.tell(1);
        told.tell(2);
        thread.join().unwrap();
    }
}

/// What the owner of a seat has for itself.
#[derive(Default)]
struct Owned {
    seats: [UnsafeCell<usize>; 2],
}

// SAFETY: a model; loom tells if the cells are used by two threads at once.
unsafe impl Sync for Owned {}

/// Uses the seat as its only owner would.
fn use_seat(seats: &[*mut super::Member; 2], owned: &Owned, seat: &Seat) {
    let index = seats.iter().position(|known| *known == seat.0);
    let Some(index) = index else { return };
    owned.seats[index].with_mut(|count| {
        // SAFETY: the seat's owner only; loom tells otherwise.
        unsafe { *count += 1 };
    });
}

model! {
    /// Two threads take spare seats, give them back and take again.
    seats_spares(threads = 3, bound = 2, claim = "a seat has one owner at a time, who sees what the last one did") {
        let roster = Arc::new(Roster::new());
        let first = [roster.join(), roster.join()];
        let seats = [first[0].0, first[1].0];
        first.into_iter().for_each(|seat| roster.leave(seat));
        let owned = Arc::new(Owned::default());
        let threads = [2, 1].map(|times| {
            let (roster, owned) = (roster.clone(), owned.clone());
            let seats = [seats[0].addr(), seats[1].addr()];
            thread::spawn(move || {
                let seats = seats.map(std::ptr::without_provenance_mut);
                for _ in 0..times {
                    let both = [roster.join(), roster.join()];
                    assert_ne!(both[0].0, both[1].0, "one seat for two");
                    both.into_iter().for_each(|seat| {
                        use_seat(&seats, &owned, &seat);
                        roster.leave(seat);
                    });
                }
            })
        });
        join_all(threads);
    }
}

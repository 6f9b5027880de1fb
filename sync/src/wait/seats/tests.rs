//! The roster on one thread.

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Wake;

#[derive(Default)]
struct Counts(AtomicUsize);

impl Wake for Counts {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        std::panic::resume_unwind(Box::new(()));
    }
}

fn waits(roster: &Roster) -> (Seat, Arc<Counts>) {
    let (mut seat, counts) = (roster.join(), Arc::new(Counts::default()));
    roster.wait(&mut seat, &counts.clone().into());
    (seat, counts)
}

#[test]
fn everybody_who_waits_is_woken_once() {
    let roster = Roster::new();
    let all: [_; 5] = std::array::from_fn(|_| waits(&roster));
    roster.wake_all();
    roster.wake_all();
    for (seat, counts) in &all {
        assert_eq!(counts.0.load(Relaxed), 1);
        assert!(!seat.is_filled());
    }
}

#[test]
fn who_waits_no_longer_is_not_woken_and_its_waker_is_gone() {
    let roster = Roster::new();
    let (stays, one) = waits(&roster);
    let (leaves, two) = waits(&roster);
    stays.clear();
    roster.leave(leaves);
    assert_eq!([Arc::strong_count(&one), Arc::strong_count(&two)], [1, 1]);
    roster.wake_all();
    assert_eq!([one.0.load(Relaxed), two.0.load(Relaxed)], [0, 0]);
}

#[test]
fn a_seat_serves_the_next_party() {
    let roster = Roster::new();
    let (first, second) = (roster.join(), roster.join());
    let known = [first.0, second.0];
    roster.leave(first);
    roster.leave(second);
    let again = [roster.join(), roster.join()];
    assert_eq!([again[1].0, again[0].0], known);
    let third = roster.join();
    assert!(!known.contains(&third.0));
}

#[test]
fn a_waker_that_panics_costs_nobody_its_wake_up() {
    let roster = Roster::new();
    let (_before, one) = waits(&roster);
    let mut seat = roster.join();
    roster.wait(&mut seat, &Arc::new(Panics).into());
    let (_after, two) = waits(&roster);
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| roster.wake_all()));
    assert!(told.is_err());
    assert_eq!([one.0.load(Relaxed), two.0.load(Relaxed)], [1, 1]);
}

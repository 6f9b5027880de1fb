//! When the group is woken to forget children that have ended.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Wake;

use super::*;

struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// A roster whose group leaves its waker again whenever it was woken.
struct Group {
    roster: Roster,
    wakes: Arc<Wakes>,
    waker: Waker,
}

impl Group {
    fn new() -> Self {
        let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
        let group = Self { roster: Roster::new(), waker: Waker::from(wakes.clone()), wakes };
        group.roster.watch(&group.waker);
        group
    }

    fn add(&self) -> bool {
        assert!(self.roster.admit());
        let before = self.wakes.0.load(Relaxed);
        assert!(!self.roster.added(|| false), "the group is there");
        self.is_woken_since(before)
    }

    fn leave(&self) -> bool {
        let before = self.wakes.0.load(Relaxed);
        self.roster.leave();
        self.is_woken_since(before)
    }

    fn is_woken_since(&self, before: usize) -> bool {
        self.roster.watch(&self.waker);
        self.wakes.0.load(Relaxed) > before
    }
}

#[test]
fn a_group_hears_of_every_64th_child_that_comes() {
    let group = Group::new();
    for n in 1..=1_000 {
        assert_eq!(group.add(), n % 64 == 0, "child {n}");
        assert_eq!(group.roster.len(), n);
    }
}

#[test]
fn a_group_hears_of_the_last_end_and_where_half_have_ended() {
    let group = Group::new();
    for _ in 0..1_000 {
        group.add();
    }
    let heard: Vec<_> = (0..1_000_usize).rev().filter(|_| group.leave()).collect();
    assert_eq!(heard.len(), 11);
    assert_eq!(group.roster.len(), 0);
    assert!(group.roster.close(), "the number of children that were added is not in the way");
    assert!(group.roster.is_closed() && !group.roster.admit());
}

/// One comes, one goes: without a wake the list of a group whose body sleeps would grow for ever.
#[test]
fn a_group_of_constant_size_hears_of_its_children() {
    let group = Group::new();
    for _ in 0..100 {
        group.add();
    }
    let wakes = (0..6_400).filter(|_| group.add() | group.leave()).count();
    assert_eq!(wakes, 100);
    assert_eq!(group.roster.len(), 100);
}

#[test]
fn a_group_that_stops_hears_of_each_child_that_comes_late() {
    let group = Group::new();
    assert!(group.roster.admit());
    assert!(group.roster.admit());
    group.roster.abort();
    group.roster.watch(&group.waker);
    for _ in 0..2 {
        let before = group.wakes.0.load(Relaxed);
        assert!(!group.roster.added(|| false));
        assert!(group.is_woken_since(before), "nobody stops it");
    }
    assert!(!group.roster.admit() && group.roster.is_aborted() && group.roster.len() == 2);
}

//! Models of a group whose children come, fail and end.
use std::task::Wake;

use super::*;
use crate::task::requests::Pushed;
use corio_sync::model;
use corio_sync::shim::Witness;
use corio_sync::shim::atomic::AtomicBool;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;

struct Group {
    roster: Roster,
    /// What a child leaves behind.
    left: Witness<usize>,
    /// Children in the group's list.
    added: Pushed<usize>,
    woken: std::sync::Arc<Woken>,
    waker: Waker,
}

/// Set by a wake.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: std::sync::Arc<Self>) {
        // Ordering: Release; pairs with `was_woken`: as with any task, a poll comes after the wake that
        // it is for. An exchange: loom lets a store that it saw last come before the exchange there.
        self.0.swap(true, Release);
    }
}

impl Group {
    fn new() -> Arc<Self> {
        let woken = std::sync::Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(woken.clone());
        let (roster, added) = (Roster::new(), Pushed::new());
        Arc::new(Self { roster, left: Witness::new(0), added, woken, waker })
    }

    /// What the group's poll does; true if it has ended. Children that it finds when it is to stop
    /// are counted in `stopped`.
    fn poll(&self, stopped: &mut usize) -> bool {
        self.roster.watch(&self.waker);
        if self.roster.is_aborted() {
            *stopped += self.added.take_all().len();
        }
        self.roster.close()
    }

    fn was_woken(&self) -> bool {
        // Ordering: Acquire; as in `Woken::wake`.
        self.woken.0.swap(false, Acquire)
    }
}

model! {
    /// The last child ends while the group goes to sleep.
    roster_last_leave(threads = 2, bound = 3, claim = "the group sees the last end and what it left behind, or is woken for it") {
        let group = Group::new();
        assert!(group.roster.admit());
        assert!(!group.roster.added(|| false));
        let child = group.clone();
        let ends = thread::spawn(move || {
            child.left.set(7);
            child.roster.leave();
        });
        let mut stopped = 0;
        let mut ended = group.poll(&mut stopped);
        if !ended {
            ends.join().unwrap();
            assert!(group.was_woken(), "it sleeps for ever");
            ended = group.poll(&mut stopped);
        } else {
            assert_eq!(group.left.get(), 7);
            ends.join().unwrap();
        }
        assert!(ended && group.roster.is_closed() && group.roster.len() == 0);
    }
}

model! {
    /// The last child is heard of in a turn of a single loop, while a group on another thread goes to sleep
    /// or ends.
    roster_last_heard(threads = 2, bound = 3, claim = "the group hears of the last end and sees what it left behind, or is woken for it") {
        let group = Group::new();
        assert!(group.roster.admit());
        assert!(!group.roster.added(|| false));
        let child = group.clone();
        let ends = thread::spawn(move || {
            child.left.set(7);
            assert!(!child.roster.heard(false), "the group is there");
        });
        let mut stopped = 0;
        let mut ended = group.poll(&mut stopped);
        if ended {
            assert_eq!(group.left.get(), 7);
        }
        ends.join().unwrap();
        if !ended {
            assert!(group.was_woken(), "it sleeps for ever");
            ended = group.poll(&mut stopped);
        }
        assert!(ended && group.roster.is_closed() && group.roster.len() == 0);
        assert!(!group.roster.admit(), "it has none left");
    }
}

model! {
    /// Who is heard of sorts the list, while the group on another thread stops what it finds there.
    roster_sorts_vs_abort(threads = 2, bound = 3, claim = "a child that was in somebody's hand is stopped with the others") {
        let group = Group::new();
        for child in [1, 2] {
            assert!(group.roster.admit());
            group.added.push(child);
            assert!(!group.roster.added(|| false));
        }
        let sorter = group.clone();
        let sorts = thread::spawn(move || {
            sorter.added.take_all().into_iter().skip(1).for_each(|child| sorter.added.push(child));
            assert!(!sorter.roster.heard(true), "the group is there");
        });
        group.roster.abort();
        let mut stopped = 0;
        assert!(!group.poll(&mut stopped), "a child is left");
        sorts.join().unwrap();
        if group.was_woken() {
            group.poll(&mut stopped);
        }
        assert!(stopped > 0, "nobody stops it");
        assert!(group.added.take_all().is_empty());
    }
}

model! {
    /// Who is heard of sorts the list, while the group's future is dropped on another thread.
    roster_sorts_vs_drop(threads = 2, bound = 3, claim = "a child that was in somebody's hand is stopped, by who drops the group or by who had it") {
        let group = Group::new();
        for child in [1, 2] {
            assert!(group.roster.admit());
            group.added.push(child);
            assert!(!group.roster.added(|| false));
        }
        let sorter = group.clone();
        let sorts = thread::spawn(move || {
            sorter.added.take_all().into_iter().skip(1).for_each(|child| sorter.added.push(child));
            if sorter.roster.heard(true) { sorter.added.take_all().len() } else { 0 }
        });
        group.roster.abandon();
        let stopped = group.added.take_all().len();
        assert!(stopped + sorts.join().unwrap() > 0, "nobody stops it");
        assert!(group.added.take_all().is_empty());
    }
}

model! {
    /// Somebody with a handle adds a child while the group ends.
    roster_admit_vs_close(threads = 2, bound = 3, claim = "a child is refused, or the group waits for it and knows it when it ends") {
        let group = Group::new();
        let adder = group.clone();
        let adds = thread::spawn(move || {
            let admitted = adder.roster.admit();
            if admitted {
                assert!(!adder.roster.is_closed(), "it has ended without its child");
                adder.roster.leave();
                adder.added.push(1);
                assert!(!adder.roster.added(|| false), "it has ended before it knew its child");
            }
            admitted
        });
        let mut stopped = 0;
        let mut ended = group.poll(&mut stopped);
        if !ended && group.was_woken() {
            ended = group.poll(&mut stopped);
        }
        let listed = ended.then(|| group.added.take_all().len());
        let admitted = adds.join().unwrap();
        if let Some(listed) = listed {
            assert_eq!(listed, usize::from(admitted), "its list lacks a child");
        } else {
            assert!(admitted && group.was_woken(), "it sleeps for ever");
            assert!(group.poll(&mut stopped));
        }
        assert!(!group.roster.admit());
    }
}

model! {
    /// A child that was admitted is put on the list while the group stops what it finds there.
    roster_add_vs_abort(threads = 2, bound = 3, claim = "a child that was admitted is stopped with the others") {
        let group = Group::new();
        assert!(group.roster.admit());
        let adder = group.clone();
        let adds = thread::spawn(move || {
            adder.added.push(1);
            assert!(!adder.roster.added(|| false), "the group is there");
        });
        group.roster.abort();
        assert!(!group.roster.admit(), "it is to stop");
        let mut stopped = 0;
        assert!(!group.poll(&mut stopped), "a child is left");
        adds.join().unwrap();
        if group.was_woken() {
            group.poll(&mut stopped);
        }
        assert_eq!(stopped, 1, "nobody stops it");
    }
}

model! {
    /// The group is told to stop while it goes to sleep.
    roster_abort_wakes(threads = 2, bound = 3, claim = "a group that sleeps is woken to stop") {
        let group = Group::new();
        assert!(group.roster.admit());
        let stopper = group.clone();
        let stops = thread::spawn(move || stopper.roster.abort());
        group.roster.watch(&group.waker);
        let seen = group.roster.is_aborted();
        stops.join().unwrap();
        assert!(seen || group.was_woken());
        assert!(group.roster.is_aborted() && !group.roster.close());
    }
}

model! {
    /// Somebody with a handle adds a child while the group's future is dropped.
    roster_add_vs_drop(threads = 2, bound = 3, claim = "a child that was admitted is stopped, by who drops the group or by who adds it") {
        let group = Group::new();
        let adder = group.clone();
        let adds = thread::spawn(move || {
            let admitted = adder.roster.admit();
            let mut stopped = 0;
            if admitted {
                adder.added.push(1);
                if adder.roster.added(|| false) {
                    stopped = adder.added.take_all().len();
                }
            }
            (admitted, stopped)
        });
        group.roster.abandon();
        let stopped = group.added.take_all().len();
        let (admitted, by_adder) = adds.join().unwrap();
        assert_eq!(stopped + by_adder, usize::from(admitted), "nobody stops it");
    }
}

//! Models of the timers: every interleaving of a sleeper, the wheel's owner, a rescuer and posters.
use std::task::{Wake, Waker};

use corio_sync::model;
use corio_sync::shim::atomic::{AtomicUsize, Ordering};
use corio_sync::shim::{sync::Arc, thread};

use super::clock::Clock;
use super::entry::{Expiry, Timer};
use super::owner::{Role, Timers};
use super::wheel::NEVER;
use crate::wake_batch::WakeBatch;

/// A deadline, and the time at which it has come.
const DUE: u64 = 3;

/// A task that counts how often it is woken.
struct Task {
    wakes: AtomicUsize,
}

impl Wake for Task {
    fn wake(self: std::sync::Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
    }
}

fn task() -> (std::sync::Arc<Task>, Waker) {
    let task = std::sync::Arc::new(Task { wakes: AtomicUsize::new(0) });
    (task.clone(), Waker::from(task))
}

impl Task {
    fn wakes(&self) -> usize {
        self.wakes.load(Ordering::Relaxed)
    }
}

fn timers() -> Arc<Timers> {
    Arc::new(Timers::new(Clock::real()))
}

/// Expires once; true if the owner is to be woken.
fn expire(timers: &Timers, role: Role) -> bool {
    let mut batch = WakeBatch::new();
    let expired = timers.expire(role, DUE, &mut batch);
    batch.wake_all();
    expired.wake_owner
}

/// The owner's last look at its timers: nothing may be left.
fn assert_all_back(timers: &Timers) {
    assert!(!expire(timers, Role::Owner));
    assert_eq!(timers.park_deadline(), NEVER);
    assert_eq!(timers.outside(), 0, "an entry did not come back");
}

/// A poller's wake-up that ends the current or the next wait. As the kernel's, each one changes
/// the same counter: a store would hide the wake-up before it, and what that one published.
#[derive(Default)]
struct Sticky(AtomicUsize);

impl Sticky {
    fn wake(&self) {
        self.0.swap(1, Ordering::Release);
    }

    fn consume(&self) -> bool {
        self.0.swap(0, Ordering::Acquire) == 1
    }
}

model! {
    /// A sleep is dropped on another worker while its own fires it.
    timer_drop_elsewhere_vs_fire(threads = 2, bound = 3, claim = "a timer dropped elsewhere while it fires wakes at most once and comes back") {
        let timers = timers();
        let (task, waker) = task();
        let timer = timers.insert(DUE, waker);
        let sleeper = thread::spawn(move || drop(timer));
        expire(&timers, Role::Owner);
        sleeper.join().unwrap();
        assert!(task.wakes() <= 1);
        assert_all_back(&timers);
        assert_eq!(std::sync::Arc::strong_count(&task), 1, "a waker leaked");
    }
}

model! {
    /// A sleep is polled with another waker while it fires.
    timer_new_waker_vs_fire(threads = 2, bound = 3, claim = "a poll that sees Pending is followed by a wake of its waker; one that sees Fired sees the time") {
        let timers = timers();
        let (old, old_waker) = task();
        let (new, new_waker) = task();
        let time = Arc::new(AtomicUsize::new(0));
        let mut timer = timers.insert(DUE, old_waker);
        let clock = time.clone();
        let sleeper = thread::spawn(move || {
            let seen = timer.poll(&new_waker);
            if seen == Expiry::Fired {
                assert_eq!(clock.load(Ordering::Relaxed), 1, "ready before its time");
            }
            (timer, seen)
        });
        time.store(1, Ordering::Relaxed);
        expire(&timers, Role::Owner);
        let (timer, seen) = sleeper.join().unwrap();
        if seen == Expiry::Pending {
            assert_eq!(new.wakes(), 1, "the new waker was lost");
        }
        assert!(old.wakes() + new.wakes() <= 1);
        drop(timers.cancel(timer));
        assert_all_back(&timers);
        assert_eq!(std::sync::Arc::strong_count(&old), 1, "a waker leaked");
        assert_eq!(std::sync::Arc::strong_count(&new), 1, "a waker leaked");
    }
}

model! {
    /// Polled with a new waker elsewhere, then dropped there, while it fires.
    timer_new_waker_and_drop_vs_fire(threads = 2, bound = 3, claim = "a replaced waker and a drop leave nothing behind") {
        let timers = timers();
        let (old, old_waker) = task();
        let (new, new_waker) = task();
        let mut timer = timers.insert(DUE, old_waker);
        let sleeper = thread::spawn(move || {
            timer.poll(&new_waker);
        });
        expire(&timers, Role::Owner);
        sleeper.join().unwrap();
        assert_all_back(&timers);
        assert_eq!(std::sync::Arc::strong_count(&old), 1, "a waker leaked");
        assert_eq!(std::sync::Arc::strong_count(&new), 1, "a waker leaked");
    }
}

model! {
    /// An entry that came back by mail is used again while its last sleeper may still be returning.
    timer_entry_is_used_again(threads = 2, bound = 3, claim = "an entry is used again only when its last sleeper has let go") {
        let timers = timers();
        let (task, waker) = task();
        let timer = timers.insert(DUE, waker.clone());
        let sleeper = thread::spawn(move || drop(timer));
        // A chunk has two entries: the third insertion takes the one that came back, or grows.
        let others = [timers.insert(DUE + 1, waker.clone()), timers.insert(DUE, waker.clone())];
        expire(&timers, Role::Owner);
        sleeper.join().unwrap();
        assert!(task.wakes() <= 2);
        for timer in others {
            drop(timers.cancel(timer));
        }
        assert_all_back(&timers);
    }
}

model! {
    /// The owner arms and cancels while a rescuer fires.
    timer_owner_vs_rescuer(threads = 2, bound = 3, claim = "with a rescuer inside, the owner's insertions arrive and its cancellations take effect") {
        let timers = timers();
        let (cancelled, cancelled_waker) = task();
        let (armed, armed_waker) = task();
        let first = timers.insert(DUE, cancelled_waker);
        let rescuer = {
            let timers = timers.clone();
            thread::spawn(move || expire(&timers, Role::Rescuer))
        };
        let second = timers.insert(DUE, armed_waker);
        drop(timers.cancel(first));
        assert!(!rescuer.join().unwrap(), "nobody has gone to sleep");
        expire(&timers, Role::Owner);
        assert!(cancelled.wakes() <= 1);
        assert_eq!(armed.wakes(), 1, "the insertion was lost");
        drop(timers.cancel(second));
        assert_all_back(&timers);
    }
}

model! {
    /// The owner cancels a timer that it had to post, while a rescuer may be linking it.
    timer_owner_cancels_what_it_posted(threads = 2, bound = 3, claim = "a timer can be moved and cancelled wherever it is on its way") {
        let timers = timers();
        let (task, waker) = task();
        let early = timers.insert(DUE, waker.clone());
        let rescuer = {
            let timers = timers.clone();
            thread::spawn(move || expire(&timers, Role::Rescuer))
        };
        let late = timers.insert(DUE, waker.clone());
        let moved = timers.reset(late, DUE + 1);
        let fired = matches!(moved, Err(None));
        drop(moved.map(|late| timers.cancel(late)));
        assert!(!rescuer.join().unwrap());
        drop(timers.cancel(early));
        expire(&timers, Role::Owner);
        assert!(task.wakes() <= if fired { 2 } else { 1 });
        drop(waker);
        assert_all_back(&timers);
        assert_eq!(std::sync::Arc::strong_count(&task), 1, "a waker leaked");
    }
}

model! {
    /// A worker goes to sleep and finds a rescuer with its wheel.
    timer_owner_sleeps_vs_rescuer(threads = 2, bound = 3, claim = "an owner that sleeps without knowing its deadline is woken by the rescuer") {
        let timers = timers();
        let (_, waker) = task();
        let due = timers.insert(DUE, waker.clone());
        let later = timers.insert(DUE + 4, waker);
        let poller = Arc::new(Sticky::default());
        let rescuer = {
            let (timers, poller) = (timers.clone(), poller.clone());
            thread::spawn(move || {
                if expire(&timers, Role::Rescuer) {
                    poller.wake();
                }
            })
        };
        let deadline = timers.park_deadline();
        rescuer.join().unwrap();
        assert!(deadline <= DUE + 4 || poller.consume(), "asleep for ever");
        assert!(timers.park_deadline() <= DUE + 4);
        drop((due, later));
        assert_all_back(&timers);
    }
}

/// A visitor arms a timer and tells the poller if it must.
fn visit(timers: &Arc<Timers>, poller: &Arc<Sticky>, waker: Waker) -> thread::JoinHandle<Timer> {
    let (timers, poller) = (timers.clone(), poller.clone());
    thread::spawn(move || timers.post(DUE, waker, || poller.wake()))
}

model! {
    /// A thread that is no worker arms a timer while the worker goes to sleep.
    timer_post_vs_park(threads = 2, bound = 3, claim = "a parked worker knows the posted deadline or is woken") {
        let timers = timers();
        let (task, waker) = task();
        let poller = Arc::new(Sticky::default());
        let visitor = visit(&timers, &poller, waker);
        let deadline = timers.park_deadline();
        let timer = visitor.join().unwrap();
        assert!(deadline == DUE || poller.consume(), "asleep past the posted deadline");
        assert_eq!(timers.park_deadline(), DUE);
        expire(&timers, Role::Owner);
        assert_eq!(task.wakes(), 1);
        drop(timer);
        assert_all_back(&timers);
    }
}

model! {
    /// Two such threads; the worker wakes up in between.
    timer_two_posts_vs_park(threads = 3, bound = 3, claim = "a poster may rely on the wake-up of the one before it") {
        let timers = timers();
        let (task, waker) = task();
        let poller = Arc::new(Sticky::default());
        let first = visit(&timers, &poller, waker.clone());
        let second = visit(&timers, &poller, waker);
        timers.park_deadline();
        if poller.consume() {
            timers.park_deadline();
        }
        let armed = (first.join().unwrap(), second.join().unwrap());
        assert!(!timers.has_mail() || poller.consume(), "mail, and nobody wakes the worker");
        expire(&timers, Role::Owner);
        assert_eq!(task.wakes(), 2);
        drop(armed);
        assert_all_back(&timers);
    }
}

model! {
    /// A visitor arms a timer while the worker goes to sleep and a rescuer is in its wheel.
    timer_post_vs_park_vs_rescuer(threads = 3, bound = 3, claim = "whoever takes an arrival in, the worker does not sleep past it") {
        let timers = timers();
        let (task, waker) = task();
        let poller = Arc::new(Sticky::default());
        let later = timers.insert(DUE - 1, waker.clone());
        let visitor = visit(&timers, &poller, waker);
        let rescuer = {
            let (timers, poller) = (timers.clone(), poller.clone());
            thread::spawn(move || {
                let mut batch = WakeBatch::new();
                if timers.expire(Role::Rescuer, DUE - 1, &mut batch).wake_owner {
                    poller.wake();
                }
            })
        };
        let mut deadline = timers.park_deadline();
        if poller.consume() {
            deadline = timers.park_deadline();
        }
        let armed = visitor.join().unwrap();
        rescuer.join().unwrap();
        assert!(deadline <= DUE || poller.consume(), "asleep past the posted deadline");
        expire(&timers, Role::Owner);
        assert_eq!(task.wakes(), 2);
        drop((later, armed));
        assert_all_back(&timers);
    }
}

model! {
    /// A posted timer is cancelled while the owner links and fires it.
    timer_post_and_cancel_vs_link(threads = 2, bound = 3, claim = "a cancelled arrival is freed once, by the owner") {
        let timers = timers();
        let (task, waker) = task();
        let visitor = {
            let timers = timers.clone();
            thread::spawn(move || drop(timers.post(DUE, waker, || ())))
        };
        expire(&timers, Role::Owner);
        visitor.join().unwrap();
        assert!(task.wakes() <= 1);
        assert_all_back(&timers);
        assert_eq!(std::sync::Arc::strong_count(&task), 1, "a waker leaked");
    }
}

model! {
    /// Two sleeps are dropped elsewhere while the owner fires one and arms another.
    timer_two_drops_vs_owner(threads = 3, bound = 3, claim = "entries come back from any number of threads") {
        let timers = timers();
        let (task, waker) = task();
        let first = timers.insert(DUE, waker.clone());
        let second = timers.insert(DUE + 1, waker.clone());
        let sleepers = [thread::spawn(move || drop(first)), thread::spawn(move || drop(second))];
        expire(&timers, Role::Owner);
        let third = timers.insert(DUE + 1, waker);
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
        assert!(task.wakes() <= 1);
        drop(timers.cancel(third));
        assert_all_back(&timers);
        assert_eq!(std::sync::Arc::strong_count(&task), 1, "a waker leaked");
    }
}

model! {
    /// A task has moved to another worker and polls and drops there, while a rescuer fires and the
    /// owner goes on.
    timer_sleeper_vs_rescuer_vs_owner(threads = 3, bound = 3, claim = "sleeper, rescuer and owner at once lose and leak nothing") {
        let timers = timers();
        let (moved, moved_waker) = task();
        let (stays, stays_waker) = task();
        let mut away = timers.insert(DUE, stays_waker.clone());
        let here = timers.insert(DUE, stays_waker.clone());
        let sleeper = thread::spawn(move || {
            away.poll(&moved_waker);
        });
        let rescuer = {
            let timers = timers.clone();
            thread::spawn(move || expire(&timers, Role::Rescuer))
        };
        drop(timers.cancel(here));
        let last = timers.insert(DUE, stays_waker);
        sleeper.join().unwrap();
        assert!(!rescuer.join().unwrap());
        let before = stays.wakes();
        expire(&timers, Role::Owner);
        assert!(moved.wakes() <= 1 && before <= 3);
        assert!(stays.wakes() >= 1, "the last timer was lost");
        drop(timers.cancel(last));
        assert_all_back(&timers);
        assert_eq!(std::sync::Arc::strong_count(&moved), 1, "a waker leaked");
        assert_eq!(std::sync::Arc::strong_count(&stays), 1, "a waker leaked");
    }
}

model! {
    /// The last driver goes while two sleeps are dropped elsewhere.
    timer_end_vs_drop(threads = 3, bound = 3, claim = "the memory is freed once, by whoever comes last") {
        let timers = Timers::new(Clock::real());
        let (task, waker) = task();
        let linked = timers.insert(DUE, waker.clone());
        let posted = timers.post(DUE, waker, || ());
        let sleepers = [thread::spawn(move || drop(linked)), thread::spawn(move || drop(posted))];
        drop(timers);
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
        assert_eq!(std::sync::Arc::strong_count(&task), 1, "a waker leaked");
    }
}

model! {
    /// The last driver goes while a sleep is polled elsewhere.
    timer_end_vs_poll(threads = 2, bound = 3, claim = "a sleeper that polls during the end is woken or sees it") {
        let timers = Timers::new(Clock::real());
        let (_, old_waker) = task();
        let (new, new_waker) = task();
        let mut timer = timers.insert(DUE, old_waker);
        let sleeper = thread::spawn(move || (timer.poll(&new_waker), timer));
        drop(timers);
        let (seen, _timer) = sleeper.join().unwrap();
        match seen {
            Expiry::Pending => assert_eq!(new.wakes(), 1),
            Expiry::Closed => assert_eq!(new.wakes(), 0),
            Expiry::Fired => panic!("the deadline has not come"),
        }
    }
}

model! {
    /// Time is moved on one thread and read on another.
    timer_clock_carries_what_came_before(threads = 2, bound = 3, claim = "who reads a later virtual time sees what its mover did before") {
        let clock = Clock::new_virtual();
        let start = clock.now();
        let done = Arc::new(AtomicUsize::new(0));
        let mover = {
            let (clock, done) = (clock.clone(), done.clone());
            thread::spawn(move || {
                done.store(1, Ordering::Relaxed);
                clock.advance(std::time::Duration::from_secs(1));
            })
        };
        clock.advance(std::time::Duration::from_nanos(1));
        if clock.now() > start + 1 {
            assert_eq!(done.load(Ordering::Relaxed), 1);
        }
        mover.join().unwrap();
        assert_eq!(clock.now(), start + 1_000_000_001);
    }
}

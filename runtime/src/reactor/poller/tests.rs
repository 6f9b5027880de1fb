//! Parking, waking and harvesting with a real kernel.
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::task::Waker;
use std::time::Instant;

use super::super::readiness::Direction;
use super::super::source::{Source, SourceKind};
use super::super::testing::{LIMIT, Task, settle, turn, wait_until, with_both};
use super::*;

/// Rounds of the stress tests: a lost wake-up was seen once in 20 rounds by the prototype.
const ROUNDS: usize = 2_000;

fn park_in_time(poller: &Poller) {
    let start = Instant::now();
    turn(poller, LIMIT);
    assert!(start.elapsed() < LIMIT, "a wake-up was lost");
}

#[test]
fn a_park_ends_by_its_timeout() {
    with_both(|new| {
        let poller = new();
        for timeout in [Duration::ZERO, Duration::from_micros(200), Duration::from_millis(3)] {
            let start = Instant::now();
            assert_eq!(turn(&poller, timeout), 0);
            assert!(start.elapsed() >= timeout);
        }
    });
}

#[test]
fn a_wake_before_the_park_ends_it_at_once_and_once() {
    with_both(|new| {
        let poller = new();
        for _ in 0..3 {
            poller.wake();
            poller.wake();
            park_in_time(&poller);
            let start = Instant::now();
            turn(&poller, Duration::from_millis(2));
            assert!(start.elapsed() >= Duration::from_millis(2), "woken twice");
        }
    });
}

#[test]
fn a_wake_from_another_thread_ends_the_park() {
    with_both(|new| {
        let poller = new();
        let posted = AtomicUsize::new(0);
        let taken = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..=ROUNDS {
                    // Half of the wake-ups meet a parked owner, the others race with it.
                    if round % 2 == 0 {
                        wait_until("the owner parks", || poller.is_parked());
                    }
                    posted.store(round, Relaxed);
                    poller.wake();
                    wait_until("the owner comes back", || taken.load(Relaxed) == round);
                }
            });
            for round in 1..=ROUNDS {
                while posted.load(Relaxed) < round {
                    park_in_time(&poller);
                }
                taken.store(round, Relaxed);
            }
        });
    });
}

/// The prototype's experiment: without arbitration a harvester swallowed 109 of 2,000 wake-ups,
/// and 1,369 when it was told by a nested epoll.
fn harvest_while_parked(poller: &Poller, harvester: impl Fn(&AtomicBool) + Sync) {
    // Without a source there would be nothing to harvest.
    let _readers = readers(poller, 1);
    /// Ends the harvester even if a wake-up was lost.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Relaxed);
        }
    }
    let stop = AtomicBool::new(false);
    let posted = AtomicUsize::new(0);
    let taken = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| harvester(&stop));
        let _stop = Stop(&stop);
        scope.spawn(|| {
            for round in 1..=ROUNDS {
                posted.store(round, Relaxed);
                poller.wake();
                wait_until("the owner comes back", || taken.load(Relaxed) == round);
            }
        });
        for round in 1..=ROUNDS {
            while posted.load(Relaxed) < round {
                park_in_time(poller);
            }
            taken.store(round, Relaxed);
        }
    });
}

#[test]
fn a_harvester_swallows_no_wake() {
    with_both(|new| {
        let poller = new();
        harvest_while_parked(&poller, |stop| {
            while !stop.load(Relaxed) {
                poller.harvest(&mut WakeBatch::new());
                std::thread::yield_now();
            }
        });
    });
}

#[test]
fn an_adopter_swallows_no_wake() {
    with_both(|new| {
        let (poller, adopter) = (new(), new());
        adopter.adopt(&poller, 0).unwrap();
        harvest_while_parked(&poller, |stop| {
            while !stop.load(Relaxed) {
                let mut batch = WakeBatch::new();
                adopter.park(Some(Duration::from_millis(1)), &mut batch).unwrap();
                for sibling in batch.take_adopted() {
                    assert_eq!(sibling, 0);
                    poller.harvest(&mut batch);
                }
            }
        });
        adopter.unadopt(&poller).unwrap();
    });
}

/// Runs `owner` on a thread of its own while a harvester is inside, then lets it out when
/// `leave` returns. Returns what the owner's park took.
fn park_while_foreign(poller: &Poller, timeout: Duration, leave: impl FnOnce()) -> Duration {
    let (entered, inside) = mpsc::channel();
    let (go, out) = mpsc::channel::<()>();
    let _readers = readers(poller, 1);
    std::thread::scope(|scope| {
        let harvester = scope.spawn(move || {
            let wait = || {
                entered.send(()).unwrap();
                // An error means that the test is over.
                let _ = out.recv();
            };
            poller.shared.ownership.harvest(wait, || poller.shared.system.ring())
        });
        inside.recv().unwrap();
        let owner = scope.spawn(move || {
            let start = Instant::now();
            assert_eq!(poller.poll(&mut WakeBatch::new()), 0);
            turn(poller, timeout);
            start.elapsed()
        });
        wait_until("the owner sleeps", || poller.is_parked() || owner.is_finished());
        leave();
        let owner_first = owner.is_finished();
        if !owner_first {
            drop(go);
            let took = owner.join().unwrap();
            assert!(harvester.join().unwrap().is_some());
            return took;
        }
        let took = owner.join().unwrap();
        drop(go);
        assert!(harvester.join().unwrap().is_some());
        took
    })
}

#[test]
fn an_owner_that_finds_a_harvester_is_woken_when_it_leaves() {
    with_both(|new| {
        let took = park_while_foreign(&new(), LIMIT, || {});
        assert!(took < LIMIT, "the harvester forgot the owner");
    });
}

#[test]
fn an_owner_asleep_on_its_thread_is_woken_by_anybody() {
    with_both(|new| {
        let poller = new();
        let (woken, check) = (poller.clone(), poller.clone());
        let took = park_while_foreign(&poller, LIMIT, move || {
            woken.wake();
            // It must come back by this wake alone: the harvester is still inside.
            wait_until("the owner is back", || !check.is_parked());
        });
        assert!(took < LIMIT);
    });
}

#[test]
fn an_owner_asleep_on_its_thread_minds_its_timeout() {
    with_both(|new| {
        let poller = new();
        let check = poller.clone();
        let timeout = Duration::from_millis(5);
        let took = park_while_foreign(&poller, timeout, move || {
            wait_until("the owner is back", || !check.is_parked());
        });
        assert!(took >= timeout && took < LIMIT);
        // The mark it left behind wakes it once more at most, and then no more.
        turn(&poller, Duration::ZERO);
        let start = Instant::now();
        turn(&poller, timeout);
        assert!(start.elapsed() >= timeout);
    });
}

/// Sockets registered with a poller, each with a task that waits to read.
fn readers(poller: &Poller, count: usize) -> Vec<(UnixStream, UnixStream, Source, Task)> {
    let reader = |_| {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let source = Source::new(SourceKind::UnixStream);
        source.register_with(near.as_fd(), &[Direction::Read], poller).unwrap();
        let task = Task::new();
        let ready = source.poll_ready(near.as_fd(), Direction::Read, &mut task.cx());
        assert!(ready.is_pending());
        (near, far, source, task)
    };
    (0..count).map(reader).collect()
}

fn announce(readers: &[(UnixStream, UnixStream, Source, Task)]) {
    for (_, far, ..) in readers {
        std::io::Write::write_all(&mut &*far, b"x").unwrap();
    }
}

#[test]
fn a_harvester_takes_more_events_than_one_wait_returns() {
    with_both(|new| {
        let poller = new();
        let mut readers = readers(&poller, 300);
        announce(&readers);
        let mut batch = WakeBatch::new();
        assert_eq!(poller.harvest(&mut batch), Some(300));
        batch.wake_all();
        assert!(readers.iter_mut().all(|(.., task)| task.wakes() == 1));
        assert_eq!(settle(&poller), 0, "an event was left behind");
    });
}

#[test]
fn sources_are_counted() {
    with_both(|new| {
        let poller = new();
        let mut readers = readers(&poller, 3);
        assert_eq!(poller.sources(), 3);
        let (near, _, mut source, _) = readers.pop().unwrap();
        source.deregister(near.as_fd()).unwrap();
        assert_eq!(poller.sources(), 2);
        drop(readers);
        assert_eq!(poller.sources(), 0);
    });
}

#[test]
fn a_stuck_owner_is_served_by_its_adopter() {
    with_both(|new| {
        let (stuck, adopter) = (new(), new());
        let mut readers = readers(&stuck, 2);
        adopter.adopt(&stuck, 7).unwrap();
        for _ in 0..3 {
            announce(&readers);
            let mut batch = WakeBatch::new();
            adopter.park(Some(LIMIT), &mut batch).unwrap();
            assert_eq!(batch.take_adopted().collect::<Vec<_>>(), [7]);
            assert_eq!(stuck.harvest(&mut batch), Some(2));
            batch.wake_all();
            for (near, _, source, task) in &mut readers {
                assert_eq!(task.wakes(), 1);
                let read = source.poll_io(near.as_fd(), Direction::Read, &mut task.cx(), || {
                    std::io::Read::read(&mut &*near, &mut [0; 8])
                });
                assert!(matches!(read, std::task::Poll::Ready(Ok(1))));
                let read = source.poll_io(near.as_fd(), Direction::Read, &mut task.cx(), || {
                    std::io::Read::read(&mut &*near, &mut [0; 8])
                });
                assert!(read.is_pending());
            }
        }
        adopter.unadopt(&stuck).unwrap();
        announce(&readers);
        let mut batch = WakeBatch::new();
        adopter.park(Some(Duration::from_millis(2)), &mut batch).unwrap();
        assert_eq!(batch.take_adopted().count(), 0);
        assert!(adopter.unadopt(&stuck).is_err());
    });
}

/// Whoever is inside has looked before the event came.
#[test]
fn an_adopter_that_finds_somebody_inside_is_told_again() {
    with_both(|new| {
        let (stuck, adopter) = (new(), new());
        let readers = readers(&stuck, 1);
        adopter.adopt(&stuck, 3).unwrap();
        let told = |timeout| {
            let mut batch = WakeBatch::new();
            adopter.park(Some(timeout), &mut batch).unwrap();
            batch.take_adopted().collect::<Vec<_>>()
        };
        let inside = || {
            announce(&readers);
            assert_eq!(told(LIMIT), [3]);
            assert_eq!(stuck.harvest(&mut WakeBatch::new()), None);
            assert_eq!(told(Duration::from_millis(2)), [0; 0], "each change is told once");
            adopter.tell_again(&stuck, 3).unwrap();
        };
        stuck.shared.ownership.harvest(inside, || stuck.shared.system.ring()).unwrap();
        assert_eq!(told(LIMIT), [3]);
        assert_eq!(stuck.harvest(&mut WakeBatch::new()), Some(1));
        adopter.tell_again(&stuck, 3).unwrap();
        assert_eq!(told(Duration::from_millis(2)), [0; 0], "there is nothing left");
        adopter.unadopt(&stuck).unwrap();
        adopter.tell_again(&stuck, 3).unwrap_err();
    });
}

#[test]
fn adoption_reports_what_was_there_before() {
    with_both(|new| {
        let (stuck, adopter) = (new(), new());
        let readers = readers(&stuck, 1);
        announce(&readers);
        adopter.adopt(&stuck, 255).unwrap();
        let mut batch = WakeBatch::new();
        adopter.park(Some(LIMIT), &mut batch).unwrap();
        assert_eq!(batch.take_adopted().collect::<Vec<_>>(), [255]);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn adoption_in_a_circle_is_refused() {
    with_both(|new| {
        let (left, right) = (new(), new());
        left.adopt(&right, 1).unwrap();
        let error = right.adopt(&left, 0).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::LOOP.raw_os_error()));
        assert!(left.adopt(&right, ADOPTABLE).is_err());
    });
}

#[test]
fn a_panicking_waker_costs_no_other_task_its_event() {
    struct Panic;
    impl std::task::Wake for Panic {
        fn wake(self: Arc<Self>) {
            panic!("on purpose");
        }
    }
    with_both(|new| {
        let poller = new();
        let mut readers = readers(&poller, 100);
        let panics = Waker::from(Arc::new(Panic));
        for (near, _, source, _) in readers.iter().step_by(10) {
            let cx = &mut std::task::Context::from_waker(&panics);
            assert!(source.poll_ready(near.as_fd(), Direction::Read, cx).is_pending());
        }
        announce(&readers);
        let mut batch = WakeBatch::new();
        assert_eq!(poller.poll(&mut batch), 100);
        batch.wake_all();
        let woken = readers.iter_mut().map(|(.., task)| task.wakes()).sum::<usize>();
        assert_eq!(woken, 90);
    });
}

#[test]
fn closing_tells_every_source() {
    with_both(|new| {
        let poller = new();
        let mut readers = readers(&poller, 40);
        let mut batch = WakeBatch::new();
        poller.close(&mut batch);
        batch.wake_all();
        for (near, _, source, task) in &mut readers {
            assert_eq!(task.wakes(), 1);
            let read = source.poll_io(near.as_fd(), Direction::Read, &mut task.cx(), || {
                std::io::Read::read(&mut &*near, &mut [0; 8])
            });
            let std::task::Poll::Ready(Err(error)) = read else { panic!("still waiting") };
            assert!(error.to_string().contains("shut down"), "{error}");
        }
        announce(&readers);
        let (near, _, source, task) = &readers[0];
        let read = source.poll_io(near.as_fd(), Direction::Read, &mut task.cx(), || {
            std::io::Read::read(&mut &*near, &mut [0; 8])
        });
        assert!(matches!(read, std::task::Poll::Ready(Ok(1))), "what is there can be read");
    });
}

#[test]
fn sources_outlive_their_poller() {
    with_both(|new| {
        let poller = new();
        let readers = readers(&poller, 3);
        let shared = Arc::downgrade(&poller.shared);
        drop(poller);
        assert!(shared.upgrade().is_some());
        drop(readers);
        assert!(shared.upgrade().is_none(), "the poller leaked");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_wait_that_fails_loses_neither_events_nor_wakes() {
    let poller = Poller::with_system(System::portable().unwrap());
    let System::Portable(portable) = &poller.shared.system else { panic!("another poller") };
    let mut readers = readers(&poller, 3);
    announce(&readers);
    poller.shared.system.ring();
    let mut batch = WakeBatch::new();
    portable.without_bell(|| {
        let error = poller.park(Some(LIMIT), &mut batch).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    });
    batch.wake_all();
    assert!(readers.iter_mut().all(|(.., task)| task.wakes() == 1), "an event was lost");
    // Neither `polling` nor the system hears it, and yet the park ends.
    poller.shared.system.ring();
    park_in_time(&poller);
    // And now the bell is alive again.
    poller.shared.system.ring();
    park_in_time(&poller);
}

//! Several waiters, several threads, and the choice of a poller.
use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Instant;

use super::*;

#[test]
fn every_waiter_of_a_direction_is_woken() {
    with_both(|new| {
        let poller = new();
        let (near, mut far) = unix_reader(&poller);
        let Socket { io, source, .. } = &near;
        let fd = io.as_fd();
        let mut waits: Vec<_> = (0..40).map(|_| (Task::new(), Waiter::default())).collect();
        let mut writer = (Task::new(), Waiter::default());
        let mut inline = Task::new();
        for _ in 0..3 {
            for (task, waiter) in &mut waits {
                assert!(source.poll_ready_with(fd, READ, waiter, &mut task.cx()).is_pending());
            }
            assert!(source.poll_ready(fd, READ, &mut inline.cx()).is_pending());
            // One that is dropped takes nothing with it.
            let mut dropped = Waiter::default();
            let gone = Task::new();
            assert!(source.poll_ready_with(fd, READ, &mut dropped, &mut gone.cx()).is_pending());
            drop(dropped);
            let (task, waiter) = &mut writer;
            assert!(source.poll_ready_with(fd, WRITE, waiter, &mut task.cx()).is_ready());
            far.write_all(b"x").unwrap();
            turn(&poller, LIMIT);
            assert!(waits.iter_mut().all(|(task, _)| task.wakes() == 1));
            assert_eq!(inline.wakes(), 1);
            assert_eq!(task.wakes(), 0, "woken for the other direction");
            source.try_io(READ, || Ok(rustix::io::read(io, &mut [0; 64])?)).unwrap();
            let empty = source.try_io(READ, || Ok(rustix::io::read(io, &mut [0; 64])?));
            assert_eq!(empty.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
    });
}

#[test]
fn dropped_waiters_leave_no_trace() {
    with_both(|new| {
        let poller = new();
        let (near, _far) = unix_reader(&poller);
        let Socket { io, source, .. } = &near;
        for _ in 0..10_000 {
            let mut waiter = Waiter::default();
            let task = Task::new();
            let ready = source.poll_ready_with(io.as_fd(), READ, &mut waiter, &mut task.cx());
            assert!(ready.is_pending());
        }
        let registration = near.source.registration.get().unwrap();
        assert_eq!(registration.record.waiters.len(), 1);
    });
}

#[test]
fn a_waiter_may_outlive_its_source_and_move_to_another() {
    with_both(|new| {
        let poller = new();
        let (near, far) = unix_reader(&poller);
        let mut waiter = Waiter::default();
        let mut task = Task::new();
        let fd = near.io.as_fd();
        let ready = near.source.poll_ready_with(fd, READ, &mut waiter, &mut task.cx());
        assert!(ready.is_pending());
        drop((near, far));
        let (_spare, _spare_far) = unix_reader(&poller);
        let (near, mut far) = unix_reader(&poller);
        let fd = near.io.as_fd();
        let ready = near.source.poll_ready_with(fd, READ, &mut waiter, &mut task.cx());
        assert!(ready.is_pending());
        far.write_all(b"x").unwrap();
        task.run(&poller, |cx| near.source.poll_ready_with(fd, READ, &mut waiter, cx)).unwrap();
        drop((near, far, poller));
        drop(waiter);
    });
}

#[test]
fn a_connection_being_made_is_awaited() {
    use rustix::net::{AddressFamily, SocketType, connect, socket};
    with_both(|new| {
        let poller = new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let closed = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap()
        };
        for (address, refused) in [(address, false), (closed, true)] {
            let io = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
            rustix::io::ioctl_fionbio(&io, true).unwrap();
            // On loopback this may succeed or fail at once.
            let _ = connect(&io, &address);
            let mut source = Source::new(SourceKind::Stream);
            source.register_with(io.as_fd(), &[WRITE], &poller).unwrap();
            let mut task = Task::new();
            task.run(&poller, |cx| source.poll_ready(io.as_fd(), WRITE, cx)).unwrap();
            let peer = TcpStream::from(io.try_clone().unwrap());
            let connected = peer.take_error().unwrap().is_none() && peer.peer_addr().is_ok();
            assert_eq!(connected, !refused);
            source.deregister(io.as_fd()).unwrap();
        }
    });
}

#[test]
fn outside_a_runtime_only_waiting_fails() {
    let (near, mut far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    let source = Source::new(SourceKind::UnixStream);
    let task = Task::new();
    let read = || {
        let op = || Ok(rustix::io::read(&near, &mut [0; 8])?);
        source.poll_io(near.as_fd(), READ, &mut task.cx(), op)
    };
    far.write_all(b"x").unwrap();
    assert!(matches!(read(), Poll::Ready(Ok(1))));
    let Poll::Ready(Err(error)) = read() else { panic!("waits without a runtime") };
    assert!(error.to_string().contains("no corio runtime"), "{error}");
}

#[test]
fn what_cannot_be_polled_is_refused() {
    with_both(|new| {
        let poller = new();
        let file = std::fs::File::open("/proc/self/status");
        let Ok(file) = std::fs::File::open(std::env::current_exe().unwrap()).or(file) else {
            return;
        };
        let source = Source::new(SourceKind::Other);
        assert!(source.register_with(file.as_fd(), &[READ], &poller).is_err());
    });
}

#[test]
fn two_tasks_that_register_at_once_share_one_registration() {
    with_both(|new| {
        let pollers = [new(), new()];
        for _ in 0..200 {
            let (near, mut far) = UnixStream::pair().unwrap();
            near.set_nonblocking(true).unwrap();
            let mut source = Source::new(SourceKind::Stream);
            let barrier = Barrier::new(2);
            let mut tasks = [Task::new(), Task::new()];
            std::thread::scope(|scope| {
                for (task, (poller, direction)) in
                    tasks.iter_mut().zip(pollers.iter().zip([READ, WRITE]))
                {
                    let (source, near, barrier) = (&source, &near, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        source.register_with(near.as_fd(), &[direction], poller).unwrap();
                        // Each waits as a reader, whichever way it registered.
                        let mut waiter = Waiter::default();
                        loop {
                            task.wakes();
                            let read = source.poll_io_with(
                                near.as_fd(),
                                READ,
                                &mut waiter,
                                &mut task.cx(),
                                || Ok(rustix::io::read(near, &mut [0; 8])?),
                            );
                            assert!(read.is_pending());
                            if task.wakes() == 0 {
                                break;
                            }
                        }
                    });
                }
            });
            assert_eq!(pollers.iter().map(Poller::sources).sum::<usize>(), 1);
            far.write_all(b"x").unwrap();
            assert!(pollers.iter().map(settle).sum::<usize>() >= 1);
            source.deregister(near.as_fd()).unwrap();
        }
    });
}

/// A task on a thread of its own, woken as a worker would be.
fn block_on<R>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>) -> R {
    struct Unpark(std::thread::Thread, AtomicBool);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.1.store(true, Release);
            self.0.unpark();
        }
    }
    let unpark = Arc::new(Unpark(std::thread::current(), AtomicBool::new(false)));
    let waker = std::task::Waker::from(unpark.clone());
    loop {
        if let Poll::Ready(result) = poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        let start = Instant::now();
        while !unpark.1.swap(false, Acquire) {
            assert!(start.elapsed() < LIMIT, "asleep although there was an event");
            std::thread::park_timeout(LIMIT);
        }
    }
}

#[test]
fn messages_get_through_whoever_harvests() {
    const ROUNDS: usize = 2_000;
    with_both(|new| {
        let poller = new();
        let stop = AtomicBool::new(false);
        let (mut left, right) = tcp_reader(&poller);
        let mut right = Socket::new(right, SourceKind::Stream, &poller);
        std::thread::scope(|scope| {
            let owner = scope.spawn(|| {
                while !stop.load(Relaxed) {
                    turn(&poller, LIMIT);
                }
            });
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    poller.harvest(&mut WakeBatch::new());
                    std::thread::yield_now();
                }
            });
            let echo = scope.spawn(move || {
                loop {
                    let message = block_on(|cx| right.read(64, cx));
                    if message.is_empty() {
                        return;
                    }
                    block_on(|cx| right.write(&message, cx)).unwrap();
                }
            });
            for round in 0..ROUNDS {
                let message = round.to_ne_bytes();
                assert_eq!(block_on(|cx| left.write(&message, cx)).unwrap(), message.len());
                assert_eq!(block_on(|cx| left.read(64, cx)), message);
            }
            left.io.shutdown(Shutdown::Write).unwrap();
            echo.join().unwrap();
            stop.store(true, Relaxed);
            poller.wake();
            owner.join().unwrap();
        });
    });
}

#[test]
fn few_sources_share_a_poller() {
    with_both(|new| {
        let all: Arc<[Poller]> = Arc::new([new(), new()]);
        let before = home::set_pollers(Some(home::Pollers { all: all.clone(), own: Some(1) }));
        let (near, _far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let mut sources: Vec<(UnixStream, Source)> = Vec::new();
        for made in 1..=2 * home::SHARED {
            let near = near.try_clone().unwrap();
            let source = Source::new(SourceKind::UnixStream);
            let read = source.poll_io(near.as_fd(), READ, &mut Task::new().cx(), || {
                Ok(rustix::io::read(&near, &mut [0; 8])?)
            });
            assert!(read.is_pending(), "{read:?}");
            sources.push((near, source));
            let first = made.min(home::SHARED);
            assert_eq!((all[0].sources(), all[1].sources()), (first, made - first));
        }
        for (near, mut source) in sources {
            source.deregister(near.as_fd()).unwrap();
        }
        home::set_pollers(before);
    });
}

#[test]
fn a_source_finds_the_emptier_poller_by_itself() {
    with_both(|new| {
        let all: Arc<[Poller]> = Arc::new([new(), new()]);
        let before = home::set_pollers(Some(home::Pollers { all: all.clone(), own: Some(0) }));
        // Both hold so many that they share no more, and the own holds more.
        let crowds = [home::SHARED + 8, home::SHARED];
        let _crowds: Vec<_> = (0..2)
            .flat_map(|i| (0..crowds[i]).map(move |_| i))
            .map(|i| unix_reader(&all[i]))
            .collect();
        let (near, mut far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let mut sources: Vec<Source> = Vec::new();
        let mut calls = 0;
        // With eight sources more the other is taken as soon as it is looked at.
        for _ in 0..64 {
            sources.push(Source::new(SourceKind::UnixStream));
            let source = sources.last().unwrap();
            let task = Task::new();
            let (here, there) = (all[0].sources(), all[1].sources());
            let read = source.poll_io(near.as_fd(), READ, &mut task.cx(), || {
                calls += 1;
                Ok(rustix::io::read(&near, &mut [0; 8])?)
            });
            assert!(read.is_pending());
            if all[1].sources() > there {
                break;
            }
            assert_eq!(all[0].sources(), here + 1);
            sources.last_mut().unwrap().deregister(near.as_fd()).unwrap();
        }
        assert_eq!(all[1].sources(), crowds[1] + 1, "two choices never chose the emptier poller");
        assert_eq!(calls, sources.len(), "one call each: it would block, and that is remembered");
        far.write_all(b"x").unwrap();
        let mut source = sources.pop().unwrap();
        let read = Task::new().run(&all[1], |cx| {
            source.poll_io(near.as_fd(), READ, cx, || Ok(rustix::io::read(&near, &mut [0; 8])?))
        });
        assert_eq!(read.unwrap(), 1);
        source.deregister(near.as_fd()).unwrap();
        home::set_pollers(before);
    });
}

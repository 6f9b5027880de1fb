//! Sources with real sockets. One thread is owner, executor and peer.
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Barrier;

use super::super::batch::WakeBatch;
use super::super::testing::{LIMIT, Task, settle, turn, with_both};
use super::*;

/// A descriptor with its source, and a count of the system calls made on it.
struct Socket<T: AsFd> {
    io: T,
    source: Source,
    calls: usize,
}

impl<T: AsFd> Socket<T> {
    /// Registers at once: tests have no runtime to choose a poller.
    fn new(io: T, kind: SourceKind, poller: &Poller) -> Self {
        rustix::io::ioctl_fionbio(&io, true).unwrap();
        let source = Source::new(kind);
        source.register_with(io.as_fd(), &[READ], poller).unwrap();
        Self { io, source, calls: 0 }
    }

    fn read(&mut self, want: usize, cx: &mut Context<'_>) -> Poll<Vec<u8>> {
        let mut buffer = vec![0; want];
        let Self { io, source, calls } = self;
        let read = source.poll_transfer(io.as_fd(), READ, want, cx, || {
            *calls += 1;
            Ok(rustix::io::read(&*io, &mut buffer)?)
        });
        read.map(|n| {
            buffer.truncate(n.unwrap());
            buffer
        })
    }

    fn write(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self { io, source, calls } = self;
        source.poll_transfer(io.as_fd(), WRITE, bytes.len(), cx, || {
            *calls += 1;
            Ok(rustix::io::write(&*io, bytes)?)
        })
    }

    /// Reads to the end of the stream in reads of `want` bytes.
    fn read_to_end(&mut self, want: usize, poller: &Poller) -> Vec<u8> {
        let (mut task, mut all) = (Task::new(), Vec::new());
        loop {
            let bytes = task.run(poller, |cx| self.read(want, cx));
            if bytes.is_empty() {
                return all;
            }
            all.extend(bytes);
        }
    }
}

impl<T: AsFd> Drop for Socket<T> {
    fn drop(&mut self) {
        self.source.deregister(self.io.as_fd()).unwrap();
    }
}

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    far.set_nodelay(true).unwrap();
    (near, far)
}

fn tcp_reader(poller: &Poller) -> (Socket<TcpStream>, TcpStream) {
    let (near, far) = tcp();
    (Socket::new(near, SourceKind::Stream, poller), far)
}

fn unix_reader(poller: &Poller) -> (Socket<UnixStream>, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    (Socket::new(near, SourceKind::UnixStream, poller), far)
}

#[test]
fn readable_after_a_write() {
    with_both(|new| {
        let poller = new();
        let (mut tcp, mut tcp_far) = tcp_reader(&poller);
        let (mut unix, mut unix_far) = unix_reader(&poller);
        for round in 0..3 {
            let mut tasks = [Task::new(), Task::new()];
            assert!(tcp.read(64, &mut tasks[0].cx()).is_pending());
            assert!(unix.read(64, &mut tasks[1].cx()).is_pending());
            tcp_far.write_all(&[round; 9]).unwrap();
            assert_eq!(tasks[0].run(&poller, |cx| tcp.read(64, cx)), [round; 9]);
            assert_eq!(tasks[1].wakes(), 0);
            unix_far.write_all(&[round; 5]).unwrap();
            assert_eq!(tasks[1].run(&poller, |cx| unix.read(64, cx)), [round; 5]);
        }
    });
}

#[test]
fn an_echo_costs_two_calls() {
    let poller = Poller::with_system(super::super::sys::System::native().unwrap());
    let (mut near, mut far) = tcp_reader(&poller);
    let mut task = Task::new();
    assert!(near.read(4_096, &mut task.cx()).is_pending());
    near.calls = 0;
    for _ in 0..10 {
        far.write_all(&[7; 64]).unwrap();
        let message = task.run(&poller, |cx| near.read(4_096, cx));
        assert_eq!(task.run(&poller, |cx| near.write(&message, cx)).unwrap(), 64);
        // The next read finds out without a call that there is nothing.
        assert!(near.read(4_096, &mut task.cx()).is_pending());
    }
    let expected = if cfg!(target_os = "linux") { 20 } else { 30 };
    assert_eq!(near.calls, expected);
}

#[test]
fn a_full_read_leaves_the_rest_ready() {
    with_both(|new| {
        let poller = new();
        let (mut near, mut far) = tcp_reader(&poller);
        let mut task = Task::new();
        assert!(near.read(4, &mut task.cx()).is_pending());
        far.write_all(b"12345678").unwrap();
        // Loopback delivers at once: both halves are there when the first is read.
        assert_eq!(task.run(&poller, |cx| near.read(4, cx)), b"1234");
        assert!(matches!(near.read(4, &mut task.cx()), Poll::Ready(rest) if rest == b"5678"));
        assert!(near.read(4, &mut task.cx()).is_pending());
    });
}

#[test]
fn two_datagrams_and_one_read_leave_one() {
    with_both(|new| {
        let poller = new();
        let far = UdpSocket::bind("127.0.0.1:0").unwrap();
        let near = UdpSocket::bind("127.0.0.1:0").unwrap();
        far.connect(near.local_addr().unwrap()).unwrap();
        let mut near = Socket::new(near, SourceKind::Datagram, &poller);
        let mut task = Task::new();
        assert!(near.read(64, &mut task.cx()).is_pending());
        far.send(b"first").unwrap();
        far.send(b"second").unwrap();
        assert_eq!(task.run(&poller, |cx| near.read(64, cx)), b"first");
        // A datagram is shorter than the buffer, and yet the next one is there.
        let second = near.read(64, &mut task.cx());
        assert!(matches!(second, Poll::Ready(message) if message == b"second"));
        assert!(near.read(64, &mut task.cx()).is_pending());
    });
}

/// Ends a stream of `bytes` in all the orders in which the end and the last bytes can be
/// announced and read; the reader must come to the end in each.
fn fin<T: AsFd>(poller: &Poller, pair: impl Fn() -> (Socket<T>, Box<dyn Peer>), want: usize) {
    // Announced together.
    let (mut near, mut far) = pair();
    far.write_all(b"last").unwrap();
    far.end();
    assert_eq!(near.read_to_end(want, poller), b"last");

    // The end comes after the bytes were read.
    let (mut near, mut far) = pair();
    let mut task = Task::new();
    far.write_all(b"last").unwrap();
    let mut got = Vec::new();
    while got.len() < 4 {
        got.extend(task.run(poller, |cx| near.read(want, cx)));
    }
    far.end();
    assert!(near.read_to_end(want, poller).is_empty());

    // The end comes after the bytes were announced and before they are read.
    let (mut near, mut far) = pair();
    far.write_all(b"last").unwrap();
    settle(poller);
    far.end();
    assert_eq!(near.read_to_end(want, poller), b"last");

    // Both are announced before they are read, one after the other.
    let (mut near, mut far) = pair();
    far.write_all(b"last").unwrap();
    settle(poller);
    far.end();
    settle(poller);
    assert_eq!(near.read_to_end(want, poller), b"last");

    // The end comes to a reader asleep, with and without bytes.
    for last in [&b""[..], b"last"] {
        let (mut near, mut far) = pair();
        assert!(near.read(want, &mut task.cx()).is_pending());
        settle(poller);
        far.write_all(last).unwrap();
        far.end();
        assert_eq!(near.read_to_end(want, poller), last);
    }
}

trait Peer: Write {
    fn end(&mut self);
}

impl Peer for TcpStream {
    fn end(&mut self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

impl Peer for UnixStream {
    fn end(&mut self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

#[test]
fn the_end_of_a_stream_reaches_its_reader() {
    with_both(|new| {
        let poller = new();
        for want in [64, 4, 3] {
            fin(
                &poller,
                || {
                    let (near, far) = tcp_reader(&poller);
                    (near, Box::new(far))
                },
                want,
            );
            fin(
                &poller,
                || {
                    let (near, far) = unix_reader(&poller);
                    (near, Box::new(far))
                },
                want,
            );
        }
    });
}

#[test]
fn a_reset_reaches_a_reader_that_read_short() {
    with_both(|new| {
        let poller = new();
        let (mut near, mut far) = tcp_reader(&poller);
        let mut task = Task::new();
        far.write_all(b"last").unwrap();
        assert_eq!(task.run(&poller, |cx| near.read(64, cx)), b"last");
        // Unread bytes make the close a reset.
        assert_eq!(task.run(&poller, |cx| near.write(b"unread", cx)).unwrap(), 6);
        drop(far);
        let error = task.run(&poller, |cx| {
            near.write(b"more", cx).map(|written| match written {
                Ok(_) => None,
                Err(error) => Some(error.kind()),
            })
        });
        let error = error
            .unwrap_or_else(|| task.run(&poller, |cx| near.write(b"more", cx)).unwrap_err().kind());
        assert!(matches!(error, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe));
    });
}

#[test]
fn urgent_data_does_not_hide_what_is_behind_it() {
    with_both(|new| {
        let poller = new();
        let (mut near, mut far) = tcp_reader(&poller);
        let mut task = Task::new();
        assert!(near.read(64, &mut task.cx()).is_pending());
        far.write_all(b"before").unwrap();
        rustix::net::send(&far, b"!", rustix::net::SendFlags::OOB).unwrap();
        far.write_all(b"behind").unwrap();
        // The read stops short of the urgent byte: no proof that nothing is left.
        assert_eq!(task.run(&poller, |cx| near.read(64, cx)), b"before");
        assert_eq!(task.run(&poller, |cx| near.read(64, cx)), b"behind");
    });
}

#[test]
fn descriptors_in_a_unix_stream_do_not_hide_what_is_behind_them() {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    with_both(|new| {
        let poller = new();
        let (mut near, far) = unix_reader(&poller);
        let mut task = Task::new();
        assert!(near.read(64, &mut task.cx()).is_pending());
        let fds = [far.as_fd()];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
        let bytes = [io::IoSlice::new(b"with")];
        sendmsg(&far, &bytes, &mut ancillary, SendFlags::empty()).unwrap();
        (&far).write_all(b"without").unwrap();
        // One event for both messages, and a read that ends where the first one ends.
        settle(&poller);
        assert_eq!(task.run(&poller, |cx| near.read(64, cx)), b"with");
        assert_eq!(task.run(&poller, |cx| near.read(64, cx)), b"without");
    });
}

/// Fills the socket, reads at the other end, and writes on.
fn back_pressure<T: AsFd>(near: &mut Socket<T>, far: impl AsFd, poller: &Poller) {
    rustix::io::ioctl_fionbio(&far, true).unwrap();
    let mut task = Task::new();
    let mut buffer = vec![0; 1 << 20];
    for _ in 0..5 {
        while let Poll::Ready(written) = near.write(&buffer, &mut task.cx()) {
            assert!(written.unwrap() > 0);
        }
        let calls = near.calls;
        assert!(near.write(&buffer, &mut task.cx()).is_pending());
        assert_eq!(near.calls, calls, "a call that was known to block");
        while rustix::io::read(&far, &mut buffer).is_ok_and(|n| n > 0) {}
        assert!(task.run(poller, |cx| near.write(b"more", cx)).unwrap() > 0);
        while rustix::io::read(&far, &mut buffer).is_ok_and(|n| n > 0) {}
    }
}

#[test]
fn a_writer_is_woken_when_there_is_room() {
    with_both(|new| {
        let poller = new();
        let (mut near, far) = tcp_reader(&poller);
        back_pressure(&mut near, far, &poller);
        let (mut near, far) = unix_reader(&poller);
        back_pressure(&mut near, far, &poller);
        let (near, far) = UnixStream::pair().unwrap();
        let mut near = Socket::new(near, SourceKind::Other, &poller);
        back_pressure(&mut near, far, &poller);
    });
}

#[test]
fn a_peer_that_reads_does_not_disturb_who_only_writes() {
    let poller = Poller::with_system(super::super::sys::System::native().unwrap());
    let (mut near, far) = unix_reader(&poller);
    let task = Task::new();
    settle(&poller);
    for _ in 0..3 {
        assert!(near.write(b"message", &mut task.cx()).is_ready());
        rustix::io::read(&far, &mut [0; 64]).unwrap();
        assert_eq!(settle(&poller), 0, "an event that nobody waits for");
    }
}

#[test]
fn a_stale_event_does_not_reach_the_next_source_of_a_slot() {
    with_both(|new| {
        let poller = new();
        let (near, mut far) = unix_reader(&poller);
        far.write_all(b"x").unwrap();
        // Harvested, but not delivered before the slot changes hands.
        let mut events = super::super::sys::Events::new();
        poller.shared.system.wait(&mut events, Some(LIMIT)).unwrap();
        assert_eq!(events.as_slice().len(), 1);
        drop(near);
        let (mut next, mut next_far) = unix_reader(&poller);
        let mut task = Task::new();
        assert!(next.read(64, &mut task.cx()).is_pending());
        next.calls = 0;
        assert_eq!(poller.deliver(&events, &mut WakeBatch::new()), 1);
        assert_eq!(task.wakes(), 0, "woken by the last source's event");
        assert!(next.read(64, &mut task.cx()).is_pending());
        assert_eq!(next.calls, 0);
        next_far.write_all(b"y").unwrap();
        assert_eq!(task.run(&poller, |cx| next.read(64, cx)), b"y");
    });
}

#[test]
fn a_source_registers_anew_after_deregistering() {
    with_both(|new| {
        let (first, second) = (new(), new());
        let (mut near, mut far) = tcp_reader(&first);
        let mut task = Task::new();
        assert!(near.read(64, &mut task.cx()).is_pending());
        near.source.deregister(near.io.as_fd()).unwrap();
        assert!(near.source.deregister(near.io.as_fd()).is_ok(), "once more is nothing");
        assert_eq!(first.sources(), 0);
        near.source.register_with(near.io.as_fd(), &[READ], &second).unwrap();
        assert!(near.read(64, &mut task.cx()).is_pending());
        far.write_all(b"x").unwrap();
        assert_eq!(task.run(&second, |cx| near.read(64, cx)), b"x");
        assert_eq!(settle(&first), 0, "still registered with the first");
    });
}

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

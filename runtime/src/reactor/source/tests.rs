//! Sources with real sockets. One thread is owner, executor and peer.
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::super::batch::WakeBatch;
use super::super::testing::{LIMIT, Task, settle, turn, with_both};
use super::*;

mod waiting;

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

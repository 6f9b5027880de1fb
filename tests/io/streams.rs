//! Connections: every byte arrives, in order, and the end after the last one.

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use corio::net::{Keepalive, Shutdown, TcpListener, TcpStream};

use crate::{everywhere, once, pair, read_all, until};

/// A connection beside one that is treated badly.
async fn is_unharmed((a, b): &(TcpStream, TcpStream)) {
    a.write_all(b"well").await.unwrap();
    let mut buf = [0; 4];
    b.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"well");
}

#[test]
fn one_byte_at_a_time() {
    everywhere(async || {
        let (a, b) = pair().await;
        let other = pair().await;
        let writer = corio::create_task(async move {
            for byte in 0..=255 {
                a.write_all(&[byte]).await.unwrap();
                if byte % 16 == 0 {
                    corio::yield_now().await;
                }
            }
        });
        is_unharmed(&other).await;
        assert_eq!(read_all(&b).await.unwrap(), (0..=255).collect::<Vec<u8>>());
        writer.await.unwrap();
        is_unharmed(&other).await;
    });
}

/// A worker leaves the look at its poller to its sleep; who never sleeps must look all the same.
#[test]
fn callbacks_that_call_themselves_do_not_starve_sockets() {
    fn again(handle: corio::Handle, stop: Arc<AtomicBool>) {
        if !stop.load(Ordering::Relaxed) {
            handle.clone().call_soon(move || again(handle, stop));
        }
    }
    const ROUNDS: u8 = 100;
    everywhere(async || {
        let (a, b) = pair().await;
        let stop = Arc::new(AtomicBool::new(false));
        again(corio::Handle::current(), stop.clone());
        let echo = corio::create_task(async move {
            let mut byte = [0];
            for _ in 0..ROUNDS {
                b.read_exact(&mut byte).await.unwrap();
                b.write_all(&byte).await.unwrap();
            }
        });
        let mut byte = [0];
        for round in 0..ROUNDS {
            a.write_all(&[round]).await.unwrap();
            a.read_exact(&mut byte).await.unwrap();
            assert_eq!(byte, [round]);
        }
        stop.store(true, Ordering::Relaxed);
        echo.await.unwrap();
    });
}

// conforms: 23 test_read_ready_eof_keep_open
// conforms: 24 test_sock_client_ops
#[test]
fn a_half_closed_connection_still_answers() {
    everywhere(async || {
        let (a, b) = pair().await;
        let other = pair().await;
        a.write_all(b"question").await.unwrap();
        a.shutdown(Shutdown::Write).unwrap();
        is_unharmed(&other).await;
        let server = corio::create_task(async move {
            assert_eq!(read_all(&b).await.unwrap(), b"question");
            b.write_all(b"answer").await.unwrap();
        });
        assert_eq!(read_all(&a).await.unwrap(), b"answer");
        server.await.unwrap();
        let error = a.write_all(b"more").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset));
        is_unharmed(&other).await;
    });
}

/// The end may come before the reader waits, with the last bytes, or after them; nothing sleeps on
/// bytes or on the end.
#[test]
fn the_end_is_seen_whenever_it_comes() {
    everywhere(async || {
        // Before anything.
        let (a, b) = pair().await;
        drop(a);
        assert_eq!(read_all(&b).await.unwrap(), b"");
        assert_eq!(read_all(&b).await.unwrap(), b"");
        // With the last bytes, before the reader looks.
        let (a, b) = pair().await;
        a.write_all(b"last").await.unwrap();
        drop(a);
        b.readable().await.unwrap();
        assert_eq!(read_all(&b).await.unwrap(), b"last");
        // While the reader waits, after a short read.
        let (a, b) = pair().await;
        let reader = corio::create_task(async move { read_all(&b).await.unwrap() });
        for part in [&b"la"[..], b"st"] {
            a.write_all(part).await.unwrap();
            corio::sleep(Duration::from_millis(2)).await;
        }
        drop(a);
        assert_eq!(reader.await.unwrap(), b"last");
        // Bytes and the end in one event, while the reader waits.
        let (a, b) = pair().await;
        let reader = corio::create_task(async move { read_all(&b).await.unwrap() });
        corio::sleep(Duration::from_millis(2)).await;
        a.write_all(b"last").await.unwrap();
        drop(a);
        assert_eq!(reader.await.unwrap(), b"last");
    });
}

#[test]
fn a_reset_is_an_error_for_its_connection_only() {
    everywhere(async || {
        let (a, b) = pair().await;
        let other = pair().await;
        let reader = corio::create_task(async move { read_all(&b).await });
        corio::sleep(Duration::from_millis(2)).await;
        a.set_linger(Some(Duration::ZERO)).unwrap();
        drop(a);
        let error = reader.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        is_unharmed(&other).await;
    });
}

/// Each of many tasks that read one socket gets some of the bytes, or the end; none is forgotten.
#[test]
fn many_tasks_read_one_socket() {
    everywhere(async || {
        const READERS: usize = 16;
        const BYTES: usize = 4000;
        let (a, b) = pair().await;
        let b = std::sync::Arc::new(b);
        let readers: Vec<_> = (0..READERS)
            .map(|_| {
                let b = b.clone();
                corio::create_task(async move {
                    let mut sum = 0;
                    let mut buf = [0; 7];
                    loop {
                        match b.read(&mut buf).await.unwrap() {
                            0 => return sum,
                            n => sum += n,
                        }
                    }
                })
            })
            .collect();
        for _ in 0..BYTES / 40 {
            a.write_all(&[1; 40]).await.unwrap();
            corio::yield_now().await;
        }
        drop(a);
        let mut sum = 0;
        for reader in readers {
            sum += reader.await.unwrap();
        }
        assert_eq!(sum, BYTES);
    });
}

/// A sum that notices bytes that are missing, doubled or swapped (Fletcher, 1982).
fn checksum(mut sums: (u64, u64), bytes: &[u8]) -> (u64, u64) {
    for byte in bytes {
        sums.0 = (sums.0 + u64::from(*byte)) % 0xffff_ffff;
        sums.1 = (sums.1 + sums.0) % 0xffff_ffff;
    }
    sums
}

// conforms: 24 test_huge_content
// conforms: 24 test_huge_content_recvinto
#[test]
fn large_transfers_both_ways() {
    const BYTES: usize = 4 << 20;
    everywhere(async || {
        let (a, b) = pair().await;
        let end = |stream: TcpStream, seed: u8| {
            let (read, write) = stream.into_split();
            let writer = corio::create_task(async move {
                let mut sums = (0, 0);
                let (mut sent, mut size) = (0, 1);
                while sent < BYTES {
                    let part: Vec<u8> = (sent..(sent + size).min(BYTES))
                        .map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed))
                        .collect();
                    write.write_all(&part).await.unwrap();
                    sums = checksum(sums, &part);
                    sent += part.len();
                    size = (size * 7 + 13) % 100_000;
                }
                sums
            });
            let reader = corio::create_task(async move {
                let mut sums = (0, 0);
                let mut buf = vec![0; 70_001];
                loop {
                    match read.read(&mut buf).await.unwrap() {
                        0 => return sums,
                        n => sums = checksum(sums, &buf[..n]),
                    }
                }
            });
            (writer, reader)
        };
        let (write_a, read_a) = end(a, 3);
        let (write_b, read_b) = end(b, 99);
        assert_eq!(write_a.await.unwrap(), read_b.await.unwrap());
        assert_eq!(write_b.await.unwrap(), read_a.await.unwrap());
    });
}

#[test]
fn read_exact_tells_how_far_it_came() {
    once(async {
        let (a, b) = pair().await;
        a.write_all(b"abc").await.unwrap();
        drop(a);
        let mut buf = [0; 10];
        let mut exact = b.read_exact(&mut buf);
        let error = (&mut exact).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert!(error.to_string().contains("3 of 10"), "{error}");
        assert_eq!(exact.filled(), 3);
        // Nothing to read is no reason to wait, nor the end.
        let (_a, b) = pair().await;
        assert_eq!(b.read(&mut []).await.unwrap(), 0);
        b.read_exact(&mut []).await.unwrap();
        b.write_all(&[]).await.unwrap();
    });
}

// conforms: 23 test_buffered_proto_create_connection
// conforms: 23 test_get_buffer_zerosized
#[test]
fn several_buffers_in_one_call() {
    once(async {
        let (a, b) = pair().await;
        let parts = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
        assert_eq!(a.write_vectored(&parts).await.unwrap(), 5);
        let (mut x, mut y) = ([0; 2], [0; 8]);
        b.readable().await.unwrap();
        let mut parts = [IoSliceMut::new(&mut x), IoSliceMut::new(&mut y)];
        assert_eq!(b.read_vectored(&mut parts).await.unwrap(), 5);
        assert_eq!((&x, &y[..3]), (b"ab", &b"cde"[..]));
        // More than the system takes at once.
        let many = vec![IoSlice::new(b"x"); 3000];
        let n = a.write_vectored(&many).await.unwrap();
        assert!(n > 0 && n <= 3000, "{n}");
    });
}

/// A call that has filled, or sent, all the buffers that the system takes at once is no proof that
/// the socket has nothing left, or no room.
#[test]
fn more_buffers_than_the_system_takes_lose_no_wake_up() {
    const BYTES: usize = 20_000;
    const EACH: usize = 10;
    once(async {
        let (a, b) = pair().await;
        // So both are registered, and remember what a short transfer proves.
        a.writable().await.unwrap();
        let mut first = [0];
        let greeting = corio::create_task(async move {
            corio::sleep(Duration::from_millis(20)).await;
            a.write_all(&[1]).await.unwrap();
            a
        });
        b.read_exact(&mut first).await.unwrap();
        let a = greeting.await.unwrap();

        let sent = vec![7; BYTES];
        let parts: Vec<_> = sent.chunks(EACH).map(IoSlice::new).collect();
        let n = a.write_vectored(&parts).await.unwrap();
        assert!(n < BYTES, "the system took {n} bytes");
        a.write_all(&sent[n..]).await.unwrap();
        let mut there = vec![0; BYTES];
        let socket = socket2::SockRef::from(&b);
        until("the bytes", || {
            let flags = rustix::net::RecvFlags::PEEK;
            rustix::net::recv(&*socket, &mut there[..], flags).is_ok_and(|(n, _)| n == BYTES)
        })
        .await;

        let mut got = vec![0; BYTES];
        let mut parts: Vec<_> = got.chunks_mut(EACH).map(IoSliceMut::new).collect();
        let n = b.read_vectored(&mut parts).await.unwrap();
        assert!(n < BYTES, "the system filled {n} bytes");
        b.read_exact(&mut got[n..]).await.unwrap();
        assert_eq!(got, sent);
    });
}

/// The way of servers with a process, or a listener, for each core.
#[test]
#[cfg(target_os = "linux")]
fn listeners_that_share_a_port_share_its_connections() {
    once(async {
        let shares = || TcpListener::builder().reuse_port(true);
        let one = shares().bind("127.0.0.1:0").await.unwrap();
        let address = one.local_addr().unwrap();
        let other = shares().bind(address).await.unwrap();
        // Who does not say that it shares gets no share.
        let error = TcpListener::bind(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let mut accepted = [0; 2];
        while accepted.contains(&0) {
            assert!(accepted.iter().sum::<usize>() < 1_000, "one listener gets all: {accepted:?}");
            let _client = TcpStream::connect(address).await.unwrap();
            let who = corio::select! {
                taken = one.accept() => taken.map(|_| 0),
                taken = other.accept() => taken.map(|_| 1),
            };
            accepted[who.unwrap()] += 1;
        }
    });
}

#[test]
fn peeking_leaves_the_bytes() {
    once(async {
        let (a, b) = pair().await;
        let mut buf = [0; 16];
        let peeker = async {
            for _ in 0..3 {
                let mut buf = [0; 16];
                assert_eq!(b.peek(&mut buf).await.unwrap(), 2);
            }
        };
        a.write_all(b"hi").await.unwrap();
        peeker.await;
        assert_eq!(b.read(&mut buf).await.unwrap(), 2);
    });
}

#[test]
fn trying_does_not_wait() {
    once(async {
        let (a, b) = pair().await;
        let mut buf = [0; 4];
        assert_eq!(b.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        for round in 0..50_u8 {
            assert_eq!(a.try_write(&[round]).unwrap(), 1);
            loop {
                b.readable().await.unwrap();
                match b.try_read(&mut buf) {
                    Ok(n) => break assert_eq!((n, buf[0]), (1, round)),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
            assert_eq!(b.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        }
        // Until the peer takes no more; then there is room when it has read.
        while a.try_write(&[0; 65536]).is_ok() {}
        let drain = corio::create_task(async move {
            let mut buf = vec![0; 65536];
            while b.read(&mut buf).await.unwrap() > 0 {}
        });
        a.writable().await.unwrap();
        a.write_all(b"more").await.unwrap();
        drop(a);
        drain.await.unwrap();
    });
}

#[test]
fn halves_part_and_meet_again() {
    once(async {
        let (mut a, b) = pair().await;
        {
            let (read, write) = a.split();
            write.write_all(b"1").await.unwrap();
            let mut buf = [0; 1];
            b.read_exact(&mut buf).await.unwrap();
            b.write_all(b"2").await.unwrap();
            read.read_exact(&mut buf).await.unwrap();
        }
        let (read, write) = a.into_split();
        let (other_read, other_write) = b.into_split();
        let error = read.reunite(other_write).unwrap_err();
        assert!(error.to_string().contains("two different streams"));
        let corio::net::ReuniteError(read, other_write) = error;
        let a = read.reunite(write).unwrap();
        let b = other_write.reunite(other_read).unwrap();
        a.write_all(b"3").await.unwrap();
        b.read_exact(&mut [0]).await.unwrap();
        // Dropping the writing half ends the stream; forgetting it does not.
        let (_read, write) = a.into_split();
        drop(write);
        assert_eq!(read_all(&b).await.unwrap(), b"");
        let (_c, d) = pair().await;
        let (d_read, d_write) = d.into_split();
        d_write.forget();
        let again = corio::timeout(Duration::from_millis(5), d_read.readable()).await;
        assert!(again.is_err());
    });
}

// conforms: 22 test_connect_accepted_socket
// conforms: 30 test_create_connection_sock
// conforms: 30 test_create_server_sock
#[test]
fn std_sockets_come_and_go() {
    once(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut blocking = std::net::TcpStream::connect(address).unwrap();
        // Both block when they come.
        let listener = TcpListener::from_std(listener).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let ours = TcpStream::from_std(std::net::TcpStream::connect(address).unwrap()).unwrap();
        let mut buf = [0; 2];
        assert!(corio::timeout(Duration::from_millis(2), ours.read(&mut buf)).await.is_err());
        blocking.write_all(b"hi").unwrap();
        stream.read_exact(&mut buf).await.unwrap();
        // They leave without their registration, which may be made again.
        let mut left = stream.into_std().unwrap();
        let error = left.read(&mut buf).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        let back = TcpStream::from_std(left).unwrap();
        blocking.write_all(b"ho").unwrap();
        back.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"ho");
        listener.into_std().unwrap();
    });
}

// conforms: 22 test_create_connection_local_addr
#[test]
fn options_are_set() {
    once(async {
        let listener = TcpListener::builder().backlog(4).reuse_addr(true).bind("127.0.0.1:0");
        let listener = listener.await.unwrap();
        let builder = TcpStream::builder()
            .nodelay(true)
            .keepalive(Keepalive { idle: Some(Duration::from_secs(9)), ..Keepalive::default() })
            .send_buffer_size(20_000)
            .recv_buffer_size(20_000)
            .local_addr("127.0.0.2:0".parse().unwrap());
        let stream = builder.connect(listener.local_addr().unwrap()).await.unwrap();
        assert_eq!(stream.local_addr().unwrap().ip().to_string(), "127.0.0.2");
        assert!(stream.nodelay().unwrap() && stream.keepalive().unwrap());
        assert!(stream.send_buffer_size().unwrap() >= 20_000);
        assert!(stream.recv_buffer_size().unwrap() >= 20_000);
        stream.set_nodelay(false).unwrap();
        stream.set_keepalive(None).unwrap();
        stream.set_ttl(17).unwrap();
        stream.set_linger(Some(Duration::from_secs(3))).unwrap();
        assert!(!stream.nodelay().unwrap() && !stream.keepalive().unwrap());
        assert_eq!(stream.ttl().unwrap(), 17);
        assert_eq!(stream.linger().unwrap(), Some(Duration::from_secs(3)));
        assert!(stream.take_error().unwrap().is_none());
        stream.set_linger(None).unwrap();
        if let Ok(v6) = TcpListener::builder().only_v6(true).bind("[::1]:0").await {
            assert!(v6.local_addr().unwrap().is_ipv6());
        }
    });
}

/// A descriptor of another library: a pipe's ends are no sockets.
#[test]
fn foreign_descriptors_are_awaited() {
    use std::fs::File;
    use std::os::fd::OwnedFd;
    use std::process::{Command, Stdio};

    use corio::net::{Async, Direction};

    everywhere(async || {
        let mut cat = Command::new("cat");
        let mut cat = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let writer = File::from(OwnedFd::from(cat.stdin.take().unwrap()));
        let reader = File::from(OwnedFd::from(cat.stdout.take().unwrap()));
        let (reader, writer) = (Async::new(reader).unwrap(), Async::new(writer).unwrap());
        const BYTES: usize = 300_000;
        let task = corio::create_task(async move {
            let mut sent = 0;
            while sent < BYTES {
                let part = [5; 10_000];
                let write = writer.io(Direction::Write, |mut pipe| pipe.write(&part));
                sent += write.await.unwrap();
            }
            sent
        });
        let (mut buf, mut seen) = (vec![0; 4096], 0);
        loop {
            reader.readable().await.unwrap();
            match reader.try_io(Direction::Read, |mut pipe| pipe.read(&mut buf)) {
                Ok(0) => break,
                Ok(n) => seen += n,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        assert_eq!(task.await.unwrap(), seen);
        reader.into_inner().unwrap();
        assert!(cat.wait().unwrap().success());
        // The system waits for no ordinary file.
        let file = Async::new(std::fs::File::open("/proc/self/exe").unwrap()).unwrap();
        assert!(file.readable().await.is_err());
    });
}

//! Connections: accepting, connecting, bytes both ways; and messages.

use std::future::IntoFuture;
use std::io;
use std::net::Shutdown;

use corio::Runtime;
use corio::net::{
    TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixSeqpacket, UnixStream,
};
use corio::stream::connect_accepted_socket;

use crate::plan::{self, Plan};
use crate::trial::Fault::{Errno, HalfCloses, Interrupts, Lengths, Resets, Survivable};
use crate::trial::{Outcome, apart, behind_the_seam, tasks};
use crate::{pattern, scratch_path};

/// Bytes that go each way: more than a socket holds, so that both directions wait.
const LARGE: usize = 6 << 20;
/// Few enough for every length of a transfer.
const SMALL: usize = 97;

pub async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (client, (server, _)) = corio::try_join!(TcpStream::connect(address), listener.accept())?;
    Ok((client, server))
}

/// Sending and receiving on each kind of stream, with a second attempt for each call: what failed
/// has moved no byte.
macro_rules! both_ways {
    ($both_ways:ident, $stream:ty) => {
        /// Sends `size` bytes each way at once and ends both; no byte is lost, doubled or changed.
        async fn $both_ways(near: $stream, far: $stream, size: usize) -> Outcome {
            async fn send(stream: &$stream, mut bytes: &[u8]) -> io::Result<()> {
                while !bytes.is_empty() {
                    let n = again!(stream.write(bytes))?;
                    bytes = &bytes[n..];
                }
                stream.shutdown(Shutdown::Write)
            }

            async fn receive(stream: &$stream) -> io::Result<Vec<u8>> {
                let (mut all, mut buf) = (Vec::new(), vec![0; 1 << 16]);
                loop {
                    match again!(stream.read(&mut buf))? {
                        0 => return Ok(all),
                        n => all.extend_from_slice(&buf[..n]),
                    }
                }
            }

            let bytes = pattern(size);
            let answer = bytes.clone();
            // Another task, so that another worker may have the far end.
            let echo = corio::create_task(async move {
                corio::try_join!(send(&far, &answer), receive(&far)).map(|((), received)| received)
            });
            let echo = async { echo.cancel_on_drop().await.map_err(io::Error::other)? };
            let ((), received, echoed) =
                corio::try_join!(send(&near, &bytes), receive(&near), echo)?;
            assert!(received == bytes, "{} of {size} bytes came back", received.len());
            assert!(echoed == bytes, "{} of {size} bytes went there", echoed.len());
            Ok(())
        }
    };
}

both_ways!(tcp_both_ways, TcpStream);
both_ways!(unix_both_ways, UnixStream);

#[test]
fn accepting() {
    async fn run() -> Outcome {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = async {
            for number in 0..3 {
                let (stream, _) = again!(listener.accept())?;
                stream.write_all(&[number]).await?;
            }
            Ok::<_, io::Error>(())
        };
        let clients = async {
            for number in 0..3 {
                let stream = TcpStream::connect(address).await?;
                let mut greeting = [9];
                stream.read_exact(&mut greeting).await?;
                assert_eq!(greeting, [number]);
            }
            Ok(())
        };
        corio::try_join!(server, clients)?;
        Ok(())
    }
    const FAULTS: &[crate::Fault] = &[
        Errno(libc::EMFILE),
        Errno(libc::ENFILE),
        Errno(libc::ENOMEM),
        Errno(libc::ENOBUFS),
        Errno(libc::ENOSPC),
        Errno(libc::EADDRINUSE),
        Survivable(libc::ECONNABORTED),
        Survivable(libc::EINTR),
        Interrupts,
        Resets,
    ];
    tasks("sockets::accepting", FAULTS, run);
}

#[test]
fn connecting_to_the_first_address_that_answers() {
    async fn run() -> Outcome {
        // Nobody listens at the first one.
        let closed = apart(|| std::net::TcpListener::bind("127.0.0.1:0"))?;
        let first = closed.local_addr()?;
        drop(closed);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let second = listener.local_addr()?;
        // An attempt that fails late was a connection already, which is accepted, too.
        let greeter = corio::create_task(async move {
            loop {
                let (server, _) = again!(listener.accept())?;
                // The other end of an attempt that was given up is gone.
                let _ = server.write_all(b"!").await;
            }
        });
        let greeter: corio::CancelOnDrop<io::Result<std::convert::Infallible>> =
            greeter.cancel_on_drop();
        let client = TcpStream::connect([first, second, second]).await?;
        assert_eq!(client.peer_addr()?, second);
        client.read_exact(&mut [0]).await?;
        drop(greeter);
        Ok(())
    }
    const FAULTS: &[crate::Fault] = &[
        Errno(libc::ENETUNREACH),
        Errno(libc::ECONNREFUSED),
        Errno(libc::EMFILE),
        Errno(libc::ENOMEM),
        Errno(libc::ENOSPC),
        Survivable(libc::EINTR),
        Interrupts,
    ];
    tasks("sockets::connecting_to_the_first_address_that_answers", FAULTS, run);
}

#[test]
fn bytes_both_ways() {
    async fn run() -> Outcome {
        let (near, far) = pair().await?;
        tcp_both_ways(near, far, LARGE).await
    }
    const FAULTS: &[crate::Fault] = &[Interrupts, Errno(libc::EMFILE)];
    tasks("sockets::bytes_both_ways", FAULTS, run);
}

#[test]
fn a_few_bytes_both_ways() {
    async fn run() -> Outcome {
        let (near, far) = pair().await?;
        tcp_both_ways(near, far, SMALL).await
    }
    const FAULTS: &[crate::Fault] = &[
        Lengths(SMALL as u64),
        Errno(libc::ENOMEM),
        Errno(libc::ENOSPC),
        Survivable(libc::EINTR),
        Interrupts,
        Resets,
        HalfCloses,
    ];
    tasks("sockets::a_few_bytes_both_ways", FAULTS, run);
}

#[test]
fn unix_streams() {
    async fn run() -> Outcome {
        let path = scratch_path("socket");
        // Left by the run before.
        let _ = apart(|| std::fs::remove_file(&path));
        let listener = UnixListener::bind(&path)?;
        let (near, (far, _)) = corio::try_join!(UnixStream::connect(&path), listener.accept())?;
        unix_both_ways(near, far, SMALL).await
    }
    const FAULTS: &[crate::Fault] = &[
        Lengths(SMALL as u64),
        Errno(libc::EMFILE),
        Errno(libc::ENOMEM),
        Errno(libc::EADDRINUSE),
        Errno(libc::ECONNREFUSED),
        Survivable(libc::EINTR),
        Interrupts,
        Resets,
        HalfCloses,
    ];
    tasks("sockets::unix_streams", FAULTS, run);
}

#[test]
fn messages() {
    async fn run() -> Outcome {
        let a = UdpSocket::bind("127.0.0.1:0").await?;
        let b = UdpSocket::bind("127.0.0.1:0").await?;
        a.connect(b.local_addr()?).await?;
        b.connect(a.local_addr()?).await?;
        let (c, d) = UnixDatagram::pair()?;
        let (e, f) = UnixSeqpacket::pair()?;
        let mut buf = [0; 16];
        for message in [&b"one"[..], b"", b"three"] {
            // A call that fails has neither sent nor taken a message.
            again!(a.send(message))?;
            again!(c.send(message))?;
            let n = again!(b.recv(&mut buf))?;
            assert_eq!(&buf[..n], message);
            let n = again!(d.recv(&mut buf))?;
            assert_eq!(&buf[..n], message);
            if !message.is_empty() {
                again!(e.send(message))?;
                let n = again!(f.recv(&mut buf))?;
                assert_eq!(&buf[..n], message);
            }
        }
        let waiting = async { b.recv(&mut buf).await };
        let late = async {
            corio::yield_now().await;
            a.send(b"late").await
        };
        let (n, _) = corio::try_join!(waiting, late)?;
        assert_eq!(n, 4);
        Ok(())
    }
    const FAULTS: &[crate::Fault] = &[
        Errno(libc::EMFILE),
        Errno(libc::ENOBUFS),
        Errno(libc::ENOSPC),
        Errno(libc::EADDRINUSE),
        Survivable(libc::EINTR),
        Interrupts,
    ];
    tasks("sockets::messages", FAULTS, run);
}

/// A writer's pieces are one call.
#[test]
fn pieces_go_out_together() {
    behind_the_seam("sockets::pieces_go_out_together", || {
        let runtime = Runtime::new().unwrap();
        let task = runtime.create_task(async {
            let (near, far) = UnixStream::pair().unwrap();
            let (_reader, mut writer) = connect_accepted_socket(near).unwrap();
            // It counts the calls, and never comes so far.
            plan::arm(Plan::Fail { errno: libc::ECONNRESET, nth: u64::MAX });
            writer.write_lines([&b"one\n"[..], b"two\n", b"three\n"]);
            let struck = plan::disarm();
            let mut found = [0; 14];
            far.read_exact(&mut found).await.unwrap();
            assert_eq!(&found, b"one\ntwo\nthree\n");
            struck.seen
        });
        assert_eq!(runtime.block_on(task.into_future()).unwrap(), 1);
    });
}

/// A wait that the system refused to begin spoils nothing: not the call that finds nothing after it
/// without waiting, and not the wait after that.
#[test]
fn who_waits_after_a_refusal_is_woken() {
    behind_the_seam("sockets::who_waits_after_a_refusal_is_woken", || {
        // Nobody else makes calls: a sibling that sleeps, and a Watch that helps, ask `epoll_ctl` too.
        let runtime = corio::Builder::new().workers(1).watch(false).build().unwrap();
        let task = runtime.create_task(corio::timeout(corio_tests::PATIENCE, async {
            let (near, far) = UnixStream::pair().unwrap();
            plan::arm(Plan::Fail { errno: libc::ENOSPC, nth: 1 });
            let refused = near.read(&mut [0]).await.unwrap_err();
            let struck = plan::disarm();
            assert_eq!((struck.times, struck.call), (1, "epoll_ctl"), "{refused}");
            assert_eq!(refused.raw_os_error(), Some(libc::ENOSPC));
            let nothing = near.try_read(&mut [0]).unwrap_err();
            assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
            let (read, sent) = corio::join!(async { near.read(&mut [0]).await.unwrap() }, async {
                corio::yield_now().await;
                far.write(b"x").await.unwrap()
            });
            assert_eq!((read, sent), (1, 1));
        }));
        runtime.block_on(task.into_future()).unwrap().unwrap();
    });
}

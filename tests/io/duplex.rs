//! Streams in memory.

use std::io::{ErrorKind, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Waker};
use std::time::Duration;

use corio::io::{DuplexStream, copy, copy_bidirectional, duplex};

use crate::{everywhere, once};

const LARGE: usize = 1 << 20;

fn pattern() -> Vec<u8> {
    (0..LARGE).map(|i| (i % 251) as u8).collect()
}

async fn read_all(stream: &mut DuplexStream, piece: usize) -> Vec<u8> {
    let (mut all, mut buf) = (Vec::new(), vec![0; piece]);
    loop {
        match stream.read(&mut buf).await.unwrap() {
            0 => return all,
            n => all.extend_from_slice(&buf[..n]),
        }
    }
}

#[test]
fn everything_arrives_in_order_whatever_the_sizes() {
    everywhere(async || {
        for (held, read, write) in [(1, 1, 7), (7, 3, 5), (4096, 10_000, 999), (99, 4096, 1)] {
            let (mut a, mut b) = duplex(held);
            let amount = LARGE / 16 / if held == 1 { 64 } else { 1 };
            let writer = corio::create_task(async move {
                for piece in pattern()[..amount].chunks(write) {
                    a.write_all(piece).await.unwrap();
                }
                a.shutdown();
                assert_eq!(a.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
                a
            });
            assert!(read_all(&mut b, read).await == pattern()[..amount]);
            writer.await.unwrap();
        }
    });
}

#[test]
fn a_writer_waits_for_room_and_no_longer() {
    once(async {
        let (mut a, mut b) = duplex(8);
        assert_eq!(a.write(b"0123456789").await.unwrap(), 8);
        let mut more = a.write_all(b"89abc");
        assert!(corio::timeout(Duration::from_millis(5), &mut more).await.is_err());
        let mut buf = [0; 3];
        b.read_exact(&mut buf).await.unwrap();
        // A poll that was put off writes nothing, and the next one does.
        while more.written() < 3 {
            assert!(corio::timeout(Duration::from_millis(5), &mut more).await.is_err());
        }
        assert_eq!(more.written(), 3);
        // What is dropped tells how far it came, and leaves no waker.
        drop(more);
        let mut rest = [0; 8];
        b.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"3456789a");
        assert_eq!(a.write(b"z").await.unwrap(), 1);
        assert_eq!(a.write(b"").await.unwrap(), 0);
        assert_eq!(b.read(&mut []).await.unwrap(), 0);
    });
}

#[test]
fn ends_are_noticed_by_who_waits() {
    once(async {
        let (mut a, b) = duplex(1);
        a.write_all(b"x").await.unwrap();
        let waiting = corio::create_task(async move { a.write_all(b"y").await });
        corio::sleep(Duration::from_millis(2)).await;
        drop(b);
        assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
        let (mut a, b) = duplex(1);
        let waiting = corio::create_task(async move { a.read(&mut [0]).await });
        corio::sleep(Duration::from_millis(2)).await;
        drop(b);
        assert_eq!(waiting.await.unwrap().unwrap(), 0);
        let (mut a, mut short) = duplex(4);
        a.write_all(b"abc").await.unwrap();
        a.shutdown();
        let mut buf = [0; 4];
        let mut exact = short.read_exact(&mut buf);
        assert_eq!((&mut exact).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(exact.filled(), 3);
    });
}

#[test]
fn copies_take_them() {
    once(async {
        let (mut feed, mut source) = duplex(1000);
        let (mut target, mut sink) = duplex(300);
        let feeder = corio::create_task(async move {
            feed.write_all(&pattern()).await.unwrap();
        });
        let copying = corio::create_task(async move {
            let copied = copy(&mut source, &mut target).await.unwrap();
            assert_eq!(copied, LARGE as u64);
        });
        assert!(read_all(&mut sink, 4096).await == pattern());
        corio::join!(async { feeder.await.unwrap() }, async { copying.await.unwrap() });
        // A proxy between two of them.
        let (mut client, mut front) = duplex(64);
        let (mut back, mut server) = duplex(64);
        let proxy =
            corio::create_task(
                async move { copy_bidirectional(&mut front, &mut back).await.unwrap() },
            );
        let answering = corio::create_task(async move {
            let mut asked = [0; 4];
            server.read_exact(&mut asked).await.unwrap();
            server.write_all(b"pong!").await.unwrap();
            assert_eq!(read_all(&mut server, 9).await, b"");
        });
        client.write_all(b"ping").await.unwrap();
        let mut answer = [0; 5];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"pong!");
        client.shutdown();
        answering.await.unwrap();
        assert_eq!(proxy.await.unwrap(), (4, 5));
    });
}

/// The traits of all three families, outside any runtime.
#[test]
fn the_traits_of_sockets_are_theirs() {
    let mut cx = Context::from_waker(Waker::noop());
    let (a, b) = duplex(16);
    let (mut a, mut b) = (pin!(a), pin!(b));
    let parts = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cd")];
    let mut buf = [0; 16];
    let write = tokio::io::AsyncWrite::poll_write_vectored(a.as_mut(), &mut cx, &parts);
    assert!(matches!(write, std::task::Poll::Ready(Ok(4))));
    assert!(tokio::io::AsyncWrite::is_write_vectored(&*a));
    let read = futures_io::AsyncRead::poll_read(b.as_mut(), &mut cx, &mut buf);
    assert!(matches!(read, std::task::Poll::Ready(Ok(4))));
    assert_eq!(&buf[..4], b"abcd");
    let write = hyper::rt::Write::poll_write(b.as_mut(), &mut cx, b"efg");
    assert!(matches!(write, std::task::Poll::Ready(Ok(3))));
    let mut filled = tokio::io::ReadBuf::new(&mut buf);
    let read = tokio::io::AsyncRead::poll_read(a.as_mut(), &mut cx, &mut filled);
    assert!(read.is_ready() && filled.filled() == b"efg");
    let write = futures_io::AsyncWrite::poll_write(a.as_mut(), &mut cx, b"hi");
    assert!(matches!(write, std::task::Poll::Ready(Ok(2))));
    assert!(futures_io::AsyncWrite::poll_close(a.as_mut(), &mut cx).is_ready());
    let mut filled = hyper::rt::ReadBuf::new(&mut buf);
    let read = hyper::rt::Read::poll_read(b.as_mut(), &mut cx, filled.unfilled());
    assert!(read.is_ready() && filled.filled() == b"hi");
    let mut none = hyper::rt::ReadBuf::new(&mut buf);
    let read = hyper::rt::Read::poll_read(Pin::new(&mut *b), &mut cx, none.unfilled());
    assert!(read.is_ready() && none.filled().is_empty());
}

#[test]
fn halves_live_apart() {
    once(async {
        let (a, mut b) = duplex(4);
        let (mut reader, mut writer) = a.into_split();
        let writing = corio::create_task(async move {
            writer.write_all(b"0123456789").await.unwrap();
        });
        let mut buf = [0; 10];
        b.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"0123456789");
        writing.await.unwrap();
        // The writing half is gone, the reading one is not.
        assert_eq!(b.read(&mut buf).await.unwrap(), 0);
        b.write_all(b"yes").await.unwrap();
        assert_eq!(reader.read(&mut buf).await.unwrap(), 3);
        let refused = std::panic::catch_unwind(|| duplex(0)).unwrap_err();
        assert!(refused.downcast_ref::<&str>().unwrap().contains("0 bytes"));
    });
}

//! The streams speak futures-io, tokio's traits and hyper's: each writes to each.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use corio::net::TcpStream;

use crate::{once, pair, read_all};

/// One family of traits: how it writes, closes and reads.
trait Dialect {
    fn write(s: &mut TcpStream, cx: &mut Context<'_>, parts: &[&[u8]]) -> Poll<io::Result<usize>>;
    fn close(s: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn read(s: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>>;
}

fn slices<'a>(parts: &[&'a [u8]]) -> Vec<IoSlice<'a>> {
    parts.iter().map(|part| IoSlice::new(part)).collect()
}

struct Futures;

impl Dialect for Futures {
    fn write(s: &mut TcpStream, cx: &mut Context<'_>, parts: &[&[u8]]) -> Poll<io::Result<usize>> {
        match parts {
            [one] => futures_io::AsyncWrite::poll_write(Pin::new(s), cx, one),
            many => futures_io::AsyncWrite::poll_write_vectored(Pin::new(s), cx, &slices(many)),
        }
    }

    fn close(s: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        assert!(futures_io::AsyncWrite::poll_flush(Pin::new(s), cx).is_ready());
        futures_io::AsyncWrite::poll_close(Pin::new(s), cx)
    }

    fn read(s: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        let mut buf = [0; 100];
        let read = futures_io::AsyncRead::poll_read(Pin::new(s), cx, &mut buf);
        read.map_ok(|n| buf[..n].to_vec())
    }
}

struct Tokio;

impl Dialect for Tokio {
    fn write(s: &mut TcpStream, cx: &mut Context<'_>, parts: &[&[u8]]) -> Poll<io::Result<usize>> {
        assert!(tokio::io::AsyncWrite::is_write_vectored(s));
        match parts {
            [one] => tokio::io::AsyncWrite::poll_write(Pin::new(s), cx, one),
            many => tokio::io::AsyncWrite::poll_write_vectored(Pin::new(s), cx, &slices(many)),
        }
    }

    fn close(s: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        assert!(tokio::io::AsyncWrite::poll_flush(Pin::new(s), cx).is_ready());
        tokio::io::AsyncWrite::poll_shutdown(Pin::new(s), cx)
    }

    fn read(s: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        let mut memory = [std::mem::MaybeUninit::uninit(); 100];
        let mut buf = tokio::io::ReadBuf::uninit(&mut memory);
        // What is in the buffer already stays there.
        buf.put_slice(b"#");
        let read = tokio::io::AsyncRead::poll_read(Pin::new(s), cx, &mut buf);
        read.map_ok(|()| buf.filled()[1..].to_vec())
    }
}

struct Hyper;

impl Dialect for Hyper {
    fn write(s: &mut TcpStream, cx: &mut Context<'_>, parts: &[&[u8]]) -> Poll<io::Result<usize>> {
        assert!(hyper::rt::Write::is_write_vectored(s));
        match parts {
            [one] => hyper::rt::Write::poll_write(Pin::new(s), cx, one),
            many => hyper::rt::Write::poll_write_vectored(Pin::new(s), cx, &slices(many)),
        }
    }

    fn close(s: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        assert!(hyper::rt::Write::poll_flush(Pin::new(s), cx).is_ready());
        hyper::rt::Write::poll_shutdown(Pin::new(s), cx)
    }

    fn read(s: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        let mut memory = [std::mem::MaybeUninit::uninit(); 100];
        let mut buf = hyper::rt::ReadBuf::uninit(&mut memory);
        let read = hyper::rt::Read::poll_read(Pin::new(s), cx, buf.unfilled());
        read.map_ok(|()| buf.filled().to_vec())
    }
}

async fn write<D: Dialect>(mut stream: TcpStream) {
    let text = b"a stream speaks every dialect";
    let mut sent = 0;
    while sent < text.len() {
        let rest = &text[sent..];
        let parts = [&rest[..rest.len() / 2], &rest[rest.len() / 2..]];
        let parts = if sent % 2 == 0 { &parts[..] } else { &[rest][..] };
        sent += poll_fn(|cx| D::write(&mut stream, cx, parts)).await.unwrap();
        corio::yield_now().await;
    }
    poll_fn(|cx| D::close(&mut stream, cx)).await.unwrap();
    // The other direction is still open.
    assert_eq!(read_all(&stream).await.unwrap(), b"");
}

async fn read<D: Dialect>(mut stream: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let part = poll_fn(|cx| D::read(&mut stream, cx)).await.unwrap();
        if part.is_empty() {
            return all;
        }
        all.extend(part);
    }
}

async fn talk<A: Dialect + 'static, B: Dialect + 'static>() {
    let (a, b) = pair().await;
    let writer = corio::create_task(write::<A>(a));
    assert_eq!(read::<B>(b).await, b"a stream speaks every dialect");
    writer.await.unwrap();
}

#[test]
fn every_dialect_understands_every_other() {
    once(async {
        talk::<Futures, Futures>().await;
        talk::<Futures, Tokio>().await;
        talk::<Tokio, Hyper>().await;
        talk::<Hyper, Futures>().await;
        talk::<Tokio, Tokio>().await;
        talk::<Hyper, Hyper>().await;
    });
}

fn reads<
    T: futures_io::AsyncRead + tokio::io::AsyncRead + hyper::rt::Read + Unpin + Send + Sync,
>() {
}

fn writes<T>()
where
    T: futures_io::AsyncWrite + tokio::io::AsyncWrite + hyper::rt::Write + Unpin + Send + Sync,
{
}

#[test]
fn streams_and_halves_have_all_traits() {
    reads::<TcpStream>();
    writes::<TcpStream>();
    reads::<corio::net::OwnedReadHalf>();
    writes::<corio::net::OwnedWriteHalf>();
    reads::<corio::net::ReadHalf<'_>>();
    writes::<corio::net::WriteHalf<'_>>();
    reads::<corio::net::ReadHalf<'_, corio::net::UnixStream>>();
    writes::<corio::net::WriteHalf<'_, corio::net::UnixStream>>();
}

#[test]
fn futures_are_send_and_sync() {
    fn both<T: Send + Sync>(value: T) -> T {
        value
    }
    once(async {
        let (a, _b) = pair().await;
        let mut buf = [0; 1];
        drop(both(a.read(&mut buf)));
        drop(both(a.read_exact(&mut buf)));
        drop(both(a.peek(&mut buf)));
        drop(both(a.write(b"x")));
        drop(both(a.write_all(b"x")));
        drop(both(a.readable()));
        let listener = both(corio::net::TcpListener::bind("127.0.0.1:0")).await.unwrap();
        drop(both(listener.accept()));
        drop(both(TcpStream::connect("localhost:1")));
        drop(both(corio::net::lookup_host("localhost", 1)));
        drop(both(corio::signal::ctrl_c()));
    });
}

/// hyper's timer is the runtime's: it resets without an allocation, and ends on time.
#[test]
fn hypers_timer_ticks() {
    use hyper::rt::Timer;
    use std::time::{Duration, Instant};

    once(async {
        let timer = corio::hyper::CorioTimer;
        let start = Instant::now();
        let mut sleep = timer.sleep(Duration::from_secs(100));
        timer.reset(&mut sleep, timer.now() + Duration::from_millis(5));
        sleep.as_mut().await;
        timer.sleep_until(timer.now() + Duration::from_millis(5)).await;
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(10) && took < Duration::from_secs(50), "{took:?}");
    });
}

//! asyncio's streams by the traits of futures-io and of tokio.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use corio::net::TcpStream;
use corio::stream::{StreamReader, StreamWriter, connect_accepted_socket};

use crate::{everywhere, once, pair, read_all};

type Polled<T> = Poll<io::Result<T>>;

/// One family of traits.
trait Dialect {
    fn read(reader: &mut StreamReader, cx: &mut Context<'_>, buf: &mut [u8]) -> Polled<usize>;
    fn fill(reader: &mut StreamReader, cx: &mut Context<'_>) -> Polled<Vec<u8>>;
    fn consume(reader: &mut StreamReader, n: usize);
    fn write(writer: &mut StreamWriter, cx: &mut Context<'_>, parts: &[&[u8]]) -> Polled<usize>;
    fn flush(writer: &mut StreamWriter, cx: &mut Context<'_>) -> Polled<()>;
    fn end(writer: &mut StreamWriter, cx: &mut Context<'_>) -> Polled<()>;
}

fn slices<'a>(parts: &[&'a [u8]]) -> Vec<IoSlice<'a>> {
    parts.iter().map(|part| IoSlice::new(part)).collect()
}

struct Futures;

impl Dialect for Futures {
    fn read(reader: &mut StreamReader, cx: &mut Context<'_>, buf: &mut [u8]) -> Polled<usize> {
        futures_io::AsyncRead::poll_read(Pin::new(reader), cx, buf)
    }

    fn fill(reader: &mut StreamReader, cx: &mut Context<'_>) -> Polled<Vec<u8>> {
        futures_io::AsyncBufRead::poll_fill_buf(Pin::new(reader), cx).map_ok(<[u8]>::to_vec)
    }

    fn consume(reader: &mut StreamReader, n: usize) {
        futures_io::AsyncBufRead::consume(Pin::new(reader), n);
    }

    fn write(writer: &mut StreamWriter, cx: &mut Context<'_>, parts: &[&[u8]]) -> Polled<usize> {
        use futures_io::AsyncWrite;
        match parts {
            [one] => AsyncWrite::poll_write(Pin::new(writer), cx, one),
            many => AsyncWrite::poll_write_vectored(Pin::new(writer), cx, &slices(many)),
        }
    }

    fn flush(writer: &mut StreamWriter, cx: &mut Context<'_>) -> Polled<()> {
        futures_io::AsyncWrite::poll_flush(Pin::new(writer), cx)
    }

    fn end(writer: &mut StreamWriter, cx: &mut Context<'_>) -> Polled<()> {
        futures_io::AsyncWrite::poll_close(Pin::new(writer), cx)
    }
}

struct Tokio;

impl Dialect for Tokio {
    fn read(reader: &mut StreamReader, cx: &mut Context<'_>, buf: &mut [u8]) -> Polled<usize> {
        let mut buf = tokio::io::ReadBuf::new(buf);
        let read = tokio::io::AsyncRead::poll_read(Pin::new(reader), cx, &mut buf);
        read.map_ok(|()| buf.filled().len())
    }

    fn fill(reader: &mut StreamReader, cx: &mut Context<'_>) -> Polled<Vec<u8>> {
        tokio::io::AsyncBufRead::poll_fill_buf(Pin::new(reader), cx).map_ok(<[u8]>::to_vec)
    }

    fn consume(reader: &mut StreamReader, n: usize) {
        tokio::io::AsyncBufRead::consume(Pin::new(reader), n);
    }

    fn write(writer: &mut StreamWriter, cx: &mut Context<'_>, parts: &[&[u8]]) -> Polled<usize> {
        use tokio::io::AsyncWrite;
        assert!(AsyncWrite::is_write_vectored(writer));
        match parts {
            [one] => AsyncWrite::poll_write(Pin::new(writer), cx, one),
            many => AsyncWrite::poll_write_vectored(Pin::new(writer), cx, &slices(many)),
        }
    }

    fn flush(writer: &mut StreamWriter, cx: &mut Context<'_>) -> Polled<()> {
        tokio::io::AsyncWrite::poll_flush(Pin::new(writer), cx)
    }

    fn end(writer: &mut StreamWriter, cx: &mut Context<'_>) -> Polled<()> {
        tokio::io::AsyncWrite::poll_shutdown(Pin::new(writer), cx)
    }
}

const LARGE: usize = 3 << 20;

fn pattern() -> Vec<u8> {
    (0..LARGE).map(|i| (i % 251) as u8).collect()
}

/// Sends the pattern, in one part or two, and never has more queued than the marks allow.
async fn send<D: Dialect>(writer: &mut StreamWriter) {
    let all = pattern();
    let (mut rest, mut turn) = (&all[..], 0);
    let high = writer.get_write_buffer_limits().1;
    while !rest.is_empty() {
        turn += 1;
        let halves = rest.split_at(rest.len().min(turn % 3 * 1000));
        let parts = if turn % 2 == 0 { vec![rest] } else { vec![halves.0, halves.1] };
        let n = poll_fn(|cx| D::write(writer, cx, &parts)).await.unwrap();
        assert!(n > 0 && writer.queued() <= 2 * high, "{} are queued", writer.queued());
        rest = &rest[n..];
    }
    poll_fn(|cx| D::flush(writer, cx)).await.unwrap();
    assert_eq!(writer.queued(), 0, "all is sent");
}

async fn both_ways<A: Dialect, B: Dialect>() {
    let (near, far) = pair().await;
    let (mut near_reader, mut near_writer) = connect_accepted_socket(near).unwrap();
    let (mut far_reader, mut far_writer) = connect_accepted_socket(far).unwrap();
    let sender = async {
        send::<A>(&mut near_writer).await;
        poll_fn(|cx| A::end(&mut near_writer, cx)).await.unwrap();
        // The other direction is still open.
        let mut answer = Vec::new();
        loop {
            let bytes = poll_fn(|cx| A::fill(&mut near_reader, cx)).await.unwrap();
            if bytes.is_empty() {
                return answer;
            }
            let n = bytes.len().min(9);
            answer.extend_from_slice(&bytes[..n]);
            A::consume(&mut near_reader, n);
        }
    };
    let receiver = async {
        let (mut all, mut buf) = (Vec::new(), vec![0; 50_000]);
        loop {
            match poll_fn(|cx| B::read(&mut far_reader, cx, &mut buf)).await.unwrap() {
                0 => break,
                n => all.extend_from_slice(&buf[..n]),
            }
            corio::yield_now().await;
        }
        assert!(all == pattern(), "{} bytes came", all.len());
        assert!(far_reader.at_eof());
        poll_fn(|cx| B::write(&mut far_writer, cx, &[b"thank", b" you\n"])).await.unwrap();
        for _ in 0..2 {
            poll_fn(|cx| B::end(&mut far_writer, cx)).await.unwrap();
        }
    };
    let (answer, ()) = corio::join!(sender, receiver);
    assert_eq!(answer, b"thank you\n");
    near_writer.close();
    far_writer.close();
}

#[test]
fn bytes_go_both_ways_and_ends_are_told() {
    everywhere(async || {
        both_ways::<Futures, Tokio>().await;
        both_ways::<Tokio, Futures>().await;
    });
}

/// A writer in whose queue something is left, and the end that does not read yet.
async fn stuffed() -> (StreamReader, StreamWriter, TcpStream) {
    let (near, far) = pair().await;
    let (reader, mut writer) = connect_accepted_socket(near).unwrap();
    writer.write(&pattern());
    writer.write(&pattern());
    assert!(writer.queued() > writer.get_write_buffer_limits().1, "it is too much for the system");
    (reader, writer, far)
}

async fn waits<D: Dialect>() {
    let short = Duration::from_millis(5);
    let (_reader, mut writer, far) = stuffed().await;
    let write = poll_fn(|cx| D::write(&mut writer, cx, &[b"!"]));
    assert!(corio::timeout(short, write).await.is_err(), "there is no room");
    let flush = poll_fn(|cx| D::flush(&mut writer, cx));
    assert!(corio::timeout(short, flush).await.is_err(), "it is not sent");
    let ended = async {
        poll_fn(|cx| D::write(&mut writer, cx, &[b"!"])).await.unwrap();
        poll_fn(|cx| D::end(&mut writer, cx)).await.unwrap();
        assert_eq!(writer.queued(), 0);
    };
    let ((), all) = corio::join!(ended, read_all(&far));
    let all = all.unwrap();
    assert_eq!((all.len(), all.last()), (2 * LARGE + 1, Some(&b'!')));
    writer.close();
    // A flush of what is closed waits for its end, and nothing is written any more.
    poll_fn(|cx| D::flush(&mut writer, cx)).await.unwrap();
    writer.wait_closed().await.unwrap();
    let late = poll_fn(|cx| D::write(&mut writer, cx, &[b"late"])).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::ConnectionReset);
    poll_fn(|cx| D::end(&mut writer, cx)).await.unwrap();
}

#[test]
fn a_writer_waits_for_room_and_a_flush_for_everything() {
    once(async {
        waits::<Futures>().await;
        waits::<Tokio>().await;
    });
}

#[test]
fn what_was_taken_is_sent_though_the_writer_is_dropped() {
    once(async {
        let (reader, mut writer, far) = stuffed().await;
        let flush = poll_fn(|cx| Tokio::flush(&mut writer, cx));
        assert!(corio::timeout(Duration::from_millis(5), flush).await.is_err());
        drop((reader, writer));
        assert_eq!(read_all(&far).await.unwrap().len(), 2 * LARGE);
    });
}

#[test]
fn a_lost_connection_is_told_to_who_waits() {
    once(async {
        let (_reader, mut writer, far) = stuffed().await;
        let waiting = async {
            let error = poll_fn(|cx| Futures::write(&mut writer, cx, &[b"!"])).await.unwrap_err();
            let again = poll_fn(|cx| Futures::flush(&mut writer, cx)).await.unwrap_err();
            assert_eq!(error.kind(), again.kind());
            error.kind()
        };
        let goes = async {
            corio::sleep(Duration::from_millis(5)).await;
            drop(far);
        };
        let (kind, ()) = corio::join!(waiting, goes);
        assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind:?}");
        writer.close();
    });
}

#[test]
fn both_kinds_of_reading_take_turns() {
    once(async {
        let (near, far) = pair().await;
        let (mut reader, _writer) = connect_accepted_socket(near).unwrap();
        // Nobody has written yet: what is given up takes nothing.
        let read = poll_fn(|cx| Tokio::read(&mut reader, cx, &mut [0; 9]));
        assert!(corio::timeout(Duration::from_millis(5), read).await.is_err());
        far.write_all(b"one\ntwo\nthree\n").await.unwrap();
        let mut buf = [0; 2];
        assert_eq!(poll_fn(|cx| Tokio::read(&mut reader, cx, &mut buf)).await.unwrap(), 2);
        assert_eq!(&buf, b"on");
        assert_eq!(reader.read_line().await.unwrap(), b"e\n");
        assert_eq!(poll_fn(|cx| Futures::read(&mut reader, cx, &mut [])).await.unwrap(), 0);
        assert_eq!(poll_fn(|cx| Futures::read(&mut reader, cx, &mut buf)).await.unwrap(), 2);
        assert_eq!(reader.read_line().await.unwrap(), b"o\n");
        Futures::consume(&mut reader, 0);
        assert_eq!(reader.read_line().await.unwrap(), b"three\n");
        Futures::consume(&mut reader, 100);
        drop(far);
        assert_eq!(poll_fn(|cx| Futures::fill(&mut reader, cx)).await.unwrap(), b"");
        assert!(reader.at_eof());
    });
}

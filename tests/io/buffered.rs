//! `BufReader` and `BufWriter`: the same bytes whatever the sizes of pieces and buffers are.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use corio::io::{BufReader, BufWriter, ByteSink, ByteSource, copy, copy_bidirectional, duplex};
use corio::net::{Shutdown, UnixStream};
use corio::stream::{ReadError, connect_accepted_socket};

use crate::{everywhere, once, pair};

/// Lines, an empty one among them, and an end without one: what every way to read is tried on.
const TEXT: &[u8] = b"one\n\ntwo;three;;four\nno end";

/// Writes pieces of `size` bytes, each of which is flushed, so that the other end may see it alone.
async fn feed<W: ByteSink>(writer: &mut BufWriter<W>, size: usize) {
    for piece in TEXT.chunks(size) {
        writer.write_all(piece).await.unwrap();
        writer.flush().await.unwrap();
        corio::yield_now().await;
    }
}

/// Reads the text in every way.
async fn reads<R: ByteSource>(reader: &mut BufReader<R>) {
    assert_eq!(reader.read_line().await.unwrap(), b"one\n");
    assert_eq!(reader.lines().next_line().await.unwrap().unwrap(), b"\n");
    assert_eq!(reader.read_until(&[b";;", b";"]).await.unwrap(), b"two;");
    assert_eq!(reader.read_exact(4).await.unwrap(), b"thre");
    // Of two separators the one that ends first.
    assert_eq!(reader.read_until(&[b";;"]).await.unwrap(), b"e;;");
    let some = reader.read(Some(2)).await.unwrap();
    assert!(!some.is_empty() && b"fo".starts_with(&some));
    assert_eq!(reader.read(Some(0)).await.unwrap(), b"");
    let rest = [some, reader.read_line().await.unwrap()].concat();
    assert_eq!(rest, b"four\n");
    assert_eq!(reader.read_line().await.unwrap(), b"no end");
    assert!(reader.at_eof());
    assert!(reader.lines().next_line().await.is_none());
    let Err(ReadError::Incomplete { partial, expected }) = reader.read_exact(3).await else {
        panic!("there is nothing left")
    };
    assert_eq!((partial, expected), (Vec::new(), Some(3)));
}

#[test]
fn every_way_to_read_whatever_the_pieces() {
    everywhere(async || {
        for size in 1..=TEXT.len() {
            // A half of a TCP connection: the other half goes.
            let (near, far) = pair().await;
            let sending = corio::create_task(async move {
                let mut writer = BufWriter::new(near.into_split().1);
                feed(&mut writer, size).await;
            });
            reads(&mut BufReader::with_capacity(size, far.into_split().0)).await;
            sending.await.unwrap();
            // A stream in memory, which holds less than a line.
            let (near, far) = duplex(3);
            let sending = corio::create_task(async move {
                let mut writer = BufWriter::with_capacity(size, near);
                feed(&mut writer, size).await;
            });
            reads(&mut BufReader::new(far)).await;
            sending.await.unwrap();
        }
    });
}

#[test]
fn what_is_written_arrives_whatever_the_sizes() {
    everywhere(async || {
        let bytes: Vec<u8> = (0..10_000).map(|i| (i % 251) as u8).collect();
        for (capacity, piece, held) in
            [(1, 3, 7), (7, 3, 5), (8, 8, 1000), (100, 33, 64), (5000, 999, 100), (64, 5000, 999)]
        {
            let (near, far) = duplex(held);
            let sent = bytes.clone();
            let sending = corio::create_task(async move {
                let mut writer = BufWriter::with_capacity(capacity, near);
                for piece in sent.chunks(piece) {
                    let mut rest = piece;
                    while !rest.is_empty() {
                        let n = writer.write(rest).await.unwrap();
                        assert!(n > 0 && writer.buffer().len() <= capacity);
                        rest = &rest[n..];
                    }
                }
                let (mut near, unwritten) = writer.into_inner();
                near.write_all(&unwritten).await.unwrap();
            });
            let mut reader = BufReader::new(far);
            assert!(reader.read(None).await.unwrap() == bytes, "{capacity} {piece} {held}");
            sending.await.unwrap();
        }
    });
}

#[test]
fn a_limit_holds_for_lines_and_chunks_and_not_for_exact_reads() {
    once(async {
        let (mut feed, stream) = duplex(64);
        feed.write_all(b"a long line\nshort\nbut.this.is.longer").await.unwrap();
        drop(feed);
        let mut reader = BufReader::new(stream).limit(8);
        let overrun = reader.read_line().await.unwrap_err();
        assert!(matches!(overrun, ReadError::LimitOverrun { consumed: 11 }), "{overrun}");
        assert_eq!(reader.read_line().await.unwrap(), b"short\n", "the long one is gone");
        let overrun = reader.read_until(&[b"!"]).await.unwrap_err();
        assert!(matches!(overrun, ReadError::LimitOverrun { consumed: 18 }), "{overrun}");
        assert_eq!(reader.read_exact(18).await.unwrap(), b"but.this.is.longer", "it is kept");
    });
}

/// A failure tells, and leaves what was not written.
#[test]
fn a_writer_whose_peer_is_gone_keeps_what_it_has() {
    once(async {
        let (near, far) = UnixStream::pair().unwrap();
        let mut writer = BufWriter::with_capacity(8, &near);
        writer.write_all(b"abc").await.unwrap();
        drop(far);
        for _ in 0..2 {
            let error = writer.flush().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            let error = writer.write_all(b"defghi").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            assert_eq!(writer.buffer(), b"abc");
        }
        assert_eq!(writer.into_inner().1, b"abc");
    });
}

#[test]
fn a_copy_begins_with_what_was_read_ahead() {
    everywhere(async || {
        let (feed, source) = pair().await;
        let (target, sink) = UnixStream::pair().unwrap();
        feed.write_all(b"head\nbody, ").await.unwrap();
        let mut reader = BufReader::new(source);
        assert_eq!(reader.read_line().await.unwrap(), b"head\n");
        feed.write_all(b"and more").await.unwrap();
        feed.shutdown(Shutdown::Write).unwrap();
        let mut writer = BufWriter::new(target);
        writer.write_all(b"new head\n").await.unwrap();
        assert_eq!(copy(&mut reader, &mut writer).await.unwrap(), 14);
        assert!(reader.at_eof() && writer.buffer().is_empty());
        let mut seen = [0; 23];
        sink.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"new head\nbody, and more");
    });
}

/// Who sends the question waits for the answer before it sends more.
#[test]
fn a_copy_holds_nothing_back_while_its_source_is_silent() {
    everywhere(async || {
        let (mut client, front) = duplex(64);
        let (back, mut server) = duplex(64);
        let proxy = corio::create_task(async move {
            // The first line is for the proxy.
            let mut front = BufReader::new(BufWriter::new(front));
            assert_eq!(front.read_line().await.unwrap(), b"to the server\n");
            let mut back = BufWriter::new(BufReader::new(back));
            copy_bidirectional(&mut front, &mut back).await.unwrap()
        });
        let mut buf = [0; 4];
        client.write_all(b"to the server\n").await.unwrap();
        for _ in 0..3 {
            client.write_all(b"ping").await.unwrap();
            server.read_exact(&mut buf).await.unwrap();
            assert_eq!(&buf, b"ping");
            server.write_all(b"pong").await.unwrap();
            client.read_exact(&mut buf).await.unwrap();
            assert_eq!(&buf, b"pong");
        }
        client.shutdown();
        assert_eq!(server.read(&mut buf).await.unwrap(), 0, "the end goes through buffers too");
        server.shutdown();
        assert_eq!(proxy.await.unwrap(), (12, 12));
    });
}

/// A writer that queues: flushed is what the system has.
#[test]
fn a_flush_waits_for_a_queue() {
    everywhere(async || {
        const SIZE: usize = 1 << 20;
        let (near, far) = UnixStream::pair().unwrap();
        let (_reader, writer) = connect_accepted_socket(near).unwrap();
        let mut writer = BufWriter::new(writer);
        let reading = corio::create_task(async move {
            BufReader::with_capacity(1 << 16, far).read(None).await.unwrap().len()
        });
        for piece in vec![7; SIZE].chunks(1000) {
            writer.write_all(piece).await.unwrap();
            let (_, high) = writer.get_ref().get_write_buffer_limits();
            assert!(writer.get_ref().queued() <= 2 * high);
        }
        writer.flush().await.unwrap();
        assert_eq!(writer.get_ref().queued(), 0);
        writer.get_mut().close();
        assert_eq!(reading.await.unwrap(), SIZE);
    });
}

/// Both kinds of reading share the buffer, and so do both of writing.
#[test]
fn the_traits_of_others_take_turns_with_its_own() {
    once(async {
        let (near, far) = duplex(64);
        let mut writer = BufWriter::new(near);
        writer.write_all(b"one\n").await.unwrap();
        let two =
            poll_fn(|cx| tokio::io::AsyncWrite::poll_write(Pin::new(&mut writer), cx, b"two"));
        assert_eq!(two.await.unwrap(), 3);
        let more = b"\nthree";
        let three =
            poll_fn(|cx| futures_io::AsyncWrite::poll_write(Pin::new(&mut writer), cx, more));
        assert_eq!(three.await.unwrap(), 6);
        assert_eq!(writer.buffer(), b"one\ntwo\nthree");
        poll_fn(|cx| futures_io::AsyncWrite::poll_flush(Pin::new(&mut writer), cx)).await.unwrap();
        assert_eq!(writer.buffer(), b"");
        poll_fn(|cx| tokio::io::AsyncWrite::poll_shutdown(Pin::new(&mut writer), cx))
            .await
            .unwrap();

        let mut reader = BufReader::new(far);
        let filled = poll_fn(|cx| {
            futures_io::AsyncBufRead::poll_fill_buf(Pin::new(&mut reader), cx)
                .map_ok(<[u8]>::to_vec)
        });
        assert_eq!(filled.await.unwrap(), b"one\ntwo\nthree");
        tokio::io::AsyncBufRead::consume(Pin::new(&mut reader), 2);
        assert_eq!(reader.read_line().await.unwrap(), b"e\n");
        let mut buf = [0; 2];
        let read =
            poll_fn(|cx| futures_io::AsyncRead::poll_read(Pin::new(&mut reader), cx, &mut buf));
        assert_eq!(read.await.unwrap(), 2);
        let mut rest = tokio::io::ReadBuf::new(&mut buf);
        poll_fn(|cx| tokio::io::AsyncRead::poll_read(Pin::new(&mut reader), cx, &mut rest))
            .await
            .unwrap();
        assert_eq!(rest.filled(), b"o\n");
        assert_eq!(reader.read(None).await.unwrap(), b"three");
    });
}

/// What is dropped in the middle leaves a beginning behind: it goes out once, and then what comes next.
#[test]
fn nothing_is_written_twice() {
    once(async {
        let (near, mut far) = duplex(3);
        let mut writer = BufWriter::with_capacity(8, near);
        writer.write_all(b"abcdef").await.unwrap();
        let early = corio::timeout(Duration::from_millis(1), writer.flush()).await;
        assert!(early.is_err(), "three are held, and nobody reads");
        assert_eq!(writer.buffer(), b"def");
        // Six are in there with these, behind three that are gone.
        writer.write_all(b"ghi").await.unwrap();
        let mut write = writer.write_all(b"0123456789");
        let pending = poll_fn(|cx| Poll::Ready(Pin::new(&mut write).poll(cx).is_pending()));
        assert!(pending.await && write.written() == 0);
        let reading = corio::create_task(async move {
            let mut seen = [0; 9];
            far.read_exact(&mut seen).await.unwrap();
            (seen, far)
        });
        writer.flush().await.unwrap();
        let (seen, far) = reading.await.unwrap();
        assert_eq!(&seen, b"abcdefghi");
        drop(writer);
        assert_eq!(BufReader::new(far).read(None).await.unwrap(), b"");
    });
}

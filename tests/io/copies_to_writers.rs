//! Copies to asyncio's writers, which queue: as much as their marks say.

use std::io::ErrorKind;
use std::time::Duration;

use corio::io::{BufWriter, copy};
use corio::net::UnixStream;
use corio::stream::{
    StreamReader, StreamWriter, connect_accepted_socket, open_connection, start_server,
};

use crate::copies::pattern;
use crate::ssl::papers::{serving, trusting};
use crate::{everywhere, pair};

const LARGE: usize = 3 << 20;

/// A writer's queue grows no longer than its marks say, however long the source is and however slow the
/// reader.
#[test]
fn a_copy_to_a_writer_waits_for_room() {
    const SIZE: usize = 4 << 20;
    /// What a copy reads at a time, at most.
    const PIECE: usize = 32 << 10;
    const HIGH: usize = 8 << 10;

    everywhere(async || {
        let (feed, mut source) = pair().await;
        let (near, far) = UnixStream::pair().unwrap();
        let (_reader, mut writer) = connect_accepted_socket(near).unwrap();
        writer.set_write_buffer_limits(Some(HIGH), None);
        let feeder = corio::create_task(async move {
            for piece in pattern(SIZE).chunks(100_003) {
                feed.write_all(piece).await.unwrap();
            }
        });
        let mut copying = copy(&mut source, &mut writer);
        let (mut before, mut same) = (None, 0);
        // Nobody reads: it goes on until the system and the queue are full.
        while same < 5 {
            let early = corio::timeout(Duration::from_millis(2), &mut copying).await;
            assert!(early.is_err(), "there is no room for all of it");
            let copied = Some(copying.copied());
            same = if before == copied && copied > Some(0) { same + 1 } else { 0 };
            before = copied;
        }
        let (copied, held) = (copying.copied(), copying.unwritten().to_vec());
        assert!(copied < SIZE as u64 && held.len() <= PIECE);
        drop(copying);
        assert!(writer.queued() <= HIGH + PIECE, "{} bytes are queued", writer.queued());
        // Now somebody does, and nothing is lost or doubled.
        let reader = corio::create_task(async move {
            let mut all = Vec::with_capacity(SIZE);
            let mut buf = vec![0; 100_000];
            loop {
                match far.read(&mut buf).await.unwrap() {
                    0 => break all,
                    n => all.extend_from_slice(&buf[..n]),
                }
            }
        });
        writer.write(&held);
        writer.drain().await.unwrap();
        let rest = copy(&mut source, &mut writer).await.unwrap();
        assert_eq!(copied + held.len() as u64 + rest, SIZE as u64);
        assert_eq!(writer.queued(), 0, "what was copied, the system has");
        writer.close();
        writer.wait_closed().await.unwrap();
        assert!(reader.await.unwrap() == pattern(SIZE));
        feeder.await.unwrap();
    });
}

/// From one asyncio stream to another and back; a copy ends neither.
#[test]
fn a_copy_between_asyncio_s_streams() {
    everywhere(async || {
        let (client, near) = UnixStream::pair().unwrap();
        let (far, server) = UnixStream::pair().unwrap();
        let echo = corio::create_task(async move {
            let (mut reader, mut writer) = connect_accepted_socket(server).unwrap();
            let copied = copy(&mut reader, &mut writer).await.unwrap();
            writer.write(b"the end");
            writer.close();
            writer.wait_closed().await.unwrap();
            copied
        });
        let proxy = corio::create_task(async move {
            let (mut front, mut to_client) = connect_accepted_socket(near).unwrap();
            let (mut back, mut to_server) = connect_accepted_socket(far).unwrap();
            let forth = async {
                let copied = copy(&mut front, &mut to_server).await.unwrap();
                to_server.write_eof().unwrap();
                copied
            };
            let moved =
                corio::join!(forth, async { copy(&mut back, &mut to_client).await.unwrap() });
            to_client.close();
            to_client.wait_closed().await.unwrap();
            moved
        });
        let (mut reader, mut writer) = connect_accepted_socket(client).unwrap();
        let bytes = pattern(LARGE);
        let sending = async {
            writer.write(&bytes);
            writer.write_eof().unwrap();
            writer.drain().await.unwrap();
        };
        let (answer, ()) = corio::join!(reader.read(None), sending);
        assert!(answer.unwrap() == [&bytes[..], b"the end"].concat());
        assert_eq!(echo.await.unwrap(), LARGE as u64);
        assert_eq!(proxy.await.unwrap(), (LARGE as u64, LARGE as u64 + 7));
    });
}

/// A writer that was ended, closed or lost takes no more, and says so.
#[test]
fn a_copy_to_a_writer_that_takes_no_more_fails() {
    everywhere(async || {
        for (ending, kind) in [
            ("eof", ErrorKind::BrokenPipe),
            ("close", ErrorKind::ConnectionReset),
            ("abort", ErrorKind::ConnectionAborted),
        ] {
            let (mut source, feed) = UnixStream::pair().unwrap();
            feed.write_all(b"too late").await.unwrap();
            let (near, _far) = UnixStream::pair().unwrap();
            let (_reader, mut writer) = connect_accepted_socket(near).unwrap();
            match ending {
                "eof" => writer.write_eof().unwrap(),
                "close" => writer.close(),
                _ => writer.abort(),
            }
            let mut copying = copy(&mut source, &mut writer);
            let error = (&mut copying).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{ending}: {error}");
            assert_eq!(copying.unwritten(), b"too late", "{ending}");
        }
    });
}

/// TLS has no other buffers than these: copied back by the server, collected by the client.
#[test]
fn a_copy_to_a_secured_writer() {
    everywhere(async || {
        let echo = async |mut reader: StreamReader, mut writer: StreamWriter| {
            copy(&mut reader, &mut writer).await.expect("the client reads all of it");
            assert_eq!(writer.queued(), 0);
            writer.close();
            writer.wait_closed().await.expect("the client ends, too");
        };
        let server = start_server(echo, "127.0.0.1:0").ssl(serving()).await.unwrap();
        let open = open_connection(("localhost", server.local_addrs()[0].port()));
        let (mut reader, writer) = open.ssl(trusting()).await.unwrap();
        let bytes = pattern(LARGE / 10);
        let sending = async {
            let mut writer = BufWriter::new(writer);
            for piece in bytes.chunks(1000) {
                writer.write_all(piece).await.unwrap();
            }
            writer.flush().await.unwrap();
            assert_eq!(writer.get_ref().queued(), 0);
            writer.get_mut().write_eof().unwrap();
            writer
        };
        let (answer, writer) = corio::join!(reader.read(None), sending);
        assert!(answer.unwrap() == bytes);
        drop(writer);
        server.close();
        server.wait_closed().await;
    });
}

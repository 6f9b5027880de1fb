//! asyncio's streams: what test_streams.py and test_server.py of CPython ask of them.

use std::io::ErrorKind;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use corio::net::{TcpListener, TcpStream, UnixListener};
use corio::stream::{
    ReadError, Server, StreamReader, StreamWriter, open_connection, open_unix_connection,
    start_server, start_unix_server,
};

use crate::unix::scratch;
use crate::{everywhere, once, until};

/// A reader of everything that is written here.
pub async fn fed(limit: usize) -> (StreamReader, StreamWriter, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let open = open_connection(listener.local_addr().unwrap()).limit(limit);
    let (opened, accepted) = (corio::create_task(open), listener.accept().await.unwrap());
    let (reader, writer) = opened.await.unwrap().unwrap();
    (reader, writer, accepted.0)
}

/// A reader whose writer stays, so that the connection does.
struct Fed(StreamReader, #[expect(dead_code, reason = "it is there to be kept")] StreamWriter);

impl Deref for Fed {
    type Target = StreamReader;

    fn deref(&self) -> &StreamReader {
        &self.0
    }
}

impl DerefMut for Fed {
    fn deref_mut(&mut self) -> &mut StreamReader {
        &mut self.0
    }
}

async fn feed(parts: &[&[u8]], limit: usize) -> Fed {
    let (reader, writer, peer) = fed(limit).await;
    let parts: Vec<Vec<u8>> = parts.iter().map(|part| part.to_vec()).collect();
    drop(corio::create_task(async move {
        for part in parts {
            peer.write_all(&part).await.unwrap();
            corio::sleep(Duration::from_millis(1)).await;
        }
    }));
    Fed(reader, writer)
}

// conforms: 21 test_feed_empty_data
// conforms: 21 test_feed_nonempty_data
// conforms: 21 test_read_zero
// conforms: 21 test_read
// conforms: 21 test_read_line_breaks
// conforms: 21 test_read_eof
// conforms: 21 test_read_until_eof
// conforms: 21 test_read_limit
// conforms: 21 test_readexactly_limit
// conforms: 21 test_at_eof
// conforms: 23 test_read_ready_eof
#[test]
fn reads_of_a_number_of_bytes() {
    everywhere(async || {
        let mut reader = feed(&[b"line1\nline2\n"], 1 << 16).await;
        assert_eq!(reader.read(Some(0)).await.unwrap(), b"");
        assert_eq!(reader.read(Some(5)).await.unwrap(), b"line1");
        assert_eq!(reader.read(Some(100)).await.unwrap(), b"\nline2\n");
        assert!(!reader.at_eof());
        assert_eq!(reader.read(Some(100)).await.unwrap(), b"");
        assert!(reader.at_eof());
        let mut reader = feed(&[b"chunk1\n", b"chunk2"], 1 << 16).await;
        assert_eq!(reader.read(None).await.unwrap(), b"chunk1\nchunk2");
        // The limit is for separators only.
        let mut reader = feed(&[b"chunk"], 3).await;
        assert_eq!(reader.read(Some(5)).await.unwrap(), b"chunk");
        let mut reader = feed(&[b"chunk"], 3).await;
        assert_eq!(reader.read_exact(5).await.unwrap(), b"chunk");
    });
}

// conforms: 21 StreamTests.test_readline
// conforms: 21 test_readline_nolimit_nowait
// conforms: 21 test_readline_eof
// conforms: 21 test_readline_empty_eof
// conforms: 21 test_readline_read_byte_count
// conforms: 21 StreamReaderTests.test_readline
#[test]
fn lines() {
    everywhere(async || {
        let mut reader = feed(&[b"chunk1 ", b"chunk2 ", b"chunk3 \n chunk4"], 1 << 16).await;
        assert_eq!(reader.read_line().await.unwrap(), b"chunk1 chunk2 chunk3 \n");
        assert_eq!(reader.read_line().await.unwrap(), b" chunk4", "the part before the end");
        assert_eq!(reader.read_line().await.unwrap(), b"", "the end");
        let mut reader = feed(&[b"one\ntwo\n\nfour"], 1 << 16).await;
        let mut lines = reader.lines();
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().await {
            all.push(String::from_utf8(line.unwrap()).unwrap());
        }
        assert_eq!(all, ["one\n", "two\n", "\n", "four"]);
    });
}

// conforms: 21 test_readline_limit_with_existing_data
// conforms: 21 test_readline_limit
#[test]
fn a_line_beyond_the_limit_is_removed() {
    once(async {
        let mut reader = feed(&[b"li", b"ne1\nline2\n"], 3).await;
        let error = reader.read_line().await.unwrap_err();
        assert!(matches!(error, ReadError::LimitOverrun { consumed: 5 | 4 }), "{error:?}");
        // What was there of the next line stays, or went if the first was still incomplete.
        let mut reader = feed(&[b"line1\nl2\n"], 3).await;
        let error = reader.read_line().await.unwrap_err();
        assert!(matches!(error, ReadError::LimitOverrun { consumed: 5 }), "{error:?}");
        assert_eq!(reader.read_line().await.unwrap(), b"l2\n");
        // A line of exactly the limit is not too long.
        let mut reader = feed(&[b"abc\nabcd\n"], 3).await;
        assert_eq!(reader.read_line().await.unwrap(), b"abc\n");
        assert!(reader.read_line().await.is_err());
    });
}

// conforms: 21 test_readexactly_zero_or_less
// conforms: 21 test_readexactly
// conforms: 21 test_readexactly_eof
#[test]
fn exact_reads() {
    everywhere(async || {
        let mut reader = feed(&[b"data", b"data", b"dat"], 1 << 16).await;
        assert_eq!(reader.read_exact(0).await.unwrap(), b"");
        assert_eq!(reader.read_exact(8).await.unwrap(), b"datadata");
        match reader.read_exact(4).await {
            Err(ReadError::Incomplete { partial, expected: Some(4) }) => {
                assert_eq!(partial, b"dat")
            }
            other => panic!("{other:?}"),
        }
        assert!(reader.at_eof());
    });
}

// conforms: 21 test_readuntil_multi_chunks
// conforms: 21 test_readuntil_multi_chunks_1
// conforms: 21 test_readuntil_eof
// conforms: 21 test_readuntil_multi_separator
// conforms: 21 test_readuntil_multi_separator_negative_offset
// conforms: 21 test_readuntil_bytearray
#[test]
fn separators() {
    everywhere(async || {
        let mut reader = feed(&[b"QWERTY", b"UIOP!", b"!!PAYLOAD!!!"], 1 << 16).await;
        assert_eq!(reader.read_until(&[b"!!!"]).await.unwrap(), b"QWERTYUIOP!!!");
        assert_eq!(reader.read_until(&[b"!!!"]).await.unwrap(), b"PAYLOAD!!!");
        match reader.read_until(&[b"AAA"]).await {
            Err(ReadError::Incomplete { partial, expected: None }) => assert_eq!(partial, b""),
            other => panic!("{other:?}"),
        }
        // Of several separators the one that ends first.
        let mut reader = feed(&[b"XaabYab"], 1 << 16).await;
        assert_eq!(reader.read_until(&[b"aab", b"ab"]).await.unwrap(), b"Xaab");
        assert_eq!(reader.read_until(&[b"aab", b"ab"]).await.unwrap(), b"Yab");
        let mut reader = feed(&[b"data"], 1 << 16).await;
        match reader.read_until(&[b"A", b"long letterA"]).await {
            Err(ReadError::Incomplete { partial, expected: None }) => assert_eq!(partial, b"data"),
            other => panic!("{other:?}"),
        }
    });
}

// conforms: 21 test_readuntil_limit_found_sep
#[test]
fn an_overrun_keeps_the_data() {
    once(async {
        let mut reader = feed(&[b"some dataAA"], 3).await;
        match reader.read_until(&[b"AAA"]).await {
            Err(ReadError::LimitOverrun { consumed }) => {
                let consumed_data = reader.read_exact(consumed).await.unwrap();
                assert!(b"some data".starts_with(&consumed_data[..]), "{consumed}");
            }
            other => panic!("{other:?}"),
        }
        let mut reader = feed(&[b"some dataAAA"], 3).await;
        match reader.read_until(&[b"AAA"]).await {
            Err(ReadError::LimitOverrun { consumed: 9 | 10 }) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(reader.read_exact(12).await.unwrap(), b"some dataAAA");
    });
}

// conforms: 21 test_readuntil_separator
#[test]
#[should_panic(expected = "separator 1 of read_until is empty")]
fn an_empty_separator_is_refused() {
    corio::run(async {
        let mut reader = feed(&[], 1 << 16).await;
        drop(reader.read_until(&[b"x", b""]));
    });
}

/// A read that is dropped at any poll has taken nothing.
// conforms: 21 test_exception_cancel
#[test]
fn a_cancelled_read_loses_nothing() {
    everywhere(async || {
        let mut reader = feed(&[b"abc", b"def", b"\nrest"], 1 << 16).await;
        let line = loop {
            let short = Duration::from_micros(300);
            match corio::timeout(short, reader.read_line()).await {
                Ok(line) => break line.unwrap(),
                Err(_) => assert!(!reader.at_eof()),
            }
        };
        assert_eq!(line, b"abcdef\n");
        assert_eq!(reader.read(None).await.unwrap(), b"rest");
    });
}

pub async fn echo(mut reader: StreamReader, mut writer: StreamWriter) {
    while let Ok(data) = reader.read(Some(1 << 16)).await {
        if data.is_empty() {
            break;
        }
        writer.write(&data);
        if writer.drain().await.is_err() {
            break;
        }
    }
}

// conforms: 22 test_wait_closed_on_close
// conforms: 22 test_async_writer_api
// conforms: 22 test_async_writer_api_exception_after_close
// conforms: 23 SelectorSocketTransportTests.test_write
// conforms: 23 test_write_partial
// conforms: 23 test_write_tryagain
// conforms: 23 test_write_eof
// conforms: 23 test_write_eof_buffer
#[test]
fn more_than_the_socket_takes_is_queued_and_sent() {
    const SIZE: usize = 8 << 20;
    everywhere(async || {
        let (mut reader, mut writer, peer) = fed(1 << 16).await;
        let sink = corio::create_task(async move {
            let mut buf = vec![0; 1 << 16];
            let mut seen = 0_usize;
            loop {
                match peer.read(&mut buf).await.unwrap() {
                    0 => break,
                    n => {
                        assert!((0..n).all(|i| buf[i] == (seen + i) as u8), "in order");
                        seen += n;
                    }
                }
            }
            peer.write_all(b"thanks").await.unwrap();
            seen
        });
        let data: Vec<u8> = (0..SIZE).map(|i| i as u8).collect();
        for (i, part) in data.chunks(100_000).enumerate() {
            writer.write(part);
            if i % 3 == 0 {
                writer.drain().await.unwrap();
                assert!(writer.queued() <= 64 << 10);
            }
        }
        writer.write_eof().unwrap();
        assert_eq!(sink.await.unwrap(), SIZE);
        assert_eq!(reader.read(None).await.unwrap(), b"thanks");
        writer.close();
        assert!(writer.is_closing());
        writer.wait_closed().await.unwrap();
        assert_eq!(writer.drain().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

// conforms: 22 test_unclosed_resource_warnings
// conforms: 23 SelectorTransportTests.test_close
// conforms: 23 test_close_write_buffer
#[test]
fn closing_sends_what_is_queued() {
    everywhere(async || {
        let (_reader, mut writer, peer) = fed(1 << 16).await;
        writer.write(&vec![7; 4 << 20]);
        assert!(writer.queued() > 0);
        drop(writer);
        let mut seen = 0;
        let mut buf = vec![0; 1 << 16];
        loop {
            match peer.read(&mut buf).await.unwrap() {
                0 => break,
                n => seen += n,
            }
        }
        assert_eq!(seen, 4 << 20);
    });
}

// conforms: 23 test_abort
// conforms: 23 test_force_close
#[test]
fn aborting_drops_what_is_queued() {
    once(async {
        let (mut reader, mut writer, peer) = fed(1 << 16).await;
        writer.write(&vec![7; 8 << 20]);
        writer.abort();
        let error = writer.wait_closed().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
        assert_eq!(writer.drain().await.unwrap_err().kind(), ErrorKind::ConnectionAborted);
        assert_eq!(reader.read(Some(1)).await.unwrap(), b"", "a local close is the reader's end");
        let came = crate::read_all(&peer).await.map_or(0, |all| all.len());
        assert!(came < 8 << 20, "nothing was dropped");
    });
}

// conforms: 22 test_drain_raises
// conforms: 23 test_write_exception
#[test]
fn a_writer_learns_that_the_peer_is_gone() {
    once(async {
        let (_reader, mut writer, peer) = fed(1 << 16).await;
        drop(peer);
        let error = loop {
            writer.write(b"data");
            if let Err(error) = writer.drain().await {
                break error;
            }
            corio::sleep(Duration::from_millis(1)).await;
        };
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
    });
}

// conforms: 22 test_writelines_empty_chunk
// conforms: 23 test_flowcontrol_mixin_set_write_limits
#[test]
fn many_may_drain_and_limits_are_asyncios() {
    once(async {
        let (_reader, mut writer, _peer) = fed(1 << 16).await;
        assert_eq!(writer.get_write_buffer_limits(), (16 << 10, 64 << 10));
        writer.set_write_buffer_limits(Some(80), None);
        assert_eq!(writer.get_write_buffer_limits(), (20, 80));
        writer.set_write_buffer_limits(None, Some(60));
        assert_eq!(writer.get_write_buffer_limits(), (60, 240));
        writer.write_lines([&b""[..], b"", b""]);
        writer.close();
        writer.wait_closed().await.unwrap();
    });
}

async fn server(clients: &Arc<AtomicUsize>) -> Server {
    let clients = clients.clone();
    let handler = move |reader, writer| {
        let clients = clients.clone();
        async move {
            clients.fetch_add(1, Relaxed);
            echo(reader, writer).await;
            clients.fetch_sub(1, Relaxed);
        }
    };
    start_server(handler, "127.0.0.1:0").await.unwrap()
}

// conforms: 22 test_open_connection
// conforms: 22 test_start_server
// conforms: 22 test_wait_closed_basic
// conforms: 22 test_wait_closed_race
// conforms: 22 test_close_clients
// conforms: 22 EventLoopTestsMixin.test_server_close
// conforms: 22 test_accept_connection_multiple
// conforms: 30 test_create_connection
// conforms: 30 test_create_server
#[test]
fn a_server_and_its_clients() {
    everywhere(async || {
        let clients = Arc::default();
        let server = server(&clients).await;
        assert!(server.is_serving());
        let address = server.local_addrs()[0];
        let mut open = Vec::new();
        for n in 0..5_u8 {
            let (mut reader, mut writer) = open_connection(address).await.unwrap();
            writer.write(&[n, b'\n']);
            assert_eq!(reader.read_line().await.unwrap(), [n, b'\n']);
            open.push((reader, writer));
        }
        assert_eq!(clients.load(Relaxed), 5);
        server.close();
        assert!(!server.is_serving());
        until("the socket is closed", || std::net::TcpStream::connect(address).is_err()).await;
        let left = corio::timeout(Duration::from_millis(20), server.wait_closed()).await;
        assert!(left.is_err(), "clients are still there");
        server.close_clients();
        server.wait_closed().await;
        for (reader, _) in &mut open {
            assert_eq!(reader.read(Some(1)).await.unwrap(), b"");
        }
        assert!(server.serve_forever().await.is_err(), "it is closed");
    });
}

// conforms: 22 test_start_server_1
// conforms: 22 test_start_unix_server_1
#[test]
fn serving_for_ever_ends_with_its_task() {
    everywhere(async || {
        let handler = async |_: StreamReader, _: StreamWriter| {};
        let server = start_server(handler, "127.0.0.1:0").start_serving(false).await.unwrap();
        assert!(!server.is_serving());
        let address = server.local_addrs()[0];
        let server = Arc::new(server);
        let ours = server.clone();
        let task = corio::create_task(async move { ours.serve_forever().await });
        until("it serves", || server.is_serving()).await;
        task.abort();
        server.wait_closed().await;
        assert!(std::net::TcpStream::connect(address).is_err());
        assert!(!server.is_serving());
        assert!(server.serve_forever().await.is_err(), "it is closed");
        // Whether its own task has noticed or not.
        let server = start_server(handler, "127.0.0.1:0").await.unwrap();
        server.close();
        assert!(server.serve_forever().await.is_err(), "it is closed");
    });
}

// conforms: 22 test_abort_clients
#[test]
fn clients_are_aborted_with_what_is_queued() {
    const SIZE: usize = 32 << 20;
    once(async {
        let handler = async |_reader: StreamReader, mut writer: StreamWriter| {
            writer.write(&vec![1; SIZE]);
            let _ = writer.drain().await;
            std::future::pending::<()>().await;
        };
        let server = start_server(handler, "127.0.0.1:0").await.unwrap();
        let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        reader.read_exact(1).await.unwrap();
        server.abort_clients();
        let mut seen = 1;
        loop {
            match reader.read(Some(1 << 20)).await.unwrap_or_default().len() {
                0 => break,
                n => seen += n,
            }
        }
        // A client that is closed gets all of it.
        assert!(seen < SIZE, "nothing was dropped");
    });
}

/// A handler that panics harms its own connection only.
// conforms: 22 test_unhandled_exception
#[test]
fn a_handler_that_panics() {
    once(async {
        let handler = async |mut reader: StreamReader, mut writer: StreamWriter| {
            let line = reader.read_line().await.unwrap();
            assert!(line != b"bad\n", "a bad line, on purpose");
            writer.write(&line);
        };
        let server = start_server(handler, "127.0.0.1:0").await.unwrap();
        let address = server.local_addrs()[0];
        for (sent, expected) in [(&b"bad\n"[..], &b""[..]), (b"good\n", b"good\n")] {
            let (mut reader, mut writer) = open_connection(address).await.unwrap();
            writer.write(sent);
            assert_eq!(reader.read(None).await.unwrap(), expected);
        }
        server.close();
        server.wait_closed().await;
    });
}

// conforms: 22 test_open_unix_connection
// conforms: 22 test_start_unix_server
// conforms: 22 test_unix_server_addr_cleanup
// conforms: 22 test_unix_server_sock_cleanup
// conforms: 22 test_unix_server_cleanup_gone
// conforms: 22 test_unix_server_cleanup_replaced
// conforms: 30 test_create_unix_connection
// conforms: 30 test_create_unix_server
#[test]
fn a_unix_server_removes_its_own_file() {
    everywhere(async || {
        let folder = scratch();
        let path = folder.path().join("server");
        // A socket that is left from before is replaced.
        drop(UnixListener::bind(&path).unwrap());
        let server = start_unix_server(echo, &path).await.unwrap();
        let (mut reader, mut writer) = open_unix_connection(&path).await.unwrap();
        assert_eq!(writer.get_extra_info().path.as_deref(), Some(&*path));
        writer.write(b"hello\n");
        assert_eq!(reader.read_line().await.unwrap(), b"hello\n");
        writer.close();
        server.close();
        server.wait_closed().await;
        assert!(!path.exists());
        // One that another server has put there stays.
        let server = start_unix_server(echo, &path).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "not a socket").unwrap();
        server.close();
        server.wait_closed().await;
        assert!(path.exists());
        let error = start_unix_server(echo, &path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    });
}

// conforms: 22 test_create_server_addr_in_use
// conforms: 22 test_create_server_cant_bind
#[test]
fn a_server_that_cannot_bind_leaves_nothing() {
    once(async {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // An address of this test's own: no other one gets the port.
        let free = std::net::TcpListener::bind("127.0.0.77:0").unwrap().local_addr().unwrap();
        let both = [free, taken.local_addr().unwrap()];
        let error = start_server(echo, both).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        drop(TcpListener::bind(free).await.unwrap());
    });
}

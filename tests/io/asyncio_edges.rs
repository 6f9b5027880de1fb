//! asyncio's streams, continued: errors, ends, and what servers do at their edges.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use corio::net::{TcpListener, TcpStream, UnixStream};
use corio::stream::{
    ReadError, StreamReader, StreamWriter, connect_accepted_socket, open_connection,
    open_unix_connection, start_server, start_unix_server,
};
use corio_tests::kit::poll_once;

use crate::asyncio_streams::fed;
use crate::unix::scratch;
use crate::{everywhere, once, plays, until};

/// Ends a connection by a reset.
fn reset(peer: TcpStream) {
    peer.set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
}

// conforms: 21 test_read_exception
// conforms: 21 test_readline_exception
// conforms: 21 test_readexactly_exception
// conforms: 21 test_exception
// conforms: 21 test_exception_waiter
// conforms: 22 test_open_connection_error
// conforms: 23 test_read_ready_conn_reset
// differs: nothing is stored: the read that meets the error returns it
#[test]
fn errors_reach_whoever_reads() {
    everywhere(async || {
        for wait_first in [true, false] {
            let (mut reader, _writer, peer) = fed(1 << 16).await;
            let reading = corio::create_task(async move {
                let error = reader.read(Some(1)).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            });
            if wait_first {
                corio::sleep(Duration::from_millis(2)).await;
            }
            reset(peer);
            reading.await.unwrap();
            let (mut reader, _writer, peer) = fed(1 << 16).await;
            reset(peer);
            match reader.read_line().await {
                Err(ReadError::Io(error)) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
                other => panic!("{other:?}"),
            }
            let (mut reader, _writer, peer) = fed(1 << 16).await;
            reset(peer);
            match reader.read_exact(3).await {
                Err(ReadError::Io(error)) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
                other => panic!("{other:?}"),
            }
        }
    });
}

// conforms: 21 test_IncompleteReadError_pickleable
// conforms: 21 test_LimitOverrunError_pickleable
// differs: errors move to other threads as they are; a system's error in them cannot be cloned
#[test]
fn errors_keep_what_they_say_on_another_thread() {
    once(async {
        let (mut reader, _writer, peer) = fed(3).await;
        peer.write_all(b"abcdef").await.unwrap();
        let overrun = reader.read_until(&[b"|"]).await.unwrap_err();
        drop(peer);
        let incomplete = reader.read_exact(10).await.unwrap_err();
        let told = corio::to_thread(move || match (overrun, incomplete) {
            (
                ReadError::LimitOverrun { consumed },
                ReadError::Incomplete { partial, expected: Some(expected) },
            ) => (consumed, partial, expected),
            other => panic!("{other:?}"),
        });
        assert_eq!(told.await.unwrap(), (6, b"abcdef".to_vec(), 10));
    });
}

// conforms: 21 test_invalid_limit
#[test]
#[should_panic(expected = "must be more than 0 bytes")]
fn a_limit_of_nothing_is_refused() {
    corio::run(async {
        drop(open_connection("127.0.0.1:1").limit(0));
    });
}

// conforms: 21 test_readuntil_multi_separator_limit
#[test]
fn the_limit_holds_for_the_shortest_separator() {
    once(async {
        let (mut reader, _writer, peer) = fed(3).await;
        peer.write_all(b"some dataA").await.unwrap();
        match reader.read_until(&[b"A", b"ome dataA"]).await {
            Err(ReadError::LimitOverrun { consumed }) => assert!(consumed > 3, "{consumed}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(reader.read_exact(10).await.unwrap(), b"some dataA", "all of it is there");
    });
}

// conforms: 21 test___repr__
// conforms: 21 test___repr__nondefault_limit
// conforms: 21 test___repr__eof
// conforms: 21 test___repr__data
// conforms: 21 test___repr__exception
// conforms: 21 test___repr__waiter
// conforms: 21 test___repr__transport
// differs: errors and waiters are not kept, so they are not shown
#[test]
fn readers_show_their_state() {
    once(async {
        let (mut reader, _writer, peer) = fed(123).await;
        let shown = format!("{reader:?}");
        assert!(shown.contains("buffered: 0, limit: 123, eof: false"), "{shown}");
        assert!(shown.contains("Connection"), "{shown}");
        peer.write_all(b"four").await.unwrap();
        drop(peer);
        reader.read_exact(1).await.unwrap();
        assert!(format!("{reader:?}").contains("buffered: 3"));
        reader.read(None).await.unwrap();
        assert!(format!("{reader:?}").contains("buffered: 0, limit: 123, eof: true"));
    });
}

// conforms: 22 test_wait_closed_on_close_with_unread_data
// conforms: 22 test_eof_feed_when_closing_writer
// conforms: 23 test_write_eof_after_close
#[test]
fn closing_does_not_wait_for_what_nobody_reads() {
    everywhere(async || {
        let (mut reader, mut writer, peer) = fed(1 << 16).await;
        peer.write_all(b"unread").await.unwrap();
        writer.close();
        writer.wait_closed().await.unwrap();
        writer.write_eof().unwrap();
        let rest = reader.read(None).await.unwrap();
        assert!(b"unread".starts_with(&rest[..]) && reader.at_eof());
    });
}

// conforms: 23 test_writelines_sendmsg_full
// conforms: 23 test_writelines_sendmsg_partial
// conforms: 23 test_writelines_pauses_protocol
// conforms: 23 test_writelines_after_connection_lost
#[test]
fn many_lines_go_out_together() {
    everywhere(async || {
        let (mut reader, mut writer, peer) = fed(1 << 16).await;
        writer.write_lines([&b"a\n"[..], b"", b"bc\n"]);
        let mut seen = [0; 5];
        peer.read_exact(&mut seen).await.unwrap();
        assert_eq!((&seen, writer.queued()), (b"a\nbc\n", 0));
        // More pieces than one system call takes, and more bytes than the socket.
        let line = [7; 1000];
        writer.write_lines(std::iter::repeat_n(&line[..], 8000));
        assert!(writer.queued() > 64 << 10, "drain would wait");
        let drained = corio::create_task(async move {
            writer.drain().await.unwrap();
            writer
        });
        let mut all = vec![0; 8_000_000];
        peer.read_exact(&mut all).await.unwrap();
        assert!(all.iter().all(|byte| *byte == 7));
        let mut writer = drained.await.unwrap();
        reset(peer);
        assert!(reader.read(None).await.is_err());
        while writer.drain().await.is_ok() {
            writer.write(b"x");
            corio::yield_now().await;
        }
        writer.write_lines([&b"late"[..]]);
        assert_eq!(writer.queued(), 0, "nobody takes it");
    });
}

/// Up to the high mark `drain` returns at once; above it, it waits for the low one.
#[test]
fn a_drain_waits_from_the_high_mark_to_the_low_one() {
    const HIGH: usize = 4 << 20;
    const LOW: usize = 1 << 20;
    everywhere(async || {
        let (ours, peer) = UnixStream::pair().unwrap();
        let (_reader, mut writer) = connect_accepted_socket(ours).unwrap();
        writer.set_write_buffer_limits(Some(HIGH), Some(LOW));
        writer.write(&vec![7; HIGH]);
        assert!(writer.queued() > LOW, "the socket holds less");
        assert!(poll_once(writer.drain()).is_ready(), "the high mark is not passed");
        writer.write(&vec![7; HIGH]);
        assert!(writer.queued() > HIGH);
        let writer = Arc::new(writer);
        let drains = writer.clone();
        let drain = corio::create_task(async move { drains.drain().await });
        let (mut seen, mut buf) = (0, vec![0; 64 << 10]);
        // The peer takes a little at a time, so that a drain that ends early is seen to.
        while !drain.done() {
            if seen < 2 * HIGH {
                seen += peer.read(&mut buf).await.unwrap();
            }
            corio::yield_now().await;
        }
        assert!(writer.queued() <= LOW, "{} bytes are queued", writer.queued());
        drain.await.unwrap().unwrap();
    });
}

/// Where nobody sets a limit it is 64 KiB, on both sides: a line so long is read, and one that is
/// longer by a byte is not.
#[test]
fn the_limit_is_64_kib_unless_another_is_set() {
    const LIMIT: usize = 64 << 10;
    async fn talk(mut reader: StreamReader, mut writer: StreamWriter) -> (usize, bool) {
        for size in [LIMIT, LIMIT + 1] {
            writer.write(&[&vec![b'x'; size][..], b"\n"].concat());
        }
        let line = reader.read_line().await.unwrap();
        let error = reader.read_line().await.unwrap_err();
        // The peer reads to the end of what was sent.
        writer.write_eof().unwrap();
        while !reader.read(Some(LIMIT)).await.unwrap().is_empty() {}
        (line.len(), matches!(error, ReadError::LimitOverrun { .. }))
    }
    everywhere(async || {
        let (told, mut tell) = corio::sync::mpsc::unbounded();
        let handler = move |reader, writer| {
            let told = told.clone();
            async move { told.send(talk(reader, writer).await).unwrap() }
        };
        let server = start_server(handler, "127.0.0.1:0").await.unwrap();
        let (reader, writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        assert_eq!(talk(reader, writer).await, (LIMIT + 1, true), "the client");
        assert_eq!(tell.recv().await, Some((LIMIT + 1, true)), "the server");
    });
}

// conforms: 22 test_unhandled_cancel
#[test]
fn a_handler_that_was_cancelled_closes_silently() {
    let (test, part) = ("asyncio_edges::a_handler_that_was_cancelled_closes_silently", "cancelled");
    if plays(part) {
        return once(async {
            let handler = async |_: StreamReader, _: StreamWriter| {
                corio::Cancelled::new("enough").raise::<()>().await;
            };
            let server = start_server(handler, "127.0.0.1:0").await.unwrap();
            let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await.unwrap();
            assert_eq!(reader.read(None).await.unwrap(), b"");
            server.close();
            server.wait_closed().await;
        });
    }
    let said = crate::well(crate::play(test, part, &[]).output().unwrap());
    assert!(!said.contains("enough"), "{said}");
}

// conforms: 22 test_close_with_hanging_client
#[test]
fn a_server_that_is_cancelled_lets_idle_clients_go() {
    everywhere(async || {
        let handler = async |mut reader: StreamReader, _writer: StreamWriter| {
            // Waits for a client that says nothing.
            let _ = reader.read(None).await;
        };
        let server = Arc::new(start_server(handler, "127.0.0.1:0").await.unwrap());
        let ours = server.clone();
        let serving = corio::create_task(async move { ours.serve_forever().await });
        until("it serves", || server.is_serving()).await;
        let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        // The client has been handed to its handler before the server is told to end.
        corio::sleep(Duration::from_millis(5)).await;
        serving.cancel();
        assert!(serving.await.unwrap_err().is_cancelled());
        server.wait_closed().await;
        assert!(reader.read(None).await.unwrap_or_default().is_empty());
    });
}

// conforms: 22 test_create_server_dual_stack
// conforms: 22 test_create_server_ipv6
// conforms: 30 test_create_server_multiple_hosts_ipv4
// conforms: 30 test_create_server_multiple_hosts_ipv6
#[test]
fn a_server_listens_on_every_address() {
    once(async {
        async fn handler(mut reader: StreamReader, mut writer: StreamWriter) {
            writer.write(&reader.read_line().await.unwrap());
        }
        let has_v6 = std::net::TcpListener::bind("[::1]:0").is_ok();
        let mut taken = 0;
        let (server, addresses) = loop {
            let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
            let mut addresses = vec![([127, 0, 0, 1], port).into(), ([127, 0, 0, 2], port).into()];
            if has_v6 {
                addresses.push(format!("[::1]:{port}").parse().unwrap());
            }
            match start_server(handler, addresses.clone()).await {
                Ok(server) => break (server, addresses),
                // Another test has got the port meanwhile.
                Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse),
            }
            taken += 1;
            assert!(taken < 100, "no port is free");
        };
        assert_eq!(server.local_addrs(), addresses);
        for address in addresses {
            let (mut reader, mut writer) = open_connection(address).await.unwrap();
            assert_eq!(writer.get_extra_info().peer_addr, Some(address));
            writer.write(b"x\n");
            assert_eq!(reader.read(None).await.unwrap(), b"x\n");
        }
    });
}

// conforms: 22 test_open_unix_connection_error
#[test]
fn a_unix_connection_that_ends_is_an_end_for_its_reader() {
    everywhere(async || {
        let folder = scratch();
        let path = folder.path().join("server");
        let error = open_unix_connection(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let handler = async |_: StreamReader, _: StreamWriter| {};
        let _server = start_unix_server(handler, &path).await.unwrap();
        let (mut reader, mut writer) = open_unix_connection(&path).await.unwrap();
        assert_eq!(reader.read(None).await.unwrap(), b"");
        let error = loop {
            writer.write(b"data");
            match writer.drain().await {
                Ok(()) => corio::yield_now().await,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn handlers_run_in_copies_of_the_context_of_who_started_the_server() {
    use corio::ContextVar;
    static WHO: ContextVar<&str> = ContextVar::new("who");
    once(async {
        WHO.set("starter");
        let heard = Arc::new(corio::sync::Queue::new(0));
        let tells = heard.clone();
        let handler = move |_reader, mut writer: StreamWriter| {
            let tells = tells.clone();
            async move {
                tells.put((WHO.get(), corio::current_task().is_some())).await.unwrap();
                WHO.set("handler");
                writer.close();
            }
        };
        let server = start_server(handler, "127.0.0.1:0").await.unwrap();
        WHO.set("somebody else");
        for _ in 0..2 {
            let (mut reader, mut writer) = open_connection(server.local_addrs()[0]).await.unwrap();
            assert_eq!(heard.get().await.unwrap(), (Some("starter"), true));
            assert_eq!(reader.read(None).await.unwrap(), b"");
            writer.close();
        }
        assert_eq!(WHO.get(), Some("somebody else"));
        server.close();
    });
}

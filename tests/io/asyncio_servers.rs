//! What servers of asyncio's streams do at the rarer rows of test_server.py, test_base_events.py and
//! test_server_context.py.

use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use corio::ContextVar;
use corio::net::{TcpStream, UdpSocket};
use corio::stream::{
    Server, StreamReader, StreamWriter, open_connection, start_server, start_unix_server,
};
use socket2::SockRef;

use crate::asyncio_streams::echo;
use crate::unix::scratch;
use crate::{everywhere, once, play, plays};

/// What a client is told that says nothing.
async fn greeting(address: SocketAddr) -> Vec<u8> {
    let (mut reader, _writer) = open_connection(address).await.unwrap();
    reader.read(None).await.unwrap()
}

/// Says a line to a server that echoes.
async fn is_served(address: SocketAddr) {
    let (mut reader, mut writer) = open_connection(address).await.unwrap();
    writer.write(b"hello\n");
    assert_eq!(reader.read_line().await.unwrap(), b"hello\n");
}

// conforms: 5 test_start_server1
// conforms: 5 test_start_server2
// conforms: 5 test_start_server3
// conforms: 5 test_create_server1
// conforms: 5 test_create_server2
// differs: a handler takes the place of a protocol and its factory
#[test]
fn handlers_run_in_copies_of_the_context_that_made_the_server() {
    static WORD: ContextVar<&str> = ContextVar::with_default("word", "default");
    once(async {
        for expected in ["default", "before the server"] {
            if expected != "default" {
                WORD.set(expected);
            }
            let handler = async |_: StreamReader, mut writer: StreamWriter| {
                writer.write(WORD.get().unwrap().as_bytes());
                WORD.set("in a handler");
                writer.drain().await.unwrap();
            };
            let server = start_server(handler, "127.0.0.1:0").await.unwrap();
            WORD.set("after the server");
            let address = server.local_addrs()[0];
            for _ in 0..3 {
                assert_eq!(greeting(address).await, expected.as_bytes());
            }
            let clients = (0..50).map(|_| corio::create_task(greeting(address)));
            for client in clients.collect::<Vec<_>>() {
                assert_eq!(client.await.unwrap(), expected.as_bytes());
            }
            assert_eq!(WORD.get(), Some("after the server"));
        }
    });
}

// conforms: 19 TestServer.test_get_loop
#[test]
fn a_server_knows_its_loop() {
    once(async {
        let server = start_server(echo, "127.0.0.1:0").await.unwrap();
        assert_eq!(server.get_loop().loops(), corio::Handle::current().loops());
        let other = corio::new_event_loop().unwrap();
        assert_ne!(server.get_loop().loops(), other.loops());
    });
}

// conforms: 22 test_unhandled_exception_sync_callback
#[test]
fn a_plain_function_that_panics_ends_its_own_connection() {
    once(async {
        let calls = Arc::new(AtomicUsize::new(0));
        let counts = calls.clone();
        let handler = move |reader: StreamReader, mut writer: StreamWriter| {
            assert!(counts.fetch_add(1, Relaxed) > 0, "the first call, on purpose");
            writer.write(b"served");
            drop((reader, writer));
            std::future::ready(())
        };
        let server = start_server(handler, "127.0.0.1:0").await.unwrap();
        let address = server.local_addrs()[0];
        assert_eq!(greeting(address).await, b"");
        assert_eq!(greeting(address).await, b"served");
        server.close();
        server.wait_closed().await;
        assert_eq!(calls.load(Relaxed), 2);
    });
}

// conforms: 22 test_unix_server_cleanup_prevented
#[test]
fn a_server_leaves_its_file_if_it_is_told_to() {
    once(async {
        let folder = scratch();
        let path = folder.path().join("server");
        let server = start_unix_server(echo, &path).cleanup_socket(false).await.unwrap();
        server.close();
        server.wait_closed().await;
        assert!(path.exists());
        // The next one replaces it, and removes its own.
        let server = start_unix_server(echo, &path).cleanup_socket(true).await.unwrap();
        server.close();
        server.wait_closed().await;
        assert!(!path.exists());
        // One that somebody has removed is not missed.
        let server = start_unix_server(echo, &path).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        server.close();
        server.wait_closed().await;
    });
}

// conforms: 22 test_create_server_empty_host
// differs: all interfaces are written 0.0.0.0 or [::]; an empty host is refused
#[test]
fn a_server_on_all_interfaces() {
    once(async {
        let error = start_server(echo, ":0").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let server = start_server(echo, "0.0.0.0:0").await.unwrap();
        let port = server.local_addrs()[0].port();
        for host in [[127, 0, 0, 1], [127, 0, 0, 2]] {
            is_served((host, port).into()).await;
        }
        if std::net::TcpListener::bind("[::1]:0").is_ok() {
            let server = start_server(echo, "[::]:0").await.unwrap();
            is_served(format!("[::1]:{}", server.local_addrs()[0].port()).parse().unwrap()).await;
        }
    });
}

// conforms: 22 test_create_server_no_host_port_sock
// conforms: 30 test_create_connection_no_host_port_sock
// conforms: 30 test_create_server_no_getaddrinfo
#[test]
fn no_address_is_an_error() {
    once(async {
        let none = Vec::<SocketAddr>::new();
        let error = start_server(echo, none.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), "no address was given");
        let error = open_connection(none).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        // No such name can exist (RFC 2606).
        let error = start_server(echo, ("nowhere.invalid", 0)).await.unwrap_err();
        assert!(error.to_string().contains("lookup nowhere.invalid"), "{error}");
    });
}

// conforms: 22 test_accept_connection_retry
#[test]
fn a_server_that_finds_nobody_waits_for_the_next() {
    everywhere(async || {
        let server = start_server(echo, "127.0.0.1:0").await.unwrap();
        for _ in 0..3 {
            // Each time the listener has been found empty before.
            corio::sleep(Duration::from_millis(1)).await;
            is_served(server.local_addrs()[0]).await;
        }
    });
}

/// A server whose first client has gone by a reset before it is accepted.
async fn after_a_reset() -> Server {
    let server = start_server(echo, "127.0.0.1:0").start_serving(false).await.unwrap();
    let gone = std::net::TcpStream::connect(server.local_addrs()[0]).unwrap();
    SockRef::from(&gone).set_linger(Some(Duration::ZERO)).unwrap();
    drop(gone);
    server
}

// conforms: 22 test_accept_connection_skip_connectionabortederror
// differs: Linux accepts such a connection, and its handler meets the error
#[test]
fn a_client_that_has_gone_before_it_was_accepted_is_skipped() {
    everywhere(async || {
        let server = after_a_reset().await;
        server.start_serving();
        is_served(server.local_addrs()[0]).await;
        server.close();
        server.close_clients();
        server.wait_closed().await;
    });
}

// conforms: 22 test_accept_connection_exception
// conforms: 30 test_create_datagram_endpoint_socket_err
#[test]
fn a_server_without_descriptors_pauses_and_goes_on() {
    const TEST: &str = "asyncio_servers::a_server_without_descriptors_pauses_and_goes_on";
    if plays("exhausted") {
        return once(async {
            let server = start_server(echo, "127.0.0.1:0").start_serving(false).await.unwrap();
            // The system completes the connection; nobody has accepted it.
            let client = std::net::TcpStream::connect(server.local_addrs()[0]).unwrap();
            let mut taken = Vec::new();
            while let Ok(file) = std::fs::File::open("/dev/null") {
                taken.push(file);
            }
            let told = Arc::new(corio::sync::Queue::new(0));
            let tell = told.clone();
            corio::Handle::current().set_exception_handler(Some(Arc::new(move |_, context| {
                tell.put_nowait((Instant::now(), context.to_string())).unwrap();
            })));
            let start = Instant::now();
            server.start_serving();
            let (mut last, said) = told.get().await.unwrap();
            let expected = "the server cannot accept; it tries again in 1 s: Too many open files";
            assert!(said.starts_with(expected), "{said}");
            assert!(said.contains("asyncio_servers.rs"), "where it was started: {said}");
            let error = UdpSocket::bind("127.0.0.1:0").await.unwrap_err();
            assert!(error.to_string().starts_with("bind 127.0.0.1:0: "), "{error}");
            drop(taken);
            let client = TcpStream::from_std(client).unwrap();
            client.write_all(b"hello\n").await.unwrap();
            let mut seen = [0; 6];
            client.read_exact(&mut seen).await.unwrap();
            assert_eq!(&seen, b"hello\n");
            assert!(start.elapsed() >= Duration::from_millis(900), "it did not pause");
            assert!(server.is_serving());
            // Once, unless the machine has kept the descriptors from being closed for longer.
            while let Ok((at, said)) = told.get_nowait() {
                assert!(at - last >= Duration::from_millis(900), "it did not pause: {said}");
                last = at;
            }
        });
    }
    let limited = ["sh", "-c", "ulimit -n 60; exec \"$@\"", "sh"];
    crate::well(play(TEST, "exhausted", &limited).output().unwrap());
}

// conforms: 23 test_pause_resume_reading
// conforms: 23 test_pause_reading_connection_made
// differs: nothing is read ahead, so whoever does not read has paused
#[test]
fn a_handler_that_does_not_read_keeps_its_client_waiting() {
    const SIZE: usize = 16 << 20;
    everywhere(async || {
        let go = Arc::new(corio::sync::Event::new());
        let waits = go.clone();
        let handler = move |mut reader: StreamReader, mut writer: StreamWriter| {
            let go = waits.clone();
            async move {
                go.wait().await;
                let mut seen = 0;
                // A second pause, and a third: reading goes on where it was.
                for part in [1, SIZE / 2, SIZE / 2 - 1] {
                    seen += reader.read_exact(part).await.unwrap().len();
                    corio::sleep(Duration::from_millis(1)).await;
                }
                writer.write(seen.to_string().as_bytes());
            }
        };
        let server = start_server(handler, "127.0.0.1:0").await.unwrap();
        let (mut reader, mut writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        writer.write(&vec![7; SIZE]);
        let drained = corio::timeout(Duration::from_millis(10), writer.drain()).await;
        assert!(drained.is_err() && writer.queued() > 0, "somebody has read it all");
        go.set();
        writer.drain().await.unwrap();
        assert_eq!(reader.read(None).await.unwrap(), SIZE.to_string().as_bytes());
    });
}

// conforms: 22 test_multiple_drain
#[test]
fn many_tasks_drain_one_writer() {
    everywhere(async || {
        let (_reader, mut writer, peer) = crate::asyncio_streams::fed(1 << 16).await;
        writer.write(&vec![7; 8 << 20]);
        let writer = Arc::new(writer);
        let drains: Vec<_> = (0..10)
            .map(|_| {
                let writer = writer.clone();
                corio::create_task(async move { writer.drain().await.is_ok() })
            })
            .collect();
        corio::sleep(Duration::from_millis(5)).await;
        assert!(drains.iter().all(|drain| !drain.done()), "nobody has read");
        peer.read_exact(&mut vec![0; 8 << 20]).await.unwrap();
        for drain in drains {
            assert!(drain.await.unwrap());
        }
    });
}

// conforms: 23 test_write_ready_resume_writing_closes
// conforms: 23 test_write_sendmsg_resume_writing_closes
// differs: what drain wakes takes the place of the protocol's callback
#[test]
fn a_writer_is_closed_by_whom_drain_wakes() {
    everywhere(async || {
        for in_lines in [false, true] {
            let (mut reader, mut writer, peer) = crate::asyncio_streams::fed(1 << 16).await;
            let part = vec![7; 1 << 20];
            if in_lines {
                writer.write_lines(std::iter::repeat_n(&part[..], 8));
            } else {
                (0..8).for_each(|_| writer.write(&part));
            }
            let closes = corio::create_task(async move {
                writer.drain().await.unwrap();
                writer.close();
                writer.close();
                writer.wait_closed().await.unwrap();
                writer.wait_closed().await.unwrap();
            });
            let mut seen = 0;
            let mut buf = [0; 1 << 14];
            loop {
                match peer.read(&mut buf).await.unwrap() {
                    0 => break,
                    n => seen += n,
                }
            }
            assert_eq!(seen, 8 << 20, "nothing that was queued is lost");
            closes.await.unwrap();
            assert_eq!(reader.read(None).await.unwrap(), b"");
        }
    });
}

// conforms: 30 test_set_nodelay
#[test]
fn small_writes_are_sent_at_once() {
    once(async {
        let told = Arc::new(corio::sync::Deferred::new());
        let tells = told.clone();
        let handler = move |_reader, writer: StreamWriter| {
            let nodelay = SockRef::from(&writer.socket().unwrap()).tcp_nodelay().unwrap();
            tells.set_result(nodelay).unwrap();
            async move { drop(writer) }
        };
        let server = start_server(handler, "127.0.0.1:0").await.unwrap();
        let (_reader, writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        assert!(SockRef::from(&writer.socket().unwrap()).tcp_nodelay().unwrap());
        assert!((&*told).await.unwrap(), "the server's side");
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(corio::stream::connect_write_pipe(ours).unwrap().socket().is_none());
    });
}

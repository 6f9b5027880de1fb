//! Sockets, readiness and terminals at the rarer rows of test_events.py, test_base_events.py and
//! test_sock_lowlevel.py.

use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use corio::net::{
    Async, Direction, Shutdown, TcpListener, TcpStream, UdpSocket, lookup_addr, lookup_host,
    sendfile,
};
use corio::stream::{connect_read_pipe, connect_write_pipe, open_connection};
use corio::{EventLoop, Task};
use corio_tests::within;
use rustix::pty::OpenptFlags;
use rustix::termios::OptionalActions;
use socket2::{Domain, SockRef, Socket, Type};

use crate::{HARD_LIMIT, everywhere, once, pair, play, plays, read_all, until};

/// Runs a test with a single loop.
fn with_loop(body: impl FnOnce(&EventLoop) + Send + 'static) {
    within(HARD_LIMIT, "the loop", move || body(&corio::new_event_loop().unwrap()));
}

/// asyncio's `add_reader` and `add_writer`: a task that calls `f` whenever the socket may be ready,
/// until it says that it is enough. It may be called once too often, and finds nothing then.
fn add_callback(
    event_loop: &EventLoop,
    socket: UnixStream,
    direction: Direction,
    mut f: impl FnMut(&Async<UnixStream>) -> io::Result<bool> + 'static,
) -> Task<()> {
    event_loop.create_task(async move {
        let socket = Async::new(socket).unwrap();
        loop {
            match direction {
                Direction::Read => socket.readable().await.unwrap(),
                Direction::Write => socket.writable().await.unwrap(),
            }
            match f(&socket) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            // Once in each iteration of the loop.
            corio::yield_now().await;
        }
    })
}

/// Reads one byte; `None` at the end.
fn byte(socket: &Async<UnixStream>) -> io::Result<Option<u8>> {
    let mut buf = [0];
    let n = socket.try_io(Direction::Read, |mut socket| socket.read(&mut buf))?;
    Ok((n == 1).then_some(buf[0]))
}

// conforms: 19 test_reader_callback
// conforms: 30 test_reader_callback_cancel
// differs: a task that awaits readable takes the callback's place, and ending it removes it
#[test]
fn a_reader_is_called_while_there_is_something() {
    with_loop(|event_loop| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let seen = Rc::new(Cell::new(0));
        let reads = seen.clone();
        // One byte at a time: it is called again as long as there is more.
        let reader = add_callback(event_loop, ours, Direction::Read, move |socket| {
            let Some(byte) = byte(socket)? else { return Ok(false) };
            reads.set(reads.get() * 10 + u32::from(byte - b'0'));
            Ok(true)
        });
        theirs.write_all(b"123").unwrap();
        event_loop.run_until_complete(until("all was read", || seen.get() == 123)).unwrap();
        theirs.write_all(b"45").unwrap();
        drop(theirs);
        event_loop.run_until_complete(reader).unwrap().unwrap();
        assert_eq!(seen.get(), 12345);
        // One that removes itself inside its own call.
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let calls = Rc::new(Cell::new(0));
        let counts = calls.clone();
        let once = add_callback(event_loop, ours, Direction::Read, move |_| {
            counts.set(counts.get() + 1);
            assert!(corio::current_task().unwrap().cancel());
            Ok(true)
        });
        theirs.write_all(b"123").unwrap();
        let ended = event_loop.run_until_complete(once).unwrap();
        assert!(ended.unwrap_err().is_cancelled());
        assert_eq!(calls.get(), 1, "it was called after it had removed itself");
    });
}

// conforms: 19 test_writer_callback
// conforms: 30 test_writer_callback_cancel
// differs: as for readers, with writable
#[test]
fn a_writer_is_called_while_there_is_room() {
    with_loop(|event_loop| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let left = Rc::new(Cell::new(3));
        let counts = left.clone();
        let writer = add_callback(event_loop, ours, Direction::Write, move |socket| {
            let written = socket.try_io(Direction::Write, |mut socket| socket.write(b"x"))?;
            counts.set(counts.get() - written);
            Ok(counts.get() > 0)
        });
        event_loop.run_until_complete(writer).unwrap().unwrap();
        let mut seen = Vec::new();
        theirs.read_to_end(&mut seen).unwrap();
        assert_eq!((&seen[..], left.get()), (&b"xxx"[..], 0));
        // One that is removed is not called any more.
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let calls = Rc::new(Cell::new(0));
        let counts = calls.clone();
        let removed = add_callback(event_loop, ours, Direction::Write, move |_| {
            counts.set(counts.get() + 1);
            Ok(true)
        });
        assert!(removed.cancel(), "it was there");
        event_loop.run_until_complete(corio::sleep(Duration::from_millis(2))).unwrap();
        assert!(!removed.cancel(), "it is not any more");
        assert_eq!(calls.get(), 0);
    });
}

// conforms: 19 test_remove_fds_after_closing
// conforms: 19 test_add_fds_after_closing
// differs: as for readers
#[test]
fn readers_of_a_closed_loop() {
    with_loop(|event_loop| {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let never =
            |_: &Async<UnixStream>| -> io::Result<bool> { Err(ErrorKind::WouldBlock.into()) };
        let reader = add_callback(event_loop, ours, Direction::Read, never);
        event_loop.run_until_complete(corio::sleep(Duration::from_millis(2))).unwrap();
        event_loop.close().unwrap();
        assert!(reader.done() && !reader.cancel(), "the loop has let go of it");
        let (ours, _theirs) = UnixStream::pair().unwrap();
        assert!(event_loop.try_create_task(async move { Async::new(ours).map(drop) }).is_err());
    });
}

// conforms: 19 test_single_selecter_event_callback_after_stopping
// differs: as for readers
#[test]
fn an_event_is_handled_once_although_the_loop_stops() {
    with_loop(|event_loop| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let calls = Rc::new(Cell::new(0));
        let counts = calls.clone();
        let reader = add_callback(event_loop, ours, Direction::Read, move |socket| {
            let more = byte(socket)?.is_some();
            counts.set(counts.get() + 1);
            Ok(more)
        });
        theirs.write_all(b"1").unwrap();
        for _ in 0..5 {
            event_loop.stop();
            event_loop.run_forever().unwrap();
        }
        assert_eq!(calls.get(), 1);
        reader.abort();
    });
}

/// A closed port of this machine, and one that somebody listens on.
async fn open(address: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

// conforms: 22 test_create_connection_local_addr_in_use
// conforms: 22 test_create_connection_local_addr_skip_different_family
// conforms: 22 test_create_connection_local_addr_nomatch_family
#[test]
fn local_addresses_are_those_of_the_peers_family() {
    once(async {
        let (_listener, peer) = open("127.0.0.1:0").await;
        let v4: SocketAddr = "127.0.0.2:0".parse().unwrap();
        let v6: SocketAddr = "[::1]:0".parse().unwrap();
        let (_busy, taken) = open("127.0.0.3:0").await;
        let error = open_connection(peer).local_addr(taken).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&format!("bind {taken}")), "{error}");
        let error = open_connection(peer).local_addr(v6).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        assert!(error.to_string().contains("of family IPv4"), "{error}");
        // One for each family: each peer gets its own.
        let both = open_connection(peer).local_addr(v6).local_addr(v4);
        let info = both.await.unwrap().1.get_extra_info().clone();
        assert_eq!(info.local_addr.unwrap().ip(), v4.ip());
        // A peer of another family is passed over, although it comes first.
        if let Ok(other) = TcpListener::bind("[::1]:0").await {
            let peers = [other.local_addr().unwrap(), peer];
            let info =
                open_connection(peers).local_addr(v4).await.unwrap().1.get_extra_info().clone();
            assert_eq!(info.peer_addr, Some(peer));
        }
    });
}

// conforms: 22 test_port_parameter_types
// differs: a port is a number, alone or written behind its host; names of services are not looked up
#[test]
fn ports_are_numbers_or_text() {
    once(async {
        let (_listener, address) = open("127.0.0.1:0").await;
        let port = address.port();
        TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap();
        let error = TcpStream::connect("127.0.0.1:http").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

// conforms: 30 test_create_connection_ipv6_scope
#[test]
fn the_scope_of_an_address_is_kept() {
    once(async {
        let found = lookup_host("fe80::1%1", 80).await.unwrap();
        let scoped = SocketAddrV6::new("fe80::1".parse().unwrap(), 80, 0, 1);
        assert_eq!(found, [SocketAddr::V6(scoped)]);
    });
}

// conforms: 30 test_getnameinfo
#[test]
fn addresses_have_names() {
    once(async {
        // A port that nobody has given a name to (RFC 6335: ephemeral).
        let (host, service) = lookup_addr(([127, 0, 0, 1], 64999).into()).await.unwrap();
        assert_eq!(service, "64999");
        let back = lookup_host(&host, 0).await.unwrap();
        assert!(back.iter().any(|address| address.ip().is_loopback()), "{host}: {back:?}");
        assert!(corio::Handle::current().metrics().blocking_threads > 0, "it was off-loaded");
    });
    let outside = corio_tests::kit::poll_once(lookup_addr(([127, 0, 0, 1], 80).into()));
    assert!(matches!(outside, std::task::Poll::Ready(Err(_))));
}

// conforms: 30 test_blocking_socket
// differs: a blocking socket is made non-blocking, not rejected
#[test]
fn a_blocking_socket_does_not_block() {
    everywhere(async || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let client = TcpStream::from_std(client).unwrap();
        let mut buf = [0; 2];
        let silent = corio::timeout(Duration::from_millis(2), client.read(&mut buf)).await;
        assert!(silent.is_err());
        let (server, _) = listener.accept().unwrap();
        let server = TcpStream::from_std(server).unwrap();
        server.write_all(b"x").await.unwrap();
        assert_eq!(client.read(&mut buf).await.unwrap(), 1);
    });
}

// conforms: 24 test_sendfile_prevents_bare_write
// differs: a write is not refused meanwhile: its bytes lie somewhere between those of the file
// conforms: 24 test_sendfile_for_closing_transp
#[test]
fn a_file_and_what_else_is_written() {
    const SIZE: usize = 16 << 20;
    once(async {
        let folder = crate::unix::scratch();
        let file = std::fs::File::create_new(folder.path().join("zeros")).unwrap();
        file.set_len(SIZE as u64).unwrap();
        let file = std::fs::File::open(folder.path().join("zeros")).unwrap();
        let (client, server) = pair().await;
        let reader = corio::create_task(async move {
            corio::sleep(Duration::from_millis(5)).await;
            read_all(&client).await.unwrap()
        });
        let sending = sendfile(&server, &file, 0, None);
        let writing = server.write_all(b"|");
        let (sent, written) = corio::join!(sending, writing);
        assert_eq!(sent.unwrap(), SIZE as u64);
        written.unwrap();
        // Nothing goes to a socket that is closing.
        server.shutdown(Shutdown::Write).unwrap();
        let error = sendfile(&server, &file, 0, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        let seen = reader.await.unwrap();
        assert_eq!(seen.len(), SIZE + 1);
        assert_eq!(seen.iter().filter(|byte| **byte == b'|').count(), 1);
    });
}

// conforms: 24 test_datagram_write_error_resumes_paused_protocol
// conforms: 24 test_datagram_close_flushes_queued_data
// conforms: 24 test_datagram_close_during_write_error_calls_connection_lost
// conforms: 30 test_datagram_write_error_reentrant_sendto
// conforms: 30 test_datagram_write_error_close_from_callback
// differs: datagrams are not queued in the process: each send has its own result, without callbacks
#[test]
fn a_datagram_that_fails_harms_no_other() {
    everywhere(async || {
        let inbox = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = inbox.local_addr().unwrap();
        let outbox = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let from = outbox.local_addr().unwrap();
        let huge = vec![0; 1 << 17];
        let (failed, sent) = corio::join!(outbox.send_to(&huge, to), outbox.send_to(b"beside", to));
        assert!(failed.is_err());
        assert_eq!(sent.unwrap(), 6);
        // Whoever meets the error sends again, and closes the socket there and then.
        if outbox.send_to(&huge, to).await.is_err() {
            outbox.send_to(b"again", to).await.unwrap();
            drop(outbox);
        }
        let mut buf = [0; 8];
        for expected in [&b"beside"[..], b"again"] {
            let (n, sender) = inbox.recv_from(&mut buf).await.unwrap();
            assert_eq!((&buf[..n], sender), (expected, from), "sent before it was closed");
        }
        UdpSocket::bind(from).await.expect("the socket is closed");
    });
}

// conforms: 30 test_create_datagram_endpoint_no_addrinfo
#[test]
fn a_datagram_socket_of_an_unknown_name() {
    once(async {
        // No such name can exist (RFC 2606).
        let error = UdpSocket::bind(("nowhere.invalid", 0)).await.unwrap_err();
        assert!(error.to_string().contains("lookup nowhere.invalid"), "{error}");
        let error = UdpSocket::bind(Vec::<SocketAddr>::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

// conforms: 30 test_create_datagram_endpoint_ipv6
// conforms: 30 test_create_datagram_endpoint_sockopts
// conforms: 30 test_create_datagram_endpoint_allow_broadcast
// differs: what has to be set before bind is set on a socket that is then taken over
#[test]
fn a_datagram_socket_has_the_options_that_were_asked_for() {
    fn options(socket: &UdpSocket) -> [bool; 3] {
        let socket = SockRef::from(socket);
        [socket.reuse_address(), socket.reuse_port(), socket.broadcast()].map(Result::unwrap)
    }
    once(async {
        let plain = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        assert_eq!(options(&plain), [false; 3]);
        plain.set_broadcast(true).unwrap();
        assert_eq!(options(&plain), [false, false, true]);
        let shared = || {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
            socket.set_reuse_address(true).unwrap();
            socket.set_reuse_port(true).unwrap();
            socket
        };
        let first = shared();
        first.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let first = UdpSocket::from_std(first.into()).unwrap();
        assert_eq!(options(&first), [true, true, false]);
        let second = shared();
        second.bind(&first.local_addr().unwrap().into()).expect("the port is shared");
        // Of the other family.
        if let Ok(one) = UdpSocket::bind("[::1]:0").await {
            let other = UdpSocket::bind("[::1]:0").await.unwrap();
            one.send_to(b"six", other.local_addr().unwrap()).await.unwrap();
            let (n, from) = other.recv_from(&mut [0; 8]).await.unwrap();
            assert_eq!((n, from), (3, one.local_addr().unwrap()));
        }
    });
}

// conforms: 30 test_create_datagram_endpoint_connect_err
#[test]
fn a_datagram_socket_that_cannot_connect_goes_on_and_is_closed() {
    once(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        // An address of another family.
        let error = socket.connect("[::1]:9").await.unwrap_err();
        assert!(error.to_string().contains("connect [::1]:9"), "{error}");
        socket.send_to(b"to itself", address).await.unwrap();
        drop(socket);
        UdpSocket::bind(address).await.expect("the socket is closed");
    });
}

/// A terminal: the end of the program that shows it, and that of the programs in it.
fn terminal() -> (OwnedFd, OwnedFd) {
    let ours = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    rustix::pty::grantpt(&ours).unwrap();
    rustix::pty::unlockpt(&ours).unwrap();
    let path = rustix::pty::ptsname(&ours, Vec::new()).unwrap();
    let path = path.into_string().unwrap();
    let theirs = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut settings = rustix::termios::tcgetattr(&theirs).unwrap();
    settings.make_raw();
    rustix::termios::tcsetattr(&theirs, OptionalActions::Now, &settings).unwrap();
    (ours, theirs.into())
}

// conforms: 23 test_read_pty_output
// conforms: 23 test_write_pty
// conforms: 23 test_bidirectional_pty
#[test]
fn terminals_are_streams_in_both_directions() {
    everywhere(async || {
        let (ours, theirs) = terminal();
        let mut shown = connect_read_pipe(ours.try_clone().unwrap()).unwrap();
        let mut typed = connect_write_pipe(ours).unwrap();
        let mut input = connect_read_pipe(theirs.try_clone().unwrap()).unwrap();
        let mut output = connect_write_pipe(theirs).unwrap();
        for part in [&b"1"[..], b"2345"] {
            output.write(part);
            assert_eq!(shown.read_exact(part.len()).await.unwrap(), part);
            typed.write(part);
            assert_eq!(input.read_exact(part.len()).await.unwrap(), part);
        }
        // When the last program has closed it, Linux says so by an error.
        output.close();
        output.wait_closed().await.unwrap();
        drop((input, output));
        assert!(shown.read(None).await.map_or(true, |rest| rest.is_empty()));
    });
}

// conforms: 30 test_streamreader_constructor_without_loop
// conforms: 30 test_streamreaderprotocol_constructor_without_loop
// conforms: 30 test_streamreader_constructor_use_running_loop
// conforms: 30 test_streamreaderprotocol_constructor_use_running_loop
// conforms: 30 test_streamreader_constructor_use_global_loop
// conforms: 30 test_streamreaderprotocol_constructor_use_global_loop
// differs: readers come with their connections; a loop that does not run is entered, not only set
#[test]
fn streams_belong_to_the_loop_they_are_made_in() {
    with_loop(|event_loop| {
        let ends = || UnixStream::pair().unwrap();
        let error = connect_read_pipe(ends().0).unwrap_err();
        assert!(error.to_string().contains("corio::run"), "{error}");
        assert!(connect_write_pipe(ends().0).is_err());
        corio::set_event_loop(Some(event_loop));
        assert!(connect_read_pipe(ends().0).is_err(), "set, but not entered");
        corio::set_event_loop(None);
        let (ours, theirs) = ends();
        let entered = event_loop.enter();
        let (mut reader, mut writer) =
            (connect_read_pipe(ours).unwrap(), connect_write_pipe(theirs).unwrap());
        drop(entered);
        let sources = || event_loop.metrics().sources;
        let before = sources();
        let mut heard = Vec::new();
        event_loop
            .run_until_complete(async {
                let silent = reader.read(Some(1));
                assert!(corio::timeout(Duration::from_millis(1), silent).await.is_err());
                assert_eq!(sources(), before + 1, "it waits in this loop");
                writer.write(b"x");
                heard = reader.read(Some(1)).await.unwrap();
                let inside = connect_read_pipe(ends().0).unwrap();
                drop(inside);
            })
            .unwrap();
        assert_eq!(heard, b"x");
    });
}

// conforms: 30 test_get_event_loop_new_process
#[test]
fn another_process_runs_its_own_loop() {
    const TEST: &str = "asyncio_sockets::another_process_runs_its_own_loop";
    if plays("loop") {
        assert!(corio::get_event_loop().is_err(), "nothing is inherited");
        println!("ran {}", corio::run(async { corio::create_task(async { 42 }).await.unwrap() }));
        return;
    }
    let said = once(async {
        corio::to_thread(|| crate::well(play(TEST, "loop", &[]).output().unwrap())).await.unwrap()
    });
    assert!(said.contains("ran 42"), "{said}");
}

//! Connecting to one of several addresses.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use corio::net::{TcpListener, TcpStream};
#[cfg(target_os = "linux")]
use corio_tests::eventually;
use corio_tests::skipped;
use socket2::{Domain, Socket, Type};

use crate::{closed, everywhere, once};

/// An address that does not answer: a listener whose queue is full drops what comes.
struct Silent {
    address: SocketAddr,
    _listener: Socket,
    queued: Vec<Socket>,
}

impl Silent {
    fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut queued = Vec::new();
        // A queue of 0 takes one or two, depending on the system; the rest hang.
        for _ in 0..4 {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&address.into());
            queued.push(socket);
        }
        Self { address, _listener: listener, queued }
    }
}

// conforms: 22 test_create_connection_happy_eyeballs
// conforms: 22 test_create_connection_happy_eyeballs_ipv4_only
// conforms: 22 test_interleave_addrinfos
#[test]
fn an_address_that_does_not_answer_is_overtaken() {
    everywhere(async || {
        let silent = Silent::new();
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = open.local_addr().unwrap();
        let start = Instant::now();
        let stream = TcpStream::connect([silent.address, address]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        assert!(start.elapsed() >= Duration::from_millis(240), "the first one had its time");
        let builder = TcpStream::builder().happy_eyeballs(Some(Duration::from_millis(1)));
        let both = [silent.address, silent.address, address];
        let stream = builder.connect(both).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
    });
}

/// Whether connections to a silent address are being made beside those in its queue. The system's list
/// is not of one moment: while others come and go it may name some twice and leave some out.
#[cfg(target_os = "linux")]
fn is_being_asked(silent: &Silent) -> bool {
    let SocketAddr::V4(to) = silent.address else { panic!("{} is of IPv6", silent.address) };
    let address = u32::from_ne_bytes(to.ip().octets());
    let asks = format!(" {address:08X}:{:04X} 02 ", to.port());
    let port = |queued: &Socket| queued.local_addr().unwrap().as_socket().unwrap().port();
    let queued: Vec<_> =
        silent.queued.iter().map(|one| format!(":{:04X}{asks}", port(one))).collect();
    let sockets = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let mut asking = sockets.lines().filter(|line| line.contains(&asks));
    asking.any(|line| !queued.iter().any(|queued| line.contains(queued)))
}

/// Those that were overtaken are closed with the first one that stands, though the future is kept.
#[cfg(target_os = "linux")]
#[test]
fn losers_are_given_up_when_one_has_won() {
    everywhere(async || {
        let silent = [Silent::new(), Silent::new()];
        let is_begun = || is_being_asked(&silent[0]).then_some(());
        let is_over = || (!silent.iter().any(is_being_asked)).then_some(());
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let builder = TcpStream::builder().happy_eyeballs(Some(Duration::from_millis(20)));
        let [one, two] = silent.each_ref().map(|silent| silent.address);
        let mut connect = builder.clone().connect([one, two, open.local_addr().unwrap()]);
        let begun = corio::timeout(Duration::from_millis(1), &mut connect).await;
        assert!(begun.is_err());
        eventually("the first attempt", is_begun);
        let stream = (&mut connect).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open.local_addr().unwrap());
        eventually("the losers' end", is_over);
        // Nor does an attempt outlive its future.
        let mut connect = builder.connect([one, two]);
        assert!(corio::timeout(Duration::from_millis(40), &mut connect).await.is_err());
        eventually("another first attempt", is_begun);
        drop(connect);
        eventually("its end", is_over);
    });
}

#[test]
fn without_a_delay_each_address_is_waited_for() {
    once(async {
        let silent = Silent::new();
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let both = [silent.address, open.local_addr().unwrap()];
        let connect = TcpStream::builder().happy_eyeballs(None).connect(both);
        assert!(corio::timeout(Duration::from_millis(400), connect).await.is_err());
    });
}

// conforms: 22 test_create_connection_multiple
#[test]
fn an_address_that_refuses_costs_no_delay() {
    once(async {
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = open.local_addr().unwrap();
        let builder = TcpStream::builder().happy_eyeballs(Some(Duration::from_secs(3600)));
        let (one, two) = (closed(), closed());
        let stream = builder.connect([one.0, two.0, address]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
    });
}

/// The second address of the first family would answer; the first of the other one is asked before.
#[test]
fn families_take_turns_on_real_sockets() {
    once(async {
        let v6 = || Socket::new(Domain::IPV6, Type::STREAM, None);
        let local = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 0));
        let Some(taken) = v6().ok().filter(|socket| socket.bind(&local.into()).is_ok()) else {
            return skipped("ipv6", "families_take_turns_on_real_sockets", "there is no IPv6 here");
        };
        // Bound, and nobody listens.
        let refuses = taken.local_addr().unwrap().as_socket().unwrap();
        let second = TcpListener::bind(local).await.unwrap();
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (second, other) = (second.local_addr().unwrap(), other.local_addr().unwrap());
        let stream = TcpStream::connect([refuses, second, other]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), other);
        // The other way round the second of its family is the last.
        let closed = closed();
        let stream = TcpStream::connect([closed.0, other, second]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), second);
    });
}

// conforms: 22 test_create_connection_multiple_errors
// conforms: 22 test_create_connection_connect_err
// conforms: 30 test_create_connection_multiple_errors_local_addr
#[test]
fn the_errors_of_all_addresses_are_told() {
    once(async {
        let (one, two) = (closed(), closed());
        let error = TcpStream::connect([one.0, two.0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let text = error.to_string();
        assert!(text.starts_with("Multiple exceptions: "), "{text}");
        assert!([one, two].iter().all(|one| text.contains(&one.0.to_string())), "{text}");
    });
}

// conforms: 22 test_create_connection_timeout
#[test]
fn a_connection_may_be_given_up() {
    once(async {
        let silent = Silent::new();
        let connect = TcpStream::connect(silent.address);
        assert!(corio::timeout(Duration::from_millis(20), connect).await.is_err());
    });
}

//! Servers that are replaced while they work: the socket stays, and nobody notices.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use corio::net::{TcpListener, inherited_sockets};
use corio::signal::{SignalKind, stream};
use corio_tests::{eventually, skipped};

use crate::unix::scratch;
use crate::{once, play, plays, well};

/// Longer than the clients here pause between two requests, on a machine that keeps them waiting too.
/// They ask soon and are then told to close, so nobody waits for the end of it.
const GRACE: Duration = Duration::from_secs(100);
/// How often the server is replaced.
const RESTARTS: usize = 4;
/// Connections of the clients.
const CLIENTS: usize = 16;

/// Gives what stands in its place its standard input as descriptor 3, as systemd does.
const HAND_OVER: &str = r#"exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=http; exec "$0" "$@""#;

/// A server in a process of its own.
struct Server(Child);

impl Server {
    /// Starts one on this socket and waits until it accepts.
    fn start(test: &str, part: &str, socket: &StdListener) -> Self {
        let mut command = play(test, part, &["/bin/sh", "-c", HAND_OVER]);
        command.stdin(OwnedFd::from(socket.try_clone().unwrap()));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with("ready")), "it has not begun");
        // What else it says goes nowhere, but is taken.
        thread::spawn(move || lines.for_each(drop));
        Self(child)
    }

    /// Tells it to end, and waits for that.
    fn retire(self) {
        let kill = Command::new("kill").args(["-HUP", &self.0.id().to_string()]).status();
        assert!(kill.unwrap().success());
        well(self.0.wait_with_output().unwrap());
    }
}

/// The server's part.
fn serve() {
    once(async {
        let mut sockets = inherited_sockets().unwrap();
        assert_eq!((sockets.len(), sockets[0].name()), (1, Some("http")));
        let listener = sockets.remove(0).into_tcp().unwrap();
        assert!(inherited_sockets().unwrap().is_empty(), "once");
        // It is not for what is executed here: no descriptor of that is the socket's.
        assert_eq!(listener.as_fd().as_raw_fd(), 3);
        let inherits = Command::new("/bin/sh").args(["-c", "[ -e /proc/self/fd/3 ]"]).status();
        assert!(!inherits.unwrap().success(), "a child has the socket");
        let router = Router::new().route("/", get(async || "hello"));
        let hangup = stream(SignalKind::hangup()).unwrap();
        println!("\nready");
        let end = async move { hangup.recv().await };
        corio::serve(listener, router)
            .with_graceful_shutdown(end)
            .keep_alive_grace(GRACE)
            .await
            .unwrap();
    });
}

/// Replaces the server again and again while `load` runs; calls `over` after that.
fn replace_under<R: Send + 'static>(
    test: &str,
    part: &str,
    load: impl FnOnce(SocketAddr) -> R + Send + 'static,
    over: impl FnOnce(),
) -> R {
    let socket = StdListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut server = Server::start(test, part, &socket);
    let load = thread::spawn(move || load(address));
    for _ in 0..RESTARTS {
        thread::sleep(Duration::from_millis(300));
        let successor = Server::start(test, part, &socket);
        std::mem::replace(&mut server, successor).retire();
    }
    over();
    let result = load.join().unwrap();
    server.retire();
    result
}

/// wrk counts every refused, reset or unanswered request.
#[test]
fn wrk_notices_no_restart() {
    let (test, part) = ("restart::wrk_notices_no_restart", "restarted for wrk");
    if plays(part) {
        return serve();
    }
    if Command::new("wrk").arg("-v").output().is_err() {
        return skipped("wrk", test, "wrk is not installed");
    }
    let load = |address| {
        // As long as the restarts take; an answer may take longer than its usual two seconds.
        let span = format!("{}s", RESTARTS + 3);
        let url = format!("http://{address}/");
        let mut wrk = Command::new("wrk");
        wrk.args(["-t1", &format!("-c{CLIENTS}"), "--timeout", "100s", "-d", &span, &url]);
        wrk.output().unwrap()
    };
    let said = replace_under(test, part, load, || {});
    let said = well(said);
    assert!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{said}");
    let requests = said.lines().find_map(|line| line.trim().split_once(" requests in "));
    let requests: usize = requests.unwrap().0.parse().unwrap();
    assert!(requests > 100, "{said}");
}

/// Our own clients keep their connections as long as they are let, and pause in between.
#[test]
fn clients_notice_no_restart() {
    let (test, part) = ("restart::clients_notice_no_restart", "restarted");
    if plays(part) {
        return serve();
    }
    let (end, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (ended, answered) = (end.clone(), answers.clone());
    let load = move |address| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| {
                let (ended, answered) = (ended.clone(), answered.clone());
                thread::spawn(move || client(address, n, &ended, &answered))
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum::<usize>()
    };
    // The load outlives the restarts.
    let over = || {
        eventually("the answers", || (answers.load(Ordering::Relaxed) > 500).then_some(()));
        end.store(true, Ordering::Relaxed);
    };
    let reconnects = replace_under(test, part, load, over);
    assert!(reconnects >= RESTARTS, "the servers did change: {reconnects}");
}

/// Asks until the end; how often the server has ended the connection after an answer.
fn client(address: SocketAddr, n: usize, ended: &AtomicBool, answered: &AtomicUsize) -> usize {
    let mut reconnects = 0;
    let connect = || BufReader::new(StdStream::connect(address).expect("nobody is refused"));
    let mut connection = connect();
    while !ended.load(Ordering::Relaxed) {
        connection.get_mut().write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut closes = false;
        loop {
            let mut line = String::new();
            assert!(connection.read_line(&mut line).expect("no reset") > 0, "an answer");
            closes |= line.eq_ignore_ascii_case("connection: close\r\n");
            if line == "\r\n" {
                break;
            }
        }
        let mut body = [0; 5];
        connection.read_exact(&mut body).unwrap();
        assert_eq!(&body, b"hello");
        answered.fetch_add(1, Ordering::Relaxed);
        if closes {
            reconnects += 1;
            connection = connect();
        }
        thread::sleep(Duration::from_millis(n as u64));
    }
    reconnects
}

#[test]
fn unix_sockets_are_inherited_too() {
    let (test, part) = ("restart::unix_sockets_are_inherited_too", "unix");
    if plays(part) {
        return once(async {
            let listener = inherited_sockets().unwrap().remove(0).into_unix().unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"hello").await.unwrap();
        });
    }
    let folder = scratch();
    let path = folder.path().join("socket");
    let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let mut command = play(test, part, &["/bin/sh", "-c", HAND_OVER]);
    command.stdin(OwnedFd::from(socket)).stdout(Stdio::null());
    let child = command.spawn().unwrap();
    // The socket stands before the process that serves it does.
    let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let mut said = String::new();
    client.read_to_string(&mut said).unwrap();
    assert_eq!(said, "hello");
    well(child.wait_with_output().unwrap());
}

/// Without the environment of sd_listen_fds(3) there is nothing to inherit.
#[test]
fn nothing_is_inherited_by_accident() {
    let (test, part) = ("restart::nothing_is_inherited_by_accident", "nothing");
    if plays(part) {
        assert!(inherited_sockets().unwrap().is_empty());
        return;
    }
    let mut other = play(test, part, &[]);
    well(other.env("LISTEN_PID", "1").env("LISTEN_FDS", "1").output().unwrap());
    well(play(test, part, &[]).output().unwrap());
}

/// Announced descriptors that are not there, and sockets of another kind, are errors.
#[test]
fn a_wrong_inheritance_is_an_error() {
    let (test, part) = ("restart::a_wrong_inheritance_is_an_error", "wrong");
    if plays(part) {
        let found = inherited_sockets();
        let wrong = std::env::var("CORIO_TEST_WRONG").unwrap();
        match wrong.as_str() {
            "missing" => assert!(found.unwrap_err().to_string().contains("it is not there")),
            _ => once(async move {
                let socket = found.unwrap().remove(0);
                let error = match wrong.as_str() {
                    "no TCP" => socket.into_tcp().map(drop).unwrap_err(),
                    _ => socket.into_unix().map(drop).unwrap_err(),
                };
                assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
                drop(TcpListener::bind("127.0.0.1:0").await.unwrap());
            }),
        }
        return;
    }
    let missing = r#"exec 3<&-; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$0" "$@""#;
    let mut command = play(test, part, &["/bin/sh", "-c", missing]);
    well(command.env("CORIO_TEST_WRONG", "missing").output().unwrap());
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let connection = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    let (unix, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let datagrams = std::os::unix::net::UnixDatagram::unbound().unwrap();
    let sockets: [(&str, OwnedFd); 6] = [
        ("no TCP", unix.try_clone().unwrap().into()),
        ("no TCP", std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into()),
        ("no TCP", connection.into()),
        ("no Unix", unix.into()),
        ("no Unix", datagrams.into()),
        ("no Unix", listener.into()),
    ];
    for (kind, socket) in sockets {
        let mut command = play(test, part, &["/bin/sh", "-c", HAND_OVER]);
        well(command.stdin(socket).env("CORIO_TEST_WRONG", kind).output().unwrap());
    }
}

//! `corio::serve`: what one client does, or one handler, concerns no other.

use std::future::{Future, IntoFuture, Ready, poll_fn, ready};
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use axum::routing::{get, post};
use corio::net::{Peer, ServeReport, TcpListener, TcpStream};
use corio_tests::kit::{Ledger, Signal};
use hyper::rt::{Read, Write};
use tower_service::Service;

use crate::{everywhere, once, play, plays, until, well};

fn router() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/echo", post(async |body: axum::body::Bytes| body))
        .route("/panic", get(async || -> &'static str { panic!("as the test wants it") }))
}

pub struct Server {
    pub address: SocketAddr,
    stop: Signal,
    task: corio::Task<io::Result<ServeReport>>,
}

impl Server {
    pub async fn start(router: Router, deadline: Option<Duration>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Signal::new();
        let mut serve = corio::serve(listener, router).with_graceful_shutdown(stop.wait());
        if let Some(deadline) = deadline {
            serve = serve.drain_deadline(deadline);
        }
        Self { address, stop, task: corio::create_task(serve.report()) }
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub async fn end(self) -> ServeReport {
        self.stop.set();
        self.task.await.unwrap().unwrap()
    }
}

/// Sends a request and reads the response; the connection stays.
async fn ask(stream: &TcpStream, request: &str) -> io::Result<String> {
    let request = format!("{request} HTTP/1.1\r\nHost: test\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    response(stream).await
}

async fn response(stream: &TcpStream) -> io::Result<String> {
    let mut text = String::new();
    let mut buf = [0; 1024];
    loop {
        match stream.read(&mut buf).await? {
            0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text)),
            n => text.push_str(std::str::from_utf8(&buf[..n]).unwrap()),
        }
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |n| n.parse().unwrap()) {
            return Ok(text);
        }
    }
}

#[test]
fn a_handler_that_panics_closes_its_connection_only() {
    everywhere(async || {
        let server = Server::start(router(), None).await;
        let (good, bad) = (server.connect().await, server.connect().await);
        assert!(ask(&good, "GET /").await.unwrap().ends_with("hello"));
        assert!(ask(&bad, "GET /").await.unwrap().ends_with("hello"));
        let error = ask(&bad, "GET /panic").await.unwrap_err();
        assert!(
            matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset),
            "{error}"
        );
        for _ in 0..3 {
            assert!(ask(&good, "GET /").await.unwrap().ends_with("hello"));
        }
        let report = server.end().await;
        assert_eq!((report.accepted, report.is_clean()), (2, true));
    });
}

#[test]
fn a_request_may_come_byte_by_byte() {
    once(async {
        let server = Server::start(router(), None).await;
        let stream = server.connect().await;
        stream.set_nodelay(true).unwrap();
        let request = "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nslow!";
        for byte in request.bytes() {
            stream.write_all(&[byte]).await.unwrap();
            corio::sleep(Duration::from_millis(1)).await;
        }
        assert!(response(&stream).await.unwrap().ends_with("slow!"));
        server.end().await;
    });
}

#[test]
fn a_shutdown_lets_requests_finish() {
    everywhere(async || {
        let (begun, finish) = (Signal::new(), Signal::new());
        let handler = {
            let (begun, finish) = (begun.clone(), finish.clone());
            async move || {
                begun.set();
                finish.wait().await;
                "finished"
            }
        };
        let server = Server::start(router().route("/slow", get(handler)), None).await;
        let (slow, idle) = (server.connect().await, server.connect().await);
        ask(&idle, "GET /").await.unwrap();
        let request = corio::create_task(async move { ask(&slow, "GET /slow").await });
        begun.wait().await;
        let address = server.address;
        let ended = corio::create_task(server.end());
        // An idle connection is closed, and no new one accepted.
        assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0);
        TcpStream::connect(address).await.unwrap_err();
        assert!(!ended.done());
        finish.set();
        assert!(request.await.unwrap().unwrap().ends_with("finished"));
        let report = ended.await.unwrap();
        assert_eq!((report.accepted, report.left.len()), (2, 0));
    });
}

#[test]
fn a_deadline_ends_what_does_not_finish() {
    everywhere(async || {
        let begun = Signal::new();
        let ledger = Ledger::new();
        let handler = {
            let (begun, ledger) = (begun.clone(), ledger.clone());
            async move || -> &'static str {
                let _token = ledger.token();
                begun.set();
                std::future::pending().await
            }
        };
        let router = router().route("/never", get(handler));
        let server = Server::start(router, Some(Duration::from_millis(20))).await;
        let stream = server.connect().await;
        let local = stream.local_addr().unwrap();
        let request = corio::create_task(async move { ask(&stream, "GET /never").await });
        begun.wait().await;
        let report = server.end().await;
        assert_eq!(report.left.len(), 1, "{report}");
        assert_eq!(&*report.left[0], format!("http connection from {local}"));
        request.await.unwrap().unwrap_err();
        until("the handler is dropped", || ledger.live() == 0 && ledger.made() == 1).await;
    });
}

#[test]
fn requests_know_their_peer_if_asked_for() {
    once(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let who = async |Extension(Peer(peer)): Extension<Peer<SocketAddr>>| peer.to_string();
        let called = line!() + 1;
        let serve = corio::serve(listener, Router::new().route("/", get(who))).add_peer(true);
        let task = corio::create_task(async { serve.await });
        let stream = TcpStream::connect(address).await.unwrap();
        let me = stream.local_addr().unwrap().to_string();
        assert!(ask(&stream, "GET /").await.unwrap().ends_with(&me));
        // Connections have names that tell whose they are.
        let name = format!("http connection from {me}");
        let tasks = corio::all_tasks();
        let connection = tasks.iter().find(|task| *task.name() == *name).unwrap();
        // And were spawned in the name of who called `serve`.
        let at = connection.spawned_at();
        assert_eq!((at.file(), at.line()), (file!(), called), "{connection:?}");
        // They outlive the task that accepts.
        task.abort();
        assert!(task.await.is_err());
        assert!(ask(&stream, "GET /").await.unwrap().ends_with(&me));
    });
}

/// A tower service that makes a router for each peer, unless told to refuse.
#[derive(Clone)]
struct PerPeer {
    refuse: bool,
}

impl Service<SocketAddr> for PerPeer {
    type Response = Router;
    type Error = io::Error;
    type Future = Ready<io::Result<Router>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, peer: SocketAddr) -> Self::Future {
        let whose = Router::new().route("/", get(async move || peer.to_string()));
        ready(if self.refuse { Err(io::Error::other("refused")) } else { Ok(whose) })
    }
}

#[test]
fn services_may_be_made_for_each_connection() {
    once(async {
        let start = async |make: PerPeer| {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let serve = corio::serve_make_service(listener, make);
            drop(corio::create_task(serve.report()));
            TcpStream::connect(address).await.unwrap()
        };
        let stream = start(PerPeer { refuse: false }).await;
        let me = stream.local_addr().unwrap().to_string();
        assert!(ask(&stream, "GET /").await.unwrap().ends_with(&me));
        // Where none can be made the connection is closed.
        let stream = start(PerPeer { refuse: true }).await;
        assert!(ask(&stream, "GET /").await.is_err());
        // axum's own.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = corio::serve_make_service(listener, router().into_make_service());
        drop(corio::create_task(async { serve.await }));
        let stream = TcpStream::connect(address).await.unwrap();
        assert!(ask(&stream, "GET /").await.unwrap().ends_with("hello"));
    });
}

#[test]
fn services_other_than_routers_are_served() {
    once(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router().into_service::<hyper::body::Incoming>();
        drop(corio::create_task(async { corio::serve(listener, service).await }));
        let stream = TcpStream::connect(address).await.unwrap();
        assert!(ask(&stream, "GET /").await.unwrap().ends_with("hello"));
    });
}

/// After an upgrade the connection is the handler's, for as long as it likes.
#[test]
fn a_connection_can_be_upgraded() {
    async fn upgrade(mut request: axum::extract::Request) -> axum::response::Response {
        let upgrade = hyper::upgrade::on(&mut request);
        drop(corio::create_task(async move {
            let mut io = upgrade.await.unwrap();
            let mut memory = [0; 64];
            loop {
                let mut buf = hyper::rt::ReadBuf::new(&mut memory);
                let read = |cx: &mut Context<'_>| Pin::new(&mut io).poll_read(cx, buf.unfilled());
                poll_fn(read).await.unwrap();
                if buf.filled().is_empty() {
                    break;
                }
                let upper = buf.filled().to_ascii_uppercase();
                poll_fn(|cx| Pin::new(&mut io).poll_write(cx, &upper)).await.unwrap();
            }
        }));
        let response = axum::http::Response::builder()
            .status(101)
            .header("connection", "upgrade")
            .header("upgrade", "shouting");
        response.body(axum::body::Body::empty()).unwrap()
    }
    once(async {
        let server = Server::start(router().route("/upgrade", get(upgrade)), None).await;
        let stream = server.connect().await;
        let request = "GET /upgrade HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\n\
                       Upgrade: shouting\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(response(&stream).await.unwrap().starts_with("HTTP/1.1 101"));
        let mut echo = [0; 5];
        for word in ["hello", "again"] {
            stream.write_all(word.as_bytes()).await.unwrap();
            stream.read_exact(&mut echo).await.unwrap();
            assert_eq!(echo, *word.to_uppercase().as_bytes());
        }
        // It is no connection of the server's any more.
        assert!(server.end().await.is_clean());
        stream.write_all(b"still").await.unwrap();
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, b"STILL");
    });
}

/// Leaves the server in the child room for few connections, so that most clients have to wait
/// until others leave.
const FEW_FILES: [&str; 3] = ["sh", "-c", "ulimit -n 40; exec \"$0\" \"$@\""];
const CLIENTS: usize = 100;

#[test]
fn too_many_open_files_pass_by() {
    let part = "few files";
    if plays(part) {
        return once(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            println!("\nport {}", listener.local_addr().unwrap().port());
            let stop = corio::signal::stream(corio::signal::SignalKind::terminate()).unwrap();
            let stop = async move { stop.recv().await };
            corio::serve(listener, router()).with_graceful_shutdown(stop).await.unwrap();
        });
    }
    let mut child = play("serve::too_many_open_files_pass_by", part, &FEW_FILES)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines.find_map(|line| line.unwrap().strip_prefix("port ")?.parse::<u16>().ok());
    let address = SocketAddr::from(([127, 0, 0, 1], port.expect("the child has begun")));
    once(async move {
        let mut waiting = Vec::new();
        for _ in 0..CLIENTS {
            waiting.push(TcpStream::connect(address).await.unwrap());
        }
        // Some are served, each that leaves makes room for another, and in the end all are.
        for stream in waiting {
            assert!(ask(&stream, "GET /").await.unwrap().ends_with("hello"));
        }
    });
    let kill = std::process::Command::new("kill").arg(child.id().to_string()).status();
    assert!(kill.unwrap().success());
    let text = well(child.wait_with_output().unwrap());
    // Reported once, however often it happened.
    assert_eq!(text.matches("cannot accept with").count(), 1, "{text}");
}

/// The main task belongs to the first loop. While something blocks that, connections are accepted
/// all the same.
#[test]
fn a_blocked_main_task_keeps_no_connection_out() {
    const LIMIT: Duration = corio_tests::PATIENCE;

    let (answered, heard) = std::sync::mpsc::channel();
    corio::Builder::new()
        .workers(2)
        .run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let mut serve = std::pin::pin!(corio::serve(listener, router()).into_future());
            let begins = poll_fn(|cx| Poll::Ready(serve.as_mut().poll(cx).is_pending())).await;
            assert!(begins, "it serves for ever");
            let client = std::thread::spawn(move || {
                let stream = std::net::TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(LIMIT)).unwrap();
                std::io::Write::write_all(&mut &stream, b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
                    .unwrap();
                let mut line = String::new();
                BufReader::new(stream).read_line(&mut line).unwrap();
                answered.send(line).unwrap();
            });
            let line = heard.recv_timeout(LIMIT).expect("answered while the main task blocks");
            assert!(line.contains("200 OK"), "{line}");
            client.join().unwrap();
        })
        .unwrap();
}

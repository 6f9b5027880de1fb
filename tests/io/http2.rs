//! `corio::serve` over HTTP/2: the streams of a connection are tasks of their own, and end with it.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::process::{Command, Output};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Method, Request, Response, StatusCode};
use axum::routing::{any, get};
use corio::hyper::{CorioExecutor, CorioTimer};
use corio::net::{TcpListener, TcpStream};
use corio_tests::kit::{Ledger, Signal, Token};
use corio_tests::skipped;
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::ext::Protocol;
use hyper::rt::{Read, ReadBuf, Write};
use hyper::upgrade::{OnUpgrade, Upgraded};
use socket2::SockRef;

use crate::serve::Server;
use crate::{everywhere, once, until};

/// A client's side of one connection.
struct Client {
    address: SocketAddr,
    socket: OwnedFd,
    sender: SendRequest<Body>,
    connection: corio::Task<hyper::Result<()>>,
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let mut http2 = hyper::client::conn::http2::Builder::new(CorioExecutor);
        let stream = TcpStream::connect(address).await.unwrap();
        let socket = stream.as_fd().try_clone_to_owned().unwrap();
        let (sender, connection) = http2.timer(CorioTimer).handshake(stream).await.unwrap();
        Self { address, socket, sender, connection: corio::create_task(connection) }
    }

    fn get(&self, path: &str) -> corio::Task<hyper::Result<Response<Incoming>>> {
        let request = Request::get(format!("http://test{path}")).body(Body::empty()).unwrap();
        let mut sender = self.sender.clone();
        corio::create_task(async move { sender.send_request(request).await })
    }

    /// Makes a stream of bytes of one of the connection's streams, as WebSocket does (RFC 8441).
    async fn upgrade(&self, path: &str) -> Upgraded {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = format!("http://test{path}").parse().unwrap();
        request.extensions_mut().insert(Protocol::from_static("shouting"));
        let mut sender = self.sender.clone();
        let mut response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        hyper::upgrade::on(&mut response).await.unwrap()
    }
}

/// Waits until a shutdown has begun.
async fn refused(address: SocketAddr) {
    // The test has a limit of its own.
    while TcpStream::connect(address).await.is_ok() {
        corio::sleep(Duration::from_millis(1)).await;
    }
}

/// Reads to the end of the body.
async fn text(mut body: Incoming) -> hyper::Result<String> {
    let mut text = String::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame?.into_data() {
            text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }
    Ok(text)
}

async fn read(io: &mut Upgraded) -> std::io::Result<Vec<u8>> {
    let mut memory = [0; 64];
    let mut buf = ReadBuf::new(&mut memory);
    poll_fn(|cx| Pin::new(&mut *io).poll_read(cx, buf.unfilled())).await?;
    Ok(buf.filled().to_vec())
}

async fn write(io: &mut Upgraded, bytes: &[u8]) -> std::io::Result<usize> {
    poll_fn(|cx| Pin::new(&mut *io).poll_write(cx, bytes)).await
}

/// A body that begins and never ends.
struct Endless {
    begun: Option<Signal>,
    _token: Token,
}

impl HttpBody for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.begun.take() {
            Some(begun) => {
                begun.set();
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"begun")))))
            }
            None => Poll::Pending,
        }
    }
}

/// Answers what is said on an upgraded stream in capitals, until it ends.
async fn shout(upgrade: OnUpgrade, token: Token) {
    let _token = token;
    let mut io = upgrade.await.unwrap();
    while let Ok(said) = read(&mut io).await {
        if said.is_empty() || write(&mut io, &said.to_ascii_uppercase()).await.is_err() {
            break;
        }
    }
}

/// Handlers that never end, each with a token; and the signals that they have begun.
struct Endlessly {
    ledger: Ledger,
    waits: Signal,
    yields: Signal,
    sends: Signal,
}

impl Endlessly {
    fn new() -> (Self, Router) {
        let all = Self {
            ledger: Ledger::new(),
            waits: Signal::new(),
            yields: Signal::new(),
            sends: Signal::new(),
        };
        let (ledger, begun) = (all.ledger.clone(), all.waits.clone());
        let waits = async move || {
            let _token = ledger.token();
            begun.set();
            pending::<()>().await
        };
        let (ledger, begun) = (all.ledger.clone(), all.yields.clone());
        let yields = async move || {
            let _token = ledger.token();
            begun.set();
            loop {
                corio::yield_now().await;
            }
            #[expect(unreachable_code, reason = "it gives the type")]
            ()
        };
        let (ledger, begun) = (all.ledger.clone(), all.sends.clone());
        let sends = async move || {
            let _token = ledger.token();
            Body::new(Endless { begun: Some(begun), _token })
        };
        let ledger = all.ledger.clone();
        let upgrades = async move |mut request: axum::extract::Request| {
            drop(corio::create_task(shout(hyper::upgrade::on(&mut request), ledger.token())));
            StatusCode::OK
        };
        let router = Router::new()
            .route("/waits", get(waits))
            .route("/yields", get(yields))
            .route("/sends", get(sends))
            .route("/upgrades", any(upgrades))
            .route("/", get(async || "hello"));
        (all, router)
    }
}

#[test]
fn a_deadline_ends_the_streams_of_a_connection() {
    everywhere(async || {
        let before = corio::all_tasks().len();
        let (endless, router) = Endlessly::new();
        let server = Server::start(router, Some(Duration::from_millis(20))).await;
        let client = Client::connect(server.address).await;
        let hello = client.get("/").await.unwrap().unwrap();
        assert_eq!(text(hello.into_body()).await.unwrap(), "hello");
        let (waits, yields) = (client.get("/waits"), client.get("/yields"));
        let sends = client.get("/sends").await.unwrap().unwrap();
        let mut upgraded = client.upgrade("/upgrades").await;
        write(&mut upgraded, b"hello").await.unwrap();
        assert_eq!(read(&mut upgraded).await.unwrap(), b"HELLO");
        endless.waits.wait().await;
        endless.yields.wait().await;
        endless.sends.wait().await;
        assert_eq!(endless.ledger.live(), 4);

        let report = server.end().await;
        assert_eq!(report.left.len(), 1, "{report}");
        // The last of them is the stream under what was upgraded.
        assert_eq!(report.streams_left, 4, "{report}");
        until("the streams are dropped", || endless.ledger.live() == 0).await;
        waits.await.unwrap().unwrap_err();
        yields.await.unwrap().unwrap_err();
        text(sends.into_body()).await.unwrap_err();
        assert!(read(&mut upgraded).await.map_or(true, |end| end.is_empty()));
        let _ = client.connection.await.unwrap();
        until("no task is left", || corio::all_tasks().len() == before).await;
    });
}

#[test]
fn a_shutdown_lets_streams_finish() {
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
        let server = Server::start(Router::new().route("/slow", get(handler)), None).await;
        let client = Client::connect(server.address).await;
        let slow = client.get("/slow");
        begun.wait().await;
        let ended = corio::create_task(server.end());
        refused(client.address).await;
        assert!(!ended.done());
        finish.set();
        let response = slow.await.unwrap().unwrap();
        assert_eq!(text(response.into_body()).await.unwrap(), "finished");
        let report = ended.await.unwrap();
        assert!(report.is_clean() && report.streams_left == 0, "{report}");
    });
}

/// Connections outlive the server that is dropped, also in the middle of its shutdown, and so do
/// their streams. They end with the connection.
#[test]
fn a_dropped_server_leaves_connections_and_their_streams() {
    for in_shutdown in [false, true] {
        once(async move {
            let before = corio::all_tasks().len();
            let finish = Signal::new();
            let finishes = {
                let finish = finish.clone();
                async move || {
                    finish.wait().await;
                    "finished"
                }
            };
            let (endless, router) = Endlessly::new();
            let router = router.route("/finishes", get(finishes));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let stop = Signal::new();
            let serve = corio::serve(listener, router).with_graceful_shutdown(stop.wait());
            let server =
                corio::create_task(serve.drain_deadline(Duration::from_secs(3600)).report());
            let client = Client::connect(address).await;
            let (finishing, waits) = (client.get("/finishes"), client.get("/waits"));
            endless.waits.wait().await;
            if in_shutdown {
                stop.set();
                refused(address).await;
            }
            server.cancel();
            assert!(server.await.unwrap_err().is_cancelled());
            finish.set();
            let response = finishing.await.unwrap().unwrap();
            assert_eq!(text(response.into_body()).await.unwrap(), "finished");
            assert_eq!(endless.ledger.live(), 1);
            // The client hangs up.
            SockRef::from(&client.socket).shutdown(Shutdown::Both).unwrap();
            waits.await.unwrap().unwrap_err();
            let _ = client.connection.await.unwrap();
            until("the stream is dropped", || endless.ledger.live() == 0).await;
            drop(client.sender);
            until("no task is left", || corio::all_tasks().len() == before).await;
        });
    }
}

/// Runs h2load, which ends by itself; `None` if it is not installed.
async fn h2load(address: SocketAddr, args: &[&str], path: &str) -> Option<corio::Task<Output>> {
    let mut command = Command::new("h2load");
    command.args(args).arg(format!("http://{address}{path}"));
    if Command::new("h2load").arg("--version").output().is_err() {
        return None;
    }
    let run = async { corio::to_thread(move || command.output().unwrap()).await.unwrap() };
    Some(corio::create_task(run))
}

#[test]
fn h2load_is_served_and_leaves_nothing() {
    once(async {
        let before = corio::all_tasks().len();
        let (_, router) = Endlessly::new();
        let server = Server::start(router, None).await;
        let load = h2load(server.address, &["-n4000", "-c8", "-m20"], "/").await;
        let Some(load) = load else {
            server.end().await;
            return skipped(
                "h2load",
                "http2::h2load_is_served_and_leaves_nothing",
                "h2load is not installed",
            );
        };
        let said = load.await.unwrap().stdout;
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("4000 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
        let report = server.end().await;
        assert_eq!((report.accepted, report.is_clean()), (8, true), "{report}");
        until("no task is left", || corio::all_tasks().len() == before).await;
    });
}

#[test]
fn h2load_is_cut_off_at_the_deadline() {
    const CONNECTIONS: usize = 2;
    const STREAMS: usize = 100;

    once(async {
        let before = corio::all_tasks().len();
        let (endless, router) = Endlessly::new();
        let server = Server::start(router, Some(Duration::from_millis(20))).await;
        let load = h2load(server.address, &["-n100", "-c2", "-m50"], "/waits").await;
        let Some(load) = load else {
            server.end().await;
            return skipped(
                "h2load",
                "http2::h2load_is_cut_off_at_the_deadline",
                "h2load is not installed",
            );
        };
        until("all are waiting", || endless.ledger.live() == STREAMS).await;
        let report = server.end().await;
        assert_eq!((report.left.len(), report.streams_left), (CONNECTIONS, STREAMS), "{report}");
        until("the handlers are dropped", || endless.ledger.live() == 0).await;
        let said = load.await.unwrap().stdout;
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("0 succeeded"), "{said}");
        until("no task is left", || corio::all_tasks().len() == before).await;
    });
}

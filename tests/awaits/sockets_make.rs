//! Listening, connecting, looking up and serving: no connection is lost, and none is left over.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use axum::Router;
use axum::routing::get;
use corio::net::{
    ForPeer, StreamBuilder, TcpListener, TcpStream, UdpSocket, UnixListener, UnixSeqpacket,
    UnixSeqpacketListener, UnixStream, create_datagram_endpoint, lookup_addr, lookup_host,
};
use corio_tests::kit::Signal;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::driver::{Case, Make, awaits, case};
use crate::support::{Folder, Gate, settle, turns};

/// An operation that has to look a name up first, for which the only thread is free only after the
/// stimulus.
fn looks_up<T: Send + 'static, F: Future<Output = io::Result<T>> + Send + 'static>(
    operation: F,
    is: impl FnOnce(T) -> bool + 'static,
) -> Case {
    let gate = Gate::shut();
    let stimulus = async move {
        turns().await;
        gate.open().await;
    };
    case(operation, stimulus, async move |got: Option<io::Result<T>>| {
        settle().await;
        assert!(got.is_none_or(|got| is(got.unwrap())));
    })
}

/// A listener, and an operation that connects to it by name; the connections are closed at the end.
fn connects<F: Future<Output = io::Result<TcpStream>> + Send + 'static>(
    connect: impl FnOnce((&'static str, u16)) -> F,
) -> Case {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    looks_up(connect(("localhost", port)), move |stream| {
        listener.accept().is_ok() && stream.peer_addr().is_ok()
    })
}

/// A listener whose queue is full of connections.
struct Full {
    folder: Folder,
    listener: Socket,
    waiting: Vec<Socket>,
}

impl Full {
    fn new(kind: Type) -> Self {
        let folder = Folder::new();
        let address = SockAddr::unix(folder.at("socket")).unwrap();
        let listener = Socket::new(Domain::UNIX, kind, None).unwrap();
        listener.bind(&address).unwrap();
        listener.listen(0).unwrap();
        let mut waiting = Vec::new();
        loop {
            let client = Socket::new(Domain::UNIX, kind, None).unwrap();
            client.set_nonblocking(true).unwrap();
            if client.connect(&address).is_err() {
                break;
            }
            waiting.push(client);
        }
        Self { folder, listener, waiting }
    }

    fn path(&self) -> PathBuf {
        self.folder.at("socket")
    }
}

/// An operation that connects to a listener whose queue is full until the stimulus; it takes the
/// next place in the queue, or leaves it to others.
pub fn joins_the_queue<T: Send + 'static, F: Future<Output = io::Result<T>> + Send + 'static>(
    kind: Type,
    connect: impl FnOnce(PathBuf) -> F,
) -> Case {
    let full = Full::new(kind);
    let operation = connect(full.path());
    let listener = full.listener.try_clone().unwrap();
    let count = full.waiting.len();
    let stimulus = async move {
        turns().await;
        (0..count).for_each(|_| drop(listener.accept().unwrap()));
    };
    case(operation, stimulus, async move |got: Option<io::Result<T>>| {
        let (full, got) = (full, got.map(Result::unwrap));
        full.listener.set_nonblocking(true).unwrap();
        assert_eq!(full.listener.accept().is_ok(), got.is_some());
    })
}

/// An operation that accepts, and one client that comes; who accepts next gets what was not taken.
macro_rules! accepts {
    ($listener:expr, $come:expr) => {{
        let listener = std::sync::Arc::new($listener);
        let (accepting, address) = (listener.clone(), listener.clone());
        let stimulus = async move {
            turns().await;
            // The system completes the connection, and keeps it although the client has gone.
            $come(&address);
        };
        let operation = async move { accepting.accept().await.unwrap() };
        case(operation, stimulus, async move |got: Option<_>| {
            let connection = match got {
                Some(connection) => connection,
                None => listener.accept().await.unwrap(),
            };
            drop(connection);
        })
    }};
}

fn router() -> Router {
    Router::new().route("/", get(async || "hello"))
}

/// A server, one client, and then the end. A client of a server that is gone gets no answer.
fn serves<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    serve: impl FnOnce(TcpListener, Signal) -> F,
) -> Case {
    let listener = std::net::TcpListener::bind((own_loopback(), 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let stop = Signal::new();
    let serving = serve(TcpListener::from_std(listener).unwrap(), stop.clone());
    let stimulus = async move {
        turns().await;
        let answer = corio::timeout(std::time::Duration::from_secs(20), ask(address)).await;
        if let Ok(Ok(answer)) = answer {
            assert!(answer.is_empty() || answer.ends_with("hello"), "{answer}");
        }
        stop.set();
    };
    case(serving, stimulus, async move |_| {
        std::net::TcpListener::bind(address).expect("the address is free again");
    })
}

/// An address of this process alone: whoever takes a free port elsewhere takes none of ours.
fn own_loopback() -> Ipv4Addr {
    let [_, a, b, c] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 | a, b, c)
}

/// A service that takes some polls to make.
#[derive(Clone)]
struct Slow;

impl ForPeer<()> for Slow {
    type Service = u8;

    async fn service_for(self, (): ()) -> Option<u8> {
        turns().await;
        Some(7)
    }
}

async fn ask(address: SocketAddr) -> io::Result<String> {
    let stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await?;
    let (mut all, mut buf) = (Vec::new(), [0; 1024]);
    loop {
        match stream.read(&mut buf).await? {
            0 => return Ok(String::from_utf8_lossy(&all).into_owned()),
            n => all.extend_from_slice(&buf[..n]),
        }
    }
}

pub const TABLE: &[(&str, Make)] = awaits! {
    "net::lookup_host" => looks_up(lookup_host("localhost", 80), |found| {
        found.iter().all(|address| address.port() == 80)
    });
    "net::lookup_addr" => {
        looks_up(lookup_addr(([127, 0, 0, 1], 80).into()), |(host, _service)| !host.is_empty())
    };
    "net::create_datagram_endpoint" => {
        looks_up(create_datagram_endpoint().local_addr("localhost:0"), |socket| {
            socket.local_addr().is_ok()
        })
    };
    "net::TcpListener::bind" => looks_up(TcpListener::bind("localhost:0"), |listener| {
        listener.local_addr().is_ok()
    });
    "net::ListenerBuilder::bind" => {
        looks_up(TcpListener::builder().bind("localhost:0"), |listener| {
            listener.local_addr().is_ok()
        })
    };
    "net::UdpSocket::bind" => looks_up(UdpSocket::bind("localhost:0"), |socket| {
        socket.local_addr().is_ok()
    });
    "net::UdpSocket::connect" => {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        looks_up(async move { socket.connect("localhost:9").await.map(|()| socket) }, |socket| {
            socket.peer_addr().is_ok()
        })
    };
    // Once the name is known it is sent at once.
    "net::UdpSocket::send_to" => {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let receiver = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = receiver.local_addr().unwrap().port();
        let operation = async move { socket.send_to(b"!", ("127.0.0.1", port)).await };
        let by_name = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        looks_up(
            async move {
                by_name.send_to(b"?", "localhost:9").await.ok();
                operation.await
            },
            move |sent| sent == 1 && receiver.recv(&mut [0; 4]).unwrap() == 1,
        )
    };
    "net::TcpStream::connect" => connects(TcpStream::connect);
    "net::StreamBuilder::connect" => connects(|address| {
        let builder: StreamBuilder = TcpStream::builder();
        builder.nodelay(true).connect(address)
    });
    "net::UnixStream::connect" => joins_the_queue(Type::STREAM, UnixStream::connect);
    "net::UnixStream::connect_addr" => joins_the_queue(Type::STREAM, |path| {
        let address = std::os::unix::net::SocketAddr::from_pathname(path).unwrap();
        UnixStream::connect_addr(&address)
    });
    "net::UnixSeqpacket::connect" => joins_the_queue(Type::SEQPACKET, UnixSeqpacket::connect);

    "net::TcpListener::accept" => accepts!(
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        |listener: &TcpListener| {
            drop(std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        }
    );
    "net::UnixListener::accept" => {
        let folder = Folder::new();
        accepts!(UnixListener::bind(folder.at("socket")).unwrap(), |_listener: &_| {
            drop(std::os::unix::net::UnixStream::connect(folder.at("socket")).unwrap());
        })
    };
    "net::UnixSeqpacketListener::accept" => {
        let folder = Folder::new();
        accepts!(UnixSeqpacketListener::bind(folder.at("socket")).unwrap(), |_listener: &_| {
            let client = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
            client.connect(&SockAddr::unix(folder.at("socket")).unwrap()).unwrap();
        })
    };

    "serve" => serves(|listener, stop| async move {
        corio::serve(listener, router()).with_graceful_shutdown(stop.wait()).await.unwrap();
    });
    "serve_make_service" => serves(|listener, stop| async move {
        let serve = corio::serve_make_service(listener, router().into_make_service());
        serve.with_graceful_shutdown(stop.wait()).await.unwrap();
    });
    "net::ForPeer::service_for" => case(
        async { Slow.service_for(()).await },
        async {},
        async |got: Option<Option<u8>>| assert!(got.is_none_or(|got| got == Some(7))),
    );
    "net::Serve::report" => serves(|listener, stop| async move {
        let serve = corio::serve(listener, router()).with_graceful_shutdown(stop.wait());
        drop(serve.report().await.unwrap());
    });
};

//! asyncio's streams, servers, and copies: bytes stay in the reader, what is queued is sent, and a
//! server ends with its last wait or not at all.

use std::sync::Arc;

use corio::io::{copy, copy_bidirectional};
use corio::net::{Shutdown, TcpListener, TcpStream, UnixListener, UnixStream, splice};
use corio::stream::{
    Server, StreamReader, StreamWriter, open_connection, open_unix_connection, start_server,
    start_unix_server,
};
use socket2::Type;

use crate::driver::{Case, Make, awaits, case, ready};
use crate::sockets_make::joins_the_queue;
use crate::support::{Folder, Gate, Lent, lend, lent, next, settle, turns};

/// More bytes than the system takes for a Unix socket at a time.
const MUCH: usize = 1 << 20;

/// The streams of a connection, and its other end.
async fn connection() -> (StreamReader, StreamWriter, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let opened = corio::create_task(open_connection(address));
    let (other, _) = listener.accept().await.unwrap();
    let (reader, writer) = opened.await.unwrap().unwrap();
    (reader, writer, other)
}

/// The same of a Unix socket, which holds less.
async fn small_connection() -> (StreamReader, StreamWriter, UnixStream) {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.at("socket")).unwrap();
    let opened = corio::create_task(open_unix_connection(folder.at("socket")));
    let (other, _) = listener.accept().await.unwrap();
    let (reader, writer) = opened.await.unwrap().unwrap();
    (reader, writer, other)
}

/// An operation that reads from a lent reader, to which a line comes in two parts; what it got and
/// what is left are that line.
macro_rules! reads {
    (|$reader:ident| $read:expr) => {{
        let (reader, writer, other) = connection().await;
        let $reader = lent(reader);
        let operation = lend!($reader => $read);
        let stimulus = async move {
            for part in [&b"ab"[..], b"cd\n"] {
                turns().await;
                other.write_all(part).await.unwrap();
            }
        };
        case(operation, stimulus, async move |got: Option<Vec<u8>>| {
            let mut reader = $reader.try_acquire().expect("the operation is over");
            let all = [got.unwrap_or_default(), reader.read(None).await.unwrap()].concat();
            assert_eq!(all, b"abcd\n");
            close(writer).await;
        })
    }};
}

async fn close(mut writer: StreamWriter) {
    writer.close();
    writer.wait_closed().await.unwrap();
}

/// A writer with much in its queue, and who reads all that at the other end as the stimulus.
async fn queued<F: Future<Output = ()> + Send + 'static>(
    begin: impl FnOnce(&mut StreamWriter),
    wait: impl FnOnce(Lent<StreamWriter>) -> F,
) -> Case {
    let (_reader, mut writer, other) = small_connection().await;
    writer.write(&vec![b'!'; MUCH]);
    begin(&mut writer);
    let writer = lent(writer);
    let stimulus = async move {
        turns().await;
        let mut buf = vec![0; 64 << 10];
        let mut left = MUCH;
        while left > 0 {
            left -= other.read(&mut buf).await.unwrap();
        }
    };
    case(wait(writer.clone()), stimulus, async move |_| {
        let mut writer = writer.try_acquire().expect("the operation is over");
        writer.close();
        writer.wait_closed().await.unwrap();
        assert_eq!(writer.queued(), 0, "what is queued is sent all the same");
    })
}

/// Serves nobody.
async fn server() -> Arc<Server> {
    let server = start_server(async |_reader, _writer| {}, "127.0.0.1:0").start_serving(false);
    Arc::new(server.await.unwrap())
}

async fn close_server(server: &Server) {
    server.close();
    server.wait_closed().await;
}

/// The four bytes of one end, in order, and none twice; all if the operation has ended.
fn copied(arrived: &[u8], rest: &[u8], ended: bool) {
    assert!(b"abcd".starts_with(arrived) && b"abcd".ends_with(rest), "{arrived:?} {rest:?}");
    assert!(arrived.len() + rest.len() <= 4 && (!ended || arrived == b"abcd"));
}

/// All that is there before the end, or before there is nothing.
fn at_once(stream: &UnixStream) -> Vec<u8> {
    let (mut all, mut buf) = (Vec::new(), [0; 16]);
    while let Ok(n @ 1..) = stream.try_read(&mut buf) {
        all.extend_from_slice(&buf[..n]);
    }
    all
}

/// Sends four bytes in two parts, and the end.
async fn feed(stream: &UnixStream) {
    for part in [b"ab", b"cd"] {
        turns().await;
        stream.write_all(part).await.unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
}

/// An operation that copies four bytes, which come in two parts.
macro_rules! copies {
    (|$from:ident, $to:ident| $copy:expr) => {{
        let ((feeder, from), (to, sink)) =
            (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        let ends = lent((from, to));
        let operation = lend!(ends => {
            let ($from, $to) = &mut *ends;
            $copy
        });
        let stimulus = async move { feed(&feeder).await };
        case(operation, stimulus, async move |got: Option<u64>| {
            let ends = ends.try_acquire().expect("the operation is over");
            assert!(got.is_none_or(|n| n == 4));
            copied(&at_once(&sink), &at_once(&ends.0), got.is_some());
        })
    }};
}

pub const TABLE: &[(&str, Make)] = awaits! {
    "stream::open_connection" => {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, gate) = (listener.local_addr().unwrap().port(), Gate::shut());
        let operation = async move { open_connection(("localhost", port)).await.unwrap() };
        case(operation, async move { gate.open().await }, async move |got: Option<(_, _)>| {
            settle().await;
            if let Some((_reader, writer)) = got {
                close(writer).await;
            }
            drop(listener);
        })
    };
    "stream::open_unix_connection" => joins_the_queue(Type::STREAM, open_unix_connection);

    "stream::StreamReader::read" => reads!(|reader| reader.read(Some(4)).await.unwrap());
    "stream::StreamReader::read_line" => reads!(|reader| reader.read_line().await.unwrap());
    "stream::StreamReader::read_exact" => reads!(|reader| reader.read_exact(4).await.unwrap());
    "stream::StreamReader::read_until" => {
        reads!(|reader| reader.read_until(&[b"d", b"x"]).await.unwrap())
    };
    "stream::Lines::next_line" => {
        reads!(|reader| reader.lines().next_line().await.unwrap().unwrap())
    };
    "stream::Lines as Stream" => {
        reads!(|reader| next(&mut reader.lines()).await.unwrap().unwrap())
    };
    "stream::StreamWriter::drain" => queued(
        |writer| writer.set_write_buffer_limits(Some(100), None),
        |writer| lend!(writer => writer.drain().await.unwrap()),
    )
    .await;
    "stream::StreamWriter::wait_closed" => queued(
        StreamWriter::close,
        |writer| lend!(writer => writer.wait_closed().await.unwrap()),
    )
    .await;

    "stream::start_server" => {
        let gate = Gate::shut();
        let operation = async { start_server(async |_, _| {}, "localhost:0").await.unwrap() };
        case(operation, async move { gate.open().await }, async move |got: Option<Server>| {
            settle().await;
            if let Some(server) = got {
                close_server(&server).await;
            }
        })
    };
    "stream::start_unix_server" => {
        let folder = Folder::new();
        let path = folder.at("socket");
        let operation = async { start_unix_server(async |_, _| {}, path).await.unwrap() };
        ready("a path needs no lookup", operation, async move |got: Option<Server>| {
            if let Some(server) = got {
                close_server(&server).await;
            }
            assert!(folder.names().is_empty(), "the socket's file goes with the server");
        })
    };
    // Dropped once it has begun, it closes the server itself.
    "stream::Server::serve_forever" => {
        let server = server().await;
        let (mine, other) = (server.clone(), server.clone());
        let operation = async move { mine.serve_forever().await.unwrap() };
        let stimulus = async move {
            turns().await;
            other.close();
        };
        case(operation, stimulus, async move |_| close_server(&server).await)
    };
    "stream::Server::wait_closed" => {
        let server = server().await;
        let (mine, other) = (server.clone(), server.clone());
        let operation = async move { mine.wait_closed().await; };
        let stimulus = async move {
            turns().await;
            other.close();
        };
        case(operation, stimulus, async move |_| close_server(&server).await)
    };

    "io::copy" => copies!(|from, to| copy(from, to).await.unwrap());
    "net::splice" => copies!(|from, to| splice(from, to).await.unwrap());
    "io::copy_bidirectional" => {
        let ((left, a), (b, right)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        let (left, right) = (Arc::new(left), Arc::new(right));
        let feeders = (left.clone(), right.clone());
        let ends = lent((a, b));
        let operation = lend!(ends => {
            let (a, b) = &mut *ends;
            copy_bidirectional(a, b).await.unwrap()
        });
        let stimulus = async move {
            feed(&feeders.0).await;
            feed(&feeders.1).await;
        };
        case(operation, stimulus, async move |got: Option<(u64, u64)>| {
            let ends = ends.try_acquire().expect("the operation is over");
            assert!(got.is_none_or(|n| n == (4, 4)));
            copied(&at_once(&right), &at_once(&ends.0), got.is_some());
            copied(&at_once(&left), &at_once(&ends.1), got.is_some());
        })
    };
};

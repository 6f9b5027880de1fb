//! One direction of a connection ends and the other goes on: asyncio's streams, plain and secured,
//! copies between streams, and `corio::serve`. Of bare sockets it is in `streams` and `unix`.

use std::io::ErrorKind;

use corio::io::{copy_bidirectional, duplex};
use corio::net::{Shutdown, UnixStream};
use corio::stream::{
    StreamReader, StreamWriter, connect_accepted_socket, open_connection, open_unix_connection,
    start_server, start_unix_server,
};

use crate::ssl::papers::{serving, trusting};
use crate::unix::scratch;
use crate::{everywhere, once, pair, read_all};

/// More than the system takes for a socket at a time.
const LARGE: usize = 4 << 20;

fn pattern() -> Vec<u8> {
    (0..LARGE).map(|i| (i % 251) as u8).collect()
}

/// Answers when its client has ended, by what it was sent, and ends too.
async fn answers_late(mut reader: StreamReader, mut writer: StreamWriter) {
    let question = reader.read(None).await.unwrap();
    writer.write(&question);
    writer.drain().await.unwrap();
    writer.write(b"!");
    writer.close();
    writer.wait_closed().await.unwrap();
}

/// Ends first, and hears what its client says then.
async fn speaks_first(mut reader: StreamReader, mut writer: StreamWriter) {
    writer.write(b"welcome");
    writer.write_eof().unwrap();
    let all = reader.read(None).await.unwrap();
    assert_eq!(all.len(), LARGE);
}

/// A client that ends its side and reads a long answer.
async fn asks((mut reader, mut writer): (StreamReader, StreamWriter)) {
    let question = pattern();
    writer.write(&question);
    writer.write_eof().unwrap();
    assert!(!writer.is_closing(), "only one direction has ended");
    let answer = reader.read(None).await.unwrap();
    assert!(answer[..LARGE] == question && answer[LARGE..] == *b"!");
    writer.close();
    writer.wait_closed().await.unwrap();
}

/// A client that reads to the end, and only then begins to send.
async fn listens((mut reader, mut writer): (StreamReader, StreamWriter)) {
    assert_eq!(reader.read(None).await.unwrap(), b"welcome");
    assert!(reader.at_eof());
    for piece in pattern().chunks(100_003) {
        writer.write(piece);
        writer.drain().await.unwrap();
    }
    writer.close();
    writer.wait_closed().await.unwrap();
}

#[test]
fn streams_over_tcp() {
    everywhere(async || {
        let server = start_server(answers_late, "127.0.0.1:0").await.unwrap();
        asks(open_connection(server.local_addrs()[0]).await.unwrap()).await;
        let server = start_server(speaks_first, "127.0.0.1:0").await.unwrap();
        listens(open_connection(server.local_addrs()[0]).await.unwrap()).await;
        server.close();
        server.wait_closed().await;
    });
}

#[test]
fn streams_over_a_unix_socket() {
    everywhere(async || {
        let folder = scratch();
        let path = folder.path().join("late");
        let _server = start_unix_server(answers_late, &path).await.unwrap();
        asks(open_unix_connection(&path).await.unwrap()).await;
        let path = folder.path().join("first");
        let server = start_unix_server(speaks_first, &path).await.unwrap();
        listens(open_unix_connection(&path).await.unwrap()).await;
        server.close();
        server.wait_closed().await;
    });
}

#[test]
fn secured_streams() {
    everywhere(async || {
        let server = start_server(answers_late, "127.0.0.1:0").ssl(serving()).await.unwrap();
        let open = open_connection(server.local_addrs()[0]).ssl(trusting());
        asks(open.await.unwrap()).await;
        let server = start_server(speaks_first, "127.0.0.1:0").ssl(serving()).await.unwrap();
        let open = open_connection(server.local_addrs()[0]).ssl(trusting());
        listens(open.await.unwrap()).await;
        server.close();
        server.wait_closed().await;
    });
}

/// asyncio raises an error at the write; here it is the next drain that tells.
#[test]
fn a_write_after_the_end_is_refused_and_the_answer_arrives() {
    everywhere(async || {
        let (a, b) = UnixStream::pair().unwrap();
        let (mut reader, mut writer) = connect_accepted_socket(a).unwrap();
        // At once, and behind what is queued.
        writer.write(b"question");
        writer.write_eof().unwrap();
        writer.write(b"late");
        writer.write_lines([&b"later"[..]]);
        let error = writer.drain().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert!(error.to_string().contains("after write_eof"), "{error}");
        assert!(!writer.is_closing(), "the connection is as it was");
        let mut question = [0; 9];
        assert_eq!(b.read(&mut question).await.unwrap(), 8);
        assert_eq!(b.read(&mut question).await.unwrap(), 0);
        b.write_all(b"answer").await.unwrap();
        b.shutdown(Shutdown::Write).unwrap();
        assert_eq!(reader.read(None).await.unwrap(), b"answer");
        writer.close();
        writer.wait_closed().await.unwrap();
    });
}

#[test]
fn a_write_after_an_end_that_is_queued_is_refused_too() {
    everywhere(async || {
        let (a, b) = UnixStream::pair().unwrap();
        let (mut reader, mut writer) = connect_accepted_socket(a).unwrap();
        let question = pattern();
        writer.write(&question);
        assert!(writer.queued() > 0);
        writer.write_eof().unwrap();
        let queued = writer.queued();
        writer.write(b"late");
        assert!(writer.queued() <= queued, "nothing is queued behind the end");
        assert_eq!(writer.drain().await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let peer = corio::create_task(async move {
            let mut all = vec![0; LARGE];
            b.read_exact(&mut all).await.unwrap();
            assert_eq!(b.read(&mut [0]).await.unwrap(), 0);
            b.write_all(b"answer").await.unwrap();
            all
        });
        assert_eq!(reader.read(None).await.unwrap(), b"answer");
        assert!(peer.await.unwrap() == question);
        writer.close();
        writer.wait_closed().await.unwrap();
    });
}

/// Either side of a proxy may end first, whatever it is made of.
#[test]
fn a_proxy_between_a_connection_and_memory() {
    everywhere(async || {
        for client_first in [true, false] {
            let (client, mut outer) = pair().await;
            let (mut inner, mut service) = duplex(1 << 16);
            let proxy = corio::create_task(async move {
                copy_bidirectional(&mut outer, &mut inner).await.unwrap()
            });
            let (said, answered) = if client_first {
                client.write_all(b"question").await.unwrap();
                client.shutdown(Shutdown::Write).unwrap();
                let mut question = [0; 8];
                service.read_exact(&mut question).await.unwrap();
                assert_eq!(service.read(&mut [0]).await.unwrap(), 0, "its end");
                service.write_all(b"answer").await.unwrap();
                service.shutdown();
                assert_eq!(read_all(&client).await.unwrap(), b"answer");
                (8, 6)
            } else {
                service.write_all(b"welcome").await.unwrap();
                service.shutdown();
                assert_eq!(read_all(&client).await.unwrap(), b"welcome");
                client.write_all(b"thanks").await.unwrap();
                client.shutdown(Shutdown::Write).unwrap();
                let mut thanks = [0; 6];
                service.read_exact(&mut thanks).await.unwrap();
                assert_eq!(service.read(&mut [0]).await.unwrap(), 0, "its end");
                (6, 7)
            };
            assert_eq!(proxy.await.unwrap(), (said, answered));
        }
    });
}

/// A client that has its answer ends its side, and the server ends its own: nobody waits.
#[test]
fn a_client_of_serve_ends_its_side() {
    use crate::serve::Server;
    once(async {
        let router = axum::Router::new().route("/", axum::routing::get(async || "hello"));
        let server = Server::start(router, None).await;
        let stream = server.connect().await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"hello") {
            let mut buf = [0; 512];
            let n = stream.read(&mut buf).await.unwrap();
            assert!(n > 0, "{}", String::from_utf8_lossy(&head));
            head.extend_from_slice(&buf[..n]);
        }
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&stream).await.unwrap(), b"", "its end");
        // Who ends it with the request is taken for gone (hyper's `half_close(false)`, as in axum): no
        // handler works on for nobody. It gets the end, and no part of an answer.
        let stream = server.connect().await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").await.unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let answer = String::from_utf8(read_all(&stream).await.unwrap()).unwrap();
        assert!(answer.is_empty() || answer.ends_with("hello"), "{answer:?}");
        let report = server.end().await;
        assert!(report.is_clean(), "{report}");
    });
}

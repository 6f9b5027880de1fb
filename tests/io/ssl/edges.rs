//! TLS that does not come about, or ends early.

use std::io::ErrorKind;
use std::time::Duration;

use corio::net::{TcpListener, UnixStream};
use corio::ssl::{SslContext, SslError};
use corio::stream::{
    StreamReader, StreamWriter, connect_accepted_socket, connect_read_pipe, connect_write_pipe,
    open_connection, start_server,
};

use super::{by_name, converse, refusal, serving, shout, shouting, trusting};
use crate::{once, patiently, until};

const SOON: Duration = Duration::from_millis(40);

#[test]
fn a_peer_that_says_nothing_is_given_up() {
    once(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let open = open_connection(address).ssl(trusting()).ssl_handshake_timeout(SOON);
        let late = open.await.unwrap_err();
        assert!(matches!(refusal(&late), SslError::HandshakeTimeout(limit) if *limit == SOON));
        assert_eq!(late.kind(), ErrorKind::ConnectionAborted);
        let (stream, _) = listener.accept().await.unwrap();
        crate::read_all(&stream).await.unwrap();
        // The same on the other side: the client hears nothing but the end.
        let unheard = async |_: StreamReader, _: StreamWriter| panic!("no handshake, no handler");
        let start = start_server(unheard, "127.0.0.1:0").ssl(serving());
        let server = start.ssl_handshake_timeout(SOON).await.unwrap();
        let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        assert_eq!(reader.read(None).await.unwrap(), b"");
        server.close();
        server.wait_closed().await;
    });
}

#[test]
fn a_peer_that_leaves_ends_the_handshake() {
    once(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let open = corio::create_task(open_connection(address).ssl(trusting()));
        let (stream, _) = listener.accept().await.unwrap();
        // What it says is read, so that its end is no reset.
        stream.readable().await.unwrap();
        let mut hello = [0; 4096];
        while stream.try_read(&mut hello).is_ok() {}
        drop(stream);
        let gone = open.await.unwrap().unwrap_err();
        assert!(matches!(refusal(&gone), SslError::EofDuringHandshake), "{gone:?}");
        assert_eq!(gone.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_peer_that_speaks_something_else_is_refused() {
    once(async {
        let talk = async |_: StreamReader, mut writer: StreamWriter| {
            writer.write(b"220 mail.example.org ESMTP\r\n");
            writer.wait_closed().await.ok();
        };
        let server = start_server(talk, "127.0.0.1:0").await.unwrap();
        let open = open_connection(server.local_addrs()[0]).ssl(trusting());
        let refused = open.await.unwrap_err();
        assert!(matches!(refusal(&refused), SslError::Tls(_)), "{refused:?}");
        server.close();
        server.abort_clients();
        server.wait_closed().await;
    });
}

#[test]
fn an_end_that_nobody_has_vouched_for_is_an_error() {
    once(async {
        let cut = async |mut reader: StreamReader, mut writer: StreamWriter| {
            let line = reader.read_line().await.unwrap();
            writer.write(&line);
            writer.drain().await.unwrap();
            until("it is sent", || writer.queued() == 0).await;
            writer.abort();
        };
        let server = start_server(cut, "127.0.0.1:0").ssl(serving()).await.unwrap();
        let open = open_connection(by_name(&server)).ssl(trusting());
        let (mut reader, mut writer) = open.await.unwrap();
        writer.write(b"cut\n");
        assert_eq!(reader.read_line().await.unwrap(), b"cut\n");
        let error = reader.read(None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
        server.close();
    });
}

#[test]
fn an_abort_never_tells_the_peer_that_it_was_all() {
    // The worker of the session may look at any moment of an abort by another.
    patiently(4, async {
        let cut = async |mut reader: StreamReader, mut writer: StreamWriter| {
            let line = reader.read_line().await.unwrap();
            writer.write(&line);
            until("it is sent", || writer.queued() == 0).await;
            writer.write(b"the rest");
            writer.abort();
        };
        let server = start_server(cut, "127.0.0.1:0").ssl(serving()).await.unwrap();
        for _ in 0..40 {
            let ask = |address| async move {
                let open = open_connection(address).ssl(trusting());
                let (mut reader, mut writer) = open.await.unwrap();
                writer.write(b"cut\n");
                assert_eq!(reader.read_line().await.unwrap(), b"cut\n");
                let error = reader.read(None).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
            };
            for told in corio::gather_all((0..8).map(|_| ask(by_name(&server)))).await {
                told.unwrap();
            }
        }
        server.close();
    });
}

#[test]
fn a_close_waits_for_the_peer_but_not_for_ever() {
    once(async {
        let sleepy = async |mut reader: StreamReader, writer: StreamWriter| {
            // It has seen the end and does not answer.
            assert_eq!(reader.read(None).await.unwrap(), b"bye");
            corio::sleep(Duration::from_secs(60)).await;
            drop(writer);
        };
        let server = start_server(sleepy, "127.0.0.1:0").ssl(serving()).await.unwrap();
        let open = open_connection(by_name(&server)).ssl(trusting()).ssl_shutdown_timeout(SOON);
        let (_reader, mut writer) = open.await.unwrap();
        writer.write(b"bye");
        writer.close();
        let late = writer.wait_closed().await.unwrap_err();
        assert_eq!(late.kind(), ErrorKind::TimedOut, "{late}");
        server.close();
        server.abort_clients();
    });
}

#[test]
fn a_dropped_handshake_closes_its_connection() {
    once(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut reader, mut writer) = connect_accepted_socket(ours).unwrap();
        writer.write(b"before\n");
        let start = writer.start_tls(&mut reader, trusting()).server_hostname("localhost");
        assert!(corio::timeout(SOON, start).await.is_err(), "nobody answers");
        assert!(writer.is_closing());
        writer.wait_closed().await.unwrap_err();
        // What was written before is not lost by it.
        let mut all = Vec::new();
        let (mut reader, _writer) = connect_accepted_socket(theirs).unwrap();
        all.extend(reader.read_line().await.unwrap());
        assert_eq!(all, b"before\n");
    });
}

#[test]
fn a_server_that_closes_its_clients_does_not_wait_for_handshakes() {
    once(async {
        let server = start_server(shout, "127.0.0.1:0").ssl(serving()).await.unwrap();
        let silent = corio::net::TcpStream::connect(server.local_addrs()[0]).await.unwrap();
        let open = open_connection(by_name(&server)).ssl(trusting());
        let (mut reader, mut writer) = open.await.unwrap();
        converse(&mut reader, &mut writer).await;
        server.close();
        server.close_clients();
        assert_eq!(reader.read(None).await.unwrap(), b"");
        writer.close();
        writer.wait_closed().await.unwrap();
        server.wait_closed().await;
        assert_eq!(crate::read_all(&silent).await.unwrap_or_default(), b"");
    });
}

#[test]
fn contexts_and_streams_must_fit() {
    once(async {
        let server = shouting().await;
        let wrong = open_connection(by_name(&server)).ssl(serving()).await.unwrap_err();
        assert!(matches!(refusal(&wrong), SslError::WrongSide), "{wrong:?}");
        let wrong = start_server(shout, "127.0.0.1:0").ssl(trusting()).await.unwrap_err();
        assert!(matches!(refusal(&wrong), SslError::WrongSide), "{wrong:?}");
        for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\n!\n"] {
            let bad = SslContext::trusting(text).unwrap_err();
            assert!(matches!(bad, SslError::BadPem(_)), "{text:?}: {bad:?}");
        }
        let other = super::make();
        let mixed = SslContext::with_cert_chain(&super::papers().chain, &other.key).unwrap_err();
        assert!(matches!(mixed, SslError::Tls(_)), "{mixed:?}");
        let (read, write) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut reader = connect_read_pipe(read).unwrap();
        let mut writer = connect_write_pipe(write).unwrap();
        let different = std::panic::AssertUnwindSafe(|| {
            drop(writer.start_tls(&mut reader, trusting()));
        });
        let message = std::panic::catch_unwind(different).unwrap_err();
        let message = message.downcast_ref::<&str>().unwrap();
        assert!(message.contains("one connection"), "{message}");
        server.close();
    });
}

#[test]
fn a_limit_of_nothing_is_refused() {
    once(async {
        let bad = std::panic::catch_unwind(|| {
            drop(
                open_connection("127.0.0.1:1")
                    .ssl(trusting())
                    .ssl_handshake_timeout(Duration::ZERO),
            );
        });
        assert!(bad.unwrap_err().downcast_ref::<&str>().unwrap().contains("more than 0"));
    });
}

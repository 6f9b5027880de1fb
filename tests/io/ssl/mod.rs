//! TLS for streams: real sockets, real handshakes, certificates that are made here.

mod edges;
mod foreign;
pub mod papers;

use std::sync::Arc;

use corio::net::UnixStream;
use corio::ssl::{SslContext, SslError, rustls};
use corio::stream::{
    ReadError, Server, StreamReader, StreamWriter, connect_accepted_socket, open_connection,
    open_unix_connection, start_server, start_unix_server,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use self::papers::{make, papers, serving, trusting};
use crate::unix::scratch;
use crate::{everywhere, once};

/// What clients use that trust somebody else.
fn distrusting() -> SslContext {
    SslContext::trusting(make().authority).unwrap()
}

/// Answers each line in capitals until the client ends.
async fn shout(mut reader: StreamReader, mut writer: StreamWriter) {
    while let Ok(line) = reader.read_line().await {
        if line.is_empty() {
            break;
        }
        writer.write(&line.to_ascii_uppercase());
        if writer.drain().await.is_err() {
            break;
        }
    }
}

/// A server on 127.0.0.1 that secures its connections.
async fn shouting() -> Server {
    start_server(shout, "127.0.0.1:0").ssl(serving()).await.unwrap()
}

/// The same address by the name that the certificate is for.
fn by_name(server: &Server) -> String {
    format!("localhost:{}", server.local_addrs()[0].port())
}

async fn converse(reader: &mut StreamReader, writer: &mut StreamWriter) {
    writer.write(b"hello\n");
    writer.drain().await.unwrap();
    assert_eq!(reader.read_line().await.unwrap(), b"HELLO\n");
}

/// Ends a conversation from this side, and sees that the other one ends it too.
async fn end(mut reader: StreamReader, mut writer: StreamWriter) {
    writer.write_eof().unwrap();
    assert_eq!(reader.read(None).await.unwrap(), b"");
    writer.close();
    writer.wait_closed().await.unwrap();
}

fn refusal(error: &std::io::Error) -> &SslError {
    SslError::of(error).unwrap_or_else(|| panic!("another error: {error:?}"))
}

// conforms: 22 test_open_connection_no_loop_ssl
// conforms: 30 test_create_ssl_connection
// conforms: 30 test_create_server_ssl
// conforms: 30 test_create_server_ssl_verified
// conforms: 30 test_create_connection_ssl_server_hostname_default
#[test]
fn a_verified_server_is_spoken_to() {
    everywhere(async || {
        let server = shouting().await;
        let open = open_connection(by_name(&server)).ssl(trusting());
        let (mut reader, mut writer) = open.await.unwrap();
        converse(&mut reader, &mut writer).await;
        let info = writer.get_extra_info();
        assert_eq!(info.peer_addr, Some(server.local_addrs()[0]));
        assert!(info.local_addr.is_some());
        let ssl = info.ssl_object.as_ref().unwrap();
        assert_eq!(ssl.version(), "TLSv1.3");
        assert!(ssl.cipher().starts_with("TLS13_"), "{}", ssl.cipher());
        assert_eq!(ssl.server_hostname(), Some("localhost"));
        let shown = CertificateDer::from_pem_slice(papers().chain.as_bytes()).unwrap();
        assert_eq!(ssl.peercert(), Some(&shown));
        assert_eq!(ssl.peercert_chain(), [shown]);
        assert_eq!(ssl.selected_alpn_protocol(), None);
        end(reader, writer).await;
        // A number is a name too, if the certificate has it.
        let numeric = open_connection(server.local_addrs()[0]).ssl(trusting());
        let (reader, writer) = numeric.await.unwrap();
        let ssl = writer.get_extra_info().ssl_object.clone().unwrap();
        assert_eq!(ssl.server_hostname(), Some("127.0.0.1"));
        end(reader, writer).await;
        server.close();
        server.wait_closed().await;
    });
}

// conforms: 22 test_open_unix_connection_no_loop_ssl
// conforms: 30 test_create_ssl_unix_connection
// conforms: 30 test_create_unix_server_ssl
// conforms: 30 test_create_unix_server_ssl_verified
// conforms: 30 test_create_connection_ssl_server_hostname_errors
#[test]
fn a_unix_server_is_verified_by_the_name_that_is_given() {
    once(async {
        let folder = scratch();
        let path = folder.path().join("tls");
        let server = start_unix_server(shout, &path).ssl(serving()).await.unwrap();
        let named = open_unix_connection(&path).ssl(trusting()).server_hostname("localhost");
        let (mut reader, mut writer) = named.await.unwrap();
        converse(&mut reader, &mut writer).await;
        end(reader, writer).await;
        // A path has no host that a certificate could be for.
        let nameless = open_unix_connection(&path).ssl(trusting()).await.unwrap_err();
        assert!(matches!(refusal(&nameless), SslError::NoServerHostname), "{nameless:?}");
        let bad = open_unix_connection(&path).ssl(trusting()).server_hostname("not a name");
        let bad = bad.await.unwrap_err();
        assert!(matches!(refusal(&bad), SslError::BadServerHostname(n) if n == "not a name"));
        assert_eq!(bad.kind(), std::io::ErrorKind::InvalidInput);
        server.close();
        server.wait_closed().await;
    });
}

// conforms: 30 test_create_server_ssl_verify_failed
// conforms: 30 test_create_unix_server_ssl_verify_failed
#[test]
fn a_server_that_nobody_vouches_for_is_refused() {
    once(async {
        use rustls::CertificateError::UnknownIssuer;

        let folder = scratch();
        let path = folder.path().join("tls");
        let unheard = async |_: StreamReader, _: StreamWriter| panic!("no handshake, no handler");
        let server = start_server(unheard, "127.0.0.1:0").ssl(serving()).await.unwrap();
        let unix = start_unix_server(unheard, &path).ssl(serving()).await.unwrap();
        let refused = open_connection(by_name(&server)).ssl(distrusting()).await.unwrap_err();
        assert!(matches!(refusal(&refused), SslError::CertificateRefused(UnknownIssuer)));
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidData);
        let refused = open_unix_connection(&path).ssl(distrusting()).server_hostname("localhost");
        let refused = refused.await.unwrap_err();
        assert!(matches!(refusal(&refused), SslError::CertificateRefused(UnknownIssuer)));
        // The servers have let go of them.
        for server in [server, unix] {
            server.close();
            server.wait_closed().await;
        }
    });
}

// conforms: 30 test_create_server_ssl_match_failed
#[test]
fn a_certificate_for_another_name_is_refused() {
    once(async {
        let server = shouting().await;
        let open = open_connection(server.local_addrs()[0]).ssl(trusting());
        let refused = open.server_hostname("example.org").await.unwrap_err();
        let SslError::CertificateRefused(why) = refusal(&refused) else { panic!("{refused:?}") };
        assert!(
            matches!(
                why,
                rustls::CertificateError::NotValidForName
                    | rustls::CertificateError::NotValidForNameContext { .. }
            ),
            "{why:?}"
        );
        server.close();
        server.wait_closed().await;
    });
}

// conforms: 30 test_ssl_connect_accepted_socket
// conforms: 22 test_start_tls
// conforms: 22 test_streamwriter_start_tls_updates_reader_transport
#[test]
fn a_conversation_is_secured_in_its_middle() {
    everywhere(async || {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let server = corio::create_task(async move {
            let (mut reader, mut writer) = connect_accepted_socket(theirs).unwrap();
            assert_eq!(reader.read_line().await.unwrap(), b"STARTTLS\n");
            writer.write(b"go ahead\n");
            writer.start_tls(&mut reader, serving()).await.unwrap();
            // A server asks for no certificate unless it is told to.
            let ssl = writer.get_extra_info().ssl_object.clone().unwrap();
            assert!(ssl.peercert().is_none() && ssl.server_hostname().is_none());
            let again = writer.start_tls(&mut reader, serving()).await.unwrap_err();
            assert!(matches!(again, SslError::Unsupported), "{again:?}");
            shout(reader, writer).await;
        });
        let (mut reader, mut writer) = connect_accepted_socket(ours).unwrap();
        writer.write(b"STARTTLS\n");
        assert_eq!(reader.read_line().await.unwrap(), b"go ahead\n");
        let start = writer.start_tls(&mut reader, trusting()).server_hostname("localhost");
        start.await.unwrap();
        assert!(writer.get_extra_info().ssl_object.is_some());
        converse(&mut reader, &mut writer).await;
        end(reader, writer).await;
        server.await.unwrap();
    });
}

// conforms: 22 test_start_tls_buffered_data
#[test]
fn a_handshake_that_was_read_ahead_is_not_lost() {
    once(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut reader, mut writer) = connect_accepted_socket(ours).unwrap();
        let client = corio::create_task(async move {
            // The line and the beginning of the handshake go out together.
            writer.write(b"STARTTLS\n");
            let start = writer.start_tls(&mut reader, trusting()).server_hostname("localhost");
            start.await.unwrap();
            converse(&mut reader, &mut writer).await;
            end(reader, writer).await;
        });
        let mut seen = [0; 64];
        while theirs.peek(&mut seen).await.unwrap() < 64 {
            corio::yield_now().await;
        }
        let (mut reader, mut writer) = connect_accepted_socket(theirs).unwrap();
        assert_eq!(reader.read_line().await.unwrap(), b"STARTTLS\n");
        writer.start_tls(&mut reader, serving()).await.unwrap();
        shout(reader, writer).await;
        client.await.unwrap();
    });
}

#[test]
fn much_goes_both_ways_and_a_slow_reader_slows_its_writer() {
    const LARGE: usize = 3 << 20;
    once(async {
        let echo = async |mut reader: StreamReader, mut writer: StreamWriter| {
            loop {
                let bytes = reader.read(Some(1 << 16)).await.unwrap();
                if bytes.is_empty() {
                    break;
                }
                writer.write(&bytes);
                writer.drain().await.unwrap();
            }
        };
        // What a Unix socket holds is less than what is sent.
        let folder = scratch();
        let path = folder.path().join("tls");
        let server = start_unix_server(echo, &path).ssl(serving()).await.unwrap();
        let open = open_unix_connection(&path).ssl(trusting()).server_hostname("localhost");
        let (mut reader, mut writer) = open.await.unwrap();
        let sent: Vec<u8> = (0..LARGE).map(|i| (i % 251) as u8).collect();
        // Nobody reads what comes back: the echo stops, and so does this.
        let mut at = 0;
        loop {
            writer.write(&sent[at..at + 4096]);
            at += 4096;
            let drained = corio::timeout(std::time::Duration::from_millis(300), writer.drain());
            match drained.await {
                Ok(drained) => drained.unwrap(),
                Err(_) => break,
            }
            assert!(at < LARGE, "nothing has held the writer up");
        }
        let writing = corio::create_task(async move {
            for piece in sent[at..].chunks(10_007) {
                writer.write(piece);
                writer.drain().await.unwrap();
            }
            writer.write_eof().unwrap();
            (sent, writer)
        });
        let back = reader.read(None).await.unwrap();
        let (sent, mut writer) = writing.await.unwrap();
        assert!(back == sent, "{} of {LARGE} bytes", back.len());
        assert_eq!(writer.queued(), 0);
        writer.close();
        writer.wait_closed().await.unwrap();
        server.close();
        server.wait_closed().await;
    });
}

/// A server that asks its clients for a certificate of the same authority.
fn asking() -> SslContext {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(papers().authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        provider.clone(),
    );
    let (chain, key) = own();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain, key);
    config.unwrap().into()
}

fn own() -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::from_pem_slice(papers().chain.as_bytes()).unwrap();
    (vec![chain], PrivateKeyDer::from_pem_slice(papers().key.as_bytes()).unwrap())
}

/// A client that shows one, and asks for a protocol.
fn showing() -> SslContext {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(papers().authority.as_bytes()).unwrap()).unwrap();
    let (chain, key) = own();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"shout/1".to_vec()];
    config.into()
}

#[test]
fn a_client_shows_its_certificate_if_it_is_asked() {
    once(async {
        let (told, mut tell) = corio::sync::mpsc::unbounded();
        let handler = move |reader: StreamReader, writer: StreamWriter| {
            let shown = writer.get_extra_info().ssl_object.clone().unwrap();
            told.send(shown.peercert().is_some()).unwrap();
            shout(reader, writer)
        };
        let server = start_server(handler, "127.0.0.1:0").ssl(asking()).await.unwrap();
        let open = open_connection(by_name(&server)).ssl(showing());
        let (mut reader, mut writer) = open.await.unwrap();
        converse(&mut reader, &mut writer).await;
        end(reader, writer).await;
        assert_eq!(tell.recv().await, Some(true));
        // Who shows none learns of it when it reads: its own part of the handshake was done.
        let open = open_connection(by_name(&server)).ssl(trusting());
        let (mut reader, _writer) = open.await.unwrap();
        let ReadError::Io(error) = reader.read_line().await.unwrap_err() else { panic!("no end") };
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "{error}");
        server.close();
        server.wait_closed().await;
        assert!(tell.try_recv().is_err(), "the handler was called");
    });
}

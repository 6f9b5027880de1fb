//! TLS with tokio-rustls on corio's streams, without tokio: an echo, and a client that trusts
//! nobody.
use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use corio::net::{TcpListener, TcpStream};
use corio_ecosystem::{BoxError, Identity, assert_no_tokio, assert_on_corio};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Many TLS records, and more than the sockets take at once.
const LENGTH: usize = 3_000_000;
const CLIENTS: u8 = 8;

#[corio::main]
async fn main() -> Result<(), BoxError> {
    let (server, client) = Identity::new()?.tls()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = corio::create_task(echo(listener, TlsAcceptor::from(server)));

    let clients = (0..CLIENTS).map(|n| {
        let connector = TlsConnector::from(client.clone());
        corio::create_task(async move {
            let stream = TcpStream::connect(address).await?;
            let stream = connector.connect("localhost".try_into()?, stream).await?;
            let (mut read, mut write) = tokio::io::split(stream);
            let sent = vec![n; LENGTH];
            let expected = sent.clone();
            let writer = corio::create_task(async move {
                write.write_all(&sent).await?;
                write.shutdown().await
            });
            let mut received = Vec::new();
            read.read_to_end(&mut received).await?;
            assert!(received == expected, "{} of {LENGTH} bytes came back", received.len());
            writer.await??;
            Ok::<_, BoxError>(())
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await??;
    }
    println!("{CLIENTS} clients, {LENGTH} bytes each way");

    let config = ClientConfig::builder().with_root_certificates(RootCertStore::empty());
    let suspicious = TlsConnector::from(Arc::new(config.with_no_client_auth()));
    let stream = TcpStream::connect(address).await?;
    let refused = suspicious.connect("localhost".try_into()?, stream).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    println!("a client that trusts nobody: {refused}");
    server.cancel();
    Ok(())
}

async fn echo(listener: TcpListener, acceptor: TlsAcceptor) -> io::Result<Infallible> {
    loop {
        let (stream, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        let _detached = corio::create_task(async move {
            assert_no_tokio();
            assert_on_corio();
            let (mut read, mut write) = tokio::io::split(acceptor.accept(stream).await?);
            tokio::io::copy(&mut read, &mut write).await?;
            write.shutdown().await
        });
    }
}

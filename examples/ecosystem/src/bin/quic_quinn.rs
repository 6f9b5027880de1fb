//! QUIC with quinn on corio's sockets and timers, without tokio: several connections over one
//! socket, many streams in each, and datagrams.
use std::sync::Arc;

use corio::quinn_0_11::CorioRuntime;
use corio_ecosystem::{BoxError, Identity, assert_no_tokio, assert_on_corio};
use quinn::{ClientConfig, Connection, Endpoint, EndpointConfig, ServerConfig};

const CONNECTIONS: usize = 4;
const STREAMS: usize = 10;
/// Many packets.
const LENGTH: usize = 200_000;

#[corio::main]
async fn main() -> Result<(), BoxError> {
    let identity = Identity::new()?;
    let chain = vec![identity.certificate.clone()];
    let config = ServerConfig::with_single_cert(chain, identity.key.clone_key())?;
    let server = endpoint(Some(config))?;
    let address = server.local_addr()?;
    let serving = corio::create_task(serve(server.clone()));

    let mut client = endpoint(None)?;
    let trust = ClientConfig::with_root_certificates(Arc::new(identity.roots()?))?;
    client.set_default_client_config(trust);
    let talks = (0..CONNECTIONS).map(|_| {
        let client = client.clone();
        corio::create_task(async move { talk(client.connect(address, "localhost")?.await?).await })
    });
    for talk in talks.collect::<Vec<_>>() {
        talk.await??;
    }
    println!("{CONNECTIONS} connections, {STREAMS} streams of {LENGTH} bytes each, datagrams");

    server.close(0u8.into(), b"enough");
    serving.await??;
    server.wait_idle().await;
    client.wait_idle().await;
    Ok(())
}

fn endpoint(server: Option<ServerConfig>) -> std::io::Result<Endpoint> {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    Endpoint::new(EndpointConfig::default(), server, socket, Arc::new(CorioRuntime))
}

/// Until the endpoint is closed.
async fn serve(endpoint: Endpoint) -> Result<(), BoxError> {
    while let Some(incoming) = endpoint.accept().await {
        assert_no_tokio();
        assert_on_corio();
        let _detached = corio::create_task(async move {
            if let Err(error) = echo(incoming.await?).await {
                eprintln!("a connection: {error}");
            }
            Ok::<_, BoxError>(())
        });
    }
    Ok(())
}

/// Sends back what comes, until the peer closes the connection.
async fn echo(connection: Connection) -> Result<(), BoxError> {
    let datagrams = connection.clone();
    let _detached = corio::create_task(async move {
        while let Ok(datagram) = datagrams.read_datagram().await {
            datagrams.send_datagram(datagram)?;
        }
        Ok::<_, BoxError>(())
    });
    while let Ok((mut send, mut receive)) = connection.accept_bi().await {
        let _detached = corio::create_task(async move {
            let mut buf = vec![0; 16 * 1024];
            while let Some(n) = receive.read(&mut buf).await? {
                send.write_all(&buf[..n]).await?;
            }
            send.finish()?;
            Ok::<_, BoxError>(())
        });
    }
    Ok(())
}

async fn talk(connection: Connection) -> Result<(), BoxError> {
    let streams = (0..STREAMS).map(|n| {
        let connection = connection.clone();
        corio::create_task(async move {
            let (mut send, mut receive) = connection.open_bi().await?;
            let sent = vec![n as u8; LENGTH];
            let expected = sent.clone();
            let writer = corio::create_task(async move {
                send.write_all(&sent).await?;
                send.finish()?;
                Ok::<_, BoxError>(())
            });
            let received = receive.read_to_end(LENGTH).await?;
            assert!(received == expected, "{} of {LENGTH} bytes came back", received.len());
            writer.await?
        })
    });
    for stream in streams.collect::<Vec<_>>() {
        stream.await??;
    }
    // One that is lost is sent again; on this machine that is rare.
    let answer = async {
        loop {
            connection.send_datagram("datagram".into())?;
            let wait = std::time::Duration::from_millis(500);
            if let Ok(answer) = corio::timeout(wait, connection.read_datagram()).await {
                return Ok::<_, BoxError>(answer?);
            }
        }
    };
    assert_eq!(answer.await?, "datagram");
    connection.close(0u8.into(), b"done");
    Ok(())
}

//! WebSocket with tungstenite on corio's streams, without tokio: over TCP, and over TLS.
use std::io;

use corio::net::{TcpListener, TcpStream};
use corio_ecosystem::{BoxError, Identity, assert_no_tokio, assert_on_corio};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

/// Longer than a socket takes at once.
const LONG: usize = 3_000_000;

#[corio::main]
async fn main() -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;

    let server = corio::create_task(async move {
        let (stream, _) = listener.accept().await?;
        echo(accept_async(stream).await?).await?;
        Ok::<_, BoxError>(listener)
    });
    let stream = TcpStream::connect(address).await?;
    let (socket, answer) = client_async("ws://localhost/", stream).await?;
    assert_eq!(answer.status(), 101);
    talk(socket).await?;
    let listener = server.await??;
    println!("ws: text, binary, ping, close");

    let (accept, connect) = Identity::new()?.tls()?;
    let server = corio::create_task(async move {
        let (stream, _) = listener.accept().await?;
        let stream = TlsAcceptor::from(accept).accept(stream).await?;
        echo(accept_async(stream).await?).await
    });
    let stream = TcpStream::connect(address).await?;
    let stream = TlsConnector::from(connect).connect("localhost".try_into()?, stream).await?;
    let (socket, _) = client_async("wss://localhost/", stream).await?;
    talk(socket).await?;
    server.await??;
    println!("wss: text, binary, ping, close");
    Ok(())
}

async fn echo<S>(mut socket: WebSocketStream<S>) -> Result<(), BoxError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = socket.next().await {
        assert_no_tokio();
        assert_on_corio();
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    // TLS has a farewell of its own.
    Ok(socket.get_mut().shutdown().await?)
}

async fn talk<S>(mut socket: WebSocketStream<S>) -> Result<(), BoxError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let hung_up = || io::Error::from(io::ErrorKind::UnexpectedEof);
    for message in [Message::text("hello"), Message::binary(vec![7; LONG])] {
        socket.send(message.clone()).await?;
        assert_eq!(socket.next().await.ok_or_else(hung_up)??, message);
    }
    socket.send(Message::Ping("are you there?".into())).await?;
    let pong = socket.next().await.ok_or_else(hung_up)??;
    assert_eq!(pong, Message::Pong("are you there?".into()));
    socket.close(None).await?;
    while let Some(message) = socket.next().await {
        assert!(message?.is_close());
    }
    Ok(())
}

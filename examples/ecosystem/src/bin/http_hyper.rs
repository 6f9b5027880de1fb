//! HTTP with hyper 1 alone: a server and a client, over HTTP/1 and over HTTP/2, without tokio.
use std::convert::Infallible;
use std::net::SocketAddr;

use corio::hyper::{CorioExecutor, CorioTimer};
use corio::net::{TcpListener, TcpStream};
use corio_ecosystem::{BoxError, assert_no_tokio, assert_on_corio};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, Version, client, server};

/// More than a socket takes at once.
const BODY: usize = 500_000;
/// Requests at a time over one HTTP/2 connection.
const STREAMS: usize = 20;

#[corio::main]
async fn main() -> Result<(), BoxError> {
    let http1 = TcpListener::bind("127.0.0.1:0").await?;
    let http2 = TcpListener::bind("127.0.0.1:0").await?;
    let (address1, address2) = (http1.local_addr()?, http2.local_addr()?);
    let servers = [serve(http1, Version::HTTP_11), serve(http2, Version::HTTP_2)];
    let servers = servers.map(corio::create_task);

    over_http1(address1).await?;
    over_http2(address2).await?;
    for server in servers {
        server.cancel();
    }
    Ok(())
}

async fn serve(listener: TcpListener, version: Version) -> std::io::Result<Infallible> {
    loop {
        let (stream, peer) = listener.accept().await?;
        let _detached = corio::create_task(async move {
            let service = service_fn(answer);
            let served = if version == Version::HTTP_2 {
                let mut http2 = server::conn::http2::Builder::new(CorioExecutor);
                http2.timer(CorioTimer).serve_connection(stream, service).await
            } else {
                let mut http1 = server::conn::http1::Builder::new();
                http1.timer(CorioTimer).serve_connection(stream, service).await
            };
            served.inspect_err(|error| eprintln!("{peer}: {error}"))
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    assert_no_tokio();
    assert_on_corio();
    let version = request.version();
    let body = request.into_body().collect().await?.to_bytes();
    let sum: u64 = body.iter().copied().map(u64::from).sum();
    Ok(Response::new(Full::from(format!("{version:?}: {} bytes, sum {sum}", body.len()))))
}

async fn over_http1(server: SocketAddr) -> Result<(), BoxError> {
    let stream = TcpStream::connect(server).await?;
    let (mut sender, connection) = client::conn::http1::handshake(stream).await?;
    let connection = corio::create_task(connection);
    // Twice over one connection.
    for byte in 1..=2 {
        let request = Request::post("/").header("host", "localhost").body(body(byte))?;
        let answer = sender.send_request(request).await?.into_body().collect().await?.to_bytes();
        let sum = BODY * usize::from(byte);
        assert_eq!(answer, format!("HTTP/1.1: {BODY} bytes, sum {sum}"));
    }
    drop(sender);
    connection.await??;
    println!("HTTP/1: two requests of {BODY} bytes over one connection");
    Ok(())
}

async fn over_http2(server: SocketAddr) -> Result<(), BoxError> {
    let stream = TcpStream::connect(server).await?;
    let http2 = client::conn::http2::Builder::new(CorioExecutor).timer(CorioTimer).clone();
    let (sender, connection) = http2.handshake(stream).await?;
    let connection = corio::create_task(connection);
    let requests = (1..=STREAMS).map(|n| {
        let (mut sender, uri) = (sender.clone(), format!("http://{server}/"));
        corio::create_task(async move {
            let request = Request::post(uri).body(body(n as u8))?;
            let answer = sender.send_request(request).await?.into_body().collect().await?;
            assert_eq!(answer.to_bytes(), format!("HTTP/2.0: {BODY} bytes, sum {}", BODY * n));
            Ok::<_, BoxError>(())
        })
    });
    for request in requests.collect::<Vec<_>>() {
        request.await??;
    }
    drop(sender);
    connection.await??;
    println!("HTTP/2: {STREAMS} requests of {BODY} bytes at a time over one connection");
    Ok(())
}

fn body(byte: u8) -> Full<Bytes> {
    Full::from(vec![byte; BODY])
}

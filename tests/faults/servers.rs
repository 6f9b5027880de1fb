//! Servers: what one connection meets harms no other, and the server goes on.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::routing::post;
use corio::net::{TcpListener, TcpStream};
use corio::stream::{ReadError, open_connection, start_server};
use corio_tests::kit::Signal;

use crate::papers::{serving, trusting};
use crate::pattern;
use crate::trial::Fault::{Errno, Interrupts, Lengths, Resets, Survivable};
use crate::trial::{Outcome, apart, tasks};

/// Faults that pass by, or concern one connection: the next one is served.
const PASSING: &[crate::Fault] = &[
    Survivable(libc::EMFILE),
    Survivable(libc::ENFILE),
    Survivable(libc::ENOMEM),
    Survivable(libc::ENOBUFS),
    Survivable(libc::ENOSPC),
    Survivable(libc::ECONNABORTED),
    Survivable(libc::ECONNRESET),
    Survivable(libc::EINTR),
    Interrupts,
];

/// A body of this many bytes goes there and back.
const BODY: usize = 1000;

async fn ask(address: SocketAddr) -> io::Result<()> {
    let stream = TcpStream::connect(address).await?;
    let head = format!("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: {BODY}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&pattern(BODY)).await?;
    let (mut answer, mut buf) = (Vec::new(), [0; 4096]);
    let head = loop {
        if let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        match stream.read(&mut buf).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => answer.extend_from_slice(&buf[..n]),
        }
    };
    while answer.len() < head + BODY {
        match stream.read(&mut buf).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => answer.extend_from_slice(&buf[..n]),
        }
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
    assert!(answer[head..] == pattern(BODY), "the body is another");
    Ok(())
}

#[test]
fn serve() {
    async fn run() -> Outcome {
        let router = Router::new().route("/", post(async |body: axum::body::Bytes| body));
        let listener = apart(|| std::net::TcpListener::bind("127.0.0.1:0"))?;
        let address = apart(|| listener.local_addr())?;
        let stop = Signal::new();
        let listener = apart(|| TcpListener::from_std(listener))?;
        let serve = corio::serve(listener, router);
        let serve = serve.with_graceful_shutdown(stop.wait()).report();
        let server = corio::create_task(serve).cancel_on_drop();
        let asked = corio::join!(async { again!(ask(address)) }, async { again!(ask(address)) },);
        stop.set();
        let report = server.await??;
        asked.0?;
        asked.1?;
        assert!(report.accepted >= 2 && report.is_clean(), "{report}");
        Ok(())
    }
    tasks("servers::serve", PASSING, run);
}

/// One conversation with a server of lines.
async fn talk(address: SocketAddr, secured: bool) -> Result<(), ReadError> {
    let (mut reader, mut writer) = match secured {
        true => open_connection(address).ssl(trusting()).await?,
        false => open_connection(address).await?,
    };
    for line in [&b"one\n"[..], b"two\n", b"three\n"] {
        writer.write(line);
        writer.drain().await?;
        let echoed = reader.read_line().await?;
        if echoed.is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        assert_eq!(echoed, line);
    }
    writer.write_eof()?;
    assert_eq!(reader.read(None).await?, b"");
    writer.close();
    writer.wait_closed().await?;
    Ok(())
}

/// A server of lines, and two that talk to it.
async fn lines(secured: bool) -> Outcome {
    let handler = async |mut reader: corio::stream::StreamReader,
                         mut writer: corio::stream::StreamWriter| {
        while let Ok(line) = reader.read_line().await {
            if line.is_empty() {
                break;
            }
            writer.write(&line);
            if writer.drain().await.is_err() {
                break;
            }
        }
    };
    let start = async || match secured {
        true => start_server(handler, "127.0.0.1:0").ssl(serving()).await,
        false => start_server(handler, "127.0.0.1:0").await,
    };
    let server = again!(start())?;
    let address = server.local_addrs()[0];
    let talks = async || again!(talk(address, secured));
    let talked = corio::join!(talks(), talks());
    server.close();
    server.wait_closed().await;
    talked.0?;
    talked.1?;
    Ok(())
}

#[test]
fn streams() {
    tasks("servers::streams", PASSING, || lines(false));
}

#[test]
fn streams_in_pieces() {
    const FAULTS: &[crate::Fault] = &[Lengths(8), Errno(libc::EADDRINUSE)];
    tasks("servers::streams_in_pieces", FAULTS, || lines(false));
}

#[test]
fn secured_streams() {
    tasks("servers::secured_streams", PASSING, || lines(true));
}

#[test]
fn secured_streams_in_pieces() {
    const FAULTS: &[crate::Fault] = &[Lengths(40), Resets];
    tasks("servers::secured_streams_in_pieces", FAULTS, || lines(true));
}

//! The task that owns a session.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use corio_runtime::time::timeout;
use corio_sync::Get;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::error::SslError;
use super::handshake::{Role, Upgrade};
use super::object::SslObject;
use crate::compat::tokio::fill;
use crate::duplex::DuplexWriter;
use crate::stream::connection::{Connection, Outgoing};

/// The most that one record of TLS carries, in bytes (RFC 8446, 5.1): small pieces are put together
/// up to it, and decrypted bytes come in such pieces.
const RECORD: usize = 16 << 10;

/// Makes the handshake, and then serves the connection to its end. An error has lost it.
pub(in crate::stream) async fn run(
    connection: &Arc<Connection>,
    upgrade: Upgrade,
) -> io::Result<()> {
    let Upgrade { role, options, before, incoming, reply } = upgrade;
    let socket = Line { connection: connection.clone(), before, read: 0 };
    let name = options.server_hostname.clone().filter(|_| matches!(role, Role::Client(..)));
    let stream = match shake_hands(connection, role, socket, options.handshake_timeout).await {
        Ok(stream) => stream,
        Err(error) => {
            // Whoever hears of it finds the connection lost.
            connection.lose(&error.told_later());
            let _ = reply.send(Err(error));
            return Ok(());
        }
    };
    let object = SslObject::new(stream.get_ref().1, name);
    connection.secured();
    if reply.send(Ok(object)).is_err() {
        return Err(aborted());
    }
    let mut session = Session {
        connection,
        stream,
        incoming: Some(incoming),
        decrypted: vec![0; RECORD],
        piece: Vec::new(),
        written: 0,
        eof: false,
        ended: false,
        next: None,
    };
    session.serve().await?;
    session.finish(options.shutdown_timeout).await
}

/// Until the peers agree, the time is over, or the connection is aborted.
async fn shake_hands(
    connection: &Connection,
    role: Role,
    socket: Line,
    limit: Duration,
) -> Result<TlsStream<Line>, SslError> {
    let shaking = async {
        match role {
            Role::Client(config, name) => {
                TlsConnector::from(config).connect(name, socket).await.map(TlsStream::from)
            }
            Role::Server(config) => {
                TlsAcceptor::from(config).accept(socket).await.map(TlsStream::from)
            }
        }
    };
    let mut shaking = pin!(timeout(limit, shaking).inside());
    let mut over = pin!(connection.closed().wait().inside());
    let shaken = poll_fn(|cx| {
        if over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(Err(aborted())));
        }
        shaking.as_mut().poll(cx)
    });
    match shaken.await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(SslError::of_handshake(error)),
        Err(_) => Err(SslError::HandshakeTimeout(limit)),
    }
}

struct Session<'a> {
    connection: &'a Connection,
    stream: TlsStream<Line>,
    /// Where the reader takes from; gone when the stream has ended or nobody reads.
    incoming: Option<DuplexWriter>,
    decrypted: Vec<u8>,
    /// What is being sent, and how much of it the session has taken.
    piece: Vec<u8>,
    written: usize,
    /// The writer has ended its direction; then, the peer has been told.
    eof: bool,
    ended: bool,
    /// The wait for what the writer queues next.
    next: Option<Get<'a, Outgoing>>,
}

impl Session<'_> {
    /// Until the writer is closed and everything is sent.
    async fn serve(&mut self) -> io::Result<()> {
        let connection = self.connection;
        let mut over = pin!(connection.closed().wait().inside());
        poll_fn(|cx| {
            if over.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(aborted()));
            }
            self.poll_incoming(cx)?;
            self.poll_outgoing(cx)
        })
        .await
    }

    /// Decrypts as long as there is room for it.
    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while let Some(incoming) = &self.incoming {
            let room = match incoming.poll_room(cx) {
                Poll::Ready(Ok(room)) => room.min(RECORD),
                // Nobody reads any more.
                Poll::Ready(Err(_)) => 0,
                Poll::Pending => break,
            };
            if room == 0 {
                self.incoming = None;
                break;
            }
            let mut buf = ReadBuf::new(&mut self.decrypted[..room]);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) if buf.filled().is_empty() => self.incoming = None,
                Poll::Ready(Ok(())) => incoming.push(buf.filled().to_vec()),
                Poll::Ready(Err(error)) => return self.failed(error),
            }
        }
        Ok(())
    }

    /// Tells the reader. After a bare end of the stream the other direction goes on.
    fn failed(&mut self, error: io::Error) -> io::Result<()> {
        let kind = error.kind();
        let again = io::Error::new(kind, error.to_string());
        if let Some(incoming) = self.incoming.take() {
            incoming.fail(error);
        }
        if kind == io::ErrorKind::UnexpectedEof { Ok(()) } else { Err(again) }
    }

    /// Encrypts and sends what the writer queues; ready when nothing comes any more.
    fn poll_outgoing(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while self.written < self.piece.len() {
                let rest = &self.piece[self.written..];
                match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    n => self.written += n,
                }
            }
            if !self.piece.is_empty() {
                ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
                self.connection.sent(self.piece.len());
                self.piece = Vec::new();
                self.written = 0;
            }
            if self.eof {
                ready!(self.poll_end(cx))?;
            }
            let connection = self.connection;
            let next = self.next.get_or_insert_with(|| connection.outgoing().get());
            let Ok(first) = ready!(Pin::new(next).poll(cx)) else {
                // An abort shuts the queue before it ends the socket: a peer that were told of the
                // end here would take what it has for all there was.
                return Poll::Ready(connection.error().map_or(Ok(()), Err));
            };
            self.next = None;
            self.gather(first);
        }
    }

    /// Takes a piece, and small ones that follow it, for one record.
    fn gather(&mut self, first: Outgoing) {
        let mut next = Some(first);
        while let Some(piece) = next {
            match piece {
                Outgoing::Bytes(bytes) if self.piece.is_empty() => self.piece = bytes,
                Outgoing::Bytes(bytes) => self.piece.extend_from_slice(&bytes),
                Outgoing::Eof => self.eof = true,
                // Nobody is promised a second session: see `Shake::begin`.
                Outgoing::StartTls(_) => {}
            }
            let full = self.eof || self.piece.len() >= RECORD;
            next = if full { None } else { self.connection.outgoing().get_nowait().ok() };
        }
    }

    /// Tells the peer that nothing comes any more.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ended {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.ended = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Ends the stream and waits until the peer has ended it too. What it still sends is dropped.
    async fn finish(&mut self, limit: Duration) -> io::Result<()> {
        self.incoming = None;
        let connection = self.connection;
        let ending = poll_fn(|cx| {
            // A peer that is gone does not want to hear it.
            if ready!(self.poll_end(cx)).is_err() {
                return Poll::Ready(());
            }
            loop {
                let mut buf = ReadBuf::new(&mut self.decrypted);
                match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
                    Ok(()) if !buf.filled().is_empty() => {}
                    _ => return Poll::Ready(()),
                }
            }
        });
        let mut ending = pin!(timeout(limit, ending).inside());
        let mut over = pin!(connection.closed().wait().inside());
        let ended = poll_fn(|cx| {
            if over.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(aborted()));
            }
            ending.as_mut().poll(cx).map(|ended| {
                ended.map_err(|_| {
                    let message = "the peer did not end the TLS connection in time";
                    io::Error::new(io::ErrorKind::TimedOut, message)
                })
            })
        });
        ended.await
    }
}

fn aborted() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

/// The socket below a session, with what the reader had read of it.
struct Line {
    connection: Arc<Connection>,
    before: Vec<u8>,
    read: usize,
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let rest = &this.before[this.read..];
        if rest.is_empty() {
            return match this.connection.plain(Location::caller()) {
                Some(wire) => fill(wire, cx, buf),
                None => Poll::Ready(Ok(())),
            };
        }
        let n = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..n]);
        this.read += n;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.connection.poll_write(cx, &[IoSlice::new(buf)])
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.connection.poll_write(cx, bufs)
    }

    /// Nothing is buffered here.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.connection.end_outgoing())
    }
}

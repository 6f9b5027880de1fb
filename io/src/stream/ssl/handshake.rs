//! From a plain connection to a secured one.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use corio_sync::oneshot;
use corio_sync::place::{self, WaitKind};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};

use super::context::{Side, SslContext};
use super::error::SslError;
use super::object::SslObject;
use super::options::{SslOptions, ssl_client_options, ssl_options};
use crate::duplex::{DuplexWriter, lane};
use crate::made::Made;
use crate::stream::connection::Connection;
use crate::stream::reader::StreamReader;
use crate::stream::writer::StreamWriter;

/// Decrypted bytes that a reader has not taken yet, at most: twice asyncio's default limit, where it
/// pauses reading.
const AHEAD: usize = 2 * crate::stream::DEFAULT_LIMIT;

/// Which part of the handshake is ours.
pub(super) enum Role {
    Client(Arc<ClientConfig>, ServerName<'static>),
    Server(Arc<ServerConfig>),
}

/// What the connection's task is to do.
pub(in crate::stream) struct Upgrade {
    pub(super) role: Role,
    pub(super) options: SslOptions,
    /// What the reader had read of the peer's part of the handshake.
    pub(super) before: Vec<u8>,
    pub(super) incoming: DuplexWriter,
    pub(super) reply: oneshot::Sender<Result<SslObject, SslError>>,
}

impl StreamWriter {
    /// Secures the connection that this writer and `reader` share, as `STARTTLS` of mail does. What
    /// was written before goes out as it is; what the reader has in its buffer is the beginning of
    /// the peer's handshake.
    ///
    /// The context says which side of the handshake is ours. A client has to name the server by
    /// [`server_hostname`](StartTls::server_hostname).
    ///
    /// asyncio: `StreamWriter.start_tls`, which finds the reader by itself.
    ///
    /// # Errors
    ///
    /// [`SslError`]; the connection is closed then.
    ///
    /// # Panics
    ///
    /// If the reader is of another connection.
    ///
    /// # Cancel safety
    ///
    /// Lossy: the connection is closed at once, for nobody knows how far the peer is.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use corio_io::ssl::SslContext;
    /// use corio_io::stream::open_connection;
    ///
    /// # async fn example(authority: &str) -> Result<(), Box<dyn std::error::Error>> {
    /// let (mut reader, mut writer) = open_connection("mail.example.org:587").await?;
    /// writer.write(b"STARTTLS\r\n");
    /// reader.read_line().await?;
    /// let context = SslContext::trusting(authority)?;
    /// writer.start_tls(&mut reader, context).server_hostname("mail.example.org").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn start_tls<'a>(
        &'a mut self,
        reader: &'a mut StreamReader,
        context: impl Into<SslContext>,
    ) -> StartTls<'a> {
        let same = Arc::ptr_eq(self.connection(), reader.connection());
        assert!(same, "start_tls needs the reader and the writer of one connection");
        StartTls::new(reader, self, SslOptions::new(context.into()))
    }
}

/// Future of [`StreamWriter::start_tls`]: `Result<(), SslError>`.
#[must_use = "nothing is secured unless this is awaited"]
pub struct StartTls<'a> {
    reader: &'a mut StreamReader,
    writer: &'a mut StreamWriter,
    options: SslOptions,
    shake: Option<Shake>,
    made: Made,
}

impl<'a> StartTls<'a> {
    #[track_caller]
    pub(in crate::stream) fn new(
        reader: &'a mut StreamReader,
        writer: &'a mut StreamWriter,
        options: SslOptions,
    ) -> Self {
        Self { reader, writer, options, shake: None, made: Made::here("StreamWriter::start_tls") }
    }

    fn options(&mut self) -> &mut SslOptions {
        &mut self.options
    }
}

ssl_options!(['a] StartTls<'a>);
ssl_client_options!(['a] StartTls<'a>);

impl Future for StartTls<'_> {
    type Output = Result<(), SslError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { reader, writer, options, shake, made } = self.get_mut();
        let at = made.begin();
        let shake = match shake {
            Some(shake) => shake,
            None => shake.insert(Shake::begin(reader, writer, options)?),
        };
        shake.poll(at, cx, writer)
    }
}

impl fmt::Debug for StartTls<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartTls")
            .field("options", &self.options)
            .field("at", &format_args!("{}", self.made.at()))
            .finish_non_exhaustive()
    }
}

/// A handshake that the connection's task makes. Dropped before its end, it aborts the connection.
pub(super) struct Shake {
    reply: oneshot::Receiver<Result<SslObject, SslError>>,
    connection: Arc<Connection>,
}

impl Shake {
    pub(super) fn begin(
        reader: &mut StreamReader,
        writer: &StreamWriter,
        options: &SslOptions,
    ) -> Result<Self, SslError> {
        let connection = writer.connection().clone();
        if connection.is_pipe() || !connection.is_plain() {
            return Err(SslError::Unsupported);
        }
        let role = match &options.context.0 {
            Side::Client(config) => Role::Client(config.clone(), server_name(options)?),
            Side::Server(config) => Role::Server(config.clone()),
        };
        let (reply, receiver) = oneshot::channel();
        let (incoming, decrypted) = lane(AHEAD, Location::caller());
        let before = reader.secure(decrypted);
        let options = options.clone();
        connection.start_tls(Upgrade { role, options, before, incoming, reply });
        Ok(Self { reply: receiver, connection })
    }

    pub(super) fn poll(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        writer: &mut StreamWriter,
    ) -> Poll<Result<(), SslError>> {
        let Poll::Ready(told) = Pin::new(&mut self.reply).poll(cx) else {
            place::note(WaitKind::Read, at);
            return Poll::Pending;
        };
        Poll::Ready(match told {
            Ok(agreed) => agreed.map(|object| writer.secured(object)),
            // The connection was closed before its task came to it.
            Err(_) => {
                let lost = self.connection.error();
                Err(lost.unwrap_or_else(|| io::ErrorKind::ConnectionAborted.into()).into())
            }
        })
    }
}

impl Drop for Shake {
    fn drop(&mut self) {
        if !self.reply.is_terminated() {
            self.connection.abort();
        }
    }
}

fn server_name(options: &SslOptions) -> Result<ServerName<'static>, SslError> {
    let name = options.server_hostname.clone().ok_or(SslError::NoServerHostname)?;
    ServerName::try_from(name.clone()).map_err(|_| SslError::BadServerHostname(name))
}

/// Waits for a handshake of streams that somebody owns.
pub(super) fn poll_secure(
    shake: &mut Option<Shake>,
    (reader, writer): &mut (StreamReader, StreamWriter),
    options: &SslOptions,
    at: &'static Location<'static>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), SslError>> {
    let shake = match shake {
        Some(shake) => shake,
        None => shake.insert(Shake::begin(reader, writer, options)?),
    };
    Poll::Ready(ready!(shake.poll(at, cx, writer)))
}

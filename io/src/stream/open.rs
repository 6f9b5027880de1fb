//! Connecting.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::connection::{Connection, Socket};
use super::reader::StreamReader;
use super::writer::StreamWriter;
use crate::net::{Connect, StreamBuilder, TcpStream, ToAddrs, UnixConnect, UnixStream};

/// Connects by TCP, and makes a reader and a writer of it. Small writes are sent at once
/// (`TCP_NODELAY`), as asyncio has it.
///
/// # Errors
///
/// As [`TcpStream::connect`]; one that says so outside a runtime.
///
/// # Cancel safety
///
/// Strict: an unfinished connection is closed.
///
/// # Examples
///
/// ```
/// use corio_io::stream::{open_connection, start_server};
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let server = start_server(
///     async |mut reader, mut writer| {
///         if let Ok(line) = reader.read_line().await {
///             writer.write(&line.to_ascii_uppercase());
///         }
///     },
///     "127.0.0.1:0",
/// )
/// .await?;
/// let (mut reader, mut writer) = open_connection(server.local_addrs()[0]).await?;
/// writer.write(b"hello\n");
/// writer.drain().await?;
/// assert_eq!(reader.read(None).await?, b"HELLO\n");
/// # Ok(())
/// # })
/// # }
/// ```
///
/// Both ends, and the life of a server:
///
/// ```
/// use corio_io::stream::{StreamReader, StreamWriter, open_connection, start_server};
///
/// # corio_runtime::run(async {
/// let says = async |mut reader: StreamReader, mut writer: StreamWriter| {
///     while let Ok(line) = reader.read_line().await {
///         if line.is_empty() {
///             break;
///         }
///         writer.write(&line);
///     }
/// };
/// let server = start_server(says, "127.0.0.1:0").limit(1024).start_serving(false).await?;
/// assert!(!server.is_serving() && server.get_loop().is_running());
/// server.start_serving();
///
/// let from = "127.0.0.1:0".parse().unwrap();
/// let connect = open_connection(server.local_addrs()[0]).limit(1024).local_addr(from);
/// let (mut reader, mut writer) = connect.await?;
/// writer.write(b"one\ntwo\n");
/// let mut lines = reader.lines();
/// assert_eq!(lines.next_line().await.unwrap().unwrap(), b"one\n");
/// assert_eq!(lines.next_line().await.unwrap().unwrap(), b"two\n");
///
/// server.close();
/// server.close_clients(); // or abort_clients(), which sends nothing more
/// assert!(lines.next_line().await.is_none());
/// server.abort_clients();
/// server.wait_closed().await;
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[doc(alias = "create_connection")]
#[track_caller]
pub fn open_connection(address: impl ToAddrs) -> OpenConnection {
    let connect = StreamBuilder::default().nodelay(true).connect(address);
    OpenConnection { connect, limit: super::DEFAULT_LIMIT }
}

/// Connects to a Unix listener, and makes a reader and a writer of it.
///
/// # Errors
///
/// As [`UnixStream::connect`]; one that says so outside a runtime.
///
/// # Cancel safety
///
/// Strict: an unfinished connection is closed.
///
/// # Examples
///
/// ```
/// use corio_io::stream::{
///     StreamReader, StreamWriter, open_unix_connection, start_unix_server,
/// };
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// # let path = std::env::temp_dir().join(format!("corio-open-{}", std::process::id()));
/// let greets = async |_: StreamReader, mut writer: StreamWriter| writer.write(b"welcome\n");
/// let server = start_unix_server(greets, &path).await?;
/// let (mut reader, _writer) = open_unix_connection(&path).await?;
/// assert_eq!(reader.read_line().await.unwrap(), b"welcome\n");
/// server.close();
/// # Ok(())
/// # })
/// # }
/// ```
///
/// With options:
///
/// ```
/// use corio_io::stream::{StreamReader, StreamWriter, open_unix_connection, start_unix_server};
///
/// # corio_runtime::run(async {
/// # let path = std::env::temp_dir().join(format!("corio-unix-options-{}", std::process::id()));
/// let greets = async |_: StreamReader, mut writer: StreamWriter| writer.write(b"welcome\n");
/// let server = start_unix_server(greets, &path).cleanup_socket(false).limit(64);
/// let server = server.start_serving(true).await?;
/// let (mut reader, _writer) = open_unix_connection(&path).limit(64).await?;
/// assert_eq!(reader.read_line().await.unwrap(), b"welcome\n");
/// server.close();
/// server.wait_closed().await;
/// std::fs::remove_file(path)?;
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[doc(alias = "create_unix_connection")]
#[track_caller]
pub fn open_unix_connection(path: impl AsRef<Path>) -> OpenUnixConnection {
    OpenUnixConnection { connect: UnixStream::connect(path), limit: super::DEFAULT_LIMIT }
}

/// Makes a reader and a writer of a connected socket, such as one that was accepted elsewhere.
///
/// asyncio: `loop.connect_accepted_socket`, and `open_connection(sock=..)`.
///
/// # Errors
///
/// One that says so outside a runtime.
///
/// # Examples
///
/// ```
/// use corio_io::net::UnixStream;
/// use corio_io::stream::connect_accepted_socket;
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let (ours, theirs) = UnixStream::pair()?;
/// let (mut reader, _writer) = connect_accepted_socket(ours)?;
/// theirs.write_all(b"hello\n").await?;
/// assert_eq!(reader.read_line().await.unwrap(), b"hello\n");
/// # Ok(())
/// # })
/// # }
/// ```
pub fn connect_accepted_socket(
    socket: impl Into<AcceptedSocket>,
) -> io::Result<(StreamReader, StreamWriter)> {
    streams(socket.into().0, super::DEFAULT_LIMIT)
}

/// A [`TcpStream`] or a [`UnixStream`], for [`connect_accepted_socket`].
pub struct AcceptedSocket(Socket);

impl From<TcpStream> for AcceptedSocket {
    fn from(socket: TcpStream) -> Self {
        Self(Socket::Tcp(socket))
    }
}

impl From<UnixStream> for AcceptedSocket {
    fn from(socket: UnixStream) -> Self {
        Self(Socket::Unix(socket))
    }
}

impl fmt::Debug for AcceptedSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptedSocket").finish_non_exhaustive()
    }
}

/// A pair of streams from a socket.
pub(super) fn streams(socket: Socket, limit: usize) -> io::Result<(StreamReader, StreamWriter)> {
    let connection = Connection::new(socket)?;
    Ok((StreamReader::new(connection.clone(), limit), StreamWriter::new(connection)))
}

/// A limit of nothing would refuse every line.
#[track_caller]
pub(crate) fn check_limit(limit: usize) -> usize {
    assert!(limit > 0, "the limit of a stream must be more than 0 bytes");
    limit
}

/// Future of [`open_connection`]: `io::Result<(StreamReader, StreamWriter)>`.
#[must_use = "nothing is connected unless this is awaited"]
pub struct OpenConnection {
    connect: Connect,
    limit: usize,
}

/// Future of [`open_unix_connection`]: `io::Result<(StreamReader, StreamWriter)>`.
#[must_use = "nothing is connected unless this is awaited"]
pub struct OpenUnixConnection {
    connect: UnixConnect,
    limit: usize,
}

#[cfg(feature = "tls")]
impl OpenConnection {
    /// The host name that is connected to; `None` for a number.
    pub(super) fn host(&self) -> Option<&str> {
        self.connect.host()
    }
}

macro_rules! opening {
    ($open:ident, $socket:ident, $stream:ident) => {
        impl $open {
            /// The most that a line, or a chunk before a separator, may be long, in bytes. Default:
            /// [`DEFAULT_LIMIT`](super::DEFAULT_LIMIT).
            ///
            /// See [`open_connection`] for an example.
            ///
            /// # Panics
            ///
            /// If it is 0.
            #[track_caller]
            pub fn limit(mut self, bytes: usize) -> Self {
                self.limit = check_limit(bytes);
                self
            }
        }

        impl Future for $open {
            type Output = io::Result<(StreamReader, StreamWriter)>;

            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let stream: $stream = ready!(Pin::new(&mut self.connect).poll(cx))?;
                Poll::Ready(streams(Socket::$socket(stream), self.limit))
            }
        }

        impl fmt::Debug for $open {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($open)).field("connect", &self.connect).finish()
            }
        }
    };
}

impl OpenConnection {
    /// The local address to connect from; see [`StreamBuilder::local_addr`]. Default: the system
    /// chooses. asyncio: `local_addr`.
    ///
    /// See [`open_connection`] for an example.
    pub fn local_addr(mut self, address: SocketAddr) -> Self {
        self.connect.local_addr(address);
        self
    }
}

opening!(OpenConnection, Tcp, TcpStream);
opening!(OpenUnixConnection, Unix, UnixStream);

//! Connecting and serving with TLS from the beginning.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::context::{Side, SslContext};
use super::error::SslError;
use super::handshake::{Shake, StartTls, poll_secure};
use super::options::{SslOptions, ssl_client_options, ssl_options};
use crate::stream::open::{OpenConnection, OpenUnixConnection};
use crate::stream::reader::StreamReader;
use crate::stream::server::{Server, StartServer, StartUnixServer};
use crate::stream::writer::StreamWriter;

/// Future of [`OpenConnection::ssl`] and [`OpenUnixConnection::ssl`]:
/// `io::Result<(StreamReader, StreamWriter)>`.
#[must_use = "nothing is connected unless this is awaited"]
pub struct OpenSsl<O> {
    open: O,
    options: SslOptions,
    /// The host of the address, if it is a name.
    host: Option<String>,
    pair: Option<(StreamReader, StreamWriter)>,
    shake: Option<Shake>,
    at: &'static Location<'static>,
}

impl<O> OpenSsl<O> {
    fn options(&mut self) -> &mut SslOptions {
        &mut self.options
    }
}

ssl_options!([O] OpenSsl<O>);
ssl_client_options!([O] OpenSsl<O>);

macro_rules! opening {
    ($($open:ident, $host:expr;)*) => {$(
        impl $open {
            /// Secures the connection before anybody gets it. The error of a handshake is an
            /// [`SslError`] inside the `io::Error`.
            ///
            /// asyncio: the argument `ssl`.
            ///
            /// See [`SslContext`] for an example.
            ///
            /// # Cancel safety
            ///
            /// Strict: an unfinished connection is closed, also in the middle of the handshake.
            #[track_caller]
            pub fn ssl(self, context: impl Into<SslContext>) -> OpenSsl<Self> {
                let host: fn(&Self) -> Option<&str> = $host;
                let host = host(&self).map(str::to_owned);
                let options = SslOptions::new(context.into());
                let at = Location::caller();
                OpenSsl { open: self, options, host, pair: None, shake: None, at }
            }
        }
    )*};
}

opening! {
    OpenConnection, |open| open.host();
    OpenUnixConnection, |_open| None;
}

impl<O> Future for OpenSsl<O>
where
    O: Future<Output = io::Result<(StreamReader, StreamWriter)>> + Unpin,
{
    type Output = io::Result<(StreamReader, StreamWriter)>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { open, options, host, pair, shake, at } = self.get_mut();
        if !matches!(options.context.0, Side::Client(_)) {
            return Poll::Ready(Err(SslError::WrongSide.into()));
        }
        let streams = match pair {
            Some(streams) => streams,
            None => {
                let streams = ready!(Pin::new(open).poll(cx))?;
                if options.server_hostname.is_none() {
                    let peer = streams.1.get_extra_info().peer_addr;
                    let number = peer.map(|peer| peer.ip().to_string());
                    options.server_hostname = host.take().or(number);
                }
                pair.insert(streams)
            }
        };
        let secured = ready!(poll_secure(shake, streams, options, at, cx));
        let streams = pair.take().expect("it is there until this is ready");
        Poll::Ready(match secured {
            Ok(()) => Ok(streams),
            Err(error) => {
                let (_, mut writer) = streams;
                writer.abort();
                Err(error.into())
            }
        })
    }
}

impl<O: fmt::Debug> fmt::Debug for OpenSsl<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSsl")
            .field("open", &self.open)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// The streams of a server's client once they are secured, if they are to be; nobody hears of those
/// that cannot be.
pub(in crate::stream) async fn secured(
    mut streams: (StreamReader, StreamWriter),
    ssl: Option<SslOptions>,
) -> Option<(StreamReader, StreamWriter)> {
    if let Some(options) = ssl {
        StartTls::new(&mut streams.0, &mut streams.1, options).await.ok()?;
    }
    Some(streams)
}

/// Future of [`StartServer::ssl`] and [`StartUnixServer::ssl`]: `io::Result<Server>`.
#[must_use = "nothing is served unless this is awaited"]
pub struct StartSslServer<S> {
    start: S,
    options: SslOptions,
}

impl<S> StartSslServer<S> {
    fn options(&mut self) -> &mut SslOptions {
        &mut self.options
    }
}

ssl_options!([S] StartSslServer<S>);

macro_rules! starting {
    ($($start:ident)*) => {$(
        impl<F> $start<F> {
            /// Secures every connection before the handler gets it, in its own task. Nobody hears of
            /// a client whose handshake fails: its connection is closed.
            ///
            /// asyncio: the argument `ssl`.
            ///
            /// See [`SslContext`] for an example.
            ///
            /// # Cancel safety
            ///
            /// Strict: nothing listens unless it was ready.
            pub fn ssl(self, context: impl Into<SslContext>) -> StartSslServer<Self> {
                StartSslServer { start: self, options: SslOptions::new(context.into()) }
            }
        }

        impl<F> Future for StartSslServer<$start<F>>
        where
            $start<F>: Future<Output = io::Result<Server>>,
        {
            type Output = io::Result<Server>;

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let Self { start, options } = self.get_mut();
                if !matches!(options.context.0, Side::Server(_)) {
                    return Poll::Ready(Err(SslError::WrongSide.into()));
                }
                start.secure_with(options);
                Pin::new(start).poll(cx)
            }
        }
    )*};
}

starting!(StartServer StartUnixServer);

impl<S: fmt::Debug> fmt::Debug for StartSslServer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartSslServer")
            .field("start", &self.start)
            .field("options", &self.options)
            .finish()
    }
}

//! Making connections.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corio_runtime::reactor::Direction;
use corio_sync::place::WaitKind;

use super::addrs::{Addrs, Known, no_address};
use super::listener::Named;
use super::options::StreamBuilder;
use super::tcp::TcpStream;
use crate::context::failed;
use crate::source::step;
use crate::sys;

/// Future of [`TcpStream::connect`]: `io::Result<TcpStream>`.
#[must_use = "nothing is connected unless this is awaited"]
pub struct Connect {
    builder: StreamBuilder,
    addresses: Addrs,
    /// The host name that is connected to, for messages.
    name: Option<String>,
    /// What is left to try; `None` until the addresses are known.
    rest: Option<Known>,
    /// The connection that is being made, registered after `connect` has begun.
    pending: Option<(SocketAddr, TcpStream)>,
    last: Option<io::Error>,
    at: &'static Location<'static>,
}

impl Connect {
    pub(super) fn new(
        builder: StreamBuilder,
        addresses: Addrs,
        at: &'static Location<'static>,
    ) -> Self {
        let name = addresses.host();
        Self { builder, addresses, name, rest: None, pending: None, last: None, at }
    }

    /// True if the connection stands already.
    fn begin(&self, address: SocketAddr) -> io::Result<(bool, TcpStream)> {
        let socket = self.builder.socket(&address)?;
        let stands = sys::connect(&socket, address)?;
        Ok((stands, TcpStream::new(socket.into(), self.at)))
    }

    fn failed(&mut self, address: SocketAddr, error: io::Error) {
        self.last = Some(failed("connect", Named(self.name.as_deref(), address), error));
    }

    /// Waits for the connection that is being made.
    fn poll_pending(
        stream: &TcpStream,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let io = &stream.io;
        ready!(step(WaitKind::Connect, at, cx, |cx| {
            io.source().poll_ready(io.fd(), Direction::Write, cx)
        }))?;
        Poll::Ready(match stream.take_error()? {
            Some(error) => Err(error),
            None => Ok(()),
        })
    }
}

impl Future for Connect {
    type Output = io::Result<TcpStream>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            if let Some((address, stream)) = &this.pending {
                let address = *address;
                let result = ready!(Self::poll_pending(stream, this.at, cx));
                let connected = this.pending.take();
                match (result, connected) {
                    (Ok(()), Some((_, stream))) => return Poll::Ready(Ok(stream)),
                    (Err(error), _) => this.failed(address, error),
                    (Ok(()), None) => {}
                }
            }
            let rest = match &mut this.rest {
                Some(rest) => rest,
                None => this.rest.insert(ready!(this.addresses.poll(cx))?),
            };
            let Some(address) = rest.next() else {
                return Poll::Ready(Err(this.last.take().unwrap_or_else(no_address)));
            };
            match this.begin(address) {
                Ok((true, stream)) => return Poll::Ready(Ok(stream)),
                Ok((false, stream)) => this.pending = Some((address, stream)),
                Err(error) => this.failed(address, error),
            }
        }
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("addresses", &self.addresses)
            .field("at", &format_args!("{}", self.at))
            .finish_non_exhaustive()
    }
}

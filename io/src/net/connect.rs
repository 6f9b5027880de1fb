//! Making connections: to several addresses at a time, a little after one another (RFC 8305,
//! "Happy Eyeballs Version 2", sections 4 and 5).
//!
//! ```text
//! addresses --interleave--> rest --(1)--> attempts --(2) connected--> the stream
//!                            ^                |
//!                            +--(1)----(3)----+--> errors --(4) nothing left--> the error
//! ```
//! (1) [`Connect::begin_next`], at once if no attempt is under way or one has just failed (3), else
//! when the last one is older than the delay; (2) closes the other attempts; (4) [`combined`].

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use corio_runtime::debug::never_awaited;
use corio_runtime::reactor::Direction;
use corio_runtime::time::{Sleep, sleep};
use corio_sync::place::WaitKind;

use super::addrs::{Addrs, Known, no_address};
use super::listener::Named;
use super::options::StreamBuilder;
use super::tcp::TcpStream;
use crate::context::failed;
use crate::source::step;
use crate::sys;

/// How long one attempt is alone before the next one joins it: what RFC 8305 recommends.
pub(super) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Future of [`TcpStream::connect`]: `io::Result<TcpStream>`.
#[must_use = "nothing is connected unless this is awaited"]
pub struct Connect {
    builder: StreamBuilder,
    addresses: Addrs,
    /// The host name that is connected to, for messages.
    name: Option<String>,
    /// What is left to try; `None` until the addresses are known.
    rest: Option<Known>,
    /// The connections that are being made, registered after `connect` has begun.
    attempts: Vec<(SocketAddr, TcpStream)>,
    /// When the next attempt begins although others are under way.
    next: Option<Pin<Box<Sleep>>>,
    errors: Vec<io::Error>,
    begun: bool,
    at: &'static Location<'static>,
}

impl Drop for Connect {
    fn drop(&mut self) {
        if !self.begun {
            never_awaited("a connect", self.at);
        }
    }
}

impl Connect {
    pub(super) fn new(
        builder: StreamBuilder,
        addresses: Addrs,
        at: &'static Location<'static>,
    ) -> Self {
        let name = addresses.host();
        let (attempts, errors) = (Vec::new(), Vec::new());
        let (rest, next, begun) = (None, None, false);
        Self { builder, addresses, name, rest, attempts, next, errors, begun, at }
    }

    /// See [`StreamBuilder::local_addr`]; to be called before it is awaited.
    pub(crate) fn local_addr(&mut self, address: SocketAddr) {
        self.builder = self.builder.clone().local_addr(address);
    }

    /// The host name that is connected to; `None` for a number.
    #[cfg(feature = "tls")]
    pub(crate) fn host(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// True if the connection stands already.
    fn begin(&self, address: SocketAddr) -> io::Result<(bool, TcpStream)> {
        let socket = self.builder.socket(&address)?;
        let stands = sys::connect(&socket, address)?;
        Ok((stands, TcpStream::new(socket.into(), self.at)))
    }

    fn failed(&mut self, address: SocketAddr, error: io::Error) {
        let name = Named(self.name.as_deref(), address);
        self.errors.push(failed("connect", name, error));
        // The next attempt need not wait for this one any more.
        self.next = None;
    }

    /// Begins attempts until one is under way. `Some` if a connection stands already.
    fn begin_next(&mut self) -> Option<TcpStream> {
        while let Some(address) = self.rest.as_mut().and_then(Known::next) {
            match self.begin(address) {
                Ok((true, stream)) => return Some(stream),
                Ok((false, stream)) => {
                    self.attempts.push((address, stream));
                    let more = self.rest.as_ref().is_some_and(|rest| !rest.is_empty());
                    let delay = self.builder.attempt_delay().filter(|_| more);
                    self.next = delay.map(|delay| Box::pin(sleep(delay).inside()));
                    return None;
                }
                Err(error) => self.failed(address, error),
            }
        }
        None
    }

    /// Looks at each connection that is being made. `Some` if one stands.
    fn poll_attempts(&mut self, cx: &mut Context<'_>) -> Option<TcpStream> {
        let mut index = 0;
        while let Some((address, stream)) = self.attempts.get(index) {
            let address = *address;
            match poll_connected(stream, self.at, cx) {
                Poll::Pending => index += 1,
                Poll::Ready(Ok(())) => return Some(self.attempts.swap_remove(index).1),
                Poll::Ready(Err(error)) => {
                    drop(self.attempts.remove(index));
                    self.failed(address, error);
                }
            }
        }
        None
    }

    /// Whether it is time for another attempt.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> bool {
        if self.rest.as_ref().is_none_or(Known::is_empty) {
            return false;
        }
        match &mut self.next {
            Some(next) => next.as_mut().poll(cx).is_ready(),
            // One has failed, or none has begun; without a delay they go one by one.
            None => self.attempts.is_empty() || self.builder.attempt_delay().is_some(),
        }
    }
}

/// Waits for a connection that is being made.
fn poll_connected(
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

/// One error for all: itself if it is alone. asyncio: `Multiple exceptions: ..`.
fn combined(mut errors: Vec<io::Error>) -> io::Error {
    match errors.len() {
        0 => no_address(),
        1 => errors.remove(0),
        _ => {
            let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
            io::Error::new(errors[0].kind(), format!("Multiple exceptions: {}", all.join("; ")))
        }
    }
}

/// Takes the families in turn, beginning with that of the first address (RFC 8305, section 4).
fn interleave(addresses: Known) -> Known {
    let Known::Many(addresses) = addresses else { return addresses };
    let all: Vec<SocketAddr> = addresses.collect();
    let first = all.first().is_some_and(SocketAddr::is_ipv6);
    let (mut of_first, mut others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|address| address.is_ipv6() == first);
    let mut mixed = Vec::with_capacity(of_first.len() + others.len());
    let (mut a, mut b) = (of_first.drain(..), others.drain(..));
    loop {
        match (a.next(), b.next()) {
            (None, None) => break,
            pair => mixed.extend([pair.0, pair.1].into_iter().flatten()),
        }
    }
    Known::Many(mixed.into_iter())
}

impl Future for Connect {
    type Output = io::Result<TcpStream>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.begun = true;
        if this.rest.is_none() {
            let found = ready!(this.addresses.poll(cx))?;
            let found =
                if this.builder.attempt_delay().is_some() { interleave(found) } else { found };
            this.rest = Some(found);
        }
        loop {
            if let Some(stream) = this.poll_attempts(cx) {
                // The losers must not stay open for as long as somebody keeps this future.
                this.attempts.clear();
                return Poll::Ready(Ok(stream));
            }
            if this.poll_next(cx) {
                if let Some(stream) = this.begin_next() {
                    this.attempts.clear();
                    return Poll::Ready(Ok(stream));
                }
            } else if this.attempts.is_empty() {
                return Poll::Ready(Err(combined(std::mem::take(&mut this.errors))));
            } else {
                return Poll::Pending;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let parse = |list: &[&str]| -> Vec<SocketAddr> {
            list.iter().map(|text| text.parse().unwrap()).collect()
        };
        let mixed = |list: &[&str]| -> Vec<SocketAddr> {
            interleave(Known::Many(parse(list).into_iter())).collect()
        };
        let given = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"];
        let wanted = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"];
        assert_eq!(mixed(&given), parse(&wanted));
        let given = ["1.1.1.1:1", "[::1]:1", "[::2]:1"];
        assert_eq!(mixed(&given), parse(&given));
        assert_eq!(mixed(&["1.1.1.1:1", "2.2.2.2:1"]), parse(&["1.1.1.1:1", "2.2.2.2:1"]));
        assert_eq!(mixed(&[]), []);
    }

    #[test]
    fn errors_are_combined() {
        let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, "one");
        assert_eq!(combined(vec![refused()]).to_string(), "one");
        let both = combined(vec![refused(), io::Error::other("two")]);
        assert_eq!(both.to_string(), "Multiple exceptions: one; two");
        assert_eq!(both.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(combined(Vec::new()).kind(), io::ErrorKind::InvalidInput);
    }
}

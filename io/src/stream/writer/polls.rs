//! Writing without a future of the caller's: for `copy`, `BufWriter`, and the traits of others.

use std::future::Future;
use std::io::{self, IoSlice};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corio_sync::coop;

use super::{Drain, Eof, StreamWriter, WaitClosed, after_eof};
use crate::made::Made;

/// What a poll may wait for: room in the queue, or its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    Room,
    Sent,
    Closed,
}

pub(super) type Polled = Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>;

impl StreamWriter {
    /// Waits; what it needs for that is made when there is something to wait for.
    fn poll_until(
        &mut self,
        until: Until,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.polled.as_ref().is_none_or(|(what, _)| *what != until) {
            self.polled = None;
            let (connection, eof) = (self.connection.clone(), self.eof);
            let wait = async move {
                if until == Until::Closed {
                    let wait = connection.closed().wait();
                    return WaitClosed { connection: &connection, wait }.await;
                }
                let (all, made) = (until == Until::Sent, Made::inside(at));
                Drain { connection: &connection, eof, waiting: None, all, made }.await
            };
            let (all, made) = (until == Until::Sent, Made::inside(at));
            let connection = &self.connection;
            let mut at_once = Drain { connection, eof, waiting: None, all, made };
            if until != Until::Closed {
                if let Poll::Ready(done) = Pin::new(&mut at_once).poll(cx) {
                    return Poll::Ready(done);
                }
            }
            self.polled = Some((until, Box::pin(wait)));
        }
        let Some((_, waiting)) = &mut self.polled else { return Poll::Pending };
        let done = ready!(waiting.as_mut().poll(cx));
        self.polled = None;
        Poll::Ready(done)
    }

    /// Waits as [`drain`](Self::drain) does, and then takes some into the queue.
    pub(crate) fn poll_put(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.eof != Eof::No && !self.is_closing() {
            return Poll::Ready(Err(after_eof()));
        }
        ready!(self.poll_until(Until::Room, at, cx))?;
        let unit = ready!(coop::poll_proceed(cx));
        // No more than the queue may hold at a time: what comes after it waits for room.
        let room = self.connection.limits().1.max(1);
        let total = parts.iter().map(|part| part.len()).sum::<usize>();
        let n = if total <= room {
            self.connection.write(parts);
            total
        } else {
            let first = parts.iter().find(|part| !part.is_empty()).map_or(&[][..], |part| &**part);
            let piece = &first[..first.len().min(room)];
            self.connection.write(&[IoSlice::new(piece)]);
            piece.len()
        };
        unit.made_progress();
        Poll::Ready(match self.connection.error() {
            Some(error) => Err(error),
            None => Ok(n),
        })
    }

    /// Waits until the system has everything.
    pub(crate) fn poll_sent(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let until = if self.is_closing() { Until::Closed } else { Until::Sent };
        self.poll_until(until, at, cx)
    }
}

/// The bodies of `compat/files.rs`.
#[cfg(any(feature = "futures-io", feature = "tokio-io"))]
impl StreamWriter {
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_parts(cx, &[IoSlice::new(bytes)])
    }

    pub(crate) fn poll_write_parts(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_put(self.connection.made_at(), cx, parts)
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent(self.connection.made_at(), cx)
    }

    /// Ends the outgoing stream when all is sent.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        Poll::Ready(if self.is_closing() { Ok(()) } else { self.write_eof() })
    }
}

//! Serving until the server is closed.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use corio_sync::EventWait;
use corio_sync::place::{self, WaitKind};

use super::Server;

/// The server was closed already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerClosed(());

impl fmt::Display for ServerClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server is closed: start another one")
    }
}

impl std::error::Error for ServerClosed {}

/// Future of [`Server::serve_forever`]: `Result<(), ServerClosed>`.
#[must_use = "it serves only while this is awaited"]
pub struct ServeForever<'a> {
    server: &'a Server,
    refused: bool,
    done: bool,
    wait: EventWait<'a>,
    at: &'static Location<'static>,
}

impl<'a> ServeForever<'a> {
    #[track_caller]
    pub(super) fn new(server: &'a Server) -> Self {
        let refused = server.shared.stopped.is_set();
        if !refused {
            server.start_serving();
        }
        let (wait, at) = (server.shared.stopped.wait(), Location::caller());
        Self { server, refused, done: refused, wait, at }
    }
}

impl Future for ServeForever<'_> {
    type Output = Result<(), ServerClosed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let stopped = Pin::new(&mut self.wait).poll(cx);
        if self.refused {
            return Poll::Ready(Err(ServerClosed(())));
        }
        if stopped.is_pending() {
            place::note(WaitKind::Serve, self.at);
            return Poll::Pending;
        }
        self.done = true;
        Poll::Ready(Ok(()))
    }
}

impl Drop for ServeForever<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.server.close();
            self.server.close_clients();
        }
    }
}

impl fmt::Debug for ServeForever<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeForever").field("server", self.server).finish_non_exhaustive()
    }
}

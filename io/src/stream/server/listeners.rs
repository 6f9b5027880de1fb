//! The listening sockets of a server: the task that accepts uses them, and whoever closes the server
//! closes them, on its own thread and at once, so that their addresses can be bound anew.
//!
//! They lie behind a lock that is held for one `accept` at a time, which does not wait. No code of a
//! user's runs meanwhile, and no descriptor is closed that an `accept` is about to use.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use super::unix_path::SocketFile;
use crate::net::{TcpListener, UnixListener};
use crate::stream::connection::Socket;

/// A listening socket.
pub(super) enum Source {
    Tcp(TcpListener),
    /// With the file that goes before the socket does: as long as the socket is there, nobody else's
    /// file has its inode.
    Unix(
        #[expect(dead_code, reason = "it is there to be dropped")] Option<SocketFile>,
        UnixListener,
    ),
}

impl Source {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Socket, String)>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(cx).map_ok(|(stream, peer)| {
                // It fails if the peer is gone already, which the first read will say.
                let _ = stream.set_nodelay(true);
                (Socket::Tcp(stream), peer.to_string())
            }),
            Self::Unix(_, listener) => listener
                .poll_accept(cx)
                .map_ok(|(stream, _)| (Socket::Unix(stream), "of a Unix socket".to_owned())),
        }
    }
}

/// All of a server's; none when it is closed.
pub(super) struct Listeners(Mutex<Vec<Source>>);

impl Listeners {
    pub(super) fn new(sources: Vec<Source>) -> Self {
        Self(Mutex::new(sources))
    }

    fn sources(&self) -> MutexGuard<'_, Vec<Source>> {
        // A panic inside leaves them as they are.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection, and how its peer is called; `None` if there are fewer listeners than that.
    pub(super) fn poll_accept(
        &self,
        index: usize,
        cx: &mut Context<'_>,
    ) -> Option<Poll<io::Result<(Socket, String)>>> {
        self.sources().get(index).map(|source| source.poll_accept(cx))
    }

    /// Closes them.
    pub(super) fn close(&self) {
        let sources = std::mem::take(&mut *self.sources());
        drop(sources);
    }
}

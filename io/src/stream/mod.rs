//! asyncio's streams: a reader and a writer with buffers, and servers that hand out pairs of them.
//!
//! *Vocabulary.* A **connection** is the socket that a reader and a writer share. What the writer
//! was given and the system has not yet taken is **queued**; a task of the connection sends it.
//!
//! *Differences from asyncio.* Nothing is read ahead: a reader asks the socket when its buffer does
//! not suffice, so an error is found by the read that meets it, after the data before it. There are
//! no protocols and transports to subclass.

pub(crate) mod ahead;
mod connection;
mod error;
#[cfg(any(test, feature = "__fuzz"))]
pub(crate) mod fuzz;
mod open;
mod pipe;
mod reader;
mod server;
#[cfg(feature = "tls")]
pub mod ssl;
mod writer;

pub use connection::ExtraInfo;
pub use error::ReadError;
pub(crate) use open::check_limit;
pub use open::{
    AcceptedSocket, OpenConnection, OpenUnixConnection, connect_accepted_socket, open_connection,
    open_unix_connection,
};
pub use pipe::{connect_read_pipe, connect_write_pipe};
pub(crate) use pipe::{pipe_reader, pipe_writer};
pub use reader::{Lines, NextLine, ReadExactly, ReadLine, ReadSome, ReadUntil, StreamReader};
pub use server::{
    ServeForever, Server, ServerClosed, StartServer, StartUnixServer, start_server,
    start_unix_server,
};
pub use writer::{Drain, StreamWriter, WaitClosed};

/// Without the feature nobody can ask for it.
#[cfg(not(feature = "tls"))]
mod ssl {
    use std::io;
    use std::sync::Arc;

    use super::connection::Connection;

    pub(super) enum Upgrade {}

    pub(super) async fn run(_connection: &Arc<Connection>, upgrade: Upgrade) -> io::Result<()> {
        match upgrade {}
    }
}

/// The most that a line or a chunk before a separator may be long unless it is said otherwise:
/// asyncio's.
pub const DEFAULT_LIMIT: usize = 64 << 10;

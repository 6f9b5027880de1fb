//! What can be copied from and to.

use std::io::{self, IoSlice};
use std::panic::Location;
use std::task::{Context, Poll};

use crate::duplex::{DuplexReader, DuplexStream, DuplexWriter};
use crate::net::{Connected, OwnedReadHalf, OwnedWriteHalf, ReadHalf, StreamSocket, TcpStream};
use crate::net::{UnixStream, Wire, WriteHalf};
use crate::stream::StreamReader;

/// What [`copy`](super::copy) reads from: sockets, their halves, references to sockets, streams
/// in memory, and [`StreamReader`]. Nobody else can implement it.
pub trait ByteSource: Give {}

/// What [`copy`](super::copy) writes to: sockets, their halves, references to sockets, and
/// streams in memory. Nobody else can implement it.
pub trait ByteSink: Take {}

/// What a [`ByteSource`] is made of.
pub trait Give {
    /// Reads into the room behind what a vector holds; 0 at the end.
    #[doc(hidden)]
    fn poll_give(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        buf: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>>;
}

/// What a [`ByteSink`] is made of.
pub trait Take {
    /// Writes some.
    #[doc(hidden)]
    fn poll_take(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>>;

    /// Ends the outgoing direction.
    #[doc(hidden)]
    fn end(&mut self) -> io::Result<()>;
}

/// Sources, and the call that reads from each of them.
macro_rules! gives {
    (
        |$source:ident, $at:ident, $cx:ident, $buf:ident| $poll:expr;
        $([$($generics:tt)*] $end:ty;)*
    ) => {$(
        impl<$($generics)*> ByteSource for $end {}

        impl<$($generics)*> Give for $end {
            fn poll_give(
                &mut self,
                $at: &'static Location<'static>,
                $cx: &mut Context<'_>,
                $buf: &mut Vec<u8>,
            ) -> Poll<io::Result<usize>> {
                let $source = self;
                $poll
            }
        }
    )*};
}

/// Sinks, the call that writes to each of them, and the one that ends them.
macro_rules! takes {
    (
        |$sink:ident, $at:ident, $cx:ident, $bytes:ident| $poll:expr, $end_it:expr;
        $([$($generics:tt)*] $end:ty;)*
    ) => {$(
        impl<$($generics)*> ByteSink for $end {}

        impl<$($generics)*> Take for $end {
            fn poll_take(
                &mut self,
                $at: &'static Location<'static>,
                $cx: &mut Context<'_>,
                $bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                let $sink = self;
                $poll
            }

            fn end(&mut self) -> io::Result<()> {
                let $sink = self;
                $end_it
            }
        }
    )*};
}

gives! {
    |socket, at, cx, buf| Wire { at, ..socket.wire() }.poll_read_vec(cx, buf);
    [] TcpStream;
    [] UnixStream;
    [] &TcpStream;
    [] &UnixStream;
    [S: StreamSocket] OwnedReadHalf<S>;
    [S: StreamSocket] ReadHalf<'_, S>;
}

takes! {
    |socket, at, cx, bytes| Wire { at, ..socket.wire() }.poll_write(cx, bytes), socket.close_write();
    [] TcpStream;
    [] UnixStream;
    [] &TcpStream;
    [] &UnixStream;
    [S: StreamSocket] OwnedWriteHalf<S>;
    [S: StreamSocket] WriteHalf<'_, S>;
}

gives! { |reader, at, cx, buf| reader.poll_move(at, cx, buf); [] StreamReader; }
gives! { |reader, at, cx, buf| reader.poll_read_vec(at, cx, buf); [] DuplexReader; }
gives! { |both, at, cx, buf| both.reader.poll_give(at, cx, buf); [] DuplexStream; }

takes! {
    |writer, at, cx, bytes| writer.poll_put(at, cx, &[IoSlice::new(bytes)]), {
        writer.shutdown();
        Ok(())
    };
    [] DuplexWriter;
}
takes! {
    |both, at, cx, bytes| both.writer.poll_take(at, cx, bytes), both.writer.end();
    [] DuplexStream;
}

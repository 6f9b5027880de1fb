//! What can be copied from and to.

use std::io::{self, IoSlice};
use std::panic::Location;
use std::task::{Context, Poll};

use crate::buffered::{BufReader, BufWriter};
use crate::duplex::{DuplexReader, DuplexStream, DuplexWriter};
use crate::net::{Connected, OwnedReadHalf, OwnedWriteHalf, ReadHalf, StreamSocket, TcpStream};
use crate::net::{UnixStream, Wire, WriteHalf};
use crate::stream::{StreamReader, StreamWriter};

/// What [`copy`](super::copy) and [`BufReader`] read from: sockets, their halves, references to
/// sockets, streams in memory, [`StreamReader`], and [`BufReader`]s of these. Nobody else can implement
/// it.
pub trait ByteSource: Give {}

/// What [`copy`](super::copy) and [`BufWriter`] write to: sockets, their halves, references to
/// sockets, streams in memory, [`StreamWriter`], and [`BufWriter`]s of these. Nobody else can implement
/// it.
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

    /// Waits until the system, or the other end of a stream in memory, has what was taken.
    #[doc(hidden)]
    fn poll_flush(
        &mut self,
        _at: &'static Location<'static>,
        _cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Whether it has taken what nobody sends before it is flushed.
    #[doc(hidden)]
    fn holds_back(&self) -> bool {
        false
    }

    /// Ends the outgoing direction. What is held back must be flushed before.
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
gives! { |reader, at, cx, buf| reader.poll_pass(at, cx, buf); [R: ByteSource] BufReader<R>; }
gives! { |writer, at, cx, buf| writer.get_mut().poll_give(at, cx, buf); [W: ByteSource] BufWriter<W>; }
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

impl ByteSink for StreamWriter {}

impl Take for StreamWriter {
    fn poll_take(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_put(at, cx, &[IoSlice::new(bytes)])
    }

    fn poll_flush(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_sent(at, cx)
    }

    fn end(&mut self) -> io::Result<()> {
        self.write_eof()
    }
}

impl<W: ByteSink> ByteSink for BufWriter<W> {}

impl<W: ByteSink> Take for BufWriter<W> {
    fn poll_take(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_put(at, cx, bytes)
    }

    fn poll_flush(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_sent(at, cx)
    }

    fn holds_back(&self) -> bool {
        !self.buffer().is_empty() || self.get_ref().holds_back()
    }

    fn end(&mut self) -> io::Result<()> {
        self.get_mut().end()
    }
}

/// So that a connection whose first lines were read may be copied both ways.
impl<R: ByteSink> ByteSink for BufReader<R> {}

impl<R: ByteSink> Take for BufReader<R> {
    fn poll_take(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_take(at, cx, bytes)
    }

    fn poll_flush(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().poll_flush(at, cx)
    }

    fn holds_back(&self) -> bool {
        self.get_ref().holds_back()
    }

    fn end(&mut self) -> io::Result<()> {
        self.get_mut().end()
    }
}

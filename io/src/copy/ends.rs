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

macro_rules! gives {
    ($([$($generics:tt)*] $socket:ty;)*) => {$(
        impl<$($generics)*> ByteSource for $socket {}

        impl<$($generics)*> Give for $socket {
            fn poll_give(
                &mut self,
                at: &'static Location<'static>,
                cx: &mut Context<'_>,
                buf: &mut Vec<u8>,
            ) -> Poll<io::Result<usize>> {
                Wire { at, ..self.wire() }.poll_read_vec(cx, buf)
            }
        }
    )*};
}

macro_rules! takes {
    ($([$($generics:tt)*] $socket:ty;)*) => {$(
        impl<$($generics)*> ByteSink for $socket {}

        impl<$($generics)*> Take for $socket {
            fn poll_take(
                &mut self,
                at: &'static Location<'static>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                Wire { at, ..self.wire() }.poll_write(cx, bytes)
            }

            fn end(&mut self) -> io::Result<()> {
                self.close_write()
            }
        }
    )*};
}

macro_rules! gives_and_takes {
    ($($ends:tt)*) => {
        gives! { $($ends)* }
        takes! { $($ends)* }
    };
}

gives_and_takes! {
    [] TcpStream;
    [] UnixStream;
    [] &TcpStream;
    [] &UnixStream;
}

gives! {
    [S: StreamSocket] OwnedReadHalf<S>;
    [S: StreamSocket] ReadHalf<'_, S>;
}

takes! {
    [S: StreamSocket] OwnedWriteHalf<S>;
    [S: StreamSocket] WriteHalf<'_, S>;
}

macro_rules! in_memory {
    (gives: $($reader:ident $(.$reading:ident)?),*; takes: $($writer:ident $(.$writing:ident)?),*) => {
        $(
            impl ByteSource for $reader {}

            impl Give for $reader {
                fn poll_give(
                    &mut self,
                    at: &'static Location<'static>,
                    cx: &mut Context<'_>,
                    buf: &mut Vec<u8>,
                ) -> Poll<io::Result<usize>> {
                    self$(.$reading)?.poll_read_vec(at, cx, buf)
                }
            }
        )*
        $(
            impl ByteSink for $writer {}

            impl Take for $writer {
                fn poll_take(
                    &mut self,
                    at: &'static Location<'static>,
                    cx: &mut Context<'_>,
                    bytes: &[u8],
                ) -> Poll<io::Result<usize>> {
                    self$(.$writing)?.poll_put(at, cx, &[IoSlice::new(bytes)])
                }

                fn end(&mut self) -> io::Result<()> {
                    self$(.$writing)?.shutdown();
                    Ok(())
                }
            }
        )*
    };
}

in_memory! {
    gives: DuplexReader, DuplexStream.reader;
    takes: DuplexWriter, DuplexStream.writer
}

impl ByteSource for StreamReader {}

impl Give for StreamReader {
    fn poll_give(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        buf: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        self.poll_move(at, cx, buf)
    }
}

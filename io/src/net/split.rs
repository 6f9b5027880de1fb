//! A stream in two halves.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::panic::Location;
use std::sync::Arc;

use corio_runtime::reactor::Direction;

use super::tcp::TcpStream;
use super::transfer::{Peek, Read, ReadExact, ReadVectored, Ready, Write, WriteAll, WriteVectored};

/// The reading half of [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a> {
    stream: &'a TcpStream,
}

/// The writing half of [`TcpStream::split`].
#[derive(Debug)]
pub struct WriteHalf<'a> {
    stream: &'a TcpStream,
}

/// The reading half of [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf {
    pub(crate) stream: Arc<TcpStream>,
}

/// The writing half of [`TcpStream::into_split`]. Dropping it ends the outgoing stream.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    pub(crate) stream: Arc<TcpStream>,
    end_on_drop: bool,
}

pub(super) fn borrowed(stream: &mut TcpStream) -> (ReadHalf<'_>, WriteHalf<'_>) {
    (ReadHalf { stream }, WriteHalf { stream })
}

pub(super) fn owned(stream: TcpStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    let stream = Arc::new(stream);
    (OwnedReadHalf { stream: stream.clone() }, OwnedWriteHalf { stream, end_on_drop: true })
}

impl OwnedReadHalf {
    /// Puts the two halves of one stream together again.
    ///
    /// # Errors
    ///
    /// [`ReuniteError`] gives both back if they are halves of different streams.
    pub fn reunite(self, write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        if !Arc::ptr_eq(&self.stream, &write.stream) {
            return Err(ReuniteError(self, write));
        }
        write.forget();
        Ok(Arc::into_inner(self.stream).expect("a stream has two halves, and one is gone"))
    }
}

impl OwnedWriteHalf {
    /// As [`OwnedReadHalf::reunite`].
    ///
    /// # Errors
    ///
    /// [`ReuniteError`] gives both back if they are halves of different streams.
    pub fn reunite(self, read: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        read.reunite(self)
    }

    /// Drops the half without ending the outgoing stream.
    pub fn forget(mut self) {
        self.end_on_drop = false;
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.end_on_drop {
            // The peer may have closed the connection already; there is nobody to tell.
            let _ = self.stream.close_write();
        }
    }
}

macro_rules! reading {
    ($half:ty) => {
        /// The methods of [`TcpStream`] that read.
        impl $half {
            /// See [`TcpStream::read`].
            #[track_caller]
            pub fn read<'b>(&'b self, buf: &'b mut [u8]) -> Read<'b> {
                Read::new(&self.stream, buf, Location::caller())
            }

            /// See [`TcpStream::read_exact`].
            #[track_caller]
            pub fn read_exact<'b>(&'b self, buf: &'b mut [u8]) -> ReadExact<'b> {
                ReadExact::new(&self.stream, buf, Location::caller())
            }

            /// See [`TcpStream::read_vectored`].
            #[track_caller]
            pub fn read_vectored<'b>(&'b self, bufs: &'b mut [IoSliceMut<'b>]) -> ReadVectored<'b> {
                ReadVectored::new(&self.stream, bufs, Location::caller())
            }

            /// See [`TcpStream::peek`].
            #[track_caller]
            pub fn peek<'b>(&'b self, buf: &'b mut [u8]) -> Peek<'b> {
                Peek::new(&self.stream, buf, Location::caller())
            }

            /// See [`TcpStream::readable`].
            #[track_caller]
            pub fn readable(&self) -> Ready<'_> {
                Ready::new(&self.stream, Direction::Read, Location::caller())
            }

            /// See [`TcpStream::try_read`].
            ///
            /// # Errors
            ///
            /// As there.
            pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
                self.stream.try_read(buf)
            }
        }

        both!($half);
    };
}

macro_rules! writing {
    ($half:ty) => {
        /// The methods of [`TcpStream`] that write.
        impl $half {
            /// See [`TcpStream::write`].
            #[track_caller]
            pub fn write<'b>(&'b self, buf: &'b [u8]) -> Write<'b> {
                Write::new(&self.stream, buf, Location::caller())
            }

            /// See [`TcpStream::write_all`].
            #[track_caller]
            pub fn write_all<'b>(&'b self, buf: &'b [u8]) -> WriteAll<'b> {
                WriteAll::new(&self.stream, buf, Location::caller())
            }

            /// See [`TcpStream::write_vectored`].
            #[track_caller]
            pub fn write_vectored<'b>(&'b self, bufs: &'b [IoSlice<'b>]) -> WriteVectored<'b> {
                WriteVectored::new(&self.stream, bufs, Location::caller())
            }

            /// See [`TcpStream::writable`].
            #[track_caller]
            pub fn writable(&self) -> Ready<'_> {
                Ready::new(&self.stream, Direction::Write, Location::caller())
            }

            /// See [`TcpStream::try_write`].
            ///
            /// # Errors
            ///
            /// As there.
            pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
                self.stream.try_write(buf)
            }
        }

        both!($half);
    };
}

macro_rules! both {
    ($half:ty) => {
        impl AsRef<TcpStream> for $half {
            /// The whole stream, for its options.
            fn as_ref(&self) -> &TcpStream {
                &self.stream
            }
        }

        impl $half {
            /// See [`TcpStream::local_addr`].
            ///
            /// # Errors
            ///
            /// As there.
            pub fn local_addr(&self) -> io::Result<SocketAddr> {
                self.stream.local_addr()
            }

            /// See [`TcpStream::peer_addr`].
            ///
            /// # Errors
            ///
            /// As there.
            pub fn peer_addr(&self) -> io::Result<SocketAddr> {
                self.stream.peer_addr()
            }
        }
    };
}

reading!(ReadHalf<'_>);
reading!(OwnedReadHalf);
writing!(WriteHalf<'_>);
writing!(OwnedWriteHalf);

/// The halves do not belong together; here they are again.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these are halves of two different streams")
    }
}

impl Error for ReuniteError {}

//! A stream in two halves.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::panic::Location;
use std::sync::Arc;

use corio_runtime::reactor::Direction;

use super::socket::Ready;
use super::tcp::TcpStream;
use super::transfer::{Peek, Read, ReadExact, ReadVectored, Write, WriteAll, WriteVectored};
use super::unix::UnixStream;
use super::wire::{Connected, StreamSocket, Wire};
use crate::sys;

/// The reading half of [`TcpStream::split`] or [`UnixStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a, S: StreamSocket = TcpStream> {
    stream: &'a S,
}

/// The writing half of [`TcpStream::split`] or [`UnixStream::split`].
#[derive(Debug)]
pub struct WriteHalf<'a, S: StreamSocket = TcpStream> {
    stream: &'a S,
}

/// The reading half of [`TcpStream::into_split`] or [`UnixStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf<S: StreamSocket = TcpStream> {
    pub(crate) stream: Arc<S>,
}

/// The writing half of [`TcpStream::into_split`] or [`UnixStream::into_split`]. Dropping it ends the
/// outgoing stream.
#[derive(Debug)]
pub struct OwnedWriteHalf<S: StreamSocket = TcpStream> {
    pub(crate) stream: Arc<S>,
    end_on_drop: bool,
}

pub(super) fn borrowed<S: StreamSocket>(stream: &mut S) -> (ReadHalf<'_, S>, WriteHalf<'_, S>) {
    (ReadHalf { stream }, WriteHalf { stream })
}

pub(super) fn owned<S: StreamSocket>(stream: S) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
    let stream = Arc::new(stream);
    (OwnedReadHalf { stream: stream.clone() }, OwnedWriteHalf { stream, end_on_drop: true })
}

impl<S: StreamSocket> OwnedReadHalf<S> {
    /// Puts the two halves of one stream together again.
    ///
    /// # Errors
    ///
    /// [`ReuniteError`] gives both back if they are halves of different streams.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UnixStream;
    ///
    /// # corio_runtime::run(async {
    /// let (a, b) = UnixStream::pair()?;
    /// let (read, write) = a.into_split();
    /// write.write_all(b"hello").await?;
    /// let whole = read.reunite(write).unwrap();
    /// drop(whole);
    /// let mut all = [0; 5];
    /// b.read_exact(&mut all).await?;
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn reunite(self, write: OwnedWriteHalf<S>) -> Result<S, ReuniteError<S>> {
        if !Arc::ptr_eq(&self.stream, &write.stream) {
            return Err(ReuniteError(self, write));
        }
        write.forget();
        Ok(Arc::into_inner(self.stream).expect("a stream has two halves, and one is gone"))
    }
}

impl<S: StreamSocket> OwnedWriteHalf<S> {
    /// As [`OwnedReadHalf::reunite`].
    ///
    /// # Errors
    ///
    /// [`ReuniteError`] gives both back if they are halves of different streams.
    pub fn reunite(self, read: OwnedReadHalf<S>) -> Result<S, ReuniteError<S>> {
        read.reunite(self)
    }

    /// Drops the half without ending the outgoing stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UnixStream;
    ///
    /// # corio_runtime::run(async {
    /// let (a, b) = UnixStream::pair()?;
    /// let (read, write) = a.into_split();
    /// write.forget();
    /// assert!(b.try_read(&mut [0; 1]).is_err(), "the stream has not ended");
    /// drop(read);
    /// assert_eq!(b.read(&mut [0; 1]).await?, 0);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn forget(mut self) {
        self.end_on_drop = false;
    }
}

impl<S: StreamSocket> Drop for OwnedWriteHalf<S> {
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
        impl<S: StreamSocket> $half {
            /// See [`TcpStream::read`].
            ///
            /// # Cancel safety
            ///
            /// As there.
            #[track_caller]
            pub fn read<'b>(&'b self, buf: &'b mut [u8]) -> Read<'b> {
                Read::new(self.stream.wire(), buf, Location::caller())
            }

            /// See [`TcpStream::read_exact`].
            ///
            /// # Cancel safety
            ///
            /// As there.
            #[track_caller]
            pub fn read_exact<'b>(&'b self, buf: &'b mut [u8]) -> ReadExact<'b> {
                ReadExact::new(self.stream.wire(), buf, Location::caller())
            }

            /// See [`TcpStream::read_vectored`].
            ///
            /// # Cancel safety
            ///
            /// As there.
            #[track_caller]
            pub fn read_vectored<'b>(&'b self, bufs: &'b mut [IoSliceMut<'b>]) -> ReadVectored<'b> {
                ReadVectored::new(self.stream.wire(), bufs, Location::caller())
            }

            /// See [`TcpStream::peek`].
            ///
            /// # Cancel safety
            ///
            /// As there.
            #[track_caller]
            pub fn peek<'b>(&'b self, buf: &'b mut [u8]) -> Peek<'b> {
                Peek::new(self.stream.wire(), buf, Location::caller())
            }

            /// See [`TcpStream::readable`].
            ///
            /// # Cancel safety
            ///
            /// As there.
            #[track_caller]
            pub fn readable(&self) -> Ready<'_> {
                Ready::new(self.stream.wire(), Direction::Read, Location::caller())
            }

            /// See [`TcpStream::try_read`].
            ///
            /// # Errors
            ///
            /// As there.
            pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
                let wire = self.stream.wire();
                wire.source.try_io(Direction::Read, || sys::recv_init(wire.fd, buf))
            }
        }

        both!($half);
    };
}

macro_rules! writing {
    ($half:ty) => {
        /// The methods of [`TcpStream`] that write.
        impl<S: StreamSocket> $half {
            /// See [`TcpStream::write`].
            ///
            /// # Cancel safety
            ///
            /// As there.
            #[track_caller]
            pub fn write<'b>(&'b self, buf: &'b [u8]) -> Write<'b> {
                Write::new(self.stream.wire(), buf, Location::caller())
            }

            /// See [`TcpStream::write_all`].
            ///
            /// # Cancel safety
            ///
            /// As there.
            #[track_caller]
            pub fn write_all<'b>(&'b self, buf: &'b [u8]) -> WriteAll<'b> {
                WriteAll::new(self.stream.wire(), buf, Location::caller())
            }

            /// See [`TcpStream::write_vectored`].
            ///
            /// # Cancel safety
            ///
            /// As there.
            #[track_caller]
            pub fn write_vectored<'b>(&'b self, bufs: &'b [IoSlice<'b>]) -> WriteVectored<'b> {
                WriteVectored::new(self.stream.wire(), bufs, Location::caller())
            }

            /// See [`TcpStream::writable`].
            ///
            /// # Cancel safety
            ///
            /// As there.
            #[track_caller]
            pub fn writable(&self) -> Ready<'_> {
                Ready::new(self.stream.wire(), Direction::Write, Location::caller())
            }

            /// See [`TcpStream::try_write`].
            ///
            /// # Errors
            ///
            /// As there.
            pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
                let wire = self.stream.wire();
                wire.source.try_io(Direction::Write, || sys::send(wire.fd, buf))
            }
        }

        both!($half);
    };
}

macro_rules! both {
    ($half:ty) => {
        impl<S: StreamSocket> Connected for $half {
            #[inline]
            fn wire(&self) -> Wire<'_> {
                self.stream.wire()
            }

            fn close_write(&self) -> io::Result<()> {
                self.stream.close_write()
            }
        }

        impl<S: StreamSocket> AsRef<S> for $half {
            /// The whole stream, for its options and addresses.
            fn as_ref(&self) -> &S {
                &self.stream
            }
        }
    };
}

macro_rules! addresses {
    ($($half:ty, $address:ty;)*) => {$(
        impl $half {
            /// The address of this end.
            ///
            /// See [`TcpStream::local_addr`].
            ///
            /// # Errors
            ///
            /// The system's.
            pub fn local_addr(&self) -> io::Result<$address> {
                self.stream.local_addr()
            }

            /// The address of the other end.
            ///
            /// See [`TcpStream::peer_addr`].
            ///
            /// # Errors
            ///
            /// The system's.
            pub fn peer_addr(&self) -> io::Result<$address> {
                self.stream.peer_addr()
            }
        }
    )*};
}

addresses! {
    ReadHalf<'_>, SocketAddr;
    WriteHalf<'_>, SocketAddr;
    OwnedReadHalf, SocketAddr;
    OwnedWriteHalf, SocketAddr;
    ReadHalf<'_, UnixStream>, UnixAddr;
    WriteHalf<'_, UnixStream>, UnixAddr;
    OwnedReadHalf<UnixStream>, UnixAddr;
    OwnedWriteHalf<UnixStream>, UnixAddr;
}

reading!(ReadHalf<'_, S>);
reading!(OwnedReadHalf<S>);
writing!(WriteHalf<'_, S>);
writing!(OwnedWriteHalf<S>);

/// The halves do not belong together; here they are again.
pub struct ReuniteError<S: StreamSocket = TcpStream>(pub OwnedReadHalf<S>, pub OwnedWriteHalf<S>);

impl<S: StreamSocket> fmt::Debug for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReuniteError(..)")
    }
}

impl<S: StreamSocket> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these are halves of two different streams")
    }
}

impl<S: StreamSocket> Error for ReuniteError<S> {}

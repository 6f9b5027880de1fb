//! The futures of sockets that send and receive whole messages: UDP, Unix datagrams, Unix seqpackets.
//!
//! Each call is one message or none. A message that is longer than the buffer loses its end, as the
//! system has it. Readiness is cleared by `WouldBlock` alone: one message read says nothing about
//! the next one.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use corio_runtime::reactor::Direction;

use super::socket::{Wait, debug_by_wait};
use super::wire::Wire;
use crate::sys;

/// A socket whose messages have senders: [`UdpSocket`](super::UdpSocket) or
/// [`UnixDatagram`](super::UnixDatagram).
///
/// It is here so that one future serves both; nobody else can implement it.
pub trait DatagramSocket: Messages {}

/// What a [`DatagramSocket`] is made of.
pub trait Messages {
    /// Who sent a message.
    type Address;

    /// The descriptor and its readiness.
    #[doc(hidden)]
    fn wire(&self) -> Wire<'_>;

    /// Receives a message and who sent it, without waiting.
    #[doc(hidden)]
    fn recv_from_now(&self, buf: &mut [u8]) -> io::Result<(usize, Self::Address)>;
}

/// Future of `send`: `io::Result<usize>`.
#[must_use = "nothing is sent unless this is awaited"]
pub struct DatagramSend<'a> {
    wait: Wait<'a>,
    buf: &'a [u8],
}

impl<'a> DatagramSend<'a> {
    pub(super) fn new(wire: Wire<'a>, buf: &'a [u8], at: &'static Location<'static>) -> Self {
        Self { wait: Wait::new(wire, at), buf }
    }
}

impl Future for DatagramSend<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { wait, buf } = self.get_mut();
        wait.begin();
        let fd = wait.fd();
        wait.poll_message(Direction::Write, cx, || sys::send(fd, buf))
    }
}

/// Future of `recv`: `io::Result<usize>`.
#[must_use = "nothing is received unless this is awaited"]
pub struct DatagramRecv<'a> {
    wait: Wait<'a>,
    buf: &'a mut [u8],
}

impl<'a> DatagramRecv<'a> {
    pub(super) fn new(wire: Wire<'a>, buf: &'a mut [u8], at: &'static Location<'static>) -> Self {
        Self { wait: Wait::new(wire, at), buf }
    }
}

impl Future for DatagramRecv<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { wait, buf } = self.get_mut();
        wait.begin();
        let fd = wait.fd();
        wait.poll_message(Direction::Read, cx, || sys::recv_init(fd, buf))
    }
}

/// Future of `peek`: `io::Result<usize>`.
#[must_use = "nothing is looked at unless this is awaited"]
pub struct DatagramPeek<'a> {
    wait: Wait<'a>,
    buf: &'a mut [u8],
}

impl<'a> DatagramPeek<'a> {
    pub(super) fn new(wire: Wire<'a>, buf: &'a mut [u8], at: &'static Location<'static>) -> Self {
        Self { wait: Wait::new(wire, at), buf }
    }
}

impl Future for DatagramPeek<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { wait, buf } = self.get_mut();
        wait.begin();
        let fd = wait.fd();
        wait.poll_message(Direction::Read, cx, || sys::peek(fd, buf))
    }
}

/// Future of `recv_from`: `io::Result<(usize, address)>`.
#[must_use = "nothing is received unless this is awaited"]
pub struct DatagramRecvFrom<'a, S: DatagramSocket> {
    wait: Wait<'a>,
    socket: &'a S,
    buf: &'a mut [u8],
}

impl<'a, S: DatagramSocket> DatagramRecvFrom<'a, S> {
    pub(super) fn new(socket: &'a S, buf: &'a mut [u8], at: &'static Location<'static>) -> Self {
        Self { wait: Wait::new(socket.wire(), at), socket, buf }
    }
}

impl<S: DatagramSocket> Future for DatagramRecvFrom<'_, S> {
    type Output = io::Result<(usize, S::Address)>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { wait, socket, buf } = self.get_mut();
        wait.begin();
        wait.poll_message(Direction::Read, cx, || socket.recv_from_now(buf))
    }
}

impl<S: DatagramSocket> fmt::Debug for DatagramRecvFrom<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramRecvFrom").field("wait", &self.wait).finish_non_exhaustive()
    }
}

debug_by_wait!(DatagramSend DatagramRecv DatagramPeek);

/// The methods that every message socket has.
macro_rules! datagram_methods {
    ($socket:ident, $std:ty) => {
        $crate::net::socket::socket_methods!($socket, $std);

        impl $socket {
            /// Sends a message to the peer that the socket is connected to.
            ///
            /// # Errors
            ///
            /// The system's, such as `NotConnected`, or a message that is too long; for UDP also
            /// what became of an earlier message. If it has to wait outside a runtime, one that
            /// says so.
            ///
            /// # Cancel safety
            ///
            /// Strict: the message is sent or not.
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::UdpSocket;
            ///
            /// # fn main() -> std::io::Result<()> {
            /// # corio_runtime::run(async {
            /// let a = UdpSocket::bind("127.0.0.1:0").await?;
            /// let b = UdpSocket::bind("127.0.0.1:0").await?;
            /// a.connect(b.local_addr()?).await?;
            /// a.send(b"hello").await?;
            /// assert_eq!(b.recv(&mut [0; 16]).await?, 5);
            /// # Ok(())
            /// # })
            /// # }
            /// ```
            #[track_caller]
            pub fn send<'a>(&'a self, buf: &'a [u8]) -> DatagramSend<'a> {
                DatagramSend::new(self.wire(), buf, Location::caller())
            }

            /// Receives a message; what does not fit into `buf` is lost.
            ///
            /// # Errors
            ///
            /// The system's; or, if it has to wait outside a runtime, one that says so.
            ///
            /// # Cancel safety
            ///
            /// Strict: a message is received or stays.
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::UdpSocket;
            ///
            /// # fn main() -> std::io::Result<()> {
            /// # corio_runtime::run(async {
            /// let a = UdpSocket::bind("127.0.0.1:0").await?;
            /// let b = UdpSocket::bind("127.0.0.1:0").await?;
            /// a.send_to(b"hello", b.local_addr()?).await?;
            /// let mut buf = [0; 16];
            /// let n = b.recv(&mut buf).await?;
            /// assert_eq!(&buf[..n], b"hello");
            /// # Ok(())
            /// # })
            /// # }
            /// ```
            #[track_caller]
            pub fn recv<'a>(&'a self, buf: &'a mut [u8]) -> DatagramRecv<'a> {
                DatagramRecv::new(self.wire(), buf, Location::caller())
            }

            /// As [`recv`](Self::recv), but the message stays in the socket.
            ///
            /// # Errors
            ///
            /// As [`recv`](Self::recv).
            ///
            /// # Cancel safety
            ///
            /// Strict.
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::UnixDatagram;
            ///
            /// # corio_runtime::run(async {
            /// let (a, b) = UnixDatagram::pair()?;
            /// a.send(b"hello").await?;
            /// assert_eq!(b.peek(&mut [0; 16]).await?, 5);
            /// assert_eq!(b.recv(&mut [0; 16]).await?, 5);
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            #[track_caller]
            pub fn peek<'a>(&'a self, buf: &'a mut [u8]) -> DatagramPeek<'a> {
                DatagramPeek::new(self.wire(), buf, Location::caller())
            }

            /// Sends without waiting.
            ///
            /// See [`try_recv`](Self::try_recv) for an example.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if there is no room; else as [`send`](Self::send).
            pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
                self.try_io(Direction::Write, || sys::send(self.io.fd(), buf))
            }

            /// Receives without waiting.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if there is no message; else as [`recv`](Self::recv).
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::UnixDatagram;
            ///
            /// # corio_runtime::run(async {
            /// let (a, b) = UnixDatagram::pair()?;
            /// let mut buf = [0; 16];
            /// assert!(b.try_recv(&mut buf).is_err());
            /// assert_eq!(a.try_send(b"hello")?, 5);
            /// b.readable().await?;
            /// assert_eq!(b.try_recv(&mut buf)?, 5);
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
                self.try_io(Direction::Read, || sys::recv_init(self.io.fd(), buf))
            }

            /// For hand-written futures: as [`send`](Self::send). Of several tasks that wait by
            /// the `poll_` calls in one direction the last one is woken.
            ///
            /// See [`poll_recv`](Self::poll_recv) for an example.
            pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                self.wire().poll_message(Direction::Write, cx, || sys::send(self.io.fd(), buf))
            }

            /// For hand-written futures: as [`recv`](Self::recv).
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::UnixDatagram;
            /// use std::future::poll_fn;
            ///
            /// # corio_runtime::run(async {
            /// let (a, b) = UnixDatagram::pair()?;
            /// poll_fn(|cx| a.poll_send_ready(cx)).await?;
            /// assert_eq!(poll_fn(|cx| a.poll_send(cx, b"hello")).await?, 5);
            /// poll_fn(|cx| b.poll_recv_ready(cx)).await?;
            /// let mut buf = [0; 16];
            /// assert_eq!(poll_fn(|cx| b.poll_recv(cx, &mut buf)).await?, 5);
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            pub fn poll_recv(
                &self,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.wire().poll_message(Direction::Read, cx, || sys::recv_init(self.io.fd(), buf))
            }

            /// For hand-written futures: as [`readable`](Self::readable).
            ///
            /// See [`poll_recv`](Self::poll_recv) for an example.
            pub fn poll_recv_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.wire().poll_ready(Direction::Read, cx)
            }

            /// For hand-written futures: as [`writable`](Self::writable).
            ///
            /// See [`poll_recv`](Self::poll_recv) for an example.
            pub fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.wire().poll_ready(Direction::Write, cx)
            }
        }
    };
}
pub(super) use datagram_methods;

/// The methods of message sockets that also tell who sent a message.
macro_rules! addressed_methods {
    ($socket:ident, $address:ty) => {
        impl DatagramSocket for $socket {}

        impl $socket {
            /// Receives a message and the address of who sent it; what does not fit into `buf` is
            /// lost.
            ///
            /// asyncio: `loop.sock_recvfrom_into`.
            ///
            /// # Errors
            ///
            /// As [`recv`](Self::recv).
            ///
            /// # Cancel safety
            ///
            /// Strict: a message is received or stays.
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::UdpSocket;
            ///
            /// # fn main() -> std::io::Result<()> {
            /// # corio_runtime::run(async {
            /// let a = UdpSocket::bind("127.0.0.1:0").await?;
            /// let b = UdpSocket::bind("127.0.0.1:0").await?;
            /// a.send_to(b"hello", b.local_addr()?).await?;
            /// let mut buf = [0; 16];
            /// assert_eq!(b.recv_from(&mut buf).await?, (5, a.local_addr()?));
            /// # Ok(())
            /// # })
            /// # }
            /// ```
            #[track_caller]
            pub fn recv_from<'a>(&'a self, buf: &'a mut [u8]) -> DatagramRecvFrom<'a, Self> {
                DatagramRecvFrom::new(self, buf, Location::caller())
            }

            /// Receives without waiting, with the address of who sent it.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if there is no message; else as [`recv`](Self::recv).
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::UdpSocket;
            ///
            /// # corio_runtime::run(async {
            /// let a = UdpSocket::bind("127.0.0.1:0").await?;
            /// let b = UdpSocket::bind("127.0.0.1:0").await?;
            /// a.send_to(b"hello", b.local_addr()?).await?;
            /// b.readable().await?;
            /// assert_eq!(b.try_recv_from(&mut [0; 16])?, (5, a.local_addr()?));
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, $address)> {
                self.try_io(Direction::Read, || self.recv_from_now(buf))
            }

            /// For hand-written futures: as [`recv_from`](Self::recv_from).
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::UdpSocket;
            ///
            /// # corio_runtime::run(async {
            /// let a = UdpSocket::bind("127.0.0.1:0").await?;
            /// let b = UdpSocket::bind("127.0.0.1:0").await?;
            /// a.send_to(b"hello", b.local_addr()?).await?;
            /// let mut buf = [0; 16];
            /// let (n, from) = std::future::poll_fn(|cx| b.poll_recv_from(cx, &mut buf)).await?;
            /// assert_eq!((n, from), (5, a.local_addr()?));
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            pub fn poll_recv_from(
                &self,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<(usize, $address)>> {
                self.wire().poll_message(Direction::Read, cx, || self.recv_from_now(buf))
            }

            /// The address of this end.
            ///
            /// # Errors
            ///
            /// The system's.
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::UdpSocket;
            ///
            /// # corio_runtime::run(async {
            /// let a = UdpSocket::bind("127.0.0.1:0").await?;
            /// assert!(a.peer_addr().is_err(), "it is not connected");
            /// a.connect(a.local_addr()?).await?;
            /// assert_eq!(a.peer_addr()?, a.local_addr()?);
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            pub fn local_addr(&self) -> io::Result<$address> {
                self.io.get().local_addr()
            }

            /// The address that the socket is connected to.
            ///
            /// See [`local_addr`](Self::local_addr) for an example.
            ///
            /// # Errors
            ///
            /// `NotConnected` if it is not; else the system's.
            pub fn peer_addr(&self) -> io::Result<$address> {
                self.io.get().peer_addr()
            }
        }
    };
}
pub(super) use addressed_methods;

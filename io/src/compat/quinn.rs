//! quinn's runtime: QUIC connections as tasks of corio, on its timers and its sockets.

use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use corio_runtime::reactor::{Direction, SourceKind, Waiter};
use corio_runtime::time;
use corio_sync::place::WaitKind;
use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, UdpPoller};

use crate::source::{Registered, step};

/// corio as quinn's runtime, for `quinn::Endpoint::new`.
///
/// Endpoints are made and used inside a corio runtime. Sending and receiving use what the system
/// has for many datagrams in one call (GSO, GRO, `recvmmsg`), and any number of connections may
/// wait for room in the one socket that they share. Without quinn's own runtime features no tokio
/// runtime is built.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use corio_io::quinn_0_11::CorioRuntime;
///
/// # fn server(config: quinn::ServerConfig, endpoint: quinn::EndpointConfig) -> std::io::Result<quinn::Endpoint> {
/// let socket = std::net::UdpSocket::bind("127.0.0.1:4433")?;
/// quinn::Endpoint::new(endpoint, Some(config), socket, Arc::new(CorioRuntime))
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CorioRuntime;

impl Runtime for CorioRuntime {
    fn new_timer(&self, deadline: Instant) -> Pin<Box<dyn AsyncTimer>> {
        Box::pin(Timer(time::sleep_until(deadline).inside()))
    }

    #[track_caller]
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        drop(corio_runtime::create_task(future));
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        // It makes the socket non-blocking.
        let state = UdpSocketState::new((&socket).into())?;
        let io = Registered::new(socket, SourceKind::Datagram);
        Ok(Arc::new(Socket { io, state, at: Location::caller() }))
    }

    fn now(&self) -> Instant {
        time::now()
    }
}

/// A sleep of corio's as quinn wants it.
#[derive(Debug)]
struct Timer(time::Sleep);

impl AsyncTimer for Timer {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.0.reset(deadline);
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// The socket of an endpoint.
#[derive(Debug)]
struct Socket {
    io: Registered<UdpSocket>,
    /// What the system can do for this socket, and how it has failed.
    state: UdpSocketState,
    at: &'static Location<'static>,
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Room { socket: self, waiter: Waiter::default() })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let send = || self.state.send(self.io.get().into(), transmit);
        self.io.source().try_io(Direction::Write, send)
    }

    /// Only the endpoint's own task receives, so the one place of the direction is enough.
    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let recv = || self.state.recv(self.io.get().into(), bufs, meta);
        step(WaitKind::Read, self.at, cx, |cx| {
            self.io.source().poll_io(self.io.fd(), Direction::Read, cx, recv)
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

/// How one connection waits for room in the socket.
#[derive(Debug)]
struct Room {
    socket: Arc<Socket>,
    waiter: Waiter,
}

impl UdpPoller for Room {
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, waiter } = self.get_mut();
        let io = &socket.io;
        step(WaitKind::Write, socket.at, cx, |cx| {
            io.source().poll_ready_with(io.fd(), Direction::Write, waiter, cx)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn transmit(to: SocketAddr, contents: &[u8]) -> Transmit<'_> {
        Transmit { destination: to, ecn: None, contents, segment_size: None, src_ip: None }
    }

    #[test]
    fn datagrams_go_both_ways_and_pollers_do_not_disturb_each_other() -> io::Result<()> {
        corio_runtime::run(async {
            let bind = || CorioRuntime.wrap_udp_socket(UdpSocket::bind("127.0.0.1:0")?);
            let (here, there) = (bind()?, bind()?);
            let (mut first, mut second) =
                (here.clone().create_io_poller(), here.clone().create_io_poller());
            poll_fn(|cx| first.as_mut().poll_writable(cx)).await?;
            poll_fn(|cx| second.as_mut().poll_writable(cx)).await?;
            here.try_send(&transmit(there.local_addr()?, b"ping"))?;
            let mut buf = [0; 64];
            let mut meta = [RecvMeta::default()];
            let n = poll_fn(|cx| there.poll_recv(cx, &mut [IoSliceMut::new(&mut buf)], &mut meta));
            assert_eq!(n.await?, 1);
            assert_eq!((meta[0].len, meta[0].addr), (4, here.local_addr()?));
            assert_eq!(&buf[..4], b"ping");
            Ok(())
        })
    }

    #[test]
    fn a_timer_may_be_set_back_and_forth() {
        corio_runtime::run(async {
            let now = CorioRuntime.now();
            let mut timer = CorioRuntime.new_timer(now + std::time::Duration::from_secs(3600));
            let pending = poll_fn(|cx| Poll::Ready(timer.as_mut().poll(cx).is_pending())).await;
            assert!(pending);
            timer.as_mut().reset(now);
            poll_fn(|cx| timer.as_mut().poll(cx)).await;
        });
    }
}

//! hickory's runtime: DNS queries on corio's sockets and timers.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use corio_runtime::time;
use hickory_net::runtime::{DnsTcpStream, DnsUdpSocket, RuntimeProvider, Spawn, Time};

use crate::net::{TcpStream, UdpSocket};

/// How long a TCP connection to a name server may take unless hickory says; its own default.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// corio as hickory's runtime, for `hickory_resolver::Resolver::builder_with_config` and the clients
/// of `hickory_net`.
///
/// Lookups are made inside a corio runtime. hickory's features for TLS, HTTPS and QUIC bring tokio's
/// sockets with them; plain DNS over UDP and TCP needs no tokio at all.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use corio_io::hickory_0_26::CorioRuntimeProvider;
/// use hickory_net::runtime::RuntimeProvider;
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// # let server = corio_io::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let address = server.local_addr()?;
/// // What a resolver does for a truncated answer.
/// let stream = CorioRuntimeProvider.connect_tcp(address, None, Some(Duration::from_secs(1)));
/// assert_eq!(stream.await?.peer_addr()?, address);
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CorioRuntimeProvider;

impl RuntimeProvider for CorioRuntimeProvider {
    type Handle = CorioSpawn;
    type Timer = CorioTime;
    type Udp = UdpSocket;
    type Tcp = TcpStream;

    fn create_handle(&self) -> CorioSpawn {
        CorioSpawn
    }

    fn connect_tcp(
        &self,
        server: SocketAddr,
        local: Option<SocketAddr>,
        limit: Option<Duration>,
    ) -> Pin<Box<dyn Send + Future<Output = io::Result<TcpStream>>>> {
        let builder = TcpStream::builder().nodelay(true);
        let builder = match local {
            Some(local) => builder.local_addr(local),
            None => builder,
        };
        let connect = time::timeout(limit.unwrap_or(CONNECT_TIMEOUT), builder.connect(server));
        Box::pin(async move { connect.await.map_err(timed_out)? })
    }

    fn bind_udp(
        &self,
        local: SocketAddr,
        _server: SocketAddr,
    ) -> Pin<Box<dyn Send + Future<Output = io::Result<UdpSocket>>>> {
        Box::pin(UdpSocket::bind(local))
    }
}

fn timed_out(error: time::TimeoutError) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, error)
}

/// Runs what hickory does in the background, such as a connection to a name server, as tasks of
/// the calling thread's runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct CorioSpawn;

impl Spawn for CorioSpawn {
    fn spawn_bg(&mut self, future: impl Future<Output = ()> + Send + 'static) {
        drop(corio_runtime::create_task(future));
    }
}

/// hickory's clock: timers of the calling thread's runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct CorioTime;

#[async_trait]
impl Time for CorioTime {
    async fn delay_for(duration: Duration) {
        time::sleep(duration).await;
    }

    async fn timeout<F: 'static + Future + Send>(
        duration: Duration,
        future: F,
    ) -> io::Result<F::Output> {
        time::timeout(duration, future).await.map_err(timed_out)
    }
}

impl DnsUdpSocket for UdpSocket {
    type Time = CorioTime;

    fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        Self::poll_recv_from(self, cx, buf)
    }

    fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        Self::poll_send_to(self, cx, buf, target)
    }
}

impl DnsTcpStream for TcpStream {
    type Time = CorioTime;
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket as StdUdpSocket;

    use super::*;

    #[test]
    fn what_takes_too_long_says_so() {
        corio_runtime::run(async {
            let never = CorioTime::timeout(Duration::from_millis(1), std::future::pending::<()>());
            assert_eq!(never.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert_eq!(CorioTime::timeout(Duration::from_secs(30), async { 7 }).await.unwrap(), 7);
            CorioTime::delay_for(Duration::from_millis(1)).await;
        });
    }

    #[test]
    fn a_datagram_is_sent_and_received_through_hickorys_trait() -> io::Result<()> {
        corio_runtime::run(async {
            let echo = StdUdpSocket::bind("127.0.0.1:0")?;
            let server = echo.local_addr()?;
            let answers = corio_runtime::to_thread(move || {
                let mut buf = [0; 64];
                let (n, from) = echo.recv_from(&mut buf)?;
                echo.send_to(&buf[..n], from)
            });
            let any = SocketAddr::from(([127, 0, 0, 1], 0));
            let socket = CorioRuntimeProvider.bind_udp(any, server).await?;
            DnsUdpSocket::send_to(&socket, b"query", server).await?;
            let mut buf = [0; 64];
            let (n, from) = DnsUdpSocket::recv_from(&socket, &mut buf).await?;
            assert_eq!((&buf[..n], from), (&b"query"[..], server));
            answers.await.unwrap().map(drop)
        })
    }
}

//! `corio::serve` beside a listener that fails: what passes by, and what is waited out.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use corio::net::{Listener, TcpListener, TcpStream};

use crate::{once, until};

/// Fails with these errors, one after the other, and then accepts.
struct Failing {
    errors: VecDeque<i32>,
    /// Errors that were told so far.
    told: Arc<AtomicUsize>,
    inner: TcpListener,
}

impl Listener for Failing {
    type Io = TcpStream;
    type Addr = SocketAddr;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        match self.errors.pop_front() {
            Some(errno) => {
                self.told.fetch_add(1, Relaxed);
                Poll::Ready(Err(io::Error::from_raw_os_error(errno)))
            }
            None => self.inner.poll_accept(cx),
        }
    }
}

/// A server that fails so before it accepts, and how many errors it was told.
async fn serve(
    errors: impl IntoIterator<Item = i32>,
) -> (SocketAddr, Arc<AtomicUsize>, corio::Task<io::Result<()>>) {
    let inner = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = inner.local_addr().unwrap();
    let told = Arc::new(AtomicUsize::new(0));
    let listener = Failing { errors: errors.into_iter().collect(), told: told.clone(), inner };
    let router = Router::new().route("/", get(async || "hello"));
    let server = corio::create_task(async { corio::serve(listener, router).await });
    (address, told, server)
}

async fn is_served(address: SocketAddr) {
    let stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let answer = crate::read_all(&stream).await.unwrap();
    assert!(answer.ends_with(b"hello"), "{}", String::from_utf8_lossy(&answer));
}

/// accept(2): "detect the network errors defined for the protocol and treat them like EAGAIN by
/// retrying", and this list.
#[cfg(target_os = "linux")]
#[test]
fn errors_of_one_connection_pass_by() {
    once(async {
        let passing = [
            libc::ENETDOWN,
            libc::EPROTO,
            libc::ENOPROTOOPT,
            libc::EHOSTDOWN,
            libc::ENONET,
            libc::EHOSTUNREACH,
            libc::EOPNOTSUPP,
            libc::ENETUNREACH,
            libc::ECONNABORTED,
            libc::ECONNRESET,
            libc::EPERM,
            libc::ETIMEDOUT,
        ];
        for errno in passing {
            let (address, told, server) = serve([errno]).await;
            until("the error is told", || told.load(Relaxed) == 1).await;
            is_served(address).await;
            assert!(!server.done(), "{}", io::Error::from_raw_os_error(errno));
            server.abort();
        }
    });
}

/// Such an error is the listener's, and would come again for ever.
#[test]
fn errors_of_the_listener_end_the_server() {
    once(async {
        for errno in [libc::EBADF, libc::EINVAL] {
            let (_, _, server) = serve([errno]).await;
            let error = server.await.unwrap().unwrap_err();
            assert!(error.to_string().starts_with("serve a listener: "), "{error}");
        }
    });
}

/// Descriptors that others have taken are given back by nobody whom the server knows: it pauses, and
/// does not ask again and again.
#[test]
fn a_server_without_connections_pauses_too() {
    /// More than pauses can let through in a test's time, and few enough to end a server that spins.
    const ERRORS: usize = 1000;
    once(async {
        let (address, told, _server) = serve([libc::EMFILE; ERRORS]).await;
        until("the first error is told", || told.load(Relaxed) > 0).await;
        corio::sleep(Duration::from_millis(50)).await;
        let seen = told.load(Relaxed);
        assert!(seen < ERRORS, "{seen} attempts to accept without a pause");
        let (address_2, told, _server) = serve([libc::EMFILE]).await;
        until("the error is told", || told.load(Relaxed) == 1).await;
        assert_ne!(address, address_2);
        is_served(address_2).await;
    });
}

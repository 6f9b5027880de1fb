//! How servers of asyncio's kind close: their sockets at once, their connections when those are over.

use std::future::pending;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use corio::net::{TcpListener, TcpStream};
use corio::stream::{StreamReader, StreamWriter, start_server, start_unix_server};
use corio::sync::Queue;
use corio_tests::kit::poll_once;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use socket2::SockRef;

use crate::asyncio_streams::echo;
use crate::unix::scratch;
use crate::{everywhere, once, read_all};

/// More than the system takes for a connection that nobody reads from.
const LARGE: usize = 16 << 20;

/// asyncio counts a connection until it is lost, whatever became of its handler.
#[test]
fn a_connection_counts_until_it_is_closed_though_its_handler_has_failed() {
    everywhere(async || {
        for cancelled in [false, true] {
            let tasks = Arc::new(Queue::new(0));
            let tells = tasks.clone();
            let handler = move |_reader: StreamReader, mut writer: StreamWriter| {
                let tells = tells.clone();
                async move {
                    writer.write(&vec![7; LARGE]);
                    assert!(writer.queued() > 0);
                    tells.put_nowait(corio::current_task().unwrap()).unwrap();
                    assert!(cancelled, "on purpose");
                    pending::<()>().await;
                }
            };
            let server = start_server(handler, "127.0.0.1:0").await.unwrap();
            let client = TcpStream::connect(server.local_addrs()[0]).await.unwrap();
            let task = tasks.get().await.unwrap();
            server.close();
            if cancelled {
                task.cancel();
            }
            crate::until("its handler has ended", || task.done()).await;
            let early = corio::timeout(Duration::from_millis(20), server.wait_closed()).await;
            assert!(early.is_err(), "its queue is still being sent");
            assert_eq!(read_all(&client).await.unwrap().len(), LARGE);
            server.wait_closed().await;
        }
    });
}

#[test]
fn a_server_that_is_closed_does_not_serve_for_ever() {
    everywhere(async || {
        let server = start_server(echo, "127.0.0.1:0").await.unwrap();
        server.close();
        assert!(server.serve_forever().await.is_err());
        server.start_serving();
        corio::yield_now().await;
        assert!(!server.is_serving());
        assert!(server.serve_forever().await.is_err());
        server.wait_closed().await;
    });
}

#[test]
fn an_address_is_free_when_its_server_is_closed() {
    everywhere(async || {
        // No other test is there, which might take the port meanwhile.
        let server = start_server(echo, "127.0.0.77:0").await.unwrap();
        let address = server.local_addrs()[0];
        server.close();
        let mut listener = TcpListener::bind(address).await.unwrap();
        // Also while it accepts, on whatever thread that is.
        for dropped in [false, true].into_iter().cycle().take(100) {
            drop(listener);
            let server = start_server(echo, address).await.unwrap();
            let client = std::net::TcpStream::connect(address).unwrap();
            if dropped {
                drop(server);
            } else {
                server.close();
            }
            listener = TcpListener::bind(address).await.unwrap();
            drop(client);
        }
    });
}

#[test]
fn the_file_of_a_unix_server_is_gone_when_it_is_closed() {
    everywhere(async || {
        let folder = scratch();
        let path = folder.path().join("server");
        for dropped in [false, true] {
            let server = start_unix_server(echo, &path).await.unwrap();
            assert!(path.exists());
            if dropped {
                drop(server);
            } else {
                server.close();
            }
            assert!(!path.exists());
        }
        // Another's file stays, that has taken its place.
        let server = start_unix_server(echo, &path).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let other = start_unix_server(echo, &path).await.unwrap();
        server.close();
        assert!(path.exists());
        drop(other);
    });
}

/// The listening socket of an address, by a descriptor of our own; `None` where that is forbidden.
fn listener_of(address: SocketAddr) -> Option<OwnedFd> {
    let this = pidfd_open(getpid(), PidfdFlags::empty()).ok()?;
    let listed = std::fs::read_dir("/proc/self/fd").ok()?.flatten();
    let numbers = listed.filter_map(|fd| fd.file_name().to_str()?.parse::<i32>().ok());
    let copies = numbers.filter_map(|fd| pidfd_getfd(&this, fd, PidfdGetfdFlags::empty()).ok());
    let is_it = |fd: &OwnedFd| {
        let bound = SockRef::from(fd).local_addr().ok().and_then(|bound| bound.as_socket());
        bound == Some(address)
    };
    copies.into_iter().find(is_it)
}

/// Somebody has shut its listener down: it says so, and does not ask again and again meanwhile.
#[test]
fn a_server_whose_listener_fails_says_so_and_pauses() {
    once(async {
        let server = start_server(echo, "127.0.0.1:0").await.unwrap();
        let Some(listener) = listener_of(server.local_addrs()[0]) else {
            let why = "this process may not look at its own descriptors";
            let test = "a_server_whose_listener_fails_says_so_and_pauses";
            return corio_tests::skipped("descriptors", test, why);
        };
        let told = Arc::new(Queue::new(0));
        let tell = told.clone();
        corio::Handle::current().set_exception_handler(Some(Arc::new(move |_, context| {
            tell.put_nowait((Instant::now(), context.to_string())).unwrap();
        })));
        SockRef::from(&listener).shutdown(std::net::Shutdown::Both).unwrap();
        let (first, said) = told.get().await.unwrap();
        assert!(said.starts_with("the server cannot accept; it tries again in 1 s: "), "{said}");
        let (second, _) = told.get().await.unwrap();
        assert!(second - first >= Duration::from_millis(900), "it did not pause");
        server.close();
        server.wait_closed().await;
        let error = TcpStream::connect(server.local_addrs()[0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(poll_once(server.wait_closed()).is_ready());
    });
}

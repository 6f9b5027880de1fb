//! What goes wrong says what, where and why.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use corio::net::{TcpListener, TcpStream, UnixStream, lookup_host};

use crate::{once, pair};

/// A source that is made or waited for at the very end of a thread, when what the thread knew of its
/// runtime is gone. A panic there would end the process.
#[test]
fn a_thread_that_ends_has_no_runtime_for_its_sources() {
    struct Late(Option<UnixStream>, Arc<Mutex<Vec<String>>>);

    impl Drop for Late {
        fn drop(&mut self) {
            let cx = &mut Context::from_waker(Waker::noop());
            let fresh = UnixStream::pair().map(|(near, far)| (near.poll_read(cx, &mut [0]), far));
            let fresh = match fresh {
                Ok((Poll::Ready(Err(error)), _)) | Err(error) => error.to_string(),
                other => panic!("{other:?}"),
            };
            // One that was waited for before is known to its poller, and goes on.
            let kept = self.0.as_ref().unwrap().poll_read(cx, &mut [0]);
            let entered = corio::Handle::try_current().is_ok();
            self.1.lock().unwrap().extend([fresh, format!("{kept:?} {entered}")]);
        }
    }

    thread_local! {
        static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
    }

    let said = Arc::new(Mutex::new(Vec::new()));
    let runtime = corio::Builder::new().workers(1).build().unwrap();
    let (handle, list) = (runtime.handle().clone(), said.clone());
    let thread = std::thread::spawn(move || {
        // First used, last destroyed.
        LATE.with_borrow_mut(|late| assert!(late.is_none()));
        let _inside = handle.enter();
        let (near, far) = UnixStream::pair().unwrap();
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(near.poll_read(cx, &mut [0]).is_pending());
        std::mem::forget(far);
        LATE.with_borrow_mut(|late| *late = Some(Late(Some(near), list)));
    });
    thread.join().unwrap();
    let said = said.lock().unwrap();
    assert!(said[0].contains("no corio runtime on this thread"), "{said:?}");
    assert_eq!(said[1], "Pending false");
}

// conforms: 30 test_create_server_reuse_port
#[test]
fn a_port_in_use_is_named() {
    once(async {
        let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = first.local_addr().unwrap();
        let error = TcpListener::bind(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().starts_with(&format!("bind {address}: ")), "{error}");
        // The remedy.
        assert!(error.to_string().contains("or bind another port (0 lets"), "{error}");
        let udp = corio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let error = corio::net::UdpSocket::bind(udp.local_addr().unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("or bind another port (0 lets"), "{error}");
        // Shared ports are asked for by both.
        let builder = TcpListener::builder().reuse_port(true);
        let third = builder.clone().bind("127.0.0.1:0").await.unwrap();
        builder.bind(third.local_addr().unwrap()).await.unwrap();
    });
}

#[test]
fn a_bad_address_is_named() {
    once(async {
        for bad in ["nonsense", "127.0.0.1", ":80", "127.0.0.1:65536", "127.0.0.1:http"] {
            let error = TcpListener::bind(bad).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(bad), "{error}");
            assert!(error.to_string().contains("host:port"), "{error}");
        }
        // Not an address of this machine (RFC 5737).
        let error = TcpListener::bind("192.0.2.1:80").await.unwrap_err();
        assert!(error.to_string().contains("bind 192.0.2.1:80"), "{error}");
        let none: [SocketAddr; 0] = [];
        let error = TcpStream::connect(none).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

// conforms: 22 test_create_connection_ip_addr
// conforms: 22 test_ipaddr_info
// conforms: 24 test_sock_client_fail
#[test]
fn a_closed_port_refuses() {
    once(async {
        let kept = crate::closed();
        let closed = kept.0;
        let error = TcpStream::connect(closed).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains(&format!("connect {closed}")), "{error}");

        // The second address is tried after the first has failed.
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = open.local_addr().unwrap();
        let stream = TcpStream::connect([closed, address]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
    });
}

// conforms: 30 test_create_connection_no_getaddrinfo
#[test]
fn names_are_looked_up() {
    once(async {
        let found = lookup_host("localhost", 80).await.unwrap();
        assert!(!found.is_empty());
        assert!(found.iter().all(|a| a.ip().is_loopback() && a.port() == 80), "{found:?}");
        let listener = TcpListener::bind(("localhost", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        assert!(address.ip().is_loopback());
        TcpStream::connect(format!("localhost:{}", address.port())).await.unwrap();

        // No such name can exist (RFC 2606).
        let error = TcpStream::connect("nowhere.invalid:80").await.unwrap_err();
        assert!(error.to_string().contains("lookup nowhere.invalid"), "{error}");
    });
}

#[test]
fn outside_a_runtime_the_error_names_the_remedy() {
    let mut cx = Context::from_waker(Waker::noop());
    // Nothing has to wait: this works anywhere.
    let bound = pin!(TcpListener::bind("127.0.0.1:0")).poll(&mut cx);
    let Poll::Ready(Ok(listener)) = bound else { panic!("{bound:?}") };
    let Poll::Ready(Err(error)) = pin!(listener.accept()).poll(&mut cx) else {
        panic!("there is nobody to wait for")
    };
    assert!(error.to_string().contains("corio::run"), "{error}");
    let found = pin!(lookup_host("localhost", 80)).poll(&mut cx);
    let Poll::Ready(Err(error)) = found else { panic!("{found:?}") };
    assert!(error.to_string().contains("corio::run"), "{error}");
}

#[test]
fn a_runtime_that_is_gone_is_named() {
    let runtime = corio::Builder::new().workers(1).build().unwrap();
    let (client, server) = runtime.block_on(pair());
    let mut buf = [0; 8];
    // Registered now.
    let waiting = runtime
        .block_on(corio::timeout(std::time::Duration::from_millis(1), client.read(&mut buf)));
    assert!(waiting.is_err());
    assert!(runtime.shutdown(None).is_clean());
    let mut cx = Context::from_waker(Waker::noop());
    let read = pin!(client.read(&mut buf)).poll(&mut cx);
    let Poll::Ready(Err(error)) = read else { panic!("{read:?}") };
    assert!(error.to_string().contains("shut down"), "{error}");
    drop(server);
}

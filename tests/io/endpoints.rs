//! Datagram sockets that are made at once, as `create_datagram_endpoint` makes them.

use std::io::ErrorKind;
use std::net::SocketAddr;

use corio::net::{UnixDatagram, create_datagram_endpoint, create_unix_datagram_endpoint};

use crate::once;
use crate::unix::scratch;

/// Descriptors of this process that are sockets.
fn sockets() -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    open.filter(|entry| {
        let target = std::fs::read_link(entry.as_ref().unwrap().path());
        target.is_ok_and(|target| target.to_string_lossy().starts_with("socket:"))
    })
    .count()
}

// conforms: 30 test_create_datagram_endpoint_ipv6
#[test]
fn both_ends_are_bound_and_connected() {
    once(async {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(server) = create_datagram_endpoint().local_addr(any).await else {
                assert!(any.contains("::"), "only IPv6 may be missing");
                continue;
            };
            let to = server.local_addr().unwrap();
            let client = create_datagram_endpoint().local_addr(any).remote_addr(to).await.unwrap();
            assert_eq!(client.peer_addr().unwrap(), to);
            client.send(b"hello").await.unwrap();
            let mut buf = [0; 16];
            let (n, from) = server.recv_from(&mut buf).await.unwrap();
            assert_eq!((&buf[..n], from), (&b"hello"[..], client.local_addr().unwrap()));
        }
        // A name is looked up, and has addresses of both families perhaps.
        let server = create_datagram_endpoint().local_addr("localhost:0").await.unwrap();
        let to = ("localhost", server.local_addr().unwrap().port());
        let client = create_datagram_endpoint().local_addr("127.0.0.1:0").remote_addr(to);
        assert!(client.await.unwrap().peer_addr().unwrap().is_ipv4());
    });
}

// conforms: 30 test_create_datagram_endpoint_sockopts
// conforms: 30 test_create_datagram_endpoint_allow_broadcast
#[test]
fn options_are_set_only_when_they_are_asked_for() {
    once(async {
        let plain = create_datagram_endpoint().local_addr("127.0.0.1:0").await.unwrap();
        let options = socket2::SockRef::from(&plain);
        assert!(!options.reuse_port().unwrap() && !plain.broadcast().unwrap());
        let taken = plain.local_addr().unwrap();
        let second = create_datagram_endpoint().local_addr(taken).await.unwrap_err();
        assert_eq!(second.kind(), ErrorKind::AddrInUse, "{second}");
        let shared = create_datagram_endpoint().reuse_port(true).local_addr("127.0.0.1:0");
        let shared = shared.await.unwrap();
        let with = create_datagram_endpoint().reuse_port(true).allow_broadcast(true);
        let with = with.local_addr(shared.local_addr().unwrap()).await.unwrap();
        let options = socket2::SockRef::from(&with);
        assert!(options.reuse_port().unwrap() && with.broadcast().unwrap());
        // The system asks for the option before it sends to everybody.
        let everybody: SocketAddr = "255.255.255.255:9".parse().unwrap();
        let refused = create_datagram_endpoint().remote_addr(everybody).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "{refused}");
    });
}

// conforms: 30 test_create_datagram_endpoint_connect_err
// conforms: 30 test_create_datagram_endpoint_no_matching_family
// conforms: 30 test_create_datagram_endpoint_noaddr_nofamily
#[test]
fn what_fails_leaves_no_socket() {
    // In a process of its own: other tests open sockets too.
    const TEST: &str = "endpoints::what_fails_leaves_no_socket";
    if !crate::plays("endpoints") {
        let done = crate::play(TEST, "endpoints", &[]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        return;
    }
    once(async {
        let before = sockets();
        let refused = create_datagram_endpoint().local_addr("127.0.0.1:0");
        let refused = refused.remote_addr("255.255.255.255:9").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
        assert!(refused.to_string().contains("255.255.255.255:9"), "{refused}");
        let mixed = create_datagram_endpoint().local_addr("127.0.0.1:0").remote_addr("[::1]:9");
        assert_eq!(mixed.await.unwrap_err().kind(), ErrorKind::InvalidInput);
        let none = create_datagram_endpoint().await.unwrap_err();
        assert_eq!(none.kind(), ErrorKind::InvalidInput);
        assert_eq!(sockets(), before);
    });
}

// conforms: 30 test_create_datagram_endpoint_sock_unix
// conforms: 30 test_create_datagram_endpoint_existing_sock_unix
#[test]
fn a_stale_socket_file_is_replaced() {
    once(async {
        let folder = scratch();
        let path = folder.path().join("datagrams");
        drop(UnixDatagram::bind(&path).unwrap());
        assert!(path.exists());
        let server = create_unix_datagram_endpoint(Some(&path), None).unwrap();
        let here = folder.path().join("here");
        let client = create_unix_datagram_endpoint(Some(&here), Some(&path)).unwrap();
        client.send(b"hello").await.unwrap();
        let mut buf = [0; 16];
        let (n, from) = server.recv_from(&mut buf).await.unwrap();
        assert_eq!((&buf[..n], from.as_pathname().unwrap()), (&b"hello"[..], &*here));
        // A file that is no socket is somebody's.
        let file = folder.path().join("file");
        std::fs::write(&file, "mine").unwrap();
        let refused = create_unix_datagram_endpoint(Some(&file), None).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AddrInUse);
        assert_eq!(std::fs::read(&file).unwrap(), b"mine");
        let gone = folder.path().join("gone");
        let refused = create_unix_datagram_endpoint(None, Some(&gone)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotFound);
    });
}

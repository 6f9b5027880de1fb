//! Messages: UDP, Unix datagrams and seqpackets arrive whole, and nothing sleeps on a queued one.

use std::io::ErrorKind;
use std::net::Shutdown;
use std::time::Duration;

use corio::net::{UdpSocket, UnixDatagram, UnixSeqpacket, UnixSeqpacketListener};

use crate::unix::scratch;
use crate::{everywhere, once};

async fn udp_pair() -> (UdpSocket, UdpSocket) {
    let a = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let b = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    a.connect(b.local_addr().unwrap()).await.unwrap();
    b.connect(a.local_addr().unwrap()).await.unwrap();
    (a, b)
}

/// Two are queued and one is read: the second must not wait for a third.
#[test]
fn two_queued_datagrams_need_one_event() {
    everywhere(async || {
        let (a, b) = udp_pair().await;
        let reader = corio::create_task(async move {
            let mut buf = [0; 16];
            let mut seen = Vec::new();
            for _ in 0..2 {
                let n = b.recv(&mut buf).await.unwrap();
                seen.push(buf[..n].to_vec());
            }
            seen
        });
        corio::sleep(Duration::from_millis(2)).await;
        a.send(b"one").await.unwrap();
        a.send(b"two").await.unwrap();
        assert_eq!(reader.await.unwrap(), [b"one", b"two"]);
    });
}

// conforms: 24 test_recvfrom
// conforms: 24 test_recvfrom_into
// conforms: 24 test_recvfrom_into_wrong_size
// conforms: 24 EventLoopTestsMixin.test_create_datagram_endpoint
// conforms: 24 test_create_datagram_endpoint_sock
// conforms: 30 test_create_datagram_endpoint_ip_addr
#[test]
fn messages_tell_who_sent_them() {
    everywhere(async || {
        let here = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let there = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (from, to) = (here.local_addr().unwrap(), there.local_addr().unwrap());
        let mut buf = [0; 8];
        assert_eq!(there.try_recv_from(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        here.send_to(b"hello", ("localhost", to.port())).await.unwrap();
        assert_eq!(there.recv_from(&mut buf).await.unwrap(), (5, from));
        // An empty message is one, and a long one loses its end.
        here.send_to(b"", to).await.unwrap();
        assert_eq!(there.recv_from(&mut buf).await.unwrap(), (0, from));
        here.send_to(&[7; 100], to).await.unwrap();
        assert_eq!(there.peek(&mut buf).await.unwrap(), 8);
        assert_eq!(there.recv_from(&mut buf).await.unwrap(), (8, from));
        assert_eq!(buf, [7; 8]);
    });
}

/// Nobody listens there: the system says so at the next call, and the socket goes on.
// conforms: 24 test_datagram_send_to_non_listening_address
// conforms: 24 test_datagram_recvfrom_connection_reset_recovers
// conforms: 30 test_datagram_send_to_non_listening_address_recvfrom
// conforms: 30 test_datagram_send_to_non_listening_address_recvfrom_into
#[test]
fn an_icmp_error_ends_one_call_only() {
    once(async {
        // An address of this test's own: no other one gets the port.
        let gone = UdpSocket::bind("127.0.0.78:0").await.unwrap().local_addr().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(gone).await.unwrap();
        socket.send(b"anybody?").await.unwrap();
        let error = socket.recv(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let back = UdpSocket::bind(gone).await.unwrap();
        back.send_to(b"yes", socket.local_addr().unwrap()).await.unwrap();
        let mut buf = [0; 8];
        assert_eq!(socket.recv(&mut buf).await.unwrap(), 3);
    });
}

/// Several tasks wait for one socket: each message goes to one of them, and a dropped one takes none.
#[test]
fn many_tasks_share_a_socket() {
    everywhere(async || {
        let (a, b) = udp_pair().await;
        let b = std::sync::Arc::new(b);
        let impatient = corio::timeout(Duration::from_millis(1), b.recv(&mut [0; 4])).await;
        assert!(impatient.is_err());
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let b = b.clone();
                corio::create_task(async move {
                    let mut buf = [0; 4];
                    b.recv(&mut buf).await.map(|_| buf[0])
                })
            })
            .collect();
        for byte in 0..4 {
            a.send(&[byte]).await.unwrap();
        }
        let mut seen = Vec::new();
        for reader in readers {
            seen.push(reader.await.unwrap().unwrap());
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3]);
    });
}

// conforms: 30 test_create_datagram_endpoint_addr_error
// conforms: 30 test_create_datagram_endpoint_cant_bind
#[test]
fn a_bad_address_is_named() {
    once(async {
        let error = UdpSocket::bind("nonsense").await.unwrap_err();
        assert!(error.to_string().contains("\"nonsense\""), "{error}");
        let taken = UdpSocket::bind("127.0.0.1:0").await.unwrap().into_std().unwrap();
        let address = taken.local_addr().unwrap();
        let error = UdpSocket::bind(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().starts_with(&format!("bind {address}: ")), "{error}");
    });
}

/// A Unix datagram waits for room at its receiver; none is lost.
// conforms: 24 test_sendto_blocking
// conforms: 30 test_create_datagram_endpoint_sock_unix
#[test]
fn unix_datagrams_wait_for_room() {
    everywhere(async || {
        let folder = scratch();
        let path = folder.path().join("inbox");
        let inbox = UnixDatagram::bind(&path).unwrap();
        let sender = corio::create_task(async move {
            let outbox = UnixDatagram::unbound().unwrap();
            for i in 0..200_u32 {
                outbox.send_to(&i.to_le_bytes(), &path).await.unwrap();
            }
        });
        for i in 0..200_u32 {
            let mut buf = [0; 8];
            let (n, from) = inbox.recv_from(&mut buf).await.unwrap();
            assert_eq!(&buf[..n], i.to_le_bytes());
            assert!(from.is_unnamed());
        }
        sender.await.unwrap();
    });
}

/// The room may be taken by others' messages; nobody tells a sender when those are received.
#[test]
fn unix_datagrams_wait_for_room_that_others_have_taken() {
    everywhere(async || {
        let folder = scratch();
        let path = folder.path().join("inbox");
        let inbox = UnixDatagram::bind(&path).unwrap();
        let (fast, slow) = (UnixDatagram::unbound().unwrap(), UnixDatagram::unbound().unwrap());
        let mut queued = 0;
        while fast.try_send_to(b"fast", &path).is_ok() {
            queued += 1;
        }
        assert!(queued > 0);
        assert_eq!(slow.try_send_to(b"slow", &path).unwrap_err().kind(), ErrorKind::WouldBlock);
        let sender = {
            let path = path.clone();
            corio::create_task(async move {
                slow.send_to(b"slow", &path).await.unwrap();
                slow
            })
        };
        corio::sleep(Duration::from_millis(5)).await;
        assert!(!sender.done(), "there is no room");
        let mut buf = [0; 8];
        for _ in 0..queued {
            assert_eq!(inbox.recv(&mut buf).await.unwrap(), 4);
            assert_eq!(&buf[..4], b"fast");
        }
        assert_eq!(inbox.recv(&mut buf).await.unwrap(), 4);
        assert_eq!(&buf[..4], b"slow");
        // What was refused once is not refused for ever.
        let slow = sender.await.unwrap();
        while slow.try_send_to(b"slow", &path).is_ok() {}
        while inbox.try_recv(&mut buf).is_ok() {}
        slow.try_send_to(b"last", &path).unwrap();
    });
}

#[test]
fn seqpackets_keep_messages_apart() {
    everywhere(async || {
        let folder = scratch();
        let path = folder.path().join("seq");
        let listener = UnixSeqpacketListener::bind(&path).unwrap();
        let client = corio::create_task(async move {
            let client = UnixSeqpacket::connect(path).await.unwrap();
            for n in 1..=100 {
                client.send(&vec![n; usize::from(n)]).await.unwrap();
            }
            client.shutdown(Shutdown::Write).unwrap();
            let mut buf = [0; 8];
            assert_eq!(client.recv(&mut buf).await.unwrap(), 2);
            client
        });
        let (server, _) = listener.accept().await.unwrap();
        assert_eq!(server.peer_cred().unwrap().pid(), Some(std::process::id() as i32));
        let mut buf = [0; 200];
        for n in 1..=100 {
            let got = server.recv(&mut buf).await.unwrap();
            assert_eq!(buf[..got], vec![n; usize::from(n)]);
        }
        assert_eq!(server.recv(&mut buf).await.unwrap(), 0, "the end");
        server.send(b"ok").await.unwrap();
        client.await.unwrap();
    });
}

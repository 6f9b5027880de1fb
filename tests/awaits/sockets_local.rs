//! Messages: each is received once or stays, and is sent once or not at all.

use std::sync::Arc;

use corio::net::{UdpSocket, UnixDatagram, UnixSeqpacket};

use crate::driver::{Make, awaits, case, ready};
use crate::support::{Folder, turns};

/// The loopback takes every datagram at once, and drops what the receiver has no room for.
const LOOPBACK: &str = "a datagram for the loopback always finds room";

async fn udp() -> (UdpSocket, UdpSocket) {
    let a = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let b = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    a.connect(b.local_addr().unwrap()).await.unwrap();
    b.connect(a.local_addr().unwrap()).await.unwrap();
    (a, b)
}

async fn datagrams() -> (UnixDatagram, UnixDatagram) {
    UnixDatagram::pair().unwrap()
}

async fn packets() -> (UnixSeqpacket, UnixSeqpacket) {
    UnixSeqpacket::pair().unwrap()
}

/// An operation that receives into four bytes; two messages come, each is had once.
macro_rules! receives {
    ($pair:expr, |$socket:ident, $buf:ident| $receive:expr) => {{
        let (sender, socket) = $pair.await;
        let $socket = Arc::new(socket);
        let kept = $socket.clone();
        let operation = async move {
            let mut $buf = [0; 4];
            let n: usize = $receive;
            $buf[..n].to_vec()
        };
        let stimulus = async move {
            for message in [b"ab", b"cd"] {
                turns().await;
                assert_eq!(sender.send(message).await.unwrap(), 2);
            }
        };
        case(operation, stimulus, async move |got: Option<Vec<u8>>| {
            let mut all = got.unwrap_or_default();
            while all.len() < 4 {
                let mut buf = [0; 4];
                let n = kept.recv(&mut buf).await.unwrap();
                all.extend_from_slice(&buf[..n]);
            }
            assert_eq!(all, b"abcd");
            // Packets have an end, too.
            let more = kept.try_recv(&mut [0; 4]);
            assert!(more.is_err() || more.is_ok_and(|n| n == 0), "there were two messages");
        })
    }};
}

/// An operation that sends `!` to a peer whose queue is full, until the stimulus has received one;
/// `!` arrives if the operation says so, and not else.
macro_rules! sends {
    ($pair:expr, |$socket:ident| $send:expr) => {{
        let ($socket, receiver) = $pair;
        let mut filled = 0;
        while $socket.try_send(b".").is_ok() {
            filled += 1;
        }
        let ($socket, receiver) = (Arc::new($socket), Arc::new(receiver));
        let (kept, other) = ($socket.clone(), receiver.clone());
        let stimulus = async move {
            turns().await;
            for _ in 0..filled {
                assert_eq!(other.recv(&mut [0; 4]).await.unwrap(), 1);
            }
        };
        case(async move { $send }, stimulus, async move |got: Option<usize>| {
            let mut buf = [0; 4];
            let arrived = receiver.try_recv(&mut buf).is_ok();
            assert_eq!(arrived, got.is_some_and(|n| n > 0));
            assert!(receiver.try_recv(&mut buf).is_err(), "it is sent once");
            drop(kept);
        })
    }};
}

/// A bound receiver, and a socket that is connected to it and can name it too.
fn addressed(folder: &Folder) -> (UnixDatagram, UnixDatagram) {
    let receiver = UnixDatagram::bind(folder.at("socket")).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    sender.connect(folder.at("socket")).unwrap();
    (sender, receiver)
}

pub const TABLE: &[(&str, Make)] = awaits! {
    "net::UdpSocket::recv" => receives!(udp(), |s, buf| s.recv(&mut buf).await.unwrap());
    "net::UdpSocket::peek" => receives!(udp(), |s, buf| {
        assert!(s.peek(&mut buf).await.unwrap() > 0);
        0
    });
    "net::UdpSocket::readable" => receives!(udp(), |s, buf| {
        s.readable().await.unwrap();
        let _ = &mut buf;
        0
    });
    "net::UdpSocket::recv_from" => receives!(udp(), |s, buf| {
        s.recv_from(&mut buf).await.unwrap().0
    });
    "net::UnixDatagram::recv" => receives!(datagrams(), |s, buf| s.recv(&mut buf).await.unwrap());
    "net::UnixDatagram::peek" => receives!(datagrams(), |s, buf| {
        assert!(s.peek(&mut buf).await.unwrap() > 0);
        0
    });
    "net::UnixDatagram::readable" => receives!(datagrams(), |s, buf| {
        s.readable().await.unwrap();
        let _ = &mut buf;
        0
    });
    "net::UnixDatagram::recv_from" => receives!(datagrams(), |s, buf| {
        s.recv_from(&mut buf).await.unwrap().0
    });
    "net::UnixSeqpacket::recv" => receives!(packets(), |s, buf| s.recv(&mut buf).await.unwrap());
    "net::UnixSeqpacket::peek" => receives!(packets(), |s, buf| {
        assert!(s.peek(&mut buf).await.unwrap() > 0);
        0
    });
    "net::UnixSeqpacket::readable" => receives!(packets(), |s, buf| {
        s.readable().await.unwrap();
        let _ = &mut buf;
        0
    });
    "net::UnixDatagram::send" => sends!(datagrams().await, |s| s.send(b"!").await.unwrap());
    "net::UnixDatagram::writable" => sends!(datagrams().await, |s| {
        s.writable().await.unwrap();
        0
    });
    "net::UnixSeqpacket::send" => sends!(packets().await, |s| s.send(b"!").await.unwrap());
    "net::UnixSeqpacket::writable" => sends!(packets().await, |s| {
        s.writable().await.unwrap();
        0
    });
    "net::UnixDatagram::send_to" => {
        let folder = Folder::new();
        sends!(addressed(&folder), |s| s.send_to(b"!", folder.at("socket")).await.unwrap())
    };
    "net::UdpSocket::send" => {
        let (socket, receiver) = udp().await;
        let operation = async move { socket.send(b"!").await.unwrap() };
        ready(LOOPBACK, operation, async move |got: Option<usize>| {
            assert_eq!(receiver.try_recv(&mut [0; 4]).is_ok(), got.is_some());
        })
    };
    // The system says so once the socket is registered.
    "net::UdpSocket::writable" => {
        let (socket, receiver) = udp().await;
        let socket = Arc::new(socket);
        let waiting = socket.clone();
        let operation = async move { waiting.writable().await.unwrap() };
        let wait = case(operation, async {}, async move |_| {
            socket.writable().await.unwrap();
            assert_eq!(socket.try_send(b"!").unwrap(), 1);
            assert_eq!(receiver.recv(&mut [0; 4]).await.unwrap(), 1);
        });
        wait.unsteady("the system says so when it likes")
    };
};

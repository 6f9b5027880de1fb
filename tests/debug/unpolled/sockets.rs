//! Sockets: reading and writing, listening and connecting.

use axum::Router;
use corio::net::{
    Async, Direction, TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixSeqpacket,
    UnixSeqpacketListener, UnixStream, create_datagram_endpoint, lookup_addr, lookup_host,
    sendfile, splice,
};

use super::{Make, forget, no_future, unpolled};

const ANY: &str = "127.0.0.1:0";
const NEVER: &str = "/tmp/never/socket";

async fn listener() -> TcpListener {
    TcpListener::bind(ANY).await.unwrap()
}

async fn tcp() -> TcpStream {
    TcpStream::connect(listener().await.local_addr().unwrap()).await.unwrap()
}

async fn udp() -> UdpSocket {
    UdpSocket::bind(ANY).await.unwrap()
}

fn unix() -> UnixStream {
    UnixStream::pair().unwrap().0
}

fn datagram() -> UnixDatagram {
    UnixDatagram::pair().unwrap().0
}

fn packets() -> UnixSeqpacket {
    UnixSeqpacket::pair().unwrap().0
}

/// A socket that corio knows only as a descriptor.
fn foreign() -> Async<std::os::unix::net::UnixStream> {
    Async::new(unix().into_std().unwrap()).unwrap()
}

pub const TABLE: &[(&str, Make)] = unpolled! {
    "net::TcpStream::read" => forget(tcp().await.read(&mut [0]));
    "net::TcpStream::read_exact" => forget(tcp().await.read_exact(&mut [0]));
    "net::TcpStream::read_vectored" => forget(tcp().await.read_vectored(&mut []));
    "net::TcpStream::peek" => forget(tcp().await.peek(&mut [0]));
    "net::TcpStream::readable" => forget(tcp().await.readable());
    "net::TcpStream::write" => forget(tcp().await.write(b"lost"));
    "net::TcpStream::write_all" => forget(tcp().await.write_all(b"lost"));
    "net::TcpStream::write_vectored" => forget(tcp().await.write_vectored(&[]));
    "net::TcpStream::writable" => forget(tcp().await.writable());

    "net::UnixStream::read" => forget(unix().read(&mut [0]));
    "net::UnixStream::read_exact" => forget(unix().read_exact(&mut [0]));
    "net::UnixStream::read_vectored" => forget(unix().read_vectored(&mut []));
    "net::UnixStream::peek" => forget(unix().peek(&mut [0]));
    "net::UnixStream::readable" => forget(unix().readable());
    "net::UnixStream::write" => forget(unix().write(b"lost"));
    "net::UnixStream::write_all" => forget(unix().write_all(b"lost"));
    "net::UnixStream::write_vectored" => forget(unix().write_vectored(&[]));
    "net::UnixStream::writable" => forget(unix().writable());

    "net::ReadHalf::read" => forget(tcp().await.split().0.read(&mut [0]));
    "net::ReadHalf::read_exact" => forget(tcp().await.split().0.read_exact(&mut [0]));
    "net::ReadHalf::read_vectored" => forget(tcp().await.split().0.read_vectored(&mut []));
    "net::ReadHalf::peek" => forget(tcp().await.split().0.peek(&mut [0]));
    "net::ReadHalf::readable" => forget(tcp().await.split().0.readable());
    "net::WriteHalf::write" => forget(tcp().await.split().1.write(b"lost"));
    "net::WriteHalf::write_all" => forget(tcp().await.split().1.write_all(b"lost"));
    "net::WriteHalf::write_vectored" => forget(tcp().await.split().1.write_vectored(&[]));
    "net::WriteHalf::writable" => forget(tcp().await.split().1.writable());
    "net::OwnedReadHalf::read" => forget(tcp().await.into_split().0.read(&mut [0]));
    "net::OwnedReadHalf::read_exact" => forget(tcp().await.into_split().0.read_exact(&mut [0]));
    "net::OwnedReadHalf::read_vectored" => forget(tcp().await.into_split().0.read_vectored(&mut []));
    "net::OwnedReadHalf::peek" => forget(tcp().await.into_split().0.peek(&mut [0]));
    "net::OwnedReadHalf::readable" => forget(tcp().await.into_split().0.readable());
    "net::OwnedWriteHalf::write" => forget(tcp().await.into_split().1.write(b"lost"));
    "net::OwnedWriteHalf::write_all" => forget(tcp().await.into_split().1.write_all(b"lost"));
    "net::OwnedWriteHalf::write_vectored" => forget(tcp().await.into_split().1.write_vectored(&[]));
    "net::OwnedWriteHalf::writable" => forget(tcp().await.into_split().1.writable());

    "net::UdpSocket::bind" => forget(UdpSocket::bind(ANY));
    "net::UdpSocket::connect" => forget(udp().await.connect(ANY));
    "net::UdpSocket::peek" => forget(udp().await.peek(&mut [0]));
    "net::UdpSocket::readable" => forget(udp().await.readable());
    "net::UdpSocket::recv" => forget(udp().await.recv(&mut [0]));
    "net::UdpSocket::recv_from" => forget(udp().await.recv_from(&mut [0]));
    "net::UdpSocket::send" => forget(udp().await.send(b"lost"));
    "net::UdpSocket::send_to" => forget(udp().await.send_to(b"lost", ANY));
    "net::UdpSocket::writable" => forget(udp().await.writable());
    "net::UnixDatagram::peek" => forget(datagram().peek(&mut [0]));
    "net::UnixDatagram::readable" => forget(datagram().readable());
    "net::UnixDatagram::recv" => forget(datagram().recv(&mut [0]));
    "net::UnixDatagram::recv_from" => forget(datagram().recv_from(&mut [0]));
    "net::UnixDatagram::send" => forget(datagram().send(b"lost"));
    "net::UnixDatagram::send_to" => forget(datagram().send_to(b"lost", NEVER));
    "net::UnixDatagram::writable" => forget(datagram().writable());
    "net::UnixSeqpacket::peek" => forget(packets().peek(&mut [0]));
    "net::UnixSeqpacket::readable" => forget(packets().readable());
    "net::UnixSeqpacket::recv" => forget(packets().recv(&mut [0]));
    "net::UnixSeqpacket::send" => forget(packets().send(b"lost"));
    "net::UnixSeqpacket::writable" => forget(packets().writable());

    "net::Async::io" => forget(foreign().io(Direction::Read, |_| Ok(())));
    "net::Async::readable" => forget(foreign().readable());
    "net::Async::writable" => forget(foreign().writable());
    "net::sendfile" => {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        forget(sendfile(&unix(), &file, 0, None))
    };
    "net::splice" => forget(splice(&unix(), &unix()));

    "net::TcpListener::bind" => forget(TcpListener::bind(ANY));
    "net::ListenerBuilder::bind" => forget(TcpListener::builder().bind(ANY));
    "net::TcpListener::accept" => forget(listener().await.accept());
    "net::TcpStream::connect" => forget(TcpStream::connect(ANY));
    "net::StreamBuilder::connect" => forget(TcpStream::builder().connect(ANY));
    "net::UnixStream::connect" => forget(UnixStream::connect(NEVER));
    "net::UnixStream::connect_addr" => {
        let address = std::os::unix::net::SocketAddr::from_pathname(NEVER).unwrap();
        forget(UnixStream::connect_addr(&address))
    };
    "net::UnixSeqpacket::connect" => forget(UnixSeqpacket::connect(NEVER));
    "net::UnixListener::accept" => {
        let folder = corio::fs::temporary_directory().await.unwrap();
        forget(UnixListener::bind(folder.path().join("socket")).unwrap().accept())
    };
    "net::UnixSeqpacketListener::accept" => {
        let folder = corio::fs::temporary_directory().await.unwrap();
        forget(UnixSeqpacketListener::bind(folder.path().join("socket")).unwrap().accept())
    };
    "net::lookup_host" => forget(lookup_host("never.invalid", 80));
    "net::lookup_addr" => forget(lookup_addr(([127, 0, 0, 1], 80).into()));
    "net::create_datagram_endpoint" => forget(create_datagram_endpoint().into_future());
    "serve" => forget(corio::serve(listener().await, Router::<()>::new()).into_future());
    "serve_make_service" => {
        let make = Router::<()>::new().into_make_service();
        forget(corio::serve_make_service(listener().await, make).into_future())
    };
    "net::Serve::report" => forget(corio::serve(listener().await, Router::<()>::new()).report());
    "net::ForPeer::service_for" => no_future("the user's, who makes what he likes");
};

//! Sockets: TCP, UDP and Unix, streams and datagrams, addresses, and a server for HTTP.
//!
//! asyncio's counterparts are `loop.sock_*` (one call each) and transports. Reads and writes take
//! `&self`: many tasks may use one socket at a time, and each of them is woken.

mod addrs;
mod connect;
mod datagram;
mod endpoint;
mod foreign;
#[cfg(any(test, feature = "__fuzz"))]
pub(crate) mod fuzz;
mod inherit;
mod listener;
mod lookup;
mod lookup_addr;
mod options;
mod sendfile;
mod socket;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod splice;
mod split;
mod tcp;
mod transfer;
mod udp;
mod unix;
mod wire;

#[cfg(feature = "axum_0_8")]
pub(crate) mod serve;

pub use addrs::{Addrs, ToAddrs};
pub use connect::Connect;
/// Which half of a socket: reading or writing.
pub use corio_runtime::reactor::Direction;
pub use datagram::{DatagramPeek, DatagramRecv, DatagramRecvFrom, DatagramSend, DatagramSocket};
pub use endpoint::{
    CreateDatagramEndpoint, create_datagram_endpoint, create_unix_datagram_endpoint,
};
pub use foreign::{Async, AsyncIo, AsyncReady};
pub use inherit::{Inherited, inherited_sockets};
pub use listener::{Accept, Bind, TcpListener};
pub use lookup::{LookupHost, lookup_host};
pub use lookup_addr::lookup_addr;
pub use options::{Keepalive, ListenerBuilder, StreamBuilder};
pub use sendfile::{SendFile, sendfile};
#[cfg(feature = "axum_0_8")]
pub use serve::{
    ForPeer, Listener, Made, Peer, Same, Serve, ServeFuture, ServeReport, ServeReporting,
};
pub use socket::Ready;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use splice::{Splice, splice};
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use std::net::Shutdown;
pub use tcp::TcpStream;
pub use transfer::{Peek, Read, ReadExact, ReadVectored, Write, WriteAll, WriteVectored};
pub use udp::{UdpBind, UdpConnect, UdpSendTo, UdpSocket};
pub use unix::{
    UCred, UnixAccept, UnixConnect, UnixDatagram, UnixListener, UnixSendTo, UnixSeqpacket,
    UnixSeqpacketAccept, UnixSeqpacketConnect, UnixSeqpacketListener, UnixStream,
};
pub use wire::StreamSocket;
pub(crate) use wire::{Connected, Wire};

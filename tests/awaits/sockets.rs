//! Reading and writing sockets and pipes: a byte is read once or stays, and is written once or not
//! at all; what is lossy loses only what it had taken.

use std::io::{IoSlice, IoSliceMut, Read};
use std::sync::Arc;

use corio::net::{Async, Direction, TcpListener, TcpStream, UnixStream, sendfile};

use crate::bytes::{Sends, looks, reads, reads_exactly, writes};
use crate::driver::{Make, awaits, case};
use crate::support::{Folder, turns};

/// Bytes that the system may keep of a connection: few, so that it is full soon. With fewer it waits
/// for a timer of its own, for a second, before it says that there is room again.
const KEPT: usize = 16 << 10;

/// Two ends of one connection with small buffers.
pub async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = corio::create_task(TcpStream::connect(address));
    let (server, _) = listener.accept().await.unwrap();
    let client = client.await.unwrap().unwrap();
    for end in [&client, &server] {
        end.set_send_buffer_size(KEPT).unwrap();
        end.set_recv_buffer_size(KEPT).unwrap();
    }
    (client, server)
}

pub async fn unix() -> (UnixStream, UnixStream) {
    UnixStream::pair().unwrap()
}

/// Two buffers of two bytes each.
fn halves(buf: &mut [u8; 4]) -> [IoSliceMut<'_>; 2] {
    let (a, b) = buf.split_at_mut(2);
    [IoSliceMut::new(a), IoSliceMut::new(b)]
}

fn slices(bytes: &[u8; 4]) -> [IoSlice<'_>; 2] {
    [IoSlice::new(&bytes[..2]), IoSlice::new(&bytes[2..])]
}

/// A socket that corio knows only as a descriptor.
fn foreign(end: UnixStream) -> Async<std::os::unix::net::UnixStream> {
    Async::new(end.into_std().unwrap()).unwrap()
}

/// An operation on a foreign descriptor that waits for the four bytes of the other end; what it got
/// and what is left are these four.
macro_rules! foreign_reads {
    (|$end:ident| $read:expr) => {{
        let (mut writer, reader) = unix().await;
        let $end = Arc::new(foreign(reader));
        let kept = $end.clone();
        let stimulus = async move {
            turns().await;
            writer.send(b"abcd").await;
        };
        case(async move { $read }, stimulus, async move |got: Option<Vec<u8>>| {
            let mut all = got.unwrap_or_default();
            kept.get_ref().read_to_end(&mut all).unwrap();
            assert_eq!(all, b"abcd");
        })
    }};
}

fn some(mut socket: &std::os::unix::net::UnixStream) -> std::io::Result<Vec<u8>> {
    let mut buf = [0; 4];
    socket.read(&mut buf).map(|n| buf[..n].to_vec())
}

pub const TABLE: &[(&str, Make)] = awaits! {
    "net::TcpStream::read" => reads!(tcp(), |s, buf| s.read(&mut buf).await.unwrap());
    "net::TcpStream::read_vectored" => reads!(tcp(), |s, buf| {
        s.read_vectored(&mut halves(&mut buf)).await.unwrap()
    });
    "net::TcpStream::read_exact" => reads_exactly!(tcp(), |end| end, |s, buf| {
        s.read_exact(&mut buf).await.unwrap()
    });
    "net::TcpStream::peek" => looks!(tcp(), |end| end, |s| s.peek(&mut [0; 4]).await.unwrap());
    "net::TcpStream::readable" => looks!(tcp(), |end| end, |s| s.readable().await.unwrap());
    "net::TcpStream::write" => writes!(tcp(), |end| end, 0, |s, bytes| s.write(bytes).await.unwrap());
    "net::TcpStream::write_vectored" => writes!(tcp(), |end| end, 0, |s, bytes| {
        s.write_vectored(&slices(bytes)).await.unwrap()
    });
    "net::TcpStream::write_all" => writes!(tcp(), |end| end, 4, |s, bytes| {
        s.write_all(bytes).await.unwrap();
        4
    });
    "net::TcpStream::writable" => writes!(tcp(), |end| end, 0, |s, _bytes| {
        s.writable().await.unwrap();
        0
    });

    "net::UnixStream::read" => reads!(unix(), |s, buf| s.read(&mut buf).await.unwrap());
    "net::UnixStream::read_vectored" => reads!(unix(), |s, buf| {
        s.read_vectored(&mut halves(&mut buf)).await.unwrap()
    });
    "net::UnixStream::read_exact" => reads_exactly!(unix(), |end| end, |s, buf| {
        s.read_exact(&mut buf).await.unwrap()
    });
    "net::UnixStream::peek" => looks!(unix(), |end| end, |s| s.peek(&mut [0; 4]).await.unwrap());
    "net::UnixStream::readable" => looks!(unix(), |end| end, |s| s.readable().await.unwrap());
    "net::UnixStream::write" => writes!(unix(), |end| end, 0, |s, bytes| s.write(bytes).await.unwrap());
    "net::UnixStream::write_vectored" => writes!(unix(), |end| end, 0, |s, bytes| {
        s.write_vectored(&slices(bytes)).await.unwrap()
    });
    "net::UnixStream::write_all" => writes!(unix(), |end| end, 4, |s, bytes| {
        s.write_all(bytes).await.unwrap();
        4
    });
    "net::UnixStream::writable" => writes!(unix(), |end| end, 0, |s, _bytes| {
        s.writable().await.unwrap();
        0
    });

    "net::ReadHalf::read" => reads!(tcp(), |end| end, |s, buf| {
        s.split().0.read(&mut buf).await.unwrap()
    });
    "net::ReadHalf::read_vectored" => reads!(tcp(), |end| end, |s, buf| {
        s.split().0.read_vectored(&mut halves(&mut buf)).await.unwrap()
    });
    "net::ReadHalf::read_exact" => reads_exactly!(tcp(), |end| end, |s, buf| {
        s.split().0.read_exact(&mut buf).await.unwrap()
    });
    "net::ReadHalf::peek" => looks!(tcp(), |end| end, |s| s.split().0.peek(&mut [0; 4]).await.unwrap());
    "net::ReadHalf::readable" => looks!(tcp(), |end| end, |s| s.split().0.readable().await.unwrap());
    "net::OwnedReadHalf::read" => reads!(tcp(), |end| end.into_split().0, |s, buf| {
        s.read(&mut buf).await.unwrap()
    });
    "net::OwnedReadHalf::read_vectored" => reads!(tcp(), |end| end.into_split().0, |s, buf| {
        s.read_vectored(&mut halves(&mut buf)).await.unwrap()
    });
    "net::OwnedReadHalf::read_exact" => reads_exactly!(tcp(), |end| end.into_split().0, |s, buf| {
        s.read_exact(&mut buf).await.unwrap()
    });
    "net::OwnedReadHalf::peek" => looks!(tcp(), |end| end.into_split().0, |s| s.peek(&mut [0; 4]).await.unwrap());
    "net::OwnedReadHalf::readable" => looks!(tcp(), |end| end.into_split().0, |s| s.readable().await.unwrap());
    "net::WriteHalf::write" => writes!(tcp(), |end| end, 0, |s, bytes| {
        s.split().1.write(bytes).await.unwrap()
    });
    "net::WriteHalf::write_vectored" => writes!(tcp(), |end| end, 0, |s, bytes| {
        s.split().1.write_vectored(&slices(bytes)).await.unwrap()
    });
    "net::WriteHalf::write_all" => writes!(tcp(), |end| end, 4, |s, bytes| {
        s.split().1.write_all(bytes).await.unwrap();
        4
    });
    "net::WriteHalf::writable" => writes!(tcp(), |end| end, 0, |s, _bytes| {
        s.split().1.writable().await.unwrap();
        0
    });
    "net::OwnedWriteHalf::write" => writes!(tcp(), |end| end.into_split().1, 0, |s, bytes| {
        s.write(bytes).await.unwrap()
    });
    "net::OwnedWriteHalf::write_vectored" => writes!(tcp(), |end| end.into_split().1, 0, |s, bytes| {
        s.write_vectored(&slices(bytes)).await.unwrap()
    });
    "net::OwnedWriteHalf::write_all" => writes!(tcp(), |end| end.into_split().1, 4, |s, bytes| {
        s.write_all(bytes).await.unwrap();
        4
    });
    "net::OwnedWriteHalf::writable" => writes!(tcp(), |end| end.into_split().1, 0, |s, _bytes| {
        s.writable().await.unwrap();
        0
    });

    "net::Async::io" => foreign_reads!(|end| end.io(Direction::Read, some).await.unwrap());
    "net::Async::readable" => foreign_reads!(|end| {
        end.readable().await.unwrap();
        Vec::new()
    });
    "net::Async::writable" => writes!(unix(), |end| foreign(end), 0, |s, _bytes| {
        s.writable().await.unwrap();
        0
    });

    "net::sendfile" => {
        let folder = Folder::with("four", b"!!!!");
        let file = Arc::new(std::fs::File::open(folder.at("four")).unwrap());
        writes!(tcp(), |end| end, 4, |s, _bytes| {
            usize::try_from(sendfile(&*s, &*file, 0, None).await.unwrap()).unwrap()
        })
    };
};

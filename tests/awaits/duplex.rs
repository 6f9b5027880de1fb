//! Streams in memory: the same as of sockets.

use corio::io::{DuplexReader, DuplexStream, DuplexWriter, duplex};

use crate::bytes::{reads, reads_exactly, writes};
use crate::driver::{Make, awaits};

/// Bytes that a direction holds.
const HELD: usize = 64;

async fn streams() -> (DuplexStream, DuplexStream) {
    duplex(HELD)
}

/// One direction; the other one is ended.
async fn halves() -> (DuplexWriter, DuplexReader) {
    let (left, right) = duplex(HELD);
    (left.into_split().1, right.into_split().0)
}

pub const TABLE: &[(&str, Make)] = awaits! {
    "io::DuplexStream::read" => reads!(streams(), |s, buf| s.read(&mut buf).await.unwrap());
    "io::DuplexStream::read_exact" => reads_exactly!(streams(), |end| end, |s, buf| {
        s.read_exact(&mut buf).await.unwrap()
    });
    "io::DuplexStream::write" => writes!(streams(), |end| end, 0, |s, bytes| {
        s.write(bytes).await.unwrap()
    });
    "io::DuplexStream::write_all" => writes!(streams(), |end| end, 4, |s, bytes| {
        s.write_all(bytes).await.unwrap();
        4
    });
    "io::DuplexReader::read" => reads!(halves(), |s, buf| s.read(&mut buf).await.unwrap());
    "io::DuplexReader::read_exact" => reads_exactly!(halves(), |end| end, |s, buf| {
        s.read_exact(&mut buf).await.unwrap()
    });
    "io::DuplexWriter::write" => writes!(halves(), |end| end, 0, |s, bytes| {
        s.write(bytes).await.unwrap()
    });
    "io::DuplexWriter::write_all" => writes!(halves(), |end| end, 4, |s, bytes| {
        s.write_all(bytes).await.unwrap();
        4
    });
};

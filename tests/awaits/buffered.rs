//! Buffers before streams that have none: bytes stay in the reader, or in the writer, and none goes out
//! twice.

use corio::io::{BufReader, BufWriter, DuplexReader, DuplexWriter, copy, duplex};
use corio::net::{OwnedReadHalf, TcpListener, TcpStream, UnixStream};
use corio::stream::connect_accepted_socket;

use crate::bytes::{BUFFER, MADE_ROOM, Sends, back, in_two_parts, rest};
use crate::driver::{Case, Make, awaits, case};
use crate::support::{lend, lent, next, turns};

/// Bytes that a direction in memory holds.
const HELD: usize = 64;
/// Bytes that a writer holds: fewer than are written.
const SMALL: usize = 4;

/// One direction in memory; the other one is ended.
async fn memory() -> (DuplexWriter, DuplexReader) {
    let (left, right) = duplex(HELD);
    (left.into_split().1, right.into_split().0)
}

/// A connection, of whose one end only the reading half is left.
async fn half() -> (TcpStream, OwnedReadHalf) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    (near, far.into_split().0)
}

async fn sockets() -> (UnixStream, UnixStream) {
    UnixStream::pair().unwrap()
}

/// An operation that reads from a lent reader, to which four bytes come in two parts; what it got and
/// what is left are these four.
macro_rules! reads {
    ($pair:expr, |$reader:ident| $read:expr) => {{
        let (writer, end) = $pair.await;
        let $reader = lent(BufReader::new(end));
        let operation = lend!($reader => $read);
        case(operation, in_two_parts(writer), async move |got: Option<Vec<u8>>| {
            let mut reader = $reader.try_acquire().expect("the operation is over");
            let all = [got.unwrap_or_default(), reader.read(None).await.unwrap()].concat();
            assert_eq!(all, b"abcd");
        })
    }};
}

/// An operation on a lent writer whose buffer holds `abc`, before a full stream, which the stimulus
/// drains. What the operation says it took arrives after that, and if it was interfered with a beginning
/// of it, no longer than `lost`.
macro_rules! writes {
    ($pair:expr, $lost:expr, |$writer:ident| $write:expr) => {{
        let (mut end, reader) = $pair.await;
        let filled = end.fill().await;
        let mut buffered = BufWriter::with_capacity(SMALL, end);
        buffered.write_all(b"abc").await.unwrap();
        let ($writer, reader) = (lent(buffered), lent(reader));
        let operation = lend!($writer => $write);
        let draining = lend!(reader => {
            let (mut left, mut buf) = (filled, [0; BUFFER]);
            while left > 0 {
                let most = left.min(buf.len());
                left -= reader.read(&mut buf[..most]).await.unwrap();
            }
        });
        let stimulus = async move {
            turns().await;
            draining.await;
        };
        case(operation, stimulus, async move |got: Option<usize>| {
            let mut writer = $writer.try_acquire().expect("the operation is over");
            writer.flush().await.unwrap();
            drop(writer);
            drop($writer);
            back!(reader);
            let arrived = rest!(reader);
            assert!(b"abcdefgh".starts_with(&arrived), "{arrived:?}");
            match got {
                Some(n) => assert_eq!(arrived.len(), 3 + n),
                None => assert!((3..=3 + $lost).contains(&arrived.len()), "{arrived:?}"),
            }
        })
    }};
}

/// Bytes from memory into a queue that holds few, of a socket that is full: what the source has given is
/// queued, or in the future, which tells.
async fn copies_to_a_queue() -> Case {
    let (mut near, far) = sockets().await;
    let filled = near.fill().await;
    let (_reader, mut writer) = connect_accepted_socket(near).unwrap();
    writer.set_write_buffer_limits(Some(1), None);
    let (mut feed, source) = memory().await;
    feed.write_all(b"abcd").await.unwrap();
    feed.shutdown();
    let ends = lent((source, writer));
    let operation = lend!(ends => {
        let (source, writer) = &mut *ends;
        copy(source, writer).await.unwrap()
    });
    let far = lent(far);
    let draining = lend!(far => far.read_exact(&mut vec![0; filled]).await.unwrap());
    let stimulus = async move {
        turns().await;
        draining.await;
    };
    case(operation, stimulus, async move |got: Option<u64>| {
        let mut taken = ends.try_acquire().expect("the operation is over");
        taken.1.close();
        // The reader keeps the socket; what was queued is sent before it is closed.
        taken.1.wait_closed().await.unwrap();
        drop(taken);
        let far = far.try_acquire().expect("it is drained");
        let arrived = rest!(far);
        assert!(b"abcd".starts_with(&arrived), "{arrived:?}");
        assert!(got.is_none_or(|n| n == 4 && arrived.len() == 4));
    })
    .unsteady(MADE_ROOM)
}

pub const TABLE: &[(&str, Make)] = awaits! {
    "io::BufReader::read" => reads!(memory(), |reader| reader.read(Some(4)).await.unwrap());
    "io::BufReader::read_line" => reads!(memory(), |reader| reader.read_line().await.unwrap());
    "io::BufReader::read_exact" => reads!(memory(), |reader| reader.read_exact(4).await.unwrap());
    "io::BufReader::read_until" => {
        reads!(memory(), |reader| reader.read_until(&[b"d", b"x"]).await.unwrap())
    };
    "stream::Lines::next_line, of a buffer" => {
        reads!(memory(), |reader| reader.lines().next_line().await.unwrap().unwrap())
    };
    "stream::Lines as Stream, of a buffer" => {
        reads!(memory(), |reader| next(&mut reader.lines()).await.unwrap().unwrap())
    };
    "io::BufReader::read, of a half" => reads!(half(), |reader| reader.read(None).await.unwrap());
    "io::BufReader::read_line, of a half" => {
        reads!(half(), |reader| reader.read_line().await.unwrap())
    };
    "io::BufReader::read_exact, of a half" => {
        reads!(half(), |reader| reader.read_exact(4).await.unwrap())
    };
    "io::BufReader::read_until, of a half" => {
        reads!(half(), |reader| reader.read_until(&[b"cd"]).await.unwrap())
    };

    "io::BufWriter::write" => writes!(memory(), 0, |writer| writer.write(b"de").await.unwrap());
    // They go past the buffer, once it is empty.
    "io::BufWriter::write, of many" => {
        writes!(memory(), 0, |writer| writer.write(b"defgh").await.unwrap())
    };
    "io::BufWriter::write_all" => writes!(memory(), 5, |writer| {
        writer.write_all(b"defgh").await.unwrap();
        5
    });
    "io::BufWriter::flush" => writes!(memory(), 0, |writer| {
        writer.flush().await.unwrap();
        0
    });
    "io::BufWriter::write, to a socket" => {
        writes!(sockets(), 0, |writer| writer.write(b"de").await.unwrap()).unsteady(MADE_ROOM)
    };
    "io::BufWriter::write_all, to a socket" => {
        let written = writes!(sockets(), 5, |writer| {
            writer.write_all(b"defgh").await.unwrap();
            5
        });
        written.unsteady(MADE_ROOM)
    };
    "io::BufWriter::flush, to a socket" => {
        let flushed = writes!(sockets(), 0, |writer| {
            writer.flush().await.unwrap();
            0
        });
        flushed.unsteady(MADE_ROOM)
    };
    "io::copy, to a queue" => copies_to_a_queue().await;
};

//! Bytes on their way from one end to another, whatever the ends are: what is checked of the
//! operations that read and write them.

use corio::io::{DuplexStream, DuplexWriter};
use corio::net::{TcpStream, UnixStream};

use crate::support::{ms, poll_once, turns};

/// Bytes that are read and written at a time to drain a connection and to fill it.
pub const BUFFER: usize = 4096;

/// Why an operation may find a full connection open: the other end's system takes more in when it
/// comes to it, and nothing tells when that was the last time.
pub const MADE_ROOM: &str = "the system has made room late";

/// An end that bytes are written to.
pub trait Sends: 'static {
    fn send(&mut self, bytes: &[u8]) -> impl Future<Output = ()>;
    /// Fills the way to the other end; returns how many bytes that took.
    fn fill(&mut self) -> impl Future<Output = usize>;
}

macro_rules! sockets {
    ($($socket:ty)*) => {$(
        impl Sends for $socket {
            async fn send(&mut self, bytes: &[u8]) {
                self.write_all(bytes).await.unwrap();
            }

            async fn fill(&mut self) -> usize {
                let (mut filled, mut before) = (0, None);
                // What the other end takes in meanwhile makes room once more.
                while before != Some(filled) {
                    before = Some(filled);
                    while let Ok(n) = self.try_write(&[b'.'; BUFFER]) {
                        filled += n;
                    }
                    corio::sleep(ms(1)).await;
                }
                filled
            }
        }
    )*};
}

sockets!(TcpStream UnixStream);

macro_rules! in_memory {
    ($($end:ty)*) => {$(
        impl Sends for $end {
            async fn send(&mut self, bytes: &[u8]) {
                self.write_all(bytes).await.unwrap();
            }

            async fn fill(&mut self) -> usize {
                let mut filled = 0;
                loop {
                    match poll_once(&mut self.write(&[b'.'; BUFFER])).await {
                        Some(written) => filled += written.unwrap(),
                        None => return filled,
                    }
                }
            }
        }
    )*};
}

in_memory!(DuplexStream DuplexWriter);

pub async fn in_two_parts(mut writer: impl Sends) {
    turns().await;
    writer.send(b"ab").await;
    turns().await;
    writer.send(b"cd").await;
}

/// Everything until the end.
macro_rules! rest {
    ($reader:expr) => {{
        let (mut all, mut buf) = (Vec::new(), [0; 1024]);
        loop {
            match $reader.read(&mut buf).await.unwrap() {
                0 => break all,
                n => all.extend_from_slice(&buf[..n]),
            }
        }
    }};
}
pub(crate) use rest;

/// What was lent, once the operation is over.
macro_rules! back {
    ($lent:ident) => {
        #[allow(unused_mut, reason = "sockets are only looked at")]
        let mut $lent = $lent.try_acquire().expect("the operation is over");
    };
}
pub(crate) use back;

/// An operation that reads into four bytes from a lent reader, to which four come in two parts; what
/// it got and what is left are these four.
macro_rules! reads {
    ($pair:expr, |$reader:ident, $buf:ident| $read:expr) => {
        $crate::bytes::reads!($pair, |end| end, |$reader, $buf| $read)
    };
    ($pair:expr, |$end:ident| $own:expr, |$reader:ident, $buf:ident| $read:expr) => {{
        let (writer, $end) = $pair.await;
        let $reader = $crate::support::lent($own);
        let operation = $crate::support::lend!($reader => {
            let mut $buf = [0; 4];
            let n: usize = $read;
            $buf[..n].to_vec()
        });
        let stimulus = $crate::bytes::in_two_parts(writer);
        $crate::driver::case(operation, stimulus, async move |got: Option<Vec<u8>>| {
            $crate::bytes::back!($reader);
            let all = [got.unwrap_or_default(), $crate::bytes::rest!($reader)].concat();
            assert_eq!(all, b"abcd");
        })
    }};
}
pub(crate) use reads;

/// As [`reads`], for an operation that takes what it does not return: what is left is an end of the
/// four bytes.
macro_rules! reads_exactly {
    ($pair:expr, |$end:ident| $own:expr, |$reader:ident, $buf:ident| $read:expr) => {{
        let (writer, $end) = $pair.await;
        let $reader = $crate::support::lent($own);
        let operation = $crate::support::lend!($reader => {
            let mut $buf = [0; 4];
            $read;
            $buf
        });
        let stimulus = $crate::bytes::in_two_parts(writer);
        $crate::driver::case(operation, stimulus, async move |got: Option<[u8; 4]>| {
            $crate::bytes::back!($reader);
            let rest = $crate::bytes::rest!($reader);
            match got {
                Some(all) => assert_eq!((&all, &*rest), (b"abcd", &b""[..])),
                None => assert!(b"abcd".ends_with(&rest) && rest.len() % 2 == 0),
            }
        })
    }};
}
pub(crate) use reads_exactly;

/// As [`reads`], for an operation that leaves the bytes where they are.
macro_rules! looks {
    ($pair:expr, |$end:ident| $own:expr, |$reader:ident| $look:expr) => {{
        let (writer, $end) = $pair.await;
        let $reader = $crate::support::lent($own);
        let operation = $crate::support::lend!($reader => { $look; });
        let stimulus = $crate::bytes::in_two_parts(writer);
        $crate::driver::case(operation, stimulus, async move |_| {
            $crate::bytes::back!($reader);
            assert_eq!($crate::bytes::rest!($reader), b"abcd");
        })
    }};
}
pub(crate) use looks;

/// An operation that writes `!` four times to a full connection, which the stimulus drains; exactly
/// what it says was written arrives, and if it was interfered with as many as `lost` allows.
macro_rules! writes {
    ($pair:expr, |$end:ident| $own:expr, $lost:expr, |$writer:ident, $bytes:ident| $write:expr) => {{
        let (mut $end, reader) = $pair.await;
        let filled = $crate::bytes::Sends::fill(&mut $end).await;
        let ($writer, reader) = ($crate::support::lent($own), $crate::support::lent(reader));
        let operation = $crate::support::lend!($writer => {
            let $bytes = b"!!!!";
            let n: usize = $write;
            n
        });
        let draining = $crate::support::lend!(reader => {
            let (mut left, mut buf) = (filled, [0; $crate::bytes::BUFFER]);
            while left > 0 {
                let most = left.min(buf.len());
                left -= reader.read(&mut buf[..most]).await.unwrap();
            }
        });
        let stimulus = async move {
            $crate::support::turns().await;
            draining.await;
        };
        let written = $crate::driver::case(operation, stimulus, async move |got: Option<usize>| {
            drop($writer);
            $crate::bytes::back!(reader);
            let arrived = $crate::bytes::rest!(reader);
            assert!(arrived.iter().all(|byte| *byte == b'!'));
            match got {
                Some(n) => assert_eq!(arrived.len(), n),
                None => assert!(arrived.len() <= $lost, "{} bytes were written", arrived.len()),
            }
        });
        written.unsteady($crate::bytes::MADE_ROOM)
    }};
}
pub(crate) use writes;

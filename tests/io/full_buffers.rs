//! Sockets whose buffers a call that does not wait has filled: whoever waits for room afterwards
//! hears of it, although only reading was waited for before.

use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use corio::net::{Async, Direction, UnixDatagram, UnixSeqpacket, UnixStream};
use corio::stream::connect_accepted_socket;
use corio_tests::kit::poll_once;

use crate::{everywhere, until};

const BLOCK: [u8; 4096] = [7; 4096];

/// Waits for somebody to read, so that the source is registered for reading.
fn nothing_to_read(readable: impl Future) {
    assert!(poll_once(readable).is_pending());
}

/// How many bytes a call that does not wait has taken before one would have blocked.
fn filled(mut write: impl FnMut() -> std::io::Result<usize>) -> usize {
    let mut total = 0;
    loop {
        match write() {
            Ok(n) => total += n,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                return total;
            }
        }
    }
}

/// Reads so many bytes in another task.
fn drained(stream: UnixStream, total: usize) -> corio::Task<UnixStream> {
    corio::create_task(async move {
        let mut left = vec![0; total];
        stream.read_exact(&mut left).await.unwrap();
        stream
    })
}

#[test]
fn a_write_after_one_that_would_have_blocked() {
    everywhere(async || {
        let (a, b) = UnixStream::pair().unwrap();
        nothing_to_read(a.readable());
        let total = filled(|| a.try_write(&BLOCK));
        let b = drained(b, total);
        a.write_all(b"x").await.unwrap();
        b.await.unwrap().read_exact(&mut [0]).await.unwrap();
    });
}

#[test]
fn a_write_of_a_half_after_one_that_would_have_blocked() {
    everywhere(async || {
        let (a, b) = UnixStream::pair().unwrap();
        let (read, write) = a.into_split();
        nothing_to_read(read.readable());
        let total = filled(|| write.try_write(&BLOCK));
        let b = drained(b, total);
        write.write_all(b"x").await.unwrap();
        b.await.unwrap().read_exact(&mut [0]).await.unwrap();
    });
}

/// Who asks again and again without waiting finds the room too, and waiting takes its time: it is
/// not ready at once where nothing was read.
#[test]
fn room_is_seen_by_who_does_not_wait_and_by_who_waits_for_it() {
    everywhere(async || {
        let (a, b) = UnixStream::pair().unwrap();
        nothing_to_read(a.readable());
        let total = filled(|| a.try_write(&BLOCK));
        let b = drained(b, total);
        until("there is room", || a.try_write(b"x").is_ok()).await;
        let b = b.await.unwrap();
        b.read_exact(&mut [0]).await.unwrap();
        let total = filled(|| a.try_write(&BLOCK));
        assert!(poll_once(a.writable()).is_pending(), "nothing was read");
        let b = drained(b, total);
        a.writable().await.unwrap();
        a.try_write(b"x").unwrap();
        b.await.unwrap().read_exact(&mut [0]).await.unwrap();
    });
}

#[test]
fn messages_after_one_that_would_have_blocked() {
    everywhere(async || {
        let (a, b) = UnixDatagram::pair().unwrap();
        nothing_to_read(a.readable());
        let total = filled(|| a.try_send(b"m"));
        let reads = corio::create_task(async move {
            for _ in 0..=total {
                b.recv(&mut [0]).await.unwrap();
            }
        });
        a.send(b"m").await.unwrap();
        reads.await.unwrap();
        let (a, b) = UnixSeqpacket::pair().unwrap();
        nothing_to_read(a.readable());
        let total = filled(|| a.try_send(b"m"));
        let reads = corio::create_task(async move {
            for _ in 0..=total {
                b.recv(&mut [0]).await.unwrap();
            }
        });
        a.send(b"m").await.unwrap();
        reads.await.unwrap();
    });
}

#[test]
fn a_foreign_descriptor_after_a_write_that_would_have_blocked() {
    everywhere(async || {
        let (a, b) = StdUnixStream::pair().unwrap();
        let a = Async::new(a).unwrap();
        nothing_to_read(a.readable());
        let total = filled(|| a.try_io(Direction::Write, |mut a| a.write(&BLOCK)));
        let b = drained(UnixStream::from_std(b).unwrap(), total);
        a.io(Direction::Write, |mut a| a.write(b"x")).await.unwrap();
        b.await.unwrap().read_exact(&mut [0]).await.unwrap();
    });
}

/// asyncio's writers try the system call first and leave the rest to a task.
#[test]
fn what_a_writer_has_queued_goes_out_over_a_unix_socket() {
    everywhere(async || {
        let (a, mut b) = StdUnixStream::pair().unwrap();
        let a = UnixStream::from_std(a).unwrap();
        let (mut reader, mut writer) = connect_accepted_socket(a).unwrap();
        nothing_to_read(reader.read(Some(1)));
        let mut written = 0;
        while writer.queued() == 0 {
            writer.write(&BLOCK);
            written += BLOCK.len();
        }
        writer.close();
        let reads = corio::to_thread(move || {
            b.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let mut all = Vec::new();
            b.read_to_end(&mut all).map(|_| all.len())
        });
        assert_eq!(reads.await.unwrap().unwrap(), written);
        writer.wait_closed().await.unwrap();
    });
}

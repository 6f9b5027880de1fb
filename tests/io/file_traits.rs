//! Files by the traits of futures-io and of tokio: every byte, every error, and what is dropped.

use std::future::poll_fn;
use std::io::{self, ErrorKind, SeekFrom};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};

use corio::fs::{self, File};

use crate::unix::scratch;
use crate::{HARD_LIMIT, LIMIT, everywhere, once, until};
use corio_tests::within;

type Polled<T> = Poll<io::Result<T>>;

/// One family of traits.
trait Dialect {
    fn read(file: &mut File, cx: &mut Context<'_>, buf: &mut [u8]) -> Polled<usize>;
    fn fill(file: &mut File, cx: &mut Context<'_>) -> Polled<Vec<u8>>;
    fn consume(file: &mut File, n: usize);
    fn write(file: &mut File, cx: &mut Context<'_>, bytes: &[u8]) -> Polled<usize>;
    fn flush(file: &mut File, cx: &mut Context<'_>) -> Polled<()>;
    fn seek(file: &mut File, to: SeekFrom) -> impl Future<Output = io::Result<u64>>;
}

struct Futures;

impl Dialect for Futures {
    fn read(file: &mut File, cx: &mut Context<'_>, buf: &mut [u8]) -> Polled<usize> {
        futures_io::AsyncRead::poll_read(Pin::new(file), cx, buf)
    }

    fn fill(file: &mut File, cx: &mut Context<'_>) -> Polled<Vec<u8>> {
        futures_io::AsyncBufRead::poll_fill_buf(Pin::new(file), cx).map_ok(<[u8]>::to_vec)
    }

    fn consume(file: &mut File, n: usize) {
        futures_io::AsyncBufRead::consume(Pin::new(file), n);
    }

    fn write(file: &mut File, cx: &mut Context<'_>, bytes: &[u8]) -> Polled<usize> {
        futures_io::AsyncWrite::poll_write(Pin::new(file), cx, bytes)
    }

    fn flush(file: &mut File, cx: &mut Context<'_>) -> Polled<()> {
        futures_io::AsyncWrite::poll_flush(Pin::new(file), cx)
    }

    async fn seek(file: &mut File, to: SeekFrom) -> io::Result<u64> {
        poll_fn(|cx| futures_io::AsyncSeek::poll_seek(Pin::new(&mut *file), cx, to)).await
    }
}

struct Tokio;

impl Dialect for Tokio {
    fn read(file: &mut File, cx: &mut Context<'_>, buf: &mut [u8]) -> Polled<usize> {
        let mut buf = tokio::io::ReadBuf::new(buf);
        let read = tokio::io::AsyncRead::poll_read(Pin::new(file), cx, &mut buf);
        read.map_ok(|()| buf.filled().len())
    }

    fn fill(file: &mut File, cx: &mut Context<'_>) -> Polled<Vec<u8>> {
        tokio::io::AsyncBufRead::poll_fill_buf(Pin::new(file), cx).map_ok(<[u8]>::to_vec)
    }

    fn consume(file: &mut File, n: usize) {
        tokio::io::AsyncBufRead::consume(Pin::new(file), n);
    }

    fn write(file: &mut File, cx: &mut Context<'_>, bytes: &[u8]) -> Polled<usize> {
        tokio::io::AsyncWrite::poll_write(Pin::new(file), cx, bytes)
    }

    fn flush(file: &mut File, cx: &mut Context<'_>) -> Polled<()> {
        tokio::io::AsyncWrite::poll_flush(Pin::new(file), cx)
    }

    /// As tokio's own `AsyncSeekExt` does it.
    async fn seek(file: &mut File, to: SeekFrom) -> io::Result<u64> {
        use tokio::io::AsyncSeek;
        poll_fn(|cx| AsyncSeek::poll_complete(Pin::new(&mut *file), cx)).await?;
        AsyncSeek::start_seek(Pin::new(&mut *file), to)?;
        poll_fn(|cx| AsyncSeek::poll_complete(Pin::new(&mut *file), cx)).await
    }
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i / 7 % 251) as u8).collect()
}

async fn write_all<D: Dialect>(file: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = poll_fn(|cx| D::write(file, cx, bytes)).await?;
        assert!(n > 0 && n <= bytes.len());
        bytes = &bytes[n..];
    }
    Ok(())
}

async fn read_all<D: Dialect>(file: &mut File, piece: usize) -> io::Result<Vec<u8>> {
    let (mut all, mut buf) = (Vec::new(), vec![0; piece]);
    loop {
        match poll_fn(|cx| D::read(file, cx, &mut buf)).await? {
            0 => return Ok(all),
            n => all.extend_from_slice(&buf[..n]),
        }
    }
}

/// Polls once.
async fn once_polled<R>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>) -> Poll<R> {
    poll_fn(|cx| Poll::Ready(poll(cx))).await
}

async fn bytes_come_back<D: Dialect>() {
    let folder = scratch();
    let path = folder.path().join("file");
    // More than the most that one poll takes.
    let all = pattern(5 << 19);
    for buffer in [0, 100, 1 << 16] {
        let options = File::options().read(true).write(true).create(true).truncate(true);
        let mut file = options.buffer(buffer).open(&path).await.unwrap();
        let (small, large) = all.split_at(3000);
        for piece in small.chunks(7) {
            write_all::<D>(&mut file, piece).await.unwrap();
        }
        write_all::<D>(&mut file, large).await.unwrap();
        assert_eq!(file.tell().await.unwrap(), all.len() as u64);
        poll_fn(|cx| D::flush(&mut file, cx)).await.unwrap();
        assert!(std::fs::read(&path).unwrap() == all, "with a buffer of {buffer}");

        assert_eq!(D::seek(&mut file, SeekFrom::Start(0)).await.unwrap(), 0);
        assert!(read_all::<D>(&mut file, 70_001).await.unwrap() == all);
        assert_eq!(D::seek(&mut file, SeekFrom::End(-5)).await.unwrap(), all.len() as u64 - 5);
        assert_eq!(read_all::<D>(&mut file, 2).await.unwrap(), all[all.len() - 5..]);

        // Directions take turns, and so do the traits and the file's own methods.
        D::seek(&mut file, SeekFrom::Start(10)).await.unwrap();
        assert_eq!(file.read(Some(4)).await.unwrap(), all[10..14]);
        write_all::<D>(&mut file, b"####").await.unwrap();
        assert_eq!(D::seek(&mut file, SeekFrom::Current(-4)).await.unwrap(), 14);
        let mut buf = [0; 3];
        assert!(poll_fn(|cx| D::read(&mut file, cx, &mut buf)).await.unwrap() > 0);
        assert_eq!(buf[0], b'#');
        file.seek(SeekFrom::Start(16)).await.unwrap();
        assert_eq!(file.read(Some(3)).await.unwrap(), [b'#', b'#', all[18]]);
        file.close().await.unwrap();
    }
}

#[test]
fn bytes_come_back_by_both_families() {
    everywhere(async || {
        bytes_come_back::<Futures>().await;
        bytes_come_back::<Tokio>().await;
    });
}

async fn lines<D: Dialect>() {
    let folder = scratch();
    let path = folder.path().join("file");
    std::fs::write(&path, b"one\ntwo\n\nfour").unwrap();
    for buffer in [0, 2, 1 << 16] {
        let mut file = File::options().read(true).buffer(buffer).open(&path).await.unwrap();
        let (mut found, mut line) = (Vec::new(), Vec::new());
        loop {
            let ahead = poll_fn(|cx| D::fill(&mut file, cx)).await.unwrap();
            let end = ahead.iter().position(|byte| *byte == b'\n');
            let n = end.map_or(ahead.len(), |at| at + 1);
            line.extend_from_slice(&ahead[..n]);
            D::consume(&mut file, n);
            if n == 0 || end.is_some() {
                found.push(std::mem::take(&mut line));
            }
            if n == 0 {
                break;
            }
        }
        assert_eq!(found, [&b"one\n"[..], b"two\n", b"\n", b"four"], "with {buffer}");
        // At the end of the file there is nothing to take.
        D::consume(&mut file, 7);
        file.seek(SeekFrom::Start(0)).await.unwrap();
        assert_eq!(file.read_line(None).await.unwrap(), b"one\n");
        file.close().await.unwrap();
    }
}

#[test]
fn lines_are_found_in_the_buffer() {
    once(async {
        lines::<Futures>().await;
        lines::<Tokio>().await;
    });
}

async fn errors<D: Dialect>() {
    let mut full = fs::open("/dev/full", "r+").await.unwrap();
    // It is taken, and the next call hears what became of it.
    write_all::<D>(&mut full, &pattern(1 << 20)).await.unwrap();
    let error = poll_fn(|cx| D::flush(&mut full, cx)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    // What could not be written is still there, for another attempt.
    let error = poll_fn(|cx| D::flush(&mut full, cx)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(full.close().await.unwrap_err().kind(), ErrorKind::StorageFull);
    let error = poll_fn(|cx| D::flush(&mut full, cx)).await.unwrap_err();
    assert!(error.to_string().contains("closed file /dev/full"), "{error}");

    let folder = scratch();
    let path = folder.path().join("file");
    let mut file = fs::open(&path, "w").await.unwrap();
    let error = poll_fn(|cx| D::read(&mut file, cx, &mut [0])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    file.close().await.unwrap();
    let mut file = fs::open(&path, "r").await.unwrap();
    let error = poll_fn(|cx| D::write(&mut file, cx, b"x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(D::seek(&mut file, SeekFrom::Current(-1)).await.is_err());
    file.close().await.unwrap();
}

#[test]
fn errors_are_told_by_the_next_call() {
    once(async {
        errors::<Futures>().await;
        errors::<Tokio>().await;
    });
}

#[test]
fn a_full_disk_takes_no_more_than_one_poll_may() {
    once(async {
        let mut full = fs::open("/dev/full", "r+").await.unwrap();
        let most = 2 << 20;
        let n = poll_fn(|cx| Futures::write(&mut full, cx, &pattern(most + 1))).await.unwrap();
        assert_eq!(n, most);
        for _ in 0..3 {
            let again = poll_fn(|cx| Futures::write(&mut full, cx, b"more")).await;
            assert_eq!(again.unwrap_err().kind(), ErrorKind::StorageFull);
        }
        drop(full.close().await);
    });
}

/// futures-io's end of a writer closes the file, tokio's only flushes it.
#[test]
fn the_last_step_of_each_family() {
    once(async {
        let folder = scratch();
        let path = folder.path().join("file");
        let mut file = fs::open(&path, "w+").await.unwrap();
        write_all::<Tokio>(&mut file, b"abc").await.unwrap();
        poll_fn(|cx| tokio::io::AsyncWrite::poll_shutdown(Pin::new(&mut file), cx)).await.unwrap();
        assert_eq!((std::fs::read(&path).unwrap(), file.closed()), (b"abc".to_vec(), false));
        write_all::<Futures>(&mut file, b"def").await.unwrap();
        for _ in 0..2 {
            poll_fn(|cx| futures_io::AsyncWrite::poll_close(Pin::new(&mut file), cx))
                .await
                .unwrap();
            assert!(file.closed());
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"abcdef");

        let mut full = fs::open("/dev/full", "r+").await.unwrap();
        write_all::<Futures>(&mut full, b"lost").await.unwrap();
        let closed = poll_fn(|cx| futures_io::AsyncWrite::poll_close(Pin::new(&mut full), cx));
        assert_eq!(closed.await.unwrap_err().kind(), ErrorKind::StorageFull);
        assert!(full.closed());
    });
}

/// Keeps the only thread for blocking calls until something is sent.
fn shut() -> mpsc::Sender<()> {
    let (open, opened) = mpsc::channel();
    corio::to_thread(move || opened.recv()).detach();
    open
}

/// Runs a test whose blocking calls have one thread.
fn behind_a_gate<Fut: Future<Output = ()>>(test: impl FnOnce() -> Fut + Send + 'static) {
    within(HARD_LIMIT, "a busy thread", move || {
        let builder = corio::Builder::new().workers(1).blocking_threads(1);
        let run = builder.run(corio::timeout(LIMIT, async { test().await }));
        run.expect("it starts").expect("it ends in time");
    });
}

#[test]
fn what_was_taken_is_written_though_the_file_is_dropped() {
    let folder = scratch();
    let path = folder.path().join("file");
    let all = pattern(1 << 20);
    behind_a_gate({
        let (path, all) = (path.clone(), all.clone());
        async move || {
            let open = shut();
            let mut file = File::from_std(std::fs::File::create(&path).unwrap());
            write_all::<Tokio>(&mut file, &all).await.unwrap();
            // Asked for and given up, while no thread is free.
            assert!(once_polled(|cx| Tokio::flush(&mut file, cx)).await.is_pending());
            drop(file);
            assert_eq!(std::fs::read(&path).unwrap(), b"", "the loop does not write by itself");
            open.send(()).unwrap();
            until("the file is written", || std::fs::read(&path).unwrap() == all).await;
        }
    });
}

#[test]
fn a_write_that_was_begun_is_done_though_the_file_is_dropped() {
    let folder = scratch();
    let path = folder.path().join("file");
    let all = pattern(1 << 20);
    behind_a_gate(async move || {
        let open = shut();
        let mut file = File::from_std(std::fs::File::create(&path).unwrap());
        file.write(b"first").await.unwrap();
        let mut write = file.write(&all);
        assert!(once_polled(|cx| Pin::new(&mut write).poll(cx)).await.is_pending());
        drop(write);
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), b"", "the loop does not write by itself");
        open.send(()).unwrap();
        let whole = [b"first", &all[..]].concat();
        until("the file is written", || std::fs::read(&path).unwrap() == whole).await;
    });
}

#[test]
fn a_poll_that_is_not_repeated_loses_nothing() {
    behind_a_gate(async || {
        let folder = scratch();
        let path = folder.path().join("file");
        std::fs::write(&path, b"0123456789").unwrap();
        let mut file = File::options().read(true).buffer(0).open(&path).await.unwrap();
        let open = shut();
        assert!(once_polled(|cx| Futures::read(&mut file, cx, &mut [0; 4])).await.is_pending());
        open.send(()).unwrap();
        assert_eq!(file.read(Some(2)).await.unwrap(), b"01");
        assert_eq!(file.read(None).await.unwrap(), b"23456789");
        // That it has ended is not remembered for somebody who asks after another call.
        let open = shut();
        assert!(once_polled(|cx| Tokio::read(&mut file, cx, &mut [0; 4])).await.is_pending());
        open.send(()).unwrap();
        assert_eq!(file.tell().await.unwrap(), 10);
        std::fs::write(&path, b"0123456789ab").unwrap();
        assert_eq!(file.read(Some(1)).await.unwrap(), b"a");
        assert_eq!(read_all::<Tokio>(&mut file, 9).await.unwrap(), b"b");
        file.close().await.unwrap();
    });
}

/// The memory of a spooled file has its limit for the traits too.
#[test]
fn a_spooled_file_rolls_over() {
    once(async {
        let mut file = fs::spooled_temporary_file(1000).await.unwrap();
        write_all::<Futures>(&mut file, &pattern(900)).await.unwrap();
        poll_fn(|cx| Futures::flush(&mut file, cx)).await.unwrap();
        assert!(!file.is_rolled());
        write_all::<Futures>(&mut file, &pattern(200)).await.unwrap();
        poll_fn(|cx| Futures::flush(&mut file, cx)).await.unwrap();
        assert!(file.is_rolled());
        Futures::seek(&mut file, SeekFrom::Start(0)).await.unwrap();
        let all = read_all::<Futures>(&mut file, 333).await.unwrap();
        assert_eq!(all, [pattern(900), pattern(200)].concat());
        file.close().await.unwrap();
    });
}

//! Writing to a peer that has gone, in a program that SIGPIPE would end: one with a `main` of its
//! own, or that has put the default action back. Sockets give the error; pipes raise the signal.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::pin::Pin;

use corio::net::{Shutdown, UnixSeqpacket, UnixStream, sendfile, splice};
use corio::stream::connect_write_pipe;

use crate::{once, pair, play, plays, until, well};

/// The bit of SIGPIPE in the masks of `/proc/self/status`.
const SIGPIPE_BIT: u64 = 1 << (libc::SIGPIPE - 1);
/// What is written.
const TEXT: &[u8] = b"nobody reads this";

/// Puts back what a program has that was not begun by std.
fn with_sigpipe() {
    // SAFETY: the call takes a number and a constant; no other thread cares for the signal.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// A socket whose peer is gone.
fn broken() -> UnixStream {
    UnixStream::pair().unwrap().0
}

/// An ordinary file that holds the text.
fn file() -> std::fs::File {
    let scratch = corio_tests::kit::scratch();
    let path = scratch.path().join("text");
    std::fs::write(&path, TEXT).unwrap();
    std::fs::File::open(path).unwrap()
}

fn is_broken<T>(what: &str, result: io::Result<T>) {
    let error = result.err().unwrap_or_else(|| panic!("{what}: no error"));
    assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{what}: {error}");
}

async fn every_write_to_a_socket() {
    let parts = [IoSlice::new(TEXT), IoSlice::new(TEXT)];
    is_broken("write", broken().write(TEXT).await);
    is_broken("write_all", broken().write_all(TEXT).await);
    is_broken("write_vectored", broken().write_vectored(&parts).await);
    is_broken("try_write", broken().try_write(TEXT));
    let io = &mut broken();
    let by_tokio = poll_fn(|cx| tokio::io::AsyncWrite::poll_write(Pin::new(&mut *io), cx, TEXT));
    is_broken("tokio's trait", by_tokio.await);
    let by_futures =
        poll_fn(|cx| futures_io::AsyncWrite::poll_write_vectored(Pin::new(&mut *io), cx, &parts));
    is_broken("futures' trait", by_futures.await);
    let by_hyper = poll_fn(|cx| hyper::rt::Write::poll_write(Pin::new(&mut *io), cx, TEXT));
    is_broken("hyper's trait", by_hyper.await);
    is_broken("sendfile", sendfile(&broken(), &file(), 0, None).await);
    is_broken("fs::sendfile", corio::fs::sendfile(&broken(), &file(), 0, TEXT.len()).await);
    let (packets, gone) = UnixSeqpacket::pair().unwrap();
    drop(gone);
    is_broken("a packet", packets.send(TEXT).await);
    for by_splice in [true, false] {
        let (from, feed) = UnixStream::pair().unwrap();
        feed.write_all(TEXT).await.unwrap();
        feed.shutdown(Shutdown::Write).unwrap();
        let to = broken();
        let copied = match by_splice {
            true => splice(&from, &to).await,
            false => corio::io::copy(&mut &from, &mut &to).await,
        };
        is_broken("a copy", copied);
    }
    let socket = std::os::unix::net::UnixStream::pair().unwrap().0;
    let mut writer = connect_write_pipe(socket).unwrap();
    writer.write(TEXT);
    writer.write(TEXT);
    is_broken("a writer", writer.drain().await);
}

/// A peer over TCP is gone when it has said so, which the first write may not know yet.
async fn tcp() {
    let (near, far) = pair().await;
    drop(far);
    let error = loop {
        match sendfile(&near, &file(), 0, None).await {
            Ok(_) => corio::sleep(std::time::Duration::from_millis(1)).await,
            Err(error) => break error,
        }
    };
    assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
    is_broken("sendfile over TCP", sendfile(&near, &file(), 0, None).await);
    is_broken("write over TCP", near.write(TEXT).await);
}

/// Threads of the process in which the signal is blocked, or waits.
fn touched() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let statuses =
        tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).ok());
    let is_touched = |status: String| {
        ["SigPnd:\t", "ShdPnd:\t", "SigBlk:\t"].iter().any(|mask| {
            let hex = status.lines().find_map(|line| line.strip_prefix(mask)).unwrap();
            u64::from_str_radix(hex, 16).unwrap() & SIGPIPE_BIT != 0
        })
    };
    statuses.filter(|status| is_touched(status.clone())).count()
}

#[test]
fn no_write_to_a_socket_raises_it() {
    let (test, part) = ("sigpipe::no_write_to_a_socket_raises_it", "sockets");
    if plays(part) {
        with_sigpipe();
        return once(async {
            every_write_to_a_socket().await;
            tcp().await;
            // Nothing is left of how it was avoided.
            until("no thread has it blocked or waiting", || touched() == 0).await;
        });
    }
    well(play(test, part, &[]).output().unwrap());
}

/// So the test above can fail.
#[test]
fn a_write_to_a_pipe_raises_it() {
    let (test, part) = ("sigpipe::a_write_to_a_pipe_raises_it", "pipe");
    if plays(part) {
        with_sigpipe();
        return once(async {
            let (reader, pipe) = io::pipe().unwrap();
            drop(reader);
            let mut writer = connect_write_pipe(OwnedFd::from(pipe)).unwrap();
            writer.write(TEXT);
            let drained = writer.drain().await;
            let _ = writeln!(io::stderr(), "it lives on: {drained:?}");
        });
    }
    let status = play(test, part, &[]).output().unwrap().status;
    assert_eq!(status.signal(), Some(libc::SIGPIPE), "{status}");
}

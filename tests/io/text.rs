//! Text files: what aiofiles' test_text.py asks of them, and Python's newlines and errors.

use std::future::{Future, poll_fn};
use std::io::{ErrorKind, SeekFrom};
use std::pin::Pin;
use std::task::Poll;

use corio::fs::{self, DecodeError, DecodeErrors, File, Newline, TextFile};
use futures_core::Stream;

use crate::unix::{Scratch, scratch};
use crate::{everywhere, once};

/// A file with these contents, and where it is.
fn file(contents: &[u8]) -> (Scratch, std::path::PathBuf) {
    let folder = scratch();
    let path = folder.path().join("text");
    std::fs::write(&path, contents).unwrap();
    (folder, path)
}

async fn lines(file: &mut TextFile) -> Vec<String> {
    let mut lines = file.lines();
    let mut all = Vec::new();
    while let Some(line) = lines.next_line().await {
        all.push(line.unwrap());
    }
    all
}

// conforms: 28 test_text.py test_simple_iteration
// conforms: 28 test_text.py test_simple_iteration_ctx_mgr
// conforms: 28 test_text.py test_simple_readlines
#[test]
fn lines_of_text() {
    everywhere(async || {
        let (_folder, path) = file("uno\ndós\r\n\rend".as_bytes());
        let expected = ["uno\n", "dós\n", "\n", "end"];
        let mut text = fs::open_text(&path, "r").await.unwrap();
        assert_eq!(lines(&mut text).await, expected);
        text.seek(SeekFrom::Start(0)).await.unwrap();
        assert_eq!(text.read_lines(None).await.unwrap(), expected);
        text.seek(SeekFrom::Start(0)).await.unwrap();
        assert_eq!(text.read_lines(Some(5)).await.unwrap(), expected[..2]);
        assert_eq!((text.path(), text.readable(), text.writable()), (&*path, true, false));
        assert_eq!((text.seekable(), text.is_terminal(), text.closed()), (true, false, false));
        text.close().await.unwrap();
        assert!(text.closed() && text.get_ref().closed());
        let mut kept = fs::open_text(&path, "rt").newline(Newline::Keep).await.unwrap();
        assert_eq!(lines(&mut kept).await, ["uno\n", "dós\r\n", "\r", "end"]);
        assert_eq!(kept.mode(), "r");
    });
}

// conforms: 28 test_text.py test_simple_read
// conforms: 28 test_text.py test_staggered_read
#[test]
fn characters_are_read_one_by_one_and_all() {
    everywhere(async || {
        // Longer than the buffer, so that characters are cut at its end.
        let long = "a\u{e9}\u{20ac}\u{1d11e}".repeat(20_000);
        let (_folder, path) = file(long.as_bytes());
        let mut text = fs::open_text(&path, "r").await.unwrap();
        assert!(text.read(None).await.unwrap() == long);
        assert_eq!(text.read(None).await.unwrap(), "");
        text.seek(SeekFrom::Start(0)).await.unwrap();
        for expected in long.chars().take(200) {
            assert_eq!(text.read(Some(1)).await.unwrap(), expected.to_string());
        }
        text.seek(SeekFrom::Start(0)).await.unwrap();
        let mut pieces = String::new();
        loop {
            let piece = text.read(Some(7777)).await.unwrap();
            if piece.is_empty() {
                break;
            }
            assert!(piece.chars().count() == 7777 || pieces.len() + piece.len() == long.len());
            pieces.push_str(&piece);
        }
        assert!(pieces == long);
    });
}

// conforms: 28 test_text.py test_simple_seek
// differs: tell() gives the position in bytes, which Python leaves open
#[test]
fn positions_come_from_tell() {
    everywhere(async || {
        let (_folder, path) = file("día\nnoche\n".as_bytes());
        let mut text = fs::open_text(&path, "r+").await.unwrap();
        assert_eq!(text.read(Some(2)).await.unwrap(), "dí");
        let here = text.tell().await.unwrap();
        assert_eq!(text.read_line(None).await.unwrap(), "a\n");
        assert_eq!(text.seek(SeekFrom::Start(here)).await.unwrap(), here);
        assert_eq!(text.read_line(Some(1)).await.unwrap(), "a");
        for far in [SeekFrom::Current(1), SeekFrom::End(-1)] {
            assert_eq!(text.seek(far).await.unwrap_err().kind(), ErrorKind::Unsupported);
        }
        text.seek(SeekFrom::End(0)).await.unwrap();
        assert_eq!(text.write("más").await.unwrap(), 3, "characters");
        text.seek(SeekFrom::Start(0)).await.unwrap();
        assert_eq!(text.read(None).await.unwrap(), "día\nnoche\nmás");
    });
}

// conforms: 28 test_text.py test_simple_flush
// conforms: 28 test_text.py test_simple_write
// conforms: 28 test_text.py test_simple_truncate
// conforms: 28 test_text.py test_simple_close
#[test]
fn text_is_written_flushed_and_cut() {
    everywhere(async || {
        let (_folder, path) = file(b"");
        let mut text = fs::open_text(&path, "w").await.unwrap();
        assert_eq!(text.write("0\u{e9}\n").await.unwrap(), 3);
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        text.flush().await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "0\u{e9}\n");
        assert_eq!(text.write_lines(["a\n", "b\n"]).await.unwrap(), 4);
        assert_eq!(text.truncate(Some(1)).await.unwrap(), 1);
        text.close().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"0");
        assert!(text.write("late").await.unwrap_err().to_string().contains("closed file"));
        let mut crlf = fs::open_text(&path, "w").newline(Newline::CrLf).await.unwrap();
        assert_eq!(crlf.write("a\nb\n").await.unwrap(), 4);
        crlf.close().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"a\r\nb\r\n");
    });
}

// conforms: 28 test_text.py test_simple_read_fail
#[test]
fn a_file_for_writing_cannot_be_read() {
    everywhere(async || {
        let (_folder, path) = file(b"");
        let mut text = fs::open_text(&path, "w").await.unwrap();
        assert_eq!(text.read(None).await.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(text.read_line(None).await.unwrap_err().kind(), ErrorKind::Unsupported);
        text.close().await.unwrap();
        for bad in ["rb", "q", "tt"] {
            let error = fs::open_text(&path, bad).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}");
        }
    });
}

#[test]
fn bytes_that_are_no_text() {
    once(async {
        let (_folder, path) = file(b"good\xff\xfebad\n");
        let mut strict = fs::open_text(&path, "r").await.unwrap();
        let error = strict.read_line(None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let found = error.get_ref().and_then(|e| e.downcast_ref::<DecodeError>()).unwrap();
        assert_eq!((found.before.as_str(), &found.bytes[..]), ("good", &b"\xff"[..]));
        assert_eq!(strict.tell().await.unwrap(), 5, "behind what is no text");
        for (errors, expected) in [
            (DecodeErrors::Ignore, "goodbad\n"),
            (DecodeErrors::Replace, "good\u{fffd}\u{fffd}bad\n"),
        ] {
            let mut text = fs::open_text(&path, "r").errors(errors).await.unwrap();
            assert_eq!(text.read_line(None).await.unwrap(), expected);
        }
    });
}

/// A read that is dropped while a thread does it has not moved the text, nor the bytes.
#[test]
fn a_dropped_read_loses_nothing() {
    everywhere(async || {
        let long: String = (0..5000).map(|n| format!("line {n}\r\n")).collect();
        let (_folder, path) = file(long.as_bytes());
        let mut text = fs::open_text(&path, "r").await.unwrap();
        for n in 0..5000 {
            if n % 50 == 0 {
                let here = text.tell().await.unwrap();
                if !dropped(text.read(None)).await {
                    text.seek(SeekFrom::Start(here)).await.unwrap();
                }
            }
            assert_eq!(text.read_line(None).await.unwrap(), format!("line {n}\n"));
        }
        let mut bytes = fs::open(&path, "r").await.unwrap();
        for n in 0..5000 {
            let here = bytes.tell().await.unwrap();
            let lost = match n % 150 {
                0 => !dropped(bytes.read(None)).await,
                50 => !dropped(bytes.read_lines(None)).await,
                100 => !dropped(bytes.read(Some(1 << 17))).await,
                _ => false,
            };
            if lost {
                bytes.seek(SeekFrom::Start(here)).await.unwrap();
            }
            let line = bytes.read_line(None).await.unwrap();
            assert_eq!(line, format!("line {n}\r\n").into_bytes());
        }
    });
}

/// Each line once, in order, though every other poll is not repeated, and the other way of reading
/// comes between.
#[test]
fn lines_are_streams() {
    async fn next<S: Stream + Unpin>(mut stream: S) -> Option<S::Item> {
        poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await
    }
    async fn abandoned<S: Stream + Unpin>(mut stream: S) -> Option<S::Item> {
        poll_fn(|cx| match Pin::new(&mut stream).poll_next(cx) {
            Poll::Ready(item) => Poll::Ready(item),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }
    everywhere(async || {
        let long = "é".repeat(50_000);
        let expected = ["one\n", "\n", &format!("{long}\n"), "two\n", &format!("{long}end")];
        let (_folder, path) = file(expected.concat().as_bytes());
        for buffer in [1, 3, 4096, fs::BUFFER] {
            let mut text = fs::open_text(&path, "r").buffer(buffer).await.unwrap();
            let mut bytes = File::options().read(true).buffer(buffer).open(&path).await.unwrap();
            for (n, line) in expected.iter().enumerate() {
                let mut found = None;
                if n % 2 == 0 {
                    found = abandoned(text.lines()).await.transpose().unwrap();
                }
                let found = match found {
                    None if n == 2 => text.read_line(None).await.unwrap(),
                    None => next(text.lines()).await.unwrap().unwrap(),
                    Some(found) => found,
                };
                assert!(found == *line, "text, line {n}, buffer {buffer}");
                let mut found = None;
                if n % 2 == 0 {
                    found = abandoned(bytes.lines()).await.transpose().unwrap();
                }
                let found = match found {
                    None if n == 2 => bytes.read_line(None).await.unwrap(),
                    None => next(bytes.lines()).await.unwrap().unwrap(),
                    Some(found) => found,
                };
                assert!(found == line.as_bytes(), "bytes, line {n}, buffer {buffer}");
            }
            for _ in 0..2 {
                assert!(next(text.lines()).await.is_none() && next(bytes.lines()).await.is_none());
            }
            text.close().await.unwrap();
            bytes.close().await.unwrap();
            assert!(next(text.lines()).await.unwrap().is_err(), "it is closed");
            assert!(next(bytes.lines()).await.unwrap().is_err(), "it is closed");
        }
        let (_folder, path) = file(b"one\n\xff\ntwo");
        let mut text = fs::open_text(&path, "r").await.unwrap();
        assert_eq!(next(text.lines()).await.unwrap().unwrap(), "one\n");
        let error = next(text.lines()).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(next(text.lines()).await.unwrap().unwrap(), "\n");
        assert_eq!(next(text.lines()).await.unwrap().unwrap(), "two");
        text.close().await.unwrap();
        let mut writer = fs::open(&path, "w").await.unwrap();
        let refused = next(writer.lines()).await.unwrap().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        writer.close().await.unwrap();
    });
}

/// CPython: `buffering=1`, which is also what a terminal gets.
#[test]
fn lines_are_flushed_where_they_are_to_be() {
    everywhere(async || {
        let (_folder, path) = file(b"");
        let there = || std::fs::read_to_string(&path).unwrap();
        let mut text = fs::open_text(&path, "w").line_buffering(true).await.unwrap();
        for (piece, flushed) in [
            ("one", ""),
            (" two\nthr", "one two\nthr"),
            ("ee", "one two\nthr"),
            ("\r", "one two\nthree\r"),
        ] {
            assert_eq!(text.write(piece).await.unwrap(), piece.len());
            assert_eq!(there(), flushed);
        }
        text.close().await.unwrap();
        let mut text = fs::open_text(&path, "w").buffer(4).await.unwrap();
        for (piece, flushed) in [("1\n", ""), ("23", ""), ("4", "1\n23"), ("56789", "1\n23456789")]
        {
            text.write(piece).await.unwrap();
            assert_eq!(there(), flushed);
        }
        text.close().await.unwrap();
        let none = std::panic::catch_unwind(|| drop(fs::open_text("", "r").buffer(0)));
        assert!(none.is_err(), "text without a buffer");
        // What is refused was not taken.
        let mut full = fs::open_text("/dev/full", "w").line_buffering(true).await.unwrap();
        full.write("begun").await.unwrap();
        for _ in 0..2 {
            assert_eq!(full.write(" ended\n").await.unwrap_err().kind(), ErrorKind::StorageFull);
            assert_eq!(full.tell().await.unwrap(), 5);
        }
        full.close().await.unwrap_err();
    });
}

#[test]
fn lines_are_flushed_on_a_terminal() {
    once(async {
        use std::io::Read;
        let flags = rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY;
        let mut ours = std::fs::File::from(rustix::pty::openpt(flags).unwrap());
        rustix::pty::grantpt(&ours).unwrap();
        rustix::pty::unlockpt(&ours).unwrap();
        let theirs = rustix::pty::ptsname(&ours, Vec::new()).unwrap();
        let theirs = theirs.to_str().unwrap().to_owned();
        let mut text = fs::open_text(&theirs, "w").await.unwrap();
        text.write("hello\n").await.unwrap();
        let shown = corio::to_thread(move || {
            let mut shown = [0; 7];
            ours.read_exact(&mut shown).map(|()| (ours, shown))
        });
        // The terminal makes two characters of the end.
        let (_ours, shown) = shown.await.unwrap().unwrap();
        assert_eq!(&shown, b"hello\r\n");
        text.close().await.unwrap();
    });
}

/// Polls once, gives a thread time to have the result or not, and drops. False if the thread was
/// so fast that the first poll was ready.
async fn dropped<F: Future + Unpin>(mut operation: F) -> bool {
    let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut operation).poll(cx).is_pending()));
    let pending = polled.await;
    for _ in 0..3 {
        corio::yield_now().await;
    }
    pending
}

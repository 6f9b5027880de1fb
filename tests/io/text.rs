//! Text files: what aiofiles' test_text.py asks of them, and Python's newlines and errors.

use std::future::{Future, poll_fn};
use std::io::{ErrorKind, SeekFrom};
use std::pin::Pin;
use std::task::Poll;

use corio::fs::{self, DecodeError, DecodeErrors, Newline, TextFile};

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

//! Text files: characters are read once or stay, and are written as a whole or not at all.

use std::io::SeekFrom;

use corio::fs::{self, TextFile};

use crate::driver::{Make, awaits, case};
use crate::support::{Folder, Gate, lend, lent, next, poll_once, settle, turns};

const TEXT: &str = "één\nzwei\ntrois\n";

/// An operation on a text file, for which the only thread is free only after the stimulus; then a
/// look at the file. What was written before stays in the buffer.
macro_rules! on_text {
    (($mode:literal, $written:expr), |$file:ident| $operation:expr, |$after:ident, $got:ident: $type:ty, $folder:ident| $check:expr) => {{
        let $folder = Folder::with("f", TEXT.as_bytes());
        let mut opened = fs::open_text($folder.at("f"), $mode).await.unwrap();
        let written: &str = $written;
        if !written.is_empty() {
            assert_eq!(opened.write(written).await.unwrap(), written.len());
        }
        let ($file, gate) = (lent(opened), Gate::shut());
        let operation = lend!($file => $operation);
        let stimulus = async move {
            turns().await;
            gate.open().await;
        };
        case(operation, stimulus, async move |$got: Option<$type>| {
            settle().await;
            let mut guard = $file.try_acquire().expect("the operation is over");
            let $after: &mut TextFile = &mut guard;
            $check;
            $after.close().await.unwrap();
        })
    }};
}

macro_rules! reads {
    (|$file:ident| $read:expr) => {
        on_text!(("r", ""), |$file| $read, |after, got: String, _folder| {
            assert_eq!(got.unwrap_or_default() + &after.read(None).await.unwrap(), TEXT);
        })
    };
}

/// Written as a whole or not at all: the text is longer than the buffer, so a thread writes.
macro_rules! writes {
    (|$file:ident| $write:expr) => {
        on_text!(("w", ""), |$file| $write, |after, got: usize, folder| {
            after.flush().await.unwrap();
            let there = std::fs::read_to_string(folder.at("f")).unwrap();
            assert!(there == long() || (there.is_empty() && got.is_none()), "{}", there.len());
            assert!(got.is_none_or(|characters| characters == LONG));
        })
    };
}

/// Characters of [`long`]: more bytes than a file's buffer has.
const LONG: usize = fs::BUFFER;

fn long() -> String {
    "é".repeat(LONG)
}

macro_rules! flushes {
    (|$file:ident| $flush:expr) => {
        on_text!(("w", "new"), |$file| $flush, |after, _got: (), folder| {
            // A second time it does nothing.
            after.close().await.unwrap();
            assert_eq!(std::fs::read(folder.at("f")).unwrap(), b"new");
        })
    };
}

pub const TABLE: &[(&str, Make)] = awaits! {
    "fs::TextFile::read" => reads!(|file| file.read(Some(2)).await.unwrap());
    "fs::TextFile::read_line" => reads!(|file| file.read_line(None).await.unwrap());
    "fs::TextFile::read_lines" => reads!(|file| file.read_lines(Some(5)).await.unwrap().concat());
    "fs::TextLines::next_line" => {
        reads!(|file| file.lines().next_line().await.unwrap().unwrap())
    };
    "fs::TextLines as Stream" => {
        reads!(|file| next(&mut file.lines()).await.unwrap().unwrap())
    };
    "fs::TextFile::tell" => on_text!(
        ("r", ""),
        |file| {
            // A read that was dropped keeps the file at its thread.
            assert!(poll_once(&mut file.read(Some(2))).await.is_none());
            file.tell().await.unwrap()
        },
        |after, got: u64, _folder| {
            assert!(got.is_none_or(|at| at == 0), "the dropped read has taken nothing");
            assert_eq!(after.read(None).await.unwrap(), TEXT);
        }
    );
    "fs::TextFile::seek" => on_text!(
        ("r", ""),
        |file| file.seek(SeekFrom::Start(5)).await.unwrap(),
        |after, got: u64, _folder| {
            let at = after.tell().await.unwrap();
            assert!(at == 5 || (at == 0 && got.is_none()));
            assert_eq!(after.read(None).await.unwrap(), TEXT[usize::try_from(at).unwrap()..]);
        }
    );
    "fs::TextFile::truncate" => on_text!(
        ("r+", ""),
        |file| file.truncate(Some(5)).await.unwrap(),
        |after, got: u64, folder| {
            let there = std::fs::read_to_string(folder.at("f")).unwrap();
            assert!(there == TEXT[..5] || (there == TEXT && got.is_none()));
            assert_eq!(after.tell().await.unwrap(), 0);
        }
    );
    "fs::TextFile::write" => writes!(|file| file.write(long()).await.unwrap());
    "fs::TextFile::write_lines" => writes!(|file| file.write_lines([long()]).await.unwrap());
    "fs::TextFile::flush" => flushes!(|file| file.flush().await.unwrap());
    "fs::TextFile::sync_all" => flushes!(|file| file.sync_all().await.unwrap());
    "fs::TextFile::close" => flushes!(|file| file.close().await.unwrap());
};

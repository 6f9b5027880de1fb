//! Files: the next operation finds what a dropped one has done, and no byte is read twice, skipped,
//! or written in part.

use std::io::SeekFrom;

use corio::fs::File;

use crate::driver::{Make, awaits, case};
use crate::support::{Folder, Gate, lend, lent, next, poll_once, settle, turns};

const TEXT: &[u8] = b"one\ntwo\nthree\n";

/// An operation on a file, for which the only thread is free only after the stimulus; then a look at
/// the file.
macro_rules! on_file {
    ($opened:expr, |$file:ident| $operation:expr, |$after:ident, $got:ident: $type:ty, $folder:ident| $check:expr) => {{
        let $folder = Folder::with("f", TEXT);
        let path = $folder.at("f");
        let $file = lent(opened(&path, $opened).await);
        let gate = Gate::shut();
        let operation = lend!($file => $operation);
        let stimulus = async move {
            turns().await;
            gate.open().await;
        };
        case(operation, stimulus, async move |$got: Option<$type>| {
            settle().await;
            let mut guard = $file.try_acquire().expect("the operation is over");
            let $after: &mut File = &mut guard;
            $check;
            if !$after.closed() {
                $after.close().await.unwrap();
            }
        })
    }};
}

/// What an operation finds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opened {
    /// The text, at its beginning.
    Text,
    /// Empty, and without a buffer.
    Raw,
    /// Empty, with `new` in its buffer.
    Written,
}

use Opened::{Raw, Text, Written};

async fn opened(path: &std::path::Path, how: Opened) -> File {
    let options = File::options().read(true).write(true);
    match how {
        Text => options.open(path).await.unwrap(),
        Raw => options.truncate(true).buffer(0).open(path).await.unwrap(),
        Written => {
            let mut file = options.truncate(true).open(path).await.unwrap();
            assert_eq!(file.write(b"new").await.unwrap(), 3);
            file
        }
    }
}

/// The bytes that were got and those that are left are all.
macro_rules! reads {
    (|$file:ident| $read:expr) => {
        on_file!(Text, |$file| $read, |after, got: Vec<u8>, _folder| {
            let all = [got.unwrap_or_default(), after.read_all().await.unwrap()].concat();
            assert_eq!(all, TEXT);
        })
    };
}

/// Written as a whole or not at all.
macro_rules! writes {
    (|$file:ident| $write:expr) => {
        on_file!(Raw, |$file| $write, |after, got: usize, folder| {
            after.flush().await.unwrap();
            let there = std::fs::read(folder.at("f")).unwrap();
            assert!(there == b"abcdef" || (there.is_empty() && got.is_none()), "{there:?}");
            assert!(got.is_none_or(|n| n == 6));
        })
    };
}

/// What was in the buffer is with the system in the end.
macro_rules! flushes {
    (|$file:ident| $flush:expr) => {
        on_file!(Written, |$file| $flush, |after, got: (), folder| {
            if got.is_none() && !after.closed() {
                after.flush().await.unwrap();
            }
            assert_eq!(std::fs::read(folder.at("f")).unwrap(), b"new");
        })
    };
}

pub const TABLE: &[(&str, Make)] = awaits! {
    "fs::File::read" => reads!(|file| file.read(Some(4)).await.unwrap());
    "fs::File::read_all" => reads!(|file| file.read_all().await.unwrap());
    "fs::File::read1" => reads!(|file| file.read1(Some(4)).await.unwrap());
    "fs::File::read_line" => reads!(|file| file.read_line(None).await.unwrap());
    "fs::File::read_lines" => reads!(|file| file.read_lines(Some(5)).await.unwrap().concat());
    "fs::FileLines::next_line" => {
        reads!(|file| file.lines().next_line().await.unwrap().unwrap())
    };
    "fs::FileLines as Stream" => {
        reads!(|file| next(&mut file.lines()).await.unwrap().unwrap())
    };
    "fs::File::read_into" => reads!(|file| {
        let (read, mut buffer) = file.read_into(vec![0; 4]).await;
        buffer.truncate(read.unwrap());
        buffer
    });
    "fs::File::peek" => reads!(|file| {
        assert_eq!(file.peek(Some(3)).await.unwrap(), b"one");
        Vec::new()
    });
    "fs::File::read_at" => reads!(|file| {
        assert_eq!(file.read_at(4, vec![0; 3]).await.unwrap(), (3, b"two".to_vec()));
        Vec::new()
    });
    "fs::File::tell" => on_file!(
        Text,
        |file| {
            // A read that was dropped keeps the file at its thread.
            assert!(poll_once(&mut file.read(Some(4))).await.is_none());
            file.tell().await.unwrap()
        },
        |after, got: u64, _folder| {
            assert!(got.is_none_or(|at| at == 0), "the dropped read has taken nothing");
            assert_eq!(after.read_all().await.unwrap(), TEXT);
        }
    );
    "fs::File::seek" => on_file!(
        Text,
        |file| file.seek(SeekFrom::Start(4)).await.unwrap(),
        |after, got: u64, _folder| {
            let at = after.tell().await.unwrap();
            assert!(at == 4 || (at == 0 && got.is_none()));
            assert_eq!(after.read_all().await.unwrap(), TEXT[usize::try_from(at).unwrap()..]);
        }
    );
    "fs::File::truncate" => on_file!(
        Text,
        |file| file.truncate(Some(4)).await.unwrap(),
        |after, got: u64, folder| {
            let size = std::fs::metadata(folder.at("f")).unwrap().len();
            assert!(size == 4 || (size == TEXT.len() as u64 && got.is_none()));
            assert_eq!(after.tell().await.unwrap(), 0);
        }
    );

    "fs::File::write" => writes!(|file| file.write(b"abcdef").await.unwrap());
    "fs::File::write_lines" => writes!(|file| file.write_lines([b"abc", b"def"]).await.unwrap());
    "fs::File::write_at" => on_file!(
        Text,
        |file| file.write_at(0, b"ONE".to_vec()).await.unwrap().0,
        |after, got: usize, folder| {
            let there = std::fs::read(folder.at("f")).unwrap();
            assert!(there.starts_with(b"ONE") || (there == TEXT && got.is_none()));
            assert_eq!(after.tell().await.unwrap(), 0);
        }
    );
    "fs::File::flush" => flushes!(|file| file.flush().await.unwrap());
    "fs::File::finish_writes" => flushes!(|file| file.finish_writes().await.unwrap());
    "fs::File::sync_all" => flushes!(|file| file.sync_all().await.unwrap());
    "fs::File::sync_data" => flushes!(|file| file.sync_data().await.unwrap());
    "fs::File::close" => flushes!(|file| file.close().await.unwrap());
    // The file goes with the wait; what was in its buffer does not.
    "fs::File::into_std" => {
        let folder = Folder::with("f", b"");
        let file = opened(&folder.at("f"), Written).await;
        let gate = Gate::shut();
        let stimulus = async move {
            turns().await;
            gate.open().await;
        };
        case(async move { file.into_std().await.unwrap() }, stimulus, async move |_| {
            // The job of the wait, and the one of the drop.
            settle().await;
            settle().await;
            assert_eq!(std::fs::read(folder.at("f")).unwrap(), b"new");
        })
    };
};

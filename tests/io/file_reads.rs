//! Large reads and writes of files: what they cost, and that none of their bytes is lost.

use std::io::{ErrorKind, SeekFrom};
use std::time::Duration;

use corio::fs::{self, File};

use crate::unix::scratch;
use crate::{everywhere, once, play, plays};

const PIECE: usize = 1 << 20;
const PIECES: usize = 4;

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i / 7 % 251) as u8).collect()
}

/// Read calls of this process so far.
fn read_calls() -> usize {
    let text = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("syscr: ")).unwrap();
    line.parse().unwrap()
}

#[test]
fn a_large_read_is_one_call() {
    // In a process of its own: the system counts for all threads together.
    const TEST: &str = "file_reads::a_large_read_is_one_call";
    /// Polls of the loop, and the look at the count.
    const OTHERS: usize = 4 * PIECES;
    if !plays("reads") {
        let done = play(TEST, "reads", &[]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        return;
    }
    once(async {
        let folder = scratch();
        let path = folder.path().join("file");
        std::fs::write(&path, pattern(PIECE * PIECES)).unwrap();
        let mut file = fs::open(&path, "r").await.unwrap();
        let before = read_calls();
        for _ in 0..PIECES {
            assert_eq!(file.read(Some(PIECE)).await.unwrap().len(), PIECE);
        }
        let calls = read_calls() - before;
        assert!((PIECES..PIECES + OTHERS).contains(&calls), "{calls} calls for {PIECES} reads");
        file.seek(SeekFrom::Start(0)).await.unwrap();
        let (before, mut buffer) = (read_calls(), vec![0; PIECE]);
        for _ in 0..PIECES {
            let (n, back) = file.read_into(buffer).await;
            assert_eq!(n.unwrap(), PIECE);
            buffer = back;
        }
        let calls = read_calls() - before;
        assert!((PIECES..PIECES + OTHERS).contains(&calls), "{calls} calls for {PIECES} reads");
    });
}

#[test]
fn reads_of_all_sizes_meet() {
    everywhere(async || {
        let folder = scratch();
        let path = folder.path().join("file");
        let all = pattern(300_000);
        std::fs::write(&path, &all).unwrap();
        for buffer in [0, 100, 1 << 16] {
            let mut file = File::options().read(true).buffer(buffer).open(&path).await.unwrap();
            let mut seen = Vec::new();
            for size in [3, 99_000, 17, 100, 65_536, 50_000, 1].into_iter().cycle() {
                let bytes = if seen.len() % 2 == 0 {
                    let (n, bytes) = file.read_into(vec![0xff; size]).await;
                    bytes[..n.unwrap()].to_vec()
                } else {
                    file.read(Some(size)).await.unwrap()
                };
                seen.extend_from_slice(&bytes);
                if bytes.len() < size {
                    break;
                }
            }
            assert!(seen == all, "{} bytes with a buffer of {buffer}", seen.len());
            let (n, bytes) = file.read_into(vec![1; 3]).await;
            assert_eq!((n.unwrap(), bytes), (0, vec![1; 3]), "at the end nothing is touched");
            assert_eq!(file.read(Some(usize::MAX)).await.unwrap(), b"");
        }
    });
}

#[test]
fn a_buffer_comes_back_with_an_error() {
    once(async {
        let folder = scratch();
        let path = folder.path().join("file");
        let mut file = fs::open(&path, "w").await.unwrap();
        let (refused, buffer) = file.read_into(vec![7; 9]).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(buffer, [7; 9]);
        file.close().await.unwrap();
        let (refused, buffer) = file.read_into(vec![7; 9]).await;
        assert!(refused.unwrap_err().to_string().contains("closed"));
        assert_eq!(buffer, [7; 9]);
    });
}

/// A dropped read's bytes are those of the next one, whichever way it asks.
#[test]
fn what_a_dropped_read_into_has_read_is_not_lost() {
    once(async {
        let folder = scratch();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let opening = corio::create_task(fs::open(path.clone(), "r"));
        let mut feed = corio::to_thread({
            let path = path.clone();
            move || std::fs::File::options().write(true).open(path).unwrap()
        })
        .await
        .unwrap();
        let mut file = opening.await.unwrap().unwrap();
        // Only the pipe's writer decides when a read ends.
        let reading = corio::timeout(Duration::from_millis(20), file.read_into(vec![0; 100_000]));
        assert!(reading.await.is_err(), "there is nothing to read");
        corio::to_thread(move || {
            use std::io::Write;
            feed.write_all(&pattern(70_000)).unwrap();
        })
        .await
        .unwrap();
        assert!(file.read(None).await.unwrap() == pattern(70_000));
    });
}

/// Who has another descriptor of the file may seek behind its reader's back. What was read ahead is
/// of no place then, which is said as well as it can be, and a seek finds back.
#[test]
fn a_position_that_somebody_else_moved() {
    everywhere(async || {
        let folder = scratch();
        let path = folder.path().join("file");
        std::fs::write(&path, b"0123456789").unwrap();
        let mut file = fs::open(&path, "r").await.unwrap();
        assert_eq!(file.read(Some(1)).await.unwrap(), b"0");
        let other = file.fileno().unwrap().try_clone_to_owned().unwrap();
        rustix::fs::seek(&other, rustix::fs::SeekFrom::Start(2)).unwrap();
        assert_eq!(file.tell().await.unwrap(), 0);
        assert_eq!(file.seek(SeekFrom::Start(5)).await.unwrap(), 5);
        assert_eq!(file.read(Some(2)).await.unwrap(), b"56");
        assert_eq!(file.seek(SeekFrom::Current(1)).await.unwrap(), 8);
        let beyond = file.seek(SeekFrom::Current(i64::MIN)).await.unwrap_err();
        assert_eq!(beyond.kind(), std::io::ErrorKind::InvalidInput);
        assert_eq!(file.read(None).await.unwrap(), b"89");
        file.close().await.unwrap();
    });
}

#[test]
fn large_writes_share_their_memory_and_nothing_else() {
    once(async {
        let folder = scratch();
        let path = folder.path().join("file");
        let mut file = fs::open(&path, "w").await.unwrap();
        let mut expected = Vec::new();
        // Above and below what is kept between writes, and what is buffered.
        for size in [200_000, 10, 3 << 20, 100_000, 65_536, 1, 70_000] {
            let piece: Vec<u8> = pattern(size).into_iter().map(|b| b ^ size as u8).collect();
            assert_eq!(file.write(&piece).await.unwrap(), size);
            expected.extend(piece);
        }
        file.close().await.unwrap();
        assert!(std::fs::read(&path).unwrap() == expected);
    });
}

/// As Python has it: a file that is appended to is at its end.
#[test]
fn a_file_that_is_appended_to_begins_at_its_end() {
    everywhere(async || {
        let folder = scratch();
        let path = folder.path().join("file");
        std::fs::write(&path, b"0123").unwrap();
        let mut file = fs::open(&path, "a").await.unwrap();
        assert_eq!(file.tell().await.unwrap(), 4);
        assert_eq!(file.truncate(None).await.unwrap(), 4, "nothing is cut away");
        file.write(b"45").await.unwrap();
        assert_eq!(file.tell().await.unwrap(), 6);
        file.close().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"012345");
        let mut file = fs::open(&path, "a+").await.unwrap();
        assert_eq!(file.read(None).await.unwrap(), b"");
        file.seek(SeekFrom::Start(4)).await.unwrap();
        assert_eq!(file.read(None).await.unwrap(), b"45");
        file.close().await.unwrap();
        let mut text = fs::open_text(&path, "a").await.unwrap();
        assert_eq!(text.tell().await.unwrap(), 6);
        text.close().await.unwrap();
    });
}

//! A process that is killed while a thread writes what was flushed: what it was told of is there, in
//! order, and nothing that it never wrote.

use std::io::{BufRead, BufReader, Lines, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

use corio::fs::{self, File};
use corio_tests::eventually;

use crate::unix::scratch;
use crate::{once, play, plays};

/// Bytes of one piece: to write them takes the system a while.
const PIECE: usize = 1 << 20;
/// Processes that are killed, each after another number of pieces.
const KILLS: usize = 6;

/// A piece, which tells its number in each of its lines.
fn piece(n: usize) -> String {
    let line = format!("{n:015}\n");
    line.repeat(PIECE / line.len())
}

/// Writes pieces, and tells of each when the system has it.
async fn write_for_ever(way: &str, path: &str) {
    let mut bytes = File::options().write(true).buffer(2 * PIECE).open(path).await.unwrap();
    let mut text = fs::open_text(path, "r+").buffer(2 * PIECE).await.unwrap();
    for n in 0.. {
        match way {
            "bytes" => {
                bytes.write(piece(n)).await.unwrap();
                bytes.flush().await.unwrap();
            }
            "text" => {
                text.write(piece(n)).await.unwrap();
                text.flush().await.unwrap();
            }
            _ => {
                let (mut at, mut rest) = ((n * PIECE) as u64, piece(n).into_bytes());
                while !rest.is_empty() {
                    let (written, mut back) = bytes.write_at(at, rest).await.unwrap();
                    at += written as u64;
                    rest = back.split_off(written);
                }
            }
        }
        println!("done {n}");
    }
}

/// A process of this test, and what it says.
fn writer(test: &str, way: &str, path: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut writer = play(test, way, &[]);
    writer.env("CORIO_TEST_FILE", path).env("TMPDIR", path.parent().unwrap());
    let mut writer = writer.stdout(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(writer.stdout.take().unwrap()).lines();
    (writer, said)
}

fn path() -> String {
    std::env::var("CORIO_TEST_FILE").unwrap()
}

/// The last piece that it was told of, or `None`.
fn told(said: &mut Lines<BufReader<ChildStdout>>, most: usize) -> usize {
    let mut told = 0;
    for line in said.map_while(Result::ok) {
        if let Some((_, n)) = line.split_once("done ") {
            told = n.parse::<usize>().unwrap() + 1;
            if told >= most {
                break;
            }
        }
    }
    told
}

#[test]
fn what_was_flushed_outlives_a_kill_in_the_next_flush() {
    let test = "killed::what_was_flushed_outlives_a_kill_in_the_next_flush";
    let ways = ["bytes", "text", "at"];
    if let Some(way) = ways.into_iter().find(|way| plays(way)) {
        return once(async { write_for_ever(way, &path()).await });
    }
    for way in ways {
        for kill in 1..=KILLS {
            let folder = scratch();
            let path = folder.path().join("file");
            std::fs::write(&path, "").unwrap();
            let (mut child, mut said) = writer(test, way, &path);
            told(&mut said, kill);
            child.kill().unwrap();
            assert!(!child.wait().unwrap().success());
            // It may have been told of more before it was killed.
            let flushed = kill.max(told(&mut said, usize::MAX));
            let there = std::fs::read(&path).unwrap();
            assert!(there.len() >= flushed * PIECE, "{way}: {} of {flushed}", there.len());
            let written: String = (0..=there.len() / PIECE).map(piece).collect();
            assert!(written.as_bytes().starts_with(&there), "{way}: it never wrote that");
        }
    }
}

/// The thread is in the system call when the killer strikes: the pipe is full, and nobody reads it.
#[test]
fn a_kill_in_the_middle_of_a_flush_leaves_its_beginning() {
    let test = "killed::a_kill_in_the_middle_of_a_flush_leaves_its_beginning";
    if plays("writer") {
        return once(async {
            let options = File::options().write(true).buffer(2 * PIECE);
            let mut file = options.open(path()).await.unwrap();
            file.write(piece(0)).await.unwrap();
            println!("done 0");
            file.flush().await.unwrap();
        });
    }
    let folder = scratch();
    let path = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let (mut child, mut said) = writer(test, "writer", &path);
    // This waits until the writer has opened it.
    let mut pipe = std::fs::File::open(&path).unwrap();
    assert_eq!(told(&mut said, 1), 1);
    let capacity = rustix::pipe::fcntl_getpipe_size(&pipe).unwrap();
    eventually("the pipe is full", || {
        let held = rustix::io::ioctl_fionread(&pipe).unwrap();
        (held == capacity as u64).then_some(())
    });
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    let mut there = Vec::new();
    pipe.read_to_end(&mut there).unwrap();
    assert!(there.len() == capacity && piece(0).as_bytes().starts_with(&there));
}

/// Temporary files without a name go with their process, on the disk as well as in memory.
#[test]
fn a_killed_process_leaves_no_temporary_file_without_a_name() {
    let test = "killed::a_killed_process_leaves_no_temporary_file_without_a_name";
    if plays("spooled") {
        return once(async {
            let mut small = fs::spooled_temporary_file(2 * PIECE as u64).await.unwrap();
            let mut large = fs::spooled_temporary_file(PIECE as u64).await.unwrap();
            for n in 0.. {
                let (file, other) = if n == 0 { (&mut small, false) } else { (&mut large, true) };
                file.write(piece(n)).await.unwrap();
                file.flush().await.unwrap();
                assert_eq!(file.is_rolled(), other && n > 1);
                println!("done {n}");
            }
        });
    }
    for kill in [3, 4, 7] {
        let folder = scratch();
        let path = folder.path().join("file");
        let (mut child, mut said) = writer(test, "spooled", &path);
        assert_eq!(told(&mut said, kill), kill);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

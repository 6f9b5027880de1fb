//! Files in the page cache: what the way to them costs, not the disk.

use std::fs;
use std::io::Write;
use std::marker::PhantomData;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::pass::Pass;
use crate::prim::{Positional, Sequential};
use crate::row::{Row, Target};
use crate::rt::Rt;

/// Size of the file in bytes.
const SIZE: usize = 16 << 20;
const SMALL: usize = 4 << 10;
const LARGE: usize = 1 << 20;

/// What is read and written.
static PATTERN: [u8; LARGE] = pattern();

const fn pattern() -> [u8; LARGE] {
    let mut bytes = [0; LARGE];
    let mut at = 0;
    while at < LARGE {
        // Each piece of either size begins with a byte of its own.
        bytes[at] = (at / SMALL % 251) as u8;
        at += SMALL;
    }
    bytes
}

/// What the first bytes of all pieces sum up to.
const fn checksum(piece: usize) -> u64 {
    let (mut sum, mut at) = (0, 0);
    while at < SIZE {
        sum += (at % LARGE / SMALL % 251) as u64;
        at += piece;
    }
    sum
}

/// A file without a name, with these contents; the path leads to it as long as this process lives.
fn file(contents: bool) -> PathBuf {
    static FILES: [OnceLock<fs::File>; 2] = [const { OnceLock::new() }; 2];
    let file = FILES[usize::from(contents)].get_or_init(|| {
        let name = format!("corio-bench-{}-{contents}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut file = fs::File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .expect("the folder for temporary files can be written to");
        fs::remove_file(&path).expect("the file was just made");
        for _ in 0..if contents { SIZE / LARGE } else { 0 } {
            file.write_all(&PATTERN).expect("there is room for the file");
        }
        file
    });
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// A description of a row for each size of piece.
pub trait Piece: Send + Sync + 'static {
    /// Bytes of one read or write.
    const BYTES: usize;
    /// The row of reading.
    const READ: Row;
    /// The row of writing.
    const WRITE: Row;
}

/// 4 KiB.
pub struct Small;

impl Piece for Small {
    const BYTES: usize = SMALL;
    const READ: Row = Row::new(
        "file_read_4k",
        "a task reads a cached file of 16 MiB from its beginning in pieces of 4 KiB; per piece",
    )
    .target(Target::TimesTokio(2.0));
    const WRITE: Row = Row::new(
        "file_write_4k",
        "a task writes a file of 16 MiB in pieces of 4 KiB and flushes; per piece",
    )
    .target(Target::TimesTokio(2.0));
}

/// 1 MiB.
pub struct Large;

impl Piece for Large {
    const BYTES: usize = LARGE;
    const READ: Row = Row::new(
        "file_read_1m",
        "a task reads a cached file of 16 MiB from its beginning in pieces of 1 MiB; per piece",
    );
    const WRITE: Row = Row::new(
        "file_write_1m",
        "a task writes a file of 16 MiB in pieces of 1 MiB and flushes; per piece",
    );
}

/// From the beginning to the end.
pub struct ReadAll<P, F>(PhantomData<(P, F)>);

impl<P: Piece, F: Sequential> Pass for ReadAll<P, F> {
    const ROW: Row = P::READ;
    const OPS: u64 = (SIZE / P::BYTES) as u64;

    fn expected() -> u64 {
        checksum(P::BYTES)
    }

    async fn pass<R: Rt>() -> u64 {
        let mut file = F::open(&file(true)).await.expect("the file is there");
        let (mut buf, mut sum) = (vec![0; P::BYTES], 0);
        for _ in 0..Self::OPS {
            let (n, back) = F::read(&mut file, buf).await.expect("it can be read");
            buf = back;
            sum += if n == P::BYTES { u64::from(buf[0]) } else { u64::MAX / 2 };
        }
        sum
    }
}

/// The same for writing.
pub struct WriteAll<P, F>(PhantomData<(P, F)>);

impl<P: Piece, F: Sequential> Pass for WriteAll<P, F> {
    const ROW: Row = P::WRITE;
    const OPS: u64 = (SIZE / P::BYTES) as u64;

    fn expected() -> u64 {
        SIZE as u64
    }

    async fn pass<R: Rt>() -> u64 {
        let path = file(false);
        let mut file = F::create(&path).await.expect("the file is there");
        for _ in 0..Self::OPS {
            F::write(&mut file, &PATTERN[..P::BYTES]).await.expect("there is room");
        }
        F::flush(&mut file).await.expect("there is room");
        fs::metadata(path).expect("the file is there").len()
    }
}

/// Here and there, without a buffer in between.
pub struct ReadAt<F>(PhantomData<F>);

impl<F: Positional> Pass for ReadAt<F> {
    const ROW: Row = Row::new(
        "file_read_at_4k",
        "a task reads 4 KiB at places all over a cached file of 16 MiB, in turn; per read",
    )
    .target(Target::TimesTokio(1.2));
    const OPS: u64 = (SIZE / SMALL) as u64;

    fn expected() -> u64 {
        checksum(SMALL)
    }

    async fn pass<R: Rt>() -> u64 {
        let mut file = F::open_at(&file(true)).await.expect("the file is there");
        let (mut buf, mut sum) = (vec![0; SMALL], 0);
        for turn in 0..Self::OPS {
            // 1,597 and the number of pieces have no common factor: each piece has its turn.
            let at = turn * 1_597 % Self::OPS * SMALL as u64;
            let (n, back) = F::read_at(&mut file, at, buf).await.expect("it can be read");
            buf = back;
            sum += if n == SMALL { u64::from(buf[0]) } else { u64::MAX / 2 };
        }
        sum
    }
}

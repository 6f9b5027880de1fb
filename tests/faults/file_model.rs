//! Files against a model: any calls in any order, with calls of the system that are cut short, fail once,
//! are interrupted, or find the disk full. Each call that fails is made once more, and nothing is lost,
//! doubled or misplaced.

use std::io::SeekFrom;
use std::ops::Range;

use corio::fs::{self, File};
use corio_tests::Random;

use crate::scratch_path;
use crate::trial::Fault::{Full, Interrupts, Lengths, Survivable};
use crate::trial::{Outcome, tasks};

/// Calls in an order.
const CALLS: usize = 30;
/// Bytes that a call moves, at most: more than the small buffers hold.
const MOVED_MAX: usize = 24;
/// Orders for each buffer.
const SEEDS: u64 = 10;
const BUFFERS: [usize; 6] = [0, 1, 2, 5, 16, 4096];

/// What the file should hold, and where it is.
struct Model {
    bytes: Vec<u8>,
    at: usize,
    random: Random,
    /// What went before, for who has to find out.
    told: Vec<String>,
}

impl Model {
    /// From where it is, at most `n` bytes.
    fn next(&self, n: usize) -> &[u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        &rest[..rest.len().min(n)]
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        if !bytes.is_empty() {
            let end = at + bytes.len();
            self.bytes.resize(self.bytes.len().max(end), 0);
            self.bytes[at..end].copy_from_slice(bytes);
        }
    }

    fn some(&mut self) -> usize {
        self.random.below(MOVED_MAX)
    }

    /// Letters, and ends of lines now and then.
    fn letters(&mut self) -> Vec<u8> {
        let n = self.some();
        (0..n).map(|_| b"abcdefgh\n"[self.random.below(9)]).collect()
    }

    #[track_caller]
    fn is(&self, right: bool, what: &str) {
        assert!(
            right,
            "{what}: the file should be at {} of {:?}: {:#?}",
            self.at,
            self.text(),
            self.told
        );
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// What was read is what comes next, and all that was asked for.
    #[track_caller]
    fn was_read(&mut self, found: &[u8], expected: usize) {
        self.is(found == self.next(expected), &format!("it read {found:?}"));
        self.at += found.len();
    }

    /// What was read is what comes next, which may be less than was asked for.
    #[track_caller]
    fn began(&self, found: &[u8], n: usize) {
        let more = self.next(n);
        let enough = found.is_empty() == more.is_empty();
        self.is(enough && more.starts_with(found), &format!("it read {found:?}"));
    }

    fn line(&self, limit: usize) -> usize {
        let rest = self.next(usize::MAX);
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
        end.min(limit)
    }

    async fn reads(&mut self, file: &mut File, which: usize) -> Outcome {
        let n = self.some();
        match which {
            0 => self.was_read(&again!(file.read(Some(n)))?, n),
            1 => {
                let found = again!(file.read1(Some(n)))?;
                self.began(&found, n);
                self.at += found.len();
            }
            2 => {
                let found = again!(file.peek(Some(n)))?;
                self.began(&found[..found.len().min(n)], n);
            }
            3 => {
                let found = again!(file.read_line(Some(n)))?;
                let expected = self.line(n);
                self.was_read(&found, expected);
            }
            4 => {
                let found = again!(file.read_line(None))?;
                let expected = self.line(usize::MAX);
                self.was_read(&found, expected);
            }
            5 => {
                // The buffer comes back with an error, too.
                let read = async |file: &mut File| match file.read_into(vec![b'?'; n]).await {
                    (Ok(read), buffer) => Ok((read, buffer)),
                    (Err(error), _) => Err(error),
                };
                let (read, buffer) = again!(read(file))?;
                self.began(&buffer[..read], n);
                self.at += read;
            }
            6 => {
                let at = self.random.below(self.bytes.len() + 3);
                let (read, buffer) = again!(file.read_at(at as u64, vec![b'?'; n]))?;
                let here = std::mem::replace(&mut self.at, at);
                self.began(&buffer[..read], n);
                self.at = here;
            }
            _ => self.was_read(&again!(file.read_all())?, usize::MAX),
        }
        Ok(())
    }

    async fn writes(&mut self, file: &mut File, buffer: usize, which: usize) -> Outcome {
        let bytes = self.letters();
        match which {
            0..=2 => {
                let n = again!(file.write(&bytes))?;
                let all = buffer > 0 || bytes.is_empty();
                let enough = if all { n == bytes.len() } else { (1..=bytes.len()).contains(&n) };
                self.is(enough, &format!("{n} of {} were written", bytes.len()));
                self.write(self.at, &bytes[..n]);
                self.at += n;
            }
            3 => {
                let at = self.random.below(self.bytes.len() + 3);
                let (n, back) = again!(file.write_at(at as u64, bytes.clone()))?;
                self.is(n <= bytes.len() && back == bytes, "written at a place");
                self.write(at, &bytes[..n]);
            }
            4 => {
                let cut = self.random.below(self.bytes.len() + 5);
                let size = (cut % 3 > 0).then_some(cut as u64);
                let now = again!(file.truncate(size))?;
                self.bytes.resize(size.map_or(self.at, |size| size as usize), 0);
                self.is(now == self.bytes.len() as u64, "cut");
            }
            _ => again!(file.flush())?,
        }
        Ok(())
    }

    async fn moves(&mut self, file: &mut File) -> Outcome {
        let to = self.random.below(self.bytes.len() + 3);
        let from = match self.random.below(3) {
            0 => SeekFrom::Start(to as u64),
            1 => SeekFrom::Current(to as i64 - self.at as i64),
            _ => SeekFrom::End(to as i64 - self.bytes.len() as i64),
        };
        self.told.push(format!("{from:?}"));
        let found = again!(file.seek(from))?;
        self.at = to;
        self.is(found == to as u64, &format!("it went to {found}"));
        Ok(())
    }
}

/// The same in each run, so that each strikes another call.
async fn orders(seeds: Range<u64>, count: usize) -> Outcome {
    for seed in seeds {
        for buffer in BUFFERS {
            calls(buffer, seed, count).await?;
        }
    }
    Ok(())
}

async fn calls(buffer: usize, seed: u64, count: usize) -> Outcome {
    let random = Random::new(seed * 10_000 + buffer as u64);
    let told = vec![format!("a buffer of {buffer}, the seed {seed}")];
    let mut model = Model { bytes: Vec::new(), at: 0, random, told };
    let options = File::options().read(true).write(true).create(true).truncate(true);
    let mut file = again!(options.clone().buffer(buffer).open(scratch_path("file")))?;
    for _ in 0..count {
        let kind = model.random.below(16);
        model.told.push(format!("call {kind} at {} of {}", model.at, model.bytes.len()));
        match kind {
            0..8 => model.reads(&mut file, kind).await?,
            8..14 => model.writes(&mut file, buffer, kind - 8).await?,
            _ => model.moves(&mut file).await?,
        }
        let place = again!(file.tell())?;
        model.is(place == model.at as u64, &format!("it is at {place}"));
    }
    again!(file.flush())?;
    again!(file.close())?;
    let found = again!(fs::read(scratch_path("file")))?;
    model.is(found == model.bytes, &format!("it holds {:?}", String::from_utf8_lossy(&found)));
    Ok(())
}

#[test]
fn any_calls_in_any_order() {
    async fn run() -> Outcome {
        orders(0..SEEDS, CALLS).await
    }
    const FAULTS: &[crate::Fault] = &[Lengths(MOVED_MAX as u64), Interrupts];
    tasks("file_model::any_calls_in_any_order", FAULTS, run);
}

/// As many runs as there are calls of the system, and bytes: so the orders are few and short.
#[test]
fn any_calls_once_more() {
    async fn run() -> Outcome {
        // `CORIO_FILE_SEED` picks others.
        let picked = std::env::var("CORIO_FILE_SEED");
        let seed = picked.map_or(SEEDS, |seed| seed.parse().expect("a number"));
        orders(seed..seed + 1, CALLS / 3).await
    }
    const FAULTS: &[crate::Fault] =
        &[Survivable(libc::EIO), Survivable(libc::ENOSPC), Survivable(libc::EINTR), Full];
    tasks("file_model::any_calls_once_more", FAULTS, run);
}

//! A file and its buffer: everything that blocks, and what the buffer can answer without blocking.
//!
//! *Invariant.* The buffer is used in one direction at a time. While reading, `buffer[start..]` was
//! read ahead: the system's position is behind it. While writing, the whole buffer has not been
//! written yet.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use rustix::buffer::spare_capacity;
use rustix::io::retry_on_intr;

use super::mode::Mode;
use crate::sys::uninterrupted;

/// Memory that a large read or write takes at a time, in bytes: a file that is shorter than what is
/// asked for costs no more, and what is kept between writes is no larger.
const PIECE_MAX: usize = 2 << 20;

/// A file that is lent to a thread and comes back.
#[derive(Debug)]
pub(super) struct Core {
    file: File,
    buffer: Vec<u8>,
    start: usize,
    writing: bool,
    /// 0: nothing is buffered.
    capacity: usize,
    /// Without a buffer: whether a write goes on until the system has taken all.
    whole: bool,
    mode: Mode,
    /// What an operation failed with that nobody waited for.
    pub(super) deferred: Option<io::Error>,
    /// Where the last read of text began, if the file has positions.
    place: Option<u64>,
    /// How large it may become in memory; `None`: it lies on the disk.
    spool: Option<u64>,
    /// Memory of the last large write, for the next one.
    spare: Vec<u8>,
    /// What a thread has found out for a poll that has no future of its own.
    pub(super) told: Option<Told>,
}

/// The answer of a thread to a trait's method, which may be called again or not.
#[derive(Debug)]
pub(super) enum Told {
    /// The file has ended.
    End,
    /// Where the position is after this seek.
    #[cfg(any(feature = "futures-io", feature = "tokio-io"))]
    At(SeekFrom, u64),
}

impl Core {
    pub(super) fn new(file: File, capacity: usize, mode: Mode) -> Self {
        Self {
            file,
            buffer: Vec::new(),
            start: 0,
            writing: false,
            capacity,
            whole: false,
            mode,
            deferred: None,
            place: None,
            spool: None,
            spare: Vec::new(),
            told: None,
        }
    }

    /// A file whose writes are ready when the system has all of them; it has no buffer.
    pub(super) fn written_through(mut self) -> Self {
        self.whole = true;
        self
    }

    /// A file in memory that goes to the disk when it is larger than `max`.
    pub(super) fn spooled(mut self, max: u64) -> Self {
        self.spool = Some(max);
        self
    }

    pub(super) fn spool(&self) -> Option<u64> {
        self.spool
    }

    /// Goes on with another file, which lies on the disk. Nothing is buffered.
    pub(super) fn replace(&mut self, file: File) {
        self.file = file;
        self.spool = None;
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// What was read ahead.
    pub(super) fn ahead(&self) -> &[u8] {
        if self.writing { &[] } else { &self.buffer[self.start..] }
    }

    /// Whether dropping it would have to write.
    pub(super) fn is_dirty(&self) -> bool {
        self.writing && !self.buffer.is_empty()
    }

    /// What was read ahead, if the file can be read and is not being written.
    pub(super) fn readable_ahead(&self) -> Option<&[u8]> {
        (self.mode.read && !self.writing).then(|| self.ahead())
    }

    /// Notes where a read of text begins: characters that were translated cannot be unread.
    pub(super) fn remember_place(&mut self) {
        self.place = self.tell().ok();
    }

    /// Goes back to where the last read of text began.
    pub(super) fn back_to_place(&mut self) {
        if let Some(place) = self.place.take() {
            self.deferred = self.seek(SeekFrom::Start(place)).err();
        }
    }

    pub(super) fn may_read(&self) -> io::Result<()> {
        if self.mode.read { Ok(()) } else { Err(refused("reading", self.mode)) }
    }

    pub(super) fn may_write(&self) -> io::Result<()> {
        if self.mode.write { Ok(()) } else { Err(refused("writing", self.mode)) }
    }

    pub(super) fn take(&mut self, n: usize) -> Vec<u8> {
        let taken = self.buffer[self.start..self.start + n].to_vec();
        self.skip(n);
        taken
    }

    pub(super) fn skip(&mut self, n: usize) {
        self.start += n;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
    }

    /// Takes bytes back that were read but never reached anybody.
    pub(super) fn unread(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.buffer.splice(..self.start, bytes.iter().copied());
            self.start = 0;
        }
    }

    /// Ends writing, so that the buffer can be read into.
    pub(super) fn begin_read(&mut self) -> io::Result<()> {
        self.may_read()?;
        self.flush()?;
        self.writing = false;
        Ok(())
    }

    /// Reads ahead once; 0 at the end of the file.
    pub(super) fn fill(&mut self) -> io::Result<usize> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        if self.capacity == 0 {
            // Nothing is read ahead: what comes next may be somebody else's.
            let mut byte = [0];
            let n = read_once(&self.file, &mut byte)?;
            self.buffer.extend_from_slice(&byte[..n]);
            return Ok(n);
        }
        if self.buffer.len() < self.capacity {
            self.buffer.reserve_exact(self.capacity);
        } else {
            // A long line: by doubling, or each step could copy what the ones before have read.
            self.buffer.reserve(self.capacity);
        }
        append_once(&self.file, &mut self.buffer)
    }

    /// `read(n)` if what was read ahead suffices.
    pub(super) fn try_read(&mut self, n: Option<usize>) -> Option<Vec<u8>> {
        let n = n?;
        (self.mode.read && self.ahead().len() >= n && !self.writing).then(|| self.take(n))
    }

    /// Exactly `n` bytes unless the file ends; all without a number. If it fails, what it has read
    /// is there for the next read.
    pub(super) fn read(&mut self, n: Option<usize>) -> io::Result<Vec<u8>> {
        self.begin_read()?;
        let mut bytes = self.take(self.ahead().len().min(n.unwrap_or(usize::MAX)));
        let read = match n {
            Some(n) => self.read_more(n, &mut bytes),
            None => self.file.read_to_end(&mut bytes).map(drop),
        };
        match read {
            Ok(()) => Ok(bytes),
            Err(error) => {
                self.unread(&bytes);
                Err(error)
            }
        }
    }

    /// Appends until there are `n` bytes or the file ends; nothing is read ahead yet.
    fn read_more(&mut self, n: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
        while bytes.len() < n {
            let missing = n - bytes.len();
            if missing >= self.capacity {
                // Large reads bypass the buffer.
                bytes.reserve_exact(missing.min(PIECE_MAX));
                if append_once(&self.file, bytes)? == 0 {
                    break;
                }
                if bytes.len() > n {
                    // There was more memory than asked for.
                    self.unread(&bytes.split_off(n));
                }
            } else {
                if self.fill()? == 0 {
                    break;
                }
                let more = self.take(self.ahead().len().min(missing));
                bytes.extend_from_slice(&more);
            }
        }
        Ok(())
    }

    /// `read_into` if what was read ahead suffices.
    pub(super) fn try_read_into(&mut self, bytes: &mut [u8]) -> bool {
        let enough = self.mode.read && !self.writing && self.ahead().len() >= bytes.len();
        if enough {
            self.take_into(bytes);
        }
        enough
    }

    /// Moves what was read ahead, as far as there is room.
    fn take_into(&mut self, bytes: &mut [u8]) -> usize {
        let n = self.ahead().len().min(bytes.len());
        bytes[..n].copy_from_slice(&self.ahead()[..n]);
        self.skip(n);
        n
    }

    /// Fills `bytes` unless the file ends; large ones straight from the system.
    pub(super) fn read_into(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.begin_read()?;
        let mut filled = self.take_into(bytes);
        while filled < bytes.len() {
            let rest = &mut bytes[filled..];
            let read = if rest.len() >= self.capacity {
                read_once(&self.file, rest)
            } else {
                self.fill().map(|_| self.take_into(rest))
            };
            match read {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) => {
                    self.unread(&bytes[..filled]);
                    return Err(error);
                }
            }
        }
        Ok(filled)
    }

    /// `read1(n)` or `peek` if something was read ahead.
    pub(super) fn try_some(&mut self, n: Option<usize>, keep: bool) -> Option<Vec<u8>> {
        if !self.mode.read || self.ahead().is_empty() {
            return None;
        }
        let n = self.ahead().len().min(n.unwrap_or(usize::MAX));
        Some(if keep { self.ahead()[..n].to_vec() } else { self.take(n) })
    }

    /// At most one system call's worth, at least one byte unless the file ends.
    pub(super) fn some(&mut self, n: Option<usize>, keep: bool) -> io::Result<Vec<u8>> {
        self.begin_read()?;
        if self.ahead().is_empty() && n != Some(0) {
            self.fill()?;
        }
        Ok(self.try_some(n, keep).unwrap_or_default())
    }

    /// Takes `bytes` into the buffer if they fit and nothing has to be done before.
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> bool {
        let fits = self.mode.write
            && !self.outgrows(bytes.len())
            && (self.writing || self.buffer.is_empty())
            && self.buffer.len() + bytes.len() <= self.capacity;
        if fits {
            self.writing = true;
            self.buffer.extend_from_slice(bytes);
        }
        fits
    }

    /// Memory for what a thread is to write.
    pub(super) fn take_spare(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.spare)
    }

    /// Writes memory of [`Core::take_spare`], and keeps it for the next time.
    pub(super) fn write_spare(&mut self, mut bytes: Vec<u8>, through: bool) -> io::Result<usize> {
        let written = if through { self.write_through(&bytes) } else { self.write(&bytes) };
        if bytes.capacity() <= PIECE_MAX {
            bytes.clear();
            self.spare = bytes;
        }
        written
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.may_write()?;
        self.forget_ahead()?;
        if self.outgrows(bytes.len()) {
            self.roll()?;
        }
        self.writing = true;
        if self.capacity == 0 {
            // Only what a trait's method has accepted can be there.
            self.flush()?;
            if self.whole {
                return self.file.write_all(bytes).map(|()| bytes.len());
            }
            return uninterrupted(|| self.file.write(bytes));
        }
        if self.buffer.len() + bytes.len() > self.capacity {
            self.flush()?;
        }
        if bytes.len() < self.capacity {
            self.buffer.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        match write_all(&self.file, bytes) {
            // Nobody can tell who is refused how much of it is there: so he is refused nothing,
            // and the rest is written, or refused, by what comes next.
            (written, Err(_)) if written > 0 => self.buffer.extend_from_slice(&bytes[written..]),
            (_, written) => written?,
        }
        Ok(bytes.len())
    }

    /// Writes, and flushes. If it fails, nothing of `bytes` was taken.
    fn write_through(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.may_write()?;
        self.forget_ahead()?;
        if self.outgrows(bytes.len()) {
            self.roll()?;
        }
        self.writing = true;
        self.buffer.extend_from_slice(bytes);
        if let Err(error) = self.flush() {
            let left = self.buffer.len();
            if left >= bytes.len() {
                self.buffer.truncate(left - bytes.len());
                return Err(error);
            }
        }
        Ok(bytes.len())
    }

    /// Takes the system's position back to where the reader is.
    pub(super) fn forget_ahead(&mut self) -> io::Result<()> {
        let ahead = self.ahead().len();
        if ahead > 0 {
            self.file.seek(SeekFrom::Current(-(ahead as i64)))?;
            self.buffer.clear();
            self.start = 0;
        }
        Ok(())
    }

    /// Gives what was written to the system.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if !self.is_dirty() {
            return Ok(());
        }
        let (written, result) = write_all(&self.file, &self.buffer);
        // What could not be written stays, for another attempt.
        self.buffer.drain(..written);
        result
    }

    /// Flushes for the last time: what cannot be written is lost. Then it tells what an operation
    /// failed with that nobody waited for.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let deferred = self.deferred.take().map_or(Ok(()), Err);
        let flushed = self.flush();
        if flushed.is_err() {
            self.buffer.clear();
        }
        flushed.and(deferred)
    }

    pub(super) fn sync(&mut self, all: bool) -> io::Result<()> {
        self.flush()?;
        if all { self.file.sync_all() } else { self.file.sync_data() }
    }

    pub(super) fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.flush()?;
        let ahead = self.ahead().len() as i64;
        let to = match to {
            // From where the reader is, which the system does not know.
            SeekFrom::Current(n) => match n.checked_sub(ahead) {
                Some(n) => SeekFrom::Current(n),
                None => return Err(io::ErrorKind::InvalidInput.into()),
            },
            SeekFrom::Start(_) | SeekFrom::End(_) => to,
        };
        let at = self.file.seek(to)?;
        self.skip(ahead as usize);
        Ok(at)
    }

    /// Where the next byte is read or written.
    pub(super) fn tell(&mut self) -> io::Result<u64> {
        let at = self.file.stream_position()?;
        if self.writing {
            return Ok(at + self.buffer.len() as u64);
        }
        // Somebody may have sought back by another descriptor of the file: then what was read ahead
        // has no place any more. CPython says 0, too.
        Ok(at.saturating_sub(self.ahead().len() as u64))
    }

    /// Cuts or extends the file; the position stays. Returns the size.
    pub(super) fn truncate(&mut self, size: Option<u64>) -> io::Result<u64> {
        self.may_write()?;
        self.flush()?;
        self.forget_ahead()?;
        let size = match size {
            Some(size) => size,
            None => self.tell()?,
        };
        self.file.set_len(size)?;
        Ok(size)
    }

    pub(super) fn read_at(&mut self, at: u64, bytes: &mut [u8]) -> io::Result<usize> {
        use std::os::unix::fs::FileExt;
        self.may_read()?;
        self.flush()?;
        uninterrupted(|| self.file.read_at(bytes, at))
    }

    pub(super) fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<usize> {
        use std::os::unix::fs::FileExt;
        self.may_write()?;
        self.flush()?;
        self.forget_ahead()?;
        uninterrupted(|| self.file.write_at(bytes, at))
    }

    /// The file, flushed, unless an operation has failed that nobody waited for.
    pub(super) fn detach(mut self) -> io::Result<File> {
        self.flush()?;
        self.forget_ahead()?;
        match self.deferred.take() {
            Some(error) => Err(error),
            None => self.file.try_clone(),
        }
    }
}

/// What the traits of files need.
#[cfg(any(feature = "futures-io", feature = "tokio-io"))]
impl Core {
    /// Reads ahead for a poll that has room for so many bytes, once.
    pub(super) fn read_ahead(&mut self, room: usize) -> io::Result<()> {
        self.begin_read()?;
        if !self.ahead().is_empty() {
            return Ok(());
        }
        let n = if self.capacity == 0 {
            // Not more than was asked for: what comes behind it may be somebody else's.
            let mut bytes = vec![0; room.min(PIECE_MAX)];
            let n = read_once(&self.file, &mut bytes)?;
            self.buffer.extend_from_slice(&bytes[..n]);
            n
        } else {
            self.buffer.reserve_exact(room.min(PIECE_MAX).max(self.capacity));
            append_once(&self.file, &mut self.buffer)?
        };
        if n == 0 {
            self.told = Some(Told::End);
        }
        Ok(())
    }

    /// Takes as much of `bytes` as there is memory for; a thread is to write it.
    pub(super) fn accept(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.forget_ahead()?;
        let n = bytes.len().min(PIECE_MAX.saturating_sub(self.buffer.len()));
        self.writing = true;
        self.buffer.extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    /// Gives what was accepted to the system.
    pub(super) fn write_back(&mut self) -> io::Result<()> {
        if self.outgrows(0) {
            self.roll()?;
        }
        self.flush()
    }
}

/// Writes, and tells how much was written if it fails half-way.
fn write_all(mut file: &File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(n) => written += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// One read into initialized memory.
fn read_once(file: &File, bytes: &mut [u8]) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::io::read(file, &mut *bytes))?)
}

/// One read into the room behind what a vector holds.
fn append_once(file: &File, bytes: &mut Vec<u8>) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::io::read(file, spare_capacity(bytes)))?)
}

/// Nobody hears of an error here: `close` tells.
impl Drop for Core {
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

fn refused(what: &str, mode: Mode) -> io::Error {
    let message = format!("the file is not open for {what} (its mode is {})", mode.name());
    io::Error::new(io::ErrorKind::Unsupported, message)
}

//! Text files: UTF-8, in Python's terms.
//!
//! *How.* The same file and buffer as of bytes: a read decodes from the buffer and leaves what it
//! does not need, so there is no second buffer, and the position is always that of a character.

pub(in crate::fs) mod decode;
mod lines;
mod open;

use std::fmt;
use std::io::{self, SeekFrom};
use std::os::fd::BorrowedFd;
use std::path::Path;

use super::core::Core;
use super::file::{Call, CoreAccess, File, Operation};
use super::finish::{CloseFile, FileTell};
use super::op::FileOp;
use super::operations::{FlushOp, SyncAllOp, TruncateOp, WriteOp};
pub use decode::{DecodeError, DecodeErrors, Newline};
use decode::{Decoded, Format, Goal, encode};
pub use lines::{NextTextLine, TextLines};
pub use open::{OpenText, open_text};

/// A text file. What [`File`] promises about dropped operations, flushing and closing holds here.
///
/// aiofiles: `AsyncTextIOWrapper`.
///
/// # Examples
///
/// ```
/// use corio_io::fs::{self, DecodeErrors, Newline};
///
/// # corio_runtime::run(async {
/// # let folder = fs::temporary_directory().await?;
/// # let path = folder.path().join("text");
/// let mut file = fs::open_text(&path, "w+").newline(Newline::Lf).await?;
/// assert!(file.readable() && file.writable() && file.seekable() && !file.is_terminal());
/// assert_eq!((file.path(), file.mode().as_str()), (&*path, "w+"));
/// assert_eq!(file.write_lines(["día\n", "noche\n", "más"]).await?, 13, "characters");
/// file.flush().await?;
/// file.truncate(Some(11)).await?;
/// file.sync_all().await?;
/// assert_eq!(file.get_ref().mode(), "wb+");
/// file.close().await?;
/// assert!(file.closed());
///
/// let mut file = fs::open_text(&path, "r").errors(DecodeErrors::Replace).await?;
/// assert_eq!(file.read(Some(2)).await?, "dí");
/// assert_eq!(file.read_line(None).await?, "a\n");
/// assert_eq!(file.lines().next_line().await.unwrap()?, "noche\n");
/// assert!(file.read_lines(None).await?.is_empty());
/// assert_eq!(file.into_inner().tell().await?, 11, "bytes");
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
pub struct TextFile {
    file: File,
    format: Format,
    /// Whether each line is flushed.
    by_lines: bool,
}

/// The operation of [`TextFile::read`] and [`TextFile::read_line`].
#[derive(Debug)]
pub struct ReadTextOp {
    format: Format,
    goal: Goal,
}

/// The operation of [`TextFile::read_lines`].
#[derive(Debug)]
pub struct ReadTextLinesOp {
    format: Format,
    hint: Option<usize>,
}

/// The operation of [`TextFile::write`] and [`TextFile::write_lines`].
#[derive(Debug)]
pub struct WriteTextOp {
    bytes: WriteOp<Vec<u8>>,
    characters: usize,
}

impl Operation for ReadTextOp {
    type Output = String;

    fn at_once(&mut self, core: &mut CoreAccess<'_>) -> Option<String> {
        core.0.try_text(self.format, self.goal)
    }

    fn on_thread(self) -> Call<String> {
        Call(Box::new(move |core| {
            core.remember_place();
            core.text(self.format, self.goal)
        }))
    }

    fn unheard(core: &mut CoreAccess<'_>, _output: String) {
        core.0.back_to_place();
    }
}

impl Operation for ReadTextLinesOp {
    type Output = Vec<String>;

    fn at_once(&mut self, _core: &mut CoreAccess<'_>) -> Option<Vec<String>> {
        None
    }

    fn on_thread(self) -> Call<Vec<String>> {
        Call(Box::new(move |core| {
            core.remember_place();
            let goal = Goal { limit: usize::MAX, line: true };
            let (mut lines, mut total) = (Vec::new(), 0);
            loop {
                let line = match core.text(self.format, goal) {
                    Ok(line) => line,
                    Err(error) => return Err(with_lines_before(error, &lines)),
                };
                total += line.chars().count();
                if line.is_empty() {
                    return Ok(lines);
                }
                lines.push(line);
                if self.hint.is_some_and(|hint| hint > 0 && total > hint) {
                    return Ok(lines);
                }
            }
        }))
    }

    fn unheard(core: &mut CoreAccess<'_>, _output: Vec<String>) {
        core.0.back_to_place();
    }
}

impl Operation for WriteTextOp {
    type Output = usize;

    fn at_once(&mut self, core: &mut CoreAccess<'_>) -> Option<usize> {
        self.bytes.at_once(core).map(|_| self.characters)
    }

    fn on_thread(self) -> Call<usize> {
        let Call(write) = self.bytes.on_thread();
        let characters = self.characters;
        Call(Box::new(move |core| write(core).map(|_| characters)))
    }
}

/// The operation of [`TextFile::seek`].
#[derive(Debug)]
pub struct SeekTextOp(SeekFrom);

impl Operation for SeekTextOp {
    type Output = u64;

    fn at_once(&mut self, _core: &mut CoreAccess<'_>) -> Option<u64> {
        None
    }

    fn on_thread(self) -> Call<u64> {
        Call(Box::new(move |core| match self.0 {
            to @ (SeekFrom::Start(_) | SeekFrom::Current(0) | SeekFrom::End(0)) => core.seek(to),
            SeekFrom::Current(_) | SeekFrom::End(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a text file can be sought from its start only, by what tell has returned",
            )),
        }))
    }
}

impl Core {
    /// `text` if the buffer suffices; else nothing is used up.
    fn try_text(&mut self, format: Format, goal: Goal) -> Option<String> {
        let ahead = self.readable_ahead()?;
        let mut read = Decoded::default();
        let used = read.feed(ahead, false, format, goal).ok()?;
        if !read.is_done(goal) {
            return None;
        }
        self.skip(used);
        Some(read.text)
    }

    /// Reads until the goal or the end of the file.
    fn text(&mut self, format: Format, goal: Goal) -> io::Result<String> {
        self.begin_read()?;
        let (mut read, mut last) = (Decoded::default(), false);
        loop {
            match read.feed(self.ahead(), last, format, goal) {
                Ok(used) => self.skip(used),
                Err((used, error)) => {
                    self.skip(used);
                    return Err(error.into());
                }
            }
            if last || read.is_done(goal) {
                return Ok(read.text);
            }
            last = match self.fill() {
                Ok(read) => read == 0,
                Err(error) => {
                    // What was decoded so far is there for the next read.
                    self.back_to_place();
                    return Err(error);
                }
            };
        }
    }
}

/// What a read of lines fails with: bytes that are no UTF-8 come with all lines before them.
fn with_lines_before(mut error: io::Error, lines: &[String]) -> io::Error {
    let inner = error.get_mut().and_then(|inner| inner.downcast_mut::<DecodeError>());
    if let Some(wrong) = inner {
        wrong.before.insert_str(0, &lines.concat());
    }
    error
}

impl TextFile {
    /// Reads exactly `n` characters, fewer only at the end of the file; with `None` all until the
    /// end.
    ///
    /// # Errors
    ///
    /// `InvalidData` with a [`DecodeError`] for bytes that are no UTF-8. Else as [`File::read`].
    ///
    /// # Cancel safety
    ///
    /// Strict: the next read begins where a dropped one did. Not in a file without positions, such
    /// as a pipe.
    #[track_caller]
    pub fn read(&mut self, n: Option<usize>) -> FileOp<'_, ReadTextOp> {
        self.read_goal(n, false)
    }

    /// Reads a line with its end, at most `limit` characters of it; nothing at the end of the file.
    ///
    /// # Errors
    ///
    /// As [`TextFile::read`].
    ///
    /// # Cancel safety
    ///
    /// As [`TextFile::read`].
    #[doc(alias = "readline")]
    #[track_caller]
    pub fn read_line(&mut self, limit: Option<usize>) -> FileOp<'_, ReadTextOp> {
        self.read_goal(limit, true)
    }

    #[track_caller]
    fn read_goal(&mut self, limit: Option<usize>, line: bool) -> FileOp<'_, ReadTextOp> {
        let goal = Goal { limit: limit.unwrap_or(usize::MAX), line };
        let format = self.format;
        self.file.operation(ReadTextOp { format, goal })
    }

    /// Reads all lines; with a hint only until they have more than so many characters
    /// together.
    ///
    /// # Errors
    ///
    /// As [`TextFile::read`].
    ///
    /// # Cancel safety
    ///
    /// As [`TextFile::read`].
    #[doc(alias = "readlines")]
    #[track_caller]
    pub fn read_lines(&mut self, hint: Option<usize>) -> FileOp<'_, ReadTextLinesOp> {
        let format = self.format;
        self.file.operation(ReadTextLinesOp { format, hint })
    }

    /// The lines of the file from here on; Python's `async for`.
    pub fn lines(&mut self) -> TextLines<'_> {
        TextLines { file: self }
    }

    /// Writes all of it, and returns how many characters.
    ///
    /// # Errors
    ///
    /// As [`File::write`].
    ///
    /// # Cancel safety
    ///
    /// Lossy: what has begun runs to its end.
    #[track_caller]
    pub fn write(&mut self, text: impl AsRef<str>) -> FileOp<'_, WriteTextOp> {
        let text = text.as_ref();
        let bytes = encode(text, self.format.newline);
        let through = self.by_lines && memchr::memchr2(b'\n', b'\r', &bytes).is_some();
        let bytes = WriteOp::new(bytes).flushed(through);
        self.file.operation(WriteTextOp { bytes, characters: text.chars().count() })
    }

    /// Writes several pieces, without anything between them. Python: `writelines`.
    ///
    /// # Errors
    ///
    /// As [`File::write`].
    ///
    /// # Cancel safety
    ///
    /// Lossy: what has begun runs to its end.
    #[doc(alias = "writelines")]
    #[track_caller]
    pub fn write_lines<T: AsRef<str>>(
        &mut self,
        lines: impl IntoIterator<Item = T>,
    ) -> FileOp<'_, WriteTextOp> {
        let mut all = String::new();
        lines.into_iter().for_each(|line| all.push_str(line.as_ref()));
        self.write(all)
    }

    /// Moves the position: to the start, to the end, or to what [`tell`](Self::tell) has returned.
    /// Characters have different lengths, so there are no other places that are known to be between
    /// two of them.
    ///
    /// # Errors
    ///
    /// `Unsupported` for other distances from the end or from here, as in Python. Else as
    /// [`File::seek`].
    ///
    /// # Cancel safety
    ///
    /// As [`File::seek`].
    #[track_caller]
    pub fn seek(&mut self, to: SeekFrom) -> FileOp<'_, SeekTextOp> {
        self.file.operation(SeekTextOp(to))
    }

    /// Where the next character is read or written, as something to give to [`seek`](Self::seek).
    ///
    /// # Errors
    ///
    /// As [`File::tell`].
    ///
    /// # Cancel safety
    ///
    /// As [`File::tell`].
    #[track_caller]
    pub fn tell(&mut self) -> FileTell<'_> {
        self.file.tell()
    }

    /// Cuts or extends the file, in bytes, to the position by default, and returns the size. The
    /// position stays.
    ///
    /// # Errors
    ///
    /// As [`File::truncate`].
    ///
    /// # Cancel safety
    ///
    /// As [`File::truncate`].
    #[track_caller]
    pub fn truncate(&mut self, size: Option<u64>) -> FileOp<'_, TruncateOp> {
        self.file.truncate(size)
    }

    /// See [`File::flush`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As [`File::flush`].
    #[track_caller]
    pub fn flush(&mut self) -> FileOp<'_, FlushOp> {
        self.file.flush()
    }

    /// See [`File::sync_all`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As [`File::sync_all`].
    #[track_caller]
    pub fn sync_all(&mut self) -> FileOp<'_, SyncAllOp> {
        self.file.sync_all()
    }

    /// See [`File::close`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As [`File::close`].
    #[track_caller]
    pub fn close(&mut self) -> CloseFile<'_> {
        self.file.close()
    }

    /// The mode as Python writes it, such as `"r+"`.
    #[must_use]
    pub fn mode(&self) -> String {
        self.file.mode().replace('b', "")
    }

    /// The path that it was opened by. Python: `name`.
    #[must_use]
    #[doc(alias = "name")]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Whether it was opened for reading.
    #[must_use]
    pub fn readable(&self) -> bool {
        self.file.readable()
    }

    /// Whether it was opened for writing.
    #[must_use]
    pub fn writable(&self) -> bool {
        self.file.writable()
    }

    /// As [`File::seekable`].
    #[must_use]
    pub fn seekable(&self) -> bool {
        self.file.seekable()
    }

    /// As [`File::is_terminal`]. Python: `isatty`.
    #[must_use]
    #[doc(alias = "isatty")]
    pub fn is_terminal(&self) -> bool {
        self.file.is_terminal()
    }

    /// As [`File::fileno`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn fileno(&self) -> io::Result<BorrowedFd<'_>> {
        self.file.fileno()
    }

    /// Whether it was closed.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.file.closed()
    }

    /// The file of bytes. Python: `buffer`.
    #[must_use]
    #[doc(alias = "buffer")]
    pub fn get_ref(&self) -> &File {
        &self.file
    }

    /// The file of bytes, at the same position. Python: `detach`.
    #[must_use]
    #[doc(alias = "detach")]
    pub fn into_inner(self) -> File {
        self.file
    }
}

impl fmt::Debug for TextFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextFile")
            .field("file", &self.file)
            .field("newline", &self.format.newline)
            .field("errors", &self.format.errors)
            .finish()
    }
}

//! The operations of a file: each has an answer from the buffer, if there is one, and a call for a
//! thread.

use std::io::{self, SeekFrom};

use super::core::Core;
use super::file::{Call, CoreAccess, File, Operation};
use super::finish::{CloseFile, IntoStd};
use super::op::FileOp;
use crate::made::Made;

/// Defines operations: a method of [`File`], the operation's type, its two bodies.
macro_rules! operations {
    ($(
        $(#[$doc:meta])*
        fn $method:ident($($arg:ident: $type:ty),*) -> $output:ty, $op:ident;
        at_once: |$quick:ident| $at_once:expr;
        on_thread: |$core:ident| $on_thread:expr;
        $(in_any_case: $in_any_case:literal;)?
        $(unheard: |$back:ident, $output_back:ident| $unheard:expr;)?
    )*) => {$(
        #[doc = concat!("The operation of [`File::", stringify!($method), "`].")]
        #[derive(Debug)]
        pub struct $op {
            $($arg: $type),*
        }

        impl Operation for $op {
            type Output = $output;
            $(const IN_ANY_CASE: bool = $in_any_case;)?

            fn at_once(&mut self, core: &mut CoreAccess<'_>) -> Option<$output> {
                let Self { $($arg),* } = self;
                let _ = ($(&*$arg,)*);
                let $quick = &mut *core.0;
                $at_once
            }

            fn on_thread(self) -> Call<$output> {
                let Self { $($arg),* } = self;
                Call(Box::new(move |$core: &mut Core| $on_thread))
            }

            $(fn unheard(core: &mut CoreAccess<'_>, $output_back: $output) {
                let $back = &mut *core.0;
                $unheard
            })?
        }

        impl File {
            $(#[$doc])*
            ///
            /// # Errors
            ///
            /// The system's; that the file is closed; or what an operation failed with that was
            /// dropped before.
            ///
            /// # Cancel safety
            ///
            /// Strict for the bytes of the file: the next read gets those of a read that was
            /// dropped. What else has begun runs to its end, and its result is lost.
            #[track_caller]
            pub fn $method(&mut self, $($arg: $type),*) -> FileOp<'_, $op> {
                self.operation($op { $($arg),* })
            }
        }
    )*};
}

operations! {
    /// Reads exactly `n` bytes, fewer only at the end of the file; with `None` all until the end.
    ///
    /// See [`read_into`](Self::read_into) for an example.
    fn read(n: Option<usize>) -> Vec<u8>, ReadOp;
    at_once: |core| core.try_read(*n);
    on_thread: |core| core.read(n);
    unheard: |core, bytes| core.unread(&bytes);

    /// Reads all until the end. Python: `readall`.
    ///
    /// See [`read_into`](Self::read_into) for an example.
    #[doc(alias = "readall")]
    fn read_all() -> Vec<u8>, ReadAllOp;
    at_once: |_core| None;
    on_thread: |core| core.read(None);
    unheard: |core, bytes| core.unread(&bytes);

    /// Reads at most `n` bytes by at most one system call, at least one unless the file ends.
    ///
    /// See [`read_into`](Self::read_into) for an example.
    fn read1(n: Option<usize>) -> Vec<u8>, Read1Op;
    at_once: |core| core.try_some(*n, false);
    on_thread: |core| core.some(n, false);
    unheard: |core, bytes| core.unread(&bytes);

    /// As [`File::read1`], but the position stays.
    ///
    /// See [`read_into`](Self::read_into) for an example.
    fn peek(n: Option<usize>) -> Vec<u8>, PeekOp;
    at_once: |core| core.try_some(*n, true);
    on_thread: |core| core.some(n, true);

    /// Reads a line with its `\n`, at most `limit` bytes of it; nothing at the end of the file.
    ///
    /// See [`read_into`](Self::read_into) for an example.
    #[doc(alias = "readline")]
    fn read_line(limit: Option<usize>) -> Vec<u8>, ReadLineOp;
    at_once: |core| core.try_line(*limit);
    on_thread: |core| core.line(limit);
    unheard: |core, bytes| core.unread(&bytes);

    /// Reads all lines; with a hint only until they have more than so many bytes together.
    ///
    /// See [`read_into`](Self::read_into) for an example.
    #[doc(alias = "readlines")]
    fn read_lines(hint: Option<usize>) -> Vec<Vec<u8>>, ReadLinesOp;
    at_once: |_core| None;
    on_thread: |core| core.lines(hint);
    unheard: |core, lines| core.unread(&lines.concat());

    /// Moves the position, and returns it in bytes from the start.
    ///
    /// See [`tell`](Self::tell) for an example.
    fn seek(to: SeekFrom) -> u64, SeekOp;
    at_once: |_core| None;
    on_thread: |core| core.seek(to);

    /// Cuts or extends the file, to the position by default, and returns the size. The position
    /// stays.
    ///
    /// See [`into_std`](Self::into_std) for an example.
    fn truncate(size: Option<u64>) -> u64, TruncateOp;
    at_once: |_core| None;
    on_thread: |core| core.truncate(size);

    /// Gives what was written to the system: it outlives this process then.
    ///
    /// See [`into_std`](Self::into_std) for an example.
    fn flush() -> (), FlushOp;
    at_once: |core| (!core.is_dirty()).then_some(());
    on_thread: |core| core.flush();

    /// Flushes for the last time: what cannot be written is lost.
    ///
    /// See [`into_std`](Self::into_std) for an example.
    fn finish_writes() -> (), FinishWritesOp;
    at_once: |core| (!core.is_dirty() && core.deferred.is_none()).then_some(());
    on_thread: |core| core.finish();
    in_any_case: true;

    /// Gives what was written to the disk, with the file's metadata.
    ///
    /// See [`into_std`](Self::into_std) for an example.
    fn sync_all() -> (), SyncAllOp;
    at_once: |_core| None;
    on_thread: |core| core.sync(true);

    /// Gives what was written to the disk.
    ///
    /// See [`into_std`](Self::into_std) for an example.
    fn sync_data() -> (), SyncDataOp;
    at_once: |_core| None;
    on_thread: |core| core.sync(false);

    /// Reads at a place, up to the length of `buffer`; the position stays. Returns how much was
    /// read, and the buffer.
    ///
    /// See [`read_into`](Self::read_into) for an example.
    fn read_at(at: u64, buffer: Vec<u8>) -> (usize, Vec<u8>), ReadAtOp;
    at_once: |_core| None;
    on_thread: |core| {
        let mut buffer = buffer;
        core.read_at(at, &mut buffer).map(|n| (n, buffer))
    };

    /// Writes at a place; the position stays. Returns how much was written, and the bytes.
    ///
    /// See [`into_std`](Self::into_std) for an example.
    fn write_at(at: u64, bytes: Vec<u8>) -> (usize, Vec<u8>), WriteAtOp;
    at_once: |_core| None;
    on_thread: |core| core.write_at(at, &bytes).map(|n| (n, bytes));
}

/// The operation of [`File::write`] and [`File::write_lines`].
#[derive(Debug)]
pub struct WriteOp<B> {
    bytes: B,
    /// Memory of the file, for the thread that is to write.
    copy: Vec<u8>,
    /// Whether it is flushed.
    through: bool,
}

impl<B: AsRef<[u8]>> WriteOp<B> {
    pub(super) fn new(bytes: B) -> Self {
        Self { bytes, copy: Vec::new(), through: false }
    }

    pub(super) fn flushed(self, through: bool) -> Self {
        Self { through, ..self }
    }
}

impl<B: AsRef<[u8]> + Unpin> Operation for WriteOp<B> {
    type Output = usize;

    fn at_once(&mut self, core: &mut CoreAccess<'_>) -> Option<usize> {
        let bytes = self.bytes.as_ref();
        if !self.through && core.0.try_write(bytes) {
            return Some(bytes.len());
        }
        self.copy = core.0.take_spare();
        None
    }

    fn on_thread(self) -> Call<usize> {
        let Self { bytes, mut copy, through } = self;
        copy.extend_from_slice(bytes.as_ref());
        Call(Box::new(move |core| core.write_spare(copy, through)))
    }
}

/// The operation of [`File::read_into`].
#[derive(Debug)]
pub struct ReadIntoOp {
    pub(super) buffer: Vec<u8>,
}

impl Operation for ReadIntoOp {
    type Output = (io::Result<usize>, Vec<u8>);

    fn at_once(&mut self, core: &mut CoreAccess<'_>) -> Option<Self::Output> {
        let n = self.buffer.len();
        core.0.try_read_into(&mut self.buffer).then(|| (Ok(n), std::mem::take(&mut self.buffer)))
    }

    fn on_thread(self) -> Call<Self::Output> {
        let Self { mut buffer } = self;
        Call(Box::new(move |core| {
            let read = core.read_into(&mut buffer);
            Ok((read, buffer))
        }))
    }

    fn unheard(core: &mut CoreAccess<'_>, (read, buffer): Self::Output) {
        match read {
            Ok(n) => core.0.unread(&buffer[..n]),
            Err(error) => core.0.deferred = Some(error),
        }
    }
}

impl File {
    /// Writes, and returns how many bytes: all of them, unless nothing is buffered.
    ///
    /// # Errors
    ///
    /// The system's; that the file is closed, or not open for writing; or what an operation failed
    /// with that was dropped before. None of the bytes was taken then, and all of them may be written
    /// again. If the system takes a part of them and refuses the rest, as where the disk is full, this
    /// is no error yet: the rest stays in the buffer, and the next call that writes, a
    /// [`flush`](Self::flush) for one, tries again and tells.
    ///
    /// # Cancel safety
    ///
    /// Lossy: what has begun runs to its end.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::fs;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let mut file = fs::temporary_file().await?;
    /// assert_eq!(file.write("hello").await?, 5);
    /// file.flush().await?;
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[track_caller]
    pub fn write<B: AsRef<[u8]> + Unpin>(&mut self, bytes: B) -> FileOp<'_, WriteOp<B>> {
        self.operation(WriteOp::new(bytes))
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
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::SeekFrom;
    ///
    /// use corio_io::fs;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let mut file = fs::temporary_file().await?;
    /// file.write_lines(["one\n", "two\n"]).await?;
    /// file.seek(SeekFrom::Start(0)).await?;
    /// assert_eq!(file.read(None).await?, b"one\ntwo\n");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[doc(alias = "writelines")]
    #[track_caller]
    pub fn write_lines<B: AsRef<[u8]>>(
        &mut self,
        lines: impl IntoIterator<Item = B>,
    ) -> FileOp<'_, WriteOp<Vec<u8>>> {
        let mut all = Vec::new();
        lines.into_iter().for_each(|line| all.extend_from_slice(line.as_ref()));
        self.operation(WriteOp::new(all))
    }

    /// Flushes and closes. A second time it does nothing; anything else after it is an error.
    ///
    /// # Errors
    ///
    /// The system's: what could not be written is lost, and the file is closed all the same; or what an
    /// operation failed with that was dropped before.
    ///
    /// # Cancel safety
    ///
    /// Strict: the file is closed by its drop.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::fs;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let mut file = fs::temporary_file().await?;
    /// file.write("hello").await?;
    /// file.close().await?;
    /// assert!(file.write("more").await.is_err());
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[track_caller]
    pub fn close(&mut self) -> CloseFile<'_> {
        CloseFile { last: self.finish_writes() }
    }

    /// Gives the file to std, flushed, at the position where it is. Python: `detach`.
    ///
    /// # Errors
    ///
    /// The system's; that the file is closed; or what an operation failed with that was dropped
    /// before. The file is flushed and closed then.
    ///
    /// # Cancel safety
    ///
    /// Lossy: the file is flushed and closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::fs;
    ///
    /// # corio_runtime::run(async {
    /// let mut file = fs::temporary_file().await?;
    /// file.write("hello world").await?;
    /// file.flush().await?; // or sync_data(), sync_all(): now the disk has it
    /// file.write_at(0, b"H".to_vec()).await?;
    /// assert_eq!(file.truncate(Some(5)).await?, 5);
    /// file.sync_data().await?;
    /// file.sync_all().await?;
    /// file.finish_writes().await?;
    /// assert_eq!(file.into_std().await?.metadata()?.len(), 5);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[doc(alias = "detach")]
    #[track_caller]
    pub fn into_std(self) -> IntoStd {
        IntoStd { file: self, task: None, made: Made::here("File::into_std") }
    }
}

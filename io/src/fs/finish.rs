//! The futures of a file that are more than one operation, or less.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::file::{File, FileOp, State, closed};
use super::operations::{FinishWritesOp, ReadIntoOp, ReadLineOp};
use super::task::{FsTask, poll_task, run_blocking};
use crate::made::Made;

/// Future of [`File::close`]: `io::Result<()>`.
#[derive(Debug)]
#[must_use = "nothing is closed before this is awaited or dropped with the file"]
pub struct CloseFile<'a> {
    pub(super) last: FileOp<'a, FinishWritesOp>,
}

impl Future for CloseFile<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.last.file.closed() {
            self.last.begun = true;
            return Poll::Ready(Ok(()));
        }
        let finished = ready!(Pin::new(&mut self.last).poll(cx));
        self.last.file.state = State::Closed;
        Poll::Ready(finished)
    }
}

/// Future of [`File::into_std`]: `io::Result<std::fs::File>`.
#[derive(Debug)]
#[must_use = "nothing is given away before this is awaited"]
pub struct IntoStd {
    pub(super) file: File,
    pub(super) task: Option<FsTask<std::fs::File>>,
    pub(super) made: Made,
}

impl Future for IntoStd {
    type Output = io::Result<std::fs::File>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { file, task, made } = self.get_mut();
        let at = made.begin();
        let task = match task {
            Some(task) => task,
            None => {
                ready!(file.poll_idle(cx, at))?;
                let State::Idle(core) = std::mem::replace(&mut file.state, State::Closed) else {
                    return Poll::Ready(Err(closed(&file.path)));
                };
                task.insert(run_blocking(move || core.detach()))
            }
        };
        poll_task(task, cx)
    }
}

/// Future of [`File::tell`]: `io::Result<u64>`.
#[derive(Debug)]
#[must_use = "nothing is told unless this is awaited"]
pub struct FileTell<'a> {
    pub(super) file: &'a mut File,
    pub(super) made: Made,
}

impl Future for FileTell<'_> {
    type Output = io::Result<u64>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { file, made } = self.get_mut();
        let at = made.begin();
        // The system knows a position without looking at the disk.
        match ready!(file.poll_idle(cx, at))? {
            Some(core) => Poll::Ready(core.tell()),
            None => Poll::Ready(Err(closed(&file.path))),
        }
    }
}

/// Future of [`File::read_into`]: `(io::Result<usize>, Vec<u8>)`.
#[derive(Debug)]
#[must_use = "nothing is read unless this is awaited"]
pub struct ReadInto<'a> {
    pub(super) read: FileOp<'a, ReadIntoOp>,
}

impl Future for ReadInto<'_> {
    type Output = (io::Result<usize>, Vec<u8>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(Pin::new(&mut self.read).poll(cx)) {
            Ok(done) => done,
            Err(error) => {
                let unread = self.read.operation.take().map(|operation| operation.buffer);
                (Err(error), unread.unwrap_or_default())
            }
        })
    }
}

/// The lines of a file; made by [`File::lines`].
#[derive(Debug)]
#[must_use = "lines do nothing unless they are awaited"]
pub struct FileLines<'a> {
    pub(super) file: &'a mut File,
}

impl FileLines<'_> {
    /// The next line, with its `\n`; `None` at the end.
    ///
    /// See [`File::lines`] for an example.
    ///
    /// # Errors
    ///
    /// As [`File::read_line`].
    ///
    /// # Cancel safety
    ///
    /// Strict, as [`File::read_line`].
    #[track_caller]
    pub fn next_line(&mut self) -> NextFileLine<'_> {
        NextFileLine { line: self.file.read_line(None) }
    }
}

/// Future of [`FileLines::next_line`]: `Option<io::Result<Vec<u8>>>`.
#[derive(Debug)]
#[must_use = "nothing is read unless this is awaited"]
pub struct NextFileLine<'a> {
    line: FileOp<'a, ReadLineOp>,
}

impl Future for NextFileLine<'_> {
    type Output = Option<io::Result<Vec<u8>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let line = ready!(Pin::new(&mut self.line).poll(cx));
        Poll::Ready(match line {
            Ok(line) if line.is_empty() => None,
            line => Some(line),
        })
    }
}

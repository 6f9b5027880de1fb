//! The futures of a file that are more than one operation, or less.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::file::{File, State, closed};
use super::op::FileOp;
use super::operations::{FinishWritesOp, ReadIntoOp};
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
            self.last.step.begun = true;
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
                let unread = self.read.step.operation.take().map(|operation| operation.buffer);
                (Err(error), unread.unwrap_or_default())
            }
        })
    }
}

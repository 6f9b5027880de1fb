//! An operation on a file, from its first poll to its result or its drop.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corio_runtime::debug::never_awaited;
use corio_sync::oneshot;

use super::core::Core;
use super::file::{CoreAccess, File, Operation, lost};

/// An operation on a [`File`]: `io::Result` of what it results in.
#[must_use = "nothing is done unless this is awaited"]
pub struct FileOp<'a, O: Operation> {
    pub(super) file: &'a mut File,
    pub(super) step: Step<O>,
}

/// An operation, on whichever file it is polled with.
pub(super) struct Step<O: Operation> {
    /// Until it has begun.
    pub(super) operation: Option<O>,
    /// Where the result arrives before the file comes back.
    result: Option<oneshot::Receiver<io::Result<O::Output>>>,
    pub(super) begun: bool,
    at: &'static Location<'static>,
}

impl<O: Operation> Step<O> {
    #[track_caller]
    pub(super) fn new(operation: O) -> Self {
        Self { operation: Some(operation), result: None, begun: false, at: Location::caller() }
    }

    pub(super) fn poll(
        &mut self,
        file: &mut File,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<O::Output>> {
        let Self { operation, result, begun, at } = self;
        *begun = true;
        loop {
            ready!(file.poll_idle(cx, at))?;
            if let Some(mut result) = result.take() {
                let result = result.try_recv();
                return Poll::Ready(result.unwrap_or_else(|_| Err(lost())));
            }
            match file.start(operation) {
                Ok(Started::Done(output)) => return Poll::Ready(Ok(output)),
                Ok(Started::Running(receiver)) => *result = Some(receiver),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Nobody waits for it any more. The result may have come since the last poll: it is kept for
    /// the next operation.
    pub(super) fn leave(&mut self, file: &mut File) {
        let Some(mut receiver) = self.result.take() else {
            if !self.begun {
                never_awaited("an operation of a file", self.at);
            }
            return;
        };
        receiver.close();
        if let Ok(unheard) = receiver.try_recv() {
            file.unheard = Some(Box::new(move |core| settle::<O>(core, unheard)));
        }
    }
}

impl<O: Operation> Future for FileOp<'_, O> {
    type Output = io::Result<O::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { file, step } = self.get_mut();
        step.poll(file, cx)
    }
}

impl<O: Operation> Drop for FileOp<'_, O> {
    fn drop(&mut self) {
        self.step.leave(self.file);
    }
}

/// Does what is to be done with a result that nobody waited for.
pub(super) fn settle<O: Operation>(core: &mut Core, unheard: io::Result<O::Output>) {
    match unheard {
        Ok(output) => O::unheard(&mut CoreAccess(core), output),
        Err(error) => core.deferred = Some(error),
    }
}

impl<O: Operation> fmt::Debug for FileOp<'_, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileOp")
            .field("file", self.file)
            .field("at", &format_args!("{}", self.step.at))
            .finish_non_exhaustive()
    }
}

pub(super) enum Started<R> {
    Done(R),
    Running(oneshot::Receiver<io::Result<R>>),
}

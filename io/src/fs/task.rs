//! A call on a thread, as a future.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corio_runtime::debug::never_awaited;
use corio_runtime::{Handle, Job};
use corio_sync::place::{self, WaitKind};

/// Runs `f` on a thread of the default executor: several calls of the file system for the price of
/// one trip.
///
/// # Errors
///
/// Those of `f`; or one that says that the executor is shut down, or that there is no runtime.
///
/// # Cancel safety
///
/// Lossy: a call that has begun runs on.
///
/// # Examples
///
/// ```
/// use corio_io::fs::run_blocking;
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let entries = run_blocking(|| Ok(std::fs::read_dir("/")?.count())).await?;
/// assert!(entries > 0);
/// # Ok(())
/// # })
/// # }
/// ```
#[track_caller]
pub fn run_blocking<R, F>(f: F) -> FsTask<R>
where
    R: Send + 'static,
    F: FnOnce() -> io::Result<R> + Send + 'static,
{
    FsTask { state: State::New(Box::new(f)), at: Location::caller() }
}

/// Future of [`run_blocking`] and of the functions of this module: `io::Result<R>`. Nothing is done
/// before it is polled.
#[must_use = "nothing is done unless this is awaited"]
pub struct FsTask<R> {
    state: State<R>,
    at: &'static Location<'static>,
}

enum State<R> {
    New(Box<dyn FnOnce() -> io::Result<R> + Send>),
    /// Not begun either, in a future that tells if nobody has awaited it.
    Inside(Box<dyn FnOnce() -> io::Result<R> + Send>),
    Running(Job<io::Result<R>>),
    Done,
}

impl<R> FsTask<R> {
    /// Where it was made.
    pub(super) fn at(&self) -> &'static Location<'static> {
        self.at
    }

    /// A part of another future, which tells if nobody has awaited it.
    pub(super) fn inside(mut self) -> Self {
        if let State::New(f) = std::mem::replace(&mut self.state, State::Done) {
            self.state = State::Inside(f);
        }
        self
    }
}

/// Nothing in it is pinned.
impl<R> Unpin for FsTask<R> {}

impl<R: Send + 'static> Future for FsTask<R> {
    type Output = io::Result<R>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match std::mem::replace(&mut this.state, State::Done) {
                State::New(f) | State::Inside(f) => {
                    let handle = Handle::try_current().map_err(io::Error::other)?;
                    this.state = State::Running(handle.run_in_executor(None, f));
                }
                State::Running(mut job) => {
                    let Poll::Ready(done) = Pin::new(&mut job).poll(cx) else {
                        this.state = State::Running(job);
                        place::note(WaitKind::Executor, this.at);
                        return Poll::Pending;
                    };
                    return Poll::Ready(done.unwrap_or_else(|error| Err(io::Error::other(error))));
                }
                State::Done => panic!("a call of the file system was polled after it was ready"),
            }
        }
    }
}

impl<R> Drop for FsTask<R> {
    fn drop(&mut self) {
        if let State::New(_) = self.state {
            never_awaited("a call on a thread", self.at);
        }
    }
}

impl<R> fmt::Debug for FsTask<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FsTask").field("at", &format_args!("{}", self.at)).finish_non_exhaustive()
    }
}

/// Runs a call inside another future's poll.
pub(super) fn poll_task<R: Send + 'static>(
    task: &mut FsTask<R>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<R>> {
    Poll::Ready(ready!(Pin::new(task).poll(cx)))
}

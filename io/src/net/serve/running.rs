//! A running server: the task that accepts, and the wait for its end.
//!
//! Accepting is a task of its own and not a part of whoever awaits the server. That is mostly the
//! main task, which belongs to the first event loop: a handler that blocks there would keep every
//! new connection out for as long, while any loop can take a task over.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::mem;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use corio_runtime::debug::never_awaited;
use corio_runtime::{TaskJoin, TaskRef, task};
use corio_sync::place::{self, WaitKind};

use super::report::ServeReport;

type Accept = Pin<Box<dyn Future<Output = io::Result<ServeReport>> + Send>>;

enum State {
    Made(Accept),
    /// The task, and its end.
    Accepts(TaskRef, TaskJoin<io::Result<ServeReport>>),
    Over,
}

/// A running server; made by [`Serve::report`](super::Serve::report): `io::Result<ServeReport>`.
#[must_use = "nothing is served unless this is awaited"]
pub struct ServeReporting {
    state: State,
    at: &'static Location<'static>,
}

impl ServeReporting {
    pub(super) fn new(accept: Accept, at: &'static Location<'static>) -> Self {
        Self { state: State::Made(accept), at }
    }
}

impl Future for ServeReporting {
    type Output = io::Result<ServeReport>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let at = self.at;
        self.state = match mem::replace(&mut self.state, State::Over) {
            State::Made(accept) => {
                let task = task().name("serve").spawned_at(at).spawn(accept);
                State::Accepts(task.task_ref(), task.into_future())
            }
            state => state,
        };
        let State::Accepts(_, end) = &mut self.state else {
            panic!("the server at {at} was polled after its end");
        };
        let Poll::Ready(ended) = Pin::new(end).poll(cx) else {
            place::note(WaitKind::Join, at);
            return Poll::Pending;
        };
        self.state = State::Over;
        Poll::Ready(match ended {
            Ok(report) => report,
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(error) => Err(io::Error::other(format!("the server at {at} has ended: {error}"))),
        })
    }
}

impl Drop for ServeReporting {
    fn drop(&mut self) {
        match &self.state {
            State::Made(_) => never_awaited("serve", self.at),
            State::Accepts(task, _) => task.abort(),
            State::Over => {}
        }
    }
}

impl fmt::Debug for ServeReporting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeReporting").field("at", &format_args!("{}", self.at)).finish()
    }
}

//! The streams of an HTTP/2 connection: hyper makes a task of each request, and they belong to their
//! connection as if they were parts of its body.
//!
//! Protocol: a connection that ends sets `over` and then drops what hyper has made of it; h2 thereby
//! wakes all its streams, and each that is polled after that drops its handler and is done. One that
//! was never polled is not begun.
//!
//! Rejected: a list of the tasks to abort. It costs every request an entry, and has to be swept.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use corio_runtime::task;
use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::{AtomicBool, AtomicUsize};
use corio_sync::waker_slot::WakerSlot;
use hyper::rt::Executor;
use pin_project_lite::pin_project;

/// What a connection shares with the server and with its streams.
pub(super) struct Told {
    /// Of the connection's task, for the server.
    pub(super) waker: WakerSlot,
    streams: AtomicUsize,
    over: AtomicBool,
}

impl Told {
    pub(super) fn new() -> Arc<Self> {
        let (streams, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(Self { waker: WakerSlot::new(), streams, over })
    }

    /// How many streams have not ended.
    pub(super) fn streams(&self) -> usize {
        // Ordering: Relaxed; a count.
        self.streams.load(Relaxed)
    }
}

/// Ends the streams when it is dropped.
pub(super) struct EndsStreams(pub(super) Arc<Told>);

impl Drop for EndsStreams {
    fn drop(&mut self) {
        // Ordering: Relaxed; h2's own lock and wakers come between this and the poll that looks. A
        // poll that is under way meanwhile may miss it, and ends by what h2 tells it.
        self.0.over.store(true, Relaxed);
    }
}

/// Runs what hyper spawns as tasks of the connection, in the name of who called `serve`.
#[derive(Clone)]
pub(super) struct Streams {
    pub(super) told: Arc<Told>,
    pub(super) at: &'static Location<'static>,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, inner: F) {
        let counted = Counted::new(self.told.clone());
        drop(task().spawned_at(self.at).spawn(Stream { inner, counted }));
    }
}

/// One stream that has not ended.
struct Counted(Arc<Told>);

impl Counted {
    fn new(told: Arc<Told>) -> Self {
        // Ordering: Relaxed; a count.
        told.streams.fetch_add(1, Relaxed);
        Self(told)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // Ordering: Relaxed; a count.
        self.0.streams.fetch_sub(1, Relaxed);
    }
}

pin_project! {
    // The body of a stream's task.
    struct Stream<F> {
        #[pin]
        inner: F,
        // Dropped after the body.
        counted: Counted,
    }
}

impl<F: Future<Output = ()>> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        // Ordering: Relaxed; see `EndsStreams`.
        if this.counted.0.over.load(Relaxed) { Poll::Ready(()) } else { this.inner.poll(cx) }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Waker;

    use super::*;

    #[test]
    fn a_stream_of_a_connection_that_is_over_is_not_polled() {
        let told = Told::new();
        let polls = &AtomicUsize::new(0);
        let make = || {
            let inner = poll_fn(|_| {
                polls.fetch_add(1, Relaxed);
                Poll::Pending
            });
            Stream { inner, counted: Counted::new(told.clone()) }
        };
        let cx = &mut Context::from_waker(Waker::noop());
        {
            let (mut begun, mut fresh) = (pin!(make()), pin!(make()));
            assert!(begun.as_mut().poll(cx).is_pending());
            assert_eq!(told.streams(), 2);
            drop(EndsStreams(told.clone()));
            assert!(begun.as_mut().poll(cx).is_ready());
            assert!(fresh.as_mut().poll(cx).is_ready());
        }
        assert_eq!((polls.load(Relaxed), told.streams()), (1, 0));
    }
}

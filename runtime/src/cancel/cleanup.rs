//! `on_cancel` and `finally`: asynchronous clean-up.
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corio_sync::debug;
use corio_sync::place::WaitKind;
use pin_project_lite::pin_project;

use super::catch::{CatchCancel, Caught};
use super::raise::Raising;
use crate::task::scope::Kept;

/// Awaits `future`; if the task is cancelled meanwhile, drops it, awaits `cleanup`, and goes on
/// with the cancellation.
///
/// A second cancel interrupts the clean-up: wrap it in [`defer_cancel`](crate::defer_cancel) if it
/// must not be.
///
/// asyncio: `try: await future` / `except CancelledError: await cleanup; raise`.
///
/// # Cancel safety
///
/// That of `future`: dropping this future is not cancelling, and runs no clean-up.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let task = corio::create_task(corio::on_cancel(std::future::pending::<()>(), async {
///     corio::time::yield_now().await;
///     println!("cleaned up");
/// }));
/// corio::time::yield_now().await;
/// task.cancel();
/// assert!(task.await.unwrap_err().is_cancelled());
/// # });
/// ```
#[track_caller]
pub fn on_cancel<F, C>(future: F, cleanup: C) -> OnCancel<F::IntoFuture, C>
where
    F: IntoFuture,
    C: Future<Output = ()>,
{
    let future = CatchCancel::new(future, WaitKind::OnCancel);
    OnCancel { future, cleanup: Cleanup::new(cleanup) }
}

/// Awaits `future`, then `cleanup`, whether `future` has ended or the task is cancelled meanwhile;
/// a cancellation goes on afterwards.
///
/// A panic of `future` runs no clean-up, because a task that panics is not polled again: use a
/// destructor for that.
///
/// asyncio: `try: await future` / `finally: await cleanup`.
///
/// # Cancel safety
///
/// That of `future`: dropping this future is not cancelling, and runs no clean-up.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let value = corio::finally(async { 5 }, async { println!("done") }).await;
/// assert_eq!(value, 5);
/// # });
/// ```
#[track_caller]
pub fn finally<F, C>(future: F, cleanup: C) -> Finally<F::IntoFuture, C>
where
    F: IntoFuture,
    C: Future<Output = ()>,
{
    let future = CatchCancel::new(future, WaitKind::Finally);
    Finally { future, value: None, cleanup: Cleanup::new(cleanup) }
}

pin_project! {
    /// Future of [`on_cancel`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct OnCancel<F, C> {
        #[pin]
        future: CatchCancel<F>,
        #[pin]
        cleanup: Cleanup<C>,
    }
}

pin_project! {
    /// Future of [`finally`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Finally<F: Future, C> {
        #[pin]
        future: CatchCancel<F>,
        // Present while the clean-up runs after a value.
        value: Option<F::Output>,
        #[pin]
        cleanup: Cleanup<C>,
    }
}

pin_project! {
    /// A clean-up, and the request that it puts off.
    #[derive(Debug)]
    struct Cleanup<C> {
        #[pin]
        future: Option<C>,
        began: bool,
        kept: Kept,
        raise: Option<Raising>,
    }

    impl<C> PinnedDrop for Cleanup<C> {
        fn drop(this: Pin<&mut Self>) {
            // One that was not needed was not forgotten.
            debug::silently(|| this.project().future.set(None));
        }
    }
}

impl<C: Future<Output = ()>> Cleanup<C> {
    fn new(future: C) -> Self {
        Self { future: Some(future), began: false, kept: Kept::new(), raise: None }
    }

    fn begin(self: Pin<&mut Self>, caught: Option<Caught>) {
        let this = self.project();
        *this.began = true;
        match caught {
            Some(Caught::Taken(request)) => this.kept.keep_taken(request),
            Some(Caught::Raised(request)) => this.kept.keep_raised(request),
            None => {}
        }
    }

    /// Ready when the clean-up has ended and there is no request to go on with.
    fn poll_then_raise(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if let Some(future) = this.future.as_mut().as_pin_mut() {
            ready!(future.poll(cx));
            this.future.set(None);
        }
        if let Some(request) = this.kept.take_first() {
            *this.raise = Some(request.raising());
        }
        match this.raise {
            Some(raise) => {
                raise.go();
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl<F: Future, C: Future<Output = ()>> Future for OnCancel<F, C> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        if !this.cleanup.began {
            match ready!(this.future.poll_caught(cx)) {
                Ok(value) => return Poll::Ready(value),
                Err(caught) => this.cleanup.as_mut().begin(Some(caught)),
            }
        }
        ready!(this.cleanup.poll_then_raise(cx));
        unreachable!("a clean-up that follows a request never ends")
    }
}

impl<F: Future, C: Future<Output = ()>> Future for Finally<F, C> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        if !this.cleanup.began {
            let (value, caught) = match ready!(this.future.poll_caught(cx)) {
                Ok(value) => (Some(value), None),
                Err(caught) => (None, Some(caught)),
            };
            *this.value = value;
            this.cleanup.as_mut().begin(caught);
        }
        ready!(this.cleanup.poll_then_raise(cx));
        Poll::Ready(this.value.take().expect("finally was polled after it gave its result"))
    }
}

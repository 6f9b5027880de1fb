//! `catch_cancel`.
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use corio_sync::debug;
use corio_sync::place::{Made, WaitKind};
use pin_project_lite::pin_project;

use crate::error::Cancelled;
use crate::task::scope::{self, Covering, Kind, Polled, Scope};

/// Awaits `future`; if the task is cancelled meanwhile, drops it and returns the request.
///
/// The destructors of what `future` holds run before this returns. A request is delivered where a
/// task *waits*: a future that is ready at its first poll is never interrupted. From the second
/// poll on a request beats a value that is ready at the same time.
///
/// The request is delivered once. The code after it may await as it likes: a second cancel is
/// delivered there, as to any code; see [`defer_cancel`](crate::defer_cancel) for parts that must
/// not be interrupted. Pass the request on with [`Cancelled::raise`] when the clean-up is done; to
/// go on as if nothing had happened, say [`Cancelled::suppress`].
///
/// Outside a corio task there is nobody to cancel: `future` is simply awaited.
///
/// asyncio: `try: await future` / `except CancelledError as error`.
///
/// # Errors
///
/// The request.
///
/// # Cancel safety
///
/// That of `future`. A request that was offered to this scope and not taken before it is dropped is
/// offered to another one.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # use std::future::pending;
/// # async fn close_connection() {}
/// # corio::run(async {
/// let task = corio::create_task(async {
///     match corio::catch_cancel(pending::<u8>()).await {
///         Ok(value) => value,
///         Err(cancelled) => {
///             close_connection().await;
///             cancelled.raise().await
///         }
///     }
/// });
/// corio::time::yield_now().await;
/// task.cancel();
/// assert!(task.await.unwrap_err().is_cancelled());
/// # });
/// ```
#[doc(alias = "CancelledError")]
#[track_caller]
pub fn catch_cancel<F: IntoFuture>(future: F) -> CatchCancel<F::IntoFuture> {
    CatchCancel::new(future, WaitKind::CatchCancel)
}

pin_project! {
    /// Future of [`catch_cancel`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct CatchCancel<F> {
        // Gone once it has ended or was dropped for a cancel; first, so that it is dropped first.
        #[pin]
        future: Option<F>,
        scope: Scope,
        made: Made,
    }
}

impl<F> CatchCancel<F> {
    #[track_caller]
    pub(super) fn new(future: impl IntoFuture<IntoFuture = F>, kind: WaitKind) -> Self
    where
        F: Future,
    {
        let future = Some(future.into_future());
        Self { future, scope: Scope::new(), made: Made::here(kind) }
    }
}

/// A request that has ended the future.
pub(super) enum Caught {
    /// It was offered to the scope, and perhaps to others.
    Taken(Cancelled),
    /// It was raised to the scope.
    Raised(Cancelled),
}

impl<F: Future> Future for CatchCancel<F> {
    type Output = Result<F::Output, Cancelled>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_caught(cx).map_err(|caught| match caught {
            Caught::Raised(request) => request,
            Caught::Taken(request) => {
                scope::answered(&request);
                request
            }
        })
    }
}

impl<F: Future> CatchCancel<F> {
    /// As `poll`, for who does not hand the request to code.
    #[inline]
    pub(super) fn poll_caught(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<F::Output, Caught>> {
        let mut this = self.project();
        this.made.begin();
        let caught = if let Some(request) = this.scope.take() {
            Caught::Taken(request)
        } else {
            let future = this.future.as_mut().as_pin_mut();
            let future = future.expect("catch_cancel was polled after it gave its result");
            match this.scope.poll(Kind::Catch, None, cx, |cx| future.poll(cx)) {
                Polled::Ready(value) => {
                    this.future.set(None);
                    this.scope.release();
                    return Poll::Ready(Ok(value));
                }
                Polled::Pending => {
                    this.scope.suspend(Kind::Catch, cx);
                    return Poll::Pending;
                }
                Polled::Unwound(request) => Caught::Raised(request),
            }
        };
        // If a destructor panics the slot is empty all the same, and the request was taken: the
        // panic says more. What the future has not awaited was not forgotten.
        let (Caught::Taken(request) | Caught::Raised(request)) = &caught;
        let covering = Covering::begin(request);
        debug::silently(|| this.future.set(None));
        drop(covering);
        this.scope.release();
        Poll::Ready(Err(caught))
    }
}

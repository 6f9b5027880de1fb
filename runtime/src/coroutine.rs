//! Coroutines as things of their own: one that its holder resumes by hand, and the body of a task,
//! which only its task resumes.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use corio_sync::coop;

use crate::cancel::Limited;
use crate::context;
use crate::error::Cancelled;
use crate::report::never_awaited;
use crate::task::join::Task;
use crate::task::registry::TaskRef;
use crate::task::scope;
use crate::task::waker::WakerRef;

/// How far a coroutine has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoroState<T> {
    /// It waits for something.
    Yielded,
    /// It has returned this.
    Complete(T),
}

/// Why a coroutine was not resumed, or what has ended it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CoroError {
    /// It is running: it would resume itself. asyncio: `ValueError`.
    Running,
    /// It has ended. asyncio: `RuntimeError`, "cannot reuse already awaited coroutine".
    Finished,
    /// It has waited when it was to close, which has dropped its body all the same. asyncio:
    /// `RuntimeError`, "coroutine ignored GeneratorExit".
    IgnoredClose,
    /// What was thrown in has come out again. asyncio: the exception that was thrown.
    Cancelled(Cancelled),
    /// A task has it, and resumes it when it can go on; in asyncio a `send` or `throw` from
    /// elsewhere wedges the task.
    OwnedByTask,
}

impl fmt::Display for CoroError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("the coroutine is running already"),
            Self::Finished => f.write_str("the coroutine has ended and cannot be resumed"),
            Self::IgnoredClose => {
                f.write_str("the coroutine waited when it was to close, and was dropped")
            }
            Self::Cancelled(said) => fmt::Display::fmt(said, f),
            Self::OwnedByTask => {
                f.write_str("the coroutine belongs to a task, which alone resumes it")
            }
        }
    }
}

impl Error for CoroError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Cancelled(said) => Some(said),
            Self::Running | Self::Finished | Self::IgnoredClose | Self::OwnedByTask => None,
        }
    }
}

type Body<T> = Limited<Pin<Box<dyn Future<Output = T> + Send>>>;

/// A future that is resumed by hand, one step at a time.
///
/// What it waits for wakes the task around, if there is one; nobody else is told when it can go on.
///
/// In debug mode one that is dropped before it was ever resumed is told: "was never awaited".
///
/// asyncio: a coroutine object that nobody awaits. Exclusive access takes the place of the error
/// that Python raises when a coroutine resumes itself.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// use corio::{Coroutine, CoroState};
///
/// let mut coroutine = Coroutine::new(async {
///     corio::time::yield_now().await;
///     42
/// });
/// assert_eq!(coroutine.send(()).unwrap(), CoroState::Yielded);
/// assert_eq!(coroutine.send(()).unwrap(), CoroState::Complete(42));
/// assert!(coroutine.send(()).is_err(), "it has ended");
/// ```
pub struct Coroutine<T> {
    /// `None` once it has ended.
    body: Option<Body<T>>,
    started: bool,
    thrown: Option<Cancelled>,
    /// The type of the body, and who made it, for who forgets it.
    what: &'static str,
    made_at: &'static Location<'static>,
}

impl<T> Coroutine<T> {
    /// A coroutine that has not started.
    #[track_caller]
    pub fn new<F>(body: F) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        Self {
            body: Some(Limited::new(Box::pin(body))),
            started: false,
            thrown: None,
            what: std::any::type_name::<F>(),
            made_at: Location::caller(),
        }
    }

    /// Resumes it until it waits or ends. What it panics with comes out here, and ends it.
    ///
    /// What is ready is not waited for, however long the poll around has run: the fairness that makes
    /// tasks yield in between is the business of whoever resumes it.
    ///
    /// asyncio: `coro.send(None)`; Rust's futures are not sent values.
    ///
    /// # Errors
    ///
    /// [`CoroError::Finished`] if it had ended; [`CoroError::Cancelled`] if what was
    /// [thrown](Self::throw) in earlier has come out.
    pub fn send(&mut self, (): ()) -> Result<CoroState<T>, CoroError> {
        self.started = true;
        self.resume(|body, cx| {
            if body.is_asked() { body.poll_asked(cx) } else { body.poll_freely(cx, None).map(Some) }
        })
    }

    /// Raises a request to stop where it waits: in a task, its innermost scopes
    /// ([`catch_cancel`](crate::catch_cancel) and its kin) may catch it and clean up, and it goes on
    /// from there; otherwise the body is dropped. A second request drops the body at once.
    ///
    /// The task around is not cancelled by it, and does not count it.
    ///
    /// asyncio: `coro.throw(CancelledError())`.
    ///
    /// # Errors
    ///
    /// [`CoroError::Cancelled`] with the request if the body has not caught it;
    /// [`CoroError::Finished`] if it had ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use corio::{Cancelled, CoroError, Coroutine};
    ///
    /// # corio::run(async {
    /// let mut coroutine = Coroutine::new(std::future::pending::<()>());
    /// coroutine.send(()).unwrap();
    /// let thrown = coroutine.throw(Cancelled::new("enough"));
    /// let Err(CoroError::Cancelled(said)) = thrown else { panic!("it catches nothing") };
    /// assert_eq!(said.msg(), Some("enough"));
    /// assert!(coroutine.done());
    /// # });
    /// ```
    pub fn throw(&mut self, request: Cancelled) -> Result<CoroState<T>, CoroError> {
        let again = self.thrown.replace(request.clone()).is_some();
        if again || !self.started {
            return match self.body.take() {
                Some(body) => {
                    drop(body);
                    Err(CoroError::Cancelled(request))
                }
                None => Err(CoroError::Finished),
            };
        }
        self.resume(|body, cx| body.stop_by_hand(cx, request))
    }

    /// Ends it: raises a request to stop where it waits, as [`throw`](Self::throw) does, and drops the
    /// body. Scopes that catch the request may clean up as long as they need not wait. Of a body that
    /// has not started nothing ever runs, and one that has ended stays so.
    ///
    /// asyncio: `coro.close()`, which raises `GeneratorExit`; a value that the body returns all the same
    /// is dropped, as there.
    ///
    /// # Errors
    ///
    /// [`CoroError::IgnoredClose`] if a clean-up waits; asyncio leaves such a body alive.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let mut coroutine = corio::Coroutine::new(async {
    ///     corio::finally(std::future::pending::<()>(), async { println!("closed") }).await
    /// });
    /// coroutine.send(()).unwrap();
    /// coroutine.close().unwrap();
    /// assert!(coroutine.done());
    /// # });
    /// ```
    #[track_caller]
    pub fn close(&mut self) -> Result<(), CoroError> {
        let request = Cancelled::new("the coroutine is closed");
        let again = self.thrown.replace(request.clone()).is_some();
        if again || !self.started || self.body.is_none() {
            self.body = None;
            return Ok(());
        }
        let resumed = self.resume(|body, cx| body.stop_by_hand(cx, request));
        self.body = None;
        match resumed {
            Ok(CoroState::Yielded) => Err(CoroError::IgnoredClose),
            Ok(CoroState::Complete(_)) | Err(_) => Ok(()),
        }
    }

    /// True once it has ended.
    ///
    /// See [`throw`](Self::throw) for an example.
    #[must_use]
    pub fn done(&self) -> bool {
        self.body.is_none()
    }

    fn resume(
        &mut self,
        step: impl FnOnce(Pin<&mut Body<T>>, &mut Context<'_>) -> Poll<Option<T>>,
    ) -> Result<CoroState<T>, CoroError> {
        // A panic drops the body on its way out.
        let mut body = self.body.take().ok_or(CoroError::Finished)?;
        let around = scope::current().map(WakerRef::new);
        let mut cx = Context::from_waker(around.as_deref().unwrap_or(Waker::noop()));
        // What is ready goes on however much the poll around has done: `Yielded` says that it waits.
        match coop::without_budget(|| step(Pin::new(&mut body), &mut cx)) {
            Poll::Pending => {
                self.body = Some(body);
                Ok(CoroState::Yielded)
            }
            Poll::Ready(Some(value)) => Ok(CoroState::Complete(value)),
            Poll::Ready(None) => {
                drop(body);
                let thrown = self.thrown.clone();
                Err(CoroError::Cancelled(
                    thrown.unwrap_or_else(|| Cancelled::from_parts(None, None)),
                ))
            }
        }
    }
}

impl<T> Drop for Coroutine<T> {
    fn drop(&mut self) {
        let forgotten = !self.started && self.body.is_some();
        if forgotten && corio_sync::debug::is_on() {
            never_awaited(&format_args!("coroutine '{}'", self.what), self.made_at);
        }
    }
}

impl<T> fmt::Debug for Coroutine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.done(), self.started) {
            (true, _) => "finished",
            (false, true) => "suspended",
            (false, false) => "created",
        };
        write!(f, "<Coroutine {state}>")
    }
}

/// The body of a task; made by [`Task::get_coro`].
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// use corio::{Cancelled, CoroError};
///
/// # corio::run(async {
/// let task = corio::create_task(std::future::pending::<()>());
/// let body = task.get_coro().unwrap();
/// assert!(matches!(body.send(), Err(CoroError::OwnedByTask)));
/// assert!(matches!(body.throw(Cancelled::new("stop")), Err(CoroError::OwnedByTask)));
/// body.close();
/// assert!(task.await.unwrap_err().is_cancelled());
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoroHandle(TaskRef);

impl CoroHandle {
    /// Refused: only the task resumes its body.
    ///
    /// asyncio: `coro.send(None)`.
    ///
    /// # Errors
    ///
    /// Always, and the error says why.
    pub fn send(&self) -> Result<CoroState<()>, CoroError> {
        Err(self.refusal())
    }

    /// Refused: [`Task::cancel`] asks the body to stop.
    ///
    /// asyncio: `coro.throw(..)`.
    ///
    /// # Errors
    ///
    /// Always, and the error says why.
    pub fn throw(&self, request: Cancelled) -> Result<CoroState<()>, CoroError> {
        drop(request);
        Err(self.refusal())
    }

    /// Drops the body as soon as no poll is inside it: [`Task::abort`]. The task ends cancelled.
    ///
    /// asyncio: `coro.close()`, which leaves the task waiting for ever.
    #[track_caller]
    pub fn close(&self) {
        self.0.abort();
    }

    fn refusal(&self) -> CoroError {
        if self.0.done() {
            CoroError::Finished
        } else if context::current_task().as_ref() == Some(&self.0) {
            CoroError::Running
        } else {
            CoroError::OwnedByTask
        }
    }
}

impl<T> Task<T> {
    /// The task's body; `None` if it has ended inside an [eager start](crate::TaskBuilder::eager).
    ///
    /// asyncio: `Task.get_coro`. See [`CoroHandle`] for an example.
    #[must_use]
    pub fn get_coro(&self) -> Option<CoroHandle> {
        self.task_ref().get_coro()
    }
}

impl TaskRef {
    /// The task's body; see [`Task::get_coro`].
    #[must_use]
    pub fn get_coro(&self) -> Option<CoroHandle> {
        let ended_eagerly = self.done() && self.ptr().has_ended_eagerly();
        (!ended_eagerly).then(|| CoroHandle(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::{CoroError, CoroState, Coroutine};
    use crate::error::Cancelled;
    use crate::{catch_cancel, create_task, current_task, run};

    fn message(error: &CoroError) -> Option<&str> {
        match error {
            CoroError::Cancelled(said) => said.msg(),
            _ => None,
        }
    }

    #[test]
    fn a_request_is_caught_inside_and_not_by_the_task_around() {
        run(async {
            let task = create_task(async {
                let mut coroutine = Coroutine::new(async {
                    let caught = catch_cancel(std::future::pending::<()>()).await.unwrap_err();
                    crate::time::yield_now().await;
                    caught.msg().map(str::to_owned)
                });
                assert_eq!(coroutine.send(()).unwrap(), CoroState::Yielded);
                assert_eq!(coroutine.throw(Cancelled::new("stop")).unwrap(), CoroState::Yielded);
                let around = current_task().unwrap();
                assert_eq!(around.cancelling(), 0, "it is being handled");
                coroutine.send(()).unwrap()
            });
            let ended = task.await.unwrap();
            assert_eq!(ended, CoroState::Complete(Some("stop".to_owned())));
        });
    }

    #[test]
    fn a_request_that_nobody_catches_drops_the_body() {
        struct Count(Arc<AtomicUsize>);
        impl Drop for Count {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let dropped = Arc::new(AtomicUsize::new(0));
        let make = || {
            let count = Count(dropped.clone());
            Coroutine::new(async move {
                let _count = count;
                std::future::pending::<()>().await;
            })
        };
        let mut suspended = make();
        assert_eq!(suspended.send(()).unwrap(), CoroState::Yielded);
        let thrown = suspended.throw(Cancelled::new("stop")).unwrap_err();
        assert_eq!(message(&thrown), Some("stop"));
        assert!(suspended.done() && matches!(suspended.send(()), Err(CoroError::Finished)));
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
        let mut unstarted = make();
        assert!(unstarted.throw(Cancelled::new("early")).is_err() && unstarted.done());
        let mut closed = make();
        closed.close().unwrap();
        assert!(matches!(closed.throw(Cancelled::new("late")), Err(CoroError::Finished)));
        assert_eq!(dropped.load(Ordering::Relaxed), 3);
        assert_eq!(format!("{closed:?} {:?}", make()), "<Coroutine finished> <Coroutine created>");
    }

    #[test]
    fn closing_lets_scopes_clean_up_without_waiting() {
        run(async {
            let cleaned = Arc::new(AtomicUsize::new(0));
            let make = |waits: bool| {
                let cleaned = cleaned.clone();
                let mut coroutine = Coroutine::new(async move {
                    let caught = catch_cancel(std::future::pending::<()>()).await;
                    if waits {
                        crate::time::yield_now().await;
                    }
                    cleaned.fetch_add(1, Ordering::Relaxed);
                    drop(caught);
                });
                assert_eq!(coroutine.send(()).unwrap(), CoroState::Yielded);
                coroutine
            };
            let mut obeys = make(false);
            obeys.close().unwrap();
            assert_eq!(cleaned.load(Ordering::Relaxed), 1);
            let mut refuses = make(true);
            assert!(matches!(refuses.close(), Err(CoroError::IgnoredClose)));
            assert!(refuses.done() && refuses.close().is_ok());
            assert_eq!(cleaned.load(Ordering::Relaxed), 1, "its body was dropped");
            assert_eq!(current_task().unwrap().cancelling(), 0);
            assert!(obeys.done() && matches!(obeys.send(()), Err(CoroError::Finished)));
        });
    }

    #[test]
    fn a_panic_comes_out_and_ends_it() {
        let mut coroutine = Coroutine::<()>::new(async { panic!("no luck") });
        let resumed = std::panic::AssertUnwindSafe(|| coroutine.send(()));
        assert!(std::panic::catch_unwind(resumed).is_err());
        assert!(coroutine.done());
    }

    #[test]
    fn what_is_ready_goes_on_without_the_budget_of_the_poll_around() {
        let runtime = crate::Builder::new().workers(1).poll_budget(1).build().unwrap();
        let task = runtime.create_task(async {
            let lock = Arc::new(corio_sync::Lock::new(()));
            let take_often = async |lock: Arc<corio_sync::Lock<()>>| {
                for _ in 0..3 {
                    drop(lock.acquire().await);
                }
                7
            };
            drop(lock.acquire().await);
            assert!(!corio_sync::coop::has_remaining(), "it is used up");
            let inside = lock.clone();
            let mut ready = Coroutine::new(async move { take_often(inside).await });
            assert_eq!(ready.send(()).unwrap(), CoroState::Complete(7));
            // A clean-up that need not wait is not one that has refused to close.
            let mut cleans = Coroutine::new(async move {
                crate::finally(std::future::pending::<()>(), async move {
                    take_often(lock).await;
                })
                .await;
            });
            assert_eq!(cleans.send(()).unwrap(), CoroState::Yielded);
            assert!(cleans.close().is_ok() && cleans.done());
            assert!(!corio_sync::coop::has_remaining(), "nothing was added to it");
        });
        runtime.block_on(task.into_future()).unwrap();
    }

    #[test]
    fn what_it_waits_for_wakes_the_task_around() {
        let sum = run(async {
            let deferred = crate::Deferred::new();
            let mut coroutine = Coroutine::new(deferred.clone().into_future());
            let setter = create_task(async move { deferred.set_result(5).is_ok() });
            let value = std::future::poll_fn(|_| match coroutine.send(()).unwrap() {
                CoroState::Yielded => std::task::Poll::Pending,
                CoroState::Complete(value) => std::task::Poll::Ready(value.unwrap()),
            });
            value.await + i32::from(setter.await.unwrap())
        });
        assert_eq!(sum, 6);
    }
}

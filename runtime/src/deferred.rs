//! `Deferred`: what asyncio calls a future, a value that somebody sets later.
//!
//! The outcome lies in a [`DeferredCore`], which decides who sets it. Who wants to hear of it is
//! an [observer](crate::task::observers), as those of a task are: tasks that wait and done-callbacks
//! share one order. Whoever sets the outcome tells them, and nothing of theirs runs inside that call
//! but wakers.

use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use corio_sync::deferred::{DeferredCore, Outcome};

use crate::error::{BoxError, Cancelled, InvalidState};
use crate::handle::{Handle, NoLoop};
use crate::quiet::{drop_quietly, quietly};
use crate::report::{ReportKind, report};
use crate::scheduler::exception::ErrorContext;
use crate::task::callback::CallbackId;
use crate::task::contextvars;
use crate::task::observers::{DoneCall, End, Observers};
use crate::task::registry::TaskRef;

mod wait;

pub use wait::{DeferredObserve, DeferredWait};

/// A value, an error or a cancel that is set once, by anybody, and awaited by any number of tasks.
///
/// Clones are the same deferred. It may be set and awaited on any thread, under any executor.
///
/// Awaiting it by value gives a clone of the value; a task that is cancelled in that wait cancels
/// the deferred, as one that drops the wait does, and every other waiter gets
/// [`DeferredError::Cancelled`]. Awaiting `&deferred` lends the value and only observes.
///
/// An error that nobody has looked at when the last clone goes is told to the exception handler of
/// the loop that the deferred was made on.
///
/// asyncio: `Future`, `loop.create_future`. There it belongs to one loop and thread; here it knows
/// its loop for the sake of its callbacks alone.
///
/// # Progress
///
/// Looking is one load. Setting and cancelling are lock-free, in time proportional to the number of
/// observers. A thread that is descheduled while it sets or cancels delays those observers that it
/// has not told yet; who comes then finds the outcome.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// use corio::Deferred;
///
/// # corio::run(async {
/// let answer = Deferred::new();
/// let setter = answer.clone();
/// let task = corio::create_task(async move { setter.set_result(42).unwrap() });
/// assert_eq!((&answer).await.unwrap(), &42);
/// assert_eq!(answer.result().unwrap(), &42);
/// assert_eq!(answer.set_result(43).unwrap_err().0, 43);
/// task.await.unwrap();
/// # });
/// ```
#[doc(alias = "Future")]
#[doc(alias = "create_future")]
pub struct Deferred<T>(Arc<Inner<T>>);

struct Inner<T> {
    core: Core<T>,
    end: End,
    observers: Observers<Callback<T>>,
    /// Where the deferred was made, for its callbacks and reports.
    home: Option<Handle>,
    made_at: &'static Location<'static>,
}

type Core<T> = DeferredCore<T, Arc<BoxError>, Cancelled>;

/// Queues a callback for its loop.
type Callback<T> = Box<dyn FnOnce(Deferred<T>) + Send>;

impl<T> Deferred<T> {
    /// Nothing is set. The loop of the calling thread, if there is one, is the deferred's.
    #[track_caller]
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            core: DeferredCore::new(),
            end: End::new(),
            observers: Observers::new(),
            home: Handle::here(),
            made_at: Location::caller(),
        }))
    }

    /// Ends it with a value. Waiters are woken and callbacks queued; nothing of theirs runs in here.
    ///
    /// # Errors
    ///
    /// [`InvalidState`] with the value, if it has ended: asyncio's `InvalidStateError`.
    pub fn set_result(&self, value: T) -> Result<(), InvalidState<T>> {
        self.0.core.set_result(value).map_err(InvalidState)?;
        self.tell();
        Ok(())
    }

    /// Ends it with an error.
    ///
    /// # Errors
    ///
    /// [`InvalidState`] with the error, if it has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let page = corio::Deferred::<String>::new();
    /// page.set_exception("no such page".into()).unwrap();
    /// let error = page.exception().unwrap().unwrap();
    /// assert_eq!(error.to_string(), "no such page");
    /// ```
    pub fn set_exception(&self, error: BoxError) -> Result<(), InvalidState<BoxError>> {
        self.0.core.set_exception(Arc::new(error)).map_err(|refused| {
            let error = Arc::into_inner(refused).expect("it was never shared");
            InvalidState(error)
        })?;
        self.tell();
        Ok(())
    }

    /// Ends it as cancelled; `false` if it has ended already. A failure is then no longer reported as
    /// one that nobody has looked at.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let answer = corio::Deferred::<u32>::new();
    /// assert!(!answer.done());
    /// assert!(answer.cancel_with("nobody asks any more"));
    /// assert!(answer.done() && answer.cancelled());
    /// assert!(!answer.cancel(), "it has ended");
    /// let corio::DeferredError::Cancelled(said) = answer.await.unwrap_err() else { panic!() };
    /// assert_eq!(said.msg(), Some("nobody asks any more"));
    /// # });
    /// ```
    #[track_caller]
    pub fn cancel(&self) -> bool {
        self.cancel_at(None, Location::caller())
    }

    /// As [`Deferred::cancel`], with a message for the error.
    ///
    /// See [`cancel`](Self::cancel) for an example.
    #[track_caller]
    pub fn cancel_with(&self, msg: impl Into<Arc<str>>) -> bool {
        self.cancel_at(Some(msg.into()), Location::caller())
    }

    fn cancel_at(&self, msg: Option<Arc<str>>, at: &'static Location<'static>) -> bool {
        let cancelled = self.0.core.cancel(|| Cancelled::from_parts(msg, Some(at)));
        if cancelled {
            self.tell();
        }
        cancelled
    }

    /// True once it has ended, in whatever way.
    ///
    /// See [`cancel`](Self::cancel) for an example.
    #[must_use]
    pub fn done(&self) -> bool {
        self.0.core.done()
    }

    /// True if it was cancelled.
    ///
    /// See [`cancel`](Self::cancel) for an example.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.0.core.cancelled()
    }

    /// The value, lent.
    ///
    /// # Errors
    ///
    /// [`DeferredError::NotReady`] before the end; what it ended with, if that is no value.
    pub fn result(&self) -> Result<&T, DeferredError> {
        self.0.core.get().map_or(Err(DeferredError::NotReady), lend)
    }

    /// The error that it ended with; `None` if it has a value.
    ///
    /// See [`set_exception`](Self::set_exception) for an example.
    ///
    /// # Errors
    ///
    /// [`DeferredError::NotReady`] before the end, [`DeferredError::Cancelled`] after a cancel.
    pub fn exception(&self) -> Result<Option<&BoxError>, DeferredError> {
        match self.0.core.get() {
            None => Err(DeferredError::NotReady),
            Some(Outcome::Value(_)) => Ok(None),
            Some(Outcome::Failed(error)) => Ok(Some(error)),
            Some(Outcome::Cancelled(said)) => Err(DeferredError::Cancelled(said.clone())),
        }
    }

    /// The tasks that await it, by value or by reference, in no order. Only those of the runtime that it
    /// was made on are known, and only those that await it themselves: one that waits through a
    /// composition of wakers of its own, as `join!` has, is not seen.
    ///
    /// asyncio: `capture_call_graph(future).awaited_by`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let answer = corio::Deferred::<u32>::new();
    /// let asked = answer.clone();
    /// let waits = corio::task().name("waits").spawn(async move { (&asked).await.is_ok() });
    /// while answer.awaited_by().is_empty() {
    ///     corio::time::yield_now().await;
    /// }
    /// assert_eq!(&*answer.awaited_by()[0].name(), "waits");
    /// answer.set_result(1).unwrap();
    /// assert!(waits.await.unwrap());
    /// assert!(answer.awaited_by().is_empty());
    /// # });
    /// ```
    #[must_use]
    pub fn awaited_by(&self) -> Vec<TaskRef> {
        let waiters: HashSet<*const ()> = self.0.observers.waiters().collect();
        let home = self.0.home.as_ref();
        let mut tasks = home.map_or_else(Vec::new, |home| home.shared().all_tasks());
        tasks.retain(|task| waiters.contains(&task.ptr().as_raw()));
        tasks
    }

    /// The loop that it was made on, which calls its callbacks.
    ///
    /// asyncio: `Future.get_loop`; a future cannot be made without one there.
    ///
    /// # Errors
    ///
    /// [`NoLoop`] if it was made outside of any.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let outside = corio::Deferred::<u32>::new();
    /// assert!(outside.get_loop().is_err());
    /// # corio::run(async {
    /// let inside = corio::Deferred::<u32>::new();
    /// assert!(inside.get_loop().unwrap().is_running());
    /// # });
    /// ```
    pub fn get_loop(&self) -> Result<Handle, NoLoop> {
        self.0.home.clone().ok_or_else(NoLoop::new)
    }

    /// Has `f` called when it has ended, by its loop as a plain callback: never inside this call or
    /// inside the one that ends it. Callbacks are called in the order in which they were added, each
    /// in a copy of its adder's [`Context`](crate::Context); a panic in one is reported. A
    /// loop that is closed drops them.
    ///
    /// asyncio: `Future.add_done_callback`.
    ///
    /// # Panics
    ///
    /// If neither the deferred nor the calling thread has a loop.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let (said, heard) = (corio::Deferred::new(), corio::Deferred::new());
    /// let sayer = heard.clone();
    /// said.add_done_callback(move |said| sayer.set_result(*said.result().unwrap() + 1).unwrap());
    /// said.set_result(1).unwrap();
    /// assert_eq!(heard.await.unwrap(), 2);
    /// # });
    /// ```
    #[track_caller]
    pub fn add_done_callback(&self, f: impl FnOnce(&Self) + Send + 'static) -> CallbackId
    where
        T: Send + Sync + 'static,
    {
        let Some(home) = self.0.home.clone().or_else(Handle::here) else {
            panic!(
                "Deferred::add_done_callback was called outside an event loop, on a deferred that \
                 was made outside of any: no loop could call the callback; make the deferred, or add \
                 the callback, inside corio::run or a task"
            );
        };
        let (variables, at) = (contextvars::capture(), Location::caller());
        let callback: Callback<T> = Box::new(move |this| {
            home.call_done(DoneCall { call: Box::new(move || f(&this)), variables, at });
        });
        let number = self.0.observers.add_callback(callback);
        if self.0.end.observe() {
            self.tell_now();
        }
        CallbackId::new(number)
    }

    /// Drops a callback that was added before; `false` if it was removed already, or the loop has it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let answer = corio::Deferred::new();
    /// let id = answer.add_done_callback(|_| unreachable!("it was removed"));
    /// assert!(answer.remove_done_callback(id));
    /// answer.set_result(1).unwrap();
    /// # });
    /// ```
    pub fn remove_done_callback(&self, id: CallbackId) -> bool {
        self.0.observers.remove(id.number()).is_some()
    }

    /// The outcome is there.
    fn tell(&self) {
        if self.0.end.end() {
            self.tell_now();
        }
    }

    #[cold]
    fn tell_now(&self) {
        // A closed loop drops the callback, which is a user's code.
        self.0.observers.tell(None, |callback| quietly(|| callback(self.clone())));
    }
}

/// What an outcome is to who waits for it.
fn lend<T>(outcome: &Outcome<T, Arc<BoxError>, Cancelled>) -> Result<&T, DeferredError> {
    match outcome {
        Outcome::Value(value) => Ok(value),
        Outcome::Failed(error) => Err(DeferredError::Failed(Arc::clone(error))),
        Outcome::Cancelled(said) => Err(DeferredError::Cancelled(said.clone())),
    }
}

impl<T> Clone for Deferred<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Deferred<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

/// True for clones of one deferred.
impl<T> PartialEq for Deferred<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Eq for Deferred<T> {}

impl<T> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made_at = self.0.made_at;
        match self.0.core.peek() {
            None => write!(f, "<Deferred pending, {:?}", self.0.observers)?,
            Some(Outcome::Value(_)) => f.write_str("<Deferred finished")?,
            Some(Outcome::Failed(error)) => write!(f, "<Deferred failed: {error}")?,
            Some(Outcome::Cancelled(said)) => write!(f, "<Deferred {said}")?,
        }
        write!(f, ", made at {}:{}>", made_at.file(), made_at.line())
    }
}

impl<T> Drop for Inner<T> {
    fn drop(&mut self) {
        let Some(error) = self.core.unretrieved().cloned() else { return };
        // The error's text is a user's code, and so is the handler.
        quietly(|| {
            let context = ErrorContext::new("deferred exception was never retrieved")
                .exception(error.to_string())
                .source(self.made_at);
            match &self.home {
                Some(home) => home.call_exception_handler(&context),
                None => report(ReportKind::Unhandled, format_args!("{context}")),
            }
        });
        drop_quietly(error);
    }
}

/// Why a deferred gives no value.
#[derive(Clone, Debug)]
pub enum DeferredError {
    /// Nothing was set yet. asyncio: `InvalidStateError`.
    NotReady,
    /// It was cancelled.
    Cancelled(Cancelled),
    /// It was given this error.
    Failed(Arc<BoxError>),
}

impl fmt::Display for DeferredError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady => f.write_str("the deferred has no result yet: await it first"),
            Self::Cancelled(said) => fmt::Display::fmt(said, f),
            Self::Failed(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl Error for DeferredError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotReady => None,
            Self::Cancelled(said) => Some(said),
            Self::Failed(error) => Some(&***error),
        }
    }
}

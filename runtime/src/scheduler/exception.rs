//! What nobody is there to hear: panics of callbacks, errors of tasks that a shutdown cancelled.
//!
//! Each goes to the runtime's exception handler as an [`ErrorContext`], and without one to standard
//! error. A handler that panics is told of through the default report, together with what it was
//! to handle; the loop goes on.
//!
//! # How long a handler lives
//!
//! A handler may keep a `Handle` of its runtime, which keeps the shared part, which keeps the
//! handler. So a [`HandlerSlot`] lets go of its handler when another takes its place and when the
//! last worker has left, and refuses one that comes later: what goes wrong from then on is reported
//! as if there were none. A handler that is running goes with the end of its call.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use corio_sync::shim::Ordering::Relaxed;

use super::callback::CallHandle;
use super::shared::Shared;
use crate::error::{TaskError, payload_message};
use crate::quiet::{drop_payload, drop_quietly};
use crate::report::{self, ReportKind};
use crate::task::raw::TaskPtr;
use crate::task::registry::TaskRef;
use crate::tokio_context::report_hint;

/// What a user's handler is to the scheduler; the handler's view of the runtime is made above it.
pub(crate) type Handler = Arc<dyn Fn(&Arc<Shared>, &ErrorContext) + Send + Sync>;

/// A runtime's handler; see the module.
///
/// A plain lock: it is taken where something went wrong that nobody heard of, and where a handler is
/// set, never on the way of a task that does well. It is held while the handler is looked up or
/// exchanged, never while one runs or is dropped: those are the user's code.
pub(crate) struct HandlerSlot(Mutex<Held>);

enum Held {
    /// The handler, if one is set.
    Open(Option<Handler>),
    /// The runtime has ended.
    Closed,
}

impl HandlerSlot {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Held::Open(None)))
    }

    /// Puts a handler, or none, in the place of the one before.
    pub(crate) fn set(&self, handler: Option<Handler>) {
        drop(self.exchange(Held::Open(handler)));
    }

    /// Lets go of the handler, and of every one that comes later.
    pub(crate) fn close(&self) {
        drop_quietly(self.exchange(Held::Closed));
    }

    fn get(&self) -> Option<Handler> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Held::Open(handler) => handler.clone(),
            Held::Closed => None,
        }
    }

    /// What is to be dropped outside the lock.
    fn exchange(&self, new: Held) -> Held {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *held {
            Held::Open(_) => std::mem::replace(&mut held, new),
            Held::Closed => new,
        }
    }
}

/// What happened, for an exception handler. asyncio: the `context` dictionary of
/// `call_exception_handler`.
///
/// # Examples
///
/// ```
/// use corio_runtime::ErrorContext;
///
/// let context = ErrorContext::new("the cache is full").exception("42 entries");
/// assert_eq!(context.to_string(), "the cache is full: 42 entries");
/// ```
///
/// ```
/// # use corio_runtime as corio;
/// use std::panic::Location;
///
/// # corio::run(async {
/// let task = corio::current_task().unwrap();
/// let call = corio::Handle::current().call_soon(|| {});
/// let context = corio::ErrorContext::new("the cache is full").exception("42 entries");
/// let context = context.task(task.clone()).handle(call.clone()).source(Location::caller());
/// assert_eq!(context.message(), "the cache is full");
/// assert_eq!(context.get_exception(), Some("42 entries"));
/// assert_eq!((context.get_task(), context.get_handle()), (Some(&task), Some(&call)));
/// assert_eq!(context.get_source().unwrap().file(), file!());
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct ErrorContext {
    message: Cow<'static, str>,
    exception: Option<Arc<str>>,
    task: Option<TaskRef>,
    handle: Option<CallHandle>,
    source: Option<&'static Location<'static>>,
}

impl ErrorContext {
    /// A context with a message alone.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        Self { message, exception: None, task: None, handle: None, source: None }
    }

    /// With what went wrong, in words: the text of an error or a panic's message.
    #[must_use]
    pub fn exception(mut self, exception: impl Into<Arc<str>>) -> Self {
        self.exception = Some(exception.into());
        self
    }

    /// With the task that it happened to.
    #[must_use]
    pub fn task(mut self, task: TaskRef) -> Self {
        self.source.get_or_insert(task.spawned_at());
        self.task = Some(task);
        self
    }

    /// With the callback that it happened in.
    #[must_use]
    pub fn handle(mut self, handle: CallHandle) -> Self {
        self.source.get_or_insert(handle.submitted_at());
        self.handle = Some(handle);
        self
    }

    /// With the place that made what failed.
    #[must_use]
    pub fn source(mut self, at: &'static Location<'static>) -> Self {
        self.source = Some(at);
        self
    }

    /// What happened. asyncio: `context["message"]`.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What went wrong, in words. asyncio: `context["exception"]`, an object there.
    #[must_use]
    pub fn get_exception(&self) -> Option<&str> {
        self.exception.as_deref()
    }

    /// The task that it happened to. asyncio: `context["task"]`.
    #[must_use]
    pub fn get_task(&self) -> Option<&TaskRef> {
        self.task.as_ref()
    }

    /// The callback that it happened in. asyncio: `context["handle"]`.
    #[must_use]
    pub fn get_handle(&self) -> Option<&CallHandle> {
        self.handle.as_ref()
    }

    /// The place that made what failed: a spawn, a submission. asyncio:
    /// `context["source_traceback"]`, in debug mode only.
    #[must_use]
    pub fn get_source(&self) -> Option<&'static Location<'static>> {
        self.source
    }
}

impl fmt::Display for ErrorContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(exception) = &self.exception {
            write!(f, ": {exception}")?;
        }
        match (&self.task, self.source) {
            (Some(task), _) => write!(f, " ({task:?})"),
            (None, Some(at)) => write!(f, " (from {at})"),
            (None, None) => Ok(()),
        }
    }
}

/// A panic's message, for people.
pub(crate) fn said(payload: &(dyn Any + Send)) -> Arc<str> {
    payload_message(payload).map_or_else(|| "a value that is not a string".into(), Arc::from)
}

/// Tells of a panic that nobody has looked at: [`RuntimeHead::report_panic`].
///
/// # Safety
///
/// `task` is alive, and its runtime a `Shared`.
///
/// [`RuntimeHead::report_panic`]: crate::task::raw::RuntimeHead
pub(crate) unsafe fn report_panic(task: TaskPtr, error: &TaskError) {
    let said = error.panic_message().unwrap_or("a value that is not a string");
    let task = TaskRef::new(task);
    // The handler runs in the task's variables.
    let variables = task.get_context();
    let shared = Shared::of(task.ptr());
    let context = ErrorContext::new(shared.message_of_panics()).exception(said).task(task);
    variables.run(|| shared.call_exception_handler(&context));
}

impl Shared {
    /// What a panic that nobody has looked at is reported with.
    fn message_of_panics(&self) -> &'static str {
        // Ordering: Relaxed; words for people. Who is cancelled by the teardown sees it: the
        // request was made after it was set.
        if self.tearing_down.load(Relaxed) {
            "unhandled exception during run() shutdown"
        } else {
            "task exception was never retrieved"
        }
    }

    /// Gives a context to the handler, or reports it.
    pub(crate) fn call_exception_handler(self: &Arc<Self>, context: &ErrorContext) {
        let Some(handler) = self.exception_handler.get() else {
            return report(context);
        };
        // The handler goes with the call: it may be the last reference to one that was replaced.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(move || handler(self, context))) {
            let said = said(&*payload);
            drop_payload(payload);
            report::report(
                ReportKind::Unhandled,
                format_args!("the exception handler panicked: {said}; it was to handle: {context}"),
            );
        }
    }

    /// A callback has panicked; its loop goes on.
    pub(crate) fn callback_panicked(
        self: &Arc<Self>,
        payload: Box<dyn Any + Send>,
        from: CallHandle,
    ) {
        let said = said(&*payload);
        drop_payload(payload);
        report_hint(Some(&said));
        let context = ErrorContext::new("a callback panicked").exception(said).handle(from);
        self.call_exception_handler(&context);
    }
}

/// The default handler: one line on standard error.
pub(crate) fn report(context: &ErrorContext) {
    report::report(ReportKind::Unhandled, format_args!("{context}"));
}

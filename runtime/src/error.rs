//! How a task can end other than with its value: errors that say which task, from where, and why.
//!
//! Vocabulary: a task *fails* when its body panics and is *cancelled* when a request to stop was
//! not caught. Everything else is a value, also `Err(..)`.
//!
//! [`TaskError`] is what awaiting returns. It is one pointer wide, so that `Result<T, TaskError>`
//! adds at most a word to `T`; the box behind it is made only on the way to failure. The panic's
//! payload has one owner, because [`TaskError::into_panic`] gives it away whole; what several
//! readers may want (message, name, place) is a [`PanicInfo`] that [`ResultError`] can share.
//!
//! Rejected: `Clone` for `TaskError`. A payload cannot be cloned, and whoever only looks at a task
//! borrows the error from it instead.
mod run;

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, OnceLock};

use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::AtomicBool;

use crate::panic_place;
pub(crate) use crate::panic_place::payload_message;
use crate::tokio_context;

pub use run::{BuildError, RunError};

/// Why awaiting a task or a job gave no value: it was cancelled, or it panicked.
///
/// asyncio: the exception that `await task` raises, with the difference that an error *value* of
/// the task's own is part of its output here and never ends up in a `TaskError`.
/// See [`create_task`](crate::create_task) for an example.
#[doc(alias = "JoinError")]
pub struct TaskError {
    repr: Box<Repr>,
}

struct Repr {
    name: TaskName,
    spawned_at: &'static Location<'static>,
    kind: Kind,
}

enum Kind {
    Cancelled(Cancelled),
    Panicked { info: Arc<PanicInfo>, payload: Payload },
}

/// The name of a task as an error keeps it: type names cost nothing, given names are shared, and
/// default names are made when somebody reads them.
#[derive(Clone)]
pub(crate) enum TaskName {
    Static(&'static str),
    Shared(Arc<str>),
    Default { body: &'static str, id: Id, made: OnceLock<Box<str>> },
}

/// What [`TaskId`](crate::TaskId) shows.
pub(crate) type Id = (u64, u32);

/// The name of a task that was given none: its number and the type of its body.
pub(crate) fn default_name((slot, generation): Id, body: &str) -> String {
    format!("Task-{slot:x}.{generation} {body}")
}

/// What a panicked body unwinds with if somebody else has its payload and raises that again: what
/// it said. Nobody need be told that such a panic was not seen.
pub(crate) struct Passed(pub(crate) String);

/// A panic's payload: owned, given away once, never lent.
struct Payload(Box<dyn Any + Send>);

// SAFETY: no method lends the box or anything in it by shared reference: `into_inner` consumes the
// payload and `Debug` of its owners does not look inside. A `&Payload` is therefore useless, and
// may be sent anywhere.
unsafe impl Sync for Payload {}

// Nobody reads a payload before it is taken out whole, so no half-changed state can be seen.
impl UnwindSafe for Payload {}
impl RefUnwindSafe for Payload {}

impl Payload {
    fn into_inner(self) -> Box<dyn Any + Send> {
        self.0
    }
}

impl TaskError {
    /// The error of a task that a request to stop has ended.
    pub(crate) fn new_cancelled(
        cancelled: Cancelled,
        name: TaskName,
        spawned_at: &'static Location<'static>,
    ) -> Self {
        Self { repr: Box::new(Repr { name, spawned_at, kind: Kind::Cancelled(cancelled) }) }
    }

    /// The error of a task whose body panicked with `payload`.
    pub(crate) fn new_panicked(
        payload: Box<dyn Any + Send>,
        name: TaskName,
        spawned_at: &'static Location<'static>,
    ) -> Self {
        let (payload, passed): (Box<dyn Any + Send>, bool) = match payload.downcast::<Passed>() {
            Ok(passed) => (Box::new(passed.0), true),
            Err(payload) => (payload, false),
        };
        let message = payload_message(&*payload);
        let panicked_at = panic_place::of(message.as_deref());
        if !passed {
            tokio_context::report_hint(message.as_deref());
        }
        let retrieved = AtomicBool::new(passed);
        let info =
            Arc::new(PanicInfo { message, name: name.clone(), spawned_at, panicked_at, retrieved });
        let kind = Kind::Panicked { info, payload: Payload(payload) };
        Self { repr: Box::new(Repr { name, spawned_at, kind }) }
    }

    /// True if the task was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.repr.kind, Kind::Cancelled(_))
    }

    /// True if the task panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.repr.kind, Kind::Panicked { .. })
    }

    /// The request that ended the task, if it was cancelled.
    #[must_use]
    pub fn cancelled(&self) -> Option<&Cancelled> {
        match &self.repr.kind {
            Kind::Cancelled(cancelled) => Some(cancelled),
            Kind::Panicked { .. } => None,
        }
    }

    /// The panic's message; `None` if the task was cancelled or panicked with something else than
    /// a string.
    #[must_use]
    pub fn panic_message(&self) -> Option<&str> {
        self.panic_info().and_then(|info| info.message())
    }

    /// Where the task panicked: file, line and column.
    ///
    /// It is known if the panic went through the hook that corio puts in front of the usual one when
    /// the first runtime is made; a program that sets a hook of its own later takes it away.
    #[must_use]
    pub fn panicked_at(&self) -> Option<&str> {
        self.panic_info().and_then(|info| info.panicked_at())
    }

    /// Somebody has seen the error, so that nobody need be told of it.
    pub(crate) fn mark_retrieved(&self) {
        if let Some(info) = self.panic_info() {
            // Ordering: Relaxed; a hint that is read by the last owner.
            info.retrieved.store(true, Relaxed);
        }
    }

    /// True for a panic that nobody has seen.
    pub(crate) fn is_unretrieved(&self) -> bool {
        // Ordering: Relaxed; as above.
        self.panic_info().is_some_and(|info| !info.retrieved.load(Relaxed))
    }

    /// What several readers may know of the panic, if it was one.
    pub(crate) fn panic_info(&self) -> Option<&Arc<PanicInfo>> {
        match &self.repr.kind {
            Kind::Cancelled(_) => None,
            Kind::Panicked { info, .. } => Some(info),
        }
    }

    /// The panic's payload, for [`std::panic::resume_unwind`].
    ///
    /// # Panics
    ///
    /// If the task was cancelled; ask [`is_panic`](Self::is_panic) first.
    #[must_use]
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        match self.repr.kind {
            Kind::Panicked { payload, .. } => payload.into_inner(),
            Kind::Cancelled(_) => panic!(
                "task '{}' was cancelled and holds no panic; check TaskError::is_panic first",
                self.repr.name
            ),
        }
    }

    /// The task's name: the one it was given, or the type of its body.
    #[must_use]
    pub fn task_name(&self) -> &str {
        self.repr.name.as_str()
    }

    /// Where the task was made.
    #[must_use]
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.repr.spawned_at
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("TaskError");
        out.field("task", &self.task_name()).field("spawned_at", &place(self.spawned_at()));
        match &self.repr.kind {
            Kind::Cancelled(cancelled) => out.field("cancelled", cancelled),
            Kind::Panicked { info, .. } => out.field("panicked", &info.message()),
        };
        out.finish()
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.repr.kind {
            Kind::Panicked { info, .. } => fmt::Display::fmt(&**info, f),
            Kind::Cancelled(cancelled) => {
                let Repr { name, spawned_at, .. } = &*self.repr;
                write!(f, "task '{name}' (spawned at {}) was cancelled", place(spawned_at))?;
                cancelled.write_reason(f)
            }
        }
    }
}

impl Error for TaskError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cancelled().map(|cancelled| cancelled as _)
    }
}

/// A request to stop, as the task that it stops sees it.
///
/// asyncio: `CancelledError`. It is a value here: what catches a cancel hands it out, and dropping
/// it silently would swallow the request, hence `#[must_use]`.
/// See [`raise`](Self::raise) for an example.
#[doc(alias = "CancelledError")]
#[derive(Clone)]
#[must_use = "a cancel that is dropped is swallowed: raise it again, or say `.suppress()`"]
pub struct Cancelled {
    msg: Option<Arc<str>>,
    requested_at: Option<&'static Location<'static>>,
    /// Who asked: [`BY_HAND`], [`FROM_TASK`], or the id of a scope of the task that asks its own part.
    origin: u32,
    /// Nobody asked: the event loop of the task has ended.
    pub(crate) shut_down: bool,
}

/// Nobody: it was made with [`Cancelled::new`], or comes from another task's end.
pub(crate) const BY_HAND: u32 = 0;

/// The origin of a cancel that the task's count has seen.
pub(crate) const FROM_TASK: u32 = 1;

impl Cancelled {
    /// A request with a message; the caller counts as the place that asks.
    #[track_caller]
    pub fn new(msg: impl Into<Arc<str>>) -> Self {
        Self::from_parts(Some(msg.into()), Some(Location::caller()))
    }

    /// A request as a runtime finds it: either part may be unknown.
    pub(crate) fn from_parts(
        msg: Option<Arc<str>>,
        requested_at: Option<&'static Location<'static>>,
    ) -> Self {
        Self { msg, requested_at, origin: BY_HAND, shut_down: false }
    }

    pub(crate) fn with_origin(self, origin: u32) -> Self {
        Self { origin, ..self }
    }

    pub(crate) fn origin(&self) -> u32 {
        self.origin
    }

    pub(crate) fn is_by_hand(&self) -> bool {
        self.origin == BY_HAND
    }

    /// The message, shared.
    pub(crate) fn shared_msg(&self) -> Option<Arc<str>> {
        self.msg.clone()
    }

    /// The message that the request was made with.
    #[must_use]
    pub fn msg(&self) -> Option<&str> {
        self.msg.as_deref()
    }

    /// The place that asked, where it is known.
    #[must_use]
    pub fn requested_at(&self) -> Option<&'static Location<'static>> {
        self.requested_at
    }

    /// Writes `: message (requested at file:line)`, leaving out what is unknown.
    fn write_reason(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(msg) = &self.msg {
            write!(f, ": {msg}")?;
        }
        if let Some(at) = self.requested_at {
            write!(f, " (requested at {})", place(at))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancelled")
            .field("msg", &self.msg)
            .field("requested_at", &self.requested_at.map(place))
            .finish()
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled")?;
        self.write_reason(f)
    }
}

impl Error for Cancelled {}

/// What is known of a panic apart from its payload; several readers may share it.
/// See [`create_task`](crate::create_task) for an example.
pub struct PanicInfo {
    message: Option<Box<str>>,
    name: TaskName,
    spawned_at: &'static Location<'static>,
    panicked_at: Option<Box<str>>,
    /// Somebody has looked at it, or cannot be told any more.
    retrieved: AtomicBool,
}

impl PanicInfo {
    /// The panic's message; `None` if the payload was no string.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// The name of the task that panicked.
    #[must_use]
    pub fn task_name(&self) -> &str {
        self.name.as_str()
    }

    /// Where that task was made.
    #[must_use]
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// Where it panicked: file, line and column; see [`TaskError::panicked_at`].
    #[must_use]
    pub fn panicked_at(&self) -> Option<&str> {
        self.panicked_at.as_deref()
    }
}

impl fmt::Debug for PanicInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PanicInfo")
            .field("message", &self.message)
            .field("task", &self.task_name())
            .field("spawned_at", &place(self.spawned_at))
            .finish()
    }
}

impl fmt::Display for PanicInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task '{}' (spawned at {}", self.name, place(self.spawned_at))?;
        if let Some(at) = self.panicked_at() {
            write!(f, ", ended at {at}")?;
        }
        match self.message() {
            Some(message) => write!(f, ") panicked: {message}")?,
            None => f.write_str(") panicked with a payload that is not a string")?,
        }
        tokio_context::hint(self.message()).map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

/// Why a task's result could not be read without waiting.
///
/// asyncio: `InvalidStateError` is `NotReady`, `CancelledError` is `Cancelled`, and the task's own
/// exception is `Panicked`.
#[doc(alias = "InvalidStateError")]
#[derive(Clone, Debug)]
pub enum ResultError {
    /// The task has not finished.
    NotReady,
    /// The task was cancelled.
    Cancelled(Cancelled),
    /// The task panicked.
    Panicked(Arc<PanicInfo>),
}

impl From<&TaskError> for ResultError {
    fn from(error: &TaskError) -> Self {
        match &error.repr.kind {
            Kind::Cancelled(cancelled) => Self::Cancelled(cancelled.clone()),
            Kind::Panicked { info, .. } => Self::Panicked(Arc::clone(info)),
        }
    }
}

impl fmt::Display for ResultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady => f.write_str("the task has not finished: await it first"),
            Self::Cancelled(cancelled) => fmt::Display::fmt(cancelled, f),
            Self::Panicked(info) => fmt::Display::fmt(&**info, f),
        }
    }
}

impl Error for ResultError {}

/// An error of any kind, as it is given to a [`Deferred`](crate::Deferred).
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// Something was to be changed that has ended, and gives back what it was to become.
///
/// asyncio: `InvalidStateError`, and the `RuntimeError` of `Timeout.reschedule`.
#[doc(alias = "InvalidStateError")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InvalidState<T = ()>(pub T);

impl<T> fmt::Debug for InvalidState<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvalidState")
    }
}

impl<T> fmt::Display for InvalidState<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it has ended already, and how it ended cannot be changed")
    }
}

impl<T> Error for InvalidState<T> {}

impl TaskName {
    fn as_str(&self) -> &str {
        match self {
            Self::Static(name) => name,
            Self::Shared(name) => name,
            Self::Default { body, id, made } => made.get_or_init(|| default_name(*id, body).into()),
        }
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&'static str> for TaskName {
    fn from(name: &'static str) -> Self {
        Self::Static(name)
    }
}

impl From<Arc<str>> for TaskName {
    fn from(name: Arc<str>) -> Self {
        Self::Shared(name)
    }
}

/// `file:line`, without the column, which no reader needs to find a call.
fn place(at: &'static Location<'static>) -> impl fmt::Display + fmt::Debug {
    Place(at)
}

struct Place(&'static Location<'static>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.file(), self.0.line())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{catch_unwind, panic_any};

    fn payload(f: impl FnOnce() + UnwindSafe) -> Box<dyn Any + Send> {
        catch_unwind(f).expect_err("the closure must panic")
    }

    fn panicked(f: impl FnOnce() + UnwindSafe) -> TaskError {
        TaskError::new_panicked(payload(f), "worker".into(), Location::caller())
    }

    const _: () = {
        const fn shareable<T: Send + Sync + 'static>() {}
        shareable::<TaskError>();
        shareable::<ResultError>();
        assert!(size_of::<Result<u64, TaskError>>() == 16);
        assert!(size_of::<Result<(), TaskError>>() == 8);
    };

    #[test]
    fn a_panic_is_told_with_name_place_and_message() {
        let error = panicked(|| panic!("no {}", "luck"));
        assert!(error.is_panic() && !error.is_cancelled());
        assert!(error.cancelled().is_none());
        assert_eq!(error.panic_message(), Some("no luck"));
        assert_eq!(error.task_name(), "worker");
        let place = place(error.spawned_at());
        // Known once a runtime of this process has asked the panic hook for it.
        let ended = error.panicked_at().map_or(String::new(), |at| format!(", ended at {at}"));
        assert_eq!(
            error.to_string(),
            format!("task 'worker' (spawned at {place}{ended}) panicked: no luck")
        );
        assert!(format!("{error:?}").contains("no luck"));
    }

    #[test]
    fn a_literal_and_a_foreign_payload_are_both_kept() {
        let error = panicked(|| panic!("literal"));
        assert_eq!(error.panic_message(), Some("literal"));
        assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "literal");

        let error = panicked(|| panic_any(7_u32));
        assert_eq!(error.panic_message(), None);
        assert!(error.to_string().ends_with("panicked with a payload that is not a string"));
        assert_eq!(*error.into_panic().downcast::<u32>().unwrap(), 7);
    }

    #[test]
    fn a_cancel_is_told_with_message_and_place() {
        let request = Cancelled::new("too slow");
        let at = request.requested_at().expect("new remembers its caller");
        let error =
            TaskError::new_cancelled(request, Arc::<str>::from("fetch").into(), Location::caller());
        assert!(error.is_cancelled() && !error.is_panic());
        assert_eq!(error.cancelled().and_then(Cancelled::msg), Some("too slow"));
        let text = error.to_string();
        assert!(text.starts_with("task 'fetch' (spawned at "), "{text}");
        let tail = format!("was cancelled: too slow (requested at {})", place(at));
        assert!(text.ends_with(&tail), "{text}");
        assert_eq!(error.source().unwrap().to_string(), format!("cancelled{}", &tail[13..]));
    }

    #[test]
    fn a_cancel_without_parts_is_told_briefly() {
        let request = Cancelled::from_parts(None, None);
        assert_eq!(request.to_string(), "cancelled");
        let error = TaskError::new_cancelled(request, "t".into(), Location::caller());
        assert!(error.to_string().ends_with("was cancelled"));
    }

    #[test]
    fn into_panic_of_a_cancel_names_the_remedy() {
        let request = Cancelled::from_parts(None, None);
        let error = TaskError::new_cancelled(request, "t".into(), Location::caller());
        let message = payload(move || drop(error.into_panic()));
        let message = payload_message(&*message).unwrap();
        assert!(message.contains("check TaskError::is_panic first"), "{message}");
    }

    #[test]
    fn a_result_error_shares_what_can_be_shared() {
        let error = panicked(|| panic!("once"));
        let first = ResultError::from(&error);
        let ResultError::Panicked(info) = first.clone() else { panic!("not {first:?}") };
        assert_eq!(info.message(), Some("once"));
        assert_eq!(first.to_string(), error.to_string());
        assert!(ResultError::NotReady.to_string().contains("await it first"));
    }
}

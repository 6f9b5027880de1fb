//! tokio's context on corio's threads, for libraries that insist on it.
//!
//! A library that calls `tokio::spawn`, opens tokio's sockets or sleeps on its timers looks for a
//! tokio runtime in a thread-local, and panics if there is none. [`Builder::tokio_context`] fills
//! that thread-local on every thread of a runtime, once for the thread's life: it costs a poll
//! nothing. Behind it is a current-thread runtime of tokio's on a thread of its own, the *driver*;
//! it runs tokio's reactor, its timers, and what the library spawns by itself. The library's
//! futures, awaited by a task, run on corio's workers.
//!
//! ```text
//!   settle ──> TokioContext in the settings of the runtime ──> enter() on each of its threads
//!        └───> drive, a closure ──> thread NAME-tokio, inside the runtime: until `stop`
//!   the last worker leaves: stop ──> tokio's runtime is dropped ──> ended <── the shutdown waits
//! ```
//!
//! Rejected: entering around each poll. It costs about 40 ns, more than a switch between tasks.
//!
//! Without the feature `tokio-context` all of this is empty, except for the hint that names it.
//!
//! [`Builder::tokio_context`]: crate::Builder

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::time::Instant;

#[cfg(feature = "tokio-context")]
mod driver;
#[cfg(feature = "tokio-context")]
use driver::{Ends, drive};

/// What to do on the driver's thread.
pub(crate) type Drive = Box<dyn FnOnce() + Send>;

/// Which context a builder was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) enum Wanted {
    #[default]
    None,
    /// A runtime of its own.
    #[cfg(feature = "tokio-context")]
    Own,
    /// Somebody else's runtime, which somebody else drives.
    #[cfg(feature = "tokio-context")]
    Given(tokio::runtime::Handle),
}

/// The context of a runtime's threads, if it was asked for.
#[derive(Clone, Default)]
pub(crate) struct TokioContext {
    #[cfg(feature = "tokio-context")]
    handle: Option<tokio::runtime::Handle>,
    /// `None` if nobody has to be stopped.
    #[cfg(feature = "tokio-context")]
    ends: Option<std::sync::Arc<Ends>>,
}

/// The calling thread is in tokio's context until this is dropped, if there is one.
#[must_use = "the context is left again when this is dropped"]
pub(crate) struct Inside<'a> {
    #[cfg(feature = "tokio-context")]
    _guard: Option<tokio::runtime::EnterGuard<'a>>,
    _context: PhantomData<&'a TokioContext>,
}

impl Wanted {
    /// Makes the context, and what a thread is to do for it.
    #[cfg(feature = "tokio-context")]
    pub(crate) fn settle(self) -> io::Result<(TokioContext, Option<Drive>)> {
        match self {
            Self::None => Ok((TokioContext::default(), None)),
            Self::Given(handle) => Ok((TokioContext { handle: Some(handle), ends: None }, None)),
            Self::Own => {
                let (handle, ends, drive) = drive()?;
                Ok((TokioContext { handle: Some(handle), ends: Some(ends) }, Some(drive)))
            }
        }
    }

    /// Makes nothing.
    #[cfg(not(feature = "tokio-context"))]
    pub(crate) fn settle(self) -> io::Result<(TokioContext, Option<Drive>)> {
        let Self::None = self;
        Ok((TokioContext::default(), None))
    }
}

impl TokioContext {
    /// True if there is one to enter.
    pub(crate) fn is_there(&self) -> bool {
        #[cfg(feature = "tokio-context")]
        return self.handle.is_some();
        #[cfg(not(feature = "tokio-context"))]
        false
    }

    /// Enters the context, if there is one, until the guard is dropped.
    pub(crate) fn enter(&self) -> Inside<'_> {
        Inside {
            #[cfg(feature = "tokio-context")]
            _guard: self.handle.as_ref().map(tokio::runtime::Handle::enter),
            _context: PhantomData,
        }
    }

    /// Ends the driver, and what the library has spawned with it.
    pub(crate) fn stop(&self) {
        #[cfg(feature = "tokio-context")]
        if let Some(ends) = &self.ends {
            ends.stop();
        }
    }

    /// Waits until the driver has ended; false at the deadline.
    pub(crate) fn wait_for_end(&self, deadline: Option<Instant>) -> bool {
        #[cfg(feature = "tokio-context")]
        if let Some(ends) = &self.ends {
            return ends.wait(deadline);
        }
        #[cfg(not(feature = "tokio-context"))]
        let _ = deadline;
        true
    }
}

impl fmt::Debug for TokioContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioContext").finish_non_exhaustive()
    }
}

impl fmt::Debug for Inside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inside").finish_non_exhaustive()
    }
}

/// What tokio says when it misses its context, and what sqlx says in its place.
const MISSING: [&str; 2] = ["there is no reactor running", "requires a Tokio context"];

/// What to do about it.
const HINT: &str = "hint: this library needs a tokio runtime around it: turn on corio's feature \
                    `tokio-context`, and start with `Builder::new().tokio_context(true)` or \
                    `#[corio::main(tokio_context = true)]`";

/// What to do about a panic with this message, if it says that there is no tokio.
pub(crate) fn hint(message: Option<&str>) -> Option<&'static str> {
    let message = message?;
    MISSING.iter().any(|said| message.contains(said)).then_some(HINT)
}

/// Tells what to do about a panic in a task; the panic hook has told of the panic.
pub(crate) fn report_hint(message: Option<&str>) {
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    if let Some(hint) = hint(message) {
        use crate::report::{ReportKind, report};
        report(ReportKind::Hint, format_args!("{hint}"));
    }
    #[cfg(any(corio_loom, corio_shuttle))]
    let _ = hint(message);
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn only_a_missing_tokio_is_hinted_at() {
        let tokio = "there is no reactor running, must be called from the context of a Tokio 1.x \
                     runtime";
        assert!(hint(Some(tokio)).unwrap().contains("`tokio-context`"));
        assert!(hint(Some("this functionality requires a Tokio context")).is_some());
        assert_eq!(hint(Some("index out of bounds")), None);
        assert_eq!(hint(None), None);
    }

    #[test]
    fn nothing_asked_for_is_nothing() {
        let (context, drive) = Wanted::default().settle().unwrap();
        assert!(drive.is_none());
        let _inside = context.enter();
        context.stop();
        assert!(context.wait_for_end(Some(Instant::now())));
        #[cfg(not(feature = "tokio-context"))]
        assert_eq!(size_of::<TokioContext>() + size_of::<Inside<'_>>(), 0);
    }
}

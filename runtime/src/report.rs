//! What the runtime tells people: slow callbacks, tasks that nobody can wake, shutdowns that were
//! not clean. Everything goes through [`report`], to standard error unless a hook takes it.
//!
//! Reports are rare, so the hook lies behind a plain lock: it is held while the hook is looked up or
//! exchanged, never while it runs.

use std::any::Any;
use std::fmt;
use std::fmt::Arguments;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

/// What a [`Report`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReportKind {
    /// An error that no exception handler took, such as a callback's panic; the loop goes on.
    Unhandled,
    /// A poll or a callback takes, or took, longer than `slow_callback_duration`.
    SlowCallback,
    /// A future was dropped before anybody polled it. Debug mode only. asyncio: "was never awaited".
    NeverAwaited,
    /// Something that has a `close` was dropped open. Debug mode only. asyncio: `ResourceWarning`.
    Unclosed,
    /// A runtime ended with a task that had not. Debug mode only. asyncio: "Task was destroyed but
    /// it is pending!".
    DestroyedPending,
    /// A thread did what only another one should do. Debug mode only.
    WrongThread,
    /// A task waits, and nobody is left who could wake it. Debug mode only.
    LostTask,
    /// Tasks wait for locks that they hold among themselves. Debug mode only.
    LockCycle,
    /// A simulation failed: its seed.
    Simulation,
    /// A shutdown left something behind.
    Shutdown,
    /// The operating system refused something.
    System,
    /// What to do about a panic that was just told of.
    Hint,
}

/// Something that the runtime has to tell.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// use corio::debug::{ReportKind, set_report_hook};
/// use std::sync::{Arc, Mutex};
///
/// let said = Arc::new(Mutex::new(Vec::new()));
/// let says = said.clone();
/// let before = set_report_hook(Some(Arc::new(move |report| {
///     says.lock().unwrap().push((report.kind(), report.text().to_owned()));
/// })));
/// let debug = corio::Builder::new().debug(true);
/// debug.run(async { drop(corio::time::sleep(std::time::Duration::ZERO)) }).unwrap();
/// set_report_hook(before);
/// let said = said.lock().unwrap();
/// let never = said.iter().find(|(kind, _)| *kind == ReportKind::NeverAwaited).unwrap();
/// assert!(never.1.contains("was never awaited"), "{said:?}");
/// ```
#[derive(Clone, Debug)]
pub struct Report {
    kind: ReportKind,
    text: String,
}

impl Report {
    /// What it is about.
    #[must_use]
    pub fn kind(&self) -> ReportKind {
        self.kind
    }

    /// The whole text; mostly one line.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A function that takes reports.
pub type ReportHook = Arc<dyn Fn(&Report) + Send + Sync>;

/// Locked once for each report, and where the hook is set: nothing that goes well comes by here.
static HOOK: Mutex<Option<ReportHook>> = Mutex::new(None);

/// Gives all reports of the process to `hook`, for a log or a test, and returns the hook before;
/// `None` prints them to standard error again.
///
/// The hook is called on any thread, also inside polls and drops: it must not block for long. If it
/// panics, the report is lost and nothing else.
///
/// # Examples
///
/// ```
/// # fn main() {
/// use std::sync::Arc;
///
/// let before = corio_runtime::debug::set_report_hook(Some(Arc::new(|report| {
///     println!("{:?}: {report}", report.kind());
/// })));
/// # corio_runtime::debug::set_report_hook(before);
/// # }
/// ```
pub fn set_report_hook(hook: Option<ReportHook>) -> Option<ReportHook> {
    let mut held = HOOK.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::replace(&mut *held, hook)
}

/// Tells people. A hook that panics, or a closed standard error, loses the report, not the worker.
pub fn report(kind: ReportKind, text: Arguments<'_>) {
    use std::io::Write;
    let hook = HOOK.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let told = catch_unwind(AssertUnwindSafe(|| match hook {
        Some(hook) => hook(&Report { kind, text: text.to_string() }),
        None => {
            // One write: other processes may write to the same file.
            let _ = std::io::stderr().write_all(format!("corio: {text}\n").as_bytes());
        }
    }));
    if let Err(payload) = told {
        crate::quiet::drop_payload(payload);
    }
}

/// Tells of a callback that panicked; its loop goes on.
pub(crate) fn callback_panicked(payload: Box<dyn Any + Send>) {
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is not a string");
    report(ReportKind::Unhandled, format_args!("a callback panicked: {message}"));
    crate::quiet::drop_payload(payload);
}

/// Tells of a future that nobody awaited, unless it is dropped with what it belongs to; in debug mode,
/// which the caller has asked for.
#[cold]
#[inline(never)]
pub(crate) fn never_awaited(what: &dyn fmt::Display, made_at: &'static Location<'static>) {
    // A body that unwinds or is cancelled takes its futures along: nobody forgot them.
    if std::thread::panicking() || corio_sync::debug::is_silent() {
        return;
    }
    report(
        ReportKind::NeverAwaited,
        format_args!("{what} was never awaited; it was made at {made_at}"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_takes_reports_and_may_panic() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let hook: ReportHook = Arc::new(move |report| {
            if report.text() == "the hook's own" {
                let _ = sender.send((report.kind(), report.to_string()));
                panic!("a hook panics");
            }
        });
        let before = set_report_hook(Some(hook));
        report(ReportKind::Shutdown, format_args!("the hook's {}", "own"));
        set_report_hook(before);
        assert_eq!(receiver.recv(), Ok((ReportKind::Shutdown, "the hook's own".to_owned())));
        assert!(receiver.recv().is_err(), "the hook was let go");
    }
}

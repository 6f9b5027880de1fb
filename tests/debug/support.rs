//! Runtimes in debug mode, and what they report.

use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use corio::debug::{ReportKind, set_report_hook};
use corio::{Builder, Runtime, TaskRef, TaskStatus};
use corio_tests::{PATIENCE, eventually, within};

static SEEN: Mutex<Vec<(ReportKind, String)>> = Mutex::new(Vec::new());

/// Keeps all reports of the process from now on. Tests run side by side, so each looks for names of
/// its own.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = |report: &corio::debug::Report| {
            SEEN.lock().unwrap().push((report.kind(), report.to_string()));
        };
        set_report_hook(Some(Arc::new(hook)));
    });
}

/// The reports of a kind so far that contain `needle`.
pub fn told(kind: ReportKind, needle: &str) -> Vec<String> {
    let seen = SEEN.lock().unwrap();
    let ours = seen.iter().filter(|(k, text)| *k == kind && text.contains(needle));
    ours.map(|(_, text)| text.clone()).collect()
}

/// Waits for such a report.
#[track_caller]
pub fn report(kind: ReportKind, needle: &str) -> String {
    eventually(&format!("a report of {needle:?}"), || told(kind, needle).pop())
}

/// A builder in debug mode.
pub fn debug_builder() -> Builder {
    listen();
    Builder::new().debug(true)
}

/// A runtime in debug mode with two workers.
pub fn debug_rt() -> Runtime {
    debug_builder().workers(2).build().expect("a runtime")
}

/// Runs a test's body on a thread of its own; fails if it hangs.
#[track_caller]
pub fn bounded<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    within(PATIENCE, &format!("the body at {}", std::panic::Location::caller()), body)
}

/// The seconds after "took" in a report.
pub fn seconds(text: &str) -> f64 {
    let after = text.split(" took ").nth(1).expect("a duration");
    after.split(' ').next().unwrap().parse().expect("a number")
}

/// Waits until a task sleeps at a place of its own.
#[track_caller]
pub fn waits(task: &TaskRef) -> corio::Frame {
    eventually("the task's wait", || match task.status() {
        TaskStatus::Waiting(frame) => frame,
        _ => None,
    })
}

pub const HOUR: Duration = Duration::from_secs(3600);

/// What an operation gives does not matter here.
pub fn ignore<T>(_: T) {}

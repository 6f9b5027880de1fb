//! A loop as strict as asyncio's, and the traces of what happened on it.

use std::fmt::Display;
use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, Mutex};

use corio::{Builder, EventLoop, Task};
use corio_tests::{PATIENCE, within};

/// The primitives, named in one place.
pub use corio::sync;

/// Spawns a task that owns clones of some variables.
macro_rules! task {
    ([$($cloned:ident),*] $body:expr) => {{
        $(let $cloned = $cloned.clone();)*
        corio::create_task(async move { $body })
    }};
}
pub(crate) use task;

/// Runs `main` as a task of a loop that polls in strict order: one worker, no LIFO slot.
#[track_caller]
pub fn on_loop<F, T>(main: impl FnOnce() -> F + Send + 'static) -> T
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let what = format!("main of {}", Location::caller());
    within(PATIENCE, &what, move || {
        let builder = Builder::new().workers(1).lifo_slot(false).stealing(false).watch(false);
        let main = async move { corio::create_task(main()).await.expect("main ends well") };
        builder.run(main).expect("the loop ends well")
    })
}

/// Gives a body a single loop of its own, on a thread of its own.
#[track_caller]
pub fn with_loop<T: Send + 'static>(body: impl FnOnce(&EventLoop) -> T + Send + 'static) -> T {
    let what = format!("the loop of {}", Location::caller());
    within(PATIENCE, &what, move || body(&corio::new_event_loop().expect("a loop")))
}

/// Runs `main` as [`on_loop`] does; fails unless CPython said the same in the scenario of this name.
#[track_caller]
pub fn as_recorded<F>(scenario: &str, main: impl FnOnce(Trace) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let trace = Trace::default();
    let said = trace.clone();
    on_loop(move || main(trace));
    said.expect_recorded(scenario);
}

/// Runs `main` on a single loop.
#[track_caller]
pub fn on_single_loop<F, T>(main: impl FnOnce() -> F + Send + 'static) -> T
where
    F: Future<Output = T>,
    T: Send + 'static,
{
    with_loop(|event_loop| event_loop.run_until_complete(main()).expect("the loop ends well"))
}

/// asyncio's `sleep(0)`: everything that is ready runs once.
pub async fn turn() {
    corio::yield_now().await;
}

/// As many turns as record.py takes.
pub async fn turns(count: usize) {
    for _ in 0..count {
        turn().await;
    }
}

/// What happened, line by line; clones write to the same trace.
#[derive(Clone, Default)]
pub struct Trace(Arc<Mutex<Vec<String>>>);

impl Trace {
    pub fn say(&self, line: impl Display) {
        self.0.lock().unwrap().push(line.to_string());
    }

    /// Fails unless CPython said the same in the scenario of this name.
    #[track_caller]
    pub fn expect_recorded(&self, scenario: &str) {
        assert_eq!(*self.0.lock().unwrap(), recorded(scenario), "left: corio, right: asyncio");
    }

    /// Fails unless exactly this happened.
    #[track_caller]
    pub fn expect(&self, lines: &[&str]) {
        assert_eq!(*self.0.lock().unwrap(), lines);
    }
}

fn recorded(scenario: &str) -> Vec<&'static str> {
    let texts = [
        include_str!("recorded/asyncio.txt"),
        include_str!("recorded/cancels.txt"),
        include_str!("recorded/compose.txt"),
        include_str!("recorded/event_loop.txt"),
        include_str!("recorded/groups.txt"),
        include_str!("recorded/hops.txt"),
    ];
    let head = format!("== {scenario}");
    let lines = texts.into_iter().flat_map(str::lines);
    let mut lines = lines.skip_while(|line| *line != head);
    assert!(lines.next().is_some(), "{scenario} is not recorded");
    lines.take_while(|line| !line.starts_with("== ") && !line.starts_with("# ")).collect()
}

/// Python's words for truth.
pub fn py(truth: bool) -> &'static str {
    if truth { "True" } else { "False" }
}

/// Which tasks have ended, as Python prints it.
pub fn done<T>(tasks: &[Task<T>]) -> String {
    let words: Vec<_> = tasks.iter().map(|task| py(task.done())).collect();
    format!("[{}]", words.join(", "))
}

/// Runs a test in a process of its own, where nobody else opens descriptors or starts children.
/// `test` is its own name.
#[track_caller]
pub fn alone(test: &str, body: impl FnOnce()) {
    const ALONE: &str = "CORIO_TEST_ALONE";
    if std::env::var(ALONE).is_ok_and(|name| name == test) {
        return body();
    }
    let this = std::env::current_exe().expect("the path of this program");
    let mut command = std::process::Command::new(this);
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(ALONE, test);
    let output = command.output().expect("this program runs again");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{test} alone: {}\n{said}", output.status);
    assert!(said.contains("1 passed"), "{test} is no test's name:\n{said}");
}

//! Runtimes for tests, with the settings of the variant under test.

use std::env;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::task::Context;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use corio::{Builder, Runtime, Sleep, Task, TaskError};
use corio_tests::{PATIENCE, within};

/// The environment variable that names the variant.
pub const VARIANT: &str = "CORIO_TEST_VARIANT";

/// Settings under which the tests run. More workers than cores: preemption by the system makes
/// interleavings that one thread per core never shows.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    pub name: &'static str,
    pub workers: usize,
    pub stealing: bool,
    pub lifo_slot: bool,
    pub watch: bool,
    pub poll_budget: u32,
}

const PLAIN: Variant = Variant {
    name: "plain",
    workers: 4,
    stealing: true,
    lifo_slot: true,
    watch: true,
    poll_budget: 128,
};

/// Every variant but the plain one.
pub const VARIANTS: [Variant; 5] = [
    Variant { name: "one-worker", workers: 1, ..PLAIN },
    Variant { name: "no-stealing", stealing: false, ..PLAIN },
    Variant { name: "no-lifo", lifo_slot: false, ..PLAIN },
    Variant { name: "budget-1", poll_budget: 1, ..PLAIN },
    Variant { name: "no-watch", watch: false, ..PLAIN },
];

/// The variant of this process.
pub fn variant() -> Variant {
    let Ok(name) = env::var(VARIANT) else { return PLAIN };
    let found = VARIANTS.into_iter().find(|variant| variant.name == name);
    found.unwrap_or_else(|| panic!("{VARIANT}={name}: there is no such variant"))
}

/// A builder with the settings of the variant.
pub fn builder() -> Builder {
    let variant = variant();
    settings(variant).workers(variant.workers)
}

/// As [`builder`], with one worker in every variant.
pub fn one_worker() -> Builder {
    settings(variant()).workers(1)
}

fn settings(variant: Variant) -> Builder {
    Builder::new()
        .name("t")
        .stealing(variant.stealing)
        .lifo_slot(variant.lifo_slot)
        .watch(variant.watch)
        .poll_budget(variant.poll_budget)
}

/// A runtime with the settings of the variant.
pub fn rt() -> Runtime {
    builder().build().expect("a runtime")
}

/// Runs a test's coroutine as main of a new runtime, on worker 0; fails if it hangs.
#[track_caller]
pub fn on_runtime<F, T: Send + 'static>(main: impl FnOnce() -> F + Send + 'static) -> T
where
    F: Future<Output = T>,
{
    on(builder(), main)
}

/// As [`on_runtime`], with one worker.
#[track_caller]
pub fn on_one_worker<F, T: Send + 'static>(main: impl FnOnce() -> F + Send + 'static) -> T
where
    F: Future<Output = T>,
{
    on(one_worker(), main)
}

/// Runs a coroutine as main of `builder`'s runtime; fails if it hangs.
#[track_caller]
pub fn on<F, T: Send + 'static>(builder: Builder, main: impl FnOnce() -> F + Send + 'static) -> T
where
    F: Future<Output = T>,
{
    let what = format!("main of {}", Location::caller());
    within(PATIENCE, &what, move || builder.run(main()).expect("main ends well"))
}

/// Runs a test's body on a thread of its own; fails if it hangs.
#[track_caller]
pub fn bounded<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    within(PATIENCE, &format!("the body at {}", Location::caller()), body)
}

/// Waits for a task on the calling thread.
#[track_caller]
pub fn wait<T>(runtime: &Runtime, task: Task<T>) -> Result<T, TaskError> {
    runtime.block_on(task.into_future())
}

/// The thread that polls.
pub async fn here() -> ThreadId {
    thread::current().id()
}

/// A sleep that waits with `cx`, and is due as soon as the machine allows: one that is due before it
/// is polled does not wait.
pub fn begun(cx: &mut Context<'_>) -> Pin<Box<Sleep>> {
    let waits = |lead: u64| {
        let mut sleep = Box::pin(corio::sleep(Duration::from_millis(lead)));
        sleep.as_mut().poll(cx).is_pending().then_some(sleep)
    };
    [2, 20, 200, 2_000, 20_000].into_iter().find_map(waits).expect("20 s are enough to poll it")
}

/// Keeps the processor busy.
pub fn burn(for_how_long: Duration) {
    let start = Instant::now();
    while start.elapsed() < for_how_long {
        std::hint::spin_loop();
    }
}

/// The message of a panic.
pub fn message(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

/// The message with which `f` panics.
#[track_caller]
pub fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
    let Err(payload) = result else { panic!("no panic came") };
    message(&*payload).to_owned()
}

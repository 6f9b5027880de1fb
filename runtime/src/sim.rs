//! Simulation: a program whose schedule is chosen by a seed, on a clock that does not wait.
//!
//! A race needs two tasks to meet at the wrong moment, and on a real runtime they seldom do. In a
//! simulation one thread runs all tasks, and a seed decides which of the ready ones runs next and at
//! which of its waiting calls it is interrupted. So some seeds hit the moment, and a seed that does
//! hits it each time. Sleeps take no time: when nothing is ready, the clock jumps to the next
//! deadline. A program that can never go on is found at once, and told with all its tasks.
//!
//! What comes from outside is as it always is: threads of executors and sockets are waited for in
//! real time, and their order is not the seed's; `std::time::Instant` and unseeded hash maps are
//! real, too. [`time::now`](crate::time::now) and [`Handle::time`](crate::Handle::time) show the
//! simulated clock.
//!
//! Between two waiting calls a task is alone, so races of threads are not found: loom does that.
//!
//! asyncio has no counterpart; the schedule that it always takes is that of an
//! [`EventLoop`](crate::EventLoop).

use std::future::Future;

use crate::builder::Builder;
use crate::report::{ReportKind, report};
use crate::scheduler::worker::take_stalled;

/// Runs `main` to its end in a simulation: `seed` chooses the schedule, and sleeps take no time.
///
/// One seed gives one schedule, as long as the program depends on nothing outside of it.
///
/// # Panics
///
/// If `main` does; the seed is reported, see
/// [`set_report_hook`](crate::debug::set_report_hook). If all tasks wait for something that can
/// never come; the message lists them. If it is called inside a runtime, or if `main` is cancelled.
///
/// # Examples
///
/// A lost update, which only some schedules show:
///
/// ```
/// # fn main() {
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
///
/// async fn add(count: Arc<AtomicU32>) {
///     let seen = count.load(Relaxed);
///     corio_runtime::time::yield_now().await;
///     count.store(seen + 1, Relaxed);
/// }
///
/// let counted = |seed| {
///     corio_runtime::sim::run(seed, async {
///         let count = Arc::new(AtomicU32::new(0));
///         let both = [0, 1].map(|_| corio_runtime::create_task(add(count.clone())));
///         for task in both {
///             task.await.unwrap();
///         }
///         count.load(Relaxed)
///     })
/// };
/// let wrong = (0..1_000).find(|&seed| counted(seed) == 1).expect("some seed shows it");
/// assert_eq!(counted(wrong), 1, "and shows it again");
/// assert!((0..1_000).any(|seed| counted(seed) == 2), "others do not");
/// # }
/// ```
#[doc(alias("pause", "start_paused"))]
#[track_caller]
pub fn run<F: Future>(seed: u64, main: F) -> F::Output {
    let told = Seed(seed);
    let result = Builder::new().simulated(seed).run(main);
    if let Some(tasks) = take_stalled() {
        panic!("the simulation with seed {seed} has stalled: nothing can wake any of\n{tasks}");
    }
    let result = result.unwrap_or_else(|error| panic!("{error}"));
    drop(told);
    result
}

/// Tells of the seed when a simulation panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            report(
                ReportKind::Simulation,
                format_args!(
                    "the simulation with seed {0} failed; sim::run({0}, ..) repeats it",
                    self.0
                ),
            );
        }
    }
}

//! Making tasks, and finding them again.

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use crate::blocking::{Job, ThreadPoolExecutor};
use crate::context;
use crate::handle::Handle;
use crate::scheduler::worker;
use crate::task::join::Task;
use crate::task::registry::TaskRef;

/// Spawns a task: it runs beside the caller, on any loop of the runtime, and starts soon.
///
/// asyncio: `create_task`. There the body starts after the caller's next `await`; here another
/// core may start it at once.
///
/// # Panics
///
/// Outside a runtime; [`Handle::create_task`] works from anywhere.
///
/// # Examples
///
/// ```
/// # fn main() {
/// corio_runtime::run(async {
///     let one = corio_runtime::create_task(async { 1 });
///     let two = corio_runtime::create_task(async { 2 });
///     assert_eq!(one.await.unwrap() + two.await.unwrap(), 3);
/// });
/// # }
/// ```
#[doc(alias = "spawn")]
#[track_caller]
pub fn create_task<F>(future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    create_task_at(future, Location::caller())
}

/// [`create_task`] in the name of who called the caller.
#[track_caller]
fn create_task_at<F>(future: F, at: &'static Location<'static>) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let spawned = worker::with(|worker| match worker {
        Some(worker) => worker.spawn(future, at),
        None => Err(future),
    });
    match spawned {
        Ok(task) => task,
        Err(future) => Handle::current().create_task_at(future, at),
    }
}

/// Spawns a task that stays on the calling loop; its body may be `!Send`.
///
/// # Panics
///
/// Anywhere but on a worker: only there it is clear which loop is meant; and on a thread that runs
/// a loop in place of one that is in [`block_in_place`](crate::block_in_place). From elsewhere use
/// [`Handle::create_pinned_task`].
///
/// # Examples
///
/// ```
/// # fn main() {
/// corio_runtime::run(async {
///     let local = std::rc::Rc::new(5);
///     let task = corio_runtime::create_local_task(async move { *local });
///     assert_eq!(task.await.unwrap(), 5);
/// });
/// # }
/// ```
#[doc(alias = "spawn_local")]
#[track_caller]
pub fn create_local_task<F>(future: F) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let at = Location::caller();
    worker::with(|worker| {
        let Some(worker) = worker else {
            panic!(
                "create_local_task was called outside an event loop; call it inside a task, or use \
                 Handle::create_pinned_task"
            );
        };
        assert!(
            !worker.is_lent(),
            "create_local_task was called while a task of this loop is in block_in_place: another \
             thread runs the loop until then, and the new task could not stay on it; use \
             Handle::create_pinned_task"
        );
        worker.spawn_local(future, at)
    })
}

/// The task that the calling code runs in; `None` in a plain callback.
///
/// # Panics
///
/// Outside a runtime.
#[track_caller]
#[must_use]
pub fn current_task() -> Option<TaskRef> {
    let task = context::current_task();
    if task.is_none() {
        let _here = Handle::current();
    }
    task
}

/// All tasks of the calling thread's runtime that have not ended.
///
/// # Panics
///
/// Outside a runtime.
#[track_caller]
#[must_use]
pub fn all_tasks() -> Vec<TaskRef> {
    Handle::current().all_tasks()
}

/// Runs a function that blocks on a thread of the default executor.
///
/// asyncio: `to_thread`. Dropping the job lets the function run to its end; [`Job::cancel`] keeps
/// it from starting.
///
/// # Panics
///
/// Outside a runtime.
///
/// # Examples
///
/// ```
/// # fn main() {
/// corio_runtime::run(async {
///     let sum = corio_runtime::to_thread(|| (1..=10).sum::<u32>()).await.unwrap();
///     assert_eq!(sum, 55);
/// });
/// # }
/// ```
#[doc(alias = "spawn_blocking")]
#[track_caller]
pub fn to_thread<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> Job<R> {
    run_in_executor(None, f)
}

/// Runs a function on a thread of an executor; `None` is the default one, for functions that
/// block.
///
/// asyncio: `loop.run_in_executor`.
///
/// # Panics
///
/// Outside a runtime, if the default executor is asked for.
#[track_caller]
pub fn run_in_executor<R: Send + 'static>(
    executor: Option<&ThreadPoolExecutor>,
    f: impl FnOnce() -> R + Send + 'static,
) -> Job<R> {
    match executor {
        Some(executor) => executor.submit(f),
        None => Handle::current().run_in_executor(None, f),
    }
}

/// Settings of one task, to be spawned by one of its methods.
pub fn task() -> TaskBuilder {
    TaskBuilder::default()
}

/// Settings of one task; made by [`task`].
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until one of its spawn methods"]
pub struct TaskBuilder {
    name: Option<Arc<str>>,
    at: Option<&'static Location<'static>>,
}

impl TaskBuilder {
    /// The name for dumps and errors. Default: the type of the body.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The place that dumps and errors show as that of the spawn; for libraries that spawn in the
    /// name of their caller. Used by [`spawn`](Self::spawn) alone.
    #[doc(hidden)]
    pub fn spawned_at(mut self, at: &'static Location<'static>) -> Self {
        self.at = Some(at);
        self
    }

    /// As [`create_task`].
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let at = self.at.unwrap_or(Location::caller());
        self.named(create_task_at(future, at))
    }

    /// As [`create_local_task`].
    ///
    /// # Panics
    ///
    /// Anywhere but on a worker.
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> Task<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.named(create_local_task(future))
    }

    /// As [`Handle::create_task`].
    #[track_caller]
    pub fn spawn_on<F>(self, handle: &Handle, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.named(handle.create_task(future))
    }

    fn named<T>(self, task: Task<T>) -> Task<T> {
        if let Some(name) = self.name {
            task.set_name(name);
        }
        task
    }
}

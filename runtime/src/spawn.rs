//! Making tasks, and finding them again.

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use crate::blocking::{Job, ThreadPoolExecutor};
use crate::context;
use crate::handle::Handle;
use crate::scheduler::block_in_place as place;
use crate::scheduler::worker::{self, Worker};
use crate::task::awaited::Awaiter;
use crate::task::birth::Birth;
use crate::task::contextvars::{self, Context};
use crate::task::ext::TaskExt;
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
/// # Cancel safety
///
/// Lossy: dropping the wait detaches the task, which runs on, and its value is lost. Await
/// `&mut task` to wait again, `&task` to look only.
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
///
/// How a task has ended, if not well, is in its error:
///
/// ```
/// # use corio_runtime as corio;
/// use corio::ResultError;
///
/// # corio::run(async {
/// let body = async { if true { panic!("no luck") } };
/// let task = corio::task().name("reader").spawn(body);
/// drop((&task).await);
/// let Err(ResultError::Panicked(info)) = task.result() else { unreachable!("it panics") };
/// assert_eq!((info.message(), info.task_name()), (Some("no luck"), "reader"));
/// assert!(info.panicked_at().unwrap().starts_with(info.spawned_at().file()));
///
/// let error = task.await.unwrap_err();
/// assert!(error.is_panic() && !error.is_cancelled() && error.cancelled().is_none());
/// assert_eq!((error.panic_message(), error.task_name()), (Some("no luck"), "reader"));
/// assert!(error.panicked_at().unwrap().starts_with(error.spawned_at().file()));
/// assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "no luck");
/// # });
/// ```
#[doc(alias = "spawn")]
#[track_caller]
pub fn create_task<F>(future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    create_awaited_task(future, Awaiter::none())
}

/// [`create_task`] for a composition, which awaits the task.
#[inline]
#[track_caller]
pub(crate) fn create_awaited_task<F>(future: F, awaiter: Awaiter) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let at = Location::caller();
    let spawned = worker::with_spawner(|worker| match worker {
        Some(worker) => worker.spawn_at(future, at, awaiter),
        None => Err(future),
    });
    match spawned {
        Ok(task) => task,
        Err(future) => {
            Handle::current().create_task_from(future, &mut Birth { awaiter, ..at.into() })
        }
    }
}

/// [`create_task`] with what the task is born with.
#[track_caller]
fn create_task_from<F>(future: F, birth: &mut Birth) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let spawned = worker::with_spawner(|worker| match worker {
        Some(worker) => worker.spawn(future, birth),
        None => Err(future),
    });
    match spawned {
        Ok(task) => task,
        Err(future) => Handle::current().create_task_from(future, birth),
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
/// # Cancel safety
///
/// As [`create_task`].
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
    let birth = &mut Location::caller().into();
    with_own_loop(|worker| worker.spawn_local(future, birth))
}

/// Calls `f` with the worker whose loop the calling thread runs.
#[track_caller]
fn with_own_loop<R>(f: impl FnOnce(&Worker) -> R) -> R {
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
        f(worker)
    })
}

/// The task that the calling code runs in; `None` in a plain callback.
///
/// # Panics
///
/// Outside a runtime.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let task = corio::task().name("writer").spawn(async { corio::current_task().unwrap().name() });
/// assert_eq!(&*task.await.unwrap(), "writer");
/// # });
/// ```
#[track_caller]
#[must_use]
pub fn current_task() -> Option<TaskRef> {
    let task = context::current_task();
    if task.is_none() {
        let _here = Handle::current();
    }
    task
}

/// All tasks of the calling thread's runtime that have not ended; see [`Handle::all_tasks`].
///
/// # Panics
///
/// Outside a runtime.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let sleeper = corio::task().name("sleeper").spawn(std::future::pending::<()>());
/// assert!(corio::all_tasks().iter().any(|task| &*task.name() == "sleeper"));
/// sleeper.abort();
/// # });
/// ```
#[doc(alias = "dump")]
#[track_caller]
#[must_use]
pub fn all_tasks() -> Vec<TaskRef> {
    Handle::current().all_tasks()
}

/// Runs a function that blocks on a thread of the default executor.
///
/// The function runs in a copy of the caller's [`Context`], and inside the runtime, as if it had
/// called [`Handle::enter`]: it may spawn tasks, and wait for what
/// [`run_coroutine_threadsafe`](crate::run_coroutine_threadsafe) submits. One that begins when the
/// runtime has ended and its last handle is gone is inside of none.
///
/// asyncio: `to_thread`, whose function finds no running loop. A job that is dropped before it is
/// awaited lets the function run; [`Job::cancel`] keeps it from starting.
///
/// # Panics
///
/// Outside a runtime.
///
/// # Cancel safety
///
/// Lossy, as [`Job`]: dropped while it is awaited, a call that has not begun never does, and one
/// that has runs on, its value lost.
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
    let captured = contextvars::capture();
    Handle::to_thread(move || captured.run(f))
}

/// Runs a function on a thread of an executor; `None` is the default one, for functions that
/// block.
///
/// asyncio: `loop.run_in_executor`; as there, the function does not get the caller's context.
///
/// # Panics
///
/// Outside a runtime, if the default executor is asked for.
///
/// # Cancel safety
///
/// Lossy, as [`Job`]: dropped while it is awaited, a call that has not begun never does, and one
/// that has runs on, its value lost.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let pool = corio::ThreadPoolExecutor::for_cpu();
/// let sum = corio::run_in_executor(Some(&pool), || (1..=10).sum::<u32>());
/// assert_eq!(sum.await.unwrap(), 55);
/// # });
/// ```
#[doc(alias = "spawn_blocking")]
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

/// Runs a closure that blocks, inside a task, on the calling thread; other tasks of the worker go
/// on meanwhile. Pinned tasks of the worker, and callbacks submitted to its loop, wait.
///
/// The worker's loop is run by a thread of the default executor meanwhile. If all that it [may
/// have](crate::Builder::blocking_threads) are busy, the other workers take the tasks, timers and
/// sockets of this one as those of a worker that is stuck; a runtime of one worker waits.
///
/// Inside the closure the runtime can be reached as before: [`Handle::current`] is there, and a wait
/// that the closure polls by itself has no [budget](crate::Builder::poll_budget).
///
/// Lending the worker costs two thread switches. Prefer [`to_thread`] unless the
/// closure borrows or must stay on this thread. Outside a worker the closure just runs.
///
/// asyncio has no counterpart.
///
/// # Panics
///
/// If the closure does.
///
/// # Examples
///
/// ```
/// # fn main() {
/// corio_runtime::run(async {
///     let text = String::from("borrowed");
///     let length = corio_runtime::block_in_place(|| text.len());
///     assert_eq!(length, 8);
/// });
/// # }
/// ```
pub fn block_in_place<R>(f: impl FnOnce() -> R) -> R {
    // The worker that the thread runs is another thread's meanwhile.
    let handle = Handle::try_current();
    place::block_in_place(|| {
        let _named = handle.map(Handle::name_here);
        f()
    })
}

/// Settings of one task, to be spawned by one of its methods.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let task = corio::task().name("answers").spawn(async { 42 });
/// assert_eq!(&*task.name(), "answers");
/// assert_eq!(task.await.unwrap(), 42);
/// # });
/// ```
pub fn task() -> TaskBuilder {
    TaskBuilder::default()
}

/// Settings of one task; made by [`task`].
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until one of its spawn methods"]
pub struct TaskBuilder {
    name: Option<Arc<str>>,
    context: Option<Context>,
    eager: bool,
    at: Option<&'static Location<'static>>,
}

impl TaskBuilder {
    /// The name for dumps and errors, which the task has from its first poll on. Default: see
    /// [`Task::name`].
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The context that the task runs in: the very one, so that what the task sets in it is seen by
    /// whoever else has it. Default: a copy of the caller's.
    ///
    /// asyncio: `create_task(.., context=..)`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// static USER: corio::ContextVar<&str> = corio::ContextVar::new("user");
    ///
    /// # corio::run(async {
    /// let shared = corio::copy_context();
    /// let task = corio::task().context(shared.clone()).spawn(async { drop(USER.set("ann")) });
    /// task.await.unwrap();
    /// assert_eq!(shared.get(&USER), Some("ann"));
    /// # });
    /// ```
    pub fn context(mut self, context: Context) -> Self {
        self.context = Some(context);
        self
    }

    /// Starts the task inside the spawn: its body runs up to its first wait before the spawn
    /// returns, as that of the new task, in its context; a body that never waits is done then. A
    /// panic of the body is the task's alone. The place of the spawn is one in the middle of the
    /// caller's poll, so the body sees whatever the caller holds.
    ///
    /// Works where the caller's thread is one that may run the task: on a worker of the runtime that
    /// it is spawned on, for [`spawn_on`](Self::spawn_on) with a handle of the runtime as a whole or
    /// of this very loop. Elsewhere the task starts as usual.
    ///
    /// asyncio: `create_task(.., eager_start=True)`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let task = corio::task().eager(true).spawn(async { 42 });
    /// assert!(task.done());
    /// assert_eq!(task.await.unwrap(), 42);
    /// # });
    /// ```
    pub fn eager(mut self, eager: bool) -> Self {
        self.eager = eager;
        self
    }

    /// The place that dumps and errors show as that of the spawn; for libraries that spawn in the
    /// name of their caller.
    #[doc(hidden)]
    pub fn spawned_at(mut self, at: &'static Location<'static>) -> Self {
        self.at = Some(at);
        self
    }

    /// As [`create_task`].
    ///
    /// See [`task`] for an example.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    ///
    /// # Cancel safety
    ///
    /// As [`create_task`].
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let eager = self.eager;
        let birth = &mut self.birth(Location::caller());
        if !eager {
            return create_task_from(future, birth);
        }
        let spawned = worker::with_spawner(|worker| match worker {
            Some(worker) => worker.spawn_eager(future, birth),
            None => Err(future),
        });
        spawned.unwrap_or_else(|future| create_task_from(future, birth))
    }

    /// As [`create_local_task`].
    ///
    /// # Panics
    ///
    /// Anywhere but on a worker.
    ///
    /// # Cancel safety
    ///
    /// As [`create_task`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let word = std::rc::Rc::new("word");
    /// let task = corio::task().name("local").spawn_local(async move { word.len() });
    /// assert_eq!(task.await.unwrap(), 4);
    /// # });
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> Task<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let eager = self.eager;
        let birth = &mut self.birth(Location::caller());
        with_own_loop(|worker| {
            if eager {
                worker.spawn_local_eager(future, birth)
            } else {
                worker.spawn_local(future, birth)
            }
        })
    }

    /// As [`Handle::create_task`].
    ///
    /// # Cancel safety
    ///
    /// As [`create_task`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let runtime = corio::Runtime::new().unwrap();
    /// let task = corio::task().name("there").spawn_on(runtime.handle(), async { 5 });
    /// assert_eq!(&*task.name(), "there");
    /// assert_eq!(runtime.block_on(async { task.await.unwrap() }), 5);
    /// ```
    #[track_caller]
    pub fn spawn_on<F>(self, handle: &Handle, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let eager = self.eager;
        let birth = &mut self.birth(Location::caller());
        if eager {
            handle.create_eager_task(future, birth)
        } else {
            handle.create_task_from(future, birth)
        }
    }

    fn birth(self, caller: &'static Location<'static>) -> Birth {
        let given = self.name.is_some() || self.context.is_some();
        let ext = given.then(|| TaskExt::for_birth(self.name, self.context));
        Birth { ext, ..Birth::from(self.at.unwrap_or(caller)) }
    }
}

//! `JoinSet`: tasks that come and go, and are stopped together.
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corio_sync::place::{Made, WaitKind};

use super::watched::Watched;
use crate::error::TaskError;
use crate::handle::Handle;
use crate::spawn::{create_awaited_task, create_local_task};
use crate::task::join::Task;
use crate::task::registry::{TaskId, TaskRef};

/// Tasks of one type that are spawned one by one and joined as they end; dropping the set aborts
/// those that are left.
///
/// For habits that come from tokio, whose `JoinSet` this is. [`task_group`](crate::task_group)
/// also stops at the first error and awaits the ends; [`as_completed`](crate::as_completed) takes
/// tasks that are there already.
///
/// To abort drops a task's body, and its scopes get no say; [`TaskRef::cancel`] on what
/// [`spawn`](JoinSet::spawn) returns asks first.
///
/// asyncio: no counterpart; a set of tasks with `wait(.., FIRST_COMPLETED)` in a loop.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let mut set = corio::JoinSet::new();
/// for n in 0..10 {
///     set.spawn(async move { n * n });
/// }
/// let mut sum = 0;
/// while let Some(result) = set.join_next().await {
///     sum += result.unwrap();
/// }
/// assert_eq!(sum, 285);
/// # });
/// ```
pub struct JoinSet<T> {
    tasks: Watched<T>,
}

impl<T> JoinSet<T> {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self { tasks: Watched::with_capacity(0) }
    }

    /// How many tasks were not joined.
    ///
    /// See [`join_next`](Self::join_next) for an example.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// True if there are no tasks.
    ///
    /// See [`join_next`](Self::join_next) for an example.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a task into the set that was made elsewhere.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let mut set = corio::JoinSet::new();
    /// set.insert(corio::task().name("named").spawn(async { 1 }));
    /// // A task that may not leave the loop, and one for another loop.
    /// set.spawn_local(async { *std::rc::Rc::new(2) });
    /// set.spawn_on(async { 3 }, &corio::Handle::current().loops()[0]);
    /// let mut all = set.join_all().await;
    /// all.sort();
    /// assert_eq!(all, [1, 2, 3]);
    /// # });
    /// ```
    #[track_caller]
    pub fn insert(&mut self, task: Task<T>) -> TaskRef {
        let task_ref = task.task_ref();
        self.tasks.insert(task, Location::caller());
        task_ref
    }

    /// Spawns a task of the set.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> TaskRef
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let task = create_awaited_task(future, self.tasks.awaiter());
        let task_ref = task.task_ref();
        self.tasks.insert_born(task, Location::caller());
        task_ref
    }

    /// Spawns a task of the set on a given loop or runtime.
    ///
    /// See [`insert`](Self::insert) for an example.
    #[track_caller]
    pub fn spawn_on<F>(&mut self, future: F, handle: &Handle) -> TaskRef
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.insert(handle.create_task(future))
    }

    /// Spawns a task of the set that stays on the calling loop.
    ///
    /// See [`insert`](Self::insert) for an example.
    ///
    /// # Panics
    ///
    /// As [`create_local_task`](crate::create_local_task).
    #[track_caller]
    pub fn spawn_local<F>(&mut self, future: F) -> TaskRef
    where
        F: Future<Output = T> + 'static,
        T: 'static,
    {
        self.insert(create_local_task(future))
    }

    /// Waits for the next task to end, and takes it out; `None` if the set is empty.
    ///
    /// # Cancel safety
    ///
    /// Strict: a task is taken out only when its result is returned.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let mut set = corio::JoinSet::new();
    /// assert!(set.is_empty() && set.join_next().await.is_none());
    /// let first = set.spawn(async { 1 }).id();
    /// assert_eq!(set.len(), 1);
    /// let (id, result) = set.join_next_with_id().await.unwrap();
    /// assert_eq!((id, result.unwrap()), (first, 1));
    /// # });
    /// ```
    #[track_caller]
    pub fn join_next(&mut self) -> JoinNext<'_, T> {
        JoinNext { set: self, made: Made::here(WaitKind::JoinSet) }
    }

    /// As [`join_next`](JoinSet::join_next), with the task's id.
    ///
    /// See [`join_next`](Self::join_next) for an example.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    #[track_caller]
    pub fn join_next_with_id(&mut self) -> JoinNextWithId<'_, T> {
        JoinNextWithId(self.join_next())
    }

    /// The result of a task that has ended already, which is taken out.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let mut set = corio::JoinSet::new();
    /// assert!(set.try_join_next().is_none());
    /// let task = set.spawn(async { 1 });
    /// let (id, result) = loop {
    ///     match set.try_join_next_with_id() {
    ///         Some(ended) => break ended,
    ///         None => corio::time::yield_now().await,
    ///     }
    /// };
    /// assert_eq!((id, result.unwrap()), (task.id(), 1));
    /// # });
    /// ```
    #[track_caller]
    pub fn try_join_next(&mut self) -> Option<Result<T, TaskError>> {
        let index = self.tasks.next_ended(Location::caller())?;
        Some(self.tasks.take_output(index))
    }

    /// As [`try_join_next`](JoinSet::try_join_next), with the task's id.
    ///
    /// See [`try_join_next`](Self::try_join_next) for an example.
    #[track_caller]
    pub fn try_join_next_with_id(&mut self) -> Option<(TaskId, Result<T, TaskError>)> {
        let index = self.tasks.next_ended(Location::caller())?;
        Some(self.take_with_id(index))
    }

    /// What [`join_next`](JoinSet::join_next) polls.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use std::future::poll_fn;
    ///
    /// # corio::run(async {
    /// let mut set: corio::JoinSet<_> = (0..2).map(|_| async { 1 }).collect();
    /// assert_eq!(poll_fn(|cx| set.poll_join_next(cx)).await.unwrap().unwrap(), 1);
    /// assert_eq!(set.len(), 1);
    /// # });
    /// ```
    #[track_caller]
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, TaskError>>> {
        let index = ready!(self.tasks.poll_ended(cx, Location::caller()));
        Poll::Ready(index.map(|index| self.tasks.take_output(index)))
    }

    /// Aborts all tasks; they stay in the set until they are joined.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let mut set = corio::JoinSet::new();
    /// set.spawn(std::future::pending::<()>());
    /// set.abort_all();
    /// assert!(set.join_next().await.unwrap().unwrap_err().is_cancelled());
    /// # });
    /// ```
    pub fn abort_all(&mut self) {
        for task in self.tasks.iter() {
            task.abort();
        }
    }

    /// Takes all tasks out and lets them go on.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let mut set = corio::JoinSet::new();
    /// let task = set.spawn(std::future::pending::<()>());
    /// set.detach_all();
    /// drop(set);
    /// assert_eq!(task.cancelling(), 0, "it runs on");
    /// # });
    /// ```
    pub fn detach_all(&mut self) {
        self.tasks.drain().for_each(drop);
    }

    /// Aborts all tasks and waits until they have ended. Their results are dropped.
    ///
    /// # Cancel safety
    ///
    /// Strict: the tasks are aborted by the call.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let mut set = corio::JoinSet::new();
    /// let task = set.spawn(std::future::pending::<()>());
    /// set.shutdown().await;
    /// assert!(task.done() && set.is_empty());
    /// # });
    /// ```
    #[track_caller]
    pub fn shutdown(&mut self) -> JoinShutdown<'_, T> {
        self.abort_all();
        JoinShutdown(self.join_next())
    }

    /// Waits for all tasks and gives their values, in the order in which they ended. If one has
    /// panicked or was cancelled the others are aborted.
    ///
    /// See [`insert`](Self::insert) for an example.
    ///
    /// # Panics
    ///
    /// With the panic of a task; and if a task was cancelled.
    ///
    /// # Cancel safety
    ///
    /// Lossy: dropping it aborts the tasks.
    #[track_caller]
    pub fn join_all(self) -> JoinAll<T> {
        let made = Made::here(WaitKind::JoinSet);
        JoinAll { values: Vec::with_capacity(self.len()), set: self, made }
    }

    fn take_with_id(&mut self, index: usize) -> (TaskId, Result<T, TaskError>) {
        let mut task = self.tasks.remove(index);
        (task.id(), task.take_output())
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    #[track_caller]
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = Self::new();
        set.extend(futures);
        set
    }
}

impl<T, F> Extend<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    #[track_caller]
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        for future in futures {
            self.spawn(future);
        }
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JoinSet").field(&self.tasks).finish()
    }
}

/// Future of [`JoinSet::join_next`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
#[derive(Debug)]
pub struct JoinNext<'a, T> {
    set: &'a mut JoinSet<T>,
    made: Made,
}

impl<T> JoinNext<'_, T> {
    fn poll_index(&mut self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        self.made.begin();
        let ended = self.set.tasks.poll_ended(cx, self.made.at());
        self.made.noted(ended)
    }
}

impl<T> Future for JoinNext<'_, T> {
    type Output = Option<Result<T, TaskError>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let index = ready!(this.poll_index(cx));
        Poll::Ready(index.map(|index| this.set.tasks.take_output(index)))
    }
}

/// Future of [`JoinSet::join_next_with_id`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
#[derive(Debug)]
pub struct JoinNextWithId<'a, T>(JoinNext<'a, T>);

impl<T> Future for JoinNextWithId<'_, T> {
    type Output = Option<(TaskId, Result<T, TaskError>)>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut self.get_mut().0;
        let index = ready!(this.poll_index(cx));
        Poll::Ready(index.map(|index| this.set.take_with_id(index)))
    }
}

/// Future of [`JoinSet::shutdown`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
#[derive(Debug)]
pub struct JoinShutdown<'a, T>(JoinNext<'a, T>);

impl<T> Future for JoinShutdown<'_, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut self.get_mut().0;
        while let Some(index) = ready!(this.poll_index(cx)) {
            drop(this.set.tasks.take_output(index));
        }
        Poll::Ready(())
    }
}

/// Future of [`JoinSet::join_all`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct JoinAll<T> {
    set: JoinSet<T>,
    values: Vec<T>,
    made: Made,
}

impl<T> Unpin for JoinAll<T> {}

impl<T> Future for JoinAll<T> {
    type Output = Vec<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<T>> {
        let this = self.get_mut();
        this.made.begin();
        let made = &this.made;
        while let Some(index) = ready!(made.noted(this.set.tasks.poll_ended(cx, made.at()))) {
            match this.set.tasks.take_output(index) {
                Ok(value) => this.values.push(value),
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(error) => panic!("a task of a JoinSet that was to be joined: {error}"),
            }
        }
        Poll::Ready(std::mem::take(&mut this.values))
    }
}

impl<T> fmt::Debug for JoinAll<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinAll").field("set", &self.set).finish_non_exhaustive()
    }
}

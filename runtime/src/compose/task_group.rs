//! `task_group`: tasks that end together.
//!
//! A group is a future that owns its body and counts its children, in its [`Roster`]. Who fails first
//! tells the roster that the group is to stop, which wakes the group. The group's own poll does
//! everything else: it cancels the children, asks the body to stop (its own part of the task,
//! nothing else), and waits until no child is left and all are done. A cancel of the waiting task stops
//! it too and is remembered.
//!
//! On a single loop a group hears of an end in the turn after it, where asyncio's has a done-callback: till
//! then the child is counted, and its failure cancels the siblings there and the body in the turn after that.
mod child;
mod ends;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use corio_sync::debug;
use corio_sync::place::{Made, WaitKind};
use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::AtomicUsize;
use pin_project_lite::pin_project;

use self::child::{Adding, Child, Member, poll_caught};
pub use self::ends::{GroupClosed, GroupError, GroupOutput};
use super::roster::Roster;
use crate::cancel::{GIVES_WAY, Raising};
use crate::error::Cancelled;
use crate::scheduler::worker::hops;
use crate::spawn::create_awaited_task;
use crate::task::awaited::Awaiter;
use crate::task::inside;
use crate::task::join::Task;
use crate::task::requests::Pushed;
use crate::task::scope::{self, Asks, Covering, Kept, Kind, Part, Polled, Request, Scope};
use crate::task::silent::SilentRef;

/// What is said to those that a group cancels.
const STOPS: &str = "its task group stops";

/// Runs `body` with a group of tasks, and ends when the body and all tasks of the group have ended.
///
/// If a task of the group returns `Err` or panics, the others are cancelled, the body is cancelled
/// where it waits, and all ends are awaited; then the errors are returned, in the order in which
/// they came, the body's own last. A panic is raised again here. A task that is cancelled on its own
/// is no failure.
///
/// If the waiting task is cancelled, so are the body and all tasks of the group; their ends are
/// awaited, and the cancel goes on. If there were errors too, they are returned, and the cancel is
/// delivered at the next wait; so is one that was caught before, in the body or around the group,
/// unless it was taken back ([`Cancelled::suppress`]).
///
/// Only this part of the task is touched: other branches of a `join!` feel nothing.
///
/// asyncio: `async with TaskGroup() as group`.
///
/// # Errors
///
/// [`GroupError::Errors`], or [`GroupError::Stopped`] if [`TaskGroup::cancel`] ended the body.
///
/// # Panics
///
/// With the panic of the body or of a task of the group, after all have ended.
///
/// # Cancel safety
///
/// Lossy: dropping it cancels the tasks of the group without awaiting them.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let sum = corio::task_group(async |group: corio::TaskGroup<String>| {
///     let one = group.create_task(async { Ok::<_, String>(1) }).unwrap();
///     let two = group.create_task(async { Ok::<_, String>(2) }).unwrap();
///     Ok(one.await.unwrap() + two.await.unwrap())
/// })
/// .await;
/// assert_eq!(sum.unwrap(), 3);
/// # });
/// ```
#[track_caller]
pub fn task_group<T, E, Fut>(body: impl FnOnce(TaskGroup<E>) -> Fut) -> TaskGroupScope<Fut, T, E>
where
    Fut: Future<Output = Result<T, E>>,
{
    let group = Arc::new(Group {
        roster: Roster::new(),
        awaiter: AtomicUsize::new(0),
        added: Pushed::new(),
        stopped: Pushed::new(),
        ended: AtomicUsize::new(0),
        at: Location::caller(),
        errors: Pushed::new(),
        panics: Pushed::new(),
    });
    let body = Some(body(TaskGroup(group.clone())));
    let state = Ending {
        group,
        children: Vec::new(),
        asked: None,
        aborted: false,
        begun: false,
        asks_first: true,
        gave_way: 0,
        heard: false,
        late: None,
        cancelled: Kept::new(),
        value: None,
        failed: None,
        raise: None,
        made: Made::here(WaitKind::TaskGroup),
    };
    TaskGroupScope { body, scope: Scope::new(), state }
}

/// A group of tasks; given to the body of [`task_group`].
#[doc(alias = "TaskTracker")]
pub struct TaskGroup<E>(Arc<Group<E>>);

/// What a group's handles, children and future share.
struct Group<E> {
    roster: Roster,
    /// The task that awaits the group, by its address; 0 before its first poll, and when it is gone.
    awaiter: AtomicUsize,
    /// Children that the group's future has not seen yet; on a single loop also those that it may leave
    /// to the turns of their ends.
    added: Pushed<SilentRef>,
    /// Those among them that were cancelled in the turn of one that has failed.
    stopped: Pushed<SilentRef>,
    /// How many turns of ends there were since somebody looked who of `added` has ended.
    ended: AtomicUsize,
    /// Where the group was made.
    at: &'static Location<'static>,
    errors: Pushed<E>,
    panics: Pushed<Box<dyn Any + Send>>,
}

impl<E> Group<E> {
    fn awaiter(&self) -> Awaiter {
        // Ordering: Relaxed; a number for people, that is compared and never followed.
        Awaiter::of_addr(self.awaiter.load(Relaxed))
    }

    /// True if another task has awaited the group so far.
    fn comes_to(&self, awaiter: Awaiter) -> bool {
        let changed = self.awaiter() != awaiter;
        if changed {
            // Ordering: Relaxed; as above.
            self.awaiter.store(awaiter.addr(), Relaxed);
        }
        changed
    }

    /// The body has panicked: the group stops, and raises this again when all have ended.
    fn panicked(&self, payload: Box<dyn Any + Send>) {
        self.panics.push(payload);
        self.roster.stop();
    }
}

impl<E: Send + 'static> TaskGroup<E> {
    /// Spawns a task of the group.
    ///
    /// A task that returns `Err(error)` fails the group: the error goes to the group's result, and
    /// the handle says that the task was cancelled.
    ///
    /// # Errors
    ///
    /// Gives the future back if the group is ending or has ended; `?` works with the usual error types,
    /// see [`GroupClosed`].
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    ///
    /// # Cancel safety
    ///
    /// As [`create_task`](crate::create_task); the group waits for the child in any case.
    #[track_caller]
    pub fn create_task<F>(
        &self,
        future: F,
    ) -> Result<Task<<F::Output as GroupOutput<E>>::Value>, GroupClosed<F>>
    where
        F: Future + Send + 'static,
        F::Output: GroupOutput<E>,
        <F::Output as GroupOutput<E>>::Value: Send + 'static,
    {
        if !self.0.roster.admit() {
            return Err(GroupClosed(future));
        }
        // Also if the spawn panics; then the future has gone with it, and its membership.
        let adding = Adding(&self.0);
        let member = Member::new(self.0.clone());
        let task = create_awaited_task(Child::new(future, member), self.0.awaiter());
        self.0.added.push(SilentRef::new(task.task_ref()));
        drop(adding);
        Ok(task)
    }
}

impl<E> TaskGroup<E> {
    /// Cancels the body and all tasks of the group. asyncio: `TaskGroup.cancel`, 3.15.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let stopped = corio::task_group(async |group: corio::TaskGroup<()>| {
    ///     let child = group.create_task(std::future::pending::<()>()).unwrap();
    ///     assert_eq!(group.len(), 1);
    ///     group.cancel();
    ///     drop(child.await);
    ///     Ok(5)
    /// });
    /// assert!(matches!(stopped.await, Err(corio::GroupError::Stopped)));
    /// # });
    /// ```
    pub fn cancel(&self) {
        self.0.roster.abort();
    }

    /// How many tasks of the group have not ended. In an [`EventLoop`](crate::EventLoop) the group hears
    /// of an end in the next turn, as asyncio's does.
    ///
    /// See [`cancel`](Self::cancel) for an example.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.roster.len()
    }

    /// True if all tasks of the group have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let ended = corio::task_group(async |group: corio::TaskGroup<()>| {
    ///     group.create_task(async {}).unwrap().await.unwrap();
    ///     while !group.is_empty() {
    ///         corio::time::yield_now().await;
    ///     }
    ///     Ok(())
    /// });
    /// ended.await.unwrap();
    /// # });
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<E> Clone for TaskGroup<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E> fmt::Debug for TaskGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup").field("tasks", &self.len()).finish()
    }
}

pin_project! {
    /// Future of [`task_group`].
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct TaskGroupScope<Fut, T, E> {
        #[pin]
        body: Option<Fut>,
        scope: Scope,
        state: Ending<T, E>,
    }
}

/// What a group's future knows.
struct Ending<T, E> {
    group: Arc<Group<E>>,
    children: Vec<SilentRef>,
    /// What the body was asked to stop with.
    asked: Option<Box<Request>>,
    /// The children were cancelled.
    aborted: bool,
    /// The body has waited.
    begun: bool,
    /// On a single loop it is asked before it is polled once more, which was not done yet.
    asks_first: bool,
    /// How often a scope around was about to ask the body.
    gave_way: u8,
    /// One has.
    heard: bool,
    /// What the last of the children wakes when it is done.
    late: Option<Waker>,
    /// A cancel from outside that goes on when all have ended.
    cancelled: Kept,
    value: Option<T>,
    failed: Option<E>,
    raise: Option<Raising>,
    made: Made,
}

impl<T, E> Ending<T, E> {
    /// This task awaits the group. Children that are added from now on are born with that.
    fn comes_to(&mut self, awaiter: Awaiter) {
        if self.group.comes_to(awaiter) && !self.group.roster.is_closed() {
            self.look_after_children();
            self.children.iter().for_each(|child| awaiter.awaits(child.ptr()));
            for child in self.group.added.take_all() {
                awaiter.awaits(child.ptr());
                self.group.added.push(child);
            }
        }
    }

    /// Takes new children in, and cancels all that are left if the group is to stop.
    fn look_after_children(&mut self) {
        let aborted = self.group.roster.is_aborted();
        if !aborted && hops::is_in_single() {
            return;
        }
        let added = self.group.added.take_all();
        if aborted {
            let old = if self.aborted { &[][..] } else { &self.children[..] };
            for child in old.iter().chain(&added) {
                child.request(Some(STOPS.into()), self.made.at());
            }
            self.aborted = true;
            self.children.extend(self.group.stopped.take_all());
        } else if self.children.len() > 2 * (self.group.roster.len() + 8) {
            self.children.retain(|child| !child.done());
        }
        if self.children.is_empty() {
            self.children = added;
        } else {
            self.children.extend(added);
        }
    }

    /// True if a scope around asks the body in place of the group, or has asked it, as
    /// [`Limited::gives_way`](crate::cancel::Limited::gives_way) says.
    fn gives_way(&mut self, scope: &Scope, cx: &Context<'_>) -> bool {
        if self.asked.is_some() {
            return false;
        }
        self.heard = scope.is_merged(self.heard);
        if !self.heard {
            scope.unmerge();
        }
        let outdone = !self.heard && self.gave_way < GIVES_WAY && scope::is_outdone();
        if outdone {
            self.gave_way += 1;
            cx.waker().wake_by_ref();
        }
        outdone || self.heard
    }

    /// True if the body is not to be polled before it is asked: on a single loop a cancel is delivered in
    /// the step that was due anyhow, as asyncio's.
    fn asks_first(&mut self) -> bool {
        let asks = self.begun && self.asked.is_none() && self.group.roster.is_aborted();
        asks && mem::take(&mut self.asks_first) && hops::is_in_single()
    }

    /// Asks the body to stop, or looks what has become of that.
    fn ask_body(&mut self, scope: &mut Scope, again: bool) -> Part {
        match &mut self.asked {
            Some(asked) => asked.look(scope, again),
            never => {
                let said = Cancelled::from_parts(Some(STOPS.into()), None);
                never.insert(Box::new(Request::new(said))).begin(scope)
            }
        }
    }

    /// True if all children have left and are done. Who has left is perhaps not done: another thread
    /// is about to say so. That is rare enough to await such ends one by one.
    fn all_done(&mut self, waker: &Waker) -> bool {
        if !self.group.roster.is_closed() {
            if !self.group.roster.close() {
                return false;
            }
            // Who came and left since the last look.
            self.children.extend(self.group.added.take_all());
            self.children.extend(self.group.stopped.take_all());
        }
        while let Some(child) = self.children.last() {
            if !child.done() {
                if self.late.as_ref().is_some_and(|late| late.will_wake(waker)) {
                    return false;
                }
                if child.wake_at_end(waker) {
                    self.late = Some(waker.clone());
                    return false;
                }
            }
            self.late = None;
            self.children.pop();
        }
        true
    }

    /// A request that was offered to the group ends it.
    fn remember_taken(&mut self, request: Cancelled) {
        self.cancelled.keep_taken(request);
        self.group.roster.stop();
    }

    /// The body has raised a request, or leaves one behind.
    fn remember_raised(&mut self, request: Cancelled) {
        self.cancelled.keep_raised(request);
        self.group.roster.stop();
    }
}

impl Asks for Roster {
    fn is_due(&self) -> bool {
        self.is_aborted()
    }
}

impl<T, E> Drop for Ending<T, E> {
    fn drop(&mut self) {
        if !self.group.roster.is_closed() {
            self.group.comes_to(Awaiter::none());
            self.group.roster.abandon();
            self.look_after_children();
            self.children.iter().for_each(|child| Awaiter::none().awaits(child.ptr()));
        }
    }
}

impl<Fut, T, E> Future for TaskGroupScope<Fut, T, E>
where
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<T, GroupError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.as_mut().project().state.made.begin();
        if self.state.raise.is_some() {
            return Poll::Pending;
        }
        self.state.group.roster.watch(cx.waker());
        self.as_mut().project().state.comes_to(Awaiter::here());
        let this = self.as_mut().project();
        if let Some(request) = this.scope.take() {
            this.state.remember_taken(request);
            self.as_mut().drop_body();
        }
        self.as_mut().poll_body(cx);
        let this = self.as_mut().project();
        if !this.state.group.roster.is_closed() {
            this.state.look_after_children();
        }
        if this.body.is_some() || !this.state.all_done(cx.waker()) {
            this.scope.suspend(Kind::Group, cx);
            if this.body.is_none() {
                this.state.made.note();
            }
            return Poll::Pending;
        }
        self.finish()
    }
}

impl<Fut, T, E> TaskGroupScope<Fut, T, E>
where
    Fut: Future<Output = Result<T, E>>,
{
    fn drop_body(self: Pin<&mut Self>) {
        let mut this = self.project();
        // The group passes that on in place of what waits inside keep of it.
        let _covering = this.state.cancelled.first().map(Covering::begin);
        // What it has not awaited when it is stopped was not forgotten.
        let drop_it = || debug::silently(|| this.body.set(None));
        if let Err(payload) = catch_unwind(AssertUnwindSafe(drop_it)) {
            this.state.group.panicked(payload);
        }
    }

    /// Polls the body, if there is one, until it waits for good.
    fn poll_body(mut self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let mut again = false;
        // What stops the group inside of this poll is no older than the wait that the body is in then.
        let was_aborted = self.state.group.roster.is_aborted();
        let mut repeating = None;
        loop {
            let mut this = self.as_mut().project();
            let Some(body) = this.body.as_mut().as_pin_mut() else { return };
            let asked = this.state.asked.is_some();
            let passed_by = this.state.asks_first() && !this.state.gives_way(this.scope, cx);
            if asked {
                this.scope.ask_part();
            }
            let caught = |cx: &mut Context<'_>| poll_caught(body, cx);
            let polled = match asked {
                true => this.scope.poll_part(Kind::Group, cx, caught),
                false if passed_by => Polled::Pending,
                false => this.scope.poll(Kind::Group, Some(&this.state.group.roster), cx, caught),
            };
            match polled {
                Polled::Ready(result) => {
                    match result {
                        Ok(Ok(value)) => this.state.value = Some(value),
                        Ok(Err(error)) => {
                            this.state.failed = Some(error);
                            this.state.group.roster.stop();
                        }
                        Err(payload) => this.state.group.panicked(payload),
                    }
                    return self.drop_body();
                }
                // The group's own request ends here.
                Polled::Unwound(request)
                    if this.state.asked.as_ref().is_some_and(|asked| asked.is(&request)) =>
                {
                    return self.stop_body();
                }
                Polled::Unwound(request) => {
                    this.state.remember_raised(request);
                    return self.drop_body();
                }
                Polled::Pending => this.state.begun = true,
            }
            if !this.state.group.roster.is_aborted() {
                return;
            }
            if !passed_by && this.state.gives_way(this.scope, cx) {
                return;
            }
            if !was_aborted {
                repeating.get_or_insert_with(inside::Repeating::begin);
            }
            this.scope.suspend(Kind::Group, cx);
            match this.state.ask_body(this.scope, again) {
                Part::Offered => {}
                Part::Held => again = true,
                Part::Waiting => return,
                Part::Again => return cx.waker().wake_by_ref(),
                Part::Nobody => return self.stop_body(),
            }
        }
    }

    /// Drops a body that the group has stopped. What it had caught, and did not come to answer, the
    /// group passes on: asyncio's cancels its task once more.
    fn stop_body(mut self: Pin<&mut Self>) {
        let this = self.as_mut().project();
        if let Some(request) = this.scope.unanswered(None) {
            this.state.remember_raised(request);
        }
        self.drop_body();
    }

    /// All have ended.
    fn finish(self: Pin<&mut Self>) -> Poll<Result<T, GroupError<E>>> {
        let this = self.project();
        let state = this.state;
        let mut errors = state.group.errors.take_all();
        errors.extend(state.failed.take());
        if !errors.is_empty() && state.cancelled.first().is_none() {
            this.scope.ask_again();
        }
        this.scope.close_part();
        if let Some(payload) = state.group.panics.take_first() {
            resume_unwind(payload);
        }
        if !errors.is_empty() {
            state.cancelled.give_back();
            return Poll::Ready(Err(GroupError::Errors(errors)));
        }
        if let Some(request) = state.cancelled.take_first() {
            state.raise.insert(request.raising()).go();
            return Poll::Pending;
        }
        Poll::Ready(state.value.take().ok_or(GroupError::Stopped))
    }
}

impl<Fut, T, E> fmt::Debug for TaskGroupScope<Fut, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroupScope").finish_non_exhaustive()
    }
}

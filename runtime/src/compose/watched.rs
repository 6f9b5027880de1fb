//! Many tasks, awaited together.
//!
//! Each task's join slot holds a waker of its own, so that an end costs one look however many tasks
//! there are: see [`Ready`]. Nothing here forwards a cancel; who owns the tasks does.
use std::fmt;
use std::mem;
use std::panic::Location;
use std::task::{Context, Poll, Waker};

use super::into_task::IntoTask;
use crate::error::TaskError;
use crate::scheduler::worker::hops;
use crate::task::awaited::Awaiter;
use crate::task::join::Task;
use crate::task::ready::Ready;
use crate::task::ready::ends::{self, Fails, Refuse};
use crate::task::waker::task_of;

/// When one hears of tasks that have ended before they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    AtOnce,
    /// On a single loop, as if they ended now: asyncio's `wait` hears of all by done-callbacks.
    InItsTurn,
}

/// Tasks by number; see the module.
pub(crate) struct Watched<T> {
    /// Empty where a task has been taken out.
    tasks: Vec<Option<Task<T>>>,
    /// Numbers that may be given again.
    free: Vec<usize>,
    ready: Ready,
    len: usize,
    /// Those that had ended before, until the first poll.
    early: Vec<usize>,
    /// Whom the tasks know as the one who awaits them.
    awaiter: Awaiter,
}

impl<T> Watched<T> {
    pub(crate) fn with_capacity(len: usize) -> Self {
        Self::with_ready(len, Ready::with_capacity(len))
    }

    fn with_ready(len: usize, ready: Ready) -> Self {
        let tasks = Vec::with_capacity(len);
        let awaiter = Awaiter::here();
        Self { tasks, free: Vec::new(), ready, len: 0, early: Vec::new(), awaiter }
    }

    /// All of an iterator, numbered in order; `at` is where they are awaited. The wait is for all of
    /// them, or for the first whose result `R` refuses, if [`await_ends`](Self::await_ends)
    /// does not say otherwise.
    #[track_caller]
    pub(crate) fn collect<A: IntoTask<Output = T>, R: Refuse<T>>(
        aws: impl IntoIterator<Item = A>,
        at: &'static Location<'static>,
        told: Told,
        _: R,
    ) -> Self {
        let aws = aws.into_iter();
        let len = aws.size_hint().0;
        let fails: Fails = |_, task| ends::refuses::<T, R>(task);
        let mut all = Self::with_ready(len, Ready::telling(len, R::ANY.then_some(fails)));
        let mut to_come = 0;
        for a in aws {
            let child = a.into_child(all.awaiter.addr());
            if !child.born {
                all.is_awaited(&child.task);
            }
            to_come += usize::from(all.add(child.task, at, told).1);
        }
        all.ready.await_ends(to_come);
        all
    }

    /// The wait is for so many ends from now on.
    pub(crate) fn await_ends(&self, count: usize) {
        self.ready.await_ends(count);
    }

    /// All ends are awaited, whatever they are.
    pub(crate) fn await_all(&self) {
        self.ready.await_all();
    }

    /// Who awaits the tasks, for one that is born.
    pub(crate) fn awaiter(&self) -> Awaiter {
        self.awaiter
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds a task; its number.
    pub(crate) fn insert(&mut self, task: Task<T>, at: &'static Location<'static>) -> usize {
        self.is_awaited(&task);
        self.insert_born(task, at)
    }

    /// Adds a task that was born with [`awaiter`](Self::awaiter).
    pub(crate) fn insert_born(&mut self, task: Task<T>, at: &'static Location<'static>) -> usize {
        self.add(task, at, Told::AtOnce).0
    }

    fn is_awaited(&self, task: &Task<T>) {
        if !self.awaiter.is_none() {
            self.awaiter.awaits(task.ptr());
        }
    }

    /// The number, and whether the end is still to be told.
    fn add(&mut self, task: Task<T>, at: &'static Location<'static>, told: Told) -> (usize, bool) {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.tasks.push(None);
                self.ready.add()
            }
        };
        let task = self.tasks[index].insert(task);
        self.len += 1;
        let waker = self.ready.waker(index);
        if task.poll_done(&mut Context::from_waker(&waker), at).is_ready() {
            match told {
                Told::AtOnce => {
                    self.ready.mark(index);
                    return (index, false);
                }
                Told::InItsTurn => self.early.push(index),
            }
        }
        (index, true)
    }

    /// The number of a task that has ended, in the order in which they did; each is given once.
    /// Ready without a number if no task is there.
    pub(crate) fn poll_ended(
        &mut self,
        cx: &mut Context<'_>,
        at: &'static Location<'static>,
    ) -> Poll<Option<usize>> {
        if !self.early.is_empty() {
            self.tell_early(cx);
        }
        if let Some(index) = self.next_ended(at) {
            return Poll::Ready(Some(index));
        }
        if self.len == 0 {
            return Poll::Ready(None);
        }
        self.ready.watch(cx.waker());
        match self.next_ended(at) {
            Some(index) => Poll::Ready(Some(index)),
            None => {
                corio_sync::place::note(corio_sync::place::WaitKind::Join, at);
                let here = Awaiter::here();
                if here != self.awaiter {
                    self.comes_to(here);
                }
                Poll::Pending
            }
        }
    }

    /// The first poll: those that had ended before are given now or, if a task of a single loop awaits
    /// them, in their turn. What blocks the loop inside of a task is not kept waiting for it.
    #[cold]
    fn tell_early(&mut self, cx: &Context<'_>) {
        let in_turn = task_of(cx.waker()).is_some();
        for index in mem::take(&mut self.early) {
            let waker = self.ready.waker(index);
            let task =
                self.tasks[index].as_ref().expect("none was taken out before the first poll");
            if !(in_turn && hops::tell_end(task.ptr(), || Waker::clone(&waker))) {
                self.ready.mark(index);
            }
        }
    }

    /// The same, if one has ended already.
    pub(crate) fn next_ended(&mut self, at: &'static Location<'static>) -> Option<usize> {
        while let Some(index) = self.ready.take() {
            let Some(task) = &mut self.tasks[index] else { continue };
            let waker = self.ready.waker(index);
            if task.poll_done(&mut Context::from_waker(&waker), at).is_ready() {
                return Some(index);
            }
        }
        None
    }

    /// Has those that have ended given, though their turn has not come. Only for who takes them out.
    pub(crate) fn hurry(&self) {
        let tasks = self.tasks.iter().enumerate();
        let ended = tasks.filter(|(_, task)| task.as_ref().is_some_and(Task::done));
        ended.for_each(|(index, _)| self.ready.mark(index));
    }

    /// The task of a number, if it was not taken out.
    pub(crate) fn get(&self, index: usize) -> Option<&Task<T>> {
        self.tasks.get(index)?.as_ref()
    }

    /// Takes the result of a task that has ended.
    pub(crate) fn take_output(&mut self, index: usize) -> Result<T, TaskError> {
        self.remove(index).take_output()
    }

    /// Takes a task out.
    pub(crate) fn remove(&mut self, index: usize) -> Task<T> {
        let task = self.tasks[index].take().expect("each number is given once");
        self.free.push(index);
        self.len -= 1;
        task
    }

    /// Those that were not taken out, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Task<T>> {
        self.tasks.iter().flatten()
    }

    /// True from now on if all may be taken out: false while the loop of a task that has just ended looks
    /// at that, which is another one than the caller's.
    pub(crate) fn may_give(&self) -> bool {
        self.ready.try_end_reads()
    }

    /// Takes all out, in order.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Task<T>> + '_ {
        self.let_go();
        self.len = 0;
        self.free.clear();
        self.free.extend(0..self.tasks.len());
        self.tasks.iter_mut().filter_map(Option::take)
    }
}

impl<T> Watched<T> {
    /// Another task awaits them now.
    #[cold]
    fn comes_to(&mut self, awaiter: Awaiter) {
        self.awaiter = awaiter;
        self.iter().for_each(|task| awaiter.awaits(task.ptr()));
    }

    /// They may live on, and nobody awaits them any more.
    fn let_go(&self) {
        if self.len > 0 && !self.awaiter.is_none() {
            let lives = self.iter().filter(|task| !task.done());
            lives.for_each(|task| Awaiter::none().awaits(task.ptr()));
        }
    }
}

impl<T> Drop for Watched<T> {
    fn drop(&mut self) {
        if let Some(index) = self.ready.end_reads() {
            mem::forget(self.tasks[index].take());
        }
        self.let_go();
    }
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

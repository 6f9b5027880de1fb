//! Scopes as their futures use them, and unwinding from one to the next.
//!
//! While a scope polls what is inside of it, a [`Frame`] on the stack says so: an inner scope finds
//! there where it belongs, and a request that is raised again finds the scope that catches it. The
//! unwind lies in that frame until the poll returns, so it needs no name and cannot go astray: the
//! frame's scope takes it as soon as the inside has said Pending, and gives it back if the inside
//! is ready after all.
//!
//! A thread that is inside a task is the task's runner: that is what makes every access to the tree
//! here the runner's.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ptr;
use std::task::{Context, Poll};

use super::merge::{Asks, merge};
use super::node::{Kind, NodeRef};
use super::tree::Tree;
use super::walk::is_inside;
use crate::error::{Cancelled, FROM_TASK};
use crate::task::ext::TaskExt;
use crate::task::inside;
use crate::task::raw::TaskPtr;
use crate::task::waker::task_of;

thread_local! {
    /// One local, so that a poll that needs several of these looks once for where they are.
    static HERE: Here = const { Here::new() };
}

/// What the calling thread knows of the poll that it is inside.
pub(super) struct Here {
    task: Cell<Option<TaskPtr>>,
    /// The innermost scope that is being polled.
    frame: Cell<*const Frame<'static>>,
    /// The number of the last unwind.
    unwinds: Cell<u64>,
    /// This poll waits for another task, and no scope is around that wait.
    pub(super) joining: Cell<bool>,
    /// A request is being delivered by this poll.
    pub(super) probing: Cell<bool>,
    /// The request, by its task and origin, that ends the scope which drops its inside now.
    pub(super) covering: Cell<Option<(TaskPtr, u32)>>,
}

impl Here {
    const fn new() -> Self {
        Self {
            task: Cell::new(None),
            frame: Cell::new(ptr::null()),
            unwinds: Cell::new(0),
            joining: Cell::new(false),
            probing: Cell::new(false),
            covering: Cell::new(None),
        }
    }

    #[inline(always)]
    pub(super) fn with<R>(f: impl FnOnce(&Self) -> R) -> R {
        HERE.with(f)
    }
}

/// Names the task that the calling thread is inside; returns the one before.
#[inline]
pub(crate) fn set_current(task: Option<TaskPtr>) -> Option<TaskPtr> {
    Here::with(|here| here.task.replace(task))
}

/// The task that the calling thread is inside, and so the runner of.
#[inline]
pub(crate) fn current() -> Option<TaskPtr> {
    Here::with(|here| here.task.get())
}

#[inline]
fn innermost() -> *const Frame<'static> {
    Here::with(|here| here.frame.get())
}

#[inline]
fn set_innermost(frame: *const Frame<'static>) {
    Here::with(|here| here.frame.set(frame));
}

/// Where an unwind waits for the poll to return, with its number.
pub(super) type Slot = Cell<Option<Box<(u64, Cancelled)>>>;

/// A scope whose inside is being polled.
///
/// # Safety
///
/// Lives on the stack of [`Scope::poll`], or of a poll of several branches, and is reached through
/// [`Here`], which is set back before the frame goes, also when unwinding. While that leads here,
/// `node` is null or that of a scope which stays where it is and which nobody else uses.
pub(super) struct Frame<'a> {
    /// `None` outside a task, where nobody looks for frames.
    task: Option<TaskPtr>,
    around: *const Frame<'static>,
    /// That of the scope; null while no branch has its turn, and then the frame is passed by.
    pub(super) node: Cell<*const Cell<Option<NodeRef>>>,
    pub(super) kind: Kind,
    /// The scope got a node, or an unwind was left.
    pub(super) eventful: Cell<bool>,
    /// Where an unwind that stops here is left.
    pub(super) unwind: Option<&'a Slot>,
    /// Of a scope that has not asked its part to stop, and may.
    pub(super) asks: Option<&'a dyn Asks>,
}

/// Sets the innermost frame back.
pub(crate) struct Entered<'a> {
    around: *const Frame<'static>,
    frame: PhantomData<&'a ()>,
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        set_innermost(self.around);
    }
}

/// The frames of `task`, innermost first.
#[inline]
pub(super) fn frames(task: TaskPtr) -> impl Iterator<Item = &'static Frame<'static>> {
    frames_from(innermost(), Some(task))
}

/// True outside of tasks, inside of a part that was asked to stop in one.
fn is_in_part_outside() -> bool {
    frames_from(innermost(), None).any(|frame| frame.kind == Kind::Limit)
}

#[inline]
fn frames_from(
    mut at: *const Frame<'static>,
    task: Option<TaskPtr>,
) -> impl Iterator<Item = &'static Frame<'static>> {
    std::iter::from_fn(move || {
        loop {
            // SAFETY: the frames in the list are on the stack below (invariant of `Frame`), and the
            // caller keeps none beyond its own frame.
            let frame = unsafe { at.as_ref() }.filter(|frame| frame.task == task)?;
            at = frame.around;
            if !frame.node.get().is_null() {
                return Some(frame);
            }
        }
    })
}

/// True if a scope of `task` is being polled.
#[inline]
pub(super) fn is_framed(task: TaskPtr) -> bool {
    frames(task).next().is_some()
}

/// The tree of the current task.
#[inline]
pub(super) fn tree(task: TaskPtr) -> &'static Tree {
    let ext: *const TaskExt = task.header().ext_or_make();
    // SAFETY: the extension lives as long as the cell, which its runner keeps; callers are inside
    // the task and do not keep the borrow beyond that.
    let ext: &'static TaskExt = unsafe { &*ext };
    // SAFETY: this thread is inside the task, hence its runner.
    unsafe { ext.scopes() }
}

impl<'a> Frame<'a> {
    #[inline]
    pub(super) fn new(
        task: Option<TaskPtr>,
        node: *const Cell<Option<NodeRef>>,
        kind: Kind,
        unwind: Option<&'a Slot>,
        asks: Option<&'a dyn Asks>,
    ) -> Self {
        let (node, eventful) = (Cell::new(node), Cell::new(false));
        Self { task, around: innermost(), node, kind, eventful, unwind, asks }
    }

    /// The inside of the frame's scope is polled until the guard goes.
    #[inline]
    pub(super) fn enter(&self) -> Entered<'_> {
        debug_assert!(ptr::eq(innermost(), self.around), "frames are left in turn");
        set_innermost(ptr::from_ref(self).cast());
        Entered { around: self.around, frame: PhantomData }
    }

    /// The node of the frame's scope, if there is one. The frame is one that was found.
    pub(super) fn known(&self) -> Option<NodeRef> {
        // SAFETY: the list leads here, and only frames with a node are found (invariant of `Frame`).
        unsafe { &*self.node.get() }.get()
    }

    /// The node of the frame's scope; made if need be, because a scope inside has suspended. The
    /// frame is one of the `task`'s that were found.
    fn node(&self, task: TaskPtr) -> NodeRef {
        // SAFETY: the list leads here, and only frames with a node are found (invariant of `Frame`).
        let scope = unsafe { &*self.node.get() };
        if let Some(node) = scope.get() {
            return node;
        }
        let parent = frames_from(self.around, Some(task)).next().map(|around| around.node(task));
        let node = make(task, self.kind, parent);
        scope.set(Some(node));
        self.eventful.set(true);
        node
    }
}

#[inline]
fn make(task: TaskPtr, kind: Kind, parent: Option<NodeRef>) -> NodeRef {
    let tree = tree(task);
    let node = tree.add(task.as_raw(), kind, parent);
    if kind.asks() {
        tree.begin_baseline(node, &task.header().state);
    }
    node
}

/// What a poll inside a scope came to.
#[derive(Debug)]
pub(crate) enum Polled<R> {
    Ready(R),
    Pending,
    /// The inside has raised this: it must be dropped.
    Unwound(Cancelled),
}

impl<R> Polled<R> {
    #[inline]
    fn of(polled: Poll<R>, unwind: &Slot) -> Self {
        match (polled, unwind.take()) {
            (Poll::Pending, None) => Polled::Pending,
            (Poll::Ready(value), None) => Polled::Ready(value),
            (Poll::Pending, Some(unwind)) => Polled::Unwound(unwind.1),
            (Poll::Ready(value), Some(unwind)) => {
                return_request(unwind.1);
                Polled::Ready(value)
            }
        }
    }
}

/// The scope of one future; empty until it first suspends.
pub(crate) struct Scope {
    pub(super) node: Option<NodeRef>,
}

// SAFETY: a scope uses its node's cells only on a thread that is inside the node's task; from any
// other it only lets go, which is atomic.
unsafe impl Send for Scope {}
// SAFETY: a shared scope offers nothing.
unsafe impl Sync for Scope {}

impl Scope {
    pub(crate) const fn new() -> Self {
        Self { node: None }
    }

    /// True if it has suspended and not been released.
    #[inline]
    pub(crate) fn is_known(&self) -> bool {
        self.node.is_some()
    }

    /// Polls the inside of a scope where unwinds stop.
    #[inline]
    pub(crate) fn poll<R>(
        &mut self,
        kind: Kind,
        asks: Option<&dyn Asks>,
        cx: &mut Context<'_>,
        inside: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Polled<R> {
        let unwind = Cell::new(None);
        let polled = self.poll_frame(kind, Some(&unwind), asks, cx, inside);
        Polled::of(polled, &unwind)
    }

    /// As [`Scope::poll`], of a part that was asked to stop. Outside of tasks what is raised inside stops
    /// there all the same.
    pub(crate) fn poll_part<R>(
        &mut self,
        kind: Kind,
        cx: &mut Context<'_>,
        inside: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Polled<R> {
        if current().is_some() {
            return self.poll(kind, None, cx, inside);
        }
        self.release();
        let unwind = Cell::new(None);
        let node = Cell::from_mut(&mut self.node);
        let frame = Frame::new(None, node, Kind::Limit, Some(&unwind), None);
        let polled = {
            let _entered = frame.enter();
            inside(cx)
        };
        Polled::of(polled, &unwind)
    }

    /// Polls the inside of a scope that unwinds pass by.
    #[inline]
    pub(crate) fn poll_through<R>(
        &mut self,
        kind: Kind,
        asks: Option<&dyn Asks>,
        cx: &mut Context<'_>,
        inside: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        self.poll_frame(kind, None, asks, cx, inside)
    }

    #[inline]
    fn poll_frame<R>(
        &mut self,
        kind: Kind,
        unwind: Option<&Slot>,
        asks: Option<&dyn Asks>,
        cx: &mut Context<'_>,
        inside: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let Some(task) = current() else {
            self.release();
            return self.poll_outside(kind, unwind, cx, inside);
        };
        if self.node.is_some() {
            self.answer(task, kind);
        }
        let frame = Frame::new(Some(task), Cell::from_mut(&mut self.node), kind, unwind, asks);
        let _entered = frame.enter();
        inside(cx)
    }

    /// A poll outside of tasks: nothing is raised to the scope, unless a part around was asked in one.
    #[cold]
    fn poll_outside<R>(
        &mut self,
        kind: Kind,
        unwind: Option<&Slot>,
        cx: &mut Context<'_>,
        inside: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        if !is_in_part_outside() {
            return inside(cx);
        }
        let kind = if kind == Kind::Limit { Kind::Catch } else { kind };
        let frame = Frame::new(None, Cell::from_mut(&mut self.node), kind, unwind, None);
        let _entered = frame.enter();
        inside(cx)
    }

    /// A poll of a scope that has suspended before.
    fn answer(&mut self, task: TaskPtr, kind: Kind) {
        self.stay_in(task);
        if kind == Kind::Mask {
            if let Some(node) = self.node {
                node.mark.set(0);
            }
        }
    }

    /// The scope waits: it enters its task's tree, at the place where it was polled.
    #[inline]
    pub(crate) fn suspend(&mut self, kind: Kind, cx: &Context<'_>) {
        let Some(task) = current() else { return };
        let parent = frames(task).next().map(|around| around.node(task));
        let node = match self.node {
            None => *self.node.insert(make(task, kind, parent)),
            Some(node) => {
                node.passed.set(false);
                if node.parent.get() != parent {
                    tree(task).move_to(node, parent);
                }
                node
            }
        };
        // The task itself is polled anyhow.
        if task_of(cx.waker()) != Some(task) {
            keep_waker(node, cx);
        } else if kind == Kind::Mask && node.has_waker() {
            drop(node.waker.take());
        }
    }

    /// Leaves the tree of a task that the caller is not inside of.
    #[inline]
    fn stay_in(&mut self, task: TaskPtr) {
        if self.node.is_some_and(|node| !is_of(node, task)) {
            self.release();
        }
    }

    /// The request that is offered to the scope, if it takes one now.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<Cancelled> {
        self.node?;
        let task = current()?;
        self.stay_in(task);
        let node = self.node.filter(|node| node.mark.get() != 0)?;
        let (header, mark) = (task.header(), node.mark.get());
        let said = tree(task).take(node, &header.state, &header.ext_or_make().requests)?;
        merge(task, mark);
        Some(said)
    }

    /// Leaves the tree of a task that the caller is not inside of. True if there was one.
    #[inline]
    pub(crate) fn leave_elsewhere(&mut self) -> bool {
        let elsewhere = self.node.is_some_and(|node| !current().is_some_and(|it| is_of(node, it)));
        if elsewhere {
            self.release();
        }
        elsewhere
    }

    /// Leaves the tree.
    #[inline]
    pub(crate) fn release(&mut self) {
        if let Some(node) = self.node {
            self.node = None;
            leave(node);
        }
    }
}

#[cold]
fn keep_waker(node: NodeRef, cx: &Context<'_>) {
    match node.waker.take() {
        Some(old) if old.will_wake(cx.waker()) => node.waker.set(Some(old)),
        old => {
            node.waker.set(Some(cx.waker().clone()));
            drop(old);
        }
    }
}

#[inline]
fn is_of(node: NodeRef, task: TaskPtr) -> bool {
    node.task() == task.as_raw() && !node.is_tree_gone()
}

#[inline]
fn leave(node: NodeRef) {
    let Some(task) = current().filter(|task| is_of(node, *task)) else {
        // What a wait keeps is its own, and goes back to its task.
        let kept = (node.kind.get() == Kind::Forward).then(|| node.said.take());
        node.leave_scope();
        return drop(kept);
    };
    let (waker, said) = (node.waker.take(), node.said.take());
    tree(task).unlink(node, &task.header().state);
    // SAFETY: the node is unlinked, and both its parties are this thread: the scope, which goes,
    // and the runner.
    unsafe { node.free() };
    if let Some(said) = said {
        Unwind(said.unwind).withdraw();
    }
    drop(waker);
}

impl Drop for Scope {
    #[inline]
    fn drop(&mut self) {
        self.release();
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("suspended", &self.is_known()).finish()
    }
}

/// A request on its way out, by number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unwind(pub(super) u64);

impl Unwind {
    /// Raises a request to the scope around, or to the task if there is none. `None` outside a
    /// task, unless it is inside of a part that was asked to stop in one.
    pub(crate) fn raise(said: Cancelled) -> Option<Self> {
        let task = current();
        if task.is_none() && !is_in_part_outside() {
            return None;
        }
        let number = Here::with(|here| {
            here.unwinds.set(here.unwinds.get() + 1);
            here.unwinds.get()
        });
        let mut around = frames_from(innermost(), task);
        match around.find_map(|frame| Some((frame, frame.unwind?))) {
            Some((frame, slot)) => {
                frame.eventful.set(true);
                put(slot, number, said);
            }
            None => {
                let task = task?;
                let tree = tree(task);
                let state = &task.header().state;
                put(&tree.unwind, number, said);
                state.look_again();
                inside::raised(task);
            }
        }
        Some(Self(number))
    }

    fn find<R>(self, f: impl FnOnce(&Slot) -> R) -> Option<R> {
        let task = current();
        let mut slots = frames_from(innermost(), task).filter_map(|it| it.unwind);
        let frame = slots.find(|slot| holds(slot, self.0));
        let root = || {
            let task = task.filter(|task| task.header().ext().is_some())?;
            Some(&tree(task).unwind).filter(|slot| holds(slot, self.0))
        };
        match frame {
            Some(slot) => Some(f(slot)),
            None => root().map(f),
        }
    }

    /// True until the scope that it was raised to has taken it.
    pub(crate) fn is_under_way(self) -> bool {
        self.find(|_| ()).is_some()
    }

    /// What raised it is dropped before the unwind got anywhere: the request comes back.
    pub(crate) fn withdraw(self) {
        let said = self.find(|slot| slot.take()).flatten();
        if let (Some(unwind), Some(task)) = (said, current()) {
            give_back(task, unwind.1);
        }
    }
}

/// Two branches may raise in one poll; the scope around is ended once. A cancel of the whole task goes before
/// what a part around has asked, which is met on the way, and sees to itself.
fn put(slot: &Slot, number: u64, said: Cancelled) {
    let of_task = said.origin() == FROM_TASK;
    let first = slot.take().filter(|first| !of_task || first.1.origin() == FROM_TASK);
    slot.set(first.or_else(|| Some(Box::new((number, said)))));
}

fn holds(slot: &Slot, number: u64) -> bool {
    let held = slot.take();
    let holds = held.as_ref().is_some_and(|held| held.0 == number);
    slot.set(held);
    holds
}

/// A request that was taken here is delivered again, at the next wait.
#[cold]
pub(crate) fn return_request(said: Cancelled) {
    if let Some(task) = current() {
        give_back(task, said);
    }
}

/// A cancel of `task` was taken back; its scopes learn of that at once if this thread is inside.
pub(crate) fn see_retracted(task: TaskPtr) {
    if current() == Some(task) && task.header().ext().is_some() {
        tree(task).see_retracted(&task.header().state);
    }
}

fn give_back(task: TaskPtr, said: Cancelled) {
    let header = task.header();
    let part = said.origin();
    if !tree(task).give_back(said, &header.state, &header.ext_or_make().requests) {
        return;
    }
    // What others take in this poll is not given back.
    let mut around = frames(task).filter_map(Frame::known).filter(|node| node.kind.get().catches());
    if let Some(node) = around.next().filter(|node| part == FROM_TASK || is_inside(*node, part)) {
        node.owe(part);
    }
}

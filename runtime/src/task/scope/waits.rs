//! Where a task's handle is awaited, and how a cancel gets through to the task.

use std::fmt;
use std::ptr;
use std::task::Context;

use super::frame::{Here, Scope, Unwind, current, is_framed, tree};
use super::kept::answered;
use super::node::{Kind, NodeRef, Said};
use crate::error::Cancelled;
use crate::task::raw::TaskPtr;
use crate::task::waker::task_of;

/// A poll of a task begins.
#[inline]
pub(crate) fn begin_poll() {
    Here::with(|here| here.joining.set(false));
}

/// True if the poll that ends waits for another task, and no scope is around that wait.
#[inline]
pub(crate) fn is_joining() -> bool {
    Here::with(|here| here.joining.get())
}

/// What the calling thread knows of the poll that it is inside, while another task is polled in the
/// middle of it; sets it back when it is dropped.
pub(crate) struct OuterPoll {
    joining: bool,
    probing: bool,
}

impl OuterPoll {
    pub(crate) fn leave() -> Self {
        Here::with(|here| Self {
            joining: here.joining.get(),
            probing: here.probing.replace(false),
        })
    }
}

impl Drop for OuterPoll {
    fn drop(&mut self) {
        Here::with(|here| {
            here.joining.set(self.joining);
            here.probing.set(self.probing);
        });
    }
}

/// Waits that no scope is around may take the request, until this is dropped.
pub(crate) struct Probing(bool);

impl Probing {
    pub(crate) fn begin() -> Self {
        Self(Here::with(|here| here.probing.replace(true)))
    }
}

impl Drop for Probing {
    fn drop(&mut self) {
        Here::with(|here| here.probing.set(self.0));
    }
}

/// Where a task's handle is awaited.
///
/// Most waits for a task have no scope around and the task's own waker. Such a wait needs no node:
/// the task's poll notes that it ended in one (JOINING in the state word), and when a cancel comes
/// the next poll is a *probe*, in which the wait takes the request. It gets a node only then, or if
/// it has a scope around or a waker of its own. So awaiting a task allocates nothing.
///
/// The word is a node's address, or, with the low bit set, that of the waiting task's cell or none.
/// So one bit tells what is to be done for a node.
pub(crate) struct Waits(*mut ());

// SAFETY: as for `Scope`; the address of a cell is only compared.
unsafe impl Send for Waits {}
// SAFETY: as above.
unsafe impl Sync for Waits {}

/// Marks the address of a cell.
const AT_ROOT: usize = 1;
/// The word of a handle that nobody awaits.
const NOBODY: *mut () = ptr::without_provenance_mut(AT_ROOT);

impl Waits {
    pub(crate) const fn new() -> Self {
        Self(NOBODY)
    }

    fn at_root(task: TaskPtr) -> *mut () {
        task.as_raw().cast_mut().map_addr(|address| address | AT_ROOT)
    }

    /// True if a request may have been passed on: a wait that keeps one has a node.
    #[inline]
    pub(crate) fn is_node(&self) -> bool {
        self.0.addr() & AT_ROOT == 0
    }

    fn node(&self) -> Option<NodeRef> {
        // SAFETY: a word without the mark is a node's address, and this is its scope.
        self.is_node().then(|| unsafe { NodeRef::from_raw(self.0) })
    }

    /// Works with the scope that a node stands for.
    #[cold]
    fn with_scope<R>(&mut self, f: impl FnOnce(&mut Scope) -> R) -> R {
        let mut scope = Scope { node: self.node() };
        self.0 = NOBODY;
        let result = f(&mut scope);
        self.0 = scope.node.take().map_or(NOBODY, NodeRef::into_raw);
        result
    }

    /// True if the wait must look for a request before it looks at its task.
    #[inline]
    pub(crate) fn is_addressed(&self) -> bool {
        match self.node() {
            Some(node) => node.is_addressed(),
            None => self.0 != NOBODY && Here::with(|here| here.probing.get()),
        }
    }

    /// The task waits.
    #[inline]
    pub(crate) fn suspend(&mut self, cx: &Context<'_>) {
        let Some(task) = current() else { return };
        let framed = is_framed(task);
        if framed || self.is_node() || task_of(cx.waker()) != Some(task) {
            return self.with_scope(|scope| scope.suspend(Kind::Forward, cx));
        }
        Here::with(|here| here.joining.set(true));
        self.0 = Self::at_root(task);
    }

    /// The wait is over: what it was for has come, which answers what it has passed on.
    #[inline]
    pub(crate) fn release(&mut self) {
        if let Some(node) = self.node() {
            if let Some(mut said) = node.said.take() {
                said.kept.answer();
                node.said.set(Some(said));
            }
            self.with_scope(Scope::release);
        }
        self.0 = NOBODY;
    }

    /// The request that the wait takes, if one is offered to it.
    pub(crate) fn take(&mut self, cx: &Context<'_>) -> Option<Cancelled> {
        if self.is_node() {
            return self.with_scope(|scope| {
                scope.leave_elsewhere();
                scope.take()
            });
        }
        let task = current()?;
        let here = ptr::eq(self.0, Self::at_root(task));
        let around = is_framed(task);
        if !here || around {
            return None;
        }
        let header = task.header();
        let request = tree(task).take_part_in(&header.state, &header.ext_or_make().requests)?;
        self.with_scope(|scope| scope.suspend(Kind::Forward, cx));
        Some(request)
    }

    /// Keeps the request that was passed on, which comes back if the wait is dropped.
    pub(crate) fn keep(&mut self, request: Cancelled) {
        let Some(node) = self.node() else { return };
        let said = node.said.take();
        let mut said = said.unwrap_or_else(|| Box::new(Said::new(request.clone())));
        said.kept.keep_taken(request);
        node.said.set(Some(said));
    }

    /// The request that was passed on, and has not come back as an unwind.
    pub(crate) fn kept(&self) -> Option<Cancelled> {
        let node = self.node()?;
        let said = node.said.take();
        let request = said.as_ref().and_then(|said| said.kept.last().cloned());
        node.said.set(said);
        request
    }

    /// Raises a request to the scope around; the caller says Pending.
    pub(crate) fn raise(&mut self, request: Cancelled) {
        let unwind = Unwind::raise(request.clone()).map_or(0, |unwind| unwind.0);
        let Some(node) = self.node() else { return answered(&request) };
        let said = node.said.take();
        let mut said = said.unwrap_or_else(|| Box::new(Said::new(request.clone())));
        if !said.kept.answer_those_of(request.origin()) {
            answered(&request);
        }
        said.unwind = unwind;
        node.said.set(Some(said));
    }

    /// True while what was raised has not reached its scope.
    pub(crate) fn is_raising(&mut self) -> bool {
        let Some(node) = self.node() else { return false };
        let Some(said) = node.said.take() else { return false };
        if said.unwind == 0 {
            node.said.set(Some(said));
            return false;
        }
        let raising = Unwind(said.unwind).is_under_way();
        if raising {
            node.said.set(Some(said));
        }
        raising
    }
}

impl Drop for Waits {
    #[inline]
    fn drop(&mut self) {
        if self.is_node() {
            self.with_scope(Scope::release);
        }
    }
}

impl fmt::Debug for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waits").field("suspended", &(self.0 != NOBODY)).finish()
    }
}

//! The lazy part of a task: what most tasks never need.
//!
//! The extension is made on first use by a compare-exchange (the loser frees its own) and lives
//! as long as the cell. It holds the task's given names and its *observers*: futures that wait
//! for the task through a shared reference, of which there may be many.
//!
//! Both lists only grow at their head, so readers walk them without reclamation. Names are few:
//! each `set_name` adds a node and the newest one counts. Observer nodes are used again: an
//! observer that goes leaves its node vacant, and the next one takes a vacant node before it adds
//! another, so the list is as long as the most observers there ever were at one time.

use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::Waker;

use corio_sync::shim::Ordering::{AcqRel, Acquire, Relaxed, Release};
use corio_sync::shim::atomic::{AtomicBool, AtomicPtr, AtomicU64};
use corio_sync::waker_slot::WakerSlot;

use super::raw::{Header, TaskPtr};
use super::requests::Requests;
use super::scope::Tree;
use super::waker::task_of;
use crate::error::{Cancelled, TaskError, TaskName};
use crate::quiet::quietly;

/// The lazy part of a task.
#[derive(Debug, Default)]
pub(crate) struct TaskExt {
    names: AtomicPtr<NameNode>,
    observers: AtomicPtr<ObserverNode>,
    /// Polls that were counted, which is done in debug mode only.
    polls: AtomicU64,
    /// What the cancels of the task have said.
    pub(crate) requests: Requests,
    scopes: RunnersOwn<Tree>,
}

/// What only the runner of a task may touch.
#[derive(Debug, Default)]
struct RunnersOwn<T>(T);

// SAFETY: `TaskExt::scopes` lends it to the runner only, and the state word hands it from one runner
// to the next.
unsafe impl<T> Sync for RunnersOwn<T> {}
// SAFETY: as above.
unsafe impl<T> Send for RunnersOwn<T> {}

#[derive(Debug)]
struct NameNode {
    name: Arc<str>,
    next: *mut NameNode,
}

/// One observer's place in the list.
#[derive(Debug)]
pub(crate) struct ObserverNode {
    taken: AtomicBool,
    slot: WakerSlot,
    /// The task that observes, by its address; null for anybody else.
    who: AtomicPtr<()>,
    next: *mut ObserverNode,
}

impl Header {
    /// The extension, if anything ever needed one.
    #[inline]
    pub(crate) fn ext(&self) -> Option<&TaskExt> {
        // Ordering(ext.load): Acquire; pairs with Ordering(ext.make): the extension is seen
        // initialized.
        let ext = self.ext.load(Acquire);
        // SAFETY: an extension lives as long as its cell, which `self` keeps alive.
        NonNull::new(ext).map(|ext| unsafe { ext.as_ref() })
    }

    /// The extension, made if need be. Lock-free: who loses the race frees its own.
    #[inline]
    pub(crate) fn ext_or_make(&self) -> &TaskExt {
        match self.ext() {
            Some(ext) => ext,
            None => self.make_ext(),
        }
    }

    #[cold]
    fn make_ext(&self) -> &TaskExt {
        let made = Box::into_raw(Box::<TaskExt>::default());
        // Ordering(ext.make): AcqRel; pairs with Ordering(ext.load): who finds the pointer finds
        // an initialized extension; Acquire on failure for the same reason.
        let ext = match self.ext.compare_exchange(ptr::null_mut(), made, AcqRel, Acquire) {
            Ok(_) => made,
            Err(other) => {
                // SAFETY: `made` was never published.
                drop(unsafe { Box::from_raw(made) });
                other
            }
        };
        // SAFETY: as in `ext`.
        unsafe { &*ext }
    }

    /// Frees the extension with the cell.
    pub(crate) fn free_ext(&self) {
        // Ordering: Relaxed; the caller released the last reference with AcqRel.
        let ext = self.ext.load(Relaxed);
        if !ext.is_null() {
            // SAFETY: the cell's last reference is gone, so nobody else looks at its extension.
            drop(unsafe { Box::from_raw(ext) });
        }
    }
}

/// Pushes `node` on a list that only grows. Lock-free.
fn push<T>(head: &AtomicPtr<T>, mut node: Box<T>, set_next: impl Fn(&mut T, *mut T)) -> *mut T {
    // Ordering: Relaxed; the compare-exchange below validates it.
    let mut first = head.load(Relaxed);
    loop {
        set_next(&mut node, first);
        let raw = Box::into_raw(node);
        // Ordering(ext.push): Release; pairs with Ordering(ext.walk): a walker sees the node
        // initialized.
        match head.compare_exchange_weak(first, raw, Release, Relaxed) {
            Ok(_) => return raw,
            Err(now) => {
                first = now;
                // SAFETY: the push failed, so `raw` is still this thread's alone.
                node = unsafe { Box::from_raw(raw) };
            }
        }
    }
}

fn first<T>(head: &AtomicPtr<T>) -> Option<&T> {
    // Ordering(ext.walk): Acquire; pairs with Ordering(ext.push). Later nodes were pushed
    // earlier, and each push read the head that it links to.
    // SAFETY: nodes live as long as the extension, which the borrow keeps alive.
    unsafe { head.load(Acquire).as_ref() }
}

fn free_list<T>(head: &AtomicPtr<T>, next: impl Fn(&T) -> *mut T) {
    // Ordering: Relaxed; the extension is dropped by its last user.
    let mut node = head.load(Relaxed);
    while !node.is_null() {
        // SAFETY: the list is this thread's alone and each node is freed once.
        let owned = unsafe { Box::from_raw(node) };
        node = next(&owned);
    }
}

impl TaskExt {
    /// Gives the task a name.
    pub(crate) fn set_name(&self, name: Arc<str>) {
        let node = Box::new(NameNode { name, next: ptr::null_mut() });
        push(&self.names, node, |node, next| node.next = next);
    }

    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        first(&self.names).map(|node| &node.name)
    }

    /// One poll more; the runner's to call.
    pub(crate) fn count_poll(&self) {
        // Ordering: Relaxed; one writer at a time, and readers want a number only.
        self.polls.store(self.polls.load(Relaxed) + 1, Relaxed);
    }

    /// Polls that were counted.
    pub(crate) fn polls(&self) -> u64 {
        // Ordering: Relaxed; as above.
        self.polls.load(Relaxed)
    }

    /// The tasks that observe this one, by their addresses; see
    /// [`Header::joined_by`](super::raw::Header::joined_by).
    pub(crate) fn observed_by(&self) -> Vec<*const ()> {
        let mut found = Vec::new();
        let mut node = first(&self.observers);
        while let Some(observer) = node {
            // Ordering: Relaxed; as in `ObserverNode::register`.
            let who = observer.who.load(Relaxed);
            if !who.is_null() {
                found.push(who.cast_const());
            }
            // SAFETY: nodes live as long as the extension.
            node = unsafe { observer.next.as_ref() };
        }
        found
    }

    /// The cancellation scopes of the task.
    ///
    /// # Safety
    ///
    /// The caller runs the task (holds RUNNING).
    #[inline]
    pub(crate) unsafe fn scopes(&self) -> &Tree {
        &self.scopes.0
    }

    /// A node for one more observer.
    pub(crate) fn add_observer(&self) -> NonNull<ObserverNode> {
        let mut node = first(&self.observers);
        while let Some(candidate) = node {
            // Ordering(ext.take_node): Acquire; pairs with Ordering(ext.vacate): the slot is seen
            // as its last user left it.
            let free = candidate.taken.compare_exchange(false, true, Acquire, Relaxed).is_ok();
            if free {
                return NonNull::from(candidate);
            }
            // SAFETY: nodes live as long as the extension.
            node = unsafe { candidate.next.as_ref() };
        }
        let node = Box::new(ObserverNode {
            taken: AtomicBool::new(true),
            slot: WakerSlot::new(),
            who: AtomicPtr::new(ptr::null_mut()),
            next: ptr::null_mut(),
        });
        let raw = push(&self.observers, node, |node, next| node.next = next);
        // SAFETY: `push` returns a pointer that came from a box.
        unsafe { NonNull::new_unchecked(raw) }
    }

    /// Wakes every observer; called by the completer after DONE. A waker that panics keeps none of
    /// the others asleep.
    pub(crate) fn wake_observers(&self) {
        let mut node = first(&self.observers);
        while let Some(observer) = node {
            quietly(|| observer.slot.wake());
            // SAFETY: nodes live as long as the extension.
            node = unsafe { observer.next.as_ref() };
        }
    }
}

impl ObserverNode {
    pub(crate) fn register(&self, waker: &Waker) {
        let who = task_of(waker).map_or(ptr::null(), TaskPtr::as_raw);
        // Ordering: Relaxed; compared with tasks that a walker keeps alive, never followed.
        self.who.store(who.cast_mut(), Relaxed);
        self.slot.register(waker);
    }

    /// Leaves the node to the next observer.
    pub(crate) fn vacate(&self) {
        drop(self.slot.take());
        // Ordering: Relaxed; as in `register`.
        self.who.store(ptr::null_mut(), Relaxed);
        // Ordering(ext.vacate): Release; pairs with Ordering(ext.take_node): the next user starts
        // from an empty slot.
        self.taken.store(false, Release);
    }
}

impl Drop for TaskExt {
    fn drop(&mut self) {
        free_list(&self.names, |node| node.next);
        free_list(&self.observers, |node| node.next);
    }
}

impl TaskPtr {
    /// The given name, else the type of the body.
    pub(crate) fn name(self) -> TaskName {
        match self.header().ext().and_then(TaskExt::name) {
            Some(name) => TaskName::from(name.clone()),
            None => TaskName::from(self.type_name()),
        }
    }

    /// The error of a body that panicked.
    pub(crate) fn panicked(self, payload: Box<dyn std::any::Any + Send>) -> TaskError {
        TaskError::new_panicked(payload, self.name(), self.header().spawned_at)
    }

    /// The error of a body that was cancelled or aborted.
    pub(crate) fn cancelled(self, said: Cancelled) -> TaskError {
        TaskError::new_cancelled(said, self.name(), self.header().spawned_at)
    }
}

//! One cancellation scope as the tree of its task knows it.
//!
//! Two parties hold a node: the *scope*, a future (or a task's handle) that lies somewhere in the
//! task's body, and the *tree*, which belongs to the task's runner. Either may go first: a future
//! may be carried off and dropped on any thread, and a task may end while a scope of it lives
//! elsewhere. Each sets its bit when it lets go, and the second one frees.
//!
//! ```text
//! bit 0  SCOPE_GONE  the future was dropped, or moved to another task
//! bit 1  TREE_GONE   the task has ended and unlinked the node
//! ```
//! Everything else in a node is the runner's alone, hence the plain cells. A scope that goes while
//! its task's runner is what drops it needs no bits: there the two parties are one, and the node is
//! unlinked and freed on the spot.

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
use std::task::Waker;

use corio_sync::shim::Ordering::{AcqRel, Relaxed};
use corio_sync::shim::atomic::AtomicU8;
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::{mutant, ord};

use super::share::Holders;
use crate::error::{Cancelled, FROM_TASK as TASK};

const SCOPE_GONE: u8 = 1;
const TREE_GONE: u8 = 2;

/// What a scope does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Takes it and drops what is inside.
    Catch,
    /// Passes it on to the task that it waits for.
    Forward,
    /// Holds it back until what is inside has ended.
    Mask,
    /// Is passed by; asks its own part of the task to stop.
    Limit,
    /// Takes it, and asks its own part of the task to stop.
    Group,
}

impl Kind {
    /// True if such a scope may take a request.
    pub(crate) const fn catches(self) -> bool {
        matches!(self, Kind::Catch | Kind::Forward | Kind::Group)
    }

    /// True if such a scope may ask its own part.
    pub(crate) const fn asks(self) -> bool {
        matches!(self, Kind::Limit | Kind::Group)
    }
}

/// A scope that has suspended.
pub(crate) struct Node {
    word: AtomicU8,
    /// Loom sees every access of the runner here; elsewhere it is nothing.
    watched: UnsafeCell<()>,
    /// Loom sees what the scope looks at here, and, by a count, that the node is freed once.
    looked_at: UnsafeCell<()>,
    #[cfg(any(corio_loom, corio_shuttle))]
    freed_once: corio_sync::shim::sync::Arc<()>,
    /// See `NodeRef::task`.
    task: Cell<*const ()>,
    pub(super) kind: Cell<Kind>,
    pub(super) parent: Cell<Option<NodeRef>>,
    pub(super) child: Cell<Option<NodeRef>>,
    pub(super) next: Cell<Option<NodeRef>>,
    pub(super) prev: Cell<Option<NodeRef>>,
    /// Names this node among those of its task.
    pub(super) id: Cell<u32>,
    /// Whose request this scope may take: the id of a scope around it, the whole task's, or 0.
    pub(super) mark: Cell<u32>,
    /// The request to the whole task was held back by a mask inside when it was offered to others. If they
    /// take it, it is offered here when no mask is in the way.
    owed_task: Cell<bool>,
    /// The same of a scope around, by its id, or 0. Such a request may also have come back from the inside.
    owed_part: Cell<u32>,
    /// For who asks a part to stop: the cancels that the part stood under when it began.
    pub(super) baseline: Cell<u32>,
    pub(super) delivery: Delivery,
    /// Those inside of this scope that keep the request of this mark and number, which is one from further
    /// out.
    pub(super) heard: (Cell<(u32, u32)>, Holders),
    /// True while a request of this scope to its part is under way.
    pub(super) in_flight: Cell<bool>,
    /// True while the task counts that request among its cancels.
    pub(super) counted: Cell<bool>,
    /// Something inside has taken a request from further out.
    pub(super) felt: Cell<bool>,
    /// It was offered a request, and not polled since.
    pub(super) passed: Cell<bool>,
    /// How often it was asked because a scope beside it was stopped.
    pub(super) asked_beside: Cell<u8>,
    /// The scope was about to ask its part when something inside took a request of a scope around.
    pub(super) merged: Cell<bool>,
    /// What to wake so that the scope is polled, if that is not the task itself.
    pub(super) waker: Cell<Option<Waker>>,
    /// What an owner's request says; or what a wait has passed on, which is its scope's alone.
    pub(super) said: Cell<Option<Box<Said>>>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A request that a node keeps.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) request: Cancelled,
    /// The unwind that it has become, or 0.
    pub(super) unwind: u64,
    /// What a wait has to pass on.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    pub(super) kept: super::kept::Kept,
}

impl Said {
    pub(super) fn new(request: Cancelled) -> Self {
        Self {
            request,
            unwind: 0,
            #[cfg(not(any(corio_loom, corio_shuttle)))]
            kept: super::kept::Kept::new(),
        }
    }
}

/// How far a request has come that is offered to scopes.
#[derive(Default)]
pub(super) struct Delivery {
    /// It is under way: neither taken and concluded nor taken back.
    pub(super) active: Cell<bool>,
    /// Polls that have passed without anybody taking it.
    pub(super) attempts: Cell<u8>,
    /// Somebody has taken it; the other marked scopes take part.
    pub(super) taken: Cell<bool>,
    /// How many requests there were, this one included.
    pub(super) number: Cell<u32>,
    pub(super) holders: Holders,
}

impl Delivery {
    /// A request is taken for the first time, or begins.
    pub(super) fn renew(&self) {
        self.number.set(self.number.get().wrapping_add(1));
        self.holders.renew();
    }
}

/// A node that somebody keeps: the tree while it is linked, the scope until it lets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeRef(NonNull<Node>);

impl Deref for NodeRef {
    type Target = Node;

    #[inline]
    fn deref(&self) -> &Node {
        // SAFETY: whoever has a NodeRef is one of the two parties, or walks for the runner, which
        // holds the tree's side; the node is freed when both have let go.
        unsafe { self.0.as_ref() }
    }
}

impl NodeRef {
    /// A node with both parties, not linked yet.
    #[inline]
    pub(super) fn new(task: *const (), kind: Kind, id: u32) -> Self {
        #[cfg(not(any(corio_loom, corio_shuttle)))]
        let node = super::spare::take().unwrap_or_else(Self::allocate);
        #[cfg(any(corio_loom, corio_shuttle))]
        let node = Self::allocate();
        node.task.set(task);
        node.kind.set(kind);
        node.id.set(id);
        node
    }

    #[cold]
    fn allocate() -> Self {
        let node = Box::new(Node {
            word: AtomicU8::new(0),
            watched: UnsafeCell::new(()),
            looked_at: UnsafeCell::new(()),
            #[cfg(any(corio_loom, corio_shuttle))]
            freed_once: corio_sync::shim::sync::Arc::new(()),
            task: Cell::new(std::ptr::null()),
            kind: Cell::new(Kind::Catch),
            parent: Cell::new(None),
            child: Cell::new(None),
            next: Cell::new(None),
            prev: Cell::new(None),
            id: Cell::new(0),
            mark: Cell::new(0),
            owed_task: Cell::new(false),
            owed_part: Cell::new(0),
            baseline: Cell::new(0),
            delivery: Delivery::default(),
            heard: Default::default(),
            in_flight: Cell::new(false),
            counted: Cell::new(false),
            felt: Cell::new(false),
            passed: Cell::new(false),
            asked_beside: Cell::new(0),
            merged: Cell::new(false),
            waker: Cell::new(None),
            said: Cell::new(None),
        });
        Self(NonNull::from(Box::leak(node)))
    }

    /// Makes a node whose scope and tree have gone as good as new; `new` sets the rest.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[inline]
    fn clean(self) {
        debug_assert!(self.child.get().is_none() && !self.in_flight.get());
        drop((self.waker.take(), self.said.take()));
        self.mark.set(0);
        self.owed_task.set(false);
        self.owed_part.set(0);
        self.felt.set(false);
        self.passed.set(false);
        self.asked_beside.set(0);
        self.merged.set(false);
        self.delivery.active.set(false);
        self.delivery.attempts.set(0);
        self.delivery.taken.set(false);
        self.delivery.renew();
        self.heard.0.set((0, 0));
        // Ordering: Relaxed; the node is the caller's alone, and is handed on with the task.
        self.word.store(0, Relaxed);
    }

    /// The address, for a word that holds it.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    pub(super) fn into_raw(self) -> *mut () {
        self.0.as_ptr().cast()
    }

    /// # Safety
    ///
    /// `raw` came from `into_raw`, and the caller is the node's scope.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    pub(super) unsafe fn from_raw(raw: *mut ()) -> Self {
        // SAFETY: `into_raw` never gives null.
        Self(unsafe { NonNull::new_unchecked(raw.cast()) })
    }

    /// Notes an access of the runner, for loom.
    #[inline]
    pub(super) fn touch(self) {
        self.watched.with_mut(|_| ());
    }

    /// The task whose tree this is, by the address of its cell; its scope may look at any time.
    #[inline]
    pub(super) fn task(self) -> *const () {
        self.looked_at.with(|_| ());
        self.task.get()
    }

    /// The scope goes, on a thread that does not run the task.
    pub(super) fn leave_scope(self) {
        self.leave(SCOPE_GONE, TREE_GONE);
    }

    /// The tree lets the unlinked node go.
    pub(super) fn leave_tree(self) {
        self.leave(TREE_GONE, SCOPE_GONE);
    }

    fn leave(self, mine: u8, other: u8) {
        // Ordering(node.leave): AcqRel; pairs with itself: who frees the node comes after the other
        // party's last use of it.
        let old = self.word.fetch_or(mine, ord("node.leave", AcqRel));
        if old & other != 0 || mutant("node.leave_frees") {
            // SAFETY: both parties have let go.
            unsafe { self.free() };
        }
    }

    /// True if the scope has gone. It may go at any moment after this said false.
    pub(super) fn is_scope_gone(self) -> bool {
        // Ordering: Relaxed; the node is freed by `leave_tree`, whose exchange orders.
        self.word.load(Relaxed) & SCOPE_GONE != 0
    }

    /// True if the task has ended.
    pub(super) fn is_tree_gone(self) -> bool {
        // Ordering: Relaxed; as above. Who is inside a task of the same cell comes after the end
        // of the task before it.
        self.word.load(Relaxed) & TREE_GONE != 0
    }

    /// Gives the node back, and drops what it keeps.
    ///
    /// # Safety
    ///
    /// Nobody uses the node any more, and it is unlinked.
    #[inline]
    pub(super) unsafe fn free(self) {
        self.touch();
        self.looked_at.with_mut(|_| ());
        #[cfg(not(any(corio_loom, corio_shuttle)))]
        {
            self.clean();
            // SAFETY: passed on.
            unsafe { super::spare::keep(self) };
        }
        #[cfg(any(corio_loom, corio_shuttle))]
        // SAFETY: passed on.
        unsafe {
            self.deallocate();
        }
    }

    /// # Safety
    ///
    /// As [`NodeRef::free`].
    pub(super) unsafe fn deallocate(self) {
        // SAFETY: the node came from a box, and is the caller's alone.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

impl Node {
    /// True if a mask is around.
    pub(super) fn is_masked(&self) -> bool {
        let mut above = self.parent.get();
        while let Some(at) = above.filter(|at| at.kind.get() != Kind::Mask) {
            above = at.parent.get();
        }
        above.is_some()
    }

    /// True if the scope is owed the request of this mark.
    pub(super) fn is_owed(&self, mark: u32) -> bool {
        if mark == TASK { self.owed_task.get() } else { self.owed_part.get() == mark }
    }

    /// The part whose request the scope is owed, or 0.
    pub(super) fn owing_part(&self) -> u32 {
        self.owed_part.get()
    }

    pub(super) fn owe(&self, mark: u32) {
        if mark == TASK { self.owed_task.set(true) } else { self.owed_part.set(mark) }
    }

    /// The scope is not owed that any more.
    pub(super) fn settle(&self, mark: u32) {
        if self.is_owed(mark) {
            if mark == TASK { self.owed_task.set(false) } else { self.owed_part.set(0) }
        }
    }

    /// True if the node keeps a request, or is offered one.
    #[inline]
    pub(super) fn is_addressed(&self) -> bool {
        let said = self.said.take();
        let keeps = said.is_some();
        self.said.set(said);
        keeps || self.mark.get() != 0
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

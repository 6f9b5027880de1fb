//! [`CancelToken`]: a flag that a whole tree of work looks at.
//!
//! *How a child learns.* A token is an [`Event`](crate::Event)'s line. A child takes a place in its
//! parent's line and leaves a waker there that cancels the child; dropping the child leaves the
//! place. So a parent's list of children is a waiter queue: lock-free, and children that are gone
//! leave no memory.

use crate::place::{Made, WaitKind};
use crate::wait::line::{Line, OnFlag};
use crate::wait::queue::Place;
use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

/// A flag that is set once and seen by all clones and all children.
///
/// asyncio has no counterpart: it is for telling work that is not a task of one's own, such as
/// connections of a server, to wind up. To cancel a task, use its handle.
///
/// # Progress
///
/// `is_cancelled` is one load. Everything else is lock-free; `cancel` takes time in proportion to
/// the tree below. A thread that is descheduled inside the `cancel` that came first delays those who
/// wait, here and below, and that it has not woken yet: nobody else wakes them.
///
/// # Examples
///
/// ```
/// use corio_sync::{CancelToken, park::block_on};
///
/// let server = CancelToken::new();
/// let connection = server.child();
/// connection.cancel();
/// assert!(!server.is_cancelled());
/// let other = server.child();
/// server.cancel();
/// block_on(other.cancelled());
/// ```
#[doc(alias = "CancellationToken")]
#[derive(Clone)]
pub struct CancelToken {
    node: Arc<Node>,
}

struct Node {
    line: Line,
    /// The parent and the place in its line; `None` for a root.
    parent: Option<(Arc<Node>, Place)>,
}

/// Cancels a child when its parent is cancelled.
struct Link(Weak<Node>);

crate::shim::thread_local! {
    /// Nodes that a `cancel` further down this thread's stack will cancel; `None` without one.
    /// Keeps the depth of the stack from growing with the depth of the tree.
    static TO_CANCEL: RefCell<Option<Vec<Arc<Node>>>> = const { RefCell::new(None) };
}

impl Wake for Link {
    fn wake(self: Arc<Self>) {
        if let Some(node) = self.0.upgrade() {
            node.cancel();
        }
    }
}

impl Node {
    /// Sets the flag of this node and of all below.
    fn cancel(self: Arc<Self>) {
        let queued = TO_CANCEL.with(|list| {
            let mut list = list.borrow_mut();
            let queued = list.is_some();
            list.get_or_insert_default().push(self);
            queued
        });
        if !queued {
            Drain.run();
        }
    }
}

/// Cancels what is listed, also if a waker panics.
struct Drain;

impl Drain {
    fn run(&self) {
        let next = || TO_CANCEL.with(|list| list.borrow_mut().as_mut().and_then(Vec::pop));
        while let Some(node) = next() {
            node.line.set_flag();
        }
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.run();
        TO_CANCEL.with(|list| *list.borrow_mut() = None);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A loop: dropping the last handle of a long chain must not recurse.
        let mut next = self.parent.take();
        while let Some((parent, mut place)) = next {
            let _ = parent.line.leave(&mut place);
            next = Arc::into_inner(parent).and_then(|mut parent| parent.parent.take());
        }
    }
}

impl CancelToken {
    /// A token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self { node: Arc::new(Node { line: Line::new(), parent: None }) }
    }

    /// A token that is cancelled with this one, but not the other way round.
    #[doc(alias = "child_token")]
    #[must_use]
    pub fn child(&self) -> Self {
        let parent = &self.node;
        let node = Arc::new_cyclic(|weak| {
            let mut place = Place::Idle;
            if parent.line.enter(&mut place, OnFlag::Keep) {
                let waker = Waker::from(Arc::new(Link(weak.clone())));
                let _ = parent.line.poll_granted(&mut place, &mut Context::from_waker(&waker));
            }
            Node { line: Line::new(), parent: Some((parent.clone(), place)) }
        });
        // The link could not reach the child before it was complete.
        if parent.line.flag() {
            node.line.set_flag();
        }
        Self { node }
    }

    /// Sets the flag, here and in all children, and wakes everybody who waits for it.
    ///
    /// Goes down from parents to children: whoever finds a child cancelled by this call finds all
    /// between the two cancelled. If another thread's call was first it returns at once, and that
    /// call may still be on its way to the children; so does a call from a waker that this thread wakes
    /// inside another `cancel`, whose token follows when that waker has returned.
    pub fn cancel(&self) {
        self.node.clone().cancel();
    }

    /// Whether this token, or one above it, was cancelled.
    #[inline]
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.node.line.flag()
    }

    /// Waits until the token is cancelled.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    #[track_caller]
    pub fn cancelled(&self) -> TokenCancelled<'_> {
        TokenCancelled { token: self, at: Place::Idle, caller: Made::here(WaitKind::CancelToken) }
    }

    /// Waits on a thread that may block, for `d` at the most (`None` for no limit); false if that
    /// was not enough.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_sync::CancelToken;
    /// use std::time::Duration;
    ///
    /// let token = CancelToken::new();
    /// assert!(!token.cancelled_blocking(Some(Duration::from_millis(1))));
    /// token.cancel();
    /// assert!(token.cancelled_blocking(None));
    /// ```
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn cancelled_blocking(&self, d: Option<std::time::Duration>) -> bool {
        crate::park::block_on_timeout(self.cancelled(), d).is_some()
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("is_cancelled", &self.is_cancelled()).finish()
    }
}

/// The future of [`CancelToken::cancelled`].
#[must_use = "futures do nothing unless awaited"]
pub struct TokenCancelled<'a> {
    token: &'a CancelToken,
    at: Place,
    caller: Made,
}

future_debug!([<'a>] TokenCancelled<'a>, "TokenCancelled");

impl Future for TokenCancelled<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.caller.begin();
        let line = &this.token.node.line;
        if line.flag() || matches!(this.at, Place::Idle) && !line.enter(&mut this.at, OnFlag::Keep)
        {
            return Poll::Ready(());
        }
        this.caller.noted(line.poll_granted(&mut this.at, cx)).map(drop)
    }
}

impl Drop for TokenCancelled<'_> {
    fn drop(&mut self) {
        // A grant needs no heir: everybody got one.
        let _ = self.token.node.line.leave(&mut self.at);
    }
}

#[cfg(test)]
mod tests;

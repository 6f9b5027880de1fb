//! Cancellation scopes: places in a task's body where a request to stop can be caught.
//!
//! A scope is a future that gets a [`Node`](node::Node) in its task's [`Tree`] when it first
//! suspends; one that is ready at its first poll leaves no trace. The tree is the runner's alone;
//! what crosses threads is the state word's CANCEL bit, the messages, and the two bits of each node.
//!
//! ```text
//! anyone      request_cancel: count, CANCEL, schedule          (state word)
//! runner      offers it to the leaves of the tree              (look, tree)
//! scope       takes it at its next poll: clears CANCEL         (frame)
//!             .. and may raise it again, to the scope around   (frame)
//! ```
//!
//! Rejected: nodes inside the futures (a future may be dropped on any thread, so unlinking would
//! need a lock); a list of pending requests in the tree (CANCEL in the state word alone is what
//! `uncancel` and the end of the task can see in one step).

mod claims;
mod look;
mod node;
mod share;
mod tree;
mod walk;
mod weight;

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod frame;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod kept;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod levels;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod merge;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod part;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod shared;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod spare;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod waits;

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) use frame::{
    Entered, Polled, Scope, Unwind, current, return_request, see_retracted, set_current,
};
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) use kept::{Covering, Kept, answered};
pub(crate) use look::{Look, Verdict};
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) use merge::{Asks, is_in_mask, is_of_task, is_outdone};
pub(crate) use node::Kind;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) use part::{Held, Part, Request};
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) use shared::{Landing, Shared};
pub(crate) use tree::Tree;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) use waits::{OuterPoll, Probing, Waits, begin_poll, is_joining};

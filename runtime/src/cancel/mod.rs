//! Catching a cancel: Python's `try` / `except CancelledError` / `finally` around awaits.
//!
//! A request to stop is delivered to the innermost scopes that the task waits in. A scope drops the
//! future inside (its destructors run, as `finally` blocks without an `await` would), and gives the
//! [`Cancelled`](crate::Cancelled) to the code around, which may await, and then either raise it
//! again or let it be.

mod catch;
mod cleanup;
mod condition;
mod defer;
mod limited;
mod raise;

pub use catch::{CatchCancel, catch_cancel};
pub use cleanup::{Finally, OnCancel, finally, on_cancel};
pub use condition::{Condition, ConditionWait, ConditionWaitFor};
pub use defer::{DeferCancel, defer_cancel};
pub(crate) use limited::{GIVES_WAY, Limited};
pub use raise::Raise;
pub(crate) use raise::Raising;

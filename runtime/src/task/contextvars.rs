//! Context variables: values that a task hands down to the tasks it spawns.
//!
//! A [`Context`] maps variables to values. Code finds its own one so:
//!
//! ```text
//!   inside Context::run, or in a callback     that of the innermost such frame on the stack,
//!                                             if no other task was entered since
//!   in a task                                 that of the task, in its extension
//!   elsewhere                                 the thread's own
//! ```
//! and makes it when it first sets a variable. So a poll has nothing to do, and a program that sets
//! none pays one load of a flag for each spawn. A map never changes: setting a variable replaces
//! the map by a changed copy (in a [`slot`], because other threads may be reading), and what
//! inherits it takes a reference.
//!
//! Rejected: the current context in a thread-local that each poll sets and resets, which every task
//! would pay for.

mod context_cell;
pub(super) mod slot;

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod current;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod var;

#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) use current::{Captured, ContextCell, capture, inherited};
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub use current::{Context, copy_context};
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub use var::{ContextVar, ResetError, Token};

/// Models have no contexts.
#[cfg(any(corio_loom, corio_shuttle))]
mod twin {
    #[derive(Debug)]
    pub(crate) struct Captured;

    pub(crate) fn capture() -> Captured {
        Captured
    }

    impl Captured {
        pub(crate) fn run<R>(self, f: impl FnOnce() -> R) -> R {
            f()
        }
    }
}
#[cfg(any(corio_loom, corio_shuttle))]
pub(crate) use twin::{Captured, capture};

/// Declares [context variables](ContextVar): what tokio's users call task-locals.
///
/// asyncio: `contextvars.ContextVar`, one for each line.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// corio::task_local! {
///     /// Who asks.
///     pub static USER: &'static str;
///     static DEPTH: u32;
/// }
///
/// corio::run(async {
///     USER.set("ann");
///     let inherits = corio::create_task(async { (USER.get(), DEPTH.get()) });
///     assert_eq!(inherits.await.unwrap(), (Some("ann"), None));
/// });
/// ```
#[macro_export]
macro_rules! task_local {
    ($($(#[$attribute:meta])* $visible:vis static $name:ident: $type:ty);* $(;)?) => {
        $(
            $(#[$attribute])*
            $visible static $name: $crate::ContextVar<$type> =
                $crate::ContextVar::new(stringify!($name));
        )*
    };
}

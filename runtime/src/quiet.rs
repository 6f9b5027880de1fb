//! Calling a user's code where its panic must go no further: it was told by the panic hook, and the
//! worker, the shutdown or the other wakers of a batch have to go on.
//!
//! The payload is the user's too, and its drop may panic in turn. Dropping the result of
//! `catch_unwind` would let that second panic out.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `f` and swallows its panic.
#[inline]
pub(crate) fn quietly(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        drop_payload(payload);
    }
}

/// Drops a user's value and swallows the panic of its drop.
#[inline]
pub(crate) fn drop_quietly<T>(value: T) {
    if std::mem::needs_drop::<T>() {
        quietly(|| drop(value));
    }
}

/// Drops a payload; one whose drop panics with another one leaks that: the chain may be endless.
#[cold]
pub(crate) fn drop_payload(payload: Box<dyn Any + Send>) {
    if let Err(next) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Endless;

    impl Drop for Endless {
        fn drop(&mut self) {
            std::panic::panic_any(Endless);
        }
    }

    #[test]
    fn no_chain_of_panics_gets_out() {
        quietly(|| std::panic::panic_any(Endless));
        drop_quietly(Endless);
    }
}

//! What the primitives tell a runtime in debug mode.
//!
//! This crate knows no runtime, and most programs run none in debug mode. So there is one switch for
//! the whole process, and one [`Observer`] behind it: a primitive looks at the switch ([`is_on`], a
//! relaxed load) and tells the observer what it sees, on a path that is never inlined. Nothing is
//! told while the switch is off, and nothing rests on what is told: the observer's picture may lack
//! what happened before it was switched on.
//!
//! Under the model back ends the switch is off for ever, and the calls are gone.
//!
//! Rejected: an observer for each lock (16 bytes are what a lock has); a bit of the lock's word (the
//! uncontended path would compare it as well, and constructors are `const`).

use std::panic::Location;

use crate::place::WaitKind;

/// A lock, by its address: two locks that live at the same time have two names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LockId(usize);

impl LockId {
    /// The name of the lock at this address.
    #[inline(always)]
    #[must_use]
    pub fn of<T>(lock: &T) -> Self {
        Self(std::ptr::from_ref(lock).addr())
    }
}

/// Who is told. The calls come from inside polls and drops, on any thread, and must not wait for
/// anything that another call does.
pub trait Observer: Sync {
    /// A future was dropped before anybody polled it.
    fn never_awaited(&self, what: WaitKind, made_at: &'static Location<'static>);
    /// The calling task waits for a lock.
    fn waits(&self, lock: LockId, kind: WaitKind, at: &'static Location<'static>);
    /// The calling task, or somebody in its stead, no longer waits for a lock.
    fn gave_up(&self, lock: LockId);
    /// The calling task holds a lock, or its share of one, which it asked for here.
    fn holds(&self, lock: LockId, kind: WaitKind, at: &'static Location<'static>);
    /// The lock is about to be released. It may be told twice.
    fn released(&self, lock: LockId);
    /// The calling task, or somebody in its stead, gives its share of a lock back: what several may
    /// hold at once has no next holder that says so.
    fn gave_back(&self, lock: LockId);
    /// The calling thread is about to block.
    fn blocks(&self, what: &'static str, at: &'static Location<'static>);
}

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod switch {
    use super::Observer;
    use crate::shim::Ordering::Relaxed;
    use crate::shim::atomic::AtomicUsize;
    use std::cell::Cell;
    use std::sync::OnceLock;

    thread_local! {
        /// How many [`silently`] and [`Hush`](super::Hush) are under way.
        static SILENT: Cell<u32> = const { Cell::new(0) };
    }

    /// How many runtimes in debug mode there are.
    static ON: AtomicUsize = AtomicUsize::new(0);
    static OBSERVER: OnceLock<&'static dyn Observer> = OnceLock::new();

    /// True while a runtime in debug mode lives.
    #[inline]
    #[must_use]
    pub fn is_on() -> bool {
        // Ordering: Relaxed; a switch that is seen late leaves something untold. The observer is
        // published by its own cell.
        ON.load(Relaxed) != 0
    }

    /// Switches on until [`turn_off`] was called as often. The first observer stays.
    pub fn turn_on(observer: &'static dyn Observer) {
        OBSERVER.get_or_init(|| observer);
        // Ordering: Relaxed; as in `is_on`.
        ON.fetch_add(1, Relaxed);
    }

    /// Takes one [`turn_on`] back.
    pub fn turn_off() {
        // Ordering: Relaxed; as in `is_on`.
        ON.fetch_sub(1, Relaxed);
    }

    /// Calls `f`, which drops futures that nobody has polled although nobody has forgotten them: the
    /// parts of a task that is cancelled, the branches that lose before their first poll.
    #[inline]
    pub fn silently<R>(f: impl FnOnce() -> R) -> R {
        let _loud = is_on().then(|| {
            hush();
            super::Loud
        });
        f()
    }

    #[cold]
    #[inline(never)]
    pub(super) fn hush() {
        SILENT.set(SILENT.get() + 1);
    }

    /// Also with the switch off: it may have been on when this was hushed.
    #[inline]
    pub(super) fn unhush() {
        if SILENT.get() > 0 {
            SILENT.set(SILENT.get() - 1);
        }
    }

    /// True inside [`silently`], and between a [`Hush`](super::Hush) and its [`Loud`](super::Loud).
    #[must_use]
    pub fn is_silent() -> bool {
        SILENT.get() > 0
    }

    pub(super) fn observer() -> Option<&'static dyn Observer> {
        OBSERVER.get().copied()
    }
}

#[cfg(any(corio_loom, corio_shuttle))]
mod switch {
    use super::Observer;

    /// Models know no debug mode.
    #[inline]
    #[must_use]
    pub fn is_on() -> bool {
        false
    }

    /// As in programs.
    #[inline]
    pub fn silently<R>(f: impl FnOnce() -> R) -> R {
        f()
    }

    #[inline]
    pub(super) fn hush() {}

    #[inline]
    pub(super) fn unhush() {}

    pub(super) fn observer() -> Option<&'static dyn Observer> {
        None
    }
}

pub use switch::{is_on, silently};
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub use switch::{is_silent, turn_off, turn_on};

/// Stands before a field that is dropped [silently], with a [`Loud`] after it: fields are dropped in
/// the order in which they are declared. For what owns its parts as plain fields, and would otherwise
/// have to drop them by hand.
#[derive(Debug, Default)]
pub struct Hush;

impl Drop for Hush {
    #[inline]
    fn drop(&mut self) {
        if is_on() {
            switch::hush();
        }
    }
}

/// Stands after a field that is dropped [silently]; see [`Hush`].
#[derive(Debug, Default)]
pub struct Loud;

impl Drop for Loud {
    #[inline]
    fn drop(&mut self) {
        switch::unhush();
    }
}

/// Declares what a primitive calls: the question, inlined, and the telling, which never is.
macro_rules! tellers {
    ($($(#[$meta:meta])* $name:ident / $tell:ident($($arg:ident: $type:ty),*);)*) => {
        $(
            $(#[$meta])*
            #[inline(always)]
            pub fn $name($($arg: $type),*) {
                if is_on() {
                    $tell($($arg),*);
                }
            }

            #[cold]
            #[inline(never)]
            fn $tell($($arg: $type),*) {
                if let Some(observer) = switch::observer() {
                    observer.$name($($arg),*);
                }
            }
        )*
    };
}

tellers! {
    /// A future that was never polled is dropped.
    never_awaited / tell_never_awaited(what: WaitKind, made_at: &'static Location<'static>);
    /// A lock is waited for; called on the waiting path.
    waits / tell_waits(lock: LockId, kind: WaitKind, at: &'static Location<'static>);
    /// A waiter has left a lock's queue.
    gave_up / tell_gave_up(lock: LockId);
    /// A lock was taken.
    holds / tell_holds(lock: LockId, kind: WaitKind, at: &'static Location<'static>);
    /// A lock is about to be released.
    released / tell_released(lock: LockId);
    /// A share of a lock is about to be given back.
    gave_back / tell_gave_back(lock: LockId);
    /// The calling thread is about to block.
    blocks / tell_blocks(what: &'static str, at: &'static Location<'static>);
}

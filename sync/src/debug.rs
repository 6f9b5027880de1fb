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
    #[inline]
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
    /// The calling task holds a lock, which it asked for here.
    fn holds(&self, lock: LockId, kind: WaitKind, at: &'static Location<'static>);
    /// The lock was released by one of its holders.
    fn released(&self, lock: LockId);
    /// The calling thread is about to block.
    fn blocks(&self, what: &'static str, at: &'static Location<'static>);
}

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod switch {
    use super::Observer;
    use crate::shim::Ordering::Relaxed;
    use crate::shim::atomic::AtomicUsize;
    use std::sync::OnceLock;

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

    pub(super) fn observer() -> Option<&'static dyn Observer> {
        None
    }
}

pub use switch::is_on;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub use switch::{turn_off, turn_on};

/// Tells the observer. Never inlined: the paths that ask [`is_on`] stay short.
#[cold]
#[inline(never)]
fn tell(say: impl FnOnce(&dyn Observer)) {
    if let Some(observer) = switch::observer() {
        say(observer);
    }
}

/// A future that was never polled is dropped.
#[inline]
pub fn never_awaited(what: WaitKind, made_at: &'static Location<'static>) {
    if is_on() {
        tell(|observer| observer.never_awaited(what, made_at));
    }
}

/// A lock is waited for; called on the waiting path.
#[inline]
pub fn waits<T>(lock: &T, kind: WaitKind, at: &'static Location<'static>) {
    if is_on() {
        tell(|observer| observer.waits(LockId::of(lock), kind, at));
    }
}

/// A waiter has left a lock's queue.
#[inline]
pub fn gave_up<T>(lock: &T) {
    if is_on() {
        tell(|observer| observer.gave_up(LockId::of(lock)));
    }
}

/// A lock was taken.
#[inline]
pub fn holds<T>(lock: &T, kind: WaitKind, at: &'static Location<'static>) {
    if is_on() {
        tell(|observer| observer.holds(LockId::of(lock), kind, at));
    }
}

/// A lock is about to be released.
#[inline]
pub fn released<T>(lock: &T) {
    if is_on() {
        tell(|observer| observer.released(LockId::of(lock)));
    }
}

/// The calling thread is about to block.
#[inline]
#[track_caller]
pub fn blocks(what: &'static str) {
    if is_on() {
        let at = Location::caller();
        tell(|observer| observer.blocks(what, at));
    }
}

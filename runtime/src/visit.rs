//! Visits: a thread belongs to a runtime for a while, and enters it when it is first asked for.
//!
//! A function that [`to_thread`](crate::to_thread) runs is inside its runtime. Entering one costs
//! clones of four `Arc`s and a place in three thread locals, and leaving it as much; few functions that
//! block ever look. So the thread only keeps the runtime at hand, and whoever finds nothing where it
//! looks says [`arrive`] and looks again. Whoever is about to enter another runtime says it too: so
//! guards lie in the order in which a thread that had entered at once would have made them.
//!
//! Nor does each function hold its host: who submits would count references up on one core, and who
//! runs count them down on another, some 50 ns of 350 for each function. The threads of a runtime's own
//! pool know it ([`settle`]), and one that finds something to run holds it until it finds nothing more.
//!
//! Rejected: a pool's thread that stays inside from one job to the next. Jobs that are in no runtime
//! share its thread, and a guard that a job forgot would hide it.

use std::any::Any;
use std::cell::Cell;
use std::ptr;
use std::sync::{Arc, Weak};

/// What may be visited.
pub(crate) trait Host: Send + Sync {
    /// Makes the calling thread the host's until what is returned is dropped.
    fn enter(self: Arc<Self>) -> Box<dyn Any>;
}

thread_local! {
    /// The visit that the thread is on, or null.
    static VISIT: Cell<*const Visit> = const { Cell::new(ptr::null()) };
    /// The host of the visit that ended last.
    static KEPT: Cell<Option<Arc<dyn Host>>> = const { Cell::new(None) };
    /// Whom the thread works for.
    static OWNER: Cell<Option<Weak<dyn Host>>> = const { Cell::new(None) };
}

/// What a thread has on a visit.
///
/// # Safety
///
/// Lives on the stack of [`during`] and is reached through `VISIT`, which is set back before the visit
/// goes, also when unwinding.
struct Visit {
    /// Until it was asked for.
    host: Cell<Option<Arc<dyn Host>>>,
    /// Afterwards.
    inside: Cell<Option<Box<dyn Any>>>,
}

/// Sets `VISIT` back.
struct Ends(*const Visit);

impl Drop for Ends {
    fn drop(&mut self) {
        VISIT.set(self.0);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(host) = self.host.take() {
            keep(host);
        }
    }
}

/// Calls `f` on a visit. The thread is inside no runtime yet, but for other visits.
pub(crate) fn during<R>(host: Arc<dyn Host>, f: impl FnOnce() -> R) -> R {
    arrive();
    let visit = Visit { host: Cell::new(Some(host)), inside: Cell::new(None) };
    let _ends = Ends(VISIT.replace(&raw const visit));
    f()
}

/// Enters the host of the visit that the thread is on. False if it is on none, or is there already.
#[inline]
pub(crate) fn arrive() -> bool {
    let visit = VISIT.get();
    // SAFETY: the visit is on the stack below (invariant of `Visit`), and is left by its own frame.
    unsafe { visit.as_ref() }.is_some_and(enter)
}

#[cold]
fn enter(visit: &Visit) -> bool {
    let Some(host) = visit.host.take() else { return false };
    visit.inside.set(Some(host.enter()));
    true
}

/// Whom the calling thread works for from now on; it does not keep it alive while it has nothing to do.
pub(crate) fn settle(owner: Option<Weak<dyn Host>>) {
    // In destructors at the end of a thread there is no place, and nothing to run either.
    let _ = OWNER.try_with(|place| place.set(owner));
}

/// Whom the calling thread works for; `None` if that is nobody, or gone.
#[inline]
pub(crate) fn owner() -> Option<Arc<dyn Host>> {
    KEPT.try_with(Cell::take).ok().flatten().or_else(ask_owner)
}

#[cold]
fn ask_owner() -> Option<Arc<dyn Host>> {
    let asked = OWNER.try_with(|place| {
        let owner = place.take();
        let host = owner.as_ref().and_then(Weak::upgrade);
        place.set(owner);
        host
    });
    asked.ok().flatten()
}

/// Keeps a host that others are likely to visit, too.
#[inline]
fn keep(host: Arc<dyn Host>) {
    // The locals of a thread that ends may be gone; then this drops it.
    drop(KEPT.try_with(|kept| kept.replace(Some(host))));
}

/// Lets go of the host that was kept. A pool's thread does when it finds nothing to run.
#[inline]
pub(crate) fn go_home() {
    drop(KEPT.try_with(Cell::take));
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;

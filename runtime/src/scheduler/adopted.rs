//! Events of a worker that does not take them itself, because it is stuck or its loop was left.
//!
//! A sibling that adopts its poller is told of its events, each change once only: see
//! [`Poller::adopt`](crate::reactor::Poller::adopt). So whoever takes the telling must see it through:
//! - What the worker would have looked after for others is looked after now, too. Adoptions form no
//!   circle, so that ends.
//! - If somebody is inside the poller, he may have looked before the event came: the adopter is told
//!   once more. Whoever is inside is so for a moment only, but for an owner that sleeps there, and
//!   takes its events itself.

use corio_sync::shim::Ordering::Relaxed;

use super::shared::{Remote, Shared};
use crate::reactor::WakeBatch;

/// True if the worker sleeps, and hears of events while it does: one whose loop was left counts as
/// parked, too, and hears of nothing.
pub(super) fn sleeps_in_its_loop(remote: &Remote) -> bool {
    // Ordering: Relaxed, both; hints, looked at again and again.
    remote.hog.is_parked() && !remote.is_lent.load(Relaxed) && !remote.stands_still.load(Relaxed)
}

/// Takes a worker's events in its stead; `told` is the adopter whose poller has told of them.
pub(super) fn harvest(shared: &Shared, worker: usize, told: Option<usize>) {
    let poller = &shared.drivers[worker].poller;
    let mut wakers = WakeBatch::new();
    let taken = poller.harvest(&mut wakers);
    if let (None, Some(adopter)) = (taken, told) {
        if !sleeps_in_its_loop(&shared.remotes[worker]) {
            // Refused if it was taken back meanwhile: then its owner looks.
            let _ = shared.drivers[adopter].poller.tell_again(poller, worker);
        }
    }
    wakers.wake_all();
    for sibling in wakers.take_adopted() {
        harvest(shared, sibling, Some(worker));
    }
}

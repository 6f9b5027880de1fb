//! Walkers: who looks at all cells of an arena while its owner works.
//!
//! A walker reads a page's carved count, then its shape, then that many state words. The owner
//! may change a shape or drop a page's memory only when no walker can be between those steps:
//!
//! ```text
//!   walker                                owner
//!   1. walkers += 1                       1. carved = 0            (the page is retired)
//!   2. fence slab.walk_enter              2. fence slab.retire
//!   3. load carved, shape, states         3. load walkers: 0? then change, else postpone
//!   4. walkers -= 1, Release              4. store carved, Release (the page is carved anew)
//! ```
//!
//! Of the two fences one comes first. If the walker's does, the owner sees it counted until its
//! step 4, however much later it asks again. If the owner's does, the walker sees a carved count
//! of 0, or one that step 4 of the owner published together with the new shape.
//!
//! The walk is wait-free. The owner never waits: it takes another page. As long as walkers overlap
//! without a gap no page changes its class and no memory is given back; walks are debugging and
//! shutdown, so this bounds nothing that matters.
use corio_sync::shim::atomic::AtomicUsize;
use corio_sync::shim::{Ordering, fence_at, mutant, ord};

/// Counts the walkers inside an arena.
pub(super) struct Walkers(AtomicUsize);

/// One walker; leaves when dropped, also by a panic of the visitor.
pub(super) struct Walking<'a>(&'a Walkers);

impl Walkers {
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Enters: from here on no page that this walker can see changes its shape.
    pub(super) fn enter(&self) -> Walking<'_> {
        // Relaxed: the fence orders it before this walker's loads.
        self.0.fetch_add(1, Ordering::Relaxed);
        // Pairs with the fence slab.retire: either the owner sees this walker, or this walker sees
        // that the page is retired.
        fence_at("slab.walk_enter");
        Walking(self)
    }

    /// After a page was retired: true if no walker can know what it was before.
    pub(super) fn quiet_after_retire(&self) -> bool {
        // Pairs with the fence slab.walk_enter.
        fence_at("slab.retire");
        self.quiet()
    }

    /// True if no walker is inside. For pages that were retired before an earlier
    /// [`Walkers::quiet_after_retire`] this is enough to let them change.
    pub(super) fn quiet(&self) -> bool {
        // Ordering(slab.quiet): Acquire; pairs with Ordering(slab.walk_leave). The loads of walkers
        // that left come before the owner's change; otherwise they might see it.
        self.0.load(ord("slab.quiet", Ordering::Acquire)) == 0 || mutant("slab.ask_walkers")
    }
}

impl Drop for Walking<'_> {
    fn drop(&mut self) {
        // Ordering(slab.walk_leave): Release; pairs with Ordering(slab.quiet). See there.
        self.0.0.fetch_sub(1, ord("slab.walk_leave", Ordering::Release));
    }
}

//! The one place where corio takes atomics, cells, threads and clocks of its models from.
//!
//! Three back ends share one interface:
//!
//! - `std`: the real thing; every helper below vanishes.
//! - `--cfg corio_loom`: [loom](https://docs.rs/loom) explores the C11 executions of a model.
//!   With `--cfg corio_sc` in addition every atomic *load* becomes a failing compare-exchange:
//!   loom 0.7 does not enumerate all sequentially consistent interleavings of plain loads
//!   (loom#166, loom#392), and this second pass closes that gap. Run both: the plain pass sees
//!   stale loads, the sequential pass sees interleavings.
//! - `--cfg corio_shuttle`: shuttle explores random and PCT schedules of larger models.
//!
//! # Mutants
//!
//! A model that cannot fail proves nothing. Each ordering that a protocol relies on is written as
//! `ord("module.site", Release)`, each fence as `fence_at("module.site")` and each step that may
//! be left out as `if !mutant("module.site")`. Under loom the environment variable
//! `CORIO_MUTANT=module.site` weakens exactly that site; `.ci/mutants.sh` expects a model of the
//! same module to turn red. Elsewhere the helpers are `const` and cost nothing.

#[cfg(all(not(corio_loom), not(corio_shuttle)))]
#[path = "std.rs"]
mod imp;

#[cfg(corio_loom)]
#[path = "loom.rs"]
mod imp;

#[cfg(all(corio_shuttle, not(corio_loom)))]
#[path = "shuttle.rs"]
mod imp;

#[cfg(any(corio_loom, corio_shuttle))]
mod witness;

#[cfg(all(corio_shuttle, not(corio_loom)))]
pub use imp::rand;
pub use imp::{atomic, cell, hint, sync, thread};
pub(crate) use imp::{rmw_was_fence, thread_local};

pub use std::sync::atomic::Ordering;

/// True only while a model runs with `CORIO_MUTANT` naming this site.
#[cfg(not(any(corio_loom, corio_shuttle)))]
#[inline(always)]
#[must_use]
pub const fn mutant(_site: &str) -> bool {
    false
}

/// True only while a model runs with `CORIO_MUTANT` naming this site.
#[cfg(any(corio_loom, corio_shuttle))]
#[must_use]
pub fn mutant(site: &str) -> bool {
    selected() == Some(site)
}

#[cfg(any(corio_loom, corio_shuttle))]
fn selected() -> Option<&'static str> {
    static SELECTED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    SELECTED.get_or_init(|| std::env::var("CORIO_MUTANT").ok()).as_deref()
}

/// The ordering of a named atomic site; weakened to `Relaxed` when that site is the mutant.
///
/// The mutant `site:acq` drops only the acquire half, `site:rel` only the release half.
#[cfg(not(any(corio_loom, corio_shuttle)))]
#[inline(always)]
#[must_use]
pub const fn ord(_site: &str, order: Ordering) -> Ordering {
    order
}

/// The ordering of a named atomic site; weakened to `Relaxed` when that site is the mutant.
///
/// The mutant `site:acq` drops only the acquire half, `site:rel` only the release half.
#[cfg(any(corio_loom, corio_shuttle))]
#[must_use]
pub fn ord(site: &str, order: Ordering) -> Ordering {
    let Some(rest) = selected().and_then(|name| name.strip_prefix(site)) else { return order };
    match (rest, order) {
        ("", _) => Ordering::Relaxed,
        (":acq", Ordering::AcqRel) => Ordering::Release,
        (":rel", Ordering::AcqRel) => Ordering::Acquire,
        _ => order,
    }
}

/// `fence(SeqCst)` at a named site; left out when that site is the mutant.
#[inline(always)]
pub fn fence_at(site: &str) {
    if !mutant(site) {
        atomic::fence(Ordering::SeqCst);
    }
}

/// Declares a model: a test that exists only under loom or shuttle.
///
/// ```text
/// model! {
///     /// Two wakers of one parked worker make one system call.
///     idle_two_wakers(threads = 3, bound = 3, claim = "one of two wakers claims the bit") {
///         ..
///     }
/// }
/// ```
/// `threads` counts the main thread. `bound` is loom's preemption bound.
#[macro_export]
macro_rules! model {
    ($(#[$meta:meta])* $name:ident(threads = $threads:literal, bound = $bound:literal, claim = $claim:literal) $body:block) => {
        $(#[$meta])*
        #[cfg(any(corio_loom, corio_shuttle))]
        #[test]
        fn $name() {
            $crate::shim::run_model(stringify!($name), $threads, $bound, $claim, || $body);
        }
    };
}

#[cfg(any(corio_loom, corio_shuttle))]
pub use imp::run_model;
#[cfg(all(corio_shuttle, not(corio_loom)))]
pub use imp::{run_stalled, stall};
#[cfg(any(corio_loom, corio_shuttle))]
pub use witness::Witness;

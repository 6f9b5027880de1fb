//! Which poller a new source is registered with.
//!
//! Few sources share a poller: the first one that holds fewer than [`SHARED`]. One wait then brings
//! what several would bring in parts, and each part would wake a worker of its own that finds too
//! little to do (decision 022). Workers without sources sleep, and take tasks when there are many.
//!
//! Where every poller holds that many, two choices: the caller's own and another at random; the one
//! with fewer sources wins, the own in a tie. Two random choices keep the fullest poller within
//! log log n of the mean (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing",
//! 2001).
use std::cell::{Cell, RefCell};
use std::io;
use std::sync::Arc;

use super::poller::Poller;
use crate::visit;

/// Sources that share a poller before the next one gets any.
///
/// Half of what one wait can bring: up to there a single worker hears of all of them at once. Tests
/// make do with few descriptors.
pub(super) const SHARED: usize = if cfg!(test) { 4 } else { 128 };

/// A poller of the calling thread's runtime.
///
/// # Errors
///
/// If the thread belongs to no runtime, or is ending.
pub(super) fn choose() -> io::Result<Poller> {
    // In a destructor that runs at the end of the thread they may be gone.
    let chosen = || POLLERS.try_with(|pollers| pollers.borrow().as_ref().map(among)).ok().flatten();
    chosen().or_else(|| visit::arrive().then(chosen).flatten()).ok_or_else(no_runtime)
}

/// The pollers that a thread may register sources with.
#[derive(Clone, Debug)]
pub(crate) struct Pollers {
    /// Those of the thread's runtime.
    pub(crate) all: Arc<[Poller]>,
    /// The calling worker's own, if it has one.
    pub(crate) own: Option<usize>,
}

thread_local! {
    static POLLERS: RefCell<Option<Pollers>> = const { RefCell::new(None) };
}

/// Makes these the calling thread's pollers; returns those before. `None` if the thread's locals
/// are gone.
pub(crate) fn set_pollers(pollers: Option<Pollers>) -> Option<Pollers> {
    POLLERS.try_with(|place| place.replace(pollers)).ok().flatten()
}

fn among(pollers: &Pollers) -> Poller {
    if let Some(shared) = pollers.all.iter().find(|poller| poller.sources() < SHARED) {
        return shared.clone();
    }
    let count = pollers.all.len();
    let first = pollers.own.filter(|&own| own < count).unwrap_or_else(|| random(count));
    let second = random(count);
    let [first, second] = [first, second].map(|index| &pollers.all[index]);
    let better = if second.sources() < first.sources() { second } else { first };
    better.clone()
}

thread_local! {
    static RANDOM: Cell<u32> = Cell::new(seed());
}

fn seed() -> u32 {
    // The address of a local differs from thread to thread; zero is the one bad seed.
    let local = 0_u8;
    (std::ptr::from_ref(&local).addr() >> 4) as u32 | 1
}

/// The random numbers of the calling thread follow from a seed, until this is dropped.
pub(crate) struct Seeded(u32);

impl Seeded {
    pub(crate) fn begin(seed: u32) -> Self {
        Self(RANDOM.replace(seed.max(1)))
    }
}

impl Drop for Seeded {
    fn drop(&mut self) {
        RANDOM.set(self.0);
    }
}

/// A number below `count`, by a xorshift generator of the calling thread (Marsaglia, 2003).
pub(crate) fn random(count: usize) -> usize {
    let state = RANDOM.with(|state| {
        let mut x = state.get();
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        state.set(x);
        x
    });
    ((u64::from(state) * count as u64) >> 32) as usize
}

#[cold]
fn no_runtime() -> io::Error {
    io::Error::other(
        "no corio runtime on this thread: a socket that has to wait needs an event loop. \
         Call this from a task or inside `corio::run`, or enter a runtime on this thread first",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_stay_below_and_reach_all() {
        let mut seen = [0_u32; 7];
        for _ in 0..7_000 {
            seen[random(7)] += 1;
        }
        assert!(seen.iter().all(|&n| (800..1_200).contains(&n)), "{seen:?}");
        assert_eq!(random(1), 0);
    }

    #[test]
    fn outside_a_runtime_the_error_names_the_remedy() {
        let error = choose().unwrap_err();
        assert!(error.to_string().contains("corio::run"), "{error}");
    }
}

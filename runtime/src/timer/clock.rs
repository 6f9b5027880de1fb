//! The one source of time.
//!
//! Inside corio a point in time is a `u64`: nanoseconds since the *base*, an instant that the whole
//! process shares. Deadlines are compared, published in atomics and sorted in that form; `Instant`
//! appears only at the public surface. 2^64 ns are 584 years, so arithmetic saturates: a deadline
//! that does not fit is [`NEVER`].
//!
//! Each runtime has a [`Clock`]. A real one reads `Instant::now()`; a virtual one stands still
//! until somebody advances it, which makes every test of time deterministic. Both count from the
//! same base, so that instants from inside and outside of a virtual runtime can be compared.
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use corio_sync::shim::atomic::{AtomicU64, Ordering};
use corio_sync::shim::{ord, sync::Arc};

use super::wheel::NEVER;

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(any(miri, corio_loom, corio_shuttle))))]
mod counter;
/// Elsewhere a look at the clock is cheap, or there is no counter that can be trusted.
#[cfg(not(all(
    target_arch = "x86_64",
    target_os = "linux",
    not(any(miri, corio_loom, corio_shuttle))
)))]
mod counter {
    #[inline]
    pub(super) fn soon(clock: impl Fn() -> u64) -> u64 {
        clock()
    }
}

/// How long before its first use the base lies. A user may take an `Instant` before corio reads the
/// clock for the first time; it must keep its value when it is turned into nanoseconds and back.
const BASE_LEAD: Duration = Duration::from_secs(24 * 60 * 60);

const NANOS_PER_SEC: u64 = 1_000_000_000;

/// The time of one runtime.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    base: Instant,
    /// The time of a virtual clock.
    virtual_nanos: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// The clock that moves by itself.
    pub(crate) fn real() -> Self {
        Self { base: base(), virtual_nanos: None }
    }

    /// A clock that shows the present moment until [`Clock::advance`] moves it. Clones show the
    /// same time.
    pub(crate) fn new_virtual() -> Self {
        let now = Self::real().now();
        Self { virtual_nanos: Some(Arc::new(AtomicU64::new(now))), ..Self::real() }
    }

    /// Nanoseconds since the base.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        match &self.virtual_nanos {
            None => nanos(Instant::now().duration_since(self.base)),
            // Ordering(timer.clock_read): Acquire; pairs with Ordering(timer.clock_advance). Who
            // sees a later time also sees what its mover did before.
            Some(now) => now.load(ord("timer.clock_read", Ordering::Acquire)),
        }
    }

    /// The time from which a wait counts that begins now: never before the present, and less than a
    /// microsecond after it. Cheaper than [`Clock::now`] where that can be had.
    #[inline]
    pub(crate) fn start(&self) -> u64 {
        match &self.virtual_nanos {
            None => counter::soon(|| nanos(Instant::now().duration_since(self.base))),
            Some(_) => self.now(),
        }
    }

    /// Moves a virtual clock forward and returns the new time. Nothing expires by itself: the
    /// caller has the workers look at their timers.
    ///
    /// # Panics
    ///
    /// If the clock is real.
    pub(crate) fn advance(&self, by: Duration) -> u64 {
        let Some(now) = &self.virtual_nanos else {
            panic!("only a virtual clock can be advanced, by {by:?}: build the runtime with one")
        };
        let by = nanos(by);
        let (mut seen, mut next);
        // Ordering: Relaxed; only a first guess that the exchange checks.
        seen = now.load(Ordering::Relaxed);
        loop {
            next = seen.saturating_add(by);
            // Ordering(timer.clock_advance): Release; pairs with Ordering(timer.clock_read). On
            // failure Relaxed: the value is only tried again.
            match now.compare_exchange(
                seen,
                next,
                ord("timer.clock_advance", Ordering::Release),
                Ordering::Relaxed,
            ) {
                Ok(_) => return next,
                Err(newer) => seen = newer,
            }
        }
    }

    /// True if the time only moves by [`Clock::advance`].
    #[cfg(test)]
    pub(crate) fn is_virtual(&self) -> bool {
        self.virtual_nanos.is_some()
    }
}

/// The instant of a time in nanoseconds. `NEVER` becomes an instant centuries away.
pub(crate) fn to_instant(at: u64) -> Instant {
    let base = base();
    let mut since = Duration::from_nanos(at);
    loop {
        // Only a platform whose instants hold less than 584 years halves here.
        match base.checked_add(since) {
            Some(instant) => return instant,
            None => since /= 2,
        }
    }
}

/// The time of an instant; instants before the base become 0.
pub(crate) fn from_instant(at: Instant) -> u64 {
    nanos(at.saturating_duration_since(base()))
}

/// The time `delay` after `now`; `NEVER` if that does not fit.
#[inline]
pub(crate) fn after(now: u64, delay: Duration) -> u64 {
    now.saturating_add(nanos(delay))
}

/// A duration in nanoseconds, at most `NEVER`.
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    match duration.as_secs().checked_mul(NANOS_PER_SEC) {
        Some(nanos) => nanos.saturating_add(u64::from(duration.subsec_nanos())),
        None => NEVER,
    }
}

fn base() -> Instant {
    static BASE: OnceLock<Instant> = OnceLock::new();
    *BASE.get_or_init(|| {
        let now = Instant::now();
        now.checked_sub(BASE_LEAD).unwrap_or(now)
    })
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn instants_survive_the_way_through_nanoseconds() {
        let before = Instant::now();
        let clock = Clock::real();
        for instant in [before, Instant::now(), Instant::now() + Duration::from_secs(1 << 30)] {
            assert_eq!(to_instant(from_instant(instant)), instant);
        }
        assert!(clock.now() >= from_instant(before));
        assert!(to_instant(NEVER) > before + Duration::from_secs(60 * 60 * 24 * 365 * 100));
    }

    #[test]
    fn what_does_not_fit_never_comes() {
        assert_eq!(nanos(Duration::MAX), NEVER);
        assert_eq!(nanos(Duration::from_secs(u64::MAX / NANOS_PER_SEC + 1)), NEVER);
        assert_eq!(after(5, Duration::MAX), NEVER);
        assert_eq!(after(NEVER - 1, Duration::from_nanos(3)), NEVER);
        assert_eq!(after(7, Duration::from_micros(3)), 3_007);
    }

    #[test]
    fn a_virtual_clock_moves_only_by_hand() {
        let clock = Clock::new_virtual();
        let other = clock.clone();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        assert_eq!(clock.advance(Duration::from_secs(3)), start + 3 * NANOS_PER_SEC);
        assert_eq!(other.now(), clock.now(), "clones show the same time");
        assert!(clock.is_virtual() && !Clock::real().is_virtual());
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), NEVER, "saturates");
    }

    #[test]
    #[should_panic(expected = "only a virtual clock can be advanced, by 1s")]
    fn a_real_clock_cannot_be_advanced() {
        Clock::real().advance(Duration::from_secs(1));
    }
}

//! When a wait begins, for a third of what a look at the clock costs.
//!
//! Each sleep and timeout counts from now, and a look at the system's clock is most of what
//! starting one costs (28 of 66 ns). Where Linux itself counts by the processor's time stamp
//! counter, a thread looks at the clock once per [`WINDOW`] and counts on from there by the same
//! counter: from its *anchor*, a value of the counter and the time that was read right after it.
//!
//! # What it promises
//!
//! 1. Never before the present: the counter is read before the clock, so the anchor is late, if
//!    anything; and never more than a microsecond after it ([`APART`] plus the error of the rate).
//! 2. On one thread it does not go back: a new anchor begins where the old one's window ended, or
//!    later. Of two sleeps of equal length the first begun ends first.
//! 3. Whatever a counter does (a machine that was moved or suspended), the answer lies between the
//!    anchor's time and one window later, which is less than 0.1 ms.
//!
//! Only beginnings of waits come from here: what has passed is always asked of the clock, so a
//! deadline is never taken for past that is not.
//!
//! # The rate
//!
//! ```text
//!   0: not known --(1)--> a rate
//!                --(2)--> NEVER
//! ```
//! Both by [`measure`]: 1. from two pairs of readings, at least [`SPAN_MIN`] apart. 2. when Linux
//! counts by something else, or says nothing, or when the rate makes no sense.
//!
//! Rejected: one look at the clock for all timers that a task starts in one poll, or that a worker
//! starts in one turn: after a long poll a sleep would end before its time. Linux' coarse clock: as
//! cheap, but 1 to 4 ms old. Reading the counter with a fence before: it costs as much again, and
//! the anchor's lateness covers what the processor may have moved forward.
use std::cell::Cell;

use corio_sync::shim::atomic::{AtomicU8, AtomicU64, Ordering};

/// For how many ticks of the counter an anchor serves: between 13 us at 5 GHz and 66 us at 1 GHz.
const WINDOW: u64 = 1 << 16;

/// The clock is read at most so many ticks after the counter, else the pair is not used: the thread
/// was interrupted between the two.
const APART: u64 = 1 << 10;

/// How far two pairs must be apart to tell the rate, in nanoseconds: with pairs that are a third of
/// a microsecond wide the rate is good to 60 millionths, 4 ns in a window.
const SPAN_MIN: u64 = 10_000_000;
/// And at most: what lies between is then unlikely to be a machine's sleep.
const SPAN_MAX: u64 = 1_000_000_000;

/// Nanoseconds per tick in units of 2^-32, at 10 GHz and at 0.5 GHz: other rates are mistaken.
const RATE_MIN: u64 = (1 << 32) / 10;
const RATE_MAX: u64 = (1 << 32) * 2;

/// The counter is of no use.
const NEVER: u64 = u64::MAX;

const _: () = assert!(WINDOW.checked_mul(RATE_MAX).is_some());

/// Nanoseconds per tick in units of 2^-32, or 0, or `NEVER`.
static RATE: AtomicU64 = AtomicU64::new(0);

/// Where a thread counts from.
#[derive(Clone, Copy)]
struct Anchor {
    ticks: u64,
    nanos: u64,
    rate: u64,
}

impl Anchor {
    /// Half of the counter's range away from everything that it will show.
    const NONE: Anchor = Anchor { ticks: 1 << 63, nanos: 0, rate: 0 };

    /// The time at `since` ticks, at most a window, after the anchor.
    #[inline]
    fn at(self, since: u64) -> u64 {
        self.nanos + ((since * self.rate) >> 32)
    }
}

thread_local! {
    static ANCHOR: Cell<Anchor> = const { Cell::new(Anchor::NONE) };
    /// A value of the counter and the time at it, to measure the rate from.
    static FIRST: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// The time by `clock`, or up to a microsecond later.
#[inline]
pub(super) fn soon(clock: impl Fn() -> u64) -> u64 {
    // Ordering: Relaxed; a number that stands for itself.
    if RATE.load(Ordering::Relaxed) == NEVER {
        return clock();
    }
    let ticks = read_counter();
    let anchor = ANCHOR.get();
    let since = ticks.wrapping_sub(anchor.ticks);
    if since < WINDOW { anchor.at(since) } else { drop_anchor(ticks, clock) }
}

/// Looks at the clock, and counts from there if the rate is known. `ticks` was read just before.
#[cold]
fn drop_anchor(ticks: u64, clock: impl Fn() -> u64) -> u64 {
    // Ordering: Relaxed; as in `soon`.
    let rate = RATE.load(Ordering::Relaxed);
    let now = clock();
    let interrupted = read_counter().wrapping_sub(ticks) > APART;
    if rate == 0 && !interrupted {
        measure(ticks, now);
    }
    if rate == 0 || rate == NEVER {
        return now;
    }
    let nanos = not_back(now, ANCHOR.get(), rate);
    if !interrupted {
        ANCHOR.set(Anchor { ticks, nanos, rate });
    }
    nanos
}

/// The time by the clock, or, if this thread has told a later one, where its last window ended. It
/// can be ahead by a window at most: what lies further ahead was told by a clock that was set.
fn not_back(now: u64, last: Anchor, rate: u64) -> u64 {
    let told = last.at(WINDOW);
    let ahead = told.wrapping_sub(now);
    if ahead < (WINDOW * rate) >> 32 { told } else { now }
}

/// Edges 1 and 2: tells the rate, if this thread's first pair lies rightly far back.
fn measure(ticks: u64, nanos: u64) {
    if !linux_counts_by_it() {
        // Ordering: Relaxed; as in `soon`.
        return RATE.store(NEVER, Ordering::Relaxed);
    }
    let (first_ticks, first_nanos) = FIRST.get();
    let span = nanos.wrapping_sub(first_nanos);
    if span < SPAN_MIN {
        return;
    }
    if span > SPAN_MAX {
        return FIRST.set((ticks, nanos));
    }
    let rate = rate_of(ticks.wrapping_sub(first_ticks), span).unwrap_or(NEVER);
    // Ordering: Relaxed; as in `soon`. Several threads may measure at once: any of them will do.
    RATE.store(rate, Ordering::Relaxed);
}

/// The rate of a counter that moved by `ticks` in `span` nanoseconds, if that can be.
fn rate_of(ticks: u64, span: u64) -> Option<u64> {
    let rate = (u128::from(span) << 32).checked_div(u128::from(ticks))?;
    let rate = u64::try_from(rate).ok()?;
    (RATE_MIN..=RATE_MAX).contains(&rate).then_some(rate)
}

/// True if the counter runs at one rate in all sleep states and shows the same on all cores: so
/// much Linux has checked before it counts by it. Asked once.
fn linux_counts_by_it() -> bool {
    const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    const YES: u8 = 1;
    const NO: u8 = 2;
    static KNOWN: AtomicU8 = AtomicU8::new(0);
    // Ordering: Relaxed, both; the answer is all there is. Threads that ask at once hear the same.
    let known = KNOWN.load(Ordering::Relaxed);
    if known != 0 {
        return known == YES;
    }
    let yes = std::fs::read_to_string(SOURCE).is_ok_and(|name| name.trim_end() == "tsc");
    KNOWN.store(if yes { YES } else { NO }, Ordering::Relaxed);
    yes
}

#[inline]
fn read_counter() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and Linux lets everybody use it; a
    // process that was forbidden to (PR_SET_TSC) could not have read the clock either.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// A clock like that of a runtime.
    fn clock(base: Instant) -> impl Fn() -> u64 {
        move || u64::try_from(base.elapsed().as_nanos()).expect("a test is short")
    }

    /// Makes the rate known, if this machine allows it.
    fn settle(clock: &impl Fn() -> u64) {
        let start = Instant::now();
        // Ordering: Relaxed; as in `soon`.
        while RATE.load(Ordering::Relaxed) == 0 && start.elapsed() < Duration::from_secs(10) {
            soon(clock);
        }
        // Ordering: Relaxed; as in `soon`.
        assert_ne!(RATE.load(Ordering::Relaxed), 0, "ten seconds must do to measure the rate");
    }

    #[test]
    fn it_is_never_early_and_hardly_late_and_does_not_go_back() {
        let clock = clock(Instant::now() - Duration::from_secs(5));
        settle(&clock);
        let mut last = 0;
        for _ in 0..1_000_000 {
            let (before, told, after) = (clock(), soon(&clock), clock());
            assert!(before <= told, "told {told} at {before}");
            assert!(told <= after + 1_000, "told {told} before {after}");
            assert!(last <= told, "went back from {last} to {told}");
            last = told;
        }
    }

    #[test]
    fn a_rate_that_cannot_be_is_refused() {
        assert_eq!(rate_of(SPAN_MIN, SPAN_MIN), Some(1 << 32), "1 GHz");
        assert_eq!(rate_of(3 * SPAN_MIN, SPAN_MIN), Some((1 << 32) / 3), "3 GHz");
        assert_eq!(rate_of(0, SPAN_MIN), None, "it stands still");
        assert_eq!(rate_of(SPAN_MIN / 10, SPAN_MIN), None);
        assert_eq!(rate_of(11 * SPAN_MIN, SPAN_MIN), None);
        assert_eq!(rate_of(u64::MAX, SPAN_MIN), None, "it went back");
    }

    #[test]
    fn a_new_anchor_begins_where_the_last_window_ended() {
        let rate = 1 << 32;
        let last = Anchor { ticks: 0, nanos: 1_000, rate };
        let end = 1_000 + WINDOW;
        assert_eq!(not_back(end - 20, last, rate), end, "it was told up to its end");
        assert_eq!(not_back(end + 1, last, rate), end + 1);
        assert_eq!(not_back(999, last, rate), 999, "another clock");
        assert_eq!(not_back(5, Anchor::NONE, rate), 5);
    }
}

//! A gate against histories of waits, counted without a clock.

use super::*;

/// Attempts among `sleeps`, of which those succeed that `hits` says.
fn attempts(gate: &mut Gate, sleeps: u32, mut hits: impl FnMut(u32) -> bool) -> u32 {
    let mut tried = 0;
    for _ in 0..sleeps {
        if gate.is_open() {
            gate.learn(if hits(tried) { Attempt::Hit } else { Attempt::Miss });
            tried += 1;
        }
    }
    tried
}

#[test]
fn whoever_sleeps_seldom_never_spins() {
    assert_eq!(attempts(&mut Gate::new(), SKIP_FIRST, |_| true), 0);
}

#[test]
fn long_waits_close_it_and_are_tried_again_now_and_then() {
    let mut gate = Gate::new();
    assert_eq!(attempts(&mut gate, 15 + 1 + 127 + 1, |_| false), 2);
    assert_eq!(attempts(&mut gate, 100 * (SKIP_MAX + 1), |_| false), 100);
}

#[test]
fn short_waits_open_it_for_good() {
    let mut gate = Gate::new();
    attempts(&mut gate, 10_000, |_| false);
    attempts(&mut gate, SKIP_MAX, |_| true);
    assert!(attempts(&mut gate, 1_000, |_| true) >= 999);
}

#[test]
fn it_opens_for_five_of_six_and_closes_for_two_of_three() {
    let mut gate = Gate::new();
    assert!(attempts(&mut gate, 100_000, |n| n % 6 != 0) > 30_000);
    let mut gate = Gate::new();
    assert!(attempts(&mut gate, 100_000, |n| n % 3 != 0) < 1_000);
}

#[test]
fn whoever_loses_its_core_yields_no_more_for_long() {
    let mut gate = Gate::new();
    for skipped in [255, 1_023, 4_095, 16_383, SKIP_YIELD_MAX, SKIP_YIELD_MAX] {
        assert_eq!(gate.skip_yield, 0);
        gate.learn(Attempt::Away);
        let tried = attempts(&mut gate, skipped - 1, |_| false);
        assert!(tried > 0 || skipped <= SKIP_MAX, "it still tries");
        assert_eq!(gate.skip_yield, 1);
        let _ = gate.is_open();
    }
    for _ in 0..10 * STREAK {
        gate.learn(Attempt::Hit);
    }
    assert_eq!(gate.yield_level, YIELD_LEVEL_MIN);
}

#[test]
fn an_attempt_ends_by_itself_and_says_what_it_saw() {
    let mut gate = Gate::new();
    let mut looks = 0;
    // One attempt does on a machine that is not busy.
    assert!((0..1_000).any(|_| gate.spin(BUDGET, || {
        looks += 1;
        looks > 20
    })));
    let start = Instant::now();
    assert!(!gate.spin(BUDGET_SHORT, || false));
    assert!(start.elapsed() >= BUDGET_SHORT);
    assert!(gate.skip > 0);
}

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
fn an_interruption_closes_it_for_long() {
    let mut gate = Gate::new();
    for skipped in [1_023, SKIP_LOADED, SKIP_LOADED] {
        gate.learn(Attempt::Interrupted);
        assert_eq!(attempts(&mut gate, skipped, |_| true), 0);
    }
    assert_eq!(attempts(&mut gate, 1, |_| false), 1);
    assert_eq!(gate.skip, SKIP_LOADED, "a failure later on opens nothing");
    assert_eq!(attempts(&mut gate, SKIP_LOADED + 1, |_| true), 1);
}

#[test]
fn an_attempt_ends_by_itself_and_says_what_it_saw() {
    let mut gate = Gate::new();
    let mut looks = 0;
    assert!(gate.spin(|| {
        looks += 1;
        looks == 20
    }));
    let start = Instant::now();
    assert!(!gate.spin(|| false));
    assert!(start.elapsed() >= BUDGET);
    assert!(gate.skip > 0);
}

//! CPU work of a known length.
//!
//! A workload that says "50 us of CPU" must do the same number of steps under every runtime. A
//! loop that watches the clock would not: a child that is preempted would do less work and look
//! better for it. So `compare` measures once how many steps a microsecond holds and hands that
//! number to every child process.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Steps per microsecond, for this process; 0 until it is set or measured.
static STEPS_PER_US: AtomicU64 = AtomicU64::new(0);

/// How many steps one sample of the calibration takes: some tenths of a millisecond.
const SAMPLE_STEPS: u64 = 200_000;

/// Samples of the calibration; the fastest counts, since others only ever slow it down.
const SAMPLES: usize = 60;

/// Measures how many steps a microsecond of this processor holds.
pub fn calibrate() -> u64 {
    let fastest = (0..SAMPLES)
        .map(|_| {
            let start = Instant::now();
            run_steps(SAMPLE_STEPS);
            start.elapsed()
        })
        .min()
        .unwrap_or(Duration::from_micros(1));
    let per_us = SAMPLE_STEPS as f64 * 1e3 / fastest.as_nanos().max(1) as f64;
    (per_us.round() as u64).max(1)
}

/// Sets the steps per microsecond that [`cpu`] uses.
pub fn set_steps_per_us(steps: u64) {
    // Relaxed: a plain setting, made before any runtime starts.
    STEPS_PER_US.store(steps, Ordering::Relaxed);
}

/// The steps per microsecond in use; measured at the first call when nobody set them.
pub fn steps_per_us() -> u64 {
    // Relaxed: see `set_steps_per_us`.
    match STEPS_PER_US.load(Ordering::Relaxed) {
        0 => {
            let steps = calibrate();
            set_steps_per_us(steps);
            steps
        }
        steps => steps,
    }
}

/// Does `us` microseconds of CPU work, however long that takes by the clock.
pub fn cpu(us: u64) -> u64 {
    run_steps(us * steps_per_us())
}

/// Keeps the thread busy for `span` by the clock: a hog, whose length and not whose work counts.
pub fn hog(span: Duration) {
    let start = Instant::now();
    while start.elapsed() < span {
        run_steps(200);
    }
}

/// A chain of multiplications that the processor can neither overlap nor leave out.
fn run_steps(steps: u64) -> u64 {
    let mut x = black_box(1u64);
    for _ in 0..steps {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    }
    black_box(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_steps_is_another_result() {
        assert_ne!(run_steps(10), run_steps(20));
    }

    #[test]
    fn a_hog_lasts_as_long_as_it_says() {
        let start = Instant::now();
        hog(Duration::from_millis(2));
        assert!(start.elapsed() >= Duration::from_millis(2));
    }
}

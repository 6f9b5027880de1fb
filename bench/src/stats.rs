//! The few statistics that the reports use.

/// Median, smallest and largest of some samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The middle sample, or the mean of the middle two.
    pub median: f64,
    /// The smallest sample.
    pub min: f64,
    /// The largest sample.
    pub max: f64,
}

impl Summary {
    /// Summarizes samples; `None` when there is none.
    pub fn of(samples: &[f64]) -> Option<Self> {
        let sorted = sorted(samples);
        Some(Self {
            median: median_of_sorted(&sorted)?,
            min: *sorted.first()?,
            max: *sorted.last()?,
        })
    }
}

/// The median; `None` when there is no sample.
pub fn median(samples: &[f64]) -> Option<f64> {
    median_of_sorted(&sorted(samples))
}

/// The smallest sample that at least the share `q` of all samples do not exceed (nearest rank).
///
/// `q` runs from 0 to 1. `None` when there is no sample.
pub fn quantile(samples: &[f64], q: f64) -> Option<f64> {
    let sorted = sorted(samples);
    let rank = (q.clamp(0.0, 1.0) * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

fn sorted(samples: &[f64]) -> Vec<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(sorted[sorted.len() / 2 - 1], upper))
}

/// How many times better `ours` is than `theirs`: above 1 is a win, below 1 a loss.
///
/// Two zeroes are equal; a zero against something is infinitely better or worse. `None` when a
/// figure is not a number.
pub fn times_better(ours: f64, theirs: f64, lower_is_better: bool) -> Option<f64> {
    if ours == theirs {
        return Some(1.0);
    }
    let ratio = if lower_is_better { theirs / ours } else { ours / theirs };
    (!ratio.is_nan()).then_some(ratio)
}

/// A ratio in a few characters.
pub fn show_times(ratio: f64) -> String {
    match ratio {
        _ if ratio.is_infinite() => "inf".to_owned(),
        99.95.. => format!("{ratio:.0}x"),
        9.995.. => format!("{ratio:.1}x"),
        _ => format!("{ratio:.2}x"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_even_and_no_samples() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_summary_spans_its_samples() {
        let summary = Summary::of(&[5.0, -1.0, 2.0]).unwrap();
        assert_eq!(summary, Summary { median: 2.0, min: -1.0, max: 5.0 });
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn quantiles_are_samples_by_nearest_rank() {
        let samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(quantile(&samples, 0.0), Some(1.0));
        assert_eq!(quantile(&samples, 0.5), Some(50.0));
        assert_eq!(quantile(&samples, 0.99), Some(99.0));
        assert_eq!(quantile(&samples, 0.991), Some(100.0));
        assert_eq!(quantile(&samples, 1.0), Some(100.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn ratios_point_the_same_way_for_times_and_rates() {
        assert_eq!(times_better(50.0, 100.0, true), Some(2.0));
        assert_eq!(times_better(50.0, 100.0, false), Some(0.5));
        assert_eq!(times_better(0.0, 0.0, true), Some(1.0));
        assert_eq!(times_better(0.0, 5.0, true), Some(f64::INFINITY));
        assert_eq!(times_better(5.0, 0.0, true), Some(0.0));
        assert_eq!(times_better(f64::NAN, 5.0, true), None);
    }

    #[test]
    fn ratios_are_short() {
        for (ratio, text) in
            [(0.0, "0.00x"), (0.514, "0.51x"), (12.34, "12.3x"), (43_603.6, "43604x")]
        {
            assert_eq!(show_times(ratio), text);
        }
        assert_eq!(show_times(f64::INFINITY), "inf");
    }
}

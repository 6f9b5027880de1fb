//! What a run looks like: a table, a file of all samples, a chart.

pub mod json;
pub mod svg;
pub mod table;

use crate::row::Unit;

/// A figure with three digits and the prefix that fits.
pub fn figure(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Nanos => scaled(value, &[(1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns")]),
        Unit::Bytes => scaled(value, &[(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")]),
        Unit::PerSecond => scaled(value, &[(1e6, "M/s"), (1e3, "k/s"), (1.0, "/s")]),
        Unit::Count => digits(value),
    }
}

fn scaled(value: f64, steps: &[(f64, &str)]) -> String {
    let (step, suffix) = steps
        .iter()
        .copied()
        // A little early, so that 999.6 ns becomes 1.00 us and not 1000 ns.
        .find(|(step, _)| value.abs() >= step * 0.9995)
        .unwrap_or_else(|| steps[steps.len() - 1]);
    format!("{} {suffix}", digits(value / step))
}

/// Three digits; whole numbers stay whole.
fn digits(value: f64) -> String {
    match value.abs() {
        _ if value == value.round() && value.abs() < 1e6 => format!("{value:.0}"),
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_fitting_prefix() {
        for (value, unit, text) in [
            (0.0, Unit::Nanos, "0 ns"),
            (3.146, Unit::Nanos, "3.15 ns"),
            (612.4, Unit::Nanos, "612 ns"),
            (999.6, Unit::Nanos, "1.00 us"),
            (4_912.0, Unit::Nanos, "4.91 us"),
            (300_000_000.0, Unit::Nanos, "300 ms"),
            (99.0, Unit::Bytes, "99 B"),
            (257_123.0, Unit::PerSecond, "257 k/s"),
            (31.0, Unit::Count, "31"),
            (0.25, Unit::Count, "0.25"),
        ] {
            assert_eq!(figure(value, unit), text);
        }
    }
}

//! The table that people read.

use crate::child::STILL_CORES;
use crate::report::figure;
use crate::results::{Results, RowResults, RuntimeResults};
use crate::row::Better;
use crate::stats;

/// Rows with more figures than this show the range of the first only, to stay on a screen.
const RANGES_MAX: usize = 2;

/// The whole table.
pub fn render(results: &Results) -> String {
    results.rows.iter().map(render_row).collect()
}

/// One row: a title, a line per runtime, and what has to be said about them.
pub fn render_row(row: &RowResults) -> String {
    let mut lines = vec![header(row)];
    lines.extend(row.runtimes.iter().map(|runtime| line(row, runtime)));
    let mut text = format!("{}: {}\n", row.row.name, row.row.about);
    text.push_str(&align(&lines));
    if let Some((kept, target)) = row.verdict() {
        let verdict = if kept { "kept" } else { "MISSED" };
        text.push_str(&format!("  corio's target: {target}: {verdict}\n"));
    }
    if let Some(note) = row.row.note {
        text.push_str(&format!("  note: {note}\n"));
    }
    for runtime in &row.runtimes {
        for failure in &runtime.failures {
            text.push_str(&format!("  FAILED {}: {failure}\n", runtime.name));
        }
    }
    text.push('\n');
    text
}

fn header(row: &RowResults) -> Vec<String> {
    let mut cells = vec!["runtime".to_owned()];
    for (index, metric) in row.row.metrics.iter().enumerate() {
        cells.push(metric.name.to_owned());
        if has_range(row, index) {
            cells.push("min .. max".to_owned());
        }
        if metric.better != Better::Context {
            cells.push("vs tokio".to_owned());
        }
    }
    cells.push("others".to_owned());
    cells.push("set".to_owned());
    cells
}

fn has_range(row: &RowResults, index: usize) -> bool {
    index == 0 || row.row.metrics.len() <= RANGES_MAX
}

fn line(row: &RowResults, runtime: &RuntimeResults) -> Vec<String> {
    let mut cells = vec![runtime.name.clone()];
    if let Some(why) = &runtime.skipped {
        cells.push(format!("not run: {why}"));
        return cells;
    }
    for (index, metric) in row.row.metrics.iter().enumerate() {
        let summary = runtime.summary(index);
        let show = |value: f64| figure(value, metric.unit);
        cells.push(summary.map_or_else(|| "failed".to_owned(), |summary| show(summary.median)));
        if has_range(row, index) {
            let range = |s: stats::Summary| format!("{} .. {}", show(s.min), show(s.max));
            cells.push(summary.map_or_else(String::new, range));
        }
        if metric.better != Better::Context {
            let ratio = row.ratio(runtime, index);
            cells.push(ratio.map_or_else(|| "-".to_owned(), stats::show_times));
        }
    }
    cells.push(others(runtime));
    cells.push(runtime.switches.clone().unwrap_or_default());
    cells
}

/// Cores that others used, with a mark where they used enough to doubt the figures.
fn others(runtime: &RuntimeResults) -> String {
    let Some(cores) = stats::median(&runtime.others) else { return String::new() };
    let mark = if cores >= STILL_CORES || runtime.unquiet > 0 { " !" } else { "" };
    format!("{cores:.2}{mark}")
}

/// Pads cells to columns: names to the left, figures to the right, the last one as it is.
fn align(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        // A line that breaks off with a remark does not widen the column of its remark.
        let cells = lines.iter().filter(|line| column == 0 || line.len() == columns);
        cells.map(|line| line[column].chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let mut out = String::from(" ");
        for (column, cell) in line.iter().enumerate() {
            let width = widths.get(column).copied().unwrap_or(0);
            let last = column + 1 == line.len();
            match column {
                0 => out.push_str(&format!(" {cell:<width$}")),
                _ if last => out.push_str(&format!("  {cell}")),
                _ => out.push_str(&format!("  {cell:>width$}")),
            }
        }
        text.push_str(out.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::sample;
    use crate::row::Target;

    #[test]
    fn a_row_shows_medians_ratios_switches_and_failures() {
        let text = render_row(&sample(Some(Target::TimesTokio(4.0))));
        let line = |name: &str| {
            let of = |line: &&str| line.trim_start().starts_with(name);
            text.lines().find(of).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert!(text.starts_with("sample: for tests; per <thing>\n"));
        assert_eq!(
            line("corio "),
            "corio 100 ns 90 ns .. 110 ns 3.00x 800 ns 0.50x 200 /s 2.00x 1 0.00"
        );
        assert!(line("tokio-best").ends_with("0.00 disable_lifo_slot"));
        assert!(line("smol").starts_with("smol failed"));
        assert!(text.contains("corio's target: 4.00x tokio: MISSED"));
        assert!(text.contains("note: a note"));
        assert!(text.contains("FAILED smol: round 1: the sum is 1"));
    }

    #[test]
    fn others_that_were_busy_are_marked() {
        let mut row = sample(None);
        row.runtimes[0].others = vec![0.4, 0.5, 0.6];
        assert!(render_row(&row).contains("0.50 !"));
    }
}

//! Tables and times as people read them.

use std::io::{self, Write};

/// Between two columns.
const GAP: usize = 2;

/// Rows of cells, the first one the head. Columns are as wide as their widest cell; the last one is
/// not filled up.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
    /// Columns of numbers, which stand at the right.
    right: &'static [usize],
}

impl Table {
    pub fn new(head: &[&str], right: &'static [usize]) -> Self {
        Self { rows: vec![head.iter().map(|cell| (*cell).to_owned()).collect()], right }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let mut widths = vec![0; self.rows[0].len()];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in &self.rows {
            for (i, cell) in row.iter().enumerate() {
                let fill = widths[i] - cell.chars().count();
                let last = i + 1 == row.len();
                match (self.right.contains(&i), last) {
                    (true, true) => write!(out, "{:fill$}{cell}", "")?,
                    (true, false) => write!(out, "{:fill$}{cell}{:GAP$}", "", "")?,
                    (false, true) => write!(out, "{cell}")?,
                    (false, false) => write!(out, "{cell}{:1$}", "", fill + GAP)?,
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

/// `1 task`, `2 tasks`.
pub fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// A time in ms, with as much of it as one wants to know.
pub fn time(ms: Option<u64>) -> String {
    let Some(ms) = ms else { return "-".to_owned() };
    let (s, min, h) = (ms / 1000, ms / 60_000, ms / 3_600_000);
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{s}.{} s", ms % 1000 / 100),
        60_000..3_600_000 => format!("{min} min {} s", s % 60),
        _ => format!("{h} h {} min", min % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let texts = [(0, "0 ms"), (999, "999 ms"), (1000, "1.0 s"), (59_999, "59.9 s")];
        let longer =
            [(60_000, "1 min 0 s"), (3_599_999, "59 min 59 s"), (90_000_000, "25 h 0 min")];
        for (ms, text) in texts.into_iter().chain(longer) {
            assert_eq!(time(Some(ms)), text);
        }
        assert_eq!(time(None), "-");
    }

    #[test]
    fn columns_stand_below_their_heads() {
        let mut table = Table::new(&["n", "name", "x"], &[0, 2]);
        table.row(vec!["10".into(), "ä".into(), "7".into()]);
        let mut out = Vec::new();
        table.print(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), " n  name  x\n10  ä     7\n");
    }
}

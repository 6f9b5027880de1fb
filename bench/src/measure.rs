//! One measurement, in a process of its own.
//!
//! The process prints lines that its parent reads with [`read_report`]:
//!
//! ```text
//! switches StaticExecutor
//! figure wall 612.5
//! figure cpu 810.25
//! ok
//! ```
//!
//! or `wrong <what>` when the workload gave a wrong answer. A process that dies says neither.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::args::{Knobs, Measure};
use crate::contender::Contender;
use crate::row::{Figures, Plan, Row, Wrong};
use crate::rt::{self, Rt, Setup};
use crate::{burn, rows};

/// What a measurement found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// What the adapter set beyond the number of workers.
    pub switches: Option<String>,
    /// The figures, in the order of the row's metrics.
    pub figures: Figures,
}

/// Takes the measurement, prints it, and ends the process.
///
/// It never returns, since some runtimes cannot be stopped.
pub fn main(options: &Measure) -> ExitCode {
    // A measurement whose starter was interrupted is of no use.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let code = match take(options) {
        Ok((row, report)) => print_report(row, &report).map_or(1, |()| 0),
        Err(wrong) => {
            println!("wrong {wrong}");
            1
        }
    };
    // Some runtimes cannot be stopped, and none need be: the figures are out.
    std::process::exit(code)
}

fn take(options: &Measure) -> Result<(&'static Row, Report), Wrong> {
    let entry = rows::find(&options.row)
        .ok_or_else(|| Wrong(format!("there is no row {:?}", options.row)))?;
    let contender =
        Contender::named(&options.runtime).map_err(|unknown| Wrong(unknown.to_string()))?;
    let measure = entry
        .measure(contender.adapter)
        .ok_or_else(|| Wrong(format!("there is no adapter {:?}", contender.adapter)))?;
    let steps = match options.steps_per_us {
        0 => burn::calibrate(),
        steps => steps,
    };
    burn::set_steps_per_us(steps);
    let setup = contender.setup(&entry.row, options.knobs.workers);
    let Knobs { warm_up, measure: span, passes, .. } = options.knobs;
    let plan = Plan { setup, warm_up, measure: span, passes };
    let figures = measure(&plan)?;
    Ok((&entry.row, Report { switches: switches(contender.adapter, &setup), figures }))
}

fn switches(adapter: &str, setup: &Setup) -> Option<String> {
    match adapter {
        #[cfg(feature = "corio")]
        "corio" => rt::Corio::switches(setup),
        "tokio" => rt::Tokio::switches(setup),
        "smol" => rt::Smol::switches(setup),
        "nio" => rt::Nio::switches(setup),
        _ => None,
    }
}

fn print_report(row: &Row, report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if let Some(switches) = &report.switches {
        writeln!(out, "switches {switches}")?;
    }
    for (metric, figure) in row.metrics.iter().zip(&report.figures) {
        writeln!(out, "figure {} {figure}", metric.name)?;
    }
    writeln!(out, "ok")?;
    out.flush()
}

/// Reads what a measurement of `row` has printed.
///
/// # Errors
/// The workload's output was wrong, or the lines are not complete.
pub fn read_report(row: &Row, printed: &str) -> Result<Report, Wrong> {
    let mut report = Report::default();
    let mut complete = false;
    for line in printed.lines() {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("switches", rest) => report.switches = Some(rest.to_owned()),
            ("figure", rest) => report.figures.push(read_figure(row, report.figures.len(), rest)?),
            ("ok", "") => complete = true,
            ("wrong", rest) => return Err(Wrong(rest.to_owned())),
            _ => return Err(Wrong(format!("the measurement printed {line:?}"))),
        }
    }
    if !complete || report.figures.len() != row.metrics.len() {
        return Err(Wrong(format!("the measurement ended early; it printed {printed:?}")));
    }
    Ok(report)
}

fn read_figure(row: &Row, index: usize, text: &str) -> Result<f64, Wrong> {
    let expected = row.metrics.get(index).map(|metric| metric.name);
    text.split_once(' ')
        .filter(|(name, _)| Some(*name) == expected)
        .and_then(|(_, value)| value.parse().ok())
        .ok_or_else(|| Wrong(format!("the measurement printed a figure {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Row = Row::new("row", "for tests");

    #[test]
    fn a_report_is_read_back() {
        let report = read_report(&ROW, "switches a, b\nfigure wall 1.5\nfigure cpu 2\nok\n");
        let expected = Report { switches: Some("a, b".into()), figures: vec![1.5, 2.0] };
        assert_eq!(report, Ok(expected));
    }

    #[test]
    fn a_report_that_is_wrong_or_short_is_refused() {
        for printed in [
            "",
            "figure wall 1\nfigure cpu 2\n",
            "figure wall 1\nok\n",
            "figure cpu 1\nfigure wall 2\nok\n",
            "figure wall one\nfigure cpu 2\nok\n",
            "wrong the sum is 1\n",
            "thread main panicked\n",
        ] {
            assert!(read_report(&ROW, printed).is_err(), "{printed:?}");
        }
    }
}

//! The comparison: rounds of rows of runtimes, each measured in a fresh process.
//!
//! Within a round a row runs under all runtimes before the next row begins, and each round begins
//! with another runtime, so that a slow spell of the machine meets them all. A fresh process for
//! each measurement keeps threads, allocator state and resident memory of one runtime out of the
//! figures of the next.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use crate::args::{Compare, matches};
use crate::contender::{Contender, USUAL};
use crate::machine::Machine;
use crate::measure::{Report, read_report};
use crate::report::{figure, json, svg, table};
use crate::results::{Results, RowResults, RuntimeResults};
use crate::row::Row;
use crate::rows::{Entry, ROWS};
use crate::{burn, child, unstable};

/// A measurement that takes longer than this hangs: the slowest of them takes some seconds.
const MEASUREMENT_MAX: Duration = Duration::from_secs(90);

/// Why a runtime or library is not in a row.
const ABSENT: &str = "nothing of it belongs into this row";

/// How much of a failed process's complaints the report repeats.
const COMPLAINT_MAX: usize = 400;

/// Runs the comparison and prints it.
pub fn main(options: &Compare) -> ExitCode {
    match run(options) {
        Ok(results) if results.failed() => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("corio-bench: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Compare) -> io::Result<Results> {
    let machine = Machine::here(options);
    let mut results = plan(options)?;
    let programs = Programs::find(&results)?;
    let steps_per_us = burn::calibrate();
    eprintln!("{}", machine.headline());
    if !cfg!(feature = "corio") {
        eprintln!("this build has no corio; the feature of that name adds it");
    }
    let mut progress = Progress::of(&results, options.rounds);
    for round in 0..options.rounds {
        // What earlier rounds found is on disk, should this one be interrupted.
        write_files(options, &results, &machine)?;
        for row in &mut results.rows {
            for turn in 0..row.runtimes.len() {
                let index = (turn + round) % row.runtimes.len();
                let runtime = &mut row.runtimes[index];
                if runtime.skipped.is_some() {
                    continue;
                }
                progress.begin(round, &row.row, &runtime.name);
                let quiet = options.quiet.map_or(Ok(true), child::wait_until_quiet)?;
                runtime.unquiet += usize::from(!quiet);
                let command = command(&programs, options, &row.row, runtime, steps_per_us);
                let outcome = child::run(&mut { command }, MEASUREMENT_MAX)?;
                let said = record(&row.row, runtime, round, &outcome);
                progress.end(&said);
            }
        }
    }
    println!("{}\n{}", machine.introduction(), table::render(&results));
    write_files(options, &results, &machine)?;
    for path in options.json.iter().chain(&options.svg) {
        eprintln!("wrote {}", path.display());
    }
    Ok(results)
}

/// The rows and runtimes that were asked for, without measurements yet.
fn plan(options: &Compare) -> io::Result<Results> {
    let rows: io::Result<Vec<RowResults>> = ROWS
        .iter()
        .filter(|entry| matches(&options.only, entry.row.name))
        .map(|entry| {
            let contenders = contenders(&options.runtimes, entry)?;
            let runtimes = contenders.iter().map(|contender| planned(entry, contender)).collect();
            Ok(RowResults { row: entry.row, runtimes })
        })
        .collect();
    let rows = rows?;
    let unmatched = options.only.iter().find(|pattern| {
        let pattern = std::slice::from_ref(*pattern);
        !ROWS.iter().any(|entry| matches(pattern, entry.row.name))
    });
    match unmatched {
        Some(pattern) => Err(io::Error::other(format!("there is no row {pattern:?}; try --list"))),
        None => Ok(Results { rows }),
    }
}

fn contenders(asked: &[String], entry: &Entry) -> io::Result<Vec<Contender>> {
    let names: Vec<&str> = match asked {
        [] if entry.primitives => entry.names().collect(),
        [] => USUAL.to_vec(),
        _ => asked.iter().map(String::as_str).collect(),
    };
    let named: Result<Vec<Contender>, _> = names.into_iter().map(Contender::named).collect();
    named.map_err(io::Error::other)
}

fn planned(entry: &Entry, contender: &Contender) -> RuntimeResults {
    let absent = || entry.measure(contender.adapter).is_none().then(|| ABSENT.to_owned());
    RuntimeResults {
        name: contender.name.clone(),
        unstable_build: contender.needs_unstable_build(),
        skipped: absent().or_else(|| contender.skipped(&entry.row)),
        ..RuntimeResults::default()
    }
}

/// The two builds of this program.
struct Programs {
    stock: PathBuf,
    unstable: Option<PathBuf>,
}

impl Programs {
    fn find(results: &Results) -> io::Result<Self> {
        let mut runtimes = results.rows.iter().flat_map(|row| &row.runtimes);
        let unstable = runtimes.any(|runtime| runtime.unstable_build && runtime.skipped.is_none());
        Ok(Self {
            stock: std::env::current_exe()?,
            unstable: if unstable { Some(unstable::build()?) } else { None },
        })
    }

    fn of(&self, runtime: &RuntimeResults) -> &Path {
        match &self.unstable {
            Some(program) if runtime.unstable_build => program,
            _ => &self.stock,
        }
    }
}

fn command(
    programs: &Programs,
    options: &Compare,
    row: &Row,
    runtime: &RuntimeResults,
    steps_per_us: u64,
) -> Command {
    let knobs = &options.knobs;
    let mut command = Command::new(programs.of(runtime));
    command.args(["measure", "--row", row.name, "--runtime", &runtime.name]);
    for (flag, value) in [
        ("--workers", knobs.workers as u64),
        ("--warm-up", knobs.warm_up.as_millis() as u64),
        ("--measure", knobs.measure.as_millis() as u64),
        ("--passes", knobs.passes as u64),
        ("--steps-per-us", steps_per_us),
    ] {
        command.arg(flag).arg(value.to_string());
    }
    command
}

/// Keeps what a measurement found; returns what the progress line says of it.
fn record(
    row: &Row,
    runtime: &mut RuntimeResults,
    round: usize,
    outcome: &child::Outcome,
) -> String {
    runtime.others.push(outcome.others);
    match judge(row, outcome) {
        Ok(report) => {
            let metric = &row.metrics[0];
            let said = format!("{} {}", metric.name, figure(report.figures[0], metric.unit));
            runtime.switches = report.switches;
            runtime.rounds.push(report.figures);
            said
        }
        Err(why) => {
            let said = format!("FAILED: {why}");
            runtime.failures.push(format!("round {}: {why}", round + 1));
            said
        }
    }
}

fn judge(row: &Row, outcome: &child::Outcome) -> Result<Report, String> {
    let Some(status) = outcome.status else {
        return Err(format!("killed after {} s", MEASUREMENT_MAX.as_secs()));
    };
    match read_report(row, &outcome.stdout) {
        Ok(report) if status.success() => Ok(report),
        Ok(_) => Err(complaint(&status.to_string(), &outcome.stderr)),
        Err(wrong) => Err(complaint(&wrong.0, &outcome.stderr)),
    }
}

fn complaint(what: &str, stderr: &str) -> String {
    let stderr = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = stderr.chars().take(COMPLAINT_MAX).collect();
    if shown.is_empty() { what.to_owned() } else { format!("{what}; stderr: {shown}") }
}

fn write_files(options: &Compare, results: &Results, machine: &Machine) -> io::Result<()> {
    if let Some(path) = &options.json {
        write_file(path, &json::render(results, machine))?;
    }
    if let Some(path) = &options.svg {
        write_file(path, &svg::render(results, machine))?;
    }
    Ok(())
}

fn write_file(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// A line per measurement on stderr.
struct Progress {
    start: Instant,
    done: usize,
    total: usize,
}

impl Progress {
    fn of(results: &Results, rounds: usize) -> Self {
        let runtimes = results.rows.iter().flat_map(|row| &row.runtimes);
        let each = runtimes.filter(|runtime| runtime.skipped.is_none()).count();
        Self { start: Instant::now(), done: 0, total: each * rounds }
    }

    fn begin(&self, round: usize, row: &Row, runtime: &str) {
        let (done, total, round) = (self.done + 1, self.total, round + 1);
        eprint!("[{done}/{total}] round {round}: {} {runtime} .. ", row.name);
    }

    fn end(&mut self, said: &str) {
        self.done += 1;
        let elapsed = self.start.elapsed().as_secs_f64();
        let left = elapsed / self.done as f64 * (self.total - self.done) as f64;
        eprintln!("{said} ({left:.0} s left)");
    }
}

//! The command line.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What the program says to `--help`.
pub const HELP: &str = "\
Compares corio with its peers: one workload, one trait, many runtimes.

usage: corio-bench compare [options]
       corio-bench --list      names the rows and says what each does
       corio-bench --help

options of compare:
  --only NAMES      rows to run, separated by commas; `echo*` takes all that begin so (all rows)
  --runtimes NAMES  what to compare (corio,tokio,tokio-best,smol,nio); see below
  --rounds N        measurements of each row under each runtime, interleaved (3)
  --workers N       worker threads of every runtime (2)
  --quiet MS        before each measurement wait until other processes were still for so long
  --measure MS      measure at least so long (400)
  --warm-up MS      and work at least so long before (150)
  --passes N        measure at least so many passes (3)
  --json FILE       write all samples
  --svg FILE        draw the ratios to tokio

Every measurement is taken in a fresh process. `tokio-best` is a build of its own with those of
tokio's unstable options that serve a row best; `tokio+handoff+nolifo` takes the options named, of
alt_timer, handoff, sharded and nolifo, in every row.
The exit code is 1 when a workload gave a wrong answer or a process failed, 2 when nothing ran.";

/// A command with its options.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Print the help.
    Help,
    /// Print the rows.
    List,
    /// Compare runtimes.
    Compare(Compare),
    /// Take one measurement in this process; what `compare` starts.
    Measure(Measure),
    /// Generate load for a server; what a measurement of a server starts.
    Load(Load),
}

/// Options of `compare`.
#[derive(Clone, Debug, PartialEq)]
pub struct Compare {
    /// Patterns of row names; empty for all.
    pub only: Vec<String>,
    /// Names of runtimes; empty for the usual ones.
    pub runtimes: Vec<String>,
    /// Measurements of each row under each runtime.
    pub rounds: usize,
    /// How to measure.
    pub knobs: Knobs,
    /// How long others must have been still.
    pub quiet: Option<Duration>,
    /// Where to write all samples.
    pub json: Option<PathBuf>,
    /// Where to draw the chart.
    pub svg: Option<PathBuf>,
}

impl Default for Compare {
    fn default() -> Self {
        Self {
            only: Vec::new(),
            runtimes: Vec::new(),
            rounds: 3,
            knobs: Knobs::default(),
            quiet: None,
            json: None,
            svg: None,
        }
    }
}

/// Options that `compare` hands on to each measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Knobs {
    /// Worker threads.
    pub workers: usize,
    /// Shortest warm-up.
    pub warm_up: Duration,
    /// Shortest measurement.
    pub measure: Duration,
    /// The fewest passes that are measured, however long they take.
    pub passes: usize,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            workers: 2,
            warm_up: Duration::from_millis(150),
            measure: Duration::from_millis(400),
            passes: 3,
        }
    }
}

/// Options of `measure`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measure {
    /// Name of the row.
    pub row: String,
    /// Name of the runtime.
    pub runtime: String,
    /// How to measure.
    pub knobs: Knobs,
    /// Steps per microsecond of CPU work; 0 to measure it.
    pub steps_per_us: u64,
}

/// Options of `load`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Load {
    /// What to do: `echo`, `http`, `accept` or `hold`.
    pub kind: String,
    /// The server's port on the loopback interface.
    pub port: u16,
    /// Connections.
    pub conns: usize,
    /// Requests per second over all connections; 0 for as many as are answered.
    pub rate: u64,
    /// Unmeasured time before.
    pub warm_up: Duration,
    /// Measured time.
    pub measure: Duration,
}

/// The command line cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub struct BadArgs(pub String);

impl fmt::Display for BadArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; see corio-bench --help", self.0)
    }
}

impl std::error::Error for BadArgs {}

/// Reads a command line, without the program's name.
///
/// # Errors
/// An unknown command or option, a missing or malformed value.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Command, BadArgs> {
    let mut args = args.into_iter();
    match args.next().as_deref() {
        None | Some("--help" | "-h" | "help") => Ok(Command::Help),
        Some("--list" | "list") => Ok(Command::List),
        Some("compare") => parse_compare(args),
        Some("measure") => parse_measure(args).map(Command::Measure),
        Some("load") => parse_load(args).map(Command::Load),
        Some(other) => Err(BadArgs(format!("there is no command {other:?}"))),
    }
}

fn parse_compare(mut args: impl Iterator<Item = String>) -> Result<Command, BadArgs> {
    let mut compare = Compare::default();
    while let Some(flag) = args.next() {
        match flag.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--list" => return Ok(Command::List),
            "--only" => compare.only = names(&value(&flag, &mut args)?),
            "--runtimes" => compare.runtimes = names(&value(&flag, &mut args)?),
            "--rounds" => compare.rounds = at_least_one(&flag, &mut args)?,
            "--quiet" => compare.quiet = Some(millis(&flag, &mut args)?),
            "--json" => compare.json = Some(value(&flag, &mut args)?.into()),
            "--svg" => compare.svg = Some(value(&flag, &mut args)?.into()),
            _ => knob(&mut compare.knobs, &flag, &mut args)?,
        }
    }
    Ok(Command::Compare(compare))
}

fn parse_measure(mut args: impl Iterator<Item = String>) -> Result<Measure, BadArgs> {
    let mut measure = Measure::default();
    while let Some(flag) = args.next() {
        match flag.as_str() {
            "--row" => measure.row = value(&flag, &mut args)?,
            "--runtime" => measure.runtime = value(&flag, &mut args)?,
            "--steps-per-us" => measure.steps_per_us = number(&flag, &mut args)?,
            _ => knob(&mut measure.knobs, &flag, &mut args)?,
        }
    }
    Ok(measure)
}

fn parse_load(mut args: impl Iterator<Item = String>) -> Result<Load, BadArgs> {
    let mut load = Load::default();
    while let Some(flag) = args.next() {
        match flag.as_str() {
            "--kind" => load.kind = value(&flag, &mut args)?,
            "--port" => load.port = number(&flag, &mut args)?,
            "--conns" => load.conns = at_least_one(&flag, &mut args)?,
            "--rate" => load.rate = number(&flag, &mut args)?,
            "--warm-up" => load.warm_up = millis(&flag, &mut args)?,
            "--measure" => load.measure = millis(&flag, &mut args)?,
            _ => return Err(unknown(&flag)),
        }
    }
    Ok(load)
}

fn knob(
    knobs: &mut Knobs,
    flag: &str,
    args: &mut impl Iterator<Item = String>,
) -> Result<(), BadArgs> {
    match flag {
        "--workers" => knobs.workers = at_least_one(flag, args)?,
        "--warm-up" => knobs.warm_up = millis(flag, args)?,
        "--measure" => knobs.measure = millis(flag, args)?,
        "--passes" => knobs.passes = at_least_one(flag, args)?,
        _ => return Err(unknown(flag)),
    }
    Ok(())
}

fn unknown(flag: &str) -> BadArgs {
    BadArgs(format!("there is no option {flag:?}"))
}

fn value(flag: &str, args: &mut impl Iterator<Item = String>) -> Result<String, BadArgs> {
    args.next().ok_or_else(|| BadArgs(format!("{flag} needs a value")))
}

fn number<T: std::str::FromStr>(
    flag: &str,
    args: &mut impl Iterator<Item = String>,
) -> Result<T, BadArgs> {
    let text = value(flag, args)?;
    text.parse().map_err(|_| BadArgs(format!("{flag} needs a number and got {text:?}")))
}

fn at_least_one(flag: &str, args: &mut impl Iterator<Item = String>) -> Result<usize, BadArgs> {
    match number(flag, args)? {
        0 => Err(BadArgs(format!("{flag} must be at least 1"))),
        count => Ok(count),
    }
}

fn millis(flag: &str, args: &mut impl Iterator<Item = String>) -> Result<Duration, BadArgs> {
    number(flag, args).map(Duration::from_millis)
}

fn names(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Whether a row of that name is asked for: a pattern is a name, or a beginning before a `*`.
pub fn matches(patterns: &[String], name: &str) -> bool {
    patterns.is_empty()
        || patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == pattern,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Command, BadArgs> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn help_and_list_are_commands_and_options() {
        for line in ["", "--help", "-h", "compare --help"] {
            assert_eq!(parse_line(line), Ok(Command::Help), "{line}");
        }
        for line in ["--list", "list", "compare --list"] {
            assert_eq!(parse_line(line), Ok(Command::List), "{line}");
        }
    }

    #[test]
    fn compare_takes_every_option() {
        let line = "compare --only fib,echo* --runtimes tokio,nio --rounds 7 --workers 4 \
                    --quiet 3000 --measure 50 --warm-up 10 --passes 5 --json a.json --svg b.svg";
        let expected = Compare {
            only: vec!["fib".into(), "echo*".into()],
            runtimes: vec!["tokio".into(), "nio".into()],
            rounds: 7,
            knobs: Knobs {
                workers: 4,
                warm_up: Duration::from_millis(10),
                measure: Duration::from_millis(50),
                passes: 5,
            },
            quiet: Some(Duration::from_secs(3)),
            json: Some("a.json".into()),
            svg: Some("b.svg".into()),
        };
        assert_eq!(parse_line(line), Ok(Command::Compare(expected)));
        assert_eq!(parse_line("compare"), Ok(Command::Compare(Compare::default())));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, says) in [
            ("frobnicate", "there is no command \"frobnicate\""),
            ("compare --fast", "there is no option \"--fast\""),
            ("compare --rounds", "--rounds needs a value"),
            ("compare --rounds two", "--rounds needs a number and got \"two\""),
            ("compare --workers 0", "--workers must be at least 1"),
        ] {
            assert_eq!(parse_line(line), Err(BadArgs(says.to_owned())), "{line}");
        }
    }

    #[test]
    fn measure_and_load_read_what_their_starters_write() {
        let line = "measure --row fib --runtime nio --steps-per-us 700 --workers 3";
        let Ok(Command::Measure(measure)) = parse_line(line) else { panic!("{line}") };
        assert_eq!((measure.row.as_str(), measure.runtime.as_str()), ("fib", "nio"));
        assert_eq!((measure.steps_per_us, measure.knobs.workers), (700, 3));
        let line = "load --kind echo --port 80 --conns 64 --rate 5000 --warm-up 1 --measure 2";
        let Ok(Command::Load(load)) = parse_line(line) else { panic!("{line}") };
        assert_eq!((load.kind.as_str(), load.port, load.conns, load.rate), ("echo", 80, 64, 5000));
    }

    #[test]
    fn patterns_are_names_or_beginnings() {
        let patterns = names("fib, echo*,");
        assert!(matches(&patterns, "fib") && matches(&patterns, "echo_64"));
        assert!(!matches(&patterns, "fibre") && !matches(&patterns, "http_64"));
        assert!(matches(&[], "anything"));
    }
}

//! `corio-top`: what a running corio program does, from outside.
//!
//! - here: the command line;
//! - `ask`: one question to a process, and what may be wrong with it;
//! - `snapshot`: the answer, line by line;
//! - `screen`, `ps`, `pstree`, `list`: what is made of it.
//!
//! The protocol stands in corio's source, in the module of its debug socket; the version is part of
//! the greeting, so the tool and the process need not come from one build.
#![cfg_attr(not(target_os = "linux"), allow(dead_code, unused_imports))]

#[cfg(target_os = "linux")]
mod ask;
#[cfg(target_os = "linux")]
mod list;
mod options;
#[cfg(target_os = "linux")]
mod peer;
mod ps;
mod pstree;
#[cfg(target_os = "linux")]
mod screen;
mod snapshot;
mod text;

use std::io::{self, Write};
use std::process::ExitCode;

use options::{Command, HELP, Options};

/// What `main` returns for a command line that makes no sense, as most tools do.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            let printed = io::stdout().lock().write_all(HELP.as_bytes());
            return ended(printed.map_err(Failure::Output));
        }
        Err(problem) => {
            complain(&format_args!("{problem}; see --help"));
            return ExitCode::from(USAGE);
        }
    };
    ended(run(&options))
}

/// Why a command did not come to its end.
#[derive(Debug)]
enum Failure {
    /// The process could not be asked.
    #[cfg(target_os = "linux")]
    Ask(ask::AskError),
    /// The output could not be written.
    Output(io::Error),
    /// There is no debug socket on this system.
    #[cfg(not(target_os = "linux"))]
    System,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

#[cfg(target_os = "linux")]
impl From<ask::AskError> for Failure {
    fn from(error: ask::AskError) -> Self {
        Self::Ask(error)
    }
}

fn ended(done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => return ExitCode::SUCCESS,
        // Whoever read has read enough: `corio-top ps PID | head`.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        Err(Failure::Output(error)) => complain(&format_args!("cannot write: {error}")),
        #[cfg(target_os = "linux")]
        Err(Failure::Ask(error)) => complain(&error),
        #[cfg(not(target_os = "linux"))]
        Err(Failure::System) => complain(&"corio's debug socket wants Linux"),
    }
    ExitCode::FAILURE
}

fn complain(what: &dyn std::fmt::Display) {
    // With standard error closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "corio-top: {what}");
}

#[cfg(target_os = "linux")]
fn run(options: &Options) -> Result<(), Failure> {
    use ask::{Question, ask};
    let mut out = io::BufWriter::new(io::stdout().lock());
    match options.command {
        Command::Top { pid, once, interval } => screen::run(&mut out, pid, once, interval)?,
        Command::Ps { pid } => ps::print(&mut out, &ask::snapshot(pid)?)?,
        Command::Pstree { pid } => pstree::print(&mut out, &ask::snapshot(pid)?)?,
        Command::Metrics { pid } => {
            for line in ask(pid, Question::Metrics)? {
                writeln!(out, "{line}")?;
            }
        }
        Command::List => list::print(&mut out)?,
    }
    Ok(out.flush()?)
}

#[cfg(not(target_os = "linux"))]
fn run(_options: &Options) -> Result<(), Failure> {
    Err(Failure::System)
}

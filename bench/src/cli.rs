//! From the command line to the command.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::args::{self, Command};
use crate::{compare, load, measure, rows};

/// Nothing could be run: bad arguments, a debug build.
const NOTHING_RAN: u8 = 2;

/// Runs the program.
pub fn main(args: impl IntoIterator<Item = String>) -> ExitCode {
    let command = match args::parse(args) {
        Ok(command) => command,
        Err(bad) => return refuse(&bad.to_string()),
    };
    match command {
        Command::Help => print(&format!("{}\n", args::HELP)),
        Command::List => print(&list()),
        Command::Compare(_) | Command::Measure(_) if cfg!(debug_assertions) => {
            refuse("a debug build measures nothing: cargo run --release -p corio-bench -- ..")
        }
        Command::Compare(options) => compare::main(&options),
        Command::Measure(options) => measure::main(&options),
        Command::Load(options) => load::main(&options),
    }
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("corio-bench: {why}");
    ExitCode::from(NOTHING_RAN)
}

/// Prints to a reader that may have gone away, as `head` does.
fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => refuse(&error.to_string()),
    }
}

fn list() -> String {
    let width = rows::ROWS.iter().map(|entry| entry.row.name.len()).max().unwrap_or(0);
    rows::ROWS
        .iter()
        .map(|entry| format!("{:width$}  {}\n", entry.row.name, entry.row.about))
        .collect()
}

//! The command line.

use std::time::Duration;

/// What `--help` prints.
pub const HELP: &str = "\
Shows what a running corio program does.

usage: corio-top PID [--once] [--interval SECONDS]
       corio-top ps PID
       corio-top pstree PID
       corio-top metrics PID
       corio-top list

  PID                 a screen: runtimes, workers, and tasks by the place where they wait
  --once              prints it once, from half a second of the program's life
  --interval SECONDS  how often the screen is drawn anew [2]
  ps PID              a table of all tasks
  pstree PID          who awaits whom, as trees
  metrics PID         counters, in Prometheus' text format
  list                the processes that can be asked

The program has to be started with CORIO_TOP=1, or has to be built with
Builder::debug_socket(true); it answers its own user and root. Times of tasks and
polls are those that the program has observed itself, once a second: at least so long.

worker's columns: polls%, awake%: share of samples that found it inside a poll, and
not asleep; queued: tasks in its queue; polls/s .. parks/s: since the last screen.
A worker that is inside a poll publishes its counts when it leaves it.
";

/// How often the screen is drawn unless the command line says otherwise.
const INTERVAL: Duration = Duration::from_secs(2);
/// Samples are 10 ms apart: a shorter interval would show noise.
const INTERVAL_MIN: f64 = 0.1;
/// An hour.
const INTERVAL_MAX: f64 = 3600.0;

/// What the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub command: Command,
}

/// One of the commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Top { pid: u32, once: bool, interval: Duration },
    Ps { pid: u32 },
    Pstree { pid: u32 },
    Metrics { pid: u32 },
    List,
}

impl Options {
    /// `None` if help was asked for.
    pub fn parse(args: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut words = Vec::new();
        let (mut once, mut interval) = (false, None);
        let mut args = args;
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--help" | "-h" => return Ok(None),
                "--once" => once = true,
                "--interval" => {
                    let text = args.next().ok_or("--interval needs a number of seconds")?;
                    interval = Some(seconds(&text)?);
                }
                option if option.starts_with('-') => {
                    return Err(format!("{option}: no such option"));
                }
                _ => words.push(arg),
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let command = match words[..] {
            ["list"] => Command::List,
            ["ps", pid] => Command::Ps { pid: number(pid)? },
            ["pstree", pid] => Command::Pstree { pid: number(pid)? },
            ["metrics", pid] => Command::Metrics { pid: number(pid)? },
            ["ps" | "pstree" | "metrics"] => return Err(format!("{} needs a PID", words[0])),
            [pid] => {
                Command::Top { pid: number(pid)?, once, interval: interval.unwrap_or(INTERVAL) }
            }
            [] => return Err("which process? name its PID".to_owned()),
            _ => return Err(format!("{}: no such command", words.join(" "))),
        };
        let of_the_screen = once || interval.is_some();
        if of_the_screen && !matches!(command, Command::Top { .. }) {
            return Err("--once and --interval are for the screen, corio-top PID".to_owned());
        }
        Ok(Some(Self { command }))
    }
}

fn number(pid: &str) -> Result<u32, String> {
    match pid.parse() {
        Ok(0) | Err(_) => Err(format!("{pid}: neither a PID nor a command")),
        Ok(pid) => Ok(pid),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| format!("--interval {text}: not a number"))?;
    if (INTERVAL_MIN..=INTERVAL_MAX).contains(&seconds) {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err(format!("--interval {text}: it must be at least {INTERVAL_MIN} and at most {INTERVAL_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Options>, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn commands_are_understood() {
        let command = |line| parse(line).unwrap().unwrap().command;
        assert_eq!(command("7"), Command::Top { pid: 7, once: false, interval: INTERVAL });
        let half = Duration::from_millis(500);
        let once = Command::Top { pid: 7, once: true, interval: half };
        assert_eq!(command("--interval 0.5 7 --once"), once);
        assert_eq!(command("ps 7"), Command::Ps { pid: 7 });
        assert_eq!(command("pstree 7"), Command::Pstree { pid: 7 });
        assert_eq!(command("metrics 7"), Command::Metrics { pid: 7 });
        assert_eq!(command("list"), Command::List);
        assert_eq!(parse("ps --help"), Ok(None));
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (line, told) in [
            ("", "which process?"),
            ("ps", "ps needs a PID"),
            ("0", "0: neither a PID"),
            ("-7", "-7: no such option"),
            ("kill 7", "kill 7: no such command"),
            ("7 --interval", "needs a number"),
            ("7 --interval x", "not a number"),
            ("7 --interval 0", "at least 0.1"),
            ("7 --interval nan", "at least 0.1"),
            ("ps 7 --once", "are for the screen"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(told), "{line}: {error}");
        }
    }
}

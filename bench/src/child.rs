//! A child process that must end in time, and how much the rest of the machine worked meanwhile.

use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::usage::{Usage, machine_busy};

/// What a child did.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended; `None` when it had to be killed.
    pub status: Option<ExitStatus>,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
    /// Cores that other processes kept busy while it ran.
    pub others: f64,
}

/// Runs a command to its end, or kills it after `limit`. Nothing polls while it runs.
///
/// # Errors
/// The command cannot be started or waited for.
pub fn run(command: &mut Command, limit: Duration) -> io::Result<Outcome> {
    let watch = OthersWatch::start()?;
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (done, ended) = mpsc::channel();
    let stdout = collect(child.stdout.take(), done.clone());
    let stderr = collect(child.stderr.take(), done);
    // Both senders are dropped when both streams have ended, which the end of the child does.
    let in_time = !matches!(ended.recv_timeout(limit), Err(mpsc::RecvTimeoutError::Timeout));
    let status = end(&mut child, in_time)?;
    let text = |reader: thread::JoinHandle<String>| reader.join().unwrap_or_default();
    let (stdout, stderr) = (text(stdout), text(stderr));
    Ok(Outcome { status: in_time.then_some(status), stdout, stderr, others: watch.cores()? })
}

fn end(child: &mut Child, in_time: bool) -> io::Result<ExitStatus> {
    if !in_time {
        child.kill()?;
    }
    child.wait()
}

fn collect(
    stream: Option<impl Read + Send + 'static>,
    done: mpsc::Sender<()>,
) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What came before an error is all there is to show.
            let _ = stream.read_to_end(&mut bytes);
        }
        drop(done);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Measures how many cores other processes keep busy: what the machine did less what this
/// process and its ended children did.
pub struct OthersWatch {
    start: Instant,
    machine: Duration,
    ours: Duration,
}

impl OthersWatch {
    /// Begins to watch.
    ///
    /// # Errors
    /// `/proc/stat` cannot be read.
    pub fn start() -> io::Result<Self> {
        Ok(Self { start: Instant::now(), machine: machine_busy()?, ours: ours() })
    }

    /// Cores that others used since the start, in the mean.
    ///
    /// # Errors
    /// `/proc/stat` cannot be read.
    pub fn cores(&self) -> io::Result<f64> {
        let machine = machine_busy()?.saturating_sub(self.machine);
        let ours = ours().saturating_sub(self.ours);
        let others = machine.saturating_sub(ours).as_secs_f64();
        Ok(others / self.start.elapsed().as_secs_f64().max(1e-9))
    }
}

fn ours() -> Duration {
    Usage::of_process().cpu + Usage::of_children().cpu
}

/// A wait for a still machine is given up after so long, and the measurement is marked.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(120);

/// Others that use less than this many cores are still.
pub const STILL_CORES: f64 = 0.05;

/// Waits until other processes were still for `span`; `false` when that took too long.
///
/// # Errors
/// `/proc/stat` cannot be read.
pub fn wait_until_quiet(span: Duration) -> io::Result<bool> {
    let start = Instant::now();
    while start.elapsed() < QUIET_WAIT_MAX {
        let watch = OthersWatch::start()?;
        thread::sleep(span);
        let cores = watch.cores()?;
        if cores < STILL_CORES {
            return Ok(true);
        }
        eprint!("(others use {cores:.2} cores) ");
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> Outcome {
        run(Command::new("sh").args(["-c", script]), limit).unwrap()
    }

    #[test]
    fn both_streams_and_the_status_come_back() {
        let outcome = sh("echo out; echo err >&2; exit 3", Duration::from_secs(60));
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(outcome.status.and_then(|status| status.code()), Some(3));
        assert!(outcome.others >= 0.0);
    }

    #[test]
    fn a_child_that_hangs_is_killed() {
        let start = Instant::now();
        let outcome = sh("echo begun; exec sleep 600", Duration::from_millis(300));
        assert!(outcome.status.is_none());
        assert_eq!(outcome.stdout, "begun\n");
        assert!(start.elapsed() < Duration::from_secs(60));
    }
}

//! corio-top, the real program, and a process that it asks.
//!
//! Each test is two processes: the test runs itself again as the one that is asked, and the tool beside
//! it. The asked one lives until its input ends.
//!
//! - [`shows`]: what the tool prints;
//! - [`socket`]: who is answered, who is not, and what is left behind.

mod shows;
mod socket;

use std::io::{BufRead, BufReader, Read};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::panic::Location;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::Arc;

use corio::sync::Event;
use corio::{Runtime, Task};
use corio_tests::PATIENCE;

use crate::support::waits;

/// Says which part a child process plays.
const PART: &str = "CORIO_TOP_TEST_PART";
/// A child says this on standard error when it can be asked.
const READY: &str = "ready to be asked";

/// A child that can be asked, until this is dropped.
struct Asked {
    child: Child,
    input: Option<ChildStdin>,
    said: BufReader<std::process::ChildStderr>,
}

impl Asked {
    /// Runs the test of this name again, with these variables, until it is ready.
    fn start(test: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_saying(test, variables).1
    }

    /// As [`start`](Self::start); and what the child said by then.
    fn start_saying(test: &str, variables: &[(&str, &str)]) -> (String, Self) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
        command.env_remove("CORIO_DEBUG").env_remove("CORIO_TOP").env(PART, test);
        command.envs(variables.iter().copied());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, errors) = (child.stdin.take(), child.stderr.take().unwrap());
        let mut asked = Self { child, input, said: BufReader::new(errors) };
        let said = asked.until(READY);
        (said, asked)
    }

    /// What the child says up to a line with `cue`.
    fn until(&mut self, cue: &str) -> String {
        let mut said = String::new();
        while !said.contains(cue) {
            let n = self.said.read_line(&mut said).unwrap();
            assert_ne!(n, 0, "the child ended before it said {cue:?}: {said}");
        }
        said
    }

    fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Runs corio-top with these words and the child's PID; its output if it ends well.
    fn top(&self, words: &[&str]) -> String {
        said(&tool(&[words, &[&self.pid()]].concat()))
    }

    /// A connection to the child that has been greeted.
    fn connect(&self) -> BufReader<UnixStream> {
        let address = SocketAddr::from_abstract_name(format!("corio-top/{}", self.pid())).unwrap();
        let mut lines = BufReader::new(UnixStream::connect_addr(&address).unwrap());
        lines.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        let mut greeting = String::new();
        lines.read_line(&mut greeting).unwrap();
        assert_eq!(greeting, "corio-top 1\n");
        lines
    }

    /// Ends the child; what it said last.
    fn end(mut self) -> String {
        drop(self.input.take());
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success(), "{rest}");
        rest
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // Of a test that failed. One that has ended is not there to be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tool(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_top")).args(words).output().unwrap()
}

#[track_caller]
fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors, "");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What the tool complains of.
#[track_caller]
fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn is_child(test: &str) -> bool {
    std::env::var(PART).is_ok_and(|part| part == test)
}

/// The child can be asked until its input ends.
fn be_asked() {
    eprintln!("{READY}");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// The line that begins with these words, with single spaces.
#[track_caller]
fn line(text: &str, begin: &str) -> String {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines = text.lines().map(words);
    lines.find(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("no {begin:?} in\n{text}"))
}

/// Tasks that wait at one place, which is returned.
fn crowd(
    runtime: &Runtime,
    name: &'static str,
    size: usize,
) -> (Vec<Task<()>>, &'static Location<'static>) {
    let event = Arc::new(Event::new());
    let spawn = |_| {
        let event = event.clone();
        corio::task().name(name).spawn_on(runtime.handle(), async move { event.wait().await })
    };
    let tasks: Vec<_> = (0..size).map(spawn).collect();
    let places: Vec<_> = tasks.iter().map(|task| waits(&task.task_ref()).at).collect();
    (tasks, places[0])
}

#[track_caller]
fn line_with(text: &str, part: &str) -> String {
    text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{text}")).to_owned()
}

//! A test's body in a process of its own, alone, perhaps with limits.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

/// Names the body that the process is to run.
const BODY: &str = "CORIO_TEST_BODY";

/// Bodies run one at a time: they measure time, or count threads and descriptors.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A program in which each signal has its default action, whatever this process was started with: the
/// background jobs of a shell, and what `nohup` starts, have some ignored.
#[must_use]
pub fn with_default_signals(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(program);
    command
}

/// Runs `body` alone in a process of its own, after the shell command `limits`.
///
/// `test` is the full name of the calling test.
///
/// # Panics
///
/// If the body does, or if `test` is not the test's name.
#[track_caller]
pub fn alone(test: &str, limits: &str, body: impl FnOnce()) {
    if std::env::var(BODY).is_ok_and(|wanted| wanted == test) {
        return body();
    }
    let output = {
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        run(test, limits)
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{test} failed:\n{text}\n{errors}");
    assert!(text.contains("1 passed"), "{test} is not the name of the test:\n{text}");
    // What a body had nothing to do for is to be seen, past the harness that hides what a test says.
    for line in errors.lines().filter(|line| line.contains(" skipped: ")) {
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

fn run(test: &str, limits: &str) -> Output {
    let program = std::env::current_exe().expect("the path of this program");
    Command::new("sh")
        .args(["-c", &format!("{limits}; exec \"$0\" \"$@\"")])
        .arg(program)
        .args([test, "--exact", "--nocapture", "--test-threads", "1"])
        .env(BODY, test)
        .output()
        .expect("a shell")
}

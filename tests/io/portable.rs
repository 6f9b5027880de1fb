//! The whole suite again on the wait that all systems have, in a process of its own.

use std::process::Command;

use crate::well;

const POLLER: &str = "CORIO_POLLER";
/// The counts of system calls hold for Linux's own wait.
const SKIP: [&str; 4] = ["--skip", "portable::", "--skip", "syscalls::"];

#[test]
fn with_the_portable_poller() {
    if std::env::var_os(POLLER).is_some() {
        return;
    }
    let this = std::env::current_exe().expect("the path of this program");
    let mut command = Command::new(this);
    command.args(SKIP).args(["--test-threads", "4"]).env(POLLER, "portable");
    well(command.output().expect("this program runs again"));
}

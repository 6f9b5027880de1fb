//! The whole suite again on the wait that all systems have, in a process of its own.

use std::process::Command;

use crate::{play, plays, well};

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

/// What the portable poller has and Linux's own has not: a timer of the system's for each loop.
#[cfg(target_os = "linux")]
fn kernel_timers() -> usize {
    let listed = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
    let targets = listed.filter_map(|one| std::fs::read_link(one.path()).ok());
    targets.filter(|target| target.to_string_lossy().contains("[timerfd]")).count()
}

/// Else the suite would run a second time on the same poller, and nobody would notice.
#[cfg(target_os = "linux")]
#[test]
fn the_variable_chooses_the_poller() {
    const WORKERS: usize = 3;
    let part = "which poller";
    if plays(part) {
        let before = kernel_timers();
        let _runtime = corio::Builder::new().workers(WORKERS).build().unwrap();
        println!("\n{} kernel timers", kernel_timers() - before);
        return;
    }
    let test = "portable::the_variable_chooses_the_poller";
    let own = well(play(test, part, &[]).env_remove(POLLER).output().unwrap());
    assert!(own.contains("\n0 kernel timers"), "{own}");
    let portable = well(play(test, part, &[]).env(POLLER, "portable").output().unwrap());
    assert!(portable.contains(&format!("\n{WORKERS} kernel timers")), "{portable}");
}

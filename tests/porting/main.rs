//! Each program of examples/porting prints the same lines in Python and in corio; and what
//! docs/from-asyncio.md shows runs.
//!
//! Both want a `python3` of 3.11 or newer, and fail without one.

mod pages;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use corio_tests::{PATIENCE, within};

/// The interpreter.
const PYTHON: &str = "python3";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn folder() -> PathBuf {
    root().join("examples/porting")
}

fn lines(command: &mut Command) -> Vec<String> {
    let what = format!("{command:?}");
    command.stdin(Stdio::null());
    let mut command = std::mem::replace(command, Command::new("true"));
    let Output { status, stdout, stderr } =
        within(PATIENCE, &what, move || command.output().expect("it starts"));
    // On a machine that stalls any step is slow, and both tell so: asyncio in its debug mode.
    let errors = String::from_utf8_lossy(&stderr);
    let of_steps = |line: &&str| {
        let asyncio = line.starts_with("Executing <") && line.contains(" took ");
        !asyncio && !line.contains("use to_thread for work that blocks")
    };
    let errors = errors.lines().filter(of_steps).collect::<Vec<_>>().join("\n");
    assert!(status.success(), "{what}: {status}\n{errors}");
    assert!(errors.is_empty(), "{what} complains: {errors}");
    String::from_utf8(stdout).expect("text").lines().map(str::to_owned).collect()
}

/// The programs that the binary knows.
fn programs() -> Vec<String> {
    lines(&mut Command::new(env!("CARGO_BIN_EXE_porting")))
}

/// Says what is missing before a program of Python does it less clearly.
fn want_python() {
    let check = "import sys; sys.exit(sys.version_info < (3, 11))";
    let there = Command::new(PYTHON).args(["-c", check]).status();
    let new_enough = there.is_ok_and(|status| status.success());
    assert!(new_enough, "{PYTHON} of 3.11 or newer is wanted; on Debian: apt-get install python3");
}

#[test]
fn every_folder_is_a_program() {
    let names = |path: PathBuf| {
        let entries = std::fs::read_dir(path).expect("the folder is there").map(Result::unwrap);
        let folders = entries.filter(|entry| entry.path().is_dir());
        folders.map(|entry| entry.file_name().into_string().unwrap()).collect::<BTreeSet<_>>()
    };
    assert_eq!(names(folder()), programs().into_iter().collect());
}

#[test]
fn both_print_the_same() {
    want_python();
    for name in programs() {
        let program = folder().join(&name).join("program.py");
        let python = lines(Command::new(PYTHON).arg("-B").arg(program));
        let corio = lines(Command::new(env!("CARGO_BIN_EXE_porting")).arg(&name));
        assert!(!python.is_empty(), "{name} prints nothing");
        assert_eq!(corio, python, "{name}: corio on the left, asyncio on the right");
    }
}

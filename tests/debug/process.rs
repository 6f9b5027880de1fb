//! What only a process of its own shows: environment variables and SIGQUIT.

use corio::sync::Event;
use corio_tests::child::with_default_signals;
use corio_tests::{PATIENCE, within};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::HOUR;

/// Says which part a child process plays.
const PART: &str = "CORIO_DEBUG_TEST_PART";

/// Runs the test of this name again in a process of its own; whether it ended well, and what it
/// said on standard error.
///
/// Its input ends as soon as it has said a line with `cue`, or nothing more.
fn child(
    test: &'static str,
    variables: &'static [(&str, &str)],
    cue: &'static str,
) -> (bool, String) {
    child_by(with_default_signals, test, variables, cue)
}

/// As [`child`], for a program that is started in this way.
fn child_by(
    start: fn(PathBuf) -> Command,
    test: &'static str,
    variables: &'static [(&str, &str)],
    cue: &'static str,
) -> (bool, String) {
    within(2 * PATIENCE, test, move || {
        let mut command = start(std::env::current_exe().unwrap());
        command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
        command.env_remove("CORIO_DEBUG").env_remove("CORIO_DUMP").env(PART, test);
        command.envs(variables.iter().copied()).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take();
        let mut said = String::new();
        for line in BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap) {
            if line.contains(cue) {
                drop(input.take());
            }
            // On a machine that stalls every poll is slow, and that is told.
            if !line.contains("use to_thread for work that blocks") && !line.contains(" took ") {
                said.push_str(&line);
                said.push('\n');
            }
        }
        drop(input);
        (child.wait().unwrap().success(), said)
    })
}

fn is_child(test: &str) -> bool {
    std::env::var(PART).is_ok_and(|part| part == test)
}

// conforms: 4 GatherTestsBase.test_env_var_debug
// conforms: 17 test_asyncio_run_debug
// conforms: 17 test_debug
// conforms: 17 test_non_debug
// conforms: 19 BaseEventLoopTests.test_env_var_debug
#[test]
fn the_variable_turns_debug_mode_on_and_the_builder_beats_it() {
    const TEST: &str = "process::the_variable_turns_debug_mode_on_and_the_builder_beats_it";
    if is_child(TEST) {
        corio::run(async { drop(Event::new().wait()) });
        corio::Builder::new().debug(false).run(async { drop(corio::sleep(HOUR)) }).unwrap();
        corio::Builder::new().debug(true).run(async { drop(Event::new().wait()) }).unwrap();
        let mut runner = corio::Builder::new().debug(true).runner();
        return runner.run(async { drop(corio::sleep(HOUR)) }).unwrap();
    }
    let told = |variables, names: &[&str]| {
        let (ended, said) = child(TEST, variables, "no cue");
        assert!(ended, "{said}");
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(lines.len(), names.len(), "{said}");
        for (line, name) in lines.iter().zip(names) {
            let told = format!("corio: {name} was never awaited; it was made at tests/debug");
            assert!(line.starts_with(&told), "{said}");
        }
    };
    told(&[], &["Event::wait", "sleep"]);
    told(&[("CORIO_DEBUG", "1")], &["Event::wait", "Event::wait", "sleep"]);
}

/// A signal to the own process.
fn quit() {
    let pid = std::process::id().to_string();
    assert!(Command::new("kill").args(["-QUIT", &pid]).status().unwrap().success());
}

/// The name of a task in a dump.
const ASLEEP: &str = "asleep";

/// What a child says that is to get no dump, if it should.
const SAYS: &str = "no dump so far";

/// What a child does that asks for its own dump.
fn asks_for_a_dump() {
    corio::run(async {
        let sleeper = corio::task().name(ASLEEP).spawn(async { corio::sleep(HOUR).await });
        corio::block_in_place(|| {
            quit();
            if std::env::var_os("CORIO_TEST_SAYS").is_some() {
                eprintln!("{SAYS}");
            }
            // The dump is printed by a thread of its own: the end is for when the test has read it.
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        });
        drop(sleeper);
    });
    eprintln!("and the program goes on");
}

#[test]
fn sigquit_prints_a_dump_and_the_program_goes_on() {
    const TEST: &str = "process::sigquit_prints_a_dump_and_the_program_goes_on";
    if is_child(TEST) {
        return asks_for_a_dump();
    }
    for variable in [("CORIO_DUMP", "1"), ("CORIO_DEBUG", "1")] {
        let (ended, said) = match variable.0 {
            "CORIO_DUMP" => child(TEST, &[("CORIO_DUMP", "1")], ASLEEP),
            _ => child(TEST, &[("CORIO_DEBUG", "1")], ASLEEP),
        };
        assert!(ended, "{said}");
        assert!(said.contains("runtime 'corio': 2 tasks, "), "{said}");
        assert!(said.contains("── 'asleep' "), "{said}");
        assert!(said.ends_with("and the program goes on\n"), "{said}");
    }
}

#[test]
fn without_a_variable_sigquit_ends_the_program_as_ever() {
    const TEST: &str = "process::without_a_variable_sigquit_ends_the_program_as_ever";
    if is_child(TEST) {
        return asks_for_a_dump();
    }
    let (ended, said) = child(TEST, &[], ASLEEP);
    assert!(!ended && !said.contains("goes on") && !said.contains("asleep"), "{said}");
}

/// What is ignored when the program starts, as under `nohup`: a dump that is asked for comes all the
/// same, and afterwards the signal is ignored again.
#[test]
fn a_sigquit_that_was_ignored_dumps_and_is_ignored_again() {
    const TEST: &str = "process::a_sigquit_that_was_ignored_dumps_and_is_ignored_again";
    if is_child(TEST) {
        asks_for_a_dump();
        return quit();
    }
    let ignoring = |program| {
        let mut command = Command::new("env");
        command.arg("--ignore-signal=QUIT").arg(program);
        command
    };
    let (ended, said) = child_by(ignoring, TEST, &[("CORIO_DUMP", "1")], ASLEEP);
    assert!(ended && said.contains(ASLEEP), "{said}");
    assert!(said.ends_with("and the program goes on\n"), "{said}");
    // Its input ends at a line that it says in any case.
    let (ended, said) = child_by(ignoring, TEST, &[("CORIO_TEST_SAYS", "1")], SAYS);
    assert!(ended && !said.contains(ASLEEP), "{said}");
}

#[test]
fn after_the_runtime_sigquit_ends_the_program_as_ever() {
    const TEST: &str = "process::after_the_runtime_sigquit_ends_the_program_as_ever";
    if is_child(TEST) {
        corio::run(async {});
        quit();
        std::thread::sleep(PATIENCE);
        return;
    }
    let (ended, said) = child(TEST, &[("CORIO_DUMP", "1")], "no cue");
    assert!(!ended && said.is_empty(), "{said}");
}

#[test]
fn a_main_that_nobody_can_wake_is_told() {
    const TEST: &str = "process::a_main_that_nobody_can_wake_is_told";
    if is_child(TEST) {
        let end = |code: i32, when: fn()| {
            std::thread::spawn(move || {
                when();
                std::process::exit(code);
            })
        };
        end(0, || drop(std::io::stdin().read(&mut [0])));
        end(1, || std::thread::sleep(PATIENCE / 4));
        let main = std::future::pending::<()>();
        let _ = corio::Builder::new().debug(true).handle_signals(true).run(main);
    }
    let (well, said) = child(TEST, &[], "lost task");
    assert!(well && said.contains("lost task: <Task "), "{said}");
}

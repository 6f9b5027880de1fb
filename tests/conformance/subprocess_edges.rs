//! Child processes, continued: test_subprocess.py and test_events.py on errors, races and ends.

use std::fs;
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use corio::process::{Child, Stdio, create_subprocess_exec};
use corio::signal::SignalKind;
use corio_tests::kit::threads_named;
use corio_tests::{eventually, open_descriptors, skipped};

use crate::subprocess::{Start, both};
use crate::support::{alone, task};

const SIGKILL: i32 = 9;
const SIGSTOP: i32 = 19;

// conforms: 26 test_popen_error
// conforms: 26 test_popen_error_with_stdin_pipe
#[test]
fn a_spawn_that_fails_leaks_nothing() {
    alone("subprocess_edges::a_spawn_that_fails_leaks_nothing", || {
        both(async |start| {
            let missing = || start.exec("no-such-program-anywhere", &[]);
            let error = missing().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.to_string().contains("no-such-program-anywhere"), "{error}");
            let before = open_descriptors();
            for _ in 0..10 {
                let piped = missing().stdin(Stdio::Pipe).stdout(Stdio::Pipe).stderr(Stdio::Pipe);
                assert!(piped.await.is_err());
            }
            assert_eq!(open_descriptors(), before);
        });
    });
}

// conforms: 30 test_subprocess_exec_invalid_args
// conforms: 30 test_subprocess_shell_invalid_args
// differs: most of them do not compile; what the types allow is refused when it starts
#[test]
fn arguments_that_no_program_can_be_given() {
    both(async |start| {
        for spawn in [
            start.exec("true", &["a\0b"]),
            start.exec("tr\0ue", &[]),
            start.exec("true", &[]).env("NAME", "a\0b"),
            start.shell("echo a\0b"),
        ] {
            assert_eq!(spawn.await.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        assert_eq!(start.exec("", &[]).await.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

// conforms: 26 test_subprocess_read_pipe_cancelled
// conforms: 26 test_subprocess_write_pipe_cancelled
// conforms: 26 test_subprocess_read_write_pipe_cancelled
#[test]
fn a_cancelled_spawn_closes_its_pipes() {
    alone("subprocess_edges::a_cancelled_spawn_closes_its_pipes", || {
        both(async |start| {
            // What the runtime opens once is open then.
            let cat = || start.exec("cat", &[]).stdin(Stdio::Pipe).stdout(Stdio::Pipe);
            cat().await.unwrap().communicate("").await.unwrap();
            let before = open_descriptors();
            for turns in 0..30 {
                let mut spawn = pin!(cat().stderr(Stdio::Pipe).spawn());
                for _ in 0..turns {
                    if poll_fn(|cx| Poll::Ready(spawn.as_mut().poll(cx).is_ready())).await {
                        break;
                    }
                    corio::yield_now().await;
                }
            }
            while open_descriptors() > before {
                corio::sleep(Duration::from_millis(1)).await;
            }
        });
        // What a thread has not freed when its process ends is a leak in a sanitizer's eyes.
        let left = || threads_named("corio-child").is_empty().then_some(());
        eventually("the end of the threads that watch children", left);
    });
}

// conforms: 26 test_proc_exited
#[test]
fn signals_after_the_end_do_nothing() {
    both(async |start| {
        let child = start.exec("true", &[]).await.unwrap();
        assert!(child.wait().await.unwrap().success());
        child.terminate().unwrap();
        child.kill().unwrap();
        child.send_signal(SignalKind::hangup()).unwrap();
        child.send_signal_to_group(SignalKind::hangup()).unwrap();
        assert_eq!(child.returncode(), Some(0), "as it was");
    });
}

/// A process with this number; none if others were always before us, or have the number themselves.
///
/// Fails where the system does not let itself be talked into it.
async fn reuse(number: u32) -> std::io::Result<Option<Child>> {
    for _ in 0..1000 {
        fs::write("/proc/sys/kernel/ns_last_pid", (number - 1).to_string())?;
        let child = create_subprocess_exec("sleep", ["600"]).kill_on_drop(true).await.unwrap();
        if child.pid() == number {
            return Ok(Some(child));
        }
    }
    Ok(None)
}

/// A process that has ended and was waited for, and another that has its number now.
async fn given_away(start: Start) -> std::io::Result<(Child, Child)> {
    loop {
        let child = start.exec("true", &[]).await.unwrap();
        child.wait().await.unwrap();
        if let Some(other) = reuse(child.pid()).await? {
            return Ok((child, other));
        }
    }
}

// conforms: 26 test_send_signal_never_targets_reaped_pid
// conforms: 30 test_pid_not_reaped_before_exit_published
#[test]
fn a_number_that_was_given_away_is_not_signalled() {
    both(async |start: Start| {
        let (child, other) = match given_away(start).await {
            Ok(both) => both,
            Err(error) => {
                let test = "subprocess_edges::a_number_that_was_given_away_is_not_signalled";
                return skipped(
                    "numbers",
                    test,
                    &format!("no number is given twice soon: {error}"),
                );
            }
        };
        child.kill().unwrap();
        child.send_signal_to_group(SignalKind::from_raw(SIGKILL)).unwrap();
        drop(child);
        // It would be dead by now if it had been hit: the signal is delivered at once.
        assert_eq!(other.returncode(), None);
        // Not SIGTERM: a shell may have started this program with that ignored.
        other.send_signal(SignalKind::user_defined1()).unwrap();
        assert!(other.wait().await.unwrap().code().is_none());
        assert_eq!(other.returncode(), Some(-10), "by our own signal only");
    });
}

// conforms: 26 test_subprocess_send_signal_race
#[test]
fn signals_race_with_the_end() {
    both(async |start| {
        for _ in 0..50 {
            let child = Arc::new(start.exec("true", &[]).await.unwrap());
            let waiter = task!([child] child.wait().await.unwrap());
            let signals = std::thread::spawn({
                let child = child.clone();
                move || {
                    eventually("the end", || {
                        child.send_signal(SignalKind::resume()).unwrap();
                        child.returncode()
                    })
                }
            });
            assert!(waiter.await.unwrap().success());
            assert_eq!(signals.join().unwrap(), 0);
        }
    });
}

// conforms: 30 test_stopped_child_does_not_block_event_loop
#[test]
fn a_stopped_child_has_not_ended() {
    both(async |start| {
        let child = Arc::new(start.sleeper().await.unwrap());
        let waiter = task!([child] child.wait().await.unwrap());
        child.send_signal(SignalKind::from_raw(SIGSTOP)).unwrap();
        let stat = format!("/proc/{}/stat", child.pid());
        eventually("the stop", || {
            fs::read_to_string(&stat).unwrap().contains(") T ").then_some(())
        });
        // Neither the stop nor the way on is an end.
        let short = corio::timeout(Duration::from_millis(20), child.wait());
        assert!(short.await.is_err() && !waiter.done() && child.returncode().is_none());
        child.send_signal(SignalKind::resume()).unwrap();
        child.kill().unwrap();
        waiter.await.unwrap();
        assert_eq!(child.returncode(), Some(-SIGKILL));
    });
}

// conforms: 30 test_subprocess_repr
#[test]
fn children_show_their_state() {
    both(async |start| {
        let child = start.sleeper().await.unwrap();
        let pid = child.pid();
        assert_eq!(format!("{child:?}"), format!("Child {{ pid: {pid}, returncode: None, .. }}"));
        child.kill().unwrap();
        child.wait().await.unwrap();
        assert!(format!("{child:?}").contains("returncode: Some(-9)"));
    });
}

// conforms: 26 test_subprocess_exitcode
// conforms: 26 test_subprocess_close_after_finish
#[test]
fn an_exit_code_outlives_the_streams() {
    both(async |start| {
        let command = start.shell("exit 7").stdin(Stdio::Pipe).stdout(Stdio::Pipe);
        let mut child = command.await.unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(7));
        (child.stdin, child.stdout) = (None, None);
        assert_eq!(child.returncode(), Some(7));
        assert_eq!(child.wait().await.unwrap().code(), Some(7), "as often as asked");
    });
}

// conforms: 26 test_subprocess_stderr_redirect_to_stdout
#[test]
fn errors_follow_the_output() {
    both(async |start| {
        let line = "echo out; echo err >&2; echo out";
        let command = start.shell(line).stdout(Stdio::Pipe).stderr(Stdio::Stdout);
        let mut child = command.await.unwrap();
        assert!(child.stderr.is_none());
        let output = child.communicate("").await.unwrap();
        assert_eq!(output.stdout, b"out\nerr\nout\n");
        let error = start.shell("true").stdin(Stdio::Stdout).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

// conforms: 26 test_subprocess_close_client_stream
#[test]
fn a_child_finds_out_that_nobody_reads() {
    both(async |start| {
        // A reader that is dropped is closed soon; until then the pipe takes what is written.
        let line =
            "trap '' PIPE; read go; while echo hello 2>/dev/null; do :; done; echo broken >&2";
        let command = start.shell(line).stdin(Stdio::Pipe).stdout(Stdio::Pipe);
        let mut child = command.stderr(Stdio::Pipe).await.unwrap();
        child.stdout = None;
        let output = child.communicate("go\n").await.unwrap();
        assert_eq!(output.stderr, b"broken\n");
    });
}

// conforms: 26 test_subprocess_protocol_events
// differs: there are no events; each stream ends after its data, and the process after them
#[test]
fn each_stream_ends_after_its_data() {
    both(async |start| {
        let line = "echo out; echo err >&2";
        let mut child = start.shell(line).stdout(Stdio::Pipe).stderr(Stdio::Pipe).await.unwrap();
        for (stream, data) in [(child.stdout.take(), "out\n"), (child.stderr.take(), "err\n")] {
            let mut stream = stream.unwrap();
            assert_eq!(stream.read_line().await.unwrap(), data.as_bytes());
            assert_eq!(stream.read_line().await.unwrap(), b"");
            assert!(stream.at_eof());
        }
        assert!(child.wait().await.unwrap().success());
    });
}

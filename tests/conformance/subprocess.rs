//! Child processes: test_subprocess.py. Each runs with a descriptor and with a thread for the end.

use std::fs;
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use corio::Builder;
use corio::process::{Command, Stdio, create_subprocess_exec, create_subprocess_shell};
use corio::signal::SignalKind;
use corio_tests::{PATIENCE, eventually, within};

use crate::support::{task, turn};

const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;
const SIGUSR1: i32 = 10;

/// Starts children that are watched in one of the two ways.
#[derive(Clone, Copy)]
pub struct Start {
    pidfd: bool,
}

impl Start {
    pub fn exec(self, program: &str, args: &[&str]) -> Command {
        create_subprocess_exec(program, args).pidfd(self.pidfd)
    }

    pub fn shell(self, line: &str) -> Command {
        create_subprocess_shell(line).pidfd(self.pidfd)
    }

    /// A child that does not end by itself.
    pub fn sleeper(self) -> Command {
        self.exec("sleep", &["600"])
    }
}

/// Runs a test in both ways.
pub fn both(test: impl AsyncFn(Start) + Copy + Send + 'static) {
    for pidfd in [true, false] {
        let what = format!("with pidfd {pidfd}");
        within(PATIENCE, &what, move || {
            let done = Builder::new().workers(1).run(test(Start { pidfd }));
            done.expect("the loop ends well");
        });
    }
}

/// Waits until a process is gone, reaped and all.
pub fn gone(pid: u32) {
    let path = format!("/proc/{pid}");
    eventually("the end of a child", || (!Path::new(&path).exists()).then_some(()));
}

// conforms: 26 test_stdin_stdout
// conforms: 30 test_subprocess_exec
// conforms: 30 test_subprocess_interactive
#[test]
fn test_stdin_stdout() {
    both(async |start| {
        let command = start.exec("cat", &[]).stdin(Stdio::Pipe).stdout(Stdio::Pipe);
        let mut cat = command.await.unwrap();
        let mut stdin = cat.stdin.take().unwrap();
        stdin.write(b"some data");
        stdin.drain().await.unwrap();
        stdin.close();
        let data = cat.stdout.as_mut().unwrap().read(None).await.unwrap();
        assert_eq!(data, b"some data");
        assert_eq!(cat.wait().await.unwrap().code(), Some(0));
        assert_eq!(cat.returncode(), Some(0));
    });
}

// conforms: 26 test_communicate
// conforms: 26 test_communicate_none_input
// conforms: 26 test_empty_input
#[test]
fn test_communicate() {
    both(async |start| {
        let cat = || start.exec("cat", &[]).stdin(Stdio::Pipe).stdout(Stdio::Pipe);
        let output = cat().await.unwrap().communicate("some data").await.unwrap();
        assert_eq!(output.stdout, b"some data");
        assert!(output.status.success() && output.stderr.is_empty());
        let output = cat().await.unwrap().communicate("").await.unwrap();
        assert_eq!(output.stdout, b"", "the input ends at once");
        // More than pipes hold, both ways at once.
        let much = vec![b'x'; 1 << 20];
        let output = cat().await.unwrap().communicate(much.clone()).await.unwrap();
        assert!(output.stdout == much);
    });
}

#[test]
fn input_that_goes_nowhere_is_an_error() {
    both(async |start| {
        let mut child = start.exec("true", &[]).await.unwrap();
        let error = child.communicate("lost").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(child.communicate("").await.unwrap().status.success());
    });
}

#[test]
fn a_communicate_that_was_cancelled_loses_nothing() {
    both(async |start| {
        let line = "echo out; echo err >&2; cat; echo end";
        let command = start.shell(line).stdin(Stdio::Pipe).stdout(Stdio::Pipe).stderr(Stdio::Pipe);
        let mut child = command.await.unwrap();
        let much = vec![b'x'; 1 << 20];
        // Cut off in the middle, again and again: the first call has the input.
        let mut input = much.clone();
        let mut cuts = 0;
        let output = loop {
            let took = std::mem::take(&mut input);
            match corio::timeout(Duration::from_micros(100), child.communicate(took)).await {
                Ok(output) => break output.unwrap(),
                Err(_) => cuts += 1,
            }
        };
        assert!(cuts > 0, "a megabyte takes longer");
        assert!(output.stdout == [b"out\n", &much[..], b"end\n"].concat());
        assert_eq!(output.stderr, b"err\n");
    });
}

// conforms: 26 test_shell
// conforms: 30 test_subprocess_shell
#[test]
fn test_shell() {
    both(async |start| {
        assert_eq!(start.shell("exit 7").await.unwrap().wait().await.unwrap().code(), Some(7));
    });
}

// conforms: 26 test_start_new_session
// conforms: 30 test_subprocess_wait_no_same_group
#[test]
fn test_start_new_session() {
    both(async |start| {
        let session = |line: Vec<u8>| {
            let line = String::from_utf8(line).unwrap();
            // The session is the sixth word, after a name in brackets.
            let after = line.rsplit_once(')').unwrap().1.to_owned();
            after.split_whitespace().nth(3).unwrap().parse::<u32>().unwrap()
        };
        let stat = || start.exec("cat", &["/proc/self/stat"]).stdout(Stdio::Pipe);
        let mut ours = stat().await.unwrap();
        let output = ours.communicate("").await.unwrap();
        assert_ne!(session(output.stdout), ours.pid());
        let mut own = stat().start_new_session(true).await.unwrap();
        let output = own.communicate("").await.unwrap();
        assert_eq!(session(output.stdout), own.pid());
    });
}

// conforms: 26 test_kill
// conforms: 26 test_terminate
// conforms: 26 test_send_signal
// conforms: 30 test_subprocess_kill
// conforms: 30 test_subprocess_terminate
// conforms: 30 test_subprocess_send_signal
#[test]
fn signals_are_negative_codes() {
    both(async |start| {
        let child = start.sleeper().await.unwrap();
        assert_eq!(child.returncode(), None);
        child.kill().unwrap();
        child.wait().await.unwrap();
        assert_eq!(child.returncode(), Some(-SIGKILL));
        // A shell may have started this program with SIGTERM ignored, and a child inherits that: it
        // says when it has the default again.
        let asleep = ["--default-signal", "sh", "-c", "echo asleep; exec sleep 600"];
        let mut child = start.exec("env", &asleep).stdout(Stdio::Pipe).await.unwrap();
        let line = child.stdout.as_mut().unwrap().read_line().await.unwrap();
        assert_eq!(line, b"asleep\n");
        child.terminate().unwrap();
        child.wait().await.unwrap();
        assert_eq!(child.returncode(), Some(-SIGTERM));
        let child = start.sleeper().await.unwrap();
        // Not SIGHUP: under `nohup` that is ignored, and a child inherits it.
        child.send_signal(SignalKind::user_defined1()).unwrap();
        child.wait().await.unwrap();
        assert_eq!(child.returncode(), Some(-SIGUSR1));
    });
}

// conforms: 26 test_kill_issue43884
#[test]
fn a_shell_with_pipes_is_killed() {
    both(async |start| {
        let line = "echo ready; sleep 600 & wait";
        let command = start.shell(line).stdout(Stdio::Pipe).stderr(Stdio::Pipe).process_group(0);
        let mut child = command.await.unwrap();
        assert_eq!(child.stdout.as_mut().unwrap().read_line().await.unwrap(), b"ready\n");
        child.send_signal_to_group(SignalKind::from_raw(SIGKILL)).unwrap();
        // Only the whole group has let go of the pipes.
        let output = child.communicate("").await.unwrap();
        assert_eq!((child.returncode(), output.stdout), (Some(-SIGKILL), Vec::new()));
    });
}

// conforms: 26 test_stdin_broken_pipe
#[test]
fn test_stdin_broken_pipe() {
    both(async |start| {
        let mut child = start.exec("true", &[]).stdin(Stdio::Pipe).await.unwrap();
        child.wait().await.unwrap();
        let stdin = child.stdin.as_mut().unwrap();
        stdin.write(&vec![b'x'; 1 << 20]);
        assert_eq!(stdin.drain().await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

// conforms: 26 test_communicate_ignore_broken_pipe
#[test]
fn test_communicate_ignore_broken_pipe() {
    both(async |start| {
        let mut child = start.exec("true", &[]).stdin(Stdio::Pipe).await.unwrap();
        let output = child.communicate(vec![b'x'; 1 << 20]).await.unwrap();
        assert!(output.status.success());
    });
}

// conforms: 26 test_pause_reading
// differs: nothing is read ahead, so the child waits as soon as the pipe is full
#[test]
fn a_child_that_is_not_read_waits() {
    both(async |start| {
        let command = start.exec("head", &["-c", "1000000", "/dev/zero"]);
        let mut child = command.stdout(Stdio::Pipe).limit(1024).await.unwrap();
        let wait = corio::timeout(Duration::from_millis(50), child.wait());
        assert!(wait.await.is_err(), "a pipe does not hold a megabyte");
        let output = child.communicate("").await.unwrap();
        assert_eq!((output.stdout.len(), output.status.code()), (1_000_000, Some(0)));
    });
}

// conforms: 26 test_stdin_not_inheritable
#[test]
fn test_stdin_not_inheritable() {
    both(async |start| {
        let command = start.exec("cat", &[]).stdin(Stdio::Pipe).stdout(Stdio::Pipe);
        let mut first = command.await.unwrap();
        // If it had the first one's pipe too, the first would never find its end.
        let second = start.sleeper().kill_on_drop(true).await.unwrap();
        let output = first.communicate("data").await.unwrap();
        assert_eq!((output.stdout, second.returncode()), (b"data".to_vec(), None));
    });
}

// conforms: 26 test_wait_even_if_pipe_is_open
#[test]
fn test_wait_even_if_pipe_is_open() {
    both(async |start| {
        let mut child =
            start.shell("sleep 600 & echo $!; exit 3").stdout(Stdio::Pipe).await.unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(3));
        let reader = child.stdout.as_mut().unwrap();
        let grandchild = String::from_utf8(reader.read_line().await.unwrap()).unwrap();
        assert!(!reader.at_eof());
        let kill = start.exec("kill", &["-9", grandchild.trim()]).await.unwrap();
        assert!(kill.wait().await.unwrap().success(), "it was there, and held the pipe");
        assert_eq!(reader.read(None).await.unwrap(), b"");
    });
}

// conforms: 26 test_devnull_input
// conforms: 26 test_devnull_output
// conforms: 26 test_devnull_error
// conforms: 30 test_subprocess_stderr
#[test]
fn nothing_comes_from_null_and_goes_there() {
    both(async |start| {
        let command = start.exec("cat", &[]).stdin(Stdio::Null).stdout(Stdio::Pipe);
        assert_eq!(command.await.unwrap().communicate("").await.unwrap().stdout, b"");
        let both = || start.shell("echo out; echo err >&2");
        let mut child = both().stdout(Stdio::Null).stderr(Stdio::Pipe).await.unwrap();
        assert!(child.stdout.is_none());
        assert_eq!(child.communicate("").await.unwrap().stderr, b"err\n");
        let mut child = both().stdout(Stdio::Pipe).stderr(Stdio::Null).await.unwrap();
        assert!(child.stderr.is_none());
        assert_eq!(child.communicate("").await.unwrap().stdout, b"out\n");
    });
}

// conforms: 26 test_devstdin_input
#[test]
fn test_devstdin_input() {
    both(async |start| {
        let command = start.exec("cat", &["/dev/stdin"]).stdin(Stdio::Pipe).stdout(Stdio::Pipe);
        let output = command.await.unwrap().communicate("by its name").await.unwrap();
        assert_eq!(output.stdout, b"by its name", "the input is a pipe, no socket");
    });
}

// conforms: 26 test_cancel_process_wait
#[test]
fn test_cancel_process_wait() {
    both(async |start| {
        let child = std::sync::Arc::new(start.sleeper().await.unwrap());
        let waiter = task!([child] child.wait().await);
        turn().await;
        assert!(waiter.cancel());
        assert!(waiter.await.unwrap_err().is_cancelled());
        assert_eq!(child.returncode(), None, "it runs on");
        child.kill().unwrap();
        child.wait().await.unwrap();
        assert_eq!(child.returncode(), Some(-SIGKILL));
    });
}

/// The processes that run `sleep` with this argument, zombies not counted.
fn sleeping(mark: &str) -> usize {
    let found = fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.strip_suffix(b"\0").is_some_and(|line| line.ends_with(mark.as_bytes()))
    });
    found.count()
}

// conforms: 26 test_cancel_make_subprocess_transport_exec
// conforms: 26 test_cancel_post_init
#[test]
fn a_spawn_that_is_cancelled_kills_what_it_has_started() {
    both(async |start| {
        // Nobody else sleeps for so long, and only one of the two ways at a time.
        let mark = format!("700.{}{}", std::process::id(), u8::from(start.pidfd));
        let mut was_cancelled = false;
        while !was_cancelled {
            {
                let mut spawn = pin!(start.exec("sleep", &[&mark]).spawn());
                match poll_fn(|cx| Poll::Ready(spawn.as_mut().poll(cx))).await {
                    Poll::Pending => was_cancelled = true,
                    // The thread was so fast that there is nothing to cancel.
                    Poll::Ready(child) => child.unwrap().kill().unwrap(),
                }
                if was_cancelled {
                    eventually("the child", || (sleeping(&mark) == 1).then_some(()));
                }
            }
            while sleeping(&mark) > 0 {
                corio::sleep(Duration::from_millis(1)).await;
            }
        }
    });
}

// conforms: 26 test_close_kill_running
// conforms: 26 test_close_dont_kill_finished
#[test]
fn a_drop_kills_if_it_was_told_to() {
    both(async |start| {
        let child = start.sleeper().kill_on_drop(true).await.unwrap();
        let pid = child.pid();
        drop(child);
        let reaped = corio::to_thread(move || gone(pid));
        reaped.await.unwrap();
        // One that has ended is only let go.
        let child = start.exec("true", &[]).kill_on_drop(true).await.unwrap();
        child.wait().await.unwrap();
        drop(child);
        // And without the order it runs on, and is reaped when it ends.
        let mut child =
            start.exec("cat", &[]).stdin(Stdio::Pipe).stdout(Stdio::Pipe).await.unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let pid = child.pid();
        drop(child);
        stdin.write(b"alive\n");
        assert_eq!(stdout.read_line().await.unwrap(), b"alive\n");
        stdin.close();
        let reaped = corio::to_thread(move || gone(pid));
        reaped.await.unwrap();
    });
}

// conforms: 26 test_read_stdout_after_process_exit
#[test]
fn test_read_stdout_after_process_exit() {
    both(async |start| {
        let mut child = start.shell("echo late; exit 2").stdout(Stdio::Pipe).await.unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(2));
        assert_eq!(child.stdout.as_mut().unwrap().read(None).await.unwrap(), b"late\n");
    });
}

// conforms: 26 test_create_subprocess_exec_text_mode_fails
// conforms: 26 test_create_subprocess_shell_text_mode_fails
// differs: there is no text mode to ask for
#[test]
fn output_is_bytes() {
    both(async |start| {
        let mut child = start.shell(r"printf '\377\r\n'").stdout(Stdio::Pipe).await.unwrap();
        assert_eq!(child.communicate("").await.unwrap().stdout, b"\xff\r\n");
    });
}

// conforms: 26 test_create_subprocess_exec_with_path
// conforms: 26 test_create_subprocess_env_shell
// conforms: 26 test_create_subprocess_env_exec
#[test]
fn paths_folders_and_environments() {
    both(async |start| {
        let program = Path::new("/bin/sh");
        let command = create_subprocess_exec(program, ["-c", "echo $FOO-$HOME; pwd"]);
        let command = command.env_clear().env("FOO", "bar").current_dir("/");
        let output = command.stdout(Stdio::Pipe).await.unwrap().communicate("").await.unwrap();
        assert_eq!(output.stdout, b"bar-\n/\n");
        let command = start.shell("echo $FOO-$BAR").env("FOO", "1").env("BAR", "2");
        let command = command.env_remove("BAR").stdout(Stdio::Pipe);
        let output = command.await.unwrap().communicate("").await.unwrap();
        assert_eq!(output.stdout, b"1-\n");
    });
}

// conforms: 26 test_subprocess_concurrent_wait
// conforms: 20 test_watcher_implementation
#[test]
fn test_subprocess_concurrent_wait() {
    both(async |start| {
        let child = std::sync::Arc::new(start.sleeper().await.unwrap());
        let waiters: Vec<_> = (0..10).map(|_| task!([child] child.wait().await.unwrap())).collect();
        turn().await;
        child.kill().unwrap();
        for waiter in waiters {
            assert!(waiter.await.unwrap().code().is_none());
        }
        assert_eq!(child.returncode(), Some(-SIGKILL));
    });
}

// conforms: 26 test_subprocess_communicate_stdout
#[test]
fn ten_children_at_once() {
    both(async |start| {
        let all = (0..10).map(|i| async move {
            let mut child = start.shell(&format!("echo {i}")).stdout(Stdio::Pipe).await.unwrap();
            child.communicate("").await.unwrap().stdout
        });
        let all = corio::gather(all).await.unwrap();
        let expected: Vec<_> = (0..10).map(|i| format!("{i}\n").into_bytes()).collect();
        assert_eq!(all, expected);
    });
}

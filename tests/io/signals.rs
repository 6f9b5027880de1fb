//! Signals: each listener hears each, and the default action is back when nobody listens.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corio::signal::{SignalHandlers, SignalKind, ctrl_c, stream};

use crate::{once, play, plays, until, well};

const SIGINT: i32 = 2;

fn send(kind: &str, to: u32) {
    let sent = Command::new("kill").args([&format!("-{kind}"), &to.to_string()]).status();
    assert!(sent.unwrap().success());
}

/// A child process that plays a part, and what it prints.
struct Player {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Player {
    fn start(test: &str, part: &str, wrap: &[&str]) -> Self {
        let mut command = play(test, part, wrap);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Waits for a line that ends so.
    fn expect(&mut self, line: &str) {
        let found = self.lines.by_ref().any(|l| l.unwrap().ends_with(line));
        assert!(found, "the child has not said {line}");
    }
}

#[test]
fn ctrl_c_is_heard_more_than_once() {
    let (test, part) = ("signals::ctrl_c_is_heard_more_than_once", "ctrl_c");
    if plays(part) {
        return once(async {
            let mut interrupt = ctrl_c();
            println!("\nready");
            (&mut interrupt).await.unwrap();
            println!("first");
            interrupt.await.unwrap();
        });
    }
    let mut player = Player::start(test, part, &[]);
    player.expect("ready");
    send("INT", player.child.id());
    player.expect("first");
    send("INT", player.child.id());
    well(player.child.wait_with_output().unwrap());
}

#[test]
fn the_default_action_is_back_when_nobody_listens() {
    let (test, part) = ("signals::the_default_action_is_back_when_nobody_listens", "default");
    if plays(part) {
        return once(async {
            let first = stream(SignalKind::interrupt()).unwrap();
            let second = ctrl_c();
            drop(first);
            println!("\nlistening");
            second.await.unwrap();
            println!("not listening");
            std::future::pending::<()>().await;
        });
    }
    let mut player = Player::start(test, part, &[]);
    player.expect("listening");
    send("INT", player.child.id());
    player.expect("not listening");
    send("INT", player.child.id());
    assert_eq!(player.child.wait().unwrap().signal(), Some(SIGINT));
}

#[test]
fn what_was_ignored_stays_ignored() {
    let (test, part) = ("signals::what_was_ignored_stays_ignored", "ignored");
    if plays(part) {
        return once(async {
            drop(stream(SignalKind::hangup()).unwrap());
            println!("\nready");
            let done = stream(SignalKind::user_defined1()).unwrap();
            println!("listening");
            done.recv().await.unwrap();
        });
    }
    let ignore = ["sh", "-c", "trap '' HUP; exec \"$0\" \"$@\""];
    let mut player = Player::start(test, part, &ignore);
    player.expect("listening");
    send("HUP", player.child.id());
    send("USR1", player.child.id());
    well(player.child.wait_with_output().unwrap());
}

#[test]
fn each_listener_hears_each_signal() {
    let (test, part) = ("signals::each_listener_hears_each_signal", "listeners");
    if plays(part) {
        let runtimes = [corio::Runtime::new().unwrap(), corio::Runtime::new().unwrap()];
        let kind = SignalKind::user_defined2();
        for _ in 0..20 {
            let listeners: Vec<_> = runtimes
                .iter()
                .flat_map(|runtime| [(); 3].map(|()| (runtime, stream(kind).unwrap())))
                .map(|(runtime, signals)| {
                    runtime.create_task(async move { signals.recv().await.unwrap() })
                })
                .collect();
            send("USR2", std::process::id());
            for listener in listeners {
                runtimes[0].block_on(corio::timeout(crate::LIMIT, listener)).unwrap().unwrap();
            }
        }
        return;
    }
    well(play(test, part, &[]).output().unwrap());
}

// conforms: 20 test_add_signal_handler
// conforms: 20 test_remove_signal_handler
// conforms: 20 test_remove_signal_handler_2
// conforms: 20 test_signal_handling_while_selecting
// conforms: 20 test_signal_handling_args
// conforms: 20 test_handle_signal_cancelled_handler
#[test]
fn handlers_are_called_replaced_and_removed() {
    let (test, part) = ("signals::handlers_are_called_replaced_and_removed", "handlers");
    if plays(part) {
        return once(async {
            let handle = corio::Handle::current();
            let kind = SignalKind::user_defined1();
            let calls = Arc::new(AtomicUsize::new(0));
            let add = |amount| {
                let calls = calls.clone();
                handle.add_signal_handler(kind, move || {
                    calls.fetch_add(amount, Ordering::Relaxed);
                })
            };
            assert!(!handle.remove_signal_handler(kind));
            add(1).unwrap();
            for expected in 1..=3 {
                // Nobody is awake when it comes: it interrupts the wait of the loop.
                send("USR1", std::process::id());
                until("the call", || calls.load(Ordering::Relaxed) == expected).await;
            }
            add(100).unwrap();
            send("USR1", std::process::id());
            until("the other one's call", || calls.load(Ordering::Relaxed) >= 103).await;
            for number in [0, 9, 1000] {
                let kind = SignalKind::from_raw(number);
                assert!(handle.add_signal_handler(kind, || {}).is_err());
                assert!(!handle.remove_signal_handler(kind));
            }
            assert!(handle.remove_signal_handler(kind));
            assert!(!handle.remove_signal_handler(kind));
            println!("\nremoved");
            std::future::pending::<()>().await;
        });
    }
    let mut player = Player::start(test, part, &[]);
    player.expect("removed");
    // The default action is back as soon as the task is gone.
    let status = corio_tests::eventually("the end", || {
        let _ = Command::new("kill").args(["-USR1", &player.child.id().to_string()]).status();
        player.child.try_wait().unwrap()
    });
    assert_eq!(status.signal(), Some(10));
}

// conforms: 20 SelectorEventLoopSignalTests.test_close
// conforms: 20 test_handle_signal_no_handler
#[test]
fn the_end_of_a_loop_removes_its_handlers() {
    let (test, part) = ("signals::the_end_of_a_loop_removes_its_handlers", "closed");
    if plays(part) {
        let runtime = corio::Runtime::new().unwrap();
        let handle = runtime.handle().clone();
        let kind = SignalKind::window_change();
        handle.add_signal_handler(kind, || panic!("the runtime is gone")).unwrap();
        assert!(runtime.shutdown(None).is_clean());
        assert!(!handle.remove_signal_handler(kind), "it went with the runtime");
        send("WINCH", std::process::id());
        assert!(handle.add_signal_handler(kind, || {}).is_err());
        return;
    }
    well(play(test, part, &[]).output().unwrap());
}

// conforms: 20 test_add_signal_handler_coroutine_error
// differs: a function that returns a future is refused by its type; this one's panic is reported
#[test]
fn a_handler_that_panics_is_called_again() {
    let (test, part) = ("signals::a_handler_that_panics_is_called_again", "panicking");
    if plays(part) {
        return once(async {
            let handle = corio::Handle::current();
            let kind = SignalKind::user_defined1();
            let calls = Arc::new(AtomicUsize::new(0));
            let count = calls.clone();
            handle
                .add_signal_handler(kind, move || {
                    count.fetch_add(1, Ordering::Relaxed);
                    panic!("on purpose");
                })
                .unwrap();
            for expected in 1..=2 {
                send("USR1", std::process::id());
                until("the call", || calls.load(Ordering::Relaxed) == expected).await;
            }
        });
    }
    let said = well(play(test, part, &[]).output().unwrap());
    assert!(said.contains("on purpose"), "{said}");
}

// conforms: 20 test_pidfd_closed_when_waitpid_raises
#[test]
fn an_exit_status_that_the_system_dropped_is_255() {
    let (test, part) = ("signals::an_exit_status_that_the_system_dropped_is_255", "reaped");
    if plays(part) {
        return once(async {
            let run = async |pidfd| {
                let command = corio::process::create_subprocess_shell("exit 3").pidfd(pidfd);
                let child = command.await.unwrap();
                assert_eq!(child.wait().await.unwrap().code(), Some(255));
                assert_eq!(child.returncode(), Some(255));
            };
            run(true).await;
            run(false).await;
            let before = corio_tests::open_descriptors();
            run(true).await;
            assert_eq!(corio_tests::open_descriptors(), before);
        });
    }
    // With SIGCHLD ignored the system keeps no status for us.
    let said = well(play(test, part, &["env", "--ignore-signal=CHLD"]).output().unwrap());
    assert!(said.contains("somebody else has taken the exit status"), "{said}");
}

#[test]
fn some_signals_are_for_nobody() {
    for number in [-1, 0, 9, 19, 11, 65, 1000] {
        let error = stream(SignalKind::from_raw(number)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(&format!("signal {number}")), "{error}");
    }
    assert_eq!(SignalKind::terminate().to_string(), "SIGTERM");
    assert_eq!(SignalKind::window_change().as_raw(), 28);
}

/// Several threads set a handler of one kind at a time: one of them is left, and removed with the kind.
#[test]
fn handlers_that_are_set_at_a_time_replace_each_other() {
    const ROUNDS: usize = 300;
    const THREADS: usize = 3;
    let kind = SignalKind::resume();
    once(async move {
        let tasks = corio::all_tasks().len();
        for round in 0..ROUNDS {
            let handle = corio::Handle::current();
            let barrier = Arc::new(std::sync::Barrier::new(THREADS));
            let threads: Vec<_> = (0..THREADS)
                .map(|_| {
                    let (handle, barrier) = (handle.clone(), barrier.clone());
                    std::thread::spawn(move || {
                        barrier.wait();
                        handle.add_signal_handler(kind, || {}).unwrap();
                    })
                })
                .collect();
            let join = corio::to_thread(|| threads.into_iter().for_each(|t| t.join().unwrap()));
            join.await.unwrap();
            assert!(handle.remove_signal_handler(kind));
            assert!(!handle.remove_signal_handler(kind), "round {round}: a second one was left");
            until("their tasks have ended", || corio::all_tasks().len() == tasks).await;
        }
    });
}

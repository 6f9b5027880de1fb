//! Signals: each listener hears each, and the default action is back when nobody listens.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use corio::signal::{SignalKind, ctrl_c, stream};

use crate::{once, play, plays, well};

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
            corio::sleep(Duration::from_secs(20)).await;
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

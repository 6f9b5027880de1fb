//! Who is answered, who is not, and what is left behind.

use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::{Command, Stdio};

use corio::{Builder, Runtime};
use corio_tests::{at_rest, eventually, open_descriptors, skipped};

use super::{Asked, PART, READY, be_asked, complaint, crowd, is_child, line, said, tool};
use crate::support::bounded;

#[test]
fn a_process_without_a_socket_or_without_a_runtime_says_what_to_do() {
    const TEST: &str =
        "top::socket::a_process_without_a_socket_or_without_a_runtime_says_what_to_do";
    if is_child(TEST) {
        let runtime = Runtime::new().unwrap();
        be_asked();
        return drop(runtime);
    }
    bounded(|| {
        let asked = Asked::start(TEST, &[]);
        let told = complaint(&tool(&["ps", &asked.pid()]));
        assert!(told.contains("has no debug socket; start it with CORIO_TOP=1"), "{told}");
        let list = said(&tool(&["list"]));
        assert!(!list.contains(&format!("{} ", asked.pid())), "{list}");
        let pid = asked.pid();
        asked.end();
        assert_eq!(complaint(&tool(&[&pid])), format!("corio-top: there is no process {pid}\n"));
        assert_eq!(tool(&["no", "such"]).status.code(), Some(2));
        assert!(said(&tool(&["--help"])).starts_with("Shows what a running corio program does."));
    });
}

#[test]
fn bad_clients_hold_nobody_up_for_long_and_leave_nothing_behind() {
    const CROWD: usize = 4_000;
    const TEST: &str = "top::socket::bad_clients_hold_nobody_up_for_long_and_leave_nothing_behind";
    if is_child(TEST) {
        let runtime = Runtime::new().unwrap();
        let (_crowd, _) = crowd(&runtime, "crowd", CROWD);
        return be_asked();
    }
    let descriptors = |pid: &str| std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    bounded(move || {
        let asked = Asked::start(TEST, &[("CORIO_TOP", "1")]);
        let pid = asked.pid();
        asked.top(&["ps"]);
        let before = descriptors(&pid);
        // One that does not read its answer, which is more than the socket holds.
        let mut deaf = asked.connect();
        deaf.get_mut().write_all(b"tasks\n").unwrap();
        assert!(asked.top(&["ps"]).contains(" crowd "));
        drop(deaf);
        // One that says nothing, one that sends more than a question, one that wants something else.
        let silent = asked.connect();
        let mut endless = asked.connect();
        let _ = endless.get_mut().write_all(&[b'x'; 100_000]);
        let mut rest = Vec::new();
        let _ = endless.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{rest:?}");
        let mut other = asked.connect();
        other.get_mut().write_all(b"GET / HTTP/1.1\n").unwrap();
        let mut answer = String::new();
        other.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "error: there is no question GET / HTTP/1.1\n");
        drop((silent, endless, other));
        // And a hundred that go away: before, in the midst of, or after the question.
        for i in 0..100 {
            let mut client = asked.connect();
            client.get_mut().write_all(&b"tasks\n"[..i % 7]).unwrap();
            if i % 7 == 6 {
                let mut answer = String::new();
                client.read_to_string(&mut answer).unwrap();
                assert!(answer.ends_with("\nend\n"), "{answer}");
            }
        }
        let crowd = format!("{CROWD} ");
        assert!(line(&asked.top(&["--once"]), &crowd).contains("Event::wait"));
        eventually("all clients' descriptors closed", || {
            (descriptors(&pid) == before).then_some(())
        });
        asked.end();
    });
}

#[test]
fn with_the_last_runtime_the_socket_and_its_thread_go() {
    const TEST: &str = "top::socket::with_the_last_runtime_the_socket_and_its_thread_go";
    if is_child(TEST) {
        let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
        // Whatever a first runtime leaves for ever is there.
        drop(Builder::new().debug_socket(false).workers(1).build().unwrap());
        let before = (at_rest(open_descriptors), at_rest(threads));
        for _ in 0..100 {
            let shown = || Builder::new().debug_socket(true).workers(1).build().unwrap();
            let (first, second) = (shown(), shown());
            drop(first);
            assert!(bound(), "there is a runtime left");
            drop(second);
            assert!(!bound(), "nobody is left to be shown");
            assert!(open_descriptors() <= before.0, "it keeps a descriptor");
            // The kernel says that a thread can be joined a moment before it takes it off the list.
            eventually("the thread has gone", || (threads() <= before.1).then_some(()));
        }
        // A runtime that is dropped inside another one's task does not wait, and frees the name, too.
        corio::run(async {
            for _ in 0..10 {
                drop(Builder::new().debug_socket(true).workers(1).build().unwrap());
            }
        });
        let shown = Builder::new().debug_socket(true).build().unwrap();
        assert!(bound());
        return drop(shown);
    }
    bounded(|| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([TEST, "--exact", "--nocapture", "--test-threads=1"]).env(PART, TEST);
        let output = command.env_remove("CORIO_TOP").output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        assert!(!errors.contains("no debug socket"), "{errors}");
    });
}

/// Whether this process listens.
fn bound() -> bool {
    let name = format!("@corio-top/{}", std::process::id());
    let table = std::fs::read_to_string("/proc/net/unix").unwrap();
    table.lines().any(|line| line.ends_with(&name))
}

#[test]
fn a_name_that_is_taken_is_reported_and_a_stranger_is_not_believed() {
    const TEST: &str =
        "top::socket::a_name_that_is_taken_is_reported_and_a_stranger_is_not_believed";
    if is_child(TEST) {
        // The parent takes the name of its child, which waits for that.
        let mut go_on = String::new();
        eprintln!("{READY}");
        std::io::stdin().read_line(&mut go_on).unwrap();
        let ran = corio::run(async { corio::create_task(async { 7 }).await.unwrap() });
        eprintln!("ran {ran}");
        return be_asked();
    }
    bounded(|| {
        let mut asked = Asked::start(TEST, &[("CORIO_TOP", "1")]);
        let address = SocketAddr::from_abstract_name(format!("corio-top/{}", asked.pid())).unwrap();
        let taken = UnixListener::bind_addr(&address).unwrap();
        asked.input.as_mut().unwrap().write_all(b"go on\n").unwrap();
        let told = asked.until("ran 7");
        assert!(
            told.contains("corio: there is no debug socket, so corio-top cannot ask: "),
            "{told}"
        );
        assert!(told.contains("in use"), "{told}");
        asked.until(READY);
        let told = complaint(&tool(&["ps", &asked.pid()]));
        let own = std::process::id();
        assert!(told.starts_with(&format!("corio-top: process {own} listens where ")), "{told}");
        drop(taken);
        asked.end();
    });
}

#[test]
fn programs_that_are_started_do_not_inherit_the_socket() {
    const TEST: &str = "top::socket::programs_that_are_started_do_not_inherit_the_socket";
    if is_child(TEST) {
        let runtime = Builder::new().debug_socket(true).build().unwrap();
        let listing = Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
        let listing = String::from_utf8(listing.stdout).unwrap();
        assert!(!listing.contains("socket:"), "{listing}");
        return drop(runtime);
    }
    bounded(|| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([TEST, "--exact", "--nocapture", "--test-threads=1"]).env(PART, TEST);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    });
}

#[test]
fn another_user_is_turned_away_and_told_why() {
    const TEST: &str = "top::socket::another_user_is_turned_away_and_told_why";
    if is_child(TEST) {
        let runtime = Runtime::new().unwrap();
        be_asked();
        return drop(runtime);
    }
    if std::fs::metadata("/proc/self")
        .is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) != 0)
    {
        return skipped("root", TEST, "only root can become somebody else");
    }
    bounded(|| {
        let asked = Asked::start(TEST, &[("CORIO_TOP", "1")]);
        // The test's folder may be closed to others. Another process copies: a program that is open for
        // writing cannot be run, and what another test starts meanwhile inherits what is open here.
        let copy = std::env::temp_dir().join(format!("corio-top-of-{}", asked.pid()));
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_top")).arg(&copy).status().unwrap();
        assert!(copied.success());
        let as_nobody = |words: &[&str]| {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
            command.arg(&copy).args(words).output().unwrap()
        };
        let (ps, list) = (as_nobody(&["ps", &asked.pid()]), as_nobody(&["list"]));
        std::fs::remove_file(&copy).unwrap();
        let why =
            "does not answer you: the process belongs to user 0; ask as that user, or as root";
        assert_eq!(complaint(&ps), format!("corio-top: process {} {why}\n", asked.pid()));
        assert!(line(&said(&list), &format!("{} ", asked.pid())).contains(why));
        assert!(asked.top(&["ps"]).contains("runtime 'corio'"));
        asked.end();
    });
}

#[test]
fn a_client_of_another_pid_namespace_is_told_so() {
    const TEST: &str = "top::socket::a_client_of_another_pid_namespace_is_told_so";
    if is_child(TEST) {
        let runtime = Runtime::new().unwrap();
        be_asked();
        return drop(runtime);
    }
    let inside = |program: &str| {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", program]);
        command
    };
    // Root may make one, unless it is confined.
    if !inside("true").output().is_ok_and(|output| output.status.success()) {
        return skipped("unshare", TEST, "no namespace of processes can be made here");
    }
    bounded(move || {
        let asked = Asked::start(TEST, &[("CORIO_TOP", "1")]);
        let mut command = inside(env!("CARGO_BIN_EXE_top"));
        let told = complaint(&command.args(["ps", &asked.pid()]).output().unwrap());
        let expected = format!("the process that answers as {} is in another PID", asked.pid());
        assert!(told.contains(&expected), "{told}");
        assert!(asked.top(&["ps"]).contains("runtime 'corio'"));
        asked.end();
    });
}

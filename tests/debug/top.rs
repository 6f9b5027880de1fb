//! corio-top, the real program, and a process that it asks.
//!
//! Each test is two processes: the test runs itself again as the one that is asked, and the tool beside
//! it. The asked one lives until its input ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use corio::sync::{Event, Lock, oneshot};
use corio::{Builder, Runtime, Task};
use corio_tests::{PATIENCE, eventually, open_descriptors};

use crate::support::{HOUR, bounded, waits};

/// Says which part a child process plays.
const PART: &str = "CORIO_TOP_TEST_PART";
/// A child says this on standard error when it can be asked.
const READY: &str = "ready to be asked";

/// A child that can be asked, until this is dropped.
struct Asked {
    child: Child,
    input: Option<ChildStdin>,
    said: BufReader<std::process::ChildStderr>,
}

impl Asked {
    /// Runs the test of this name again, with these variables, until it is ready.
    fn start(test: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_saying(test, variables).1
    }

    /// As [`start`](Self::start); and what the child said by then.
    fn start_saying(test: &str, variables: &[(&str, &str)]) -> (String, Self) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
        command.env_remove("CORIO_DEBUG").env_remove("CORIO_TOP").env(PART, test);
        command.envs(variables.iter().copied());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, errors) = (child.stdin.take(), child.stderr.take().unwrap());
        let mut asked = Self { child, input, said: BufReader::new(errors) };
        let said = asked.until(READY);
        (said, asked)
    }

    /// What the child says up to a line with `cue`.
    fn until(&mut self, cue: &str) -> String {
        let mut said = String::new();
        while !said.contains(cue) {
            let n = self.said.read_line(&mut said).unwrap();
            assert_ne!(n, 0, "the child ended before it said {cue:?}: {said}");
        }
        said
    }

    fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Runs corio-top with these words and the child's PID; its output if it ends well.
    fn top(&self, words: &[&str]) -> String {
        said(&tool(&[words, &[&self.pid()]].concat()))
    }

    /// A connection to the child that has been greeted.
    fn connect(&self) -> BufReader<UnixStream> {
        let address = SocketAddr::from_abstract_name(format!("corio-top/{}", self.pid())).unwrap();
        let mut lines = BufReader::new(UnixStream::connect_addr(&address).unwrap());
        lines.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        let mut greeting = String::new();
        lines.read_line(&mut greeting).unwrap();
        assert_eq!(greeting, "corio-top 1\n");
        lines
    }

    /// Ends the child; what it said last.
    fn end(mut self) -> String {
        drop(self.input.take());
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success(), "{rest}");
        rest
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // Of a test that failed. One that has ended is not there to be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tool(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_top")).args(words).output().unwrap()
}

#[track_caller]
fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors, "");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What the tool complains of.
#[track_caller]
fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn is_child(test: &str) -> bool {
    std::env::var(PART).is_ok_and(|part| part == test)
}

/// The child can be asked until its input ends.
fn be_asked() {
    eprintln!("{READY}");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// The line that begins with these words, with single spaces.
#[track_caller]
fn line(text: &str, begin: &str) -> String {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines = text.lines().map(words);
    lines.find(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("no {begin:?} in\n{text}"))
}

/// Tasks that wait at one line, which is returned.
fn crowd(runtime: &Runtime, name: &'static str, size: usize) -> (Vec<Task<()>>, u32) {
    let event = Arc::new(Event::new());
    let spawn = |_| {
        let event = event.clone();
        corio::task().name(name).spawn_on(runtime.handle(), async move { event.wait().await })
    };
    let tasks: Vec<_> = (0..size).map(spawn).collect();
    let places: Vec<_> = tasks.iter().map(|task| waits(&task.task_ref()).at.line()).collect();
    (tasks, places[0])
}

#[test]
fn ps_pstree_and_the_screen_show_where_tasks_wait_and_who_awaits_them() {
    const TEST: &str = "top::ps_pstree_and_the_screen_show_where_tasks_wait_and_who_awaits_them";
    if is_child(TEST) {
        let runtime = Builder::new().name("shown").workers(2).build().unwrap();
        let (_crowd, at) = crowd(&runtime, "crowd", 5);
        let inner = corio::task().name("inner").spawn_on(runtime.handle(), async {
            corio::sleep(HOUR).await;
        });
        let asleep = inner.task_ref();
        let outer = corio::task().name("ou\tter").spawn_on(runtime.handle(), async move {
            drop(inner.await);
        });
        let (asleep, outer) = (waits(&asleep), waits(&outer.task_ref()));
        eprintln!("{at} {} {}", asleep.at.line(), outer.at.line());
        return be_asked();
    }
    bounded(|| {
        let (told, asked) = Asked::start_saying(TEST, &[("CORIO_TOP", "1")]);
        let numbers: Vec<u32> =
            told.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let place = |n: usize| format!("at {}:{}:", file!(), numbers[n]);

        let ps = asked.top(&["ps"]);
        assert!(line(&ps, "runtime 'shown'").ends_with("7 tasks, 2 workers"), "{ps}");
        let crowd = ps.lines().filter(|line| line.contains(" crowd "));
        let crowd: Vec<_> = crowd.filter(|line| line.contains("Event::wait")).collect();
        assert_eq!(crowd.len(), 5, "{ps}");
        assert!(crowd.iter().all(|line| line.contains(&place(0))), "{ps}");
        let outer = ps.lines().find(|line| line.contains(r" ou\tter ")).unwrap();
        assert!(outer.contains(&place(2)) && outer.contains(" a task at "), "{ps}");
        let id = outer.split_whitespace().next().unwrap();
        let inner = ps.lines().find(|line| line.contains(" inner ")).unwrap();
        assert!(inner.contains(" waiting ") && inner.contains(&place(1)), "{ps}");
        assert!(inner.ends_with(&format!(r"'ou\tter' {id}")), "{ps}");

        let tree = asked.top(&["pstree"]);
        let at = tree.lines().position(|line| line.contains(r"(T) ou\tter ")).unwrap();
        let below = tree.lines().nth(at + 1).unwrap();
        assert!(below.starts_with("    └── (T) inner ") || below.starts_with("│   └── (T) inner "));
        assert!(below.contains(&place(1)), "{tree}");

        let screen = asked.top(&["--once"]);
        assert!(screen.starts_with("process "), "{screen}");
        let crowd = screen.lines().find(|line| line.contains("Event::wait")).unwrap();
        assert_eq!(crowd.split_whitespace().next(), Some("5"), "{screen}");
        assert!(crowd.contains(&place(0)), "{screen}");
        assert!(line(&screen, "0 asleep 0").ends_with(" -"), "{screen}");
    });
}

#[test]
fn what_waits_is_as_old_as_it_is_and_a_new_wait_begins_anew() {
    const TEST: &str = "top::what_waits_is_as_old_as_it_is_and_a_new_wait_begins_anew";
    if is_child(TEST) {
        let runtime = Runtime::new().unwrap();
        let (_crowd, _) = crowd(&runtime, "stays", 1);
        let _moves = corio::task().name("moves").spawn_on(runtime.handle(), async {
            loop {
                corio::sleep(Duration::from_millis(20)).await;
            }
        });
        return be_asked();
    }
    bounded(|| {
        let asked = Asked::start(TEST, &[("CORIO_TOP", "1")]);
        let began = Instant::now();
        eventually("an old wait, and a short one of an old task", || {
            let ps = asked.top(&["ps"]);
            let (stays_age, stays) = times(&line_with(&ps, " stays "));
            let (moves_age, moves) = times(&line_with(&ps, " moves "));
            let lives = began.elapsed() + STARTED_BEFORE;
            assert!(stays_age <= lives && moves_age <= lives, "{ps}");
            // The looks that find them come once a second.
            let old = |time: Option<Duration>| time.is_some_and(|time| time.as_secs() >= 2);
            // Its sleeps look alike, but none lasts.
            let short = moves.is_some_and(|time| time.as_secs() < 1);
            (old(stays) && old(Some(moves_age)) && short).then_some(())
        });
        asked.end();
    });
}

/// How long a child may live before its parent knows.
const STARTED_BEFORE: Duration = PATIENCE;

/// How old the task of a line of `ps` is, and how long it waits.
fn times(line: &str) -> (Duration, Option<Duration>) {
    let mut words = line.split_whitespace().skip(3);
    let mut time = || {
        let (mut sum, mut known) = (Duration::ZERO, false);
        loop {
            let Ok(number) = words.next().unwrap().parse::<f64>() else { break };
            known = true;
            match words.next().unwrap() {
                "ms" => return Some(Duration::from_secs_f64(number / 1e3)),
                "s" => return Some(sum + Duration::from_secs_f64(number)),
                "min" => sum += Duration::from_secs_f64(60.0 * number),
                other => panic!("{other}: {line}"),
            }
        }
        known.then_some(sum)
    };
    (time().expect("an age"), time())
}

#[track_caller]
fn line_with(text: &str, part: &str) -> String {
    text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[test]
fn stuck_workers_are_shown_while_they_are_stuck() {
    const TEST: &str = "top::stuck_workers_are_shown_while_they_are_stuck";
    if is_child(TEST) {
        let runtime = Builder::new().name("stuck").workers(2).debug_socket(true).build().unwrap();
        let (on, stuck) = std::sync::mpsc::channel();
        let spin = || {
            let on = on.clone();
            corio::task().name("spin").spawn_on(runtime.handle(), async move {
                on.send(()).unwrap();
                loop {
                    std::hint::spin_loop();
                }
            })
        };
        let _tasks = [spin(), spin()];
        (0..2).for_each(|_| stuck.recv().unwrap());
        let _waits = runtime.create_task(async {});
        be_asked();
        // The loops never end, so the runtime does not either.
        std::process::exit(0);
    }
    bounded(|| {
        // The builder's setting, without the variable.
        let asked = Asked::start(TEST, &[]);
        let screen = eventually("both workers in long polls", || {
            let screen = asked.top(&["--once"]);
            let stuck = |line: &&str| line.contains(" polls ") && line.contains("'spin' ");
            (screen.lines().filter(stuck).count() == 2).then_some(screen)
        });
        for worker in ["0 polls 100 100 ", "1 polls 100 100 "] {
            assert!(line(&screen, worker).contains("'spin' "), "{screen}");
        }
        assert!(line(&screen, "2 - running").ends_with("running"), "{screen}");
        let ps = asked.top(&["ps"]);
        assert_eq!(ps.lines().filter(|line| line.contains(" running ")).count(), 2, "{ps}");
        asked.end();
    });
}

#[test]
fn all_runtimes_of_a_process_are_shown_and_counted() {
    const TEST: &str = "top::all_runtimes_of_a_process_are_shown_and_counted";
    if is_child(TEST) {
        let named = |workers| Builder::new().name("twin").workers(workers).build().unwrap();
        let (one, two) = (named(1), named(2));
        let hidden = Builder::new().name("hidden").debug_socket(false).build().unwrap();
        let (_some, _) = crowd(&one, "one", 1);
        let (_others, _) = crowd(&two, "other", 3);
        let own_loop = Builder::new().name("single").build_event_loop().unwrap();
        be_asked();
        drop((hidden, own_loop));
        return;
    }
    bounded(|| {
        let asked = Asked::start(TEST, &[("CORIO_TOP", "1")]);
        let ps = asked.top(&["ps"]);
        let heads: Vec<_> = ps.lines().filter(|line| line.starts_with("runtime ")).collect();
        assert_eq!(heads.len(), 3, "{ps}");
        assert!(heads[0].starts_with("runtime 'twin'") && heads[0].ends_with("1 task, 1 worker"));
        assert!(heads[1].starts_with("runtime 'twin'") && heads[1].ends_with("3 tasks, 2 workers"));
        assert!(heads[2].starts_with("runtime 'single'"), "{ps}");

        let page = asked.top(&["metrics"]);
        for sample in [
            "corio_tasks{runtime=\"twin\"} 1",
            "corio_tasks{runtime=\"twin-2\"} 3",
            "corio_tasks{runtime=\"single\"} 0",
        ] {
            assert!(page.lines().any(|line| line == sample), "{page}");
        }
        let types = page.lines().filter(|line| *line == "# TYPE corio_tasks gauge");
        assert_eq!(types.count(), 1, "one head for all samples of a name: {page}");

        let list = said(&tool(&["list"]));
        let own = line(&list, &format!("{} ", asked.pid()));
        assert!(own.contains("'twin' (tests/debug/top.rs:"), "{list}");
        asked.end();
    });
}

#[test]
fn circles_are_told() {
    const TEST: &str = "top::circles_are_told";
    if is_child(TEST) {
        let runtime = Runtime::new().unwrap();
        let (give, take) = oneshot::channel::<Arc<Task<()>>>();
        let left = corio::task().name("left").spawn_on(runtime.handle(), async move {
            let right = take.await.unwrap();
            let _ = (&*right).await;
        });
        let left = Arc::new(left);
        let awaited = left.clone();
        let right = corio::task().name("right").spawn_on(runtime.handle(), async move {
            let _ = (&*awaited).await;
        });
        let right = Arc::new(right);
        give.send(right.clone()).unwrap();
        eventually("the circle", || {
            runtime.handle().dump().to_string().contains("in a circle").then_some(())
        });
        be_asked();
        left.abort();
        return right.abort();
    }
    bounded(|| {
        let asked = Asked::start(TEST, &[("CORIO_TOP", "1")]);
        for words in [&["ps"][..], &["pstree"], &["--once"]] {
            let text = asked.top(words);
            let circle = text.lines().find(|line| line.starts_with("in a circle: ")).unwrap();
            assert_eq!(circle.matches(" awaits ").count(), 2, "{text}");
            assert!(circle.contains("'left' ") && circle.contains("'right' "), "{text}");
        }
        assert!(asked.top(&["pstree"]).contains("(as above)"));
    });
}

#[test]
fn a_cycle_of_locks_shows_who_waits_where() {
    const TEST: &str = "top::a_cycle_of_locks_shows_who_waits_where";
    if is_child(TEST) {
        let runtime = Runtime::new().unwrap();
        let (a, b) = (Arc::new(Lock::new(())), Arc::new(Lock::new(())));
        let both = Arc::new(corio::sync::Barrier::new(2));
        let take = |name: &'static str, first: Arc<Lock<()>>, second: Arc<Lock<()>>| {
            let both = both.clone();
            corio::task().name(name).spawn_on(runtime.handle(), async move {
                let _first = first.acquire().await;
                let _ = both.wait().await;
                let _second = second.acquire().await;
            })
        };
        let tasks = [take("pay", a.clone(), b.clone()), take("refund", b, a)];
        for task in &tasks {
            eventually("the second lock", || {
                (waits(&task.task_ref()).what == "Lock::acquire").then_some(())
            });
        }
        return be_asked();
    }
    bounded(|| {
        let asked = Asked::start(TEST, &[("CORIO_TOP", "1")]);
        let ps = asked.top(&["ps"]);
        for name in [" pay ", " refund "] {
            let row = line_with(&ps, name);
            assert!(row.contains("Lock::acquire at tests/debug/top.rs:"), "{ps}");
        }
        let screen = asked.top(&["--once"]);
        assert!(line_with(&screen, "Lock::acquire at ").trim_start().starts_with("2 "), "{screen}");
    });
}

#[test]
fn a_process_without_a_socket_or_without_a_runtime_says_what_to_do() {
    const TEST: &str = "top::a_process_without_a_socket_or_without_a_runtime_says_what_to_do";
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
    const TEST: &str = "top::bad_clients_hold_nobody_up_for_long_and_leave_nothing_behind";
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
    const TEST: &str = "top::with_the_last_runtime_the_socket_and_its_thread_go";
    if is_child(TEST) {
        let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
        // Whatever a first runtime leaves for ever is there.
        drop(Builder::new().debug_socket(false).workers(1).build().unwrap());
        let before = (open_descriptors(), threads());
        for _ in 0..100 {
            let shown = || Builder::new().debug_socket(true).workers(1).build().unwrap();
            let (first, second) = (shown(), shown());
            drop(first);
            assert!(bound(), "there is a runtime left");
            drop(second);
            assert!(!bound(), "nobody is left to be shown");
            assert_eq!((open_descriptors(), threads()), before);
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
    const TEST: &str = "top::a_name_that_is_taken_is_reported_and_a_stranger_is_not_believed";
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
        let taken = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
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
    const TEST: &str = "top::programs_that_are_started_do_not_inherit_the_socket";
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
    const TEST: &str = "top::another_user_is_turned_away_and_told_why";
    if is_child(TEST) {
        let runtime = Runtime::new().unwrap();
        be_asked();
        return drop(runtime);
    }
    // Only root can become somebody else.
    if std::fs::metadata("/proc/self")
        .is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) != 0)
    {
        return;
    }
    bounded(|| {
        let asked = Asked::start(TEST, &[("CORIO_TOP", "1")]);
        // The test's folder may be closed to others.
        let copy = std::env::temp_dir().join(format!("corio-top-of-{}", asked.pid()));
        std::fs::copy(env!("CARGO_BIN_EXE_top"), &copy).unwrap();
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
fn an_output_that_nobody_reads_ends_the_tool_quietly() {
    const TEST: &str = "top::an_output_that_nobody_reads_ends_the_tool_quietly";
    if is_child(TEST) {
        let runtime = Runtime::new().unwrap();
        // More than a pipe holds.
        let (_crowd, _) = crowd(&runtime, "one of many", 2_000);
        return be_asked();
    }
    bounded(|| {
        let asked = Asked::start(TEST, &[("CORIO_TOP", "1")]);
        for words in [&["ps"][..], &["--interval", "0.1"]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_top"));
            let command = command.args(words).arg(asked.pid());
            let mut tool = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let mut out = BufReader::new(tool.stdout.take().unwrap());
            out.read_line(&mut String::new()).unwrap();
            drop(out);
            let ended = tool.wait_with_output().unwrap();
            assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
        }
    });
}

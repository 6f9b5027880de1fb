//! What the tool prints of a process.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use corio::sync::{Barrier, Lock, oneshot};
use corio::{Builder, Runtime, Task};
use corio_tests::{PATIENCE, eventually};

use super::{Asked, be_asked, crowd, is_child, line, line_with, said, tool};
use crate::support::{HOUR, bounded, waits};

#[test]
fn ps_pstree_and_the_screen_show_where_tasks_wait_and_who_awaits_them() {
    const TEST: &str =
        "top::shows::ps_pstree_and_the_screen_show_where_tasks_wait_and_who_awaits_them";
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
        eprintln!("{at} {} {}", asleep.at, outer.at);
        return be_asked();
    }
    bounded(|| {
        let (told, asked) = Asked::start_saying(TEST, &[("CORIO_TOP", "1")]);
        let places: Vec<_> = told.split_whitespace().filter(|word| word.contains(".rs:")).collect();
        let place = |n: usize| format!("at {}", places[n]);

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
    const TEST: &str = "top::shows::what_waits_is_as_old_as_it_is_and_a_new_wait_begins_anew";
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
        while let Ok(number) = words.next().unwrap().parse::<f64>() {
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

#[test]
fn stuck_workers_are_shown_while_they_are_stuck() {
    const TEST: &str = "top::shows::stuck_workers_are_shown_while_they_are_stuck";
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
    const TEST: &str = "top::shows::all_runtimes_of_a_process_are_shown_and_counted";
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
        assert!(own.contains("'twin' (tests/debug/top/shows.rs:"), "{list}");
        asked.end();
    });
}

#[test]
fn circles_are_told() {
    const TEST: &str = "top::shows::circles_are_told";
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
    const TEST: &str = "top::shows::a_cycle_of_locks_shows_who_waits_where";
    if is_child(TEST) {
        let runtime = Runtime::new().unwrap();
        let (a, b) = (Arc::new(Lock::new(())), Arc::new(Lock::new(())));
        let both = Arc::new(Barrier::new(2));
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
            assert!(row.contains("Lock::acquire at tests/debug/top/shows.rs:"), "{ps}");
        }
        let screen = asked.top(&["--once"]);
        assert!(line_with(&screen, "Lock::acquire at ").trim_start().starts_with("2 "), "{screen}");
    });
}

#[test]
fn an_output_that_nobody_reads_ends_the_tool_quietly() {
    const TEST: &str = "top::shows::an_output_that_nobody_reads_ends_the_tool_quietly";
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

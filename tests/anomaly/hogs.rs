//! A task that blocks its worker harms itself only: with default settings, other workers start its
//! children, fire its worker's timers and take its queue.
//!
//! A loaded machine can delay any thread, so each test makes several attempts and judges the best,
//! less the stalls that a control saw meanwhile; a runtime without help fails every attempt, because
//! it waits for the end of the block.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use corio::{Builder, Runtime, ThreadPoolExecutor};
use corio_tests::kit::Signal;

use corio_tests::child::alone;

use crate::stalls::Stalls;

/// How long the culprit blocks its worker.
const BLOCK: Duration = Duration::from_millis(300);
/// What counts as at once: far below the block, far above a wake-up on a busy machine.
const AT_ONCE: Duration = Duration::from_millis(20);
/// What counts as a stall of a ticker. It is the worst of a hundred ticks, and any of them may be
/// late for the machine's own reasons.
const STALL: Duration = Duration::from_millis(100);
const ATTEMPTS: usize = 5;
/// As many on a machine that keeps any thread waiting: one attempt or other is spared that, but for a
/// runtime that has no help.
const ATTEMPTS_MAX: usize = 50;

/// A default runtime, with `workers`.
fn runtime(workers: usize) -> Runtime {
    Builder::new().workers(workers).build().expect("a runtime")
}

/// Fails unless some attempt took at most `limit`; prints all.
///
/// Only while the machine keeps a control waiting too there are more attempts than [`ATTEMPTS`].
#[track_caller]
fn best_of(what: &str, limit: Duration, mut attempt: impl FnMut(&Stalls) -> Duration) {
    let stalls = Stalls::watch();
    let mut times = Vec::new();
    let (mut best, mut control) = (Duration::MAX, Duration::ZERO);
    while times.len() < ATTEMPTS || best > limit {
        let began = Instant::now();
        times.push(attempt(&stalls));
        best = best.min(times[times.len() - 1]);
        control = control.max(stalls.tail(began, Instant::now()));
        assert!(
            best <= limit
                || times.len() < ATTEMPTS
                || times.len() < ATTEMPTS_MAX && control > limit / 4,
            "{what}: {times:?}, none within {limit:?}, and the control {control:?} late"
        );
    }
    println!("{what}: {times:.1?}");
}

/// The time from the moment before the block to the start of a child that was spawned before it.
fn start_of_child(runtime: &Runtime, children: usize, stalls: &Stalls) -> Duration {
    let parent = runtime.create_task(async move {
        let before = Instant::now();
        let spawn = || corio::spawn(async { Instant::now() });
        let children: Vec<_> = (0..children).map(|_| spawn()).collect();
        thread::sleep(BLOCK);
        let mut last = before;
        for child in children {
            last = last.max(child.await.expect("the child only looks at the clock"));
        }
        (before, last)
    });
    let (before, last) = runtime.block_on(parent.into_future()).expect("the parent ends");
    stalls.ran(before, last)
}

#[test]
fn a_child_starts_at_once_though_its_parent_blocks() {
    alone("hogs::a_child_starts_at_once_though_its_parent_blocks", ":", || {
        for workers in [2, 4] {
            let runtime = runtime(workers);
            for children in [1, 3, 20] {
                let what = format!("{children} children, {workers} workers");
                best_of(&what, AT_ONCE, |stalls| start_of_child(&runtime, children, stalls));
            }
        }
    });
}

/// The longest gap between two ticks of 10 ms while a task blocks its worker again and again, less
/// the period.
fn longest_stall(runtime: &Runtime, blocks: usize, stalls: &Stalls) -> Duration {
    const PERIOD: Duration = Duration::from_millis(10);
    let stop = Signal::new();
    let halt = stop.clone();
    let ticker = runtime.create_task(async move {
        let mut interval = corio::interval(PERIOD);
        interval.set_missed_tick(corio::MissedTick::Delay);
        let mut ticks = vec![Instant::now()];
        while !halt.is_set() {
            interval.tick().await;
            ticks.push(Instant::now());
        }
        ticks
    });
    let culprit = runtime.create_task(async move {
        for _ in 0..blocks {
            corio::sleep(Duration::from_millis(37)).await;
            thread::sleep(BLOCK);
        }
    });
    runtime.block_on(culprit.into_future()).expect("the culprit ends");
    stop.set();
    let ticks = runtime.block_on(ticker.into_future()).expect("the ticker ends");
    let gaps = ticks.windows(2).map(|pair| stalls.ran(pair[0], pair[1]));
    gaps.max().expect("there were ticks").saturating_sub(PERIOD)
}

#[test]
fn one_blocked_task_stalls_no_ticker() {
    alone("hogs::one_blocked_task_stalls_no_ticker", ":", || {
        for workers in [2, 4, 8] {
            let runtime = runtime(workers);
            let what = format!("longest stall, {workers} workers");
            best_of(&what, STALL, |stalls| longest_stall(&runtime, 3, stalls));
        }
    });
}

#[test]
fn what_is_queued_behind_a_blocked_task_runs_elsewhere() {
    alone("hogs::what_is_queued_behind_a_blocked_task_runs_elsewhere", ":", || {
        let runtime = runtime(2);
        best_of("a task woken by the one that blocks", AT_ONCE, |stalls| {
            let gate = Signal::new();
            let open = gate.clone();
            let waiting = runtime.create_task(async move {
                gate.wait().await;
                Instant::now()
            });
            let blocking = runtime.create_task(async move {
                let before = Instant::now();
                open.set();
                thread::sleep(BLOCK);
                before
            });
            let before = runtime.block_on(blocking.into_future()).expect("the culprit ends");
            let woken = runtime.block_on(waiting.into_future()).expect("the other one ends");
            stalls.ran(before, woken)
        });
    });
}

/// The others are busy for ever and never look for work; what they look after is the stuck one.
#[test]
fn what_is_queued_behind_a_blocked_task_needs_no_idle_worker() {
    const CHILDREN: usize = 64;
    const LIMIT: Duration = Duration::from_secs(60);

    let runtime = runtime(2);
    let over = Arc::new(AtomicBool::new(false));
    for _ in 0..8 {
        let over = over.clone();
        drop(runtime.create_task(async move {
            // Relaxed: nothing else is passed on.
            while !over.load(Ordering::Relaxed) {
                corio::yield_now().await;
            }
        }));
    }
    let parent = runtime.create_task(async move {
        let (ends, ended) = std::sync::mpsc::channel();
        for _ in 0..CHILDREN {
            let ends = ends.clone();
            drop(corio::spawn(async move { ends.send(()).expect("the parent waits") }));
        }
        (0..CHILDREN).all(|_| ended.recv_timeout(LIMIT).is_ok())
    });
    let all = runtime.block_on(parent.into_future()).expect("the parent ends");
    over.store(true, Ordering::Relaxed);
    assert!(all, "children waited for the end of their parent's block");
}

#[test]
fn a_busy_task_stalls_nobody_either() {
    alone("hogs::a_busy_task_stalls_nobody_either", ":", || {
        let runtime = runtime(2);
        best_of("a child of a task that computes", AT_ONCE, |stalls| {
            let parent = runtime.create_task(async {
                let before = Instant::now();
                let child = corio::spawn(async { Instant::now() });
                while before.elapsed() < BLOCK {
                    std::hint::spin_loop();
                }
                (before, child.await.expect("the child only looks at the clock"))
            });
            let (before, start) = runtime.block_on(parent.into_future()).expect("the parent ends");
            stalls.ran(before, start)
        });
    });
}

#[test]
fn pinned_tasks_wait_for_their_worker_and_run_after_it() {
    alone("hogs::pinned_tasks_wait_for_their_worker_and_run_after_it", ":", || {
        let runtime = runtime(2);
        let one = runtime.handle().loops().remove(0);
        let blocked = Arc::new(AtomicBool::new(false));
        let started = Signal::new();
        let (flag, mark) = (blocked.clone(), started.clone());
        let culprit = one.create_task(async move {
            flag.store(true, Ordering::Relaxed);
            mark.set();
            thread::sleep(BLOCK);
            flag.store(false, Ordering::Relaxed);
            thread::current().id()
        });
        started.wait_blocking("the culprit's start");
        let pinned = one.create_pinned_task(move || async move {
            (blocked.load(Ordering::Relaxed), thread::current().id())
        });
        let home = runtime.block_on(culprit.into_future()).expect("the culprit ends");
        let (inside, thread) = runtime.block_on(pinned.into_future()).expect("it ends");
        assert!(!inside && thread == home, "a pinned task left its worker");
    });
}

/// How late a ticker beside jobs that compute may be, at the 99th percentile.
const TICKER_LATE: Duration = Duration::from_millis(5);

/// The 99th percentile of how late a ticker of 5 ms is beside eight jobs that compute on the cores' own
/// executor: the third worst of 200. Then the third worst of a thread that does nothing else.
fn tails(runtime: &Runtime, stalls: &Stalls) -> (Duration, Duration) {
    const COMPUTE: Duration = Duration::from_millis(250);
    let ticker = runtime.create_task(async move {
        let executor = ThreadPoolExecutor::for_cpu();
        let compute = || {
            let start = Instant::now();
            while start.elapsed() < COMPUTE {
                std::hint::spin_loop();
            }
            (thread::current().id(), nice_value())
        };
        let own = nice_value();
        let jobs: Vec<_> = (0..8).map(|_| executor.submit(compute)).collect();
        let mut interval = corio::interval(Duration::from_millis(5));
        interval.set_missed_tick(corio::MissedTick::Delay);
        let mut late = Vec::new();
        let mut threads = HashSet::new();
        for _ in 0..200 {
            late.push((interval.tick().await, Instant::now()));
            threads.insert(thread::current().id());
        }
        for job in jobs {
            let (thread, nice) = job.await.expect("it computes");
            assert!(!threads.contains(&thread), "a job ran on the ticker's worker");
            // 19 is the highest there is.
            assert!(nice == (own + 10).min(19), "a job ran at nice {nice}, the ticker at {own}");
        }
        late
    });
    let began = Instant::now();
    let late = runtime.block_on(ticker.into_future()).expect("the ticker ends");
    let control = stalls.tail(began, Instant::now());
    let mut late: Vec<_> = late.into_iter().map(|(due, at)| stalls.ran(due, at)).collect();
    late.sort();
    (late[197], control)
}

/// The calling thread's nice value: field 19 of its `stat`, whose second, the name, may contain
/// anything up to the last parenthesis.
fn nice_value() -> i32 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("Linux tells");
    let (_, fields) = stat.rsplit_once(')').expect("the name stands in parentheses");
    let nice = fields.split_whitespace().nth(16).expect("there are more fields");
    nice.parse().expect("a number")
}

#[test]
fn jobs_that_compute_do_not_raise_a_tickers_tail() {
    alone("hogs::jobs_that_compute_do_not_raise_a_tickers_tail", ":", || {
        let runtime = runtime(2);
        let stalls = Stalls::watch();
        let kept = (1..=3).any(|attempt| {
            let (ticker, control) = tails(&runtime, &stalls);
            println!(
                "p99 beside 8 jobs, attempt {attempt}: ticker {ticker:.1?}, control {control:.1?}"
            );
            // What the machine does to any thread beside the jobs is not the runtime's doing.
            ticker < TICKER_LATE || control > TICKER_LATE / 2 && ticker < control + TICKER_LATE
        });
        assert!(kept, "a ticker was late beside jobs, and more so than any thread");
    });
}

/// Set in a process that runs a stuck task: the limit that it sets, in milliseconds.
const LIMIT: &str = "CORIO_ANOMALY_LIMIT";

/// Set beside it if the task is to be stuck until that is reported.
const UNTIL_TOLD: &str = "CORIO_ANOMALY_UNTIL_TOLD";

/// Is stuck until it is told of, or for 400 ms.
fn be_stuck(limit: &str) {
    let told = Signal::new();
    let tells = told.clone();
    corio::debug::set_report_hook(Some(Arc::new(move |report| {
        eprintln!("{report}");
        tells.set();
    })));
    let mut builder = Builder::new().workers(2);
    if let Ok(limit) = limit.parse() {
        builder = builder.slow_callback_duration(Duration::from_millis(limit));
    }
    let runtime = builder.build().expect("a runtime");
    let until_told = std::env::var_os(UNTIL_TOLD).is_some();
    let slow = corio::task().name("the slow one").spawn_on(runtime.handle(), async move {
        if until_told {
            told.wait_blocking("the report");
        } else {
            thread::sleep(Duration::from_millis(400));
        }
    });
    runtime.block_on(slow.into_future()).expect("it ends");
}

/// What a process says in which a task is stuck, with that limit or the default one: until it is
/// told of, if it is to be.
///
/// `test` is the calling test; in the process itself `None` is returned.
fn reports_of_a_stuck_task(test: &str, limit: Option<u64>, told: bool) -> Option<String> {
    if let Ok(limit) = std::env::var(LIMIT) {
        be_stuck(&limit);
        return None;
    }
    let program = std::env::current_exe().expect("the path of this program");
    let output = std::process::Command::new(program)
        .args([test, "--exact", "--nocapture"])
        .env(LIMIT, limit.map_or("default".to_owned(), |limit| limit.to_string()))
        .envs(told.then_some((UNTIL_TOLD, "1")))
        .output()
        .expect("this program runs again");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    Some(errors)
}

#[test]
fn a_stuck_callback_is_reported_while_it_is_stuck() {
    let test = "hogs::a_stuck_callback_is_reported_while_it_is_stuck";
    let Some(errors) = reports_of_a_stuck_task(test, None, true) else { return };
    assert!(errors.contains("the slow one"), "no report:\n{errors}");
    assert!(errors.contains("hogs.rs"), "no place:\n{errors}");
}

#[test]
fn the_limit_of_slow_callbacks_can_be_set() {
    let test = "hogs::the_limit_of_slow_callbacks_can_be_set";
    for (limit, reported) in [(10, true), (30_000, false)] {
        let told = reports_of_a_stuck_task(test, Some(limit), reported);
        let Some(errors) = told else { return };
        assert_eq!(errors.contains("the slow one"), reported, "limit of {limit} ms:\n{errors}");
    }
}

//! run and Runner: test_runners.py. What SIGINT does is played by a process of its own, on its main
//! thread.

use std::io::{BufRead, BufReader, Lines};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use corio::{
    Builder, ContextVar, Handle, RunError, Runner, Task, catch_cancel, get_running_loop,
    new_event_loop,
};
use corio_tests::child::with_default_signals;
use corio_tests::kit::{Ledger, Signal};
use corio_tests::{PATIENCE, within};

const SIGINT: i32 = 2;

fn bounded<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    within(PATIENCE, "the test", body)
}

/// Spawns a task and waits until it has begun: one that is asked to end before that never runs.
async fn begun<F>(body: F) -> Task<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let signal = Signal::new();
    let mark = signal.clone();
    let task = corio::create_task(async move {
        mark.set();
        body.await
    });
    signal.wait().await;
    task
}

/// The program `interrupted`, playing a part.
struct Player {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Player {
    fn start(part: &str) -> Self {
        Self::run(with_default_signals(env!("CARGO_BIN_EXE_interrupted")), part)
    }

    fn run(mut command: Command, part: &str) -> Self {
        command.arg(part).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn says(&mut self, line: &str) {
        assert_eq!(self.lines.next().expect("it has ended").unwrap(), line);
    }

    fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    }

    /// It says these lines, and ends well.
    fn ends(mut self, lines: &[&str]) {
        let said: Vec<_> = self.lines.by_ref().map(Result::unwrap).collect();
        assert_eq!(said, lines);
        assert!(self.child.wait().unwrap().success());
    }

    /// The signal has ended it.
    fn was_ended(mut self) {
        assert_eq!(self.child.wait().unwrap().signal(), Some(SIGINT));
    }
}

/// Plays a part that is interrupted once.
fn interrupted_once(part: &str, lines: &[&str]) {
    let mut player = Player::start(part);
    player.says("ready");
    player.interrupt();
    player.ends(lines);
}

// conforms: 17 test_asyncio_run_return
// conforms: 17 test_asyncio_run_raises
// conforms: 17 test_no_repr_is_call_on_the_task_result
#[test]
fn the_value_and_the_panic_of_main() {
    struct Mute(u32);
    bounded(|| {
        assert_eq!(corio::run(async { Mute(42) }).0, 42);
        let panic = catch_unwind(|| corio::run(async { panic!("spam") }));
        assert_eq!(panic.unwrap_err().downcast_ref::<&str>(), Some(&"spam"));
    });
}

// conforms: 17 test_asyncio_run_from_running_loop
// conforms: 17 test_recursive_run
#[test]
fn a_nested_run_is_refused_and_its_main_dropped() {
    bounded(|| {
        let ledger = Ledger::new();
        let token = ledger.token();
        corio::run(async move {
            let inner = async move { drop(token) };
            let nested = Runner::new().run(inner);
            assert!(matches!(nested, Err(RunError::Nested { .. })));
        });
        assert_eq!((ledger.made(), ledger.live()), (1, 0));
    });
}

// conforms: 17 test_asyncio_run_cancels_hanging_tasks
#[test]
fn what_is_left_is_cancelled_and_awaited() {
    bounded(|| {
        let clean = Arc::new(AtomicBool::new(false));
        let ended = clean.clone();
        let task: Task<()> = corio::run(begun(async move {
            let slept = catch_cancel(corio::sleep(Duration::from_secs(1000))).await;
            corio::sleep(Duration::from_millis(10)).await;
            ended.store(true, Ordering::Relaxed);
            slept.unwrap_err().raise::<()>().await;
        }));
        assert!(clean.load(Ordering::Relaxed), "run came back before the clean-up had ended");
        assert!(task.cancelled());
    });
}

// conforms: 17 test_asyncio_run_reports_hanging_tasks_errors
#[test]
fn what_fails_in_its_clean_up_is_reported() {
    bounded(|| {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let list = heard.clone();
        corio::run(async move {
            Handle::current().set_exception_handler(Some(Arc::new(move |_, context| {
                let task = context.get_task().unwrap().name();
                let said = context.get_exception().unwrap().to_owned();
                list.lock().unwrap().push((context.message().to_owned(), said, task));
            })));
            let failing = begun(async {
                let _cancelled = catch_cancel(corio::sleep(Duration::from_secs(1000))).await;
                panic!("in the clean-up");
            });
            failing.await.set_name("the failing one");
        });
        let heard = heard.lock().unwrap();
        let [(message, said, task)] = heard.as_slice() else { panic!("{heard:?}") };
        assert_eq!(message, "unhandled exception during run() shutdown");
        assert_eq!((said.as_str(), &**task), ("in the clean-up", "the failing one"));
    });
}

// conforms: 17 test_asyncio_run_closes_gens_after_hanging_tasks_errors
// differs: a stream is a value, dropped with the task that holds it, also if that fails
#[test]
fn streams_of_failing_tasks_are_dropped() {
    bounded(|| {
        let ledger = Ledger::new();
        let token = ledger.token();
        corio::run(async move {
            let failing = begun(async move {
                let _stream = (token, corio::interval(Duration::from_secs(1)));
                let _cancelled = catch_cancel(std::future::pending::<()>()).await;
                panic!("in the clean-up");
            });
            drop(failing.await);
        });
        assert_eq!((ledger.made(), ledger.live()), (1, 0));
    });
}

// conforms: 29 X8
// differs: asyncio leaves tasks that the teardown's tasks spawn; corio cancels and awaits them too
#[test]
fn tasks_spawned_during_the_teardown_end_too() {
    type Boxed = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
    fn spawner(depth: u32, count: Arc<Mutex<Vec<u32>>>) -> Boxed {
        Box::pin(async move {
            let slept = catch_cancel(corio::sleep(Duration::from_secs(1000))).await;
            if depth > 0 {
                drop(begun(spawner(depth - 1, count.clone())).await);
            }
            count.lock().unwrap().push(depth);
            slept.unwrap_err().raise::<()>().await;
        })
    }
    bounded(|| {
        let count = Arc::new(Mutex::new(Vec::new()));
        let ends = count.clone();
        corio::run(async move { drop(begun(spawner(3, ends)).await) });
        // A pass of the teardown begins when all tasks of the one before have ended.
        assert_eq!(*count.lock().unwrap(), [3, 2, 1, 0]);
    });
}

#[test]
fn a_deadline_ends_what_does_not_heed_its_cancel() {
    const DEADLINE: Duration = Duration::from_millis(50);
    bounded(|| {
        let ledger = Ledger::new();
        let token = ledger.token();
        let run = Builder::new().workers(2).shutdown_timeout(DEADLINE);
        let main = async move {
            let heedless = begun(async move {
                let _token = token;
                loop {
                    let slept = catch_cancel(corio::sleep(Duration::from_secs(1000))).await;
                    slept.unwrap_err().suppress();
                }
            });
            drop::<Task<()>>(heedless.await);
            Instant::now()
        };
        let end_of_main = run.run(main).unwrap();
        assert!(end_of_main.elapsed() >= DEADLINE, "nobody ends it before that");
        assert_eq!((ledger.made(), ledger.live()), (1, 0));
    });
}

#[test]
fn a_deadline_leaves_time_for_a_clean_up() {
    bounded(|| {
        let clean = Arc::new(AtomicBool::new(false));
        let ended = clean.clone();
        let main = async move {
            let heeds = begun(async move {
                let slept = catch_cancel(corio::sleep(Duration::from_secs(1000))).await;
                corio::sleep(Duration::from_millis(5)).await;
                ended.store(true, Ordering::Relaxed);
                slept.unwrap_err().raise::<()>().await;
            });
            drop(heeds.await);
        };
        // Nobody waits for a deadline that is not needed: the test has no more time than that.
        Builder::new().workers(2).shutdown_timeout(PATIENCE).run(main).unwrap();
        assert!(clean.load(Ordering::Relaxed));
    });
}

// conforms: 29 X9
#[test]
fn the_teardown_goes_in_order() {
    bounded(|| {
        let order = Arc::new(Mutex::new(Vec::new()));
        let (job, task, main) = (order.clone(), order.clone(), order.clone());
        let handle = corio::run(async move {
            let (started, cleaned) = (Signal::new(), Signal::new());
            let (start, go) = (started.clone(), cleaned.clone());
            drop(corio::to_thread(move || {
                start.set();
                go.wait_blocking("the clean-up of the task");
                // If nobody waits for this thread, the end is over by then.
                std::thread::sleep(Duration::from_millis(40));
                job.lock().unwrap().push("executor");
            }));
            started.wait().await;
            let cleans = begun(async move {
                let slept = catch_cancel(corio::sleep(Duration::from_secs(1000))).await;
                task.lock().unwrap().push("task");
                cleaned.set();
                slept.unwrap_err().raise::<()>().await;
            });
            drop(cleans.await);
            main.lock().unwrap().push("main");
            Handle::current()
        });
        assert_eq!(*order.lock().unwrap(), ["main", "task", "executor"]);
        assert!(handle.is_closed());
    });
}

// conforms: 17 test_asyncio_run_set_event_loop
// conforms: 17 test_set_event_loop_called_once
#[test]
fn the_running_loop_is_the_runs() {
    bounded(|| {
        assert!(get_running_loop().is_err());
        let inside = corio::run(async { get_running_loop().unwrap() });
        assert!(get_running_loop().is_err() && inside.is_closed());
    });
}

// conforms: 17 test_asyncio_run_loop_factory
// conforms: 17 test_loop_factory_default_event_loop
// conforms: 17 test_custom_factory
#[test]
fn the_loops_are_made_by_a_builder_or_by_hand() {
    bounded(|| {
        let named = |runner: &mut Runner| {
            runner.run(async { (Handle::current().loops().len(), Handle::current()) }).unwrap()
        };
        let mut built = Builder::new().workers(3).name("mine").runner();
        assert_eq!(named(&mut built).0, 3);
        let event_loop = new_event_loop().unwrap();
        let handle: Handle = (*event_loop).clone();
        let mut single = Runner::on(event_loop);
        assert!(named(&mut single) == (1, handle.clone()));
        assert!(!handle.is_closed());
        single.close();
        assert!(handle.is_closed());
    });
}

// conforms: 17 test_run
// conforms: 17 test_run_future
// conforms: 17 test_run_awaitable
#[test]
fn several_runs_on_one_loop() {
    for single in [false, true] {
        bounded(move || {
            let mut runner =
                if single { Runner::on(new_event_loop().unwrap()) } else { Runner::new() };
            let first = runner.get_loop();
            let mut task = runner
                .run(async { corio::create_local_task(async { corio::yield_now().await }) })
                .unwrap();
            assert!(runner.run(async { Handle::current() }).unwrap() == first);
            runner.run(&mut task).unwrap().unwrap();
            assert!(runner.get_loop() == first && !first.is_closed());
            drop(runner);
            assert!(first.is_closed());
        });
    }
}

#[test]
fn a_runner_cancels_what_its_runs_have_left() {
    for single in [false, true] {
        bounded(move || {
            let mut runner =
                if single { Runner::on(new_event_loop().unwrap()) } else { Runner::new() };
            let clean = Arc::new(AtomicBool::new(false));
            let ended = clean.clone();
            let main = async move {
                let cleans = begun(async move {
                    let slept = catch_cancel(corio::sleep(Duration::from_secs(1000))).await;
                    ended.store(true, Ordering::Relaxed);
                    slept.unwrap_err().raise::<()>().await;
                });
                drop(cleans.await);
            };
            runner.run(main).unwrap();
            assert!(!clean.load(Ordering::Relaxed), "it lives between two runs");
            runner.close();
            assert!(clean.load(Ordering::Relaxed));
        });
    }
}

// conforms: 17 test_run_keeps_context
#[test]
fn context_variables_persist_between_runs() {
    static COUNT: ContextVar<u32> = ContextVar::new("count");
    bounded(|| {
        COUNT.set(5);
        let mut runner = Runner::new();
        let next = || async {
            let now = COUNT.get().unwrap();
            COUNT.set(now + 1);
            now
        };
        assert_eq!([runner.run(next()).unwrap(), runner.run(next()).unwrap()], [5, 6]);
        assert_eq!(COUNT.get(), Some(5), "the runner has a copy");
        assert_eq!(corio::run(next()), 5);
    });
}

// conforms: 17 test_explicit_close
// conforms: 17 test_double_close
// conforms: 17 test_second_with_block_raises
// differs: get_loop of a closed runner gives the closed loop's handle
#[test]
fn a_closed_runner_runs_nothing() {
    bounded(|| {
        let mut runner = Runner::new();
        let handle = runner.get_loop();
        runner.close();
        runner.close();
        assert!(handle.is_closed() && runner.get_loop() == handle);
        assert!(matches!(runner.run(async {}), Err(RunError::Closed)));
    });
}

#[test]
fn a_panic_in_a_run_leaves_the_runner_whole() {
    bounded(|| {
        let mut runner = Runner::new();
        let failed = catch_unwind(AssertUnwindSafe(|| {
            let _ = runner.run(async { panic!("of main") });
        }));
        assert!(failed.is_err());
        assert_eq!(runner.run(async { 5 }).unwrap(), 5);
    });
}

// conforms: 17 test_interrupt_call_soon
// conforms: 17 test_interrupt_wait
#[test]
fn an_interrupt_cancels_main() {
    for part in ["cancel", "runner", "single"] {
        interrupted_once(part, &["cleaning", "clean", "interrupted"]);
    }
    // These two have no error to give: they panic with it.
    for part in ["run, to the end", "attribute, to the end"] {
        interrupted_once(part, &["cleaning", "clean", "interrupted"]);
    }
}

#[test]
fn a_main_that_takes_no_notice_gives_its_value() {
    interrupted_once("value", &["cleaning", "clean", "a value"]);
    interrupted_once("attribute", &["cleaning", "clean", "the end"]);
}

#[test]
fn an_interrupt_in_the_last_step_of_main_is_not_lost() {
    for part in ["in the last step", "in the last step on a single loop"] {
        Player::start(part).ends(&["interrupted"]);
    }
}

// conforms: 17 test_interrupt_cancelled_task
// conforms: 17 test_asyncio_run_without_uncancel
// differs: every task can uncancel; one that others have cancelled too ends cancelled
#[test]
fn an_interrupt_of_a_main_that_others_cancel_is_their_cancel() {
    interrupted_once("also cancelled", &["cancelled"]);
}

// conforms: 29 X10
// differs: main is awaited before run returns, since it may borrow
#[test]
fn a_second_interrupt_cancels_the_clean_up() {
    for part in ["twice", "twice on a single loop"] {
        let mut player = Player::start(part);
        player.says("ready");
        player.interrupt();
        player.says("cleaning");
        player.interrupt();
        player.ends(&["cancelled again", "interrupted", "and Some(5)"]);
    }
}

/// What hears the interrupt of one run does not keep the next one from hearing its own.
#[test]
fn each_run_hears_its_interrupt() {
    let mut player = Player::start("run by run");
    for _ in 0..20 {
        player.says("ready");
        player.interrupt();
        player.says("interrupted");
    }
    player.ends(&[]);
}

#[test]
fn a_second_interrupt_ends_a_process_that_is_stuck() {
    let mut player = Player::start("stuck");
    player.says("ready");
    player.interrupt();
    // The first one is pending until the handler has run; another one would be merged into it.
    let status = format!("/proc/{}/status", player.child.id());
    corio_tests::eventually("the handler", || {
        let status = std::fs::read_to_string(&status).ok()?;
        status.lines().any(|line| line == "ShdPnd:\t0000000000000000").then_some(())
    });
    player.interrupt();
    player.was_ended();
}

#[test]
fn without_handle_signals_an_interrupt_ends_the_process() {
    let mut player = Player::start("off");
    player.says("ready");
    player.interrupt();
    player.was_ended();
}

/// CPython leaves an inherited `SIG_IGN` alone, and `asyncio.Runner` puts its handler only in the
/// place of the default one.
#[test]
fn an_interrupt_that_was_ignored_stays_ignored() {
    let mut ignoring = Command::new("env");
    ignoring.args(["--ignore-signal=INT", env!("CARGO_BIN_EXE_interrupted")]);
    let mut player = Player::run(ignoring, "until told");
    player.says("ready");
    player.interrupt();
    drop(player.child.stdin.take());
    player.ends(&["a value", "and Some(5)"]);
}

#[test]
fn an_interrupt_is_its_listeners() {
    interrupted_once("listener", &["heard", "a value"]);
}

// conforms: 17 test_signal_install_not_supported_ok
#[test]
fn handlers_are_installed_for_a_run_and_no_longer() {
    // Tests run on threads other than the main one, where no handler is installed.
    assert_eq!(bounded(|| corio::run(async { 5 })), 5);
    Player::start("dispositions").ends(&[
        "at first the default",
        "beside a bare runtime the default",
        "in run a handler",
        "after run the default",
        "in a runner a handler",
        "between two runs the default",
        "and again a handler",
        "after it the default",
        "switched off the default",
    ]);
}

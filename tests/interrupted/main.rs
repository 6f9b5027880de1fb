//! A program that is interrupted: each part runs on the process's main thread, says when it is
//! ready, and is sent SIGINT by the test that has started it.

use std::time::Duration;

use corio::{Builder, RunError, Runner, Runtime, catch_cancel, current_task};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(60);
/// How often `run_by_run` is interrupted.
const RUNS: usize = 20;
/// The bit of SIGINT in the masks of `/proc/self/status`.
const SIGINT_BIT: u64 = 1 << 1;

fn main() {
    let part = std::env::args().nth(1).unwrap_or_default();
    match part.as_str() {
        "cancel" => tell(&Builder::new().run(clean_up(false)).map(drop)),
        "runner" => tell(&Runner::new().run(clean_up(false)).map(drop)),
        "single" => tell(&single().run(clean_up(false)).map(drop)),
        "value" => tell(&Runner::new().run(clean_up(true)).map(drop)),
        "twice" => twice(Runner::new()),
        "run by run" => run_by_run(),
        "twice on a single loop" => twice(single()),
        "in the last step" => tell(&Runner::new().run(last_step())),
        "in the last step on a single loop" => tell(&single().run(last_step())),
        "stuck" => tell(&Builder::new().workers(1).watch(false).run(stuck())),
        "also cancelled" => tell(&Runner::new().run(also_cancelled())),
        "until told" => until_told(Runner::new()),
        "off" => tell(&Builder::new().handle_signals(false).run(wait())),
        "listener" => tell(&Runner::new().run(listen())),
        "attribute" => attribute(),
        "run, to the end" => panics(|| corio::run(clean_up(false))),
        "attribute, to the end" => panics(attribute_that_ends),
        "dispositions" => dispositions(),
        other => panic!("there is no part {other:?}"),
    }
}

fn single() -> Runner {
    Runner::on(corio::new_event_loop().expect("a loop"))
}

fn tell<T>(result: &Result<T, RunError>) {
    match result {
        Ok(_) => println!("a value"),
        Err(RunError::Interrupted) => println!("interrupted"),
        Err(RunError::Cancelled(_)) => println!("cancelled"),
        Err(error) => println!("{error}"),
    }
}

async fn wait() {
    println!("ready");
    corio::sleep(LONG).await;
}

/// Cleans up when it is cancelled, and then ends cancelled, or with a value.
async fn clean_up(suppress: bool) {
    if let Err(cancelled) = catch_cancel(wait()).await {
        println!("cleaning");
        corio::sleep(Duration::from_millis(5)).await;
        println!("clean");
        if suppress {
            cancelled.suppress();
        } else {
            cancelled.raise::<()>().await;
        }
    }
}

/// Is interrupted again while it cleans up.
fn twice(mut runner: Runner) {
    let main = async {
        let Err(first) = catch_cancel(wait()).await else { return };
        println!("cleaning");
        if catch_cancel(corio::sleep(LONG)).await.is_err() {
            println!("cancelled again");
        }
        first.raise::<()>().await;
    };
    tell(&runner.run(main));
    println!("and {:?}", runner.run(async { 5 }).ok());
}

/// One run after another is interrupted, each in a poll that blocks: so a sibling hears of it, and may
/// still be at it when the next run begins.
fn run_by_run() {
    let mut runner = Builder::new().workers(2).runner();
    for _ in 0..RUNS {
        let main = async {
            println!("ready");
            std::thread::sleep(Duration::from_millis(10));
            corio::sleep(LONG).await;
        };
        tell(&runner.run(main));
    }
}

/// Ends when its input does.
fn until_told(mut runner: Runner) {
    let main = async {
        println!("ready");
        let told = corio::to_thread(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        told.await.expect("it does not panic").expect("an input");
    };
    tell(&runner.run(main));
    println!("and {:?}", runner.run(async { 5 }).ok());
}

/// Is interrupted in the step that gives its value.
async fn last_step() {
    corio::yield_now().await;
    let interrupt = rustix::process::Signal::INT;
    rustix::process::kill_process(rustix::process::getpid(), interrupt).expect("it is this one");
}

async fn stuck() {
    println!("ready");
    std::thread::sleep(LONG);
}

/// Somebody else cancels it too, so that the interrupt's cancel is not the only one.
async fn also_cancelled() {
    let Err(first) = catch_cancel(wait()).await else { return };
    current_task().expect("main is a task").cancel();
    let second = catch_cancel(corio::sleep(LONG)).await;
    assert!(second.is_err());
    first.raise::<()>().await;
}

async fn listen() {
    let interrupt = corio::signal::ctrl_c();
    println!("ready");
    interrupt.await.expect("SIGINT can be listened to");
    println!("heard");
    corio::sleep(Duration::from_millis(5)).await;
}

#[corio::main]
async fn attribute() {
    clean_up(true).await;
    println!("the end");
}

#[corio::main]
async fn attribute_that_ends() {
    clean_up(false).await;
}

/// Says with what words the end of a main that was cancelled panics.
fn panics(run: impl FnOnce() + std::panic::UnwindSafe) {
    std::panic::set_hook(Box::new(|_| ()));
    let payload = std::panic::catch_unwind(run).expect_err("main was cancelled");
    println!("{}", payload.downcast_ref::<String>().expect("a message"));
}

/// What the process does about SIGINT.
fn disposition() -> &'static str {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let is_in = |mask: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(mask)).expect("it is there");
        u64::from_str_radix(line.trim(), 16).expect("a mask") & SIGINT_BIT != 0
    };
    match (is_in("SigCgt:"), is_in("SigIgn:")) {
        (true, _) => "a handler",
        (false, true) => "ignored",
        (false, false) => "the default",
    }
}

/// Who installs a handler, and for how long.
fn dispositions() {
    println!("at first {}", disposition());
    let runtime = Runtime::new().expect("a runtime");
    println!("beside a bare runtime {}", runtime.block_on(async { disposition() }));
    println!("in run {}", corio::run(async { disposition() }));
    println!("after run {}", disposition());
    let mut runner = Runner::new();
    println!("in a runner {}", runner.run(async { disposition() }).expect("it ends well"));
    println!("between two runs {}", disposition());
    println!("and again {}", runner.run(async { disposition() }).expect("it ends well"));
    drop(runner);
    println!("after it {}", disposition());
    let off = Builder::new().handle_signals(false).run(async { disposition() });
    println!("switched off {}", off.expect("it ends well"));
}

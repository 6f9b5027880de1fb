//! The loop: a scenario is run again and again, each time with the next call struck, until one run
//! is over before its turn comes.
//!
//! After each run: it has succeeded, or failed with an error that says which call of the system
//! refused; it has not hung; and tasks and descriptors are what they were.

use std::error::Error;
use std::fmt::Debug;
use std::future::{Future, IntoFuture};
use std::time::{Duration, Instant};

use corio::{Builder, Runtime};
use corio_tests::child::alone;
use corio_tests::{PATIENCE, at_rest, eventually, open_descriptors, skipped, within};

use crate::plan::{self, Plan, Struck};
use crate::seam;

pub type Failure = Box<dyn Error + Send + Sync>;
pub type Outcome = Result<(), Failure>;

/// A run that takes longer hangs. Most take some milliseconds; connecting anew may take 250; and a
/// loaded machine may keep a thread from running for seconds.
const RUN_MAX: Duration = PATIENCE;
/// All runs of a test, which are some hundreds.
const TEST_MAX: Duration = PATIENCE.saturating_mul(10);
/// More calls than any scenario makes: a loop that comes here does not end.
const CALLS_MAX: u64 = 5_000;

/// A scenario that only sleeps makes no call to interrupt where the machine keeps its thread from
/// running until the sleep is over: it is run again, so many times at most.
const INTERRUPTED_RUNS_MAX: u64 = 50;

/// What happens to a scenario's calls, one after the other or all at once.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The Nth call fails, for each N; the scenario may fail with this error.
    Errno(i32),
    /// The same, but it is nothing to fail for.
    Survivable(i32),
    /// Every second call is interrupted; the scenario must succeed.
    Interrupts,
    /// Every transfer is cut to 1 byte, to 2, and so on until this many; it must succeed.
    Lengths(u64),
    /// The disk is full after 0 bytes, after 1, and so on; until it is refused one write.
    Full,
    /// The connection is reset before its Nth transfer.
    Resets,
    /// One end stops sending before its Nth transfer.
    HalfCloses,
}

impl Fault {
    /// The plan for the Nth run; `None`: there is no such run.
    fn plan(self, nth: u64) -> Option<Plan> {
        Some(match self {
            Self::Errno(errno) | Self::Survivable(errno) => Plan::Fail { errno, nth },
            Self::Interrupts if nth <= INTERRUPTED_RUNS_MAX => Plan::Interrupt,
            Self::Lengths(max) if nth <= max => Plan::Shorten { to: nth },
            Self::Interrupts | Self::Lengths(_) => return None,
            Self::Full => Plan::Full { room: nth - 1 },
            Self::Resets => Plan::Reset { nth },
            Self::HalfCloses => Plan::HalfClose { nth },
        })
    }

    /// Whether a run that was struck may fail with this error.
    fn explains(self, call: &str, failure: &Failure) -> bool {
        match self {
            // The C library's word for a thread without a stack, whatever the system said.
            Self::Errno(_) if call.starts_with("mmap") => {
                told(failure).contains(&format!("(os error {})", libc::EAGAIN))
            }
            // What the other end sees of it is an explanation, too.
            Self::Errno(errno) => {
                told(failure).contains(&format!("(os error {errno})")) || is_of_a_peer(failure)
            }
            Self::Survivable(_) | Self::Interrupts | Self::Lengths(_) | Self::Full => false,
            Self::Resets | Self::HalfCloses => is_of_a_peer(failure),
        }
    }
}

/// An error and its sources, as a person would read them.
fn told(failure: &Failure) -> String {
    let mut text = failure.to_string();
    let mut next = failure.source();
    while let Some(source) = next {
        text.push_str(&format!(": {source}"));
        next = source.source();
    }
    text
}

/// Whether the error says that the connection is gone.
fn is_of_a_peer(failure: &Failure) -> bool {
    use std::io::ErrorKind::*;

    let mut next: Option<&(dyn Error + 'static)> = Some(&**failure);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            let gone =
                [ConnectionReset, BrokenPipe, NotConnected, UnexpectedEof, ConnectionAborted];
            if gone.contains(&error.kind()) {
                return true;
            }
        }
        next = error.source();
    }
    false
}

/// Runs a test's body in a process of its own, behind the seam. Where the kernel allows no filters
/// nothing is run, which is said.
pub fn behind_the_seam(test: &'static str, body: impl FnOnce() + Send + 'static) {
    // Each thread costs a call: the C library keeps no stack of one that has ended for the next.
    let no_cache = "export GLIBC_TUNABLES=glibc.pthread.stack_cache_size=0";
    alone(test, no_cache, || {
        if let Err(error) = seam::install() {
            return skipped("faults", test, &format!("no filter of system calls here: {error}"));
        }
        within(TEST_MAX, test, move || {
            plan::exempt(true);
            body();
            for name in ["file", "sent", "socket"] {
                let _ = std::fs::remove_file(crate::scratch_path(name));
            }
            let _ = std::fs::remove_dir_all(crate::scratch_path("folder"));
        });
    });
}

/// Runs a scenario of tasks with each of the faults, on one runtime for all of its runs.
pub fn tasks<F: Future<Output = Outcome> + Send + 'static>(
    test: &'static str,
    faults: &'static [Fault],
    scenario: impl Fn() -> F + Copy + Send + 'static,
) {
    behind_the_seam(test, move || {
        let runtime = runtime(0);
        // What is made once is made now.
        run(&runtime, scenario).unwrap_or_else(|error| panic!("without a fault: {error}"));
        settle(&runtime, None);
        let before = at_rest(open_descriptors);
        for &fault in faults {
            each(fault, |_| run(&runtime, scenario), || settle(&runtime, Some(before)));
        }
        assert!(runtime.shutdown(None).is_clean());
    });
}

/// Runs a scenario of tasks with each of the faults, on a fresh runtime for each run: its threads are
/// made while the fault is armed.
pub fn fresh_tasks<F: Future<Output = Outcome> + Send + 'static>(
    test: &'static str,
    faults: &'static [Fault],
    scenario: impl Fn() -> F + Copy + Send + 'static,
) {
    behind_the_seam(test, move || {
        let before = at_rest(open_descriptors);
        for &fault in faults {
            each(
                fault,
                |nth| {
                    let pause = plan::pause();
                    let runtime = runtime(nth as usize);
                    drop(pause);
                    let outcome = run(&runtime, scenario);
                    let _pause = plan::pause();
                    settle(&runtime, None);
                    assert!(runtime.shutdown(None).is_clean());
                    outcome
                },
                || descriptors(before),
            );
        }
    });
}

/// Runs a scenario that is no task with each of the faults, on a thread of its own.
pub fn threads(test: &'static str, faults: &'static [Fault], scenario: fn(run: usize) -> Outcome) {
    behind_the_seam(test, move || {
        let before = at_rest(open_descriptors);
        let mut runs = 0;
        for &fault in faults {
            let once = |_| {
                runs += 1;
                let number = runs;
                within(RUN_MAX, "a run", move || scenario(number))
            };
            each(fault, once, || descriptors(before));
        }
    });
}

/// Makes calls that the scenario needs and no fault is to strike.
pub fn apart<R>(f: impl FnOnce() -> R) -> R {
    let before = plan::is_exempt();
    plan::exempt(true);
    let result = f();
    plan::exempt(before);
    result
}

/// Larger for each run than for those before, so that the C library has no stack left over to reuse:
/// each thread costs a call.
pub fn stack(run: usize) -> usize {
    (2 << 20) + run * (64 << 10)
}

fn runtime(run: usize) -> Runtime {
    Builder::new().workers(2).stack_size(stack(run)).build().expect("a runtime")
}

fn run<F: Future<Output = Outcome> + Send + 'static>(
    runtime: &Runtime,
    scenario: impl Fn() -> F,
) -> Outcome {
    let begun = Instant::now();
    let task = runtime.create_task(corio::timeout(RUN_MAX, scenario()));
    let outcome = runtime.block_on(task.into_future())?.map_err(|_| "it hangs")?;
    // A look at the time may have ended what would have waited for ever.
    if begun.elapsed() < RUN_MAX { outcome } else { Err("it hung".into()) }
}

/// What a fault is told for that no run has met.
const NEVER: &str = "strikes nothing: it does not belong to this scenario";

/// The loop for one fault.
fn each(fault: Fault, mut once: impl FnMut(u64) -> Outcome, settled: impl Fn()) {
    let mut failed = 0;
    for nth in 1..CALLS_MAX {
        let Some(plan) = fault.plan(nth) else {
            assert!(!matches!(fault, Fault::Interrupts), "{fault:?} {NEVER}");
            println!("{fault:?}: {} runs", nth - 1);
            return;
        };
        plan::arm(plan);
        let outcome = once(nth);
        let struck = plan::disarm();
        failed += u64::from(outcome.is_err());
        judge(fault, plan, struck, outcome);
        settled();
        // One interrupted run is all there is to see; of the others each strikes another call.
        if matches!(fault, Fault::Interrupts) == (struck.times > 0) {
            println!("{fault:?}: {nth} runs, {failed} failed");
            assert!(struck.times > 0 || nth > 1, "{fault:?} {NEVER}");
            return;
        }
    }
    panic!("{fault:?}: not done after {CALLS_MAX} runs");
}

fn judge(fault: Fault, plan: impl Debug, struck: Struck, outcome: Outcome) {
    let Err(failure) = outcome else { return };
    let Struck { times, call, .. } = struck;
    assert!(
        times > 0 && fault.explains(call, &failure),
        "{plan:?} struck {times} times, {call} last; it failed with: {}",
        told(&failure)
    );
}

/// Waits until nothing of a run is left: its tasks, and descriptors beyond `before`.
fn settle(runtime: &Runtime, before: Option<usize>) {
    eventually("the end of all tasks", || runtime.handle().all_tasks().is_empty().then_some(()));
    if let Some(before) = before {
        descriptors(before);
    }
}

fn descriptors(before: usize) {
    let mut found = 0;
    eventually("the end of all descriptors", || {
        found = open_descriptors();
        (found <= before).then_some(())
    });
}

//! Into the runtime from threads outside, and its start and end.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use crate::pass::{OutsidePass, repeat};
use crate::row::{Figures, Metric, Plan, Row, Target, Workload, Wrong};
use crate::rt::Rt;
use crate::signal::Countdown;
use crate::stats;
use crate::usage::Usage;

/// Several threads submit at once.
pub struct Submit4Threads;

const THREADS: u64 = 4;
const EACH: u64 = 10_000;

impl OutsidePass for Submit4Threads {
    const ROW: Row = Row::new(
        "submit_4threads",
        "4 threads outside submit 10,000 tasks each at once, until all have run; per task",
    )
    .target(Target::TimesTokio(2.0));

    const OPS: u64 = THREADS * EACH;

    fn pass<R: Rt>(rt: &R) -> Result<Duration, Wrong> {
        let countdown = Countdown::new(Self::OPS);
        let ready = Barrier::new(THREADS as usize + 1);
        let (took, sum) = thread::scope(|scope| {
            for thread in 0..THREADS {
                let (ready, countdown) = (&ready, &countdown);
                scope.spawn(move || {
                    ready.wait();
                    submit_some(rt, countdown, thread * EACH);
                });
            }
            ready.wait();
            let start = Instant::now();
            let sum = futures_lite::future::block_on(countdown.wait());
            (start.elapsed(), sum)
        });
        Wrong::unless_equal("the sum of the tasks", &sum, &(Self::OPS * (Self::OPS - 1) / 2))?;
        Ok(took)
    }
}

fn submit_some<R: Rt>(rt: &R, countdown: &Arc<Countdown>, first: u64) {
    for n in first..first + EACH {
        let countdown = Arc::clone(countdown);
        rt.submit_detached(async move { countdown.hit(n) });
    }
}

/// How long an idle runtime takes to begin what a thread submits.
pub struct SubmitLatency;

/// Rest before each submission, long enough for all workers to have parked.
const IDLE: Duration = Duration::from_micros(500);

/// Fewest samples, for quantiles that mean something.
const SAMPLES_MIN: usize = 200;

impl Workload for SubmitLatency {
    const ROW: Row = Row::new(
        "submit_latency",
        "a thread outside submits to an idle runtime and parks; until the task begins",
    )
    .metrics(&[Metric::nanos("p50"), Metric::nanos("p99"), Metric::nanos("cpu")])
    .target(Target::TimesTokio(5.0));

    fn measure<R: Rt>(plan: &Plan) -> Result<Figures, Wrong> {
        let rt = R::start(&plan.setup);
        let origin = Instant::now();
        while origin.elapsed() < plan.warm_up {
            begin_of_task(&rt, origin);
        }
        let mut delays = Vec::new();
        let before = Usage::of_process();
        let start = Instant::now();
        while delays.len() < SAMPLES_MIN || start.elapsed() < plan.measure {
            delays.push(begin_of_task(&rt, origin));
        }
        let cpu = Usage::of_process().since(before).cpu.as_nanos() as f64;
        let quantile = |q| stats::quantile(&delays, q).expect("there are samples");
        Ok(vec![quantile(0.5), quantile(0.99), cpu / delays.len() as f64])
    }
}

/// Submits once; returns the nanoseconds from the call to the task's first step.
fn begin_of_task<R: Rt>(rt: &R, origin: Instant) -> f64 {
    thread::sleep(IDLE);
    let begun = Arc::new(AtomicU64::new(0));
    let submitter = thread::current();
    let submitted = origin.elapsed();
    let cell = Arc::clone(&begun);
    rt.submit_detached(async move {
        let now = origin.elapsed().as_nanos() as u64;
        // Release: pairs with the load below; the time itself is all there is to see.
        cell.store(now.max(1), Ordering::Release);
        submitter.unpark();
    });
    loop {
        // Acquire: pairs with the store above.
        match begun.load(Ordering::Acquire) {
            0 => thread::park(),
            begun => return begun as f64 - submitted.as_nanos() as f64,
        }
    }
}

/// A thread outside waits for one task.
pub struct BlockOnSpawn;

impl OutsidePass for BlockOnSpawn {
    const ROW: Row = Row::new(
        "block_on_spawn",
        "a thread outside submits a task and blocks on it, 200 times in turn; per task",
    );
    const OPS: u64 = 200;

    fn pass<R: Rt>(rt: &R) -> Result<Duration, Wrong> {
        let start = Instant::now();
        let sum: u64 = (0..Self::OPS).map(|n| rt.block_on(rt.submit(async move { n }))).sum();
        let took = start.elapsed();
        Wrong::unless_equal("the sum", &sum, &(Self::OPS * (Self::OPS - 1) / 2))?;
        Ok(took)
    }
}

/// A runtime's whole life.
pub struct StartStop;

impl Workload for StartStop {
    const ROW: Row = Row::new(
        "start_stop",
        "a runtime starts, runs an empty future and stops with its threads joined; per runtime",
    )
    .skip(&[("nio", "its worker threads never end")]);

    fn measure<R: Rt>(plan: &Plan) -> Result<Figures, Wrong> {
        repeat(plan, 1, || {
            let start = Instant::now();
            let rt = R::start(&plan.setup);
            let found = rt.block_on(answer());
            rt.stop();
            let took = start.elapsed();
            Wrong::unless_equal("the future's output", &found, &42)?;
            Ok(took)
        })
    }
}

fn answer() -> impl Future<Output = u32> + Send {
    std::future::ready(42)
}

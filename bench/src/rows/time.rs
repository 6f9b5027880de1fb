//! Timers.

use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::pass::Pass;
use crate::row::{Figures, Metric, Plan, Row, Target, Workload, Wrong};
use crate::rt::{Rt, Unstable};
use crate::stats;
use crate::usage::Usage;

/// A deadline that never comes during a row.
const FAR: Duration = Duration::from_secs(10);

/// A timeout around something that is not ready at once, but soon.
pub struct TimeoutYield;

impl Pass for TimeoutYield {
    const ROW: Row = Row::new(
        "timeout_yield",
        "a task awaits timeout(10 s, yield_now()), 10,000 times in turn; per timeout",
    )
    .best(Unstable { alt_timer: true, handoff: true, ..Unstable::NONE })
    .target(Target::TimesTokio(4.0));
    const OPS: u64 = 10_000;
    const HOME: bool = true;

    fn expected() -> u64 {
        Self::OPS
    }

    async fn pass<R: Rt>() -> u64 {
        let mut in_time = 0;
        for _ in 0..Self::OPS {
            in_time += u64::from(R::timeout(FAR, R::yield_now()).await.is_some());
        }
        in_time
    }
}

/// A limit that is never needed.
pub struct TimeoutReady;

impl Pass for TimeoutReady {
    const ROW: Row = Row::new(
        "timeout_ready",
        "a task awaits timeout(10 s, a future that is ready), 10,000 times in turn; per timeout",
    )
    .target(Target::TimesTokio(1.0));
    const OPS: u64 = 10_000;
    const HOME: bool = true;

    fn expected() -> u64 {
        Self::OPS
    }

    async fn pass<R: Rt>() -> u64 {
        let mut in_time = 0;
        for _ in 0..Self::OPS {
            in_time += R::timeout(FAR, ready(1)).await.unwrap_or(0);
        }
        in_time
    }
}

/// Timers that are set and never fire.
pub struct TimerInsertCancel;

impl Pass for TimerInsertCancel {
    const ROW: Row = Row::new(
        "timer_insert_cancel",
        "a task polls a sleep of 10 s or so once and drops it, 10,000 times; per timer",
    )
    .target(Target::TimesTokio(2.3));
    const OPS: u64 = 10_000;
    const HOME: bool = true;

    fn expected() -> u64 {
        Self::OPS
    }

    async fn pass<R: Rt>() -> u64 {
        let mut pending = 0;
        for n in 0..Self::OPS {
            let sleep = pin!(R::sleep(FAR + Duration::from_micros(n)));
            pending += u64::from(poll_once(sleep).await.is_pending());
        }
        pending
    }
}

fn poll_once<F: Future>(mut future: Pin<&mut F>) -> impl Future<Output = Poll<F::Output>> {
    poll_fn(move |cx| Poll::Ready(future.as_mut().poll(cx)))
}

/// How late a short sleep is.
pub struct Sleep1msLate;

const SLEEP: Duration = Duration::from_millis(1);

/// Fewest samples, for quantiles that mean something.
const SAMPLES_MIN: usize = 200;

impl Workload for Sleep1msLate {
    const ROW: Row = Row::new(
        "sleep_1ms_late",
        "a task sleeps for 1 ms, again and again, all else idle; lateness",
    )
    .metrics(&[Metric::nanos("p50"), Metric::nanos("p99"), Metric::nanos("cpu")])
    .target(Target::AtMost(100_000.0));

    fn measure<R: Rt>(plan: &Plan) -> Result<Figures, Wrong> {
        let rt = R::start(&plan.setup);
        let (warm_up, measure) = (plan.warm_up, plan.measure);
        rt.block_on(async move {
            R::spawn_home(move || async move {
                R::sleep(warm_up).await;
                let mut late = Vec::new();
                let before = Usage::of_process();
                let start = Instant::now();
                while late.len() < SAMPLES_MIN || start.elapsed() < measure {
                    late.push(lateness::<R>().await?);
                }
                let cpu = Usage::of_process().since(before).cpu.as_nanos() as f64;
                let quantile = |q| stats::quantile(&late, q).expect("there are samples");
                Ok(vec![quantile(0.5), quantile(0.99), cpu / late.len() as f64])
            })
            .await
        })
    }
}

async fn lateness<R: Rt>() -> Result<f64, Wrong> {
    let start = Instant::now();
    R::sleep(SLEEP).await;
    let slept = start.elapsed();
    match slept.checked_sub(SLEEP) {
        Some(late) => Ok(late.as_nanos() as f64),
        None => Err(Wrong(format!("a sleep of 1 ms took {slept:?}"))),
    }
}

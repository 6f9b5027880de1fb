//! Workloads that are one async function run again and again: most rows.
//!
//! The passes run within one spawned task, so that neither the start of the runtime nor the way
//! into it is part of the figure. Wall time is the median over passes, which a single disturbance
//! does not move; CPU time is that of the whole process from the first measured pass to the last,
//! by `getrusage`, divided by the operations.

use std::future::Future;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use crate::row::{Figures, Plan, Row, Workload, Wrong};
use crate::rt::Rt;
use crate::stats;
use crate::usage::Usage;

/// A workload whose unit is one async function.
pub trait Pass: Send + Sync + 'static {
    /// The description.
    const ROW: Row;

    /// Operations in one pass.
    const OPS: u64;

    /// Whether the passes use timers or sockets of their runtime.
    const HOME: bool = false;

    /// Rest between two passes, unmeasured, so that idle workers are parked when the next begins.
    const REST: Duration = Duration::ZERO;

    /// What a pass must return.
    fn expected() -> u64;

    /// One pass.
    fn pass<R: Rt>() -> impl Future<Output = u64> + Send;
}

/// Passes are bounded, lest a very fast one collects samples without end.
const PASSES_MAX: usize = 10_000;

/// What some passes took.
#[derive(Debug)]
pub struct Passes {
    /// Wall time of each pass.
    pub wall: Vec<Duration>,
    /// CPU time of all passes and the rests between them.
    pub cpu: Duration,
}

impl Passes {
    /// Wall and CPU time of one operation, for passes of `ops` operations each.
    fn figures(&self, ops: u64) -> Figures {
        let ops = ops as f64;
        let wall: Vec<f64> = self.wall.iter().map(|wall| wall.as_nanos() as f64).collect();
        let median = stats::median(&wall).expect("some passes were measured");
        vec![median / ops, self.cpu.as_nanos() as f64 / (ops * wall.len() as f64)]
    }
}

/// Makes a [`Workload`] of a [`Pass`].
pub struct Repeat<P>(PhantomData<P>);

impl<P: Pass> Workload for Repeat<P> {
    const ROW: Row = P::ROW;

    fn measure<R: Rt>(plan: &Plan) -> Result<Figures, Wrong> {
        let rt = R::start(&plan.setup);
        let plan = *plan;
        let passes = in_task::<P, R, _>(&rt, move || timed_passes::<P, R>(plan))?;
        Ok(passes.figures(P::OPS))
    }
}

/// Runs a number of passes in a task of `rt`; returns the wall time of all of them together.
///
/// # Errors
/// A pass returned the wrong answer.
pub fn run_passes<P: Pass, R: Rt>(rt: &R, count: u64) -> Result<Duration, Wrong> {
    in_task::<P, R, _>(rt, move || async move {
        let mut total = Duration::ZERO;
        for _ in 0..count {
            total += timed_pass::<P, R>().await?;
            rest::<P, R>().await;
        }
        Ok(total)
    })
}

/// A workload whose unit runs on a thread outside of the runtime.
pub trait OutsidePass: Send + Sync + 'static {
    /// The description.
    const ROW: Row;

    /// Operations in one pass.
    const OPS: u64;

    /// One pass; how long it took, without what is not to be measured.
    ///
    /// # Errors
    /// The workload's output is wrong.
    fn pass<R: Rt>(rt: &R) -> Result<Duration, Wrong>;
}

/// Makes a [`Workload`] of an [`OutsidePass`].
pub struct RepeatOutside<P>(PhantomData<P>);

impl<P: OutsidePass> Workload for RepeatOutside<P> {
    const ROW: Row = P::ROW;

    fn measure<R: Rt>(plan: &Plan) -> Result<Figures, Wrong> {
        let rt = R::start(&plan.setup);
        repeat(plan, P::OPS, || P::pass(&rt))
    }
}

/// Repeats a pass of `ops` operations on the calling thread; `pass` says how long it took.
///
/// # Errors
/// Those of `pass`.
pub fn repeat(
    plan: &Plan,
    ops: u64,
    mut pass: impl FnMut() -> Result<Duration, Wrong>,
) -> Result<Figures, Wrong> {
    let start = Instant::now();
    loop {
        pass()?;
        if start.elapsed() >= plan.warm_up {
            break;
        }
    }
    let mut wall = Vec::new();
    let before = Usage::of_process();
    let start = Instant::now();
    while wall.len() < PASSES_MAX && (wall.len() < plan.passes || start.elapsed() < plan.measure) {
        wall.push(pass()?);
    }
    let passes = Passes { wall, cpu: Usage::of_process().since(before).cpu };
    Ok(passes.figures(ops))
}

fn in_task<P, R, F>(rt: &R, make: impl FnOnce() -> F + Send + 'static) -> <F as Future>::Output
where
    P: Pass,
    R: Rt,
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    rt.block_on(async move {
        if P::HOME || !P::REST.is_zero() {
            R::spawn_home(make).await
        } else {
            R::spawn(make()).await
        }
    })
}

async fn timed_passes<P: Pass, R: Rt>(plan: Plan) -> Result<Passes, Wrong> {
    let start = Instant::now();
    loop {
        timed_pass::<P, R>().await?;
        rest::<P, R>().await;
        if start.elapsed() >= plan.warm_up {
            break;
        }
    }
    let mut wall = Vec::with_capacity(PASSES_MAX);
    let before = Usage::of_process();
    let start = Instant::now();
    while wall.len() < PASSES_MAX && (wall.len() < plan.passes || start.elapsed() < plan.measure) {
        wall.push(timed_pass::<P, R>().await?);
        rest::<P, R>().await;
    }
    let cpu = Usage::of_process().since(before).cpu;
    Ok(Passes { wall, cpu })
}

async fn timed_pass<P: Pass, R: Rt>() -> Result<Duration, Wrong> {
    let start = Instant::now();
    let found = P::pass::<R>().await;
    let took = start.elapsed();
    Wrong::unless_equal("the result of a pass", &found, &P::expected())?;
    Ok(took)
}

/// Between two passes, unmeasured. A workload that never waits would otherwise keep its worker
/// from everything else for the whole measurement, which no program should.
async fn rest<P: Pass, R: Rt>() {
    if P::REST.is_zero() {
        R::yield_now().await;
    } else {
        R::sleep(P::REST).await;
    }
}

//! One task that blocks its thread, and what that does to others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::row::{Better, Figures, Metric, Plan, Row, Target, Unit, Workload, Wrong};
use crate::rt::{Rt, Unstable};
use crate::stats;

/// How long a thread is blocked.
const BLOCK: Duration = Duration::from_millis(300);

/// A child spawned just before its parent blocks.
pub struct WeakA;

const CHILDREN: usize = 5;

/// Rest before each, long enough for all workers to have parked.
const IDLE: Duration = Duration::from_millis(20);

impl Workload for WeakA {
    const ROW: Row = Row::new(
        "weak_A",
        "a task spawns a child and blocks its thread for 300 ms; until the child begins, of 5",
    )
    .metrics(&[Metric::nanos("median"), Metric::nanos("max")])
    .best(Unstable { no_lifo: true, ..Unstable::NONE })
    .target(Target::AtMost(5_000_000.0));

    fn measure<R: Rt>(plan: &Plan) -> Result<Figures, Wrong> {
        let rt = R::start(&plan.setup);
        let delays: Vec<f64> = (0..CHILDREN)
            .map(|_| {
                thread::sleep(IDLE);
                rt.block_on(rt.submit(delay_of_child::<R>())).as_nanos() as f64
            })
            .collect();
        let summary = stats::Summary::of(&delays).expect("there are children");
        Ok(vec![summary.median, summary.max])
    }
}

async fn delay_of_child<R: Rt>() -> Duration {
    let spawned = Instant::now();
    let child = R::spawn(async move { spawned.elapsed() });
    thread::sleep(BLOCK);
    child.await
}

/// A ticker beside a task that blocks.
pub struct WeakB;

const BLOCKS: u32 = 8;
const BETWEEN: Duration = Duration::from_millis(37);
const TICK: Duration = Duration::from_millis(10);

/// Two ticks so far apart are a stall: the ticker waited for the blocked thread.
const STALL: Duration = Duration::from_millis(290);

impl Workload for WeakB {
    const ROW: Row = Row::new(
        "weak_B",
        "a 10 ms ticker while another task blocks its thread 8 times for 300 ms; stalls >= 290 ms",
    )
    .metrics(&[
        Metric::count("stalls"),
        Metric { name: "ticks", unit: Unit::Count, better: Better::Higher },
        Metric::nanos("longest"),
    ])
    // The alternative timer would undo what the hand-off does here.
    .best(Unstable { handoff: true, ..Unstable::NONE })
    .target(Target::AtMost(0.0));

    fn measure<R: Rt>(plan: &Plan) -> Result<Figures, Wrong> {
        let rt = R::start(&plan.setup);
        let gaps = rt.block_on(async {
            let over = Arc::new(AtomicBool::new(false));
            let seen = Arc::clone(&over);
            let ticker = R::spawn_home(move || tick_until::<R>(seen));
            R::spawn_home(block_now_and_then::<R>).await;
            // Relaxed: the ticker may see it a tick later; joining it orders the rest.
            over.store(true, Ordering::Relaxed);
            ticker.await
        });
        let stalls = gaps.iter().filter(|gap| **gap >= STALL).count();
        let longest = gaps.iter().max().copied().unwrap_or_default();
        Ok(vec![stalls as f64, gaps.len() as f64, longest.as_nanos() as f64])
    }
}

async fn tick_until<R: Rt>(over: Arc<AtomicBool>) -> Vec<Duration> {
    let mut gaps = Vec::new();
    let mut last = Instant::now();
    // Relaxed: see the store.
    while !over.load(Ordering::Relaxed) {
        R::sleep(TICK).await;
        gaps.push(last.elapsed());
        last = Instant::now();
    }
    gaps
}

async fn block_now_and_then<R: Rt>() {
    for _ in 0..BLOCKS {
        R::sleep(BETWEEN).await;
        thread::sleep(BLOCK);
    }
}

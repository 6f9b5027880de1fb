//! Round trips between two tasks, one of which may be the program's main future.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::row::{Figures, Metric, Plan, Row, Target, Workload, Wrong};
use crate::rt::Rt;
use crate::signal::Slot;
use crate::stats;
use crate::usage::Usage;

/// main and a task, then two tasks, send a value to and fro.
pub struct MainRoundTrip;

/// Trips between two looks at the clock.
const TRIPS: u64 = 1_000;

/// What tells the partner to end.
const END: u64 = u64::MAX - 1;

impl Workload for MainRoundTrip {
    const ROW: Row = Row::new(
        "main_round_trip",
        "main sends a task a value and gets one back; the same between two tasks; per trip",
    )
    .metrics(&[Metric::nanos("main"), Metric::nanos("spawned"), Metric::nanos("main_cpu")])
    .target(Target::Cross { times: 10.0, other: "spawned", times_other: 1.5 });

    fn measure<R: Rt>(plan: &Plan) -> Result<Figures, Wrong> {
        let (warm_up, measure) = (plan.warm_up / 2, plan.measure / 2);
        R::run(&plan.setup, async move {
            let main = trips::<R>(warm_up, measure).await?;
            let spawned = R::spawn(trips::<R>(warm_up, measure)).await?;
            Ok(vec![main.wall, spawned.wall, main.cpu])
        })
    }
}

/// Nanoseconds of one trip.
struct Trip {
    wall: f64,
    cpu: f64,
}

/// The two places through which the partners speak.
#[derive(Default)]
struct Link {
    there: Slot,
    back: Slot,
}

async fn trips<R: Rt>(warm_up: Duration, measure: Duration) -> Result<Trip, Wrong> {
    let link = Arc::new(Link::default());
    let partner = R::spawn(answer(Arc::clone(&link)));
    let start = Instant::now();
    while start.elapsed() < warm_up {
        some_trips(&link).await?;
    }
    let mut wall = Vec::new();
    let before = Usage::of_process();
    let start = Instant::now();
    while wall.is_empty() || start.elapsed() < measure {
        let start = Instant::now();
        some_trips(&link).await?;
        wall.push(start.elapsed().as_nanos() as f64 / TRIPS as f64);
    }
    let cpu = Usage::of_process().since(before).cpu.as_nanos() as f64;
    link.there.put(END);
    let answered = partner.await;
    Wrong::unless_equal("the partner's last value", &answered, &END)?;
    let median = stats::median(&wall).expect("some trips were measured");
    Ok(Trip { wall: median, cpu: cpu / (wall.len() as u64 * TRIPS) as f64 })
}

async fn some_trips(link: &Link) -> Result<(), Wrong> {
    let mut value = 0;
    for _ in 0..TRIPS {
        link.there.put(value);
        value = link.back.take().await;
    }
    Wrong::unless_equal("the value after all trips", &value, &TRIPS)
}

async fn answer(link: Arc<Link>) -> u64 {
    loop {
        match link.there.take().await {
            END => return END,
            value => link.back.put(value + 1),
        }
    }
}

//! Work that computes beside loops that must answer soon: eight jobs on an executor of their own
//! while a ticker measures how late it is, first without them and then with them.
use std::time::{Duration, Instant};

use corio::{MissedTick, ThreadPoolExecutor};

const PERIOD: Duration = Duration::from_millis(5);
const TICKS: usize = 400;

/// A piece of work that takes about half a second of one core.
fn compute(seed: u64) -> u64 {
    let start = Instant::now();
    let mut x = seed | 1;
    while start.elapsed() < Duration::from_millis(500) {
        for _ in 0..10_000 {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        }
    }
    x
}

/// How late each of many ticks came, sorted.
async fn lateness() -> Vec<Duration> {
    let mut ticker = corio::interval(PERIOD);
    ticker.set_missed_tick(MissedTick::Delay);
    let mut late = Vec::with_capacity(TICKS);
    while late.len() < TICKS {
        late.push(ticker.tick().await.elapsed());
    }
    late.sort();
    late
}

fn print(what: &str, late: &[Duration]) {
    let quantile = |percent: usize| late[(late.len() - 1) * percent / 100];
    println!("ticker {what}: p50 {:.1?} late, p99 {:.1?}", quantile(50), quantile(99));
}

#[corio::main]
async fn main() {
    let ticker = async || corio::create_task(lateness()).await.expect("the ticker ends");
    print("alone", &ticker().await);

    // A thread per core, at a lower priority than the loops. On the loops' own threads the ticker
    // would be half a second late.
    let executor = ThreadPoolExecutor::for_cpu();
    let start = Instant::now();
    let jobs: Vec<_> = (0..8).map(|seed| executor.submit(move || compute(seed))).collect();
    print("beside 8 jobs", &ticker().await);

    let mut sum = 0_u64;
    for job in jobs {
        sum = sum.wrapping_add(job.await.expect("the job ends"));
    }
    println!("8 jobs ended after {:.1?}, sum {sum:#x}", start.elapsed());
}

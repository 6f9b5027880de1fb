//! Timers and the blocking pool.

mod common;

use common::bench;
use corio_bench::rows::{blocking, time};
use criterion::{criterion_group, criterion_main};

criterion_group!(
    waiting,
    bench::<time::TimeoutYield>,
    bench::<time::TimerInsertCancel>,
    bench::<blocking::BlockingRtt>,
    bench::<blocking::Blocking10k>,
);
criterion_main!(waiting);

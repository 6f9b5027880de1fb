//! Into the runtime from threads outside.

mod common;

use common::bench_outside;
use corio_bench::rows::submit;
use criterion::{criterion_group, criterion_main};

criterion_group!(
    outside,
    bench_outside::<submit::Submit4Threads>,
    bench_outside::<submit::BlockOnSpawn>,
);
criterion_main!(outside);

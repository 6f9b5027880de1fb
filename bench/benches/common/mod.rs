//! The workloads of `corio-bench compare` under criterion: corio beside stock tokio.
//!
//! `compare` is the judge, since it interleaves and starts afresh for each measurement; these
//! benches are for the work on one thing, with criterion's baselines and its tests for change.

use std::time::Duration;

use corio_bench::pass::{OutsidePass, Pass, run_passes};
#[cfg(feature = "corio")]
use corio_bench::rt::Corio;
use corio_bench::rt::{Rt, Setup, Tokio};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};

/// The workers of every comparison in this project.
const SETUP: Setup = Setup { workers: 2, unstable: None };

/// Benches a workload that runs in a task.
#[allow(dead_code, reason = "each bench file uses one of them")]
pub fn bench<P: Pass>(c: &mut Criterion) {
    let mut group = group(c, P::ROW.name, P::OPS);
    #[cfg(feature = "corio")]
    bench_under::<P, Corio>(&mut group, "corio");
    bench_under::<P, Tokio>(&mut group, "tokio");
    group.finish();
}

/// Benches a workload of primitives: corio's under corio, tokio's under tokio.
#[cfg(feature = "corio")]
#[allow(dead_code, reason = "each bench file uses one of them")]
pub fn bench_primitives<C: Pass, T: Pass>(c: &mut Criterion) {
    let mut group = group(c, C::ROW.name, C::OPS);
    bench_under::<C, Corio>(&mut group, "corio");
    bench_under::<T, Tokio>(&mut group, "tokio");
    group.finish();
}

/// Benches a workload that runs on a thread outside.
#[allow(dead_code, reason = "each bench file uses one of them")]
pub fn bench_outside<P: OutsidePass>(c: &mut Criterion) {
    let mut group = group(c, P::ROW.name, P::OPS);
    #[cfg(feature = "corio")]
    bench_outside_under::<P, Corio>(&mut group, "corio");
    bench_outside_under::<P, Tokio>(&mut group, "tokio");
    group.finish();
}

fn group<'c>(c: &'c mut Criterion, name: &str, ops: u64) -> BenchmarkGroup<'c, WallTime> {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(ops));
    group.sample_size(20);
    group.measurement_time(Duration::from_secs(3));
    group
}

fn bench_under<P: Pass, R: Rt>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str) {
    let rt = R::start(&SETUP);
    group.bench_function(name, |b| {
        b.iter_custom(|passes| run_passes::<P, R>(&rt, passes).expect("the answer is right"));
    });
    rt.stop();
}

fn bench_outside_under<P: OutsidePass, R: Rt>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
) {
    let rt = R::start(&SETUP);
    group.bench_function(name, |b| {
        b.iter_custom(|passes| {
            (0..passes).map(|_| P::pass(&rt).expect("the answer is right")).sum()
        });
    });
    rt.stop();
}

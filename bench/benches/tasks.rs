//! Spawning, joining, switching, computing.

mod common;

use common::bench;
use corio_bench::rows::{cpu, spawn, switch};
use criterion::{criterion_group, criterion_main};

criterion_group!(
    tasks,
    bench::<spawn::SpawnManyLocal>,
    bench::<spawn::SpawnJoinOne>,
    bench::<spawn::ChainedSpawn>,
    bench::<spawn::FanOutIn>,
    bench::<spawn::Fib>,
    bench::<spawn::Skynet>,
    bench::<switch::YieldMany>,
    bench::<switch::PingPong>,
    bench::<cpu::Cpu64x50us>,
    bench::<cpu::ParentChild1ms>,
);
criterion_main!(tasks);

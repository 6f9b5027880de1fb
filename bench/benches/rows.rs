//! The rows of `corio-bench compare` under criterion: corio beside stock tokio.
//!
//! ```text
//! cargo bench -p corio-bench -- spawn_join_one
//! ```
//!
//! `compare` is the judge, since it interleaves and starts afresh for each measurement; these
//! benches are for the work on one thing, with criterion's baselines and its tests for change.
//!
//! A sample is one measurement as `compare` takes it, but a short one, and the row's first figure,
//! which is that of one operation, stands for each of criterion's iterations. Rows whose first
//! figure is no time (memory of a task, switches of an idle server, stalls) have no bench.

use std::process::ExitCode;
use std::time::Duration;

use corio_bench::row::{Plan, Unit};
use corio_bench::rows::{Entry, ROWS};
use corio_bench::rt::Setup;
use corio_bench::{burn, cli};
use criterion::{Criterion, SamplingMode};

/// The runtimes compared, by their names in the rows.
const RUNTIMES: [&str; 2] = ["corio", "tokio"];

/// How a sample is taken, with the workers of every comparison in this project.
const PLAN: Plan = Plan {
    setup: Setup { workers: 2, unstable: None },
    warm_up: Duration::from_millis(10),
    measure: Duration::from_millis(50),
    passes: 3,
};

/// The fewest that criterion takes.
const SAMPLES: usize = 10;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    // A row with a server starts the program that it is part of again, as the server's load.
    if args.first().is_some_and(|first| first == "load") {
        return cli::main(args);
    }
    burn::set_steps_per_us(burn::calibrate());
    // Each sample warms up for itself.
    let criterion = Criterion::default().sample_size(SAMPLES).warm_up_time(PLAN.warm_up);
    let mut criterion = criterion.configure_from_args();
    for entry in ROWS.iter().filter(|entry| entry.row.metrics[0].unit == Unit::Nanos) {
        bench(&mut criterion, entry);
    }
    criterion.final_summary();
    ExitCode::SUCCESS
}

fn bench(criterion: &mut Criterion, entry: &Entry) {
    let mut group = criterion.benchmark_group(entry.row.name);
    // What a sample takes does not depend on the number of iterations asked for.
    group.sampling_mode(SamplingMode::Flat);
    for runtime in RUNTIMES {
        let Some(measure) = entry.measure(runtime) else { continue };
        group.bench_function(runtime, |bencher| {
            bencher.iter_custom(|iterations| {
                let figures = measure(&PLAN).expect("the answer is right");
                Duration::from_secs_f64(figures[0] * iterations as f64 / 1e9)
            });
        });
    }
    group.finish();
}

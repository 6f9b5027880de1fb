//! Every row is well described, and the quick ones give the right answer under every runtime.

use std::collections::HashSet;
use std::time::Duration;

use super::*;
use crate::pass::{OutsidePass, Pass, run_passes};
use crate::rt::{Rt, Setup};

const SETUP: Setup = Setup { workers: 2, unstable: None };

#[test]
fn rows_have_names_of_their_own_and_figures_too() {
    let mut names = HashSet::new();
    for entry in ROWS {
        let row = &entry.row;
        assert!(names.insert(row.name), "{} stands twice", row.name);
        assert!(!row.name.contains([' ', ',', '*']), "{} cannot be asked for", row.name);
        assert!(!row.metrics.is_empty(), "{} has no figures", row.name);
        let metrics: HashSet<_> = row.metrics.iter().map(|metric| metric.name).collect();
        assert_eq!(metrics.len(), row.metrics.len(), "{} has a figure twice", row.name);
        assert!(metrics.iter().all(|name| !name.contains(' ')), "{}", row.name);
    }
}

fn passes<P: Pass>() {
    passes_under::<P, Tokio>();
    passes_under::<P, Smol>();
    passes_under::<P, Nio>();
    #[cfg(feature = "corio")]
    passes_under::<P, Corio>();
}

fn passes_under<P: Pass, R: Rt>() {
    let rt = R::start(&SETUP);
    run_passes::<P, R>(&rt, 2).unwrap();
    rt.stop();
}

#[test]
fn spawning_rows_are_right_under_every_runtime() {
    passes::<spawn::SpawnManyLocal>();
    passes::<spawn::SpawnJoinOne>();
    passes::<spawn::ChainedSpawn>();
    passes::<spawn::FanOutIn>();
}

#[test]
fn switching_rows_are_right_under_every_runtime() {
    passes::<switch::YieldMany>();
    passes::<switch::YieldAlone>();
    passes::<switch::PingPong>();
}

#[test]
fn timer_rows_are_right_under_every_runtime() {
    passes::<time::TimeoutYield>();
    passes::<time::TimerInsertCancel>();
    passes::<time::TimeoutReady>();
}

#[test]
fn computing_rows_are_right_under_every_runtime() {
    passes::<cpu::Cpu64x50us>();
    passes::<cpu::ParentChild1ms>();
}

#[test]
fn blocking_rows_are_right_under_every_runtime() {
    passes::<blocking::BlockingRtt>();
    passes::<blocking::Blocking10k>();
}

#[test]
fn forking_is_right_under_every_runtime() {
    passes::<spawn::Fib>();
}

fn outside<P: OutsidePass>() {
    outside_under::<P, Tokio>();
    outside_under::<P, Smol>();
    outside_under::<P, Nio>();
    #[cfg(feature = "corio")]
    outside_under::<P, Corio>();
}

fn outside_under<P: OutsidePass, R: Rt>() {
    let rt = R::start(&SETUP);
    P::pass(&rt).unwrap();
    rt.stop();
}

#[test]
fn submitting_rows_are_right_under_every_runtime() {
    outside::<submit::Submit4Threads>();
    outside::<submit::BlockOnSpawn>();
}

#[test]
fn round_trips_are_right_under_every_runtime() {
    let row = find("main_round_trip").unwrap();
    for adapter in [
        "tokio",
        "smol",
        "nio",
        #[cfg(feature = "corio")]
        "corio",
    ] {
        let plan =
            Plan { setup: SETUP, warm_up: Duration::ZERO, measure: Duration::ZERO, passes: 3 };
        let figures = row.measure(adapter).unwrap()(&plan).unwrap();
        assert_eq!(figures.len(), row.row.metrics.len());
        assert!(figures.iter().all(|figure| figure.is_finite()), "{figures:?}");
    }
}

/// Every primitive of every library gives the right answer once.
#[test]
fn primitives_are_right_in_every_library() {
    let plan = Plan { setup: SETUP, warm_up: Duration::ZERO, measure: Duration::ZERO, passes: 3 };
    for entry in ROWS.iter().filter(|entry| entry.primitives) {
        for name in entry.names() {
            let figures = entry.measure(name).unwrap()(&plan);
            let figures =
                figures.unwrap_or_else(|wrong| panic!("{} {name}: {wrong}", entry.row.name));
            assert_eq!(figures.len(), entry.row.metrics.len(), "{} {name}", entry.row.name);
        }
    }
}

//! Seeded storms on whole runtimes, and then the books are balanced: every task ended exactly once,
//! every body and output was dropped, and neither threads nor descriptors are left.
//!
//! `CORIO_STRESS_SECONDS` (default 5) bounds the run; it is divided among the storms.
//! `CORIO_STRESS_SEED` replays one: the seed is printed. Equal seeds give equal programs, not equal
//! interleavings: repeat a failing seed some times.

mod churn;
mod storm;
mod submit;
mod timers;
mod world;

use std::time::{Duration, Instant};

use corio_tests::kit::threads_named;
use corio_tests::{Random, at_rest, eventually, open_descriptors};

use world::World;

/// A storm: one runtime's life, driven by a generator.
type Storm = fn(&World, &mut Random);

const STORMS: [(&str, Storm); 4] = [
    ("storm", storm::run),
    ("timers", timers::run),
    ("submit", submit::run),
    ("churn", churn::run),
];

fn seconds() -> Duration {
    let text = std::env::var("CORIO_STRESS_SECONDS").unwrap_or_else(|_| "5".to_owned());
    let seconds = text.parse().unwrap_or_else(|_| panic!("CORIO_STRESS_SECONDS={text}: no number"));
    Duration::from_secs_f64(seconds)
}

#[test]
fn storms_balance_their_books() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<String>().is_none_or(|text| text != world::PANIC) {
            usual(info);
        }
    }));
    let mut random = Random::from_env("CORIO_STRESS_SEED");
    let share = seconds() / STORMS.len() as u32;
    // What the first runtime makes for the whole process is not counted as a leak.
    STORMS[0].1(&World::new(&mut random), &mut random);
    let descriptors = at_rest(open_descriptors);
    for (name, storm) in STORMS {
        let start = Instant::now();
        let mut rounds = 0_u32;
        while start.elapsed() < share {
            let world = World::new(&mut random);
            storm(&world, &mut random);
            world.settle(name);
            rounds += 1;
        }
        println!("{name}: {rounds} rounds in {:.1?}", start.elapsed());
        eventually("the threads' ends", || threads_named(world::NAME).is_empty().then_some(()));
        eventually(&format!("{name}: the descriptors' ends"), || {
            (open_descriptors() <= descriptors).then_some(())
        });
    }
}

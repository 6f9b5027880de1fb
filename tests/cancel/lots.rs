//! Bodies made of scopes, tasks and combinators in one another, by lot, which are cancelled by lot: each
//! ends, and no cancel is lost. Seeds of a simulation, so that what fails can be played again.
//!
//! `CORIO_LOTS` says how many are tried, and `CORIO_LOT` which is the first. One that fails is made smaller
//! for as long as it still does, and then told of.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};

use corio::{create_task, current_task, gather_all, sleep};

use crate::support::{ms, run};
use body::{Body, Maker};
use built::{Heard, STORM};

mod body;
mod built;

/// Cancels after which a body must have ended. Each is answered by one scope at least.
const CANCELS: usize = 5_000;
/// In milliseconds: longer than all clean-ups of a body, one after the other.
const ENOUGH: u64 = 1_000;
/// Simulations in which a smaller body is tried.
const TRIES: u64 = 12;

/// Seeds that have found something: a branch that was kept and not polled while its mask ended, and owners of
/// requests that overwrite each other's claims in such a branch.
const FOUND: [u64; 3] = [234_955, 902_187, 245_874];

/// What is wrong, if anything.
type Outcome = Result<(), String>;

/// A body, and when it is cancelled.
struct Lot {
    body: Body,
    times: Maker,
}

impl Lot {
    fn new(seed: u64) -> Self {
        let mut times = Maker::new(seed);
        let depth = 1 + times.below(5) as u32;
        Self { body: times.body(depth), times }
    }
}

/// Cancels a body until it has ended.
async fn storm(Lot { body, mut times }: Lot) -> Outcome {
    let heard = Heard::default();
    let body = heard.build(&body);
    let task = create_task(async move {
        body.await;
        current_task().unwrap().cancelling() as usize
    });
    let mut cancels = 0;
    while !task.done() {
        sleep(ms(times.short())).await;
        cancels += usize::from(task.cancel_with(STORM));
        if cancels == CANCELS {
            return Err(format!("it does not end\n{}", corio::dump()));
        }
    }
    match task.await {
        Ok(left) if left > cancels + heard.own_cancels() => {
            Err(format!("it counts {left} of {cancels} cancels"))
        }
        Ok(_) if heard.count() == 0 && cancels > 0 => Err(format!("one of {cancels} is lost")),
        Err(error) if !error.is_cancelled() => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// Cancels a body, each time when it has had long enough to end or to answer the cancel before.
async fn calm(Lot { body, mut times }: Lot) -> Outcome {
    let heard = Heard::default();
    let task = create_task(heard.build(&body));
    let mut answers = 0;
    sleep(ms(times.short())).await;
    while task.cancel_with(STORM) {
        sleep(ms(ENOUGH)).await;
        if !task.done() && heard.count() == answers {
            return Err(format!("one is lost\n{}", corio::dump()));
        }
        answers = heard.count();
    }
    match task.await {
        Err(error) if !error.is_cancelled() => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// Plays it in the simulation of that seed.
fn played<F: Future<Output = Outcome>>(seed: u64, play: impl Fn(Lot) -> F, lot: Lot) -> Outcome {
    let told = |panic: Box<dyn Any + Send>| match panic.downcast::<String>() {
        Ok(said) => *said,
        Err(_) => String::from("a panic"),
    };
    let played = || corio::sim::run(seed, play(lot));
    catch_unwind(AssertUnwindSafe(played)).unwrap_or_else(|panic| Err(told(panic)))
}

/// Tries `CORIO_LOTS` seeds, or 3,000, beginning with `CORIO_LOT`, which alone is one seed; without that also
/// those of [`FOUND`].
fn by_lot<F: Future<Output = Outcome>>(play: impl Fn(Lot) -> F) {
    let number = |name| std::env::var(name).ok().map(|it| it.parse::<u64>().expect("a number"));
    let first = number("CORIO_LOT");
    let seeds = number("CORIO_LOTS").unwrap_or(if first.is_some() { 1 } else { 3_000 });
    let found = if first.is_none() { &FOUND[..] } else { &[] };
    let first = first.unwrap_or(0);
    for seed in found.iter().copied().chain(first..first + seeds) {
        let Err(wrong) = played(seed, &play, Lot::new(seed)) else { continue };
        let body = Lot::new(seed).body;
        println!("{seed}: {wrong}\n{body:?}");
        let fails = |body: &Body| {
            let mut seeds = std::iter::once(seed).chain(0..TRIES);
            seeds.any(|seed| {
                let times = if seed < TRIES { Maker::new(seed) } else { Lot::new(seed).times };
                played(seed, &play, Lot { body: body.clone(), times }).is_err()
            })
        };
        panic!("CORIO_LOT={seed}: {wrong}\nThe smallest is {:?}", body.minimal(fails));
    }
}

#[test]
fn a_body_by_lot_ends_when_it_is_cancelled() {
    by_lot(storm);
}

#[test]
fn a_body_by_lot_answers_each_cancel_or_ends() {
    by_lot(calm);
}

#[test]
fn bodies_by_lot_on_several_workers() {
    run(|| async {
        let storms = (0..300).map(|seed| create_task(storm(Lot::new(seed))));
        for (seed, ended) in gather_all(storms.collect::<Vec<_>>()).await.into_iter().enumerate() {
            assert_eq!(ended.unwrap(), Ok(()), "{seed}: {:?}", Lot::new(seed as u64).body);
        }
    });
}

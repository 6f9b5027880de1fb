//! Concurrent histories of the primitives have a sequential explanation.
//!
//! Threads run small random programs against one object and record when each call began and ended
//! and what came of it; [`checker`] then looks for an order of the calls, compatible with those
//! times, in which a sequential object would have answered the same: one of [`specs`], for the
//! programs of [`programs`], or one that stands beside its program in a module of its own.
//! `CORIO_SEED` replays a run; `CORIO_HISTORIES` sets how many are made of each kind (150). All
//! of these programs run under shuttle's schedules, too, see `src/linear_tests.rs`.
#![cfg(not(any(corio_loom, corio_shuttle)))]

mod answers;
mod checker;
mod condition;
mod programs;
mod record;
mod rounds;
mod specs;
mod tree;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn histories(program: fn(u64) -> usize) {
    let clock = std::time::UNIX_EPOCH.elapsed().map_or(1, |now| now.as_nanos() as u64);
    let seed = setting("CORIO_SEED", clock);
    println!("CORIO_SEED={seed}");
    let histories = seed..seed.saturating_add(setting("CORIO_HISTORIES", 150));
    println!("{} calls", histories.map(program).sum::<usize>());
}

macro_rules! explained {
    ($($of:ident: $($program:ident)*;)*) => {
        mod explained {
            $($(#[test]
            fn $program() {
                super::histories(super::$of::$program);
            })*)*
        }
    };
}

explained! {
    programs: lock unfair_lock rwlock semaphore queue bounded_queue lifo_queue bounded_lifo_queue;
    programs: priority_queue event notify one_value unbounded_channel bounded_channel;
    programs: announcements latest_value;
    rounds: barrier;
    condition: condition;
    answers: set_once deferred once_cell;
    tree: tokens;
}

/// A checker that cannot fail proves nothing: histories are made wrong, and must be found out.
mod seeded {
    use super::checker::{Spec, Thread, explained};
    use super::programs::wrong;
    use super::specs::{Item, Items, Latest, Order, Turn, Turns, View};

    /// Tampers with some histories; returns how many it could.
    fn found_out<S: Spec>(
        initial: &S,
        history: fn(u64) -> Vec<Thread<S::Step>>,
        tamper: fn(Vec<&mut S::Step>) -> bool,
    ) {
        let mut tampered = 0;
        for seed in 0..60 {
            let mut history = history(seed);
            assert!(explained(initial, &history));
            let calls = history.iter_mut().flatten();
            if tamper(calls.flat_map(|call| &mut call.steps).collect()) {
                tampered += 1;
                assert!(!explained(initial, &history), "seed {seed}");
            }
        }
        assert!(tampered > 20, "only {tampered} histories could be made wrong");
    }

    #[test]
    fn an_item_that_comes_out_twice() {
        found_out(&Items::new(Order::First, 0), wrong::queue, |mut steps| {
            let mut taken = None;
            for step in &mut steps {
                if let Item::Take(_, value) = step {
                    match taken {
                        Some(first) => {
                            *value = first;
                            return true;
                        }
                        None => taken = Some(*value),
                    }
                }
            }
            false
        });
    }

    #[test]
    fn an_item_that_is_lost() {
        found_out(&Items::new(Order::First, 0), wrong::queue, |mut steps| {
            let last = steps.iter().rposition(|step| matches!(step, Item::Take(..)));
            // A get that found something says that there was nothing, with nobody beside it.
            let Some(at) = last.filter(|at| *at + 3 == steps.len()) else { return false };
            *steps[at - 2] = Item::Empty;
            *steps[at - 1] = Item::Empty;
            *steps[at] = Item::Empty;
            true
        });
    }

    #[test]
    fn a_release_that_is_lost() {
        found_out(&Turns::new(1), wrong::lock, |mut steps| {
            let release = steps.iter().position(|step| matches!(step, Turn::Give(_)));
            release.map(|at| *steps[at] = Turn::Give(0)).is_some()
        });
    }

    #[test]
    fn a_value_of_the_past() {
        found_out(&Latest::new(0, 2), wrong::latest_value, |mut steps| {
            let written = steps.iter().any(|step| matches!(step, View::Write(_)));
            if let (true, Some(last)) = (written, steps.last_mut()) {
                **last = View::Read(0);
            }
            written
        });
    }
}

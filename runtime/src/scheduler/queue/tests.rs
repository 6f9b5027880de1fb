//! The queues without a model: the twin behaves as crossbeam does, and crossbeam under load.

use super::{Deque, Inject, Steal, local, model};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::*};
use std::time::{Duration, Instant};

/// One step of two workers and their injector.
#[derive(Debug, Clone, Copy)]
enum Step {
    Push(bool),
    Pop(bool),
    Steal(bool),
    Inject,
    Take(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any::<bool>().prop_map(Step::Push),
        3 => any::<bool>().prop_map(Step::Pop),
        2 => any::<bool>().prop_map(Step::Steal),
        2 => Just(Step::Inject),
        1 => any::<bool>().prop_map(Step::Take),
    ]
}

/// Runs the steps against an oracle. What a batch takes beside its first task is read off the
/// thief's length; that these are the next in order is checked.
fn agree<Q: Deque<usize>>(steps: &[Step], injector: &Q::Injector) {
    let queues = [Q::new(), Q::new()];
    let victims = [queues[0].victim(), queues[1].victim()];
    let mut oracle = [VecDeque::new(), VecDeque::new()];
    let mut shared = VecDeque::new();
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Push(who) => {
                let (queue, expected) = (&queues[who as usize], &mut oracle[who as usize]);
                if expected.len() >= Q::BOUND {
                    shared.extend(expected.drain(..Q::BOUND / 2));
                }
                queue.push(number, injector);
                expected.push_back(number);
            }
            Step::Pop(who) => {
                assert_eq!(queues[who as usize].pop(), oracle[who as usize].pop_front());
            }
            Step::Steal(who) => {
                let (thief, from) = (who as usize, !who as usize);
                let stolen = queues[thief].steal_into(&victims[from]);
                assert_eq!(stolen, oracle[from].pop_front());
                let batch = queues[thief].len() - oracle[thief].len();
                assert!(batch <= oracle[from].len(), "more than half was stolen");
                let batch: Vec<_> = oracle[from].drain(..batch).collect();
                oracle[thief].extend(batch);
            }
            Step::Inject => {
                injector.push(number);
                shared.push_back(number);
            }
            Step::Take(who) => {
                let thief = who as usize;
                assert_eq!(queues[thief].take_from(injector), shared.pop_front());
                let batch = queues[thief].len() - oracle[thief].len();
                oracle[thief].extend(shared.drain(..batch));
            }
        }
        for who in 0..2 {
            assert_eq!(queues[who].len(), oracle[who].len());
            assert_eq!(victims[who].len(), oracle[who].len());
            assert_eq!(victims[who].is_empty(), queues[who].is_empty());
        }
        assert_eq!(injector.len(), shared.len());
        assert_eq!(injector.is_empty(), shared.is_empty());
    }
    for (queue, expected) in queues.iter().zip(oracle) {
        let rest: VecDeque<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(rest, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_twin_is_a_queue_of_crossbeams_kind(steps in prop::collection::vec(step(), 0..200)) {
        agree::<model::Local<usize>>(&steps, &model::Injector::new());
    }

    #[test]
    fn crossbeams_queue_is_what_the_seam_says(steps in prop::collection::vec(step(), 0..2000)) {
        agree::<local::Local<usize>>(&steps, &local::Injector::new());
    }
}

#[test]
fn the_push_that_finds_it_full_moves_the_older_half() {
    let (queue, injector) = (local::Local::new(), local::Injector::new());
    (0..257).for_each(|task| queue.push(task, &injector));
    assert_eq!((queue.len(), injector.len()), (129, 128));
    assert_eq!(queue.pop(), Some(128));
    assert_eq!(queue.take_from(&injector), Some(0));
    assert_eq!(queue.pop(), Some(129), "a batch queues at the end");
}

/// A small generator, so that a failure names the seed that made the schedule.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Tasks of one round of the stress test: several times the bound, so that the spill, the growth
/// and the shrinking of the ring all happen under thieves.
const ROUND: usize = 4096;

/// An owner that pushes and pops in bursts against two thieves; counts how often each task ran.
fn stress_round(seed: u64) {
    let ran: Vec<_> = (0..ROUND).map(|_| AtomicU8::new(0)).collect();
    let run = |task: usize| ran[task].fetch_add(1, Relaxed);
    let (queue, injector) = (local::Local::new(), local::Injector::new());
    let victim = queue.victim();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let own = local::Local::new();
                while !(over.load(Acquire) && victim.is_empty() && injector.is_empty()) {
                    own.steal_into(&victim).or_else(|| own.take_from(&injector)).map(run);
                    while let Some(task) = own.pop() {
                        run(task);
                    }
                }
            });
        }
        let mut random = Random(seed);
        let mut next = 0;
        while next < ROUND {
            let burst = random.below(600) as usize;
            for task in next..(next + burst).min(ROUND) {
                queue.push(task, &injector);
            }
            next += burst;
            for _ in 0..random.below(500) {
                queue.pop().map(run);
            }
        }
        while let Some(task) = queue.pop() {
            run(task);
        }
        over.store(true, Release);
    });
    let wrong = ran.iter().position(|count| count.load(Relaxed) != 1);
    assert_eq!(wrong, None, "a task did not run exactly once with seed {seed:#x}");
}

#[test]
fn stress_every_task_runs_exactly_once() {
    let end = Instant::now() + Duration::from_secs(1);
    for round in 1.. {
        stress_round(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(round));
        if Instant::now() >= end {
            break;
        }
    }
}

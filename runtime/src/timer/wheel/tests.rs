//! The wheel against an ordered map: never early, never late, equal deadlines first come first.
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// What the wheel must do, written so that nobody needs to think.
#[derive(Default)]
struct Oracle {
    deadlines: BTreeMap<(u64, u64), Key>,
    inserted: u64,
}

impl Oracle {
    fn insert(&mut self, deadline: u64, key: Key) -> u64 {
        self.inserted += 1;
        self.deadlines.insert((deadline, self.inserted), key);
        self.inserted
    }

    fn pop_due(&mut self, now: u64) -> Option<u64> {
        let (&(deadline, id), _) = self.deadlines.first_key_value()?;
        if deadline > now {
            return None;
        }
        self.deadlines.remove(&(deadline, id));
        Some(id)
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Insert a deadline this far from now; negative in the past.
    Insert(i64),
    /// Insert exactly the deadline of one that is already there.
    InsertEqual(usize),
    InsertFar(u64),
    Remove(usize),
    /// Let this much time pass and pop all that is due, at most this many at once.
    Advance(u64, usize),
    /// Go to the time that the wheel itself names.
    AdvanceToNext,
}

/// Spans of every magnitude: each level must be reached.
fn span() -> impl Strategy<Value = u64> {
    (0u32..60, any::<u64>()).prop_map(|(bits, noise)| (1 << bits) | (noise & ((1 << bits) - 1)))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => span().prop_map(|span| Step::Insert(span as i64)),
        4 => (0i64..4 << TICK_BITS).prop_map(Step::Insert),
        1 => (-(4 << TICK_BITS)..0i64).prop_map(Step::Insert),
        2 => any::<usize>().prop_map(Step::InsertEqual),
        1 => any::<u64>().prop_map(Step::InsertFar),
        3 => any::<usize>().prop_map(Step::Remove),
        3 => (span(), 1usize..40).prop_map(|(by, limit)| Step::Advance(by, limit)),
        3 => (0u64..2 << TICK_BITS, 1usize..40).prop_map(|(by, limit)| Step::Advance(by, limit)),
        2 => Just(Step::AdvanceToNext),
    ]
}

struct Pair {
    wheel: Wheel<u64>,
    oracle: Oracle,
    now: u64,
}

impl Pair {
    fn insert(&mut self, deadline: u64) {
        let id = self.oracle.inserted + 1;
        let key = self.wheel.insert(deadline, id);
        assert_eq!(self.oracle.insert(deadline, key), id);
    }

    fn nth(&self, n: usize) -> Option<((u64, u64), Key)> {
        let len = self.oracle.deadlines.len();
        let (&place, &key) = self.oracle.deadlines.iter().nth(n.checked_rem(len)?)?;
        Some((place, key))
    }

    fn pop(&mut self, limit: usize) {
        for _ in 0..limit {
            let expected = self.oracle.pop_due(self.now);
            assert_eq!(self.wheel.pop_due(self.now), expected, "at {}", self.now);
            if expected.is_none() {
                break;
            }
        }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Insert(by) => self.insert(self.now.saturating_add_signed(by)),
            Step::InsertFar(deadline) => self.insert(deadline),
            Step::InsertEqual(n) => {
                if let Some(((deadline, _), _)) = self.nth(n) {
                    self.insert(deadline);
                }
            }
            Step::Remove(n) => {
                if let Some((place, key)) = self.nth(n) {
                    self.oracle.deadlines.remove(&place);
                    assert_eq!(self.wheel.remove(key), Some(place.1));
                    assert_eq!(self.wheel.remove(key), None, "removed twice");
                }
            }
            Step::Advance(by, limit) => {
                self.now = self.now.saturating_add(by);
                self.pop(limit);
            }
            Step::AdvanceToNext => {
                let next = self.wheel.next_deadline();
                if next != NEVER {
                    self.now = self.now.max(next);
                    self.pop(usize::MAX);
                }
            }
        }
        self.check();
    }

    fn check(&self) {
        assert_eq!(self.wheel.len(), self.oracle.deadlines.len());
        let next = self.wheel.next_deadline();
        match self.oracle.deadlines.first_key_value() {
            None => assert_eq!(next, NEVER),
            Some((&(earliest, _), _)) => assert!(next <= earliest, "{next} is after {earliest}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn wheel_does_what_an_ordered_map_does(
        start in prop_oneof![Just(0), span()],
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut pair = Pair { wheel: Wheel::new(), oracle: Oracle::default(), now: start };
        pair.wheel.pop_due(start);
        for step in steps {
            pair.apply(step);
        }
        pair.now = u64::MAX;
        pair.pop(usize::MAX);
        prop_assert_eq!(pair.wheel.len(), 0);
    }
}

#[test]
fn equal_deadlines_keep_their_order_on_every_level() {
    for bits in 0..63 {
        let mut wheel = Wheel::new();
        let deadline = 1 << bits;
        for id in 0..5 {
            wheel.insert(deadline, id);
            // Time that passes in between must not let a later one overtake.
            assert_eq!(wheel.pop_due(deadline / 8 * (id + 1)), None);
        }
        let popped: Vec<u64> = std::iter::from_fn(|| wheel.pop_due(deadline)).collect();
        assert_eq!(popped, [0, 1, 2, 3, 4], "deadline 2^{bits}");
    }
}

#[test]
fn next_deadline_of_a_lone_timer_is_exact_from_any_distance() {
    for bits in 0..64 {
        let mut wheel = Wheel::new();
        let deadline = (1 << bits) + (1 << bits) / 3;
        wheel.insert(deadline, ());
        assert_eq!(wheel.next_deadline(), deadline, "one sleep, one wake-up");
        assert_eq!(wheel.pop_due(deadline - 1), None, "early");
        assert_eq!(wheel.next_deadline(), deadline);
        assert_eq!(wheel.pop_due(deadline), Some(()), "late");
        assert_eq!(wheel.next_deadline(), NEVER);
    }
}

#[test]
fn a_removed_earliest_costs_one_look_and_no_more() {
    let mut wheel = Wheel::new();
    let first = wheel.insert(5 << TICK_BITS, 1);
    wheel.insert((5 << TICK_BITS) + 10, 2);
    wheel.remove(first);
    let bound = wheel.next_deadline();
    assert!(bound <= (5 << TICK_BITS) + 10);
    assert_eq!(wheel.pop_due(bound), None);
    assert_eq!(wheel.next_deadline(), (5 << TICK_BITS) + 10);
}

#[test]
fn a_key_that_outlived_its_deadline_names_nothing() {
    let mut wheel = Wheel::new();
    let old = wheel.insert(1, 'a');
    assert_eq!(wheel.pop_due(1), Some('a'));
    let new = wheel.insert(2, 'b');
    assert_eq!(wheel.remove(old), None, "the node is in use again");
    assert_eq!(wheel.remove(Key::NONE), None);
    assert_eq!(wheel.remove(new), Some('b'));
}

#[test]
fn insertion_and_removal_reuse_memory() {
    let mut wheel = Wheel::new();
    for round in 0..10_000u64 {
        for distance in [0, 1 << 10, 1 << 21, 1 << 30, 1 << 50, NEVER - (1 << 40)] {
            let key = wheel.insert(round + distance, ());
            wheel.remove(key);
        }
    }
    assert_eq!(wheel.nodes.len(), 1);
    assert_eq!(wheel.next_deadline(), NEVER);
}

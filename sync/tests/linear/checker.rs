//! Looks for a sequential order that explains a concurrent history.
//!
//! *Source.* Wing and Gong, *Testing and verifying concurrent objects* (1993), with the memory of
//! Lowe, *Testing for linearizability* (2017): what was reached once with the same calls done and
//! the same state is not searched again.
//!
//! *Calls of several steps.* An acquisition that waits first asks and then gets (Scherer and Scott,
//! *Nonblocking concurrent objects with condition synchronization*, 2004): its steps are put in
//! order each for itself, all between the call's beginning and its end.

use std::collections::HashSet;
use std::fmt::{Debug, Write as _};
use std::hash::Hash;

/// A sequential object.
pub trait Spec: Clone + Eq + Hash {
    /// A step with its outcome.
    type Step: Clone + Debug;

    /// The state after the step, unless the outcome is wrong here.
    fn step(&self, step: &Self::Step) -> Option<Self>;

    /// The state after the same step where the object has a choice.
    fn other(&self, _step: &Self::Step) -> Option<Self> {
        None
    }
}

/// A call that a thread made: its steps took effect between two moments.
#[derive(Clone, Debug)]
pub struct Call<P> {
    pub start: u64,
    pub end: u64,
    pub steps: Vec<P>,
}

/// One thread's calls in order.
pub type Thread<P> = Vec<Call<P>>;

/// Fails with the history if no sequential order explains it; returns the number of calls.
#[track_caller]
pub fn check<S: Spec>(initial: &S, threads: &[Thread<S::Step>]) -> usize {
    if !explained(initial, threads) {
        panic!("no order explains this history:\n{}", shown(threads));
    }
    threads.iter().map(Vec::len).sum()
}

/// Whether some sequential order explains the history.
pub fn explained<S: Spec>(initial: &S, threads: &[Thread<S::Step>]) -> bool {
    let lanes: Vec<Vec<Pending<'_, S::Step>>> = threads.iter().map(|t| lane(t, threads)).collect();
    let mut seen = HashSet::new();
    search(initial, &lanes, &mut vec![0; threads.len()], &mut seen)
}

/// A step, and how many steps of each thread must come before it.
struct Pending<'a, P> {
    step: &'a P,
    after: Vec<usize>,
}

fn lane<'a, P>(thread: &'a Thread<P>, all: &[Thread<P>]) -> Vec<Pending<'a, P>> {
    let before = |start: u64| -> Vec<usize> {
        let ended = |calls: &Thread<P>| -> usize {
            calls.iter().filter(|call| call.end < start).map(|call| call.steps.len()).sum()
        };
        all.iter().map(ended).collect()
    };
    let steps = |call: &'a Call<P>| {
        let after = before(call.start);
        call.steps.iter().map(move |step| Pending { step, after: after.clone() })
    };
    thread.iter().flat_map(steps).collect()
}

fn search<S: Spec>(
    state: &S,
    lanes: &[Vec<Pending<'_, S::Step>>],
    done: &mut Vec<usize>,
    seen: &mut HashSet<(Vec<usize>, S)>,
) -> bool {
    if done.iter().zip(lanes).all(|(done, lane)| *done == lane.len()) {
        return true;
    }
    if !seen.insert((done.clone(), state.clone())) {
        return false;
    }
    for (i, lane) in lanes.iter().enumerate() {
        let Some(next) = lane.get(done[i]) else { continue };
        if next.after.iter().zip(done.iter()).any(|(after, done)| done < after) {
            continue;
        }
        for state in [state.step(next.step), state.other(next.step)].into_iter().flatten() {
            done[i] += 1;
            if search(&state, lanes, done, seen) {
                return true;
            }
            done[i] -= 1;
        }
    }
    false
}

fn shown<P: Debug>(threads: &[Thread<P>]) -> String {
    let mut text = String::new();
    for (i, calls) in threads.iter().enumerate() {
        for Call { start, end, steps } in calls {
            let _ = writeln!(text, "  thread {i} {start:4}-{end:<4} {steps:?}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A register that is written and read.
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Register(u8);

    #[derive(Clone, Debug)]
    enum Access {
        Write(u8),
        Read(u8),
    }

    impl Spec for Register {
        type Step = Access;

        fn step(&self, step: &Access) -> Option<Self> {
            match step {
                Access::Write(value) => Some(Self(*value)),
                Access::Read(value) => (*value == self.0).then(|| self.clone()),
            }
        }
    }

    fn call(start: u64, end: u64, step: Access) -> Call<Access> {
        Call { start, end, steps: vec![step] }
    }

    #[test]
    fn overlapping_calls_may_be_put_in_either_order() {
        use Access::{Read, Write};
        for seen in [0, 1] {
            let threads = [vec![call(1, 4, Write(1))], vec![call(2, 3, Read(seen))]];
            assert!(explained(&Register(0), &threads));
        }
    }

    #[test]
    fn a_read_of_the_past_is_found() {
        use Access::{Read, Write};
        let threads = [vec![call(1, 2, Write(1))], vec![call(3, 4, Read(0))]];
        assert!(!explained(&Register(0), &threads));
        // Two readers that see two writes in different orders.
        let writers = [vec![call(1, 9, Write(1))], vec![call(1, 9, Write(2))]];
        let reader = |a, b| vec![call(2, 3, Read(a)), call(4, 5, Read(b))];
        let agree = [writers[0].clone(), writers[1].clone(), reader(1, 2), reader(1, 2)];
        assert!(explained(&Register(0), &agree));
        let differ = [writers[0].clone(), writers[1].clone(), reader(1, 2), reader(2, 1)];
        assert!(!explained(&Register(0), &differ));
    }

    #[test]
    #[should_panic(expected = "no order explains this history:\n  thread 0    1-2    [Read(7)]")]
    fn what_is_wrong_is_shown() {
        check(&Register(0), &[vec![call(1, 2, Access::Read(7))]]);
    }
}

//! What is set once: [`SetOnce`], the core of a deferred, and [`OnceCell`].
//!
//! Each poll is a call of its own, see [`Recorder::poll_for_a_while`]. Promises less than one step
//! each:
//!
//! - Who sets a [`SetOnce`] claims it, stores the value, and wakes those who wait: another `set` may
//!   have been refused while there is no value yet.
//! - Who fills a [`OnceCell`] has the turn before there is a value; a `set` that comes meanwhile is
//!   refused.

use super::checker::Spec;
use super::record::{Recorder, run};
use super::specs::Turns;
use corio_sync::deferred::{DeferredCore, Outcome};
use corio_sync::{OnceCell, SetOnce};
use std::cell::Cell;
use std::task::{Context, Poll};

/// A value that is set once.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Answer {
    claimed: bool,
    value: Option<u64>,
    /// All who waited were woken.
    told: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Claim,
    Fill(u64),
    /// Both at once.
    Settle(u64),
    Told,
    Refused,
    Seen(Option<u64>),
    Asleep,
}

impl Spec for Answer {
    type Step = Reply;

    fn step(&self, step: &Reply) -> Option<Self> {
        let mut next = self.clone();
        let legal = match *step {
            Reply::Claim => {
                next.claimed = true;
                !self.claimed
            }
            Reply::Fill(value) => {
                next.value = Some(value);
                self.claimed && self.value.is_none()
            }
            Reply::Settle(value) => {
                (next.claimed, next.value) = (true, Some(value));
                !self.claimed
            }
            Reply::Told => {
                next.told = true;
                self.value.is_some()
            }
            Reply::Refused => self.claimed,
            Reply::Seen(seen) => seen == self.value,
            Reply::Asleep => !self.told,
        };
        legal.then_some(next)
    }
}

/// Waits for an answer, and leaves it.
fn wait<F: Future>(r: &mut Recorder<Reply>, future: F, value: fn(&F::Output) -> u64) {
    let mut future = Box::pin(future);
    let steps = |seen: Option<&F::Output>| vec![Reply::Seen(seen.map(value))];
    r.poll_for_a_while(future.as_mut(), steps, || vec![Reply::Asleep]);
    r.call(|_| (Vec::new(), drop(future)));
}

pub fn set_once(seed: u64) -> usize {
    fn look(cell: &SetOnce<u64>, r: &mut Recorder<Reply>) {
        r.call(|_| (vec![Reply::Seen(cell.get().copied())], ()));
    }
    fn call(cell: &SetOnce<u64>, r: &mut Recorder<Reply>) {
        match r.random.below(6) {
            0 => r.call(|r| match cell.set(r.id()) {
                Ok(()) => (vec![Reply::Claim, Reply::Fill(r.id()), Reply::Told], ()),
                Err(_) => (vec![Reply::Refused], ()),
            }),
            1 => look(cell, r),
            _ => wait(r, cell.wait(), |value| **value),
        }
    }
    run(seed, Answer::default(), SetOnce::new(), call, look)
}

type Core = DeferredCore<u64, u64, u64>;

/// Tells the three outcomes apart.
fn outcome(outcome: &Outcome<u64, u64, u64>) -> u64 {
    match *outcome {
        Outcome::Value(id) => id * 3,
        Outcome::Failed(id) => id * 3 + 1,
        Outcome::Cancelled(id) => id * 3 + 2,
    }
}

pub fn deferred(seed: u64) -> usize {
    fn look(core: &Core, r: &mut Recorder<Reply>) {
        r.call(|_| (vec![Reply::Seen(core.get().map(outcome))], ()));
    }
    fn settle(core: &Core, r: &mut Recorder<Reply>) {
        let ending = r.random.below(3);
        r.call(|r| {
            let id = r.id();
            let (set, to) = match ending {
                0 => (core.set_result(id).is_ok(), Outcome::Value(id)),
                1 => (core.set_exception(id).is_ok(), Outcome::Failed(id)),
                _ => (core.cancel(|| id), Outcome::Cancelled(id)),
            };
            let won = vec![Reply::Settle(outcome(&to)), Reply::Told];
            (if set { won } else { vec![Reply::Refused] }, ())
        });
    }
    fn call(core: &Core, r: &mut Recorder<Reply>) {
        match r.random.below(6) {
            0 => settle(core, r),
            1 => look(core, r),
            _ => wait(r, core.wait(), |ended| outcome(ended)),
        }
    }
    run(seed, Answer::default(), Core::new(), call, look)
}

/// A value that one call at a time makes, in order, until one succeeds.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Made {
    /// The right to make it.
    turn: Turns,
    value: Option<u64>,
    told: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Making {
    /// Asks for the turn, takes a place, and begins, unless it has done so before.
    Ask(u64),
    Place(u64),
    Begin(u64),
    /// Without a place: by `set`.
    BeginNow,
    Fill(u64),
    Told,
    /// The turn goes on: what was begun failed, or was dropped.
    Fail,
    Leave(u64),
    /// A call that waits ends with somebody else's value.
    Found(u64, u64),
    Waits(u64),
    Refused,
    Seen(Option<u64>),
    Asleep(u64),
}

impl Made {
    fn new() -> Self {
        Self { turn: Turns::new(1), value: None, told: false }
    }
}

impl Spec for Made {
    type Step = Making;

    fn step(&self, step: &Making) -> Option<Self> {
        let mut next = self.clone();
        let empty = self.value.is_none();
        let legal = match *step {
            Making::Ask(id) => {
                next.turn.ask(id, 1);
                true
            }
            Making::Place(id) => next.turn.place(id).is_some(),
            Making::Begin(id) => next.turn.get(id).is_some() && empty,
            Making::BeginNow => {
                next.turn.ask(0, 1);
                next.turn.place(0);
                self.turn.has(1) && next.turn.get(0).is_some() && empty
            }
            Making::Fill(value) => {
                next.value = Some(value);
                empty
            }
            Making::Told => {
                next.told = true;
                true
            }
            Making::Fail => {
                next.turn.give(1);
                empty
            }
            Making::Leave(id) => {
                next.turn.leave(id);
                true
            }
            Making::Found(id, value) => {
                next.turn.leave(id);
                self.value == Some(value)
            }
            Making::Waits(id) => empty && !self.turn.has_come(id),
            Making::Refused => !empty || !self.turn.has(1),
            Making::Seen(value) => self.value == value,
            Making::Asleep(id) => !self.told && !self.turn.has_come(id),
        };
        legal.then_some(next)
    }
}

/// How far the making of one call is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Waiting,
    Begun,
}

/// What makes a value: it waits for some polls, and ends as it was told to.
struct Work {
    polls: u64,
    end: Result<u64, ()>,
}

impl Future for Work {
    type Output = Result<u64, ()>;

    fn poll(mut self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(self.end);
        }
        self.polls -= 1;
        Poll::Pending
    }
}

/// The steps of a poll of `get_or_try_init`, given how far it was before and whether `init` has been
/// called since.
fn making(id: u64, before: Stage, begun: bool, output: Option<Result<u64, ()>>) -> Vec<Making> {
    let asked = [Making::Ask(id), Making::Place(id)];
    let mut steps = if before == Stage::New { asked.to_vec() } else { Vec::new() };
    if begun && before != Stage::Begun {
        steps.push(Making::Begin(id));
    }
    match output {
        Some(Ok(value)) if value == id => steps.extend([Making::Fill(value), Making::Told]),
        // The value may have been there when it came.
        Some(Ok(value)) => return vec![Making::Found(id, value)],
        Some(Err(())) => steps.push(Making::Fail),
        None if begun => {}
        None => steps.push(Making::Waits(id)),
    }
    steps
}

fn make(cell: &OnceCell<u64>, r: &mut Recorder<Making>) {
    let id = r.next_id();
    let polls = r.random.below(3);
    let end = if r.random.below(2) == 0 { Ok(id) } else { Err(()) };
    let (stage, begun) = (Cell::new(Stage::New), Cell::new(false));
    let mut future = Box::pin(cell.get_or_try_init(|| {
        begun.set(true);
        Work { polls, end }
    }));
    let steps = |output: Option<&Result<&u64, ()>>| {
        let now = if begun.get() { Stage::Begun } else { Stage::Waiting };
        making(id, stage.replace(now), begun.get(), output.map(|output| output.copied()))
    };
    let asleep = || if begun.get() { Vec::new() } else { vec![Making::Asleep(id)] };
    let ended = r.poll_for_a_while(future.as_mut(), steps, asleep).is_some();
    let leaves = if begun.get() { Making::Fail } else { Making::Leave(id) };
    r.call(|_| (if ended { Vec::new() } else { vec![leaves] }, drop(future)));
}

pub fn once_cell(seed: u64) -> usize {
    fn look(cell: &OnceCell<u64>, r: &mut Recorder<Making>) {
        r.call(|_| (vec![Making::Seen(cell.get().copied())], ()));
    }
    fn call(cell: &OnceCell<u64>, r: &mut Recorder<Making>) {
        match r.random.below(12) {
            0 => r.call(|r| match cell.set(r.id()) {
                Ok(()) => (vec![Making::BeginNow, Making::Fill(r.id()), Making::Told], ()),
                Err(_) => (vec![Making::Refused], ()),
            }),
            1 | 2 => look(cell, r),
            _ => make(cell, r),
        }
    }
    run(seed, Made::new(), OnceCell::new(), call, look)
}

#[cfg(test)]
mod tests {
    use super::super::checker::{Call, Thread, explained};
    use super::*;

    /// Calls one after the other.
    fn thread<P: Clone>(calls: &[&[P]]) -> Thread<P> {
        let call = |(at, steps): (usize, &&[P])| {
            let start = at as u64 * 2;
            Call { start, end: start + 1, steps: steps.to_vec() }
        };
        calls.iter().enumerate().map(call).collect()
    }

    fn answers(calls: &[&[Reply]]) -> bool {
        explained(&Answer::default(), &[thread(calls)])
    }

    #[test]
    fn an_answer_has_one_winner_and_stays() {
        let set = |value| [Reply::Claim, Reply::Fill(value), Reply::Told];
        assert!(answers(&[&set(1), &[Reply::Refused], &[Reply::Seen(Some(1))]]));
        assert!(!answers(&[&set(1), &set(2)]));
        assert!(!answers(&[&[Reply::Settle(1)], &[Reply::Settle(2)]]));
        assert!(!answers(&[&[Reply::Refused]]), "nobody else has set it");
        assert!(!answers(&[&set(1), &[Reply::Seen(None)]]));
        assert!(!answers(&[&set(1), &[Reply::Seen(Some(2))]]));
        assert!(!answers(&[&set(1), &[Reply::Asleep]]));
    }

    fn makes(calls: &[&[Making]]) -> bool {
        explained(&Made::new(), &[thread(calls)])
    }

    #[test]
    fn one_at_a_time_makes_a_value_until_it_is_there() {
        let begins = |id| making(id, Stage::New, true, None);
        let makes_it = |id| making(id, Stage::Begun, true, Some(Ok(id)));
        let waits = |id| making(id, Stage::New, false, None);
        let next = |id| making(id, Stage::Waiting, true, None);
        assert!(makes(&[&begins(3), &waits(6), &makes_it(3), &[Making::Found(6, 3)]]));
        assert!(!makes(&[&begins(3), &begins(6)]), "two at a time");
        assert!(!makes(&[&begins(3), &makes_it(3), &begins(6)]), "once more");
        assert!(!makes(&[&waits(3)]), "for nobody");
        // A failure lets the next one try, and no other.
        assert!(makes(&[&begins(3), &waits(6), &waits(9), &[Making::Fail], &next(6)]));
        assert!(!makes(&[&begins(3), &waits(6), &waits(9), &[Making::Fail], &next(9)]));
        assert!(!makes(&[&begins(3), &waits(6), &[Making::Fail], &[Making::Asleep(6)]]));
        assert!(!makes(&[&begins(3), &waits(6), &makes_it(3), &[Making::Asleep(6)]]));
        let set = [Making::BeginNow, Making::Fill(1), Making::Told];
        assert!(makes(&[&begins(3), &[Making::Refused], &[Making::Fail], &set]));
        assert!(!makes(&[&begins(3), &set]));
    }
}

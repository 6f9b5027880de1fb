//! [`Barrier`]: rounds of a number of parties.
//!
//! Each poll is a call of its own, see [`Recorder::poll_for_a_while`]. Promises less than one step
//! each:
//!
//! - Who fills a round releases the others one after the other; so does who breaks it, and who is
//!   the last to leave it, for those at the gate, and for those who came early if they fill the next.
//! - Of two calls that release the same waiters one chooses them, and the other one returns.
//! - Who gives up leaves its place first and is counted until then: a round may be filled with its
//!   help that gives it no number.

use super::checker::Spec;
use super::record::{Recorder, run};
use corio_sync::{Barrier, BarrierWaitResult, BrokenBarrier};

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Filling,
    Leaving,
    /// Reset, but not all have left.
    Resetting,
    Broken,
    /// It was broken, and is not any more, but not all have left.
    Mending,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum At {
    Inside,
    /// It left its place while the round filled, or later; and then the round.
    Withdrawn {
        filling: bool,
    },
    Gone {
        filling: bool,
    },
    /// It has left, with this number.
    Left(Option<usize>),
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Member {
    id: u64,
    at: At,
}

/// A barrier for so many.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Rounds {
    parties: usize,
    phase: Phase,
    /// Those who have arrived, in order, until all have left.
    members: Vec<Member>,
    /// Who filled the round by its arrival.
    filled_by: Option<u64>,
    /// Those who came while a round was left: the members of the next.
    early: Vec<Member>,
    /// Those who found no room there.
    gate: Vec<u64>,
    /// Whom a call still has to release, and who was released.
    releases: Vec<(u64, Vec<u64>)>,
    released: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Round {
    /// Arrives, or stands at the gate, unless it is there already.
    Come(u64),
    /// The call releases those whom it has to.
    Release(u64),
    /// It was not released: it waits, and its waker was not called.
    Waits(u64),
    Leave(u64, Option<usize>),
    /// It gives up: its place, and then its part of the count.
    Withdraw(u64),
    Depart(u64),
    Reset(u64),
    Abort(u64),
    Waiting(usize),
    Broken(bool),
}

impl Rounds {
    pub fn new(parties: usize) -> Self {
        let (members, early, gate) = (Vec::new(), Vec::new(), Vec::new());
        let (releases, released) = (Vec::new(), Vec::new());
        let phase = Phase::Filling;
        Self { parties, phase, members, filled_by: None, early, gate, releases, released }
    }

    fn member(&mut self, id: u64) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == id)
    }

    fn is_early(&self, id: u64) -> bool {
        self.early.iter().any(|member| member.id == id)
    }

    fn inside(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| !matches!(member.at, At::Left(_) | At::Gone { .. }))
    }

    /// It is no longer where it might be released.
    fn moves(&mut self, id: u64) {
        self.gate.retain(|other| *other != id);
        self.released.retain(|other| *other != id);
        self.releases.iter_mut().for_each(|(_, list)| list.retain(|other| *other != id));
    }

    fn owe(&mut self, call: u64, to: Vec<u64>) {
        self.releases.push((call, to));
        self.releases.sort_unstable();
    }

    /// Whom another call has to release, too, that one may have chosen already: it tells them.
    fn release(&mut self, call: u64) {
        let of = |(by, list): &(u64, Vec<u64>)| if *by == call { list.clone() } else { Vec::new() };
        let mine: Vec<u64> = self.releases.iter().flat_map(of).collect();
        self.releases.retain(|(by, _)| *by != call);
        let chosen = |id: &u64| self.releases.iter().any(|(_, list)| list.contains(id));
        let told: Vec<u64> = mine.into_iter().filter(|id| !chosen(id)).collect();
        self.released.extend(told);
        self.released.sort_unstable();
        self.released.dedup();
    }

    fn come(&mut self, id: u64) {
        if self.member(id).is_some() || self.is_early(id) {
            return;
        }
        self.moves(id);
        match self.phase {
            Phase::Broken => {}
            Phase::Leaving | Phase::Resetting if self.early.len() < self.parties => {
                self.early.push(Member { id, at: At::Inside });
            }
            Phase::Leaving | Phase::Resetting | Phase::Mending => self.gate.push(id),
            Phase::Filling => {
                self.members.push(Member { id, at: At::Inside });
                if self.members.len() == self.parties {
                    self.phase = Phase::Leaving;
                    self.filled_by = Some(id);
                    let others = self.members.iter().map(|member| member.id);
                    let others = others.filter(|other| *other != id).collect();
                    self.owe(id, others);
                }
            }
        }
    }

    fn filled_it(&self, id: u64) -> bool {
        self.filled_by == Some(id)
    }

    /// One of those inside leaves; the last one lets the next move in, and opens the gate.
    fn left(&mut self, id: u64, number: Option<usize>) {
        self.moves(id);
        if let Some(member) = self.member(id) {
            member.at = match member.at {
                At::Withdrawn { filling } => At::Gone { filling },
                _ => At::Left(number),
            };
        }
        if self.inside().count() == 0 {
            self.members.clear();
            self.filled_by = None;
            if matches!(self.phase, Phase::Leaving | Phase::Resetting) {
                self.members = std::mem::take(&mut self.early);
                let full = self.members.len() == self.parties;
                self.phase = if full { Phase::Leaving } else { Phase::Filling };
                let members = self.members.iter().map(|member| member.id);
                let members = if full { members.collect() } else { Vec::new() };
                self.owe(id, [self.gate.clone(), members].concat());
            }
        }
        self.may_be_mended(id);
    }

    fn may_be_mended(&mut self, id: u64) {
        if self.phase == Phase::Mending && self.inside().count() == 0 && self.early.is_empty() {
            self.phase = Phase::Filling;
            self.owe(id, self.gate.clone());
        }
    }

    /// One that came early leaves before it has moved in.
    fn left_early(&mut self, id: u64) {
        self.moves(id);
        self.early.retain(|member| member.id != id);
        self.may_be_mended(id);
    }

    /// Whether a number is right: it counts those who came before and had not left their places. It
    /// may count those who left them later.
    fn is_number(&self, id: u64, number: usize) -> bool {
        let gave_up = |member: &Member| match member.at {
            At::Withdrawn { filling } | At::Gone { filling } => Some(filling),
            At::Inside | At::Left(_) => None,
        };
        let counted = |member: &Member| gave_up(member) != Some(true);
        let surely = |member: &Member| gave_up(member).is_none();
        let before = || self.members.iter().take_while(|member| member.id != id);
        let after = self.members.iter().skip_while(|member| member.id != id).skip(1);
        let least = before().filter(|member| surely(member)).count();
        let most = before().filter(|member| counted(member)).count();
        (least..=most).contains(&number)
            && before().all(|other| other.number().is_none_or(|other| other < number))
            && after.into_iter().all(|other| other.number().is_none_or(|other| other > number))
    }

    fn leave(&mut self, id: u64, number: Option<usize>) -> bool {
        if self.is_early(id) {
            let legal = number.is_none() && matches!(self.phase, Phase::Broken | Phase::Mending);
            self.left_early(id);
            return legal;
        }
        let ended_well = self.phase == Phase::Leaving;
        let legal = match (self.member(id).is_some(), number) {
            (true, Some(number)) => ended_well && self.is_number(id, number),
            (true, None) => {
                matches!(self.phase, Phase::Resetting | Phase::Broken | Phase::Mending)
            }
            (false, None) => {
                self.moves(id);
                return self.phase == Phase::Broken;
            }
            (false, Some(_)) => false,
        };
        self.left(id, number);
        legal
    }

    fn withdraw(&mut self, id: u64) -> bool {
        let filling = self.phase == Phase::Filling;
        let filled_it = self.filled_it(id);
        if let Some(member) = self.early.iter_mut().find(|member| member.id == id) {
            member.at = At::Withdrawn { filling: true };
        } else if let Some(member) = self.member(id) {
            member.at = At::Withdrawn { filling };
        } else {
            self.moves(id);
        }
        !filled_it
    }

    fn depart(&mut self, id: u64) {
        if self.is_early(id) {
            self.left_early(id);
        } else if self.phase == Phase::Filling {
            self.moves(id);
            self.members.retain(|member| member.id != id);
        } else if self.member(id).is_some() {
            self.left(id, None);
        }
    }

    /// Breaks the round under way.
    fn break_up(&mut self, call: u64, phase: Phase) {
        let was_broken = matches!(self.phase, Phase::Broken | Phase::Mending);
        let mut broken: Vec<u64> = self.inside().map(|member| member.id).collect();
        if phase == Phase::Broken || was_broken {
            broken.extend(self.early.iter().map(|member| member.id));
        }
        self.phase = match phase {
            Phase::Resetting if broken.is_empty() => Phase::Filling,
            Phase::Resetting if was_broken => Phase::Mending,
            phase => phase,
        };
        let opens = matches!(self.phase, Phase::Filling | Phase::Broken);
        let gate = if opens { self.gate.clone() } else { Vec::new() };
        self.owe(call, [broken, gate].concat());
    }
}

impl Member {
    fn number(&self) -> Option<usize> {
        if let At::Left(number) = self.at { number } else { None }
    }
}

impl Spec for Rounds {
    type Step = Round;

    fn step(&self, step: &Round) -> Option<Self> {
        let mut next = self.clone();
        let legal = match *step {
            Round::Come(id) => {
                next.come(id);
                true
            }
            Round::Release(call) => {
                next.release(call);
                true
            }
            Round::Waits(id) => {
                let counted = self.is_early(id) || next.member(id).is_some();
                let waits = self.gate.contains(&id) || counted;
                waits && !self.filled_it(id) && !self.released.contains(&id)
            }
            Round::Leave(id, number) => next.leave(id, number),
            Round::Withdraw(id) => next.withdraw(id),
            Round::Depart(id) => {
                next.depart(id);
                true
            }
            Round::Reset(call) => {
                next.break_up(call, Phase::Resetting);
                true
            }
            Round::Abort(call) => {
                next.break_up(call, Phase::Broken);
                true
            }
            Round::Waiting(n) => {
                n == if self.phase == Phase::Filling { self.members.len() } else { 0 }
            }
            Round::Broken(broken) => broken == (self.phase == Phase::Broken),
        };
        legal.then_some(next)
    }

    fn other(&self, step: &Round) -> Option<Self> {
        match *step {
            // The gate was opened, but it was not told yet.
            Round::Come(id) if self.gate.contains(&id) && !self.released.contains(&id) => {
                Some(self.clone())
            }
            _ => None,
        }
    }
}

fn wait(barrier: &Barrier, r: &mut Recorder<Round>) {
    let id = r.next_id();
    let mut future = Box::pin(barrier.wait());
    let steps = |output: Option<&Result<BarrierWaitResult, BrokenBarrier>>| {
        let Some(result) = output else { return vec![Round::Come(id), Round::Waits(id)] };
        let number = result.as_ref().ok().map(BarrierWaitResult::index);
        let release = Round::Release(id);
        vec![Round::Come(id), release.clone(), Round::Leave(id, number), release]
    };
    let ended = r.poll_for_a_while(future.as_mut(), steps, || vec![Round::Waits(id)]).is_some();
    let gives_up = vec![Round::Withdraw(id), Round::Depart(id), Round::Release(id)];
    r.call(|_| (if ended { Vec::new() } else { gives_up }, drop(future)));
}

fn use_barrier(barrier: &Barrier, r: &mut Recorder<Round>) {
    match r.random.below(12) {
        0 => r.call(|r| (vec![Round::Abort(r.id()), Round::Release(r.id())], barrier.abort())),
        1 | 2 => r.call(|r| (vec![Round::Reset(r.id()), Round::Release(r.id())], barrier.reset())),
        3 => r.call(|_| (vec![Round::Waiting(barrier.n_waiting())], ())),
        _ => wait(barrier, r),
    }
}

fn last_look(barrier: &Barrier, r: &mut Recorder<Round>) {
    r.call(|_| (vec![Round::Broken(barrier.broken())], ()));
    r.call(|r| (vec![Round::Reset(r.id()), Round::Release(r.id())], barrier.reset()));
    r.call(|_| (vec![Round::Waiting(barrier.n_waiting())], ()));
    r.call(|_| (vec![Round::Broken(barrier.broken())], ()));
}

pub fn barrier(seed: u64) -> usize {
    let parties = 2 + (seed % 2) as usize;
    run(seed, Rounds::new(parties), Barrier::new(parties), use_barrier, last_look)
}

#[cfg(test)]
mod tests {
    use super::super::checker::{Call, Thread, explained};
    use super::*;

    fn comes(id: u64, start: u64) -> Call<Round> {
        Call { start, end: start + 1, steps: vec![Round::Come(id), Round::Waits(id)] }
    }

    fn leaves(id: u64, start: u64, number: Option<usize>) -> Call<Round> {
        let release = Round::Release(id);
        let steps = vec![Round::Come(id), release.clone(), Round::Leave(id, number), release];
        Call { start, end: start + 1, steps }
    }

    fn call(start: u64, steps: &[Round]) -> Call<Round> {
        Call { start, end: start + 1, steps: steps.to_vec() }
    }

    fn one_round(first: Option<usize>, second: Option<usize>) -> bool {
        let first = vec![comes(1, 1), leaves(1, 5, first)];
        explained(&Rounds::new(2), &[first, vec![leaves(2, 3, second)]])
    }

    #[test]
    fn a_round_has_every_number_once() {
        assert!(one_round(Some(0), Some(1)));
        assert!(!one_round(Some(1), Some(0)), "the last one's is the highest");
        assert!(!one_round(Some(0), Some(0)));
        assert!(!one_round(Some(1), Some(1)));
        assert!(!one_round(Some(0), None));
    }

    #[test]
    fn nobody_leaves_alone() {
        let alone = [vec![comes(1, 1), leaves(1, 3, Some(0))]];
        assert!(!explained(&Rounds::new(2), &alone));
        assert!(explained(&Rounds::new(1), &[vec![leaves(1, 3, Some(0))]]));
        // Who has given up does not count.
        let gone = [Round::Withdraw(1), Round::Depart(1), Round::Release(1)];
        let history = [vec![comes(1, 1), call(3, &gone)], vec![leaves(2, 5, Some(1))]];
        assert!(!explained(&Rounds::new(2), &history));
    }

    #[test]
    fn who_gives_up_once_the_round_is_full_may_have_a_number() {
        let gone = [Round::Withdraw(1), Round::Depart(1), Round::Release(1)];
        let fills = |number| {
            let release = Round::Release(3);
            let steps = vec![Round::Come(3), release.clone(), Round::Leave(3, number), release];
            vec![Call { start: 5, end: 8, steps }]
        };
        let history = |second, third| -> Vec<Thread<Round>> {
            let leaves = vec![comes(2, 3), leaves(2, 9, second)];
            vec![vec![comes(1, 1), call(6, &gone)], leaves, fills(third)]
        };
        assert!(explained(&Rounds::new(3), &history(Some(0), Some(1))));
        assert!(explained(&Rounds::new(3), &history(Some(1), Some(2))));
        assert!(!explained(&Rounds::new(3), &history(Some(2), Some(1))));
        assert!(!explained(&Rounds::new(3), &history(Some(0), Some(0))));
    }

    #[test]
    fn the_released_are_woken() {
        let asleep = |at| -> Vec<Thread<Round>> {
            vec![vec![comes(1, 1), call(at, &[Round::Waits(1)])], vec![leaves(2, 3, Some(1))]]
        };
        assert!(explained(&Rounds::new(2), &asleep(2)));
        assert!(!explained(&Rounds::new(2), &asleep(5)));
        let reset = call(3, &[Round::Reset(9), Round::Release(9)]);
        let history = |end| [vec![comes(1, 1), end], vec![reset.clone()]];
        assert!(explained(&Rounds::new(2), &history(leaves(1, 5, None))));
        assert!(!explained(&Rounds::new(2), &history(call(5, &[Round::Waits(1)]))));
    }
}

//! [`Condition`]: waiting for a notification, under a [`Lock`].
//!
//! Each poll is a call of its own, see [`Recorder::poll_for_a_while`]. Promises less than one step
//! each:
//!
//! - Who waits joins the line, then releases the lock; who was notified asks for the lock.
//! - Notifications are given one after the other: each chooses the first who waits, then tells it.
//!   Others pass it by meanwhile. If it leaves before it is told, the next one is chosen, of those
//!   who waited when the notification began.
//! - A notification of everybody chooses all who wait at once, and tells them in any order: who asks
//!   of its own accord may find what another one, who came before, has not been told yet.
//! - Who leaves with a notification passes it on after it has left: whoever waits then may get it,
//!   also if it came after the notification.

use super::checker::Spec;
use super::record::{Recorder, run};
use super::specs::{Turn, Turns};
use corio_sync::{Condition, ConditionWait, Lock, LockGuard};
use std::pin::Pin;

/// More than can wait at a time.
const EVERYBODY: usize = 3;
/// More than can leave while one notification looks for somebody.
const CHOICES: usize = 4;

/// A lock, and who waits for a notification.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Meeting {
    lock: Turns,
    line: Vec<u64>,
    /// By which notification, and whom, if it has not left; and who else may be. Of those whom one
    /// for everybody chose there is an entry each.
    chosen: Vec<(u64, Option<u64>, Vec<u64>)>,
    /// Their places were granted; they have left them, with the notification; they must pass it on.
    notified: Vec<u64>,
    taken: Vec<u64>,
    passing: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meet {
    Lock(Turn),
    Enlist(u64),
    /// A notification begins, chooses, and tells, unless it has done so before.
    Begin(u64),
    Choose(u64),
    Tell(u64),
    /// Begins, and chooses all who wait.
    ChooseAll(u64),
    /// A poll finds its notification, or finds none.
    Take(u64),
    MayTake(u64),
    /// Asks for the lock, unless it has or waits for a notification; and takes its place.
    Ask(u64),
    Place(u64),
    /// It was neither notified nor, if it was before, given the lock.
    Waits(u64),
    /// Leaves, or gives up, and then passes a notification on.
    Quit(u64),
    PassOn(u64),
}

fn moved(from: &mut Vec<u64>, id: u64) -> bool {
    let before = from.len();
    from.retain(|other| *other != id);
    from.len() < before
}

impl Meeting {
    pub fn new() -> Self {
        let [line, notified, taken, passing] = [const { Vec::new() }; 4];
        Self { lock: Turns::new(1), line, chosen: Vec::new(), notified, taken, passing }
    }

    fn begin(&mut self, notification: u64) {
        self.chosen.push((notification, None, self.line.clone()));
        self.chosen.sort_unstable();
    }

    /// With nobody to choose the notification is over.
    fn choose(&mut self, notification: u64) {
        let open = |found: &&mut (u64, Option<u64>, Vec<u64>)| {
            found.0 == notification && found.1.is_none()
        };
        let Some((_, whom, may_be)) = self.chosen.iter_mut().find(open) else { return };
        match self.line.iter().position(|id| may_be.contains(id)) {
            Some(at) => *whom = Some(self.line.remove(at)),
            None => self.chosen.retain(|(by, ..)| *by != notification),
        }
    }

    fn choose_all(&mut self, notification: u64) {
        let all = self.line.drain(..);
        self.chosen.extend(all.map(|id| (notification, Some(id), Vec::new())));
        self.chosen.sort_unstable();
    }

    /// Which of the choices the notification can tell.
    fn untold(&self, notification: u64) -> impl DoubleEndedIterator<Item = usize> {
        let chosen = self.chosen.iter().enumerate();
        let untold = chosen.filter(move |(_, (by, whom, _))| *by == notification && whom.is_some());
        untold.map(|(at, _)| at)
    }

    fn tell(&mut self, choice: Option<usize>) {
        if let Some(at) = choice {
            self.notified.extend(self.chosen.remove(at).1);
            self.notified.sort_unstable();
        }
    }

    fn is_chosen(&self, id: u64) -> bool {
        self.chosen.iter().any(|(_, whom, _)| *whom == Some(id))
    }

    fn take(&mut self, id: u64) -> bool {
        let notified = moved(&mut self.notified, id);
        if notified {
            self.taken.push(id);
            self.taken.sort_unstable();
        }
        notified || self.taken.contains(&id)
    }

    fn ask(&mut self, id: u64) {
        let waits = self.line.contains(&id) || self.notified.contains(&id);
        if !waits && !self.is_chosen(id) && !self.lock.has_asked(id) {
            self.lock.ask(id, 1);
        }
    }

    fn quit(&mut self, id: u64) {
        moved(&mut self.line, id);
        for (_, whom, _) in &mut self.chosen {
            *whom = whom.filter(|whom| *whom != id);
        }
        let notified = moved(&mut self.notified, id);
        if moved(&mut self.taken, id) || notified {
            self.passing.push(id);
            self.passing.sort_unstable();
        }
    }
}

impl Spec for Meeting {
    type Step = Meet;

    fn step(&self, step: &Meet) -> Option<Self> {
        let mut next = self.clone();
        let legal = match step {
            Meet::Lock(turn) => {
                next.lock = self.lock.step(turn)?;
                if let Turn::Get(id) = turn {
                    moved(&mut next.taken, *id);
                }
                true
            }
            Meet::Enlist(id) => {
                next.line.push(*id);
                true
            }
            Meet::Begin(notification) => {
                next.begin(*notification);
                true
            }
            Meet::Choose(notification) => {
                next.choose(*notification);
                true
            }
            Meet::Tell(notification) => {
                next.tell(self.untold(*notification).next());
                true
            }
            Meet::ChooseAll(notification) => {
                next.choose_all(*notification);
                true
            }
            Meet::Take(id) => next.take(*id),
            Meet::MayTake(id) => {
                next.take(*id);
                true
            }
            Meet::Ask(id) => {
                next.ask(*id);
                true
            }
            Meet::Place(id) => {
                next.lock.place(*id);
                true
            }
            Meet::Waits(id) => !self.notified.contains(id) && !self.lock.has_come(*id),
            Meet::Quit(id) => {
                next.quit(*id);
                true
            }
            Meet::PassOn(id) => {
                if moved(&mut next.passing, *id) {
                    next.begin(*id);
                }
                true
            }
        };
        legal.then_some(next)
    }

    fn other(&self, step: &Meet) -> Option<Self> {
        let Meet::Tell(notification) = step else { return None };
        let (first, last) = (self.untold(*notification).next(), self.untold(*notification).last());
        let mut next = self.clone();
        next.tell(last);
        (first != last).then_some(next)
    }
}

/// A notification's choices, until somebody was told or nobody is there.
fn tells(notification: u64) -> Vec<Meet> {
    let choice = [Meet::Choose(notification), Meet::Tell(notification)];
    std::iter::repeat_n(choice, CHOICES).flatten().collect()
}

/// The name of a call's notification: no call's own.
fn name(call: u64, k: u64) -> u64 {
    u64::MAX - call * EVERYBODY as u64 - k
}

/// Notifications of a call.
fn notifies(call: u64, n: u64) -> Vec<Meet> {
    let names = (0..n).map(|k| name(call, k));
    names.flat_map(|name| [vec![Meet::Begin(name)], tells(name)].concat()).collect()
}

fn notifies_all(call: u64) -> Vec<Meet> {
    let tells = std::iter::repeat_n(Meet::Tell(name(call, 0)), EVERYBODY);
    std::iter::once(Meet::ChooseAll(name(call, 0))).chain(tells).collect()
}

/// Leaves the line; a notification that had come goes to somebody else.
fn quits(id: u64) -> Vec<Meet> {
    [vec![Meet::Quit(id), Meet::PassOn(id)], tells(id)].concat()
}

/// The steps that end a poll with the lock, or without.
fn asked(id: u64, got: bool) -> Vec<Meet> {
    let end = if got { Meet::Lock(Turn::Get(id)) } else { Meet::Waits(id) };
    vec![Meet::Ask(id), Meet::Place(id), end]
}

fn acquire<'a>(lock: &'a Lock, r: &mut Recorder<Meet>) -> Option<LockGuard<'a, ()>> {
    let id = r.next_id();
    let mut future = Box::pin(lock.acquire());
    let steps = |guard: Option<&LockGuard<'_, ()>>| asked(id, guard.is_some());
    let guard = r.poll_for_a_while(future.as_mut(), steps, || vec![Meet::Waits(id)]);
    let leaves = if guard.is_some() { Vec::new() } else { vec![Meet::Lock(Turn::Leave(id))] };
    r.call(|_| (leaves, drop(future)));
    guard
}

/// Stops waiting for a notification, and waits for the lock.
fn give_up(mut wait: Pin<&mut ConditionWait<'_, ()>>, id: u64, r: &mut Recorder<Meet>) -> bool {
    r.call(|_| (quits(id), wait.give_up()));
    let steps = |output: Option<&()>| asked(id, output.is_some());
    r.poll_for_a_while(wait, steps, || vec![Meet::Waits(id)]).is_some()
}

fn wait(condition: &Condition, guard: &mut LockGuard<'_, ()>, r: &mut Recorder<Meet>) {
    let id = r.next_id();
    let first = std::cell::Cell::new(true);
    let mut wait = Box::pin(condition.wait(guard));
    let steps = |output: Option<&()>| {
        let joins = vec![Meet::Enlist(id), Meet::Lock(Turn::Give(1))];
        let joins = if first.replace(false) { joins } else { Vec::new() };
        let got = output.is_some();
        [joins, vec![if got { Meet::Take(id) } else { Meet::MayTake(id) }], asked(id, got)].concat()
    };
    let waits = || vec![Meet::Waits(id)];
    let has_it = r.poll_for_a_while(wait.as_mut(), steps, waits).is_some()
        || r.random.below(2) == 0 && give_up(wait.as_mut(), id, r);
    let leaves = [vec![Meet::Lock(Turn::Leave(id))], quits(id)].concat();
    r.call(|_| (if has_it { Vec::new() } else { leaves }, drop(wait)));
    assert_eq!(guard.is_held(), has_it);
}

type Shared = (Lock, Condition);

fn release(guard: LockGuard<'_, ()>, r: &mut Recorder<Meet>) {
    let gives = if guard.is_held() { vec![Meet::Lock(Turn::Give(1))] } else { Vec::new() };
    r.call(|_| (gives, drop(guard)));
}

fn call((lock, condition): &Shared, r: &mut Recorder<Meet>) {
    let Some(mut guard) = acquire(lock, r) else { return };
    match r.random.below(6) {
        0 => r.call(|r| (notifies_all(r.id()), condition.notify_all(&guard))),
        n @ 1..3 => r.call(|r| (notifies(r.id(), n), condition.notify(&guard, n as usize))),
        _ => wait(condition, &mut guard, r),
    }
    release(guard, r);
}

fn last_look((lock, _): &Shared, r: &mut Recorder<Meet>) {
    r.call(|_| (vec![Meet::Lock(Turn::Try(1, lock.try_acquire().is_some()))], ()));
}

pub fn condition(seed: u64) -> usize {
    run(seed, Meeting::new(), (Lock::new(()), Condition::new()), call, last_look)
}

#[cfg(test)]
mod tests {
    use super::super::checker::{Call, Thread, explained};
    use super::*;

    /// A thread that makes its calls one after the other, from the moment on.
    fn thread(mut at: u64, calls: Vec<Vec<Meet>>) -> Thread<Meet> {
        let call = |steps| {
            at += 2;
            Call { start: at - 2, end: at - 1, steps }
        };
        calls.into_iter().map(call).collect()
    }

    fn waits(id: u64, lock: u64) -> Vec<Vec<Meet>> {
        let joins = vec![Meet::Enlist(id), Meet::Lock(Turn::Give(1)), Meet::MayTake(id)];
        vec![asked(lock, true), [joins, asked(id, false)].concat()]
    }

    fn notifies_one(lock: u64) -> Vec<Vec<Meet>> {
        vec![asked(lock, true), notifies(lock, 1), vec![Meet::Lock(Turn::Give(1))]]
    }

    fn returns(id: u64) -> Vec<Vec<Meet>> {
        let release = vec![Meet::Lock(Turn::Give(1))];
        vec![[vec![Meet::Take(id)], asked(id, true)].concat(), release]
    }

    fn leaves(id: u64) -> Vec<Vec<Meet>> {
        vec![[vec![Meet::Lock(Turn::Leave(id))], quits(id)].concat()]
    }

    fn explains(threads: &[Thread<Meet>]) -> bool {
        explained(&Meeting::new(), threads)
    }

    #[test]
    fn one_notification_wakes_the_first_and_nobody_else() {
        let line = || vec![thread(1, waits(10, 11)), thread(11, waits(20, 21))];
        let then = |calls| [line(), vec![thread(21, notifies_one(31)), thread(41, calls)]].concat();
        assert!(explains(&then(returns(10))));
        assert!(!explains(&then(returns(20))), "the second one");
        assert!(!explains(&then([returns(10), returns(20)].concat())), "both");
        assert!(explains(&then(vec![vec![Meet::Waits(20)]])));
        assert!(!explains(&then(vec![vec![Meet::Waits(10)]])), "nobody told the first one");
    }

    #[test]
    fn everybody_is_told_in_any_order() {
        let line = || vec![thread(1, waits(10, 11)), thread(11, waits(20, 21))];
        // The second one asks for the lock; the first one sleeps on, and asks when it gives up.
        let meanwhile = |notifies| {
            let told = [asked(31, true), notifies, vec![Meet::Lock(Turn::Give(1))]].concat();
            let notifier = vec![Call { start: 21, end: 50, steps: told }];
            let looks = vec![[vec![Meet::MayTake(20)], asked(20, false)].concat()];
            let first = vec![vec![Meet::Waits(10)], quits(10), asked(10, false)];
            let release = vec![Meet::Lock(Turn::Give(1))];
            let after = [returns(20), vec![asked(10, true), release]].concat();
            [line(), vec![notifier, thread(23, looks), thread(33, first), thread(51, after)]]
                .concat()
        };
        assert!(explains(&meanwhile(notifies_all(31))));
        assert!(!explains(&meanwhile(notifies(31, 2))), "the second one before the first");
        let then = |calls| {
            let told = vec![asked(31, true), notifies_all(31), vec![Meet::Lock(Turn::Give(1))]];
            [line(), vec![thread(21, told), thread(41, calls)]].concat()
        };
        assert!(explains(&then([returns(20), returns(10)].concat())));
        assert!(!explains(&then(vec![vec![Meet::Waits(20)]])), "nobody told it");
    }

    #[test]
    fn who_leaves_with_a_notification_passes_it_on() {
        let line = || vec![thread(1, waits(10, 11)), thread(11, waits(20, 21))];
        let then = |calls| [line(), vec![thread(21, notifies_one(31)), thread(41, calls)]].concat();
        assert!(explains(&then([leaves(10), returns(20)].concat())));
        assert!(!explains(&then([leaves(10), vec![vec![Meet::Waits(20)]]].concat())));
        let early = [line(), vec![thread(21, leaves(10)), thread(31, notifies_one(31))]].concat();
        assert!(explains(&[early.clone(), vec![thread(41, returns(20))]].concat()));
        assert!(!explains(&[early, vec![thread(41, returns(10))]].concat()));
    }

    #[test]
    fn who_returns_has_the_lock_alone() {
        let line = || vec![thread(1, waits(10, 11)), thread(21, notifies_one(31))];
        let holds = thread(31, vec![asked(41, true)]);
        let then = |calls| [line(), vec![holds.clone(), thread(41, calls)]].concat();
        assert!(!explains(&then(returns(10))));
        let takes = [vec![Meet::MayTake(10)], asked(10, false)].concat();
        assert!(explains(&then(vec![takes])));
    }
}

//! Cycles of locks: who holds what, who waits for what, and who waits for each other.
//!
//! *Vocabulary.* A *party* is a task, or a thread that is in none. It *holds* locks, or its share of
//! one, and *waits* for others. A *cycle* is a list of parties, each of which waits for the next one:
//! for a lock that it holds, or, a reader, for a writer that waits in front of it.
//!
//! A cycle is looked for whenever somebody begins to wait, for only then can one come about, and is
//! told once.
//!
//! Holders are taken out of the table before they release, and come in after they have acquired, so
//! it may lack a holder for a moment, and never has one that was: a task that asks again for what it has
//! just released, while the next holder is about to say so, does not wait for itself.
//!
//! A semaphore's permits may come from any of those who have some, so who waits for them is part of a
//! cycle only if none of those can go on ([`Table::stuck`]).
//!
//! What was locked before debug mode was switched on is not in the table. A task that waits in one
//! branch of a `join!` for a lock that another branch holds looks like a cycle, too, although that
//! branch may release it; so does one that waits for permits which somebody adds who has none.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::panic::Location;
use std::thread::ThreadId;

use corio_sync::debug::LockId;
use corio_sync::place::WaitKind;

use crate::task::registry::TaskId;

/// A task by its runtime and number, or a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Party {
    Task(usize, TaskId),
    Thread(ThreadId),
}

/// One party and one lock.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) party: Party,
    pub(super) name: String,
    pub(super) kind: WaitKind,
    pub(super) at: &'static Location<'static>,
}

impl Link {
    /// True for what others may hold at the same time.
    fn is_share(&self) -> bool {
        matches!(self.kind, WaitKind::RwLockRead | WaitKind::Semaphore)
    }
}

/// A place in the queue of a lock.
#[derive(Clone, Debug)]
struct Wait {
    lock: LockId,
    link: Link,
    /// Higher than those of all who came before.
    turn: u64,
}

/// Who holds what, and who waits for what.
#[derive(Debug, Default)]
pub(super) struct Table {
    held: HashMap<LockId, Vec<Link>>,
    waits: HashMap<Party, Vec<Wait>>,
    turns: u64,
    /// Cycles that were told, by their locks.
    told: HashSet<Vec<LockId>>,
}

impl Table {
    /// A party has a lock, or a share of one, and waits for it no more.
    pub(super) fn hold(&mut self, lock: LockId, link: Link) {
        self.stop_waiting(lock, Some(link.party));
        let holders = self.held.entry(lock).or_default();
        holders.retain(|holder| link.is_share() && holder.is_share());
        holders.push(link);
    }

    /// One share is given back: the caller's own, if it has any, else that of whoever gave it away.
    pub(super) fn give_back(&mut self, lock: LockId, party: Party) {
        let Some(holders) = self.held.get_mut(&lock) else { return };
        let own = holders.iter().rposition(|holder| holder.party == party);
        if !holders.is_empty() {
            holders.remove(own.unwrap_or(0));
        }
        if holders.is_empty() {
            self.held.remove(&lock);
        }
        self.told.retain(|locks| !locks.contains(&lock));
    }

    /// Nobody holds the lock.
    pub(super) fn release(&mut self, lock: LockId) {
        self.held.remove(&lock);
        self.told.retain(|locks| !locks.contains(&lock));
    }

    /// A party begins to wait, or waits on; the cycle that has come about with that, once.
    pub(super) fn wait(&mut self, lock: LockId, link: Link) -> Option<Cycle> {
        let party = link.party;
        let waits = self.waits.entry(party).or_default();
        match waits.iter_mut().find(|wait| wait.lock == lock) {
            Some(wait) => wait.link = link,
            None => {
                self.turns += 1;
                waits.push(Wait { lock, link, turn: self.turns });
            }
        }
        let cycle = self.find_cycle(party)?;
        let mut locks: Vec<LockId> = cycle.steps.iter().map(|step| step.waiter.lock).collect();
        // The same cycle begins with whoever comes last.
        locks.sort_unstable_by_key(|lock| format!("{lock:?}"));
        self.told.insert(locks).then_some(cycle)
    }

    /// A party, or all, wait for the lock no more; true if anybody did.
    pub(super) fn stop_waiting(&mut self, lock: LockId, party: Option<Party>) -> bool {
        let mut any = false;
        self.waits.retain(|who, waits| {
            if party.is_none_or(|party| party == *who) {
                let before = waits.len();
                waits.retain(|wait| wait.lock != lock);
                any |= waits.len() < before;
            }
            !waits.is_empty()
        });
        any
    }

    /// Whom a wait lasts for: those who hold the lock, except that readers let each other in; and for
    /// a reader the first writer that came before it. Who has permits itself waits for others who do, if
    /// there are any.
    fn blockers(&self, wait: &Wait) -> Vec<Blocker> {
        let reads = wait.link.kind == WaitKind::RwLockRead;
        let held = self.held.get(&wait.lock).into_iter().flatten();
        let in_the_way = held.filter(|holder| !(reads && holder.kind == WaitKind::RwLockRead));
        let mut blockers: Vec<_> =
            in_the_way.map(|link| Blocker { link: link.clone(), holds: true }).collect();
        if reads {
            let ahead = self.waits.values().flatten().filter(|other| {
                let writes = other.link.kind == WaitKind::RwLockWrite;
                writes && other.lock == wait.lock && other.turn < wait.turn
            });
            let first = ahead.min_by_key(|other| other.turn);
            blockers.extend(first.map(|other| Blocker { link: other.link.clone(), holds: false }));
        }
        let others = |it: &Blocker| it.link.party != wait.link.party;
        if wait.link.kind == WaitKind::Semaphore && blockers.iter().any(others) {
            blockers.retain(others);
        }
        blockers
    }

    /// A cycle through a party that has just begun to wait.
    fn find_cycle(&self, from: Party) -> Option<Cycle> {
        let cycle = self.follow(from, |_| true)?;
        let permits = cycle.steps.iter().any(|step| step.waiter.link.kind == WaitKind::Semaphore);
        if !permits {
            return Some(cycle);
        }
        let stuck = self.stuck();
        self.follow(from, |party| stuck.contains(&party))
    }

    /// Follows the locks from a party back to itself, through parties that `counts` lets pass.
    fn follow(&self, from: Party, counts: impl Fn(Party) -> bool) -> Option<Cycle> {
        let mut seen = HashSet::new();
        let mut open = vec![(from, Vec::new())];
        while let Some((party, steps)) = open.pop() {
            for wait in self.waits.get(&party).into_iter().flatten() {
                for blocker in self.blockers(wait).into_iter().filter(|it| counts(it.link.party)) {
                    let next = blocker.link.party;
                    let mut steps: Vec<Step> = steps.clone();
                    steps.push(Step { waiter: wait.clone(), blocker });
                    if next == from && counts(from) {
                        return Some(Cycle { steps });
                    }
                    if seen.insert(next) {
                        open.push((next, steps));
                    }
                }
            }
        }
        None
    }

    /// The parties that cannot go on, as far as the table knows: all who wait, less those who wait
    /// only for such as can. A semaphore needs one such holder, a lock that none is in the way.
    fn stuck(&self) -> HashSet<Party> {
        let mut stuck: HashSet<Party> = self.waits.keys().copied().collect();
        loop {
            let is_blocked = |wait: &Wait| {
                let blockers = self.blockers(wait);
                let mut each = blockers.iter().map(|blocker| stuck.contains(&blocker.link.party));
                if wait.link.kind == WaitKind::Semaphore {
                    !blockers.is_empty() && each.all(|is_stuck| is_stuck)
                } else {
                    each.any(|is_stuck| is_stuck)
                }
            };
            let free = |party: &&Party| !self.waits[*party].iter().any(&is_blocked);
            let free: Vec<Party> = stuck.iter().filter(free).copied().collect();
            if free.is_empty() {
                return stuck;
            }
            for party in free {
                stuck.remove(&party);
            }
        }
    }
}

/// Whom somebody waits for.
#[derive(Clone, Debug)]
struct Blocker {
    link: Link,
    /// It holds the lock; else it stands before the waiter.
    holds: bool,
}

/// Somebody waits for somebody else.
#[derive(Clone, Debug)]
struct Step {
    waiter: Wait,
    blocker: Blocker,
}

/// Each one that is waited for is the next waiter, and the last one the first.
#[derive(Debug)]
pub(super) struct Cycle {
    steps: Vec<Step>,
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lock cycle: none of these goes on unless one of them gives up")?;
        for Step { waiter: Wait { link: waiter, .. }, blocker } in &self.steps {
            let Link { name, at, .. } = &blocker.link;
            write!(f, "\n  {} waits at {} ({}) ", waiter.name, waiter.at, waiter.kind.name())?;
            match blocker.holds {
                true => write!(f, "for what {name} holds since {at}")?,
                false => write!(f, "behind {name}, which waits at {at}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parties of a test, told apart by the name alone.
    fn link(name: &str) -> Link {
        let party = Party::Task(name.as_ptr().addr(), crate::task::registry::TaskId::of_test(1));
        Link { party, name: name.to_owned(), kind: WaitKind::Lock, at: Location::caller() }
    }

    #[test]
    fn a_cycle_of_three_is_found_once_and_forgotten_with_a_release() {
        let (a, b, c) = (link("a"), link("b"), link("c"));
        let words = [1u64, 2, 3];
        let [x, y, z] = [0, 1, 2].map(|i| LockId::of(&words[i]));
        let mut table = Table::default();
        for (lock, holder) in [(x, &a), (y, &b), (z, &c)] {
            table.hold(lock, holder.clone());
        }
        assert!(table.wait(y, a.clone()).is_none());
        assert!(table.wait(z, b.clone()).is_none());
        let cycle = table.wait(x, c.clone()).expect("c waits for a");
        let names: Vec<_> = cycle.steps.iter().map(|step| step.waiter.link.name.as_str()).collect();
        assert_eq!(names, ["c", "a", "b"]);
        assert!(table.wait(x, c.clone()).is_none(), "it was told");
        table.release(x);
        assert!(table.stop_waiting(x, Some(c.party)));
        assert!(table.wait(y, a.clone()).is_none(), "it is gone");
        assert!(!table.stop_waiting(x, None));
    }

    #[test]
    fn who_waits_for_its_own_lock_is_a_cycle_of_one() {
        let (word, a) = (1u64, link("a"));
        let mut table = Table::default();
        table.hold(LockId::of(&word), a.clone());
        let cycle = table.wait(LockId::of(&word), a).expect("it waits for itself");
        let text = cycle.to_string();
        assert!(text.contains("  a waits at "), "{text}");
        assert!(text.contains("for what a holds since "), "{text}");
    }

    fn kind(name: &str, kind: WaitKind) -> Link {
        Link { kind, ..link(name) }
    }

    #[test]
    fn a_reader_behind_a_writer_that_waits_for_it_is_a_cycle() {
        let (word, mut table) = (1u64, Table::default());
        let lock = LockId::of(&word);
        let (reads, writes) = (WaitKind::RwLockRead, WaitKind::RwLockWrite);
        table.hold(lock, kind("a", reads));
        table.hold(lock, kind("b", reads));
        assert!(table.wait(lock, kind("other", reads)).is_none(), "readers let each other in");
        assert!(table.wait(lock, kind("w", writes)).is_none());
        let text = table.wait(lock, kind("a", reads)).expect("it waits behind w").to_string();
        assert!(text.contains("  a waits at ") && text.contains("behind w, which waits"), "{text}");
        assert!(
            text.contains("  w waits at ") && text.contains("for what a holds since"),
            "{text}"
        );
        // Each reader's share counts for itself.
        table.give_back(lock, link("a").party);
        assert!(table.wait(lock, kind("c", reads)).is_none());
        assert!(table.wait(lock, kind("b", writes)).is_some(), "b reads already");
    }

    #[test]
    fn permits_are_waited_for_in_vain_only_if_all_who_have_some_are_stuck() {
        let (words, mut table) = ([1u64, 2], Table::default());
        let [permits, lock] = [0, 1].map(|i| LockId::of(&words[i]));
        let (a, b, c) = (link("a"), link("b"), link("c"));
        table.hold(permits, kind("a", WaitKind::Semaphore));
        table.hold(permits, kind("b", WaitKind::Semaphore));
        table.hold(lock, c.clone());
        assert!(table.wait(lock, a.clone()).is_none());
        assert!(table.wait(permits, kind("c", WaitKind::Semaphore)).is_none(), "b may go on");
        let cycle = table.wait(lock, b.clone()).expect("now nobody can");
        assert_eq!(cycle.steps.len(), 2, "{cycle}");
        // A permit that somebody else gives back is taken from whoever had it.
        assert!(table.stop_waiting(lock, Some(b.party)));
        table.give_back(permits, c.party);
        table.give_back(permits, c.party);
        assert!(!table.held.contains_key(&permits));
        assert!(table.wait(permits, kind("c", WaitKind::Semaphore)).is_none(), "nobody has one");
    }
}

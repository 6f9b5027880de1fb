//! What the primitives tell in debug mode, and the cycles of locks that follow from it.
//!
//! *Vocabulary.* A *party* is a task, or a thread that is in none. It *holds* locks and *waits* for
//! others. A *cycle* is a list of parties, each of which waits for a lock that the next one holds.
//!
//! Holders and waiters stand in one table for the whole process, behind a plain lock: debug mode may
//! cost that, and no user's code runs while it is held. A cycle is looked for whenever somebody
//! begins to wait, for only then can one come about, and is told once.
//!
//! A holder stands there until the next one comes, or until it hands the lock to a waiter: while
//! nobody waits, nobody asks. So a release on the uncontended path says nothing, and costs nothing.
//!
//! What was locked before debug mode was switched on is not in the table. A task that waits in one
//! branch of a `join!` for a lock that another branch holds looks like a cycle, too, although that
//! branch may release it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::panic::Location;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread::ThreadId;

use corio_sync::debug::{LockId, Observer};
use corio_sync::place::WaitKind;

use crate::context;
use crate::report::{self, ReportKind};
use crate::scheduler::worker;
use crate::task::registry::TaskId;

/// The one observer.
pub(super) static OBSERVER: Watcher = Watcher;

/// Passes on what it is told.
pub(super) struct Watcher;

/// Locked in debug mode only: whoever tells the observer has looked at the switch before.
static TABLE: LazyLock<Mutex<Table>> = LazyLock::new(Mutex::default);

/// Calls `f` with the table.
fn with_table<R>(f: impl FnOnce(&mut Table) -> R) -> R {
    f(&mut TABLE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A task by its runtime and number, or a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Party {
    Task(usize, TaskId),
    Thread(ThreadId),
}

impl Party {
    /// Who calls, and what people call it.
    fn calling() -> (Self, String) {
        match context::current_task() {
            Some(task) => {
                let party = Self::Task(task.ptr().head().addr().get(), task.id());
                (party, format!("task '{}' {}", task.name(), task.id()))
            }
            None => {
                let thread = std::thread::current();
                let party = Self::Thread(thread.id());
                (party, format!("thread '{}'", thread.name().unwrap_or("without a name")))
            }
        }
    }
}

/// One party and one lock.
#[derive(Clone, Debug)]
struct Link {
    party: Party,
    name: String,
    kind: WaitKind,
    at: &'static Location<'static>,
}

impl Link {
    fn calling(kind: WaitKind, at: &'static Location<'static>) -> Self {
        let (party, name) = Party::calling();
        Self { party, name, kind, at }
    }
}

/// Who holds what, and who waits for what.
#[derive(Debug, Default)]
struct Table {
    held: HashMap<LockId, Link>,
    waits: HashMap<Party, Vec<(LockId, Link)>>,
    /// Cycles that were told, by their locks.
    told: HashSet<Vec<LockId>>,
}

impl Table {
    fn wait(&mut self, lock: LockId, link: Link) -> Option<Cycle> {
        let party = link.party;
        let waits = self.waits.entry(party).or_default();
        waits.retain(|(other, _)| *other != lock);
        waits.push((lock, link));
        let cycle = self.find_cycle(party)?;
        let mut locks: Vec<LockId> = cycle.steps.iter().map(|step| step.lock).collect();
        // The same cycle begins with whoever comes last.
        locks.sort_unstable_by_key(|lock| format!("{lock:?}"));
        self.told.insert(locks).then_some(cycle)
    }

    fn stop_waiting(&mut self, lock: LockId, party: Option<Party>) -> bool {
        let mut any = false;
        self.waits.retain(|who, waits| {
            if party.is_none_or(|party| party == *who) {
                let before = waits.len();
                waits.retain(|(other, _)| *other != lock);
                any |= waits.len() < before;
            }
            !waits.is_empty()
        });
        any
    }

    /// Follows the locks from a party that has just begun to wait, back to itself.
    fn find_cycle(&self, from: Party) -> Option<Cycle> {
        let mut seen = HashSet::new();
        let mut open = vec![(from, Vec::new())];
        while let Some((party, steps)) = open.pop() {
            for (lock, waiter) in self.waits.get(&party).into_iter().flatten() {
                let Some(holder) = self.held.get(lock) else { continue };
                let mut steps: Vec<Step> = steps.clone();
                steps.push(Step { lock: *lock, waiter: waiter.clone(), holder: holder.clone() });
                if holder.party == from {
                    return Some(Cycle { steps });
                }
                if seen.insert(holder.party) {
                    open.push((holder.party, steps));
                }
            }
        }
        None
    }
}

/// Somebody waits for a lock that somebody else holds.
#[derive(Clone, Debug)]
struct Step {
    lock: LockId,
    waiter: Link,
    holder: Link,
}

/// Each holder is the next waiter, and the last one the first.
#[derive(Debug)]
struct Cycle {
    steps: Vec<Step>,
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lock cycle: none of these goes on unless one of them gives up")?;
        for Step { waiter, holder, .. } in &self.steps {
            let what = waiter.kind.name();
            write!(
                f,
                "\n  {} waits at {} ({what}) for what {} holds since {}",
                waiter.name, waiter.at, holder.name, holder.at
            )?;
        }
        Ok(())
    }
}

impl Observer for Watcher {
    fn never_awaited(&self, what: WaitKind, made_at: &'static Location<'static>) {
        // A body that is dropped with its task takes its futures along: nobody forgot them.
        if !std::thread::panicking() {
            report::never_awaited(what, made_at);
        }
    }

    fn waits(&self, lock: LockId, kind: WaitKind, at: &'static Location<'static>) {
        let link = Link::calling(kind, at);
        if let Some(cycle) = with_table(|table| table.wait(lock, link)) {
            report::report(ReportKind::LockCycle, format_args!("{cycle}"));
        }
    }

    fn gave_up(&self, lock: LockId) {
        let (party, _) = Party::calling();
        with_table(|table| {
            // A body may be dropped elsewhere than where it waited: then all lose their place in
            // the table, which hides a cycle rather than makes one up.
            if !table.stop_waiting(lock, Some(party)) {
                table.stop_waiting(lock, None);
            }
        });
    }

    fn holds(&self, lock: LockId, kind: WaitKind, at: &'static Location<'static>) {
        let link = Link::calling(kind, at);
        with_table(|table| {
            table.stop_waiting(lock, Some(link.party));
            table.held.insert(lock, link);
        });
    }

    fn released(&self, lock: LockId) {
        with_table(|table| {
            table.held.remove(&lock);
            table.told.retain(|locks| !locks.contains(&lock));
        });
    }

    fn blocks(&self, what: &'static str, at: &'static Location<'static>) {
        let inside = worker::with(|worker| {
            let worker = worker.filter(|worker| worker.can_be_lent())?;
            Some((worker.index(), Party::calling().1))
        });
        if let Some((worker, name)) = inside {
            report::report(
                ReportKind::WrongThread,
                format_args!(
                    "{what} at {at} blocks the loop of worker {worker} inside {name}; use .await, \
                     or to_thread or block_in_place for code that blocks"
                ),
            );
        }
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
            table.held.insert(lock, holder.clone());
        }
        assert!(table.wait(y, a.clone()).is_none());
        assert!(table.wait(z, b.clone()).is_none());
        let cycle = table.wait(x, c.clone()).expect("c waits for a");
        let names: Vec<_> = cycle.steps.iter().map(|step| step.waiter.name.as_str()).collect();
        assert_eq!(names, ["c", "a", "b"]);
        assert!(table.wait(x, c.clone()).is_none(), "it was told");
        table.held.remove(&x);
        assert!(table.stop_waiting(x, Some(c.party)));
        assert!(table.wait(y, a.clone()).is_none(), "it is gone");
        assert!(!table.stop_waiting(x, None));
    }

    #[test]
    fn who_waits_for_its_own_lock_is_a_cycle_of_one() {
        let (word, a) = (1u64, link("a"));
        let mut table = Table::default();
        table.held.insert(LockId::of(&word), a.clone());
        let cycle = table.wait(LockId::of(&word), a).expect("it waits for itself");
        let text = cycle.to_string();
        assert!(text.contains("  a waits at "), "{text}");
        assert!(text.contains("for what a holds since "), "{text}");
    }
}

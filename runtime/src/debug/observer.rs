//! What the primitives tell in debug mode.
//!
//! Holders and waiters of locks stand in one [table](super::cycles) for the whole process, behind a
//! plain lock: debug mode may cost that, and no user's code runs while it is held.

use std::panic::Location;
use std::sync::{LazyLock, Mutex, PoisonError};

use corio_sync::debug::{LockId, Observer};
use corio_sync::place::WaitKind;

use super::cycles::{Link, Party, Table};
use crate::context;
use crate::report::{self, ReportKind};
use crate::scheduler::worker;

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

impl Link {
    fn calling(kind: WaitKind, at: &'static Location<'static>) -> Self {
        let (party, name) = Party::calling();
        Self { party, name, kind, at }
    }
}

impl Observer for Watcher {
    fn never_awaited(&self, what: WaitKind, made_at: &'static Location<'static>) {
        report::never_awaited(&what.name(), made_at);
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
        with_table(|table| table.hold(lock, link));
    }

    fn released(&self, lock: LockId) {
        with_table(|table| table.release(lock));
    }

    fn gave_back(&self, lock: LockId) {
        let (party, _) = Party::calling();
        with_table(|table| table.give_back(lock, party));
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

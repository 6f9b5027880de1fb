//! The entry that stands between an event and the step of the task which waits for it.
//!
//! In asyncio an event completes a future: a callback of the loop does it, in the turn of the event,
//! and makes the step of who awaits the future ready for the next one. Here an event wakes the task.
//! So that both come to the same order, the wake-up itself is an entry of a single loop's ready queue,
//! and stands where asyncio has its callback:
//!
//! | event in turn n | turn n | turn n + 1 | turn n + 2 |
//! |---|---|---|---|
//! | a timer that a task waits for, a socket | [`Ready::Wake`] | the step | |
//! | a wake-up or a task that another thread sends | [`Ready::Start`] | the step | |
//! | the end of a task that a composition waits for | | [`Ready::Ended`] | the step, or [`Ready::Look`] and the step |
//!
//! What wakes a task on the loop's own thread otherwise (a future that is set, a lock, a queue, the end
//! of a task that is awaited alone) is a completed future in asyncio too, and needs no entry.
//!
//! A composition (`gather`, `wait`, `as_completed`, a set of other crates) waits by wakers of its own, and
//! so is told from a task that awaits another one alone. One of corio's knows which end it waits for (see
//! [`ends`](crate::task::ready::ends)): that one makes the step ready, as a completed future does in
//! asyncio. Any other end might be what it waits for, as far as the loop knows, and it must not see one
//! before its turn because it was woken for another. So its part is marked only when the step would be due, by
//! [`Ready::Look`], which runs the step in its own place. Of such entries in a row those for one task make
//! one step. The same for a composition whose task is ready anyhow, as after a cancel that came before.
//!
//! A cancel that a task passes on to what it awaits is at the innermost one in one turn, as asyncio's: each
//! task that is woken by that takes the place of the one that has passed it on ([`Single::passed`]).
//!
//! No entry allocates, and a cancel that comes while one lies in the queue makes the step ready where
//! the cancel stands: the entry then finds nothing to do. That is not so for what another thread sends,
//! nor for wakers between a task and its timer or socket, as a `select!` has: their task counts as woken.

use std::task::Waker;

use super::single::{Ready, Single};
use super::{Worker, with};
use crate::quiet::quietly;
use crate::reactor;
use crate::task::inside;
use crate::task::raw::TaskPtr;
use crate::task::ready::ends::{self, Due};
use crate::task::waker::task_of;
use crate::timer::Role;
use crate::wake_batch::WakeBatch;

/// Where a task goes that is woken on its loop's thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Landing {
    /// Its step is the next entry.
    #[default]
    Queue,
    /// Behind an entry of its own.
    Hop,
    /// The first one runs at once; see [`Ready::Look`].
    Held,
}

/// True inside a single loop.
pub(crate) fn is_in_single() -> bool {
    with(|worker| worker.is_some_and(|worker| worker.single.is_some()))
}

/// On a single loop: has what `make` gives woken in the next turn, and gives true.
pub(crate) fn next_turn(make: impl FnOnce() -> Waker) -> bool {
    push(|| Ready::Wake(make()))
}

/// On a single loop: tells a composition of the end of a task two turns later, and gives true.
pub(crate) fn tell_end(task: TaskPtr, make: impl FnOnce() -> Waker) -> bool {
    push(|| {
        let waker = make();
        ends::note(&waker, task);
        Ready::Ended(waker)
    })
}

/// Makes an entry ready if the thread is inside a single loop, and says whether it is.
fn push(make: impl FnOnce() -> Ready) -> bool {
    with(|worker| match worker.and_then(|worker| Some((worker, worker.single()?))) {
        Some((worker, single)) => {
            worker.take_in_remote();
            single.ready.push(make());
            worker.tell_ready();
            true
        }
        None => false,
    })
}

/// A task has ended that a composition waits for: on a single loop the composition, whose `waker` that
/// is, hears of it two turns later; elsewhere at once. See `RuntimeHead::pass_on`.
pub(crate) fn pass_on(task: TaskPtr, waker: Waker) {
    let mut waker = Some(waker);
    if !tell_end(task, || waker.take().expect("it is taken once")) {
        waker.expect("it was not taken").wake();
    }
}

impl Single {
    /// Calls `f`; what it wakes goes there.
    pub(super) fn landing<R>(&self, landing: Landing, f: impl FnOnce() -> R) -> R {
        let outer = self.landing.replace(landing);
        let result = f();
        self.landing.set(outer);
        result
    }

    /// Takes in a task of this loop that was woken or spawned here.
    pub(super) fn land(&self, task: TaskPtr) {
        if self.stepping.get() && inside::is_passing() {
            return self.passed.borrow_mut().push(task);
        }
        let entry = match self.landing.get() {
            Landing::Held if self.held.get().is_none() => return self.held.set(Some(task)),
            Landing::Hop => Ready::Start(task),
            Landing::Queue | Landing::Held => Ready::Task(task),
        };
        self.ready.push(entry);
    }

    /// The waker of a timer or a socket.
    fn hop(&self, waker: Waker) {
        if task_of(&waker).is_some() {
            self.ready.push(Ready::Wake(waker));
        } else {
            // A callback with a deadline takes its place in the queue itself; any other waker belongs
            // to something inside a task.
            self.landing(Landing::Hop, || quietly(|| waker.wake()));
        }
    }

    /// [`Ready::Ended`].
    pub(super) fn tell(&self, waker: Waker) {
        let owner = match ends::tell(&waker) {
            Due::Unknown | Due::NotYet => return self.ready.push(Ready::Look(waker)),
            Due::Seen => return quietly(|| waker.wake()),
            Due::Now(owner) => owner,
        };
        if let Some(owner) = owner {
            self.landing(Landing::Held, || quietly(|| owner.wake()));
        }
        match self.held.take() {
            Some(task) => {
                quietly(|| waker.wake());
                self.ready.push(Ready::Task(task));
            }
            None => {
                ends::make_late(&waker);
                self.ready.push(Ready::Look(waker));
            }
        }
    }

    /// What the poller has brought.
    pub(super) fn hop_all(&self, wakers: &mut reactor::WakeBatch) {
        wakers.drain(|waker| self.hop(waker));
    }
}

impl Worker {
    /// As [`fire_timers`](super::fire_timers), of a single loop.
    pub(super) fn fire_timers_single(&self, single: &Single) {
        let timers = &self.driver.timers;
        let mut wakers = WakeBatch::new();
        loop {
            let expired = timers.expire(Role::Owner, timers.clock().now(), &mut wakers);
            wakers.drain(|waker| single.hop(waker));
            if expired.wake_owner {
                self.driver.poller.wake();
            }
            if !expired.more {
                return;
            }
        }
    }

    /// [`Ready::Look`], and those right behind it in this turn, of which `left` counts the entries.
    pub(super) fn look<const DEBUG: bool>(&self, single: &Single, first: Waker, left: &mut usize) {
        let mut waiting = None;
        let mut next = Some(first);
        while let Some(waker) = next {
            single.landing(Landing::Held, || quietly(|| waker.wake()));
            // Nothing was woken if the task is the one that waits, or is ready for another reason.
            if let Some(task) = single.held.take() {
                if let Some(before) = waiting.replace(task) {
                    self.step::<DEBUG>(single, before);
                }
            }
            next = single.ready.pop_look(left);
        }
        if let Some(task) = waiting {
            self.step::<DEBUG>(single, task);
        }
    }
}

//! A worker that another thread runs while a poll of it blocks in place; see
//! [`baton`](crate::scheduler::baton).

use std::panic::Location;
use std::sync::Arc;

use corio_sync::shim::Ordering::Relaxed;

use super::{OUT_OF, RUNNING_AT, WORKER, Worker, choose_spawner};
use crate::context::{self, Driver, Drivers};
use crate::reactor;
use crate::scheduler::baton::Baton;
use crate::scheduler::shared::Shared;
use crate::task::raw::{self, TaskPtr};

/// Undoes [`Worker::step_out`]; dropped by the holder of the baton.
pub(crate) struct SteppedOut<'a> {
    worker: &'a Worker,
    task: Option<TaskPtr>,
    out_of: *const Shared,
    running_at: Option<&'static Location<'static>>,
    was_standing_in: bool,
    _drivers: context::Entered,
}

impl Drop for SteppedOut<'_> {
    fn drop(&mut self) {
        let Self { worker, task, .. } = *self;
        OUT_OF.set(self.out_of);
        RUNNING_AT.set(self.running_at);
        WORKER.set(std::ptr::from_ref(worker));
        choose_spawner();
        raw::set_own_arena(Some(worker.arena));
        context::set_task(task);
        worker.away.set(worker.away.get() - 1);
        worker.standing_in.set(self.was_standing_in);
        worker.in_poll.set(true);
        let running = task.map_or(std::ptr::null_mut(), |task| task.as_raw().cast_mut());
        // Ordering: Relaxed; see `run_task`.
        worker.remote().running.store(running, Relaxed);
        // If nobody has run the loop it is still inside the poll.
        if !worker.remote().hog.sight().in_poll() {
            worker.get_up();
            worker.begin_poll();
        }
    }
}

/// Who may call these holds the baton.
impl Worker {
    /// True inside a poll. A single loop stands still while its thread blocks.
    pub(crate) fn can_be_lent(&self) -> bool {
        self.in_poll.get() && self.single.is_none()
    }

    /// True while another thread runs the loop than the one that pinned tasks run on.
    pub(crate) fn is_lent(&self) -> bool {
        self.standing_in.get()
    }

    pub(crate) fn baton(&self) -> &Arc<Baton> {
        &self.baton
    }

    pub(crate) fn own_driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    /// Leaves the worker in the middle of a poll, until the guard is dropped. The caller releases the
    /// baton then, and takes it back before that drop.
    pub(crate) fn step_out(&self) -> SteppedOut<'_> {
        self.share_queue();
        self.in_poll.set(false);
        self.stepped_out.set(true);
        self.away.set(self.away.get() + 1);
        raw::set_own_arena(None);
        let drivers = Drivers {
            all: self.shared.drivers.clone(),
            pollers: self.shared.pollers.clone(),
            mine: self.index,
            is_worker: false,
        };
        WORKER.set(std::ptr::null());
        choose_spawner();
        SteppedOut {
            worker: self,
            task: context::set_task(None),
            out_of: OUT_OF.replace(Arc::as_ptr(&self.shared)),
            running_at: RUNNING_AT.take(),
            was_standing_in: self.standing_in.get(),
            _drivers: context::enter(drivers),
        }
    }

    /// Runs the loop for a thread that is inside `block_in_place`.
    pub(crate) fn stand_in(&self, stop: impl Fn() -> bool) {
        self.standing_in.set(true);
        // Until now it was stuck in that thread's poll, also for the Watch.
        if self.remote().hog.sight().in_poll() {
            self.remote().hog.end_poll();
        }
        self.run(stop);
    }

    /// True if the owner, between two polls, is to let a poll go on that has blocked in place. A
    /// stand-in leaves its loop for that.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        self.baton.is_wanted() && !self.standing_in.get()
    }

    /// Lets a poll that has blocked in place go on, to its end.
    #[cold]
    pub(super) fn pass_on(&self) {
        // Nobody relies on a worker that waits.
        self.stop_searching(true);
        self.share_queue();
        self.remote().hog.park();
        self.let_go();
        self.take_up();
        self.get_up();
    }

    fn let_go(&self) {
        self.adrift.set(true);
        self.baton.release();
    }

    fn take_up(&self) {
        let driver = &self.driver;
        self.baton.take(|| driver.poller.wake());
        self.adrift.set(false);
        self.standing_in.set(false);
    }

    /// The loop was left and may be run again: what any worker may run does not wait for that, nor do
    /// polls that have blocked in place, nor the sockets that this one's poller looks after. Its timers
    /// do.
    pub(crate) fn stand_still(&self) {
        self.publish_metrics();
        self.share_queue();
        self.leave_poller();
        if self.away.get() > 0 {
            self.let_go();
        }
    }

    /// Lends the poller of a loop that is left, or that nobody has run yet.
    pub(crate) fn leave_poller(&self) {
        let workers = self.shared.remotes.len();
        if workers == 1 {
            return;
        }
        // Ordering: Relaxed; the Watch looks again and again while it has lent anything. Before the
        // attempt: should that fail because the Watch has lent this poller, it sees the flag after it
        // has taken it back, for the system has a lock around both.
        self.remote().stands_still.store(true, Relaxed);
        let mut siblings = (1..workers).map(|next| (self.index + next) % workers);
        if siblings.any(|sibling| self.lend_poller_to(sibling)) {
            // Ordering: Relaxed; as above.
            self.remote().stands_still.store(false, Relaxed);
        } else {
            self.shared.wake_watch();
        }
    }

    /// The loop is run again, or ended, by its owner.
    pub(crate) fn go_on(&self) {
        if self.adrift.get() {
            self.take_up();
        }
        // Ordering: Relaxed; as above.
        self.remote().stands_still.store(false, Relaxed);
        self.take_back_poller();
    }

    /// Waits until all polls that block in place have ended, for the worker's end.
    pub(crate) fn wait_for_lenders(&self) {
        self.go_on();
        while self.away.get() > 0 {
            if self.is_wanted() {
                self.pass_on();
                continue;
            }
            self.remote().hog.park();
            let mut wakers = reactor::WakeBatch::new();
            // Whoever wants the baton ends the sleep. An error shows with the next look, too.
            let _ = self.driver.poller.park(None, &mut wakers);
            wakers.wake_all();
            self.get_up();
        }
    }
}

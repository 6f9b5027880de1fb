//! Eager starts: a new task's first poll inside the spawn.
//!
//! The spawner holds the queue entry of the task that it makes, and in place of pushing it runs it,
//! as the loop would: the task is the current one meanwhile, and what the thread knows of the poll
//! around is put aside.

use std::future::Future;

use corio_sync::place;
use corio_sync::shim::Ordering::Relaxed;

use super::Worker;
use crate::context;
use crate::scheduler::shared::Phase;
use crate::task::birth::Birth;
use crate::task::inside;
use crate::task::join::Task;
use crate::task::raw::TaskPtr;
use crate::task::scope;

impl Worker {
    /// Spawns a task that any worker may run on, and runs it up to its first wait. The body comes
    /// back if the runtime is closed.
    pub(crate) fn spawn_eager<F>(&self, future: F, birth: &mut Birth) -> Result<Task<F::Output>, F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self.shared.phase() {
            Phase::Running => Ok(self.start_eagerly(future, None, birth)),
            // All tasks of a single loop are its own.
            Phase::Single => Ok(self.start_eagerly(future, Some(self.index), birth)),
            Phase::Closing | Phase::Closed => Err(future),
        }
    }

    /// Spawns a task on this very loop, and runs it up to its first wait.
    pub(crate) fn spawn_local_eager<F: Future + 'static>(
        &self,
        future: F,
        birth: &mut Birth,
    ) -> Task<F::Output> {
        self.start_eagerly(future, Some(self.index), birth)
    }

    /// A body that is not `Send` has this worker as its home.
    fn start_eagerly<F: Future + 'static>(
        &self,
        future: F,
        home: Option<usize>,
        birth: &mut Birth,
    ) -> Task<F::Output> {
        // SAFETY: the worker owns its arena, and is the home of what is not `Send`.
        let task = unsafe { TaskPtr::new(self.arena, future, home, birth.take()) };
        // SAFETY: the cell was made for `F`; its handle is made once.
        let handle = unsafe { Task::from_ptr(task) };
        task.note_eager_start();
        let outer = Outer::leave(self, task);
        // SAFETY: the entry of a new task is its spawner's, who is on its home if it has one.
        let again = unsafe { task.run_apart() };
        drop(outer);
        if let Some(seen) = again {
            self.push_again(task, seen);
        }
        handle
    }
}

/// What the thread knows of the poll, or callback, that the eager start is a part of.
struct Outer<'a> {
    worker: &'a Worker,
    task: Option<TaskPtr>,
    running: *mut (),
    place: Option<place::Place>,
    in_poll: bool,
    _starting: inside::Starting,
    _poll: scope::OuterPoll,
}

impl<'a> Outer<'a> {
    fn leave(worker: &'a Worker, inner: TaskPtr) -> Self {
        // Ordering: Relaxed; as in `Worker::run_task`.
        let running = worker.remote().running.swap(inner.as_raw().cast_mut(), Relaxed);
        Self {
            worker,
            task: context::set_task(Some(inner)),
            running,
            place: place::take(),
            in_poll: worker.in_poll.replace(true),
            _starting: inside::Starting::begin(inner),
            _poll: scope::OuterPoll::leave(),
        }
    }
}

impl Drop for Outer<'_> {
    fn drop(&mut self) {
        // Ordering: Relaxed; as in `leave`.
        self.worker.remote().running.store(self.running, Relaxed);
        context::set_task(self.task);
        self.worker.in_poll.set(self.in_poll);
        let _inner = place::take();
        if let Some(place) = self.place {
            place.note_again();
        }
    }
}

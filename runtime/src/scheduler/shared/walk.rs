//! Looking at all tasks of a runtime.

use std::ptr::NonNull;

use corio_sync::shim::Ordering::Acquire;

use super::Shared;
use crate::task::raw::TaskPtr;
use crate::task::registry::TaskRef;
use crate::task::slab::Arena;

impl Shared {
    /// All tasks that are not done; see `Handle::all_tasks`.
    pub(crate) fn all_tasks(&self) -> Vec<TaskRef> {
        let mut tasks = Vec::new();
        self.for_each_task(|task| {
            if !task.done() {
                tasks.push(task);
            }
        });
        tasks
    }

    /// Calls `f` with a reference to every cell in use, once each: a task keeps its cell, and a walk
    /// comes to each cell once.
    pub(crate) fn for_each_task(&self, mut f: impl FnMut(TaskRef)) {
        self.for_each_cell(|cell| {
            let task = TaskPtr::from_cell(cell);
            if task.header().state.try_ref() {
                // SAFETY: `try_ref` made the reference that passes to the handle.
                f(unsafe { TaskRef::from_ptr(task) });
            }
        });
    }

    /// How many tasks are not done. Looks at all of them, and writes to none.
    pub(crate) fn count_tasks(&self) -> usize {
        let mut count = 0;
        self.for_each_cell(|cell| {
            count += usize::from(TaskPtr::from_cell(cell).header().state.is_of_a_task());
        });
        count
    }

    /// Calls `visit` with every cell that was ever used: its state word may be looked at.
    fn for_each_cell(&self, mut visit: impl FnMut(NonNull<u8>)) {
        for remote in &self.remotes {
            // Ordering(shared.arena): Acquire; pairs with Ordering(worker.arena): the arena is
            // seen initialized. Not killable: as there.
            let arena = remote.arena.load(Acquire);
            if let Some(arena) = NonNull::new(arena) {
                // SAFETY: arenas of workers are closed after the last walk; see `shutdown`.
                unsafe { Arena::for_each(arena, &mut visit) };
            }
        }
        self.arenas.for_each_arena(|arena| {
            // SAFETY: the list keeps its arenas.
            unsafe { Arena::for_each(arena, &mut visit) };
        });
    }
}

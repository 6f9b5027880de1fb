//! The runtimes that a thread has entered by hand.

use std::cell::RefCell;
use std::marker::PhantomData;

use super::Handle;
use crate::scheduler::worker;
use crate::{context, visit};

thread_local! {
    /// Runtimes that the thread entered by hand, innermost last.
    static ENTERED: RefCell<Vec<Guest>> = const { RefCell::new(Vec::new()) };
}

/// A runtime that a thread entered by hand.
struct Guest {
    /// Of the guard, among those that live; they rise.
    number: u64,
    /// Of [`context::depth`] then.
    depth: u32,
    handle: Handle,
}

impl Handle {
    /// The runtime that the thread has entered by hand since it became what it is.
    pub(super) fn entered() -> Option<Handle> {
        let depth = context::depth();
        let latest = |entered: &RefCell<Vec<Guest>>| {
            let entered = entered.borrow();
            entered.iter().rfind(|guest| guest.depth >= depth).map(|guest| guest.handle.clone())
        };
        ENTERED.try_with(latest).ok().flatten()
    }

    /// Makes this handle what [`Handle::current`] gives on the calling thread, until the guard is
    /// dropped.
    pub(crate) fn name_here(self) -> Named {
        visit::arrive();
        let depth = context::begin_guest();
        worker::choose_spawner();
        // A thread whose locals are gone has no place for it.
        let number = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            let number = entered.last().map_or(0, |last| last.number + 1);
            entered.push(Guest { number, depth, handle: self });
            number
        });
        Named { number: number.unwrap_or(u64::MAX), depth, here: PhantomData }
    }
}

/// Undoes [`Handle::name_here`]; stays on its thread.
#[derive(Debug)]
pub(crate) struct Named {
    number: u64,
    depth: u32,
    here: PhantomData<*const ()>,
}

impl Drop for Named {
    fn drop(&mut self) {
        let left = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            let at = entered.iter().rposition(|guest| guest.number == self.number)?;
            Some(entered.remove(at))
        });
        context::end_guest(self.depth);
        worker::choose_spawner();
        // The last handle of a runtime is dropped outside the borrow.
        drop(left);
    }
}

//! Calling a function when a task has ended.

use std::sync::Arc;
use std::task::{Wake, Waker};

use crate::scheduler::once_slot::OnceSlot;
use crate::task::registry::TaskRef;

/// Calls `f` when the task has ended: on the thread that ends it, or here if it has ended already. A
/// panic in it is reported and goes no further.
pub(crate) fn on_done(task: &TaskRef, f: impl FnOnce() + Send + 'static) {
    let header = task.ptr();
    let header = header.header();
    let once = Arc::new(CallOnce(OnceSlot::full(Box::new(f))));
    let waker = Waker::from(once.clone());
    // The node is never vacated: the callback waits until the task ends or its cell goes.
    let node = header.ext_or_make().add_observer();
    // SAFETY: the node lives as long as the cell, which `task` keeps.
    unsafe { node.as_ref() }.register(&waker);
    if header.state.observe() {
        once.call();
    }
}

/// A function that is called by the first of several who try.
struct CallOnce(OnceSlot<Box<dyn FnOnce() + Send>>);

impl CallOnce {
    fn call(&self) {
        if let Some(f) = self.0.close() {
            let called = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
            if let Err(payload) = called {
                crate::report::callback_panicked(payload);
            }
        }
    }
}

impl Wake for CallOnce {
    fn wake(self: Arc<Self>) {
        self.call();
    }
}

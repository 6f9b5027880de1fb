//! A value of a single loop that travels inside of something `Send`.
//!
//! A callback with a deadline lies in a timer, and a handle that another thread drops or cancels may
//! be the last to hold it. The value is used on its own thread only; dropped elsewhere it is sent
//! home, to be dropped there. If the home is closed by then, it leaks: no thread may touch it any
//! more.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::thread::{self, ThreadId};

use crate::scheduler::callback::Callback;
use crate::scheduler::shared::Shared;

/// See the module.
pub(super) struct Bound<T: 'static> {
    value: ManuallyDrop<T>,
    home: Arc<Shared>,
    thread: ThreadId,
}

// SAFETY: `into_inner` and `drop` touch the value on the thread that it was bound to alone.
unsafe impl<T> Send for Bound<T> {}

impl<T> Bound<T> {
    /// Binds a value to the calling thread, which is that of the single loop `home`.
    pub(super) fn new(value: T, home: Arc<Shared>) -> Self {
        Self { value: ManuallyDrop::new(value), home, thread: thread::current().id() }
    }

    fn is_home(&self) -> bool {
        thread::current().id() == self.thread
    }

    /// The value.
    ///
    /// # Panics
    ///
    /// On another thread than its own.
    pub(super) fn into_inner(self) -> T {
        assert!(self.is_home(), "a callback of a single loop was called on another thread");
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is never dropped, so nobody uses the reference again.
        let home = unsafe { std::ptr::read(&raw const this.home) };
        drop(home);
        // SAFETY: as above, for the value; the thread is its own.
        unsafe { ManuallyDrop::take(&mut this.value) }
    }
}

impl<T> Drop for Bound<T> {
    fn drop(&mut self) {
        if self.is_home() {
            // SAFETY: the value is dropped once, here, on its own thread.
            return unsafe { ManuallyDrop::drop(&mut self.value) };
        }
        // SAFETY: the copy is the only one that is used from here on.
        let value = unsafe { std::ptr::read(&raw const self.value) };
        let again = Self { value, home: self.home.clone(), thread: self.thread };
        let (callback, _) =
            Callback::new(Box::new(move || drop(again)) as Box<dyn FnOnce() + Send>);
        if let Err(refused) = self.home.submit_call(0, callback) {
            std::mem::forget(refused);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::event_loop::EventLoop;

    /// Counts its drops on the thread that made it, and panics elsewhere.
    struct Local(Rc<Cell<u32>>, ThreadId);

    impl Drop for Local {
        fn drop(&mut self) {
            assert_eq!(thread::current().id(), self.1);
            self.0.set(self.0.get() + 1);
        }
    }

    fn bound(event_loop: &EventLoop, drops: &Rc<Cell<u32>>) -> Bound<Local> {
        let local = Local(drops.clone(), thread::current().id());
        Bound::new(local, event_loop.shared().clone())
    }

    #[test]
    fn a_value_is_dropped_at_home() {
        let event_loop = EventLoop::new().unwrap();
        let drops = Rc::new(Cell::new(0));
        drop(bound(&event_loop, &drops));
        drop(bound(&event_loop, &drops).into_inner());
        assert_eq!(drops.get(), 2);
        let away = bound(&event_loop, &drops);
        thread::spawn(move || drop(away)).join().unwrap();
        assert_eq!(drops.get(), 2, "it is on its way");
        event_loop.run_until_complete(async {}).unwrap();
        assert_eq!(drops.get(), 3);
    }

    #[test]
    fn a_value_whose_home_is_closed_leaks() {
        let event_loop = EventLoop::new().unwrap();
        let drops = Rc::new(Cell::new(0));
        let away = bound(&event_loop, &drops);
        event_loop.close().unwrap();
        thread::spawn(move || drop(away)).join().unwrap();
        assert_eq!(drops.get(), 0);
    }
}

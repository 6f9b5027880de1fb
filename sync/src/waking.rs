//! Whether a wake is one of several in a row: news for a scheduler.
//!
//! A scheduler that keeps the task woken last apart, to run it next, would have each of several put
//! the one before it back into the queue. None of them is ahead of the others, so from the second
//! on they may go there at once.

use std::cell::Cell;

thread_local! {
    static ONE_OF_SEVERAL: Cell<bool> = const { Cell::new(false) };
}

/// True inside the wake of a party that is woken together with others, and not as the first of them.
#[inline]
#[must_use]
pub fn is_one_of_several() -> bool {
    ONE_OF_SEVERAL.get()
}

/// Wakes that belong together, until it is dropped.
pub(crate) struct Several {
    /// What the thread is told again at the end; none before the second wake.
    outer: Option<bool>,
    any: bool,
}

impl Several {
    /// No wake yet.
    #[inline]
    pub(crate) fn new() -> Self {
        Self { outer: None, any: false }
    }

    /// Before each wake.
    #[inline]
    pub(crate) fn next(&mut self) {
        if self.any && self.outer.is_none() {
            self.outer = Some(ONE_OF_SEVERAL.replace(true));
        }
        self.any = true;
    }
}

impl Drop for Several {
    #[inline]
    fn drop(&mut self) {
        if let Some(outer) = self.outer {
            ONE_OF_SEVERAL.set(outer);
        }
    }
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests {
    use super::{Several, is_one_of_several};
    use crate::Event;
    use crate::park::block_on;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Wake, Waker};

    #[test]
    fn the_first_is_told_nothing_and_the_end_undoes_it() {
        {
            let mut several = Several::new();
            several.next();
            assert!(!is_one_of_several());
            several.next();
            assert!(is_one_of_several());
            let mut inner = Several::new();
            inner.next();
            inner.next();
            drop(inner);
            assert!(is_one_of_several());
        }
        assert!(!is_one_of_several());
    }

    struct Note(Arc<Mutex<Vec<bool>>>);

    impl Wake for Note {
        fn wake(self: Arc<Self>) {
            self.0.lock().unwrap().push(is_one_of_several());
        }
    }

    #[test]
    fn all_but_the_first_waiter_of_an_event_are_several() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let event = Event::new();
        let mut waits: Vec<_> = (0..3).map(|_| Box::pin(event.wait())).collect();
        for wait in &mut waits {
            let waker = Waker::from(Arc::new(Note(told.clone())));
            assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        event.set();
        assert_eq!(*told.lock().unwrap(), [false, true, true]);
        waits.into_iter().for_each(block_on);
        assert!(!is_one_of_several());
    }
}

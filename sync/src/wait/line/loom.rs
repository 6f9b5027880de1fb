//! A model of the word alone; those of its users, whose names begin alike, are with them.

use super::{Line, OnFlag};
use crate::model;
use crate::shim::{Witness, sync::Arc, thread};
use crate::wait::queue::Place;

model! {
    /// Nothing but the count connects the waiter with whoever looks for one.
    line_counted(threads = 2, bound = 3, claim = "whoever counts a place sees what its waiter did before it came") {
        let shared = Arc::new((Line::new(), Witness::new(false)));
        let other = shared.clone();
        let thread = thread::spawn(move || {
            let (line, done) = &*other;
            done.set(true);
            let mut at = Place::Idle;
            assert!(line.enter(&mut at, OnFlag::Ignore));
            assert!(line.leave(&mut at).is_none());
        });
        let (line, done) = &*shared;
        if line.entered() > 0 {
            assert!(done.get());
        }
        thread.join().unwrap();
    }
}

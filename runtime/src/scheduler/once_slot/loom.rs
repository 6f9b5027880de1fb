//! Models of the slot: whoever comes second finds what the first has left.

use std::ops::Deref;

use corio_sync::model;
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;

use super::OnceSlot;

model! {
    /// A put and two closes.
    once_slot_put_vs_close(threads = 3, bound = 3, claim = "a value that is put in comes out once, as it was written, or is given back") {
        let slot = Arc::new(OnceSlot::empty());
        let closer = slot.clone();
        let other = slot.clone();
        let first = thread::spawn(move || closer.close().map(read));
        let second = thread::spawn(move || other.close().map(read));
        let value = Box::new(UnsafeCell::new(0));
        // SAFETY: the cell is this thread's until it is put in.
        value.with_mut(|value| unsafe { *value = 7 });
        let refused = slot.put(value).err().map(read);
        let taken = [first.join().unwrap(), second.join().unwrap(), refused];
        let late = slot.put(Box::new(UnsafeCell::new(8))).err().map(read);
        assert_eq!(late, Some(8), "a closed slot stays closed");
        assert_eq!(taken.into_iter().flatten().collect::<Vec<_>>(), [7]);
    }
}

/// What a cell holds, in the eyes of the checker.
fn read(value: impl Deref<Target = UnsafeCell<u32>>) -> u32 {
    // SAFETY: the cell was moved here.
    value.with(|value| unsafe { *value })
}

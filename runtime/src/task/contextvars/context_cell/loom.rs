//! Models of the place of a context.
use corio_sync::model;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::{Witness, thread};

use super::*;

/// What is there, made if need be; who is late frees its own.
fn get_or_make(cell: &MadeOnce<Witness<u8>>) -> *mut Witness<u8> {
    let found = cell.get();
    if !found.is_null() {
        return found;
    }
    let made = Box::new(Witness::new(0));
    made.set(1);
    let made = Box::into_raw(made);
    match cell.put(made) {
        Ok(()) => made,
        Err(other) => {
            // SAFETY: it was never published.
            drop(unsafe { Box::from_raw(made) });
            other
        }
    }
}

fn read(found: *mut Witness<u8>) -> u8 {
    // SAFETY: what is in the cell lives to the end of the model.
    unsafe { found.as_ref() }.expect("it was made").get()
}

model! {
    /// Two make it, and a third looks.
    context_cell_two_makers(threads = 3, bound = 3, claim = "all have the same context, and see it whole") {
        let cell = Arc::new(MadeOnce::<Witness<u8>>::new(ptr::null_mut()));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let cell = cell.clone();
                thread::spawn(move || {
                    let found = get_or_make(&cell);
                    assert_eq!(read(found), 1);
                    found.addr()
                })
            })
            .collect();
        let early = cell.get();
        if !early.is_null() {
            assert_eq!(read(early), 1);
        }
        let found: Vec<usize> = others.into_iter().map(|other| other.join().unwrap()).collect();
        assert_eq!(found[0], found[1]);
        let mut cell = Arc::try_unwrap(cell).expect("the others are gone");
        let made = cell.take();
        assert_eq!(made.addr(), found[0]);
        // SAFETY: it came from a box, and nobody else knows it any more.
        drop(unsafe { Box::from_raw(made) });
    }
}

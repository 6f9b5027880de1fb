//! Models of the lazy reference.
use corio_sync::model;
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;

use super::Lazy;

struct Values {
    lazy: Lazy<UnsafeCell<u32>>,
    values: [UnsafeCell<u32>; 2],
}

// SAFETY: a value is written before it is published, and only read after: what the model checks.
unsafe impl Sync for Values {}

fn publish(values: &Values, index: usize) -> u32 {
    let mine = &values.values[index];
    // SAFETY: not published yet.
    mine.with_mut(|value| unsafe { *value = 7 });
    // SAFETY: the values live as long as the model.
    let found = unsafe { values.lazy.publish(mine) }.err().unwrap_or(mine);
    // SAFETY: published, so only read.
    found.with(|value| unsafe { *value })
}

model! {
    /// Two publish, one looks.
    lazy_publish(
        threads = 3, bound = 3,
        claim = "all find one value, and find it complete"
    ) {
        let values = Arc::new(Values {
            lazy: Lazy::new(),
            values: [UnsafeCell::new(0), UnsafeCell::new(0)],
        });
        let others = [0, 1].map(|index| {
            let values = values.clone();
            thread::spawn(move || publish(&values, index))
        });
        if let Some(found) = values.lazy.get() {
            // SAFETY: published, so only read.
            assert_eq!(found.with(|value| unsafe { *value }), 7);
        }
        for other in others {
            assert_eq!(other.join().unwrap(), 7);
        }
    }
}

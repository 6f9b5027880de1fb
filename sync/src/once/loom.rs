//! Models of the once-cells.

use super::{OnceCell, SetOnce};
use crate::model;
use crate::shim::{sync::Arc, thread};
use crate::testing::{block_on, join_all, poll_once};
use std::pin::pin;

model! {
    /// Three tasks want the value, one of them leaves while it makes it.
    once_init(threads = 3, bound = 2, claim = "one value is made, whoever gives up, and all see it") {
        let cell = Arc::new(OnceCell::new());
        let (a, b) = (cell.clone(), cell.clone());
        let threads = [
            thread::spawn(move || {
                let mut future = pin!(a.get_or_init(std::future::pending::<Box<u8>>));
                let _ = poll_once(|cx| future.as_mut().poll(cx));
            }),
            thread::spawn(move || assert!(**block_on(b.get_or_init(|| async { Box::new(1) })) < 3)),
        ];
        let value = **block_on(cell.get_or_init(|| async { Box::new(2) }));
        join_all(threads);
        assert_eq!(cell.get().map(|value| **value), Some(value));
    }
}

model! {
    /// A value that is set, not awaited.
    once_set(threads = 2, bound = 3, claim = "whoever sees the value sees all of it") {
        let cell = Arc::new(OnceCell::new());
        let other = cell.clone();
        let thread = thread::spawn(move || other.set(Box::new(1)).is_ok());
        if let Some(value) = cell.get() {
            assert_eq!(**value, 1);
        }
        let here = cell.set(Box::new(2)).is_ok();
        assert!(thread.join().unwrap() || here);
    }
}

model! {
    /// Setting meets waiting.
    once_set_wait(threads = 3, bound = 2, claim = "everybody who waits is woken and sees the value") {
        let cell = Arc::new(SetOnce::<Box<u8>>::new());
        let threads = [(); 2].map(|()| {
            let cell = cell.clone();
            thread::spawn(move || assert_eq!(**block_on(cell.wait()), 1))
        });
        cell.set(Box::new(1)).unwrap();
        join_all(threads);
    }
}

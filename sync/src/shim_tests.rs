//! The shim itself: the sequential pass must see what the plain pass is known to miss.
#![cfg(any(corio_loom, corio_shuttle))]

use crate::model;
use crate::shim::{atomic::AtomicUsize, fence_at, ord, sync::Arc, thread};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

model! {
    /// Release and Acquire carry data from one thread to another.
    shim_message_passing(threads = 2, bound = 3, claim = "a released flag carries the data") {
        let shared = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let sender = shared.clone();
        let thread = thread::spawn(move || {
            sender.0.store(7, Relaxed);
            sender.1.store(1, ord("shim.message_store", Release));
        });
        if shared.1.load(ord("shim.message_load", Acquire)) == 1 {
            assert_eq!(shared.0.load(Relaxed), 7);
        }
        thread.join().unwrap();
    }
}

model! {
    /// Dekker's pattern holds with one sequentially consistent fence on each side.
    shim_store_buffering(threads = 2, bound = 3, claim = "with a fence on both sides one of two stores is seen") {
        let shared = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let other = shared.clone();
        let thread = thread::spawn(move || {
            other.0.store(1, Relaxed);
            fence_at("shim.fence_left");
            other.1.load(Relaxed)
        });
        shared.1.store(1, Relaxed);
        fence_at("shim.fence_right");
        let seen = shared.0.load(Relaxed);
        assert!(thread.join().unwrap() + seen > 0, "both stores were missed");
    }
}

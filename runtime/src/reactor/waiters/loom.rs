//! Models of several waiters of one source.
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Wake, Waker};

use corio_sync::model;
use corio_sync::shim::atomic::AtomicUsize;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;

use super::{Node, Waiters};
use crate::reactor::readiness::{Direction, Proof, Ready};
use crate::reactor::record::Record;
use std::ptr::NonNull;

const READ: Direction = Direction::Read;

struct Count(Arc<AtomicUsize>);

impl Wake for Count {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn counting() -> (Waker, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    (Waker::from(std::sync::Arc::new(Count(count.clone()))), count)
}

/// A record that is not ready to be read.
fn record() -> Arc<Record> {
    let record = Record::new();
    record.readiness.clear(READ, record.readiness.load(), Proof::WouldBlock);
    Arc::new(record)
}

fn node(record: &Record) -> NonNull<Node> {
    record.waiters.claim(READ)
}

/// Registers once; true if asleep.
fn sleep(record: &Record, node: NonNull<Node>, waker: &Waker) -> bool {
    // SAFETY: the record outlives the model's threads.
    let node = unsafe { node.as_ref() };
    record.poll_ready(READ, || &node.cell, waker, || Ok(true)).is_pending()
}

fn release(node: NonNull<Node>) {
    // SAFETY: as above.
    Waiters::release(unsafe { node.as_ref() });
}

model! {
    /// A second waiter joins while an event comes.
    waiters_join_and_event(
        threads = 3, bound = 2,
        claim = "every waiter that went to sleep before the event is woken by it"
    ) {
        let record = record();
        let poller = {
            let record = record.clone();
            thread::spawn(move || record.event(0, Ready::READ, Waker::wake))
        };
        let other = {
            let record = record.clone();
            thread::spawn(move || {
                let (waker, count) = counting();
                let node = node(&record);
                (sleep(&record, node, &waker), count)
            })
        };
        let (waker, count) = counting();
        let asleep = sleep(&record, node(&record), &waker);
        poller.join().unwrap();
        let (other_asleep, other_count) = other.join().unwrap();
        assert!(!asleep || count.load(Relaxed) > 0, "asleep on a ready source");
        assert!(!other_asleep || other_count.load(Relaxed) > 0, "asleep on a ready source");
    }
}

model! {
    /// A waiter is dropped while an event comes; another stays.
    waiters_drop_and_event(
        threads = 3, bound = 2,
        claim = "a waiter that is dropped takes no event away from the others"
    ) {
        let record = record();
        let (dropped, _) = counting();
        let (waker, count) = counting();
        let first = node(&record);
        assert!(sleep(&record, first, &dropped));
        let stays = node(&record);
        assert!(sleep(&record, stays, &waker));
        let poller = {
            let record = record.clone();
            thread::spawn(move || record.event(0, Ready::READ, Waker::wake))
        };
        let first = first.as_ptr() as usize;
        let dropper = thread::spawn(move || {
            release(NonNull::new(first as *mut Node).unwrap());
        });
        poller.join().unwrap();
        dropper.join().unwrap();
        assert!(count.load(Relaxed) > 0);
    }
}

model! {
    /// A node is released by one future and claimed by the next while an event comes.
    waiters_reuse(
        threads = 3, bound = 2,
        claim = "a node claimed anew is its new waiter's alone, and its event is not lost"
    ) {
        let record = record();
        let (old, _) = counting();
        let first = node(&record);
        assert!(sleep(&record, first, &old));
        let address = first.as_ptr() as usize;
        let poller = {
            let record = record.clone();
            thread::spawn(move || record.event(0, Ready::READ, Waker::wake))
        };
        let dropper = thread::spawn(move || {
            release(NonNull::new(address as *mut Node).unwrap());
        });
        let (waker, count) = counting();
        let node = node(&record);
        let asleep = sleep(&record, node, &waker);
        poller.join().unwrap();
        dropper.join().unwrap();
        assert!(!asleep || count.load(Relaxed) > 0, "asleep on a ready source");
        release(node);
    }
}

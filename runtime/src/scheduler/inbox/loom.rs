//! Models of the inbox: pushes against drains, a parking worker, and the close.

use super::{Inbox, Link};
use crate::scheduler::idle::IdleSet;
use corio_sync::model;
use corio_sync::shim::atomic::AtomicUsize;
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;
use std::ptr::NonNull;
use std::sync::OnceLock;

struct Node {
    link: AtomicUsize,
    number: UnsafeCell<usize>,
}

// SAFETY: the word is the node's own, and a struct with a usize lies at an even address.
unsafe impl Link for Node {
    unsafe fn link<'a>(node: NonNull<Self>) -> &'a AtomicUsize {
        // SAFETY: the caller's promise.
        unsafe { &node.as_ref().link }
    }
}

/// A node written after its birth, so that loom sees a reader that came without the writes.
fn node(number: usize) -> NonNull<Node> {
    let node = Box::new(Node { link: AtomicUsize::new(0), number: UnsafeCell::new(0) });
    // SAFETY: nobody else knows the node yet; loom watches the access.
    node.number.with_mut(|value| unsafe { *value = number });
    NonNull::from(Box::leak(node))
}

/// Reads and frees a node that came out of the inbox, or was refused.
fn consume(node: NonNull<Node>) -> usize {
    // SAFETY: `node` leaked the box, and it comes out once; the models check both.
    let node = unsafe { Box::from_raw(node.as_ptr()) };
    // SAFETY: loom checks that the write happened before; that is the claim of the models.
    node.number.with(|value| unsafe { *value })
}

/// Pushes node `number`; `Err` has consumed the refused node.
fn push(inbox: &Inbox<Node>, number: usize) -> Result<bool, usize> {
    // SAFETY: the box is leaked and consumed only by who drains it, or here if it is refused.
    unsafe { inbox.push(node(number)) }.map_err(consume)
}

model! {
    /// Two producers against a consumer that drains while they push.
    inbox_push_vs_drain(threads = 3, bound = 3, claim = "each node comes out once, and per producer in order") {
        let inbox = Arc::new(Inbox::new());
        let producers = [0, 10].map(|base| {
            let inbox = inbox.clone();
            thread::spawn(move || {
                for number in base..base + 2 {
                    push(&inbox, number).unwrap();
                }
            })
        });
        let mut got: Vec<usize> = inbox.drain().map(consume).collect();
        got.extend(inbox.drain().map(consume));
        for producer in producers {
            producer.join().unwrap();
        }
        got.extend(inbox.drain().map(consume));
        for base in [0, 10] {
            let own: Vec<_> = got.iter().copied().filter(|n| n / 10 == base / 10).collect();
            assert_eq!(own, [base, base + 1]);
        }
        assert_eq!(got.len(), 4);
    }
}

/// An inbox, the idle set of its worker and the worker's thread.
struct Loop {
    inbox: Inbox<Node>,
    idle: IdleSet,
    thread: OnceLock<thread::Thread>,
}

impl Loop {
    fn submit(&self, number: usize) {
        if push(&self.inbox, number).unwrap() && self.idle.notify_worker(0) {
            self.thread.get().expect("a worker that sleeps has registered").unpark();
        }
    }

    fn run(&self, nodes: usize) {
        let _ = self.thread.set(thread::current());
        let mut ran = 0;
        loop {
            ran += self.inbox.drain().map(consume).count();
            if ran == nodes {
                return;
            }
            self.idle.enter(0);
            if self.inbox.is_empty() {
                thread::park();
            }
            assert!(self.idle.leave(0), "a claim by name counts no searcher");
        }
    }
}

model! {
    /// Only the producer that fills the inbox wakes; the worker parks beside it.
    inbox_push_vs_park(threads = 3, bound = 3, claim = "a worker that parks beside two pushes runs both") {
        let home = Arc::new(Loop {
            inbox: Inbox::new(),
            idle: IdleSet::new(1),
            thread: OnceLock::new(),
        });
        let worker = home.clone();
        let worker = thread::spawn(move || worker.run(2));
        let producer = home.clone();
        let producer = thread::spawn(move || producer.submit(1));
        home.submit(2);
        producer.join().unwrap();
        worker.join().unwrap();
    }
}

model! {
    /// The worker closes its own inbox and drains it.
    inbox_close_vs_push(threads = 3, bound = 3, claim = "a push beside the close is drained or refused, never both, never neither") {
        let inbox = Arc::new(Inbox::new());
        let producers = [1, 2].map(|number| {
            let inbox = inbox.clone();
            thread::spawn(move || push(&inbox, number).is_err())
        });
        assert!(inbox.close());
        let drained: Vec<usize> = inbox.drain().map(consume).collect();
        for (number, producer) in (1..).zip(producers) {
            let refused = producer.join().unwrap();
            assert_ne!(refused, drained.contains(&number));
        }
        assert!(inbox.is_empty() && inbox.is_closed());
    }
}

model! {
    /// Another thread closes while the worker drains and a producer pushes twice.
    inbox_close_vs_drain(threads = 3, bound = 3, claim = "a drain beside the close does not open the inbox") {
        let inbox = Arc::new(Inbox::new());
        let producer = inbox.clone();
        let producer = thread::spawn(move || {
            (1..3).filter(|&number| push(&producer, number).is_ok()).collect::<Vec<_>>()
        });
        let closer = inbox.clone();
        let closer = thread::spawn(move || closer.close());
        let mut drained: Vec<usize> = inbox.drain().map(consume).collect();
        assert!(closer.join().unwrap());
        drained.extend(inbox.drain().map(consume));
        assert_eq!(drained, producer.join().unwrap());
        assert!(inbox.is_empty() && inbox.is_closed());
    }
}

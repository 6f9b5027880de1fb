//! Models of the readers-writer lock; what it stands on is in `wait::weighted`.

use super::RwLock;
use crate::model;
use crate::shim::{sync::Arc, thread};
use crate::testing::{block_on, poll_once};

type Shared = Arc<RwLock<usize>>;

fn spawn(lock: &Shared, body: impl FnOnce(&Shared) + Send + 'static) -> thread::JoinHandle<()> {
    let lock = lock.clone();
    thread::spawn(move || body(&lock))
}

model! {
    /// A writer goes on as a reader while another writer comes.
    rwlock_downgrade(threads = 2, bound = 3, claim = "nobody writes between a write and the look of its downgraded guard") {
        let lock = Arc::new(RwLock::new(0));
        let other = spawn(&lock, |lock| *block_on(lock.write()) += 10);
        let mut writer = block_on(lock.write());
        *writer += 1;
        let written = *writer;
        let reader = writer.downgrade();
        assert_eq!(*reader, written);
        drop(reader);
        other.join().unwrap();
        assert_eq!(*lock.try_read().expect("free at the end"), 11);
    }
}

model! {
    /// A writer that waits leaves, between a reader in front and one behind.
    rwlock_writer_leaves(threads = 2, bound = 3, claim = "readers behind a writer that leaves go on") {
        let lock = Arc::new(RwLock::new(0));
        let front = lock.try_read().expect("free");
        let mut leaves = Box::pin(lock.write());
        assert!(poll_once(|cx| leaves.as_mut().poll(cx)).is_pending());
        let behind = spawn(&lock, |lock| drop(block_on(lock.read())));
        drop(leaves);
        drop(front);
        behind.join().unwrap();
        assert!(lock.try_write().is_some(), "free at the end");
    }
}

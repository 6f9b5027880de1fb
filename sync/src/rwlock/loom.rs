//! Models of the readers-writer lock; what it stands on is in `wait::weighted`.

use super::RwLock;
use crate::model;
use crate::shim::{sync::Arc, thread};
use crate::testing::{block_on, join_all, poll_once};

type Shared = Arc<RwLock<usize>>;

fn spawn(lock: &Shared, body: impl FnOnce(&Shared) + Send + 'static) -> thread::JoinHandle<()> {
    let lock = lock.clone();
    thread::spawn(move || body(&lock))
}

fn add(lock: &Shared, count: usize) {
    *block_on(lock.write()) += count;
}

model! {
    /// A writer goes on as a reader, beside another reader and another writer.
    rwlock_downgrade(threads = 3, bound = 2, claim = "nobody writes between a write and the look of its downgraded guard") {
        let lock = Arc::new(RwLock::new(0));
        let threads = [
            spawn(&lock, |lock| add(lock, 10)),
            spawn(&lock, |lock| assert!([0, 1, 10, 11].contains(&*block_on(lock.read())))),
        ];
        let mut writer = block_on(lock.write());
        *writer += 1;
        let written = *writer;
        let reader = writer.downgrade();
        assert_eq!(*reader, written);
        drop(reader);
        join_all(threads);
        assert_eq!(*lock.try_read().expect("free at the end"), 11);
    }
}

model! {
    /// A writer that waits leaves; a reader in front of it, one behind, and another writer.
    rwlock_writer_leaves(threads = 3, bound = 2, claim = "readers behind a writer that leaves go on") {
        let lock = Arc::new(RwLock::new(0));
        let front = lock.try_read().expect("free");
        let mut leaves = Box::pin(lock.write());
        assert!(poll_once(|cx| leaves.as_mut().poll(cx)).is_pending());
        let threads = [
            spawn(&lock, |lock| drop(block_on(lock.read()))),
            spawn(&lock, |lock| add(lock, 1)),
        ];
        drop(leaves);
        drop(front);
        join_all(threads);
        assert_eq!(*lock.try_write().expect("free at the end"), 1);
    }
}

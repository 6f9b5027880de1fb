//! The readers-writer lock on one thread, poll by poll.

use super::*;
use crate::testing::{block_on, poll_once};

#[test]
fn a_waiting_writer_keeps_later_readers_behind() {
    let lock = RwLock::new(0);
    let reader = lock.try_read().unwrap();
    let mut writer = Box::pin(lock.write());
    assert!(poll_once(|cx| writer.as_mut().poll(cx)).is_pending());
    let mut late = Box::pin(lock.read());
    assert!(lock.try_read().is_none());
    assert!(poll_once(|cx| late.as_mut().poll(cx)).is_pending());
    drop(reader);
    assert!(poll_once(|cx| late.as_mut().poll(cx)).is_pending());
    let Poll::Ready(mut guard) = poll_once(|cx| writer.as_mut().poll(cx)) else {
        panic!("the writer was next");
    };
    *guard = 7;
    let other = guard.downgrade();
    let Poll::Ready(guard) = poll_once(|cx| late.as_mut().poll(cx)) else {
        panic!("readers share with a downgraded writer");
    };
    assert_eq!((*guard, *other), (7, 7));
    assert!(lock.try_write().is_none());
}

#[test]
fn a_writer_that_leaves_lets_readers_go_on() {
    let lock = RwLock::new(0);
    let reader = lock.try_read().unwrap();
    let mut writer = Box::pin(lock.write());
    assert!(poll_once(|cx| writer.as_mut().poll(cx)).is_pending());
    let mut late = Box::pin(lock.read());
    assert!(poll_once(|cx| late.as_mut().poll(cx)).is_pending());
    drop(writer);
    assert!(poll_once(|cx| late.as_mut().poll(cx)).is_ready());
    drop(reader);
    assert!(lock.try_write().is_some());
}

#[test]
fn owned_guards_keep_the_lock() {
    let lock = Arc::new(RwLock::new(1));
    let mut writer = block_on(lock.clone().write_owned());
    *writer += 1;
    let reader = writer.downgrade();
    let other = block_on(lock.clone().read_owned());
    assert_eq!(*reader + *other, 4);
    drop((reader, other));
    assert!(lock.try_write().is_some());
}

#[test]
fn a_million_writers_that_left_leave_no_memory() {
    let lock = RwLock::new(());
    let _reader = lock.try_read();
    for _ in 0..1_000_000 {
        assert!(poll_once(|cx| std::pin::pin!(lock.write()).poll(cx)).is_pending());
    }
    assert!(lock.permits.live_segments() <= 4);
    assert!(lock.try_read().is_some());
}

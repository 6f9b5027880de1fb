//! The once-cells on one thread.

use super::*;
use crate::testing::{block_on, poll_once};
use std::future::pending;

#[test]
fn the_first_makes_the_value_and_all_get_it() {
    let cell = OnceCell::new();
    let mut first = Box::pin(cell.get_or_init(pending::<u8>));
    assert!(poll_once(|cx| first.as_mut().poll(cx)).is_pending());
    assert_eq!(cell.set(9), Err(9), "somebody is at it");
    let mut second = Box::pin(cell.get_or_init(|| async { 2 }));
    let mut third = Box::pin(cell.get_or_init(|| async { 3 }));
    assert!(poll_once(|cx| second.as_mut().poll(cx)).is_pending());
    assert!(poll_once(|cx| third.as_mut().poll(cx)).is_pending());
    drop(first);
    assert!(poll_once(|cx| third.as_mut().poll(cx)).is_pending(), "second is next");
    assert_eq!(poll_once(|cx| second.as_mut().poll(cx)), Poll::Ready(&2));
    assert_eq!(poll_once(|cx| third.as_mut().poll(cx)), Poll::Ready(&2));
    drop((second, third));
    assert_eq!(cell.into_inner(), Some(2));
}

#[test]
fn an_error_leaves_the_cell_to_the_next() {
    let cell = OnceCell::new();
    assert_eq!(block_on(cell.get_or_try_init(|| async { Err::<u8, _>("no") })), Err("no"));
    assert_eq!(block_on(cell.get_or_try_init(|| async { Ok::<_, ()>(1) })), Ok(&1));
    assert_eq!(block_on(cell.get_or_init(|| async { 2 })), &1);
}

#[test]
fn a_panic_leaves_the_cell_to_the_next() {
    let cell = OnceCell::new();
    let panics = std::panic::AssertUnwindSafe(|| {
        block_on(cell.get_or_init(|| async { panic!("a panic of the test") }));
    });
    assert!(std::panic::catch_unwind(panics).is_err());
    assert_eq!(block_on(cell.get_or_init(|| async { 2 })), &2);
}

#[test]
fn set_once_wakes_everybody() {
    let cell = SetOnce::new();
    let mut waits = [Box::pin(cell.wait()), Box::pin(cell.wait())];
    for wait in &mut waits {
        assert!(poll_once(|cx| wait.as_mut().poll(cx)).is_pending());
    }
    assert_eq!(cell.set(1), Ok(()));
    for wait in &mut waits {
        assert_eq!(poll_once(|cx| wait.as_mut().poll(cx)), Poll::Ready(&1));
    }
    assert_eq!(cell.set(2), Err(2));
}

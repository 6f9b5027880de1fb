//! Notifications on one thread, poll by poll.

use super::*;
use crate::testing::poll_once;

fn ready(future: &mut Pin<Box<Notified<'_>>>) -> bool {
    poll_once(|cx| future.as_mut().poll(cx)).is_ready()
}

#[test]
fn one_notification_is_stored_not_two() {
    let notify = Notify::new();
    notify.notify_one();
    notify.notify_one();
    assert!(ready(&mut Box::pin(notify.notified())));
    assert!(!ready(&mut Box::pin(notify.notified())));
}

#[test]
fn notifications_go_in_order_of_arrival() {
    let notify = Notify::new();
    let mut waits: Vec<_> = (0..3).map(|_| Box::pin(notify.notified())).collect();
    for wait in &mut waits {
        assert!(!ready(wait));
    }
    for next in 0..3 {
        notify.notify_one();
        for (number, wait) in waits.iter_mut().enumerate().skip(next) {
            assert_eq!(ready(wait), number == next);
        }
    }
}

#[test]
fn a_broadcast_reaches_the_unpolled_and_stores_nothing() {
    let notify = Notify::new();
    let mut unpolled = Box::pin(notify.notified());
    let mut polled = Box::pin(notify.notified());
    assert!(!ready(&mut polled));
    notify.notify_waiters();
    let mut late = Box::pin(notify.notified());
    assert!(ready(&mut unpolled));
    assert!(ready(&mut polled));
    assert!(!ready(&mut late));
}

#[test]
fn a_notified_future_that_is_dropped_passes_it_on() {
    let notify = Notify::new();
    let mut first = Box::pin(notify.notified());
    let mut second = Box::pin(notify.notified());
    assert!(!ready(&mut first));
    assert!(!ready(&mut second));
    notify.notify_one();
    drop(first);
    assert!(ready(&mut second));
    let mut third = Box::pin(notify.notified());
    assert!(!ready(&mut third));
    notify.notify_waiters();
    drop(third);
    assert!(!ready(&mut Box::pin(notify.notified())), "a broadcast has no heir");
}

#[test]
fn enable_joins_the_queue() {
    let notify = Notify::new();
    let mut enabled = Box::pin(notify.notified());
    assert!(!enabled.as_mut().enable());
    let mut later = Box::pin(notify.notified());
    assert!(!ready(&mut later));
    notify.notify_one();
    assert!(!ready(&mut later));
    assert!(enabled.as_mut().enable());
    assert!(ready(&mut enabled));
}

#[test]
fn a_million_waiters_that_left_leave_no_memory() {
    let notify = Notify::new();
    for _ in 0..1_000_000 {
        assert!(!ready(&mut Box::pin(notify.notified())));
    }
    assert!(notify.live_segments() <= 4);
    notify.notify_one();
    assert!(ready(&mut Box::pin(notify.notified())), "stored: nobody was there");
}

//! Where a task is that waits for a primitive.

use std::panic::Location;
use std::time::Duration;

use corio::sync::{
    CancelToken, Condition, Event, Lock, Notify, OnceCell, RwLock, Semaphore, SetOnce,
};
use corio::{Builder, timeout};
use corio_tests::{PATIENCE, within};

const SOON: Duration = Duration::from_millis(1);

/// The limit's error says what the future waited for, and the line that made it: the caller's.
async fn expect<F: Future>(wait: F, what: &str, at: &'static Location<'static>) {
    let Err(error) = timeout(SOON, wait).await else { panic!("{what}: it does not come") };
    let (said, line) = (error.to_string(), at.line());
    let place = format!("while waiting for {what} at {}:{line}:", at.file());
    assert!(said.contains(&place), "{said:?} does not contain {place:?}");
}

/// The future and the line that it is made in.
macro_rules! here {
    ($wait:expr) => {
        ($wait, here())
    };
}

#[track_caller]
fn here() -> &'static Location<'static> {
    Location::caller()
}

/// Without Watch, which ends a poll of a millisecond earlier: what has yielded waits for nothing.
#[test]
fn a_wait_that_is_cut_short_says_what_it_waited_for() {
    let main = || async {
        let (lock, rwlock, semaphore) = (Lock::new(0), RwLock::new(0), Semaphore::new(0));
        let held = (lock.acquire().await, rwlock.write().await);
        let (wait, at) = here!(lock.acquire());
        expect(wait, "Lock::acquire", at).await;
        let (wait, at) = here!(rwlock.read());
        expect(wait, "RwLock::read", at).await;
        let (wait, at) = here!(rwlock.write());
        expect(wait, "RwLock::write", at).await;
        drop(held);
        let (wait, at) = here!(semaphore.acquire_many(2));
        expect(wait, "Semaphore::acquire", at).await;
        let (event, notify) = (Event::new(), Notify::new());
        let (wait, at) = here!(event.wait());
        expect(wait, "Event::wait", at).await;
        let (wait, at) = here!(notify.notified());
        expect(wait, "Notify::notified", at).await;
        let (condition, mut guard) = (Condition::new(), lock.acquire().await);
        let (wait, at) = here!(condition.wait(&mut guard));
        expect(wait, "Condition::wait", at).await;
        let (answer, token) = (SetOnce::<u8>::new(), CancelToken::new());
        let (wait, at) = here!(answer.wait());
        expect(wait, "SetOnce::wait", at).await;
        let child = token.child();
        let (wait, at) = here!(child.cancelled());
        expect(wait, "CancelToken::cancelled", at).await;
        let cell = OnceCell::<u8>::new();
        let mut first = std::pin::pin!(cell.get_or_init(std::future::pending));
        std::future::poll_fn(|cx| {
            assert!(first.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        let (wait, at) = here!(cell.get_or_init(|| async { 1 }));
        expect(wait, "OnceCell", at).await;
    };
    let builder = Builder::new().watch(false);
    within(PATIENCE, "the waits", move || builder.run(main()).expect("main ends well"));
}

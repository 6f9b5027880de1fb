//! T28 at a condition: a wait that is cancelled takes its lock again, then the cancel goes on.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use corio::sync::{Condition, Lock};
use corio::{Task, catch_cancel, defer_cancel, spawn, task_group, timeout, yield_now};

use crate::support::{
    Flag, Log, count, for_ever, join2, ms, nap, rested, run, select2, unordered, until,
};

type Shared = Arc<(Lock<u32>, Condition)>;

fn shared() -> Shared {
    Arc::new((Lock::new(0), Condition::new()))
}

/// A task that waits on the condition, and what it saw: whether a cancel came out of the wait, and
/// its message. It holds the lock then, or the look at the data panics.
fn waiter(shared: &Shared, waits: &Flag) -> Task<Option<String>> {
    let (shared, waits) = (shared.clone(), waits.clone());
    spawn(async move {
        let (lock, condition) = &*shared;
        let mut guard = lock.acquire().await;
        waits.set();
        let caught = catch_cancel(condition.wait(&mut guard)).await;
        *guard += 1;
        caught.err().map(|request| request.msg().unwrap_or("").to_owned())
    })
}

/// The lock, once somebody waits on the condition under it.
async fn once_it_waits<'a>(shared: &'a Shared, waits: &Flag) -> corio::sync::LockGuard<'a, u32> {
    until(|| waits.is_set()).await;
    shared.0.acquire().await
}

/// The lock, handed over by the wait of a task that holds it and waits for `queued`.
async fn from_its_hands<'a>(
    shared: &'a Shared,
    waits: &Flag,
    queued: &Flag,
) -> corio::sync::LockGuard<'a, u32> {
    until(|| waits.is_set()).await;
    let mut lock = pin!(shared.0.acquire());
    poll_fn(|cx| {
        let polled = lock.as_mut().poll(cx);
        queued.set();
        polled
    })
    .await
}

#[test]
fn t28_a_cancelled_wait_takes_its_lock_again_first() {
    run(|| async {
        let (shared, waits) = (shared(), Flag::default());
        let task = waiter(&shared, &waits);
        let guard = once_it_waits(&shared, &waits).await;
        task.cancel_with("enough");
        rested(task.task_ref()).await;
        assert!(!task.done() && *guard == 0, "the lock is held here");
        drop(guard);
        assert_eq!(task.await.unwrap().as_deref(), Some("enough"));
        assert_eq!(*shared.0.try_acquire().expect("released at its end"), 1);
    });
}

#[test]
fn t28_without_a_scope_the_task_ends_when_it_has_had_the_lock() {
    run(|| async {
        let (shared, waits, log) = (shared(), Flag::default(), Log::default());
        let (inner, mark, token) = (shared.clone(), waits.clone(), log.on_drop("body dropped"));
        let task = spawn(async move {
            let mut guard = inner.0.acquire().await;
            let _token = token;
            mark.set();
            inner.1.wait(&mut guard).await;
        });
        let guard = once_it_waits(&shared, &waits).await;
        task.cancel_with("m");
        rested(task.task_ref()).await;
        log.is(&[]);
        drop(guard);
        let error = task.await.unwrap_err();
        assert_eq!(error.cancelled().unwrap().msg(), Some("m"));
        log.is(&["body dropped"]);
        assert!(!shared.0.locked());
    });
}

#[test]
fn t28_a_second_cancel_waits_behind_the_first() {
    run(|| async {
        let (shared, waits) = (shared(), Flag::default());
        let (inner, mark) = (shared.clone(), waits.clone());
        let task = spawn(async move {
            let mut guard = inner.0.acquire().await;
            mark.set();
            let first = catch_cancel(inner.1.wait(&mut guard)).await.unwrap_err();
            assert!(guard.is_held());
            let second = catch_cancel(for_ever()).await.unwrap_err();
            let said = [first, second].map(|request| request.msg().unwrap_or("").to_owned());
            (said, count())
        });
        let guard = once_it_waits(&shared, &waits).await;
        task.cancel_with("first");
        // It has been delivered, and the lock is not to be had.
        rested(task.task_ref()).await;
        task.cancel_with("second");
        nap().await;
        assert!(!task.done());
        drop(guard);
        assert_eq!(task.await.unwrap(), (["first".into(), "second".into()], 2));
    });
}

#[test]
fn t28_taken_back_while_the_lock_is_taken_again() {
    run(|| async {
        let (shared, waits) = (shared(), Flag::default());
        let task = waiter(&shared, &waits);
        let guard = once_it_waits(&shared, &waits).await;
        task.cancel_with("delivered");
        rested(task.task_ref()).await;
        assert_eq!(task.uncancel(), 0);
        drop(guard);
        // As in asyncio: what was delivered comes out of the wait.
        assert_eq!(task.await.unwrap().as_deref(), Some("delivered"));
    });
}

#[test]
fn t28_a_notification_of_a_cancelled_wait_goes_on() {
    for relocking in [false, true] {
        run(move || async move {
            let (shared, waits) = (shared(), [Flag::default(), Flag::default()]);
            let first = waiter(&shared, &waits[0]);
            drop(once_it_waits(&shared, &waits[0]).await);
            let second = waiter(&shared, &waits[1]);
            let guard = once_it_waits(&shared, &waits[1]).await;
            shared.1.notify(&guard, 1);
            if relocking {
                // The first is woken, and waits for the lock.
                nap().await;
            }
            first.cancel();
            nap().await;
            drop(guard);
            let caught = first.await.unwrap();
            if caught.is_none() {
                // It was quicker than the cancel; then the notification was its own.
                shared.1.notify_all(&shared.0.acquire().await);
            }
            assert_eq!(second.await.unwrap(), None);
        });
    }
}

#[test]
fn t28_the_place_in_the_locks_queue_is_kept() {
    run(|| async {
        let (shared, waits, log) = (shared(), Flag::default(), Log::default());
        let (inner, mark, said) = (shared.clone(), waits.clone(), log.clone());
        let task = spawn(async move {
            let mut guard = inner.0.acquire().await;
            mark.set();
            let caught = catch_cancel(inner.1.wait(&mut guard)).await;
            said.say(format!("cancelled {}", caught.is_err()));
        });
        let guard = once_it_waits(&shared, &waits).await;
        shared.1.notify(&guard, 1);
        // Woken, it queues for the lock; only then does the other one come.
        rested(task.task_ref()).await;
        let (inner, said, queued) = (shared.clone(), log.clone(), Flag::default());
        let mark = queued.clone();
        let late = spawn(async move {
            let mut lock = pin!(inner.0.acquire());
            let guard = poll_fn(|cx| {
                let polled = lock.as_mut().poll(cx);
                mark.set();
                polled
            });
            let _guard = guard.await;
            said.say("the late one");
        });
        until(|| queued.is_set()).await;
        task.cancel();
        rested(task.task_ref()).await;
        drop(guard);
        task.await.unwrap();
        late.await.unwrap();
        log.is(&["cancelled true", "the late one"]);
    });
}

#[test]
fn t28_a_limit_leaves_the_lock_held() {
    run(|| async {
        let (lock, condition) = (Lock::new(0), Condition::new());
        let mut guard = lock.acquire().await;
        assert!(timeout(ms(2), condition.wait(&mut guard)).await.is_err());
        assert!(guard.is_held() && count() == 0);
        let never = condition.wait_for(&mut guard, |value| *value == 1);
        assert!(timeout(ms(0), never).await.is_err());
        assert_eq!((*guard, lock.locked(), count()), (0, true, 0));
    });
}

#[test]
fn t28_a_limit_waits_for_the_lock() {
    run(|| async {
        let (shared, waits, queued) = (shared(), Flag::default(), Flag::default());
        let released = Flag::default();
        let (inner, mark, seen) = (shared.clone(), waits.clone(), released.clone());
        let go = queued.clone();
        let task = spawn(async move {
            let mut guard = inner.0.acquire().await;
            mark.set();
            until(|| go.is_set()).await;
            let late = timeout(ms(1), inner.1.wait(&mut guard)).await.is_err();
            (late, seen.is_set(), guard.is_held())
        });
        let guard = from_its_hands(&shared, &waits, &queued).await;
        corio::sleep(ms(5)).await;
        released.set();
        drop(guard);
        assert_eq!(task.await.unwrap(), (true, true, true));
    });
}

#[test]
fn t28_a_cancel_while_a_limit_waits_for_the_lock_goes_first() {
    run(|| async {
        let (shared, waits, queued) = (shared(), Flag::default(), Flag::default());
        let (inner, mark, go) = (shared.clone(), waits.clone(), queued.clone());
        let task = spawn(async move {
            let mut guard = inner.0.acquire().await;
            mark.set();
            until(|| go.is_set()).await;
            let limited = timeout(ms(1), inner.1.wait(&mut guard));
            let caught = catch_cancel(limited).await.map(|ended| ended.is_err());
            (caught.map_err(|request| request.msg().map(str::to_owned)), guard.is_held())
        });
        let guard = from_its_hands(&shared, &waits, &queued).await;
        corio::sleep(ms(5)).await;
        task.cancel_with("outer");
        nap().await;
        drop(guard);
        assert_eq!(task.await.unwrap(), (Err(Some("outer".to_owned())), true));
    });
}

#[test]
fn t28_a_predicate_is_not_asked_for_a_cancelled_wait() {
    run(|| async {
        let (shared, waits, asked) = (shared(), Flag::default(), Arc::new(AtomicUsize::new(0)));
        let (inner, mark, counted) = (shared.clone(), waits.clone(), asked.clone());
        let task = spawn(async move {
            let mut guard = inner.0.acquire().await;
            mark.set();
            let true_later = inner.1.wait_for(&mut guard, |value| {
                counted.fetch_add(1, Ordering::Relaxed);
                *value == 7
            });
            catch_cancel(true_later).await.is_err() && guard.is_held()
        });
        let mut guard = once_it_waits(&shared, &waits).await;
        task.cancel();
        rested(task.task_ref()).await;
        *guard = 7;
        shared.1.notify_all(&guard);
        drop(guard);
        assert!(task.await.unwrap(), "the cancel comes out of the wait, whatever the data say");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn t28_a_group_that_fails_gets_the_lock_back_in_its_body() {
    run(|| async {
        let (lock, condition) = (Lock::new(0), Condition::new());
        let mut guard = lock.acquire().await;
        let group = task_group(async |group: corio::TaskGroup<&str>| {
            drop(group.create_task(async { Err::<(), _>("a child fails") }));
            condition.wait(&mut guard).await;
            Ok(())
        });
        assert!(
            matches!(group.await, Err(corio::GroupError::Errors(it)) if it == ["a child fails"])
        );
        assert!(guard.is_held());
    });
}

#[test]
fn t28_dropped_while_it_takes_the_lock_again_the_cancel_is_delivered_elsewhere() {
    run(|| async {
        let (shared, waits, go) = (shared(), Flag::default(), Flag::default());
        let (inner, mark, seen) = (shared.clone(), waits.clone(), go.clone());
        let task = spawn(async move {
            let mut guard = inner.0.acquire().await;
            mark.set();
            // The wait loses.
            select2(inner.1.wait(&mut guard), until(|| seen.is_set())).await;
            let lost = !guard.is_held();
            drop(guard);
            let caught = catch_cancel(for_ever()).await.unwrap_err();
            (lost, caught.msg().map(str::to_owned), count())
        });
        let guard = once_it_waits(&shared, &waits).await;
        // `until` polls by sleeps, which are no scopes: the cancel is delivered to the wait.
        task.cancel_with("m");
        rested(task.task_ref()).await;
        go.set();
        assert_eq!(task.await.unwrap(), (true, Some("m".to_owned()), 1));
        drop(guard);
        assert!(!shared.0.locked());
    });
}

#[test]
fn t28_an_abort_does_not_wait_for_the_lock() {
    for cancel_first in [false, true] {
        run(move || async move {
            let (shared, waits) = (shared(), Flag::default());
            let task = waiter(&shared, &waits);
            let guard = once_it_waits(&shared, &waits).await;
            if cancel_first {
                task.cancel();
                rested(task.task_ref()).await;
            }
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
            drop(guard);
            assert_eq!(*shared.0.try_acquire().expect("nobody waits for it"), 0);
        });
    }
}

#[test]
fn t28_in_branches_that_are_polled_when_they_are_woken() {
    run(|| async {
        let shared: [Shared; 2] = [shared(), shared()];
        let (inner, waits) = (shared.clone(), Arc::new(AtomicUsize::new(0)));
        let entered = waits.clone();
        let task = spawn(async move {
            let parts = inner.iter().map(|shared| {
                let entered = &entered;
                let part = async move {
                    let mut guard = shared.0.acquire().await;
                    entered.fetch_add(1, Ordering::Relaxed);
                    let caught = catch_cancel(shared.1.wait(&mut guard)).await;
                    *guard += 1;
                    caught.is_err()
                };
                Box::pin(part) as std::pin::Pin<Box<dyn Future<Output = bool> + Send>>
            });
            unordered(parts.collect()).await
        });
        until(|| waits.load(Ordering::Relaxed) == 2).await;
        let (first, second) = (shared[0].0.acquire().await, shared[1].0.acquire().await);
        task.cancel();
        rested(task.task_ref()).await;
        drop(first);
        nap().await;
        drop(second);
        assert_eq!(task.await.unwrap(), [true, true]);
        assert_eq!((*shared[0].0.acquire().await, *shared[1].0.acquire().await), (1, 1));
    });
}

#[test]
fn t28_beside_another_branch_and_behind_a_mask() {
    run(|| async {
        let (shared, waits) = (shared(), Flag::default());
        let (inner, mark) = (shared.clone(), waits.clone());
        let task = spawn(async move {
            let mut guard = inner.0.acquire().await;
            mark.set();
            // A mask around the wait: the cancel does not get in, and the wait goes on.
            let masked = defer_cancel(inner.1.wait(&mut guard));
            let beside = async { catch_cancel(for_ever()).await.is_err() };
            let ((), caught) = join2(masked, beside).await;
            caught && guard.is_held()
        });
        drop(once_it_waits(&shared, &waits).await);
        task.cancel();
        nap().await;
        assert!(!task.done());
        shared.1.notify(&shared.0.acquire().await, 1);
        assert!(task.await.unwrap());
    });
}

#[test]
fn t28_outside_a_task_nobody_cancels_it() {
    let (lock, condition) = (Lock::new(0), Condition::new());
    let mut guard = lock.try_acquire().unwrap();
    let mut wait = pin!(condition.wait(&mut guard));
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(wait.as_mut().poll(cx).is_pending());
    condition.notify(&lock.try_acquire().expect("released by the wait"), 1);
    assert_eq!(wait.as_mut().poll(cx), Poll::Ready(()));
}

/// Items are put and gotten while consumers are cancelled at any moment: none is lost, and whoever
/// comes out of a wait holds the lock.
#[test]
fn t28_a_storm_of_cancels() {
    const ITEMS: u32 = 300;
    type Pot = (Lock<u32>, Condition, AtomicUsize);
    /// Eats until all is eaten; says how often a cancel came out of a wait.
    async fn eat(pot: Arc<Pot>) -> u32 {
        let (lock, changed, eaten) = &*pot;
        let mut caught = 0;
        while eaten.load(Ordering::Relaxed) < ITEMS as usize {
            let mut items = match catch_cancel(lock.acquire()).await {
                Ok(items) => items,
                Err(request) => {
                    request.suppress();
                    continue;
                }
            };
            let over = || eaten.load(Ordering::Relaxed) == ITEMS as usize;
            let some = changed.wait_for(&mut items, |items| *items > 0 || over());
            match catch_cancel(some).await {
                Ok(()) if *items > 0 => {
                    *items -= 1;
                    if eaten.fetch_add(1, Ordering::Relaxed) + 1 == ITEMS as usize {
                        changed.notify_all(&items);
                    }
                }
                Ok(()) => {}
                Err(request) => {
                    request.suppress();
                    // Panics if it is not held.
                    assert!(*items <= ITEMS);
                    caught += 1;
                }
            }
        }
        caught
    }
    let caught = run(|| async {
        let pot: Arc<Pot> = Arc::default();
        let consumers = [(); 3].map(|()| spawn(eat(pot.clone())));
        for item in 0..ITEMS {
            let mut items = pot.0.acquire().await;
            *items += 1;
            pot.1.notify(&items, 1);
            drop(items);
            if item % 2 == 0 {
                consumers[item as usize % 3].cancel();
            }
            if item % 5 == 0 {
                yield_now().await;
            }
        }
        // What is left is eaten without help, or a notification was lost.
        let mut caught = 0;
        for consumer in consumers {
            let ended =
                timeout(ms(20_000), async { (&consumer).await.map_or(0, |caught| *caught) }).await;
            caught += ended.expect("an item lies there and everybody sleeps");
        }
        assert_eq!(*pot.0.try_acquire().expect("nobody holds it"), 0);
        caught
    });
    println!("{caught} cancels came out of waits");
}

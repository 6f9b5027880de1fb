//! A clean-up of a cancel that raises one by hand: the two go on as one, as a second `CancelledError`
//! takes the place of the first.

use std::future::Future;

use corio::{
    Cancelled, Task, TaskGroup, catch_cancel, create_task, current_task, finally, on_cancel, sleep,
    task_group, timeout, yield_now,
};

use crate::support::{for_ever, ms};

/// Cancels `body`, which is to catch that once, and then to wait without hearing of it again.
fn heard_once<F: Future<Output = ()> + Send + 'static>(body: F) {
    let seen = corio::sim::run(7, async {
        let task: Task<Vec<u32>> = create_task(async {
            let mut seen = Vec::new();
            match catch_cancel(body).await {
                Ok(()) => seen.push(0),
                Err(_cancelled) => seen.push(1),
            }
            for _ in 0..3 {
                match catch_cancel(yield_now()).await {
                    Ok(()) => {}
                    Err(_cancelled) => seen.push(2),
                }
            }
            seen.push(10 + current_task().unwrap().cancelling());
            seen
        });
        sleep(ms(1)).await;
        assert!(task.cancel());
        task.await.unwrap()
    });
    assert_eq!(seen, [1, 11], "caught once; as in asyncio the count is the code's to take back");
}

async fn raise() {
    Cancelled::new("by hand").raise::<()>().await;
}

#[test]
fn a_finally_that_raises_by_hand() {
    heard_once(finally(for_ever(), raise()));
}

#[test]
fn an_on_cancel_that_raises_by_hand() {
    heard_once(on_cancel(for_ever(), raise()));
}

#[test]
fn a_finally_that_awaits_a_cancelled_task() {
    heard_once(async {
        let dead = create_task(for_ever());
        yield_now().await;
        dead.cancel();
        yield_now().await;
        finally(for_ever(), async {
            if let Err(error) = dead.await {
                error.cancelled().unwrap().clone().raise::<()>().await;
            }
        })
        .await;
    });
}

#[test]
fn a_group_whose_body_raises_by_hand() {
    heard_once(async {
        let body = async |group: TaskGroup<()>| {
            drop(group.create_task(async {
                _ = catch_cancel(for_ever()).await;
                yield_now().await;
                Ok(())
            }));
            finally(for_ever(), raise()).await;
            Ok(())
        };
        _ = task_group(body).await;
    });
}

#[test]
fn a_limit_whose_inside_raises_by_hand() {
    // asyncio: whatever `CancelledError` ends the block, it is the limit's.
    let seen = corio::sim::run(7, async {
        let late = timeout(ms(5), finally(for_ever(), raise())).await;
        (late.is_err(), catch_cancel(yield_now()).await.is_ok())
    });
    assert_eq!(seen, (true, true));
}

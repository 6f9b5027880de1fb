//! What CPython's tests do not say: measured on CPython 3.11 to 3.15. The rows of queues, locks,
//! loops and threads stand with those.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use corio::{ReturnWhen, Task};

use crate::support::{Trace, on_loop, task, turn, turns, with_loop};

const HOUR: Duration = Duration::from_secs(3600);

// conforms: 29 X2
// differs: equal deadlines keep their order, which asyncio leaves open
#[test]
fn timers_with_equal_deadlines_keep_their_order() {
    with_loop(|event_loop| {
        let said = Arc::new(Mutex::new(Vec::new()));
        let when = event_loop.time() + Duration::from_millis(2);
        for i in 0..8 {
            let said = said.clone();
            event_loop.call_at(when, move || said.lock().unwrap().push(i));
        }
        event_loop.run_until_complete(corio::sleep_until(when)).unwrap();
        event_loop.run_until_complete(turns(3)).unwrap();
        assert_eq!(*said.lock().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
    });
}

// conforms: 29 X3
// differs: only a wait by value passes a cancel on; asyncio passes it on from each waiter
#[test]
fn a_cancelled_waiter_leaves_a_shared_task_alone() {
    on_loop(|| async {
        let shared = Arc::new(corio::create_task(async {
            turns(5).await;
            7
        }));
        let one = task!([shared] * (&*shared).await.unwrap());
        let two = task!([shared] * (&*shared).await.unwrap());
        turn().await;
        assert!(one.cancel());
        assert!(one.await.unwrap_err().is_cancelled());
        assert_eq!(two.await.unwrap(), 7);
    });
}

// conforms: 29 X4
// differs: the first message counts, also for a task that has not started
#[test]
fn two_cancels_before_the_delivery_are_one_throw() {
    on_loop(|| async {
        let caught = Arc::new(Mutex::new(Vec::new()));
        let waits = task!([caught] {
            // The first wait ends by the cancel, the second by itself.
            for nap in [HOUR, Duration::from_millis(1)] {
                if let Err(request) = corio::catch_cancel(corio::sleep(nap)).await {
                    caught.lock().unwrap().push(request.msg().map(str::to_owned));
                    request.suppress();
                }
            }
        });
        turn().await;
        assert!(waits.cancel_with("first") && waits.cancel_with("second"));
        assert_eq!(waits.cancelling(), 2);
        waits.await.unwrap();
        assert_eq!(*caught.lock().unwrap(), [Some("first".to_owned())]);
        let unborn = corio::create_task(async {});
        assert!(unborn.cancel_with("first") && unborn.cancel_with("second"));
        let error = unborn.await.unwrap_err();
        assert_eq!(error.cancelled().and_then(|said| said.msg()), Some("first"));
    });
}

// conforms: 29 X5
// differs: the cancel is taken back; asyncio throws it all the same
#[test]
fn a_cancel_that_was_taken_back_is_not_thrown() {
    on_loop(|| async {
        let waits = corio::create_task(async {
            corio::sleep(Duration::from_millis(1)).await;
            7
        });
        turn().await;
        assert!(waits.cancel());
        assert_eq!(waits.uncancel(), 0);
        assert_eq!(waits.await.unwrap(), 7);
    });
}

/// A child that cleans up for some turns when it is cancelled.
fn cleans_up(trace: &Trace, name: &'static str, count: usize) -> Task<()> {
    task!([trace] {
        let clean_up = async {
            turns(count).await;
            trace.say(name);
        };
        corio::on_cancel(corio::sleep(HOUR), clean_up).await;
    })
}

// conforms: 29 X6
// differs: both forms wait for all children; asyncio's first form returns at the first that ends
#[test]
fn a_cancelled_gather_waits_for_the_clean_up_of_all() {
    on_loop(|| async {
        let trace = Trace::default();
        let children = [cleans_up(&trace, "slow", 5), cleans_up(&trace, "quick", 1)];
        let all = corio::create_task(async move { corio::gather(children).await.is_ok() });
        turns(3).await;
        assert!(all.cancel());
        assert!(all.await.unwrap_err().is_cancelled());
        trace.expect(&["quick", "slow"]);
    });
}

// conforms: 29 X7
#[test]
fn a_cancelled_gather_is_cancelled_also_if_its_children_suppress_it() {
    on_loop(|| async {
        let child = || {
            corio::create_task(async {
                if let Err(request) = corio::catch_cancel(corio::sleep(HOUR)).await {
                    request.suppress();
                }
                7
            })
        };
        let children = [child(), child()];
        let all = corio::create_task(async move { corio::gather(children).await });
        turns(3).await;
        assert!(all.cancel());
        assert!(all.await.unwrap_err().is_cancelled());
    });
}

// conforms: 29 X16
#[test]
fn first_exception_ignores_cancelled_tasks() {
    on_loop(|| async {
        let cancelled = corio::create_task(async { corio::sleep(HOUR).await });
        let ends = corio::create_task(async { turns(5).await });
        turn().await;
        cancelled.cancel();
        let both = vec![cancelled, ends];
        let (done, pending) = corio::wait(both, ReturnWhen::FirstException, None).await.unwrap();
        assert_eq!((done.len(), pending.len()), (2, 0));
    });
}

// conforms: 29 X18
// differs: a task that waits also shows where it was spawned; all of it goes to standard error
#[test]
fn print_stack_of_a_waiting_task_and_of_none() {
    on_loop(|| async {
        let task = corio::create_task(async { corio::sleep(HOUR).await });
        turn().await;
        let printed = |limit| {
            let mut out = Vec::new();
            task.print_stack(limit, Some(&mut out)).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(printed(None).lines().count(), 3);
        assert_eq!(printed(Some(1)).lines().count(), 2);
        assert!(printed(Some(1)).contains("  sleep at tests/conformance/additional.rs:"));
        assert!(printed(Some(0)).starts_with("No stack for <Task "));
    });
}

// conforms: 29 X19
// differs: the value wins over the timer, as in 3.11; since 3.12 the timer does
#[test]
fn wait_for_prefers_a_value_to_its_timer() {
    with_loop(|event_loop| {
        let (said, heard) = mpsc::channel();
        let limit = Duration::from_millis(2);
        let main = async move {
            let value = corio::create_task(async move {
                corio::sleep(limit).await;
                7
            });
            // The value's sleep has begun, so it ends before the limit, however slow this is.
            turn().await;
            said.send(corio::wait_for(value, 2 * limit).await).unwrap();
            let ready = corio::create_task(async { 8 });
            turn().await;
            said.send(corio::wait_for(ready, Duration::ZERO).await).unwrap();
        };
        event_loop.run_until_complete(main).unwrap();
        assert_eq!(heard.recv().unwrap().unwrap().unwrap(), 7);
        assert_eq!(heard.recv().unwrap().unwrap().unwrap(), 8);
    });
}

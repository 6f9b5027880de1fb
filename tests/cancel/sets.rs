//! Many tasks at once: `gather!`, `try_gather`, `as_completed` with a limit, `JoinSet`; and a limit
//! that moves.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use corio::{
    GatherError, JoinSet, TimeoutScope, as_completed, catch_cancel, create_local_task, gather,
    gather_all, spawn, timeout_scope, try_gather, yield_now,
};
use corio_tests::kit::poll_once;
use futures_core::Stream;

use crate::support::{Flag, Log, count, for_ever, ms, nap, run, until};

#[test]
fn gather_of_different_types() {
    run(|| async {
        let task = spawn(async { 'x' });
        let (n, x, text) = gather!(async { 1 }, task, async {
            nap().await;
            String::from("text")
        })
        .await
        .unwrap();
        assert_eq!((n, x, text.as_str()), (1, 'x', "text"));
        let () = gather!().await.unwrap();
        // The first failure; the others go on.
        let (go, log) = (Flag::default(), Log::default());
        let (seen, inner) = (go.clone(), log.clone());
        let bad = spawn(for_ever());
        bad.cancel_with("bad");
        let all = gather!(
            async move {
                until(|| seen.is_set()).await;
                inner.say("went on");
            },
            bad
        );
        assert_eq!(all.await.unwrap_err().cancelled().unwrap().msg(), Some("bad"));
        go.set();
        until(|| log.said("went on")).await;
    });
}

#[test]
fn a_gather_that_is_dropped_cancels_what_it_made() {
    run(|| async {
        let log = Log::default();
        let (token, given) = (log.on_drop("made"), spawn(for_ever()));
        let watched = given.task_ref();
        let made = async move {
            let _token = token;
            for_ever().await;
        };
        let mut all = Box::pin(gather!(made, given));
        assert!(poll_once(all.as_mut()).is_pending());
        drop(all);
        until(|| log.said("made")).await;
        assert_eq!((watched.done(), watched.cancelling()), (false, 0));
        watched.cancel();
    });
}

#[test]
fn a_cancelled_gather_macro_awaits_all() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let task = spawn(async move {
            let member = |name: &'static str| {
                let log = inner.clone();
                async move {
                    log.say("waits");
                    drop(catch_cancel(for_ever()).await);
                    nap().await;
                    log.say(name);
                    name
                }
            };
            drop(gather!(member("a"), member("b")).await);
        });
        until(|| log.count("waits") == 2).await;
        task.cancel_with("m");
        assert_eq!(task.await.unwrap_err().cancelled().unwrap().msg(), Some("m"));
        assert!(log.said("a") && log.said("b"));
    });
}

#[test]
fn try_gather_tells_errors_from_ends() {
    run(|| async {
        let halves = |numbers: Vec<u32>| {
            try_gather(numbers.into_iter().map(|n| async move {
                assert!(n != 13, "unlucky");
                if n % 2 == 0 { Ok(n / 2) } else { Err("odd") }
            }))
        };
        assert_eq!(halves(vec![2, 4]).await.unwrap(), [1, 2]);
        assert!(halves(vec![]).await.unwrap().is_empty());
        let error = halves(vec![2, 5]).await.unwrap_err();
        assert!(matches!(error, GatherError::Failed { index: 1, error: "odd" }), "{error:?}");
        assert_eq!(error.to_string(), "number 1 of a gather: odd");
        let error = halves(vec![13, 2]).await.unwrap_err();
        assert_eq!(error.index(), 0);
        assert!(matches!(error, GatherError::Task { error, .. } if error.is_panic()));
    });
}

#[test]
fn a_gather_of_many_looks_at_each_once() {
    run(|| async {
        const MANY: usize = 3_000;
        let sum: usize = gather((0..MANY).map(|n| async move {
            if n % 3 == 0 {
                yield_now().await;
            }
            n
        }))
        .await
        .unwrap()
        .into_iter()
        .sum();
        assert_eq!(sum, MANY * (MANY - 1) / 2);
        let ended = gather_all((0..MANY).map(|n| async move { assert!(n % 2 == 0) })).await;
        assert_eq!(ended.iter().filter(|it| it.is_ok()).count(), MANY / 2);
    });
}

#[test]
fn as_completed_is_a_stream_and_keeps_the_order_of_the_ends() {
    run(|| async {
        let go: Vec<_> = (0..3).map(|_| Flag::default()).collect();
        let tasks = go.clone().into_iter().map(|flag| async move { until(|| flag.is_set()).await });
        let mut results = as_completed(tasks);
        for index in [2, 0, 1] {
            go[index].set();
            // What a stream's combinator would call.
            let next = std::future::poll_fn(|cx| Pin::new(&mut results).poll_next(cx));
            assert_eq!(next.await.unwrap().0, index);
        }
        assert!(results.next().await.is_none());
    });
}

#[test]
fn as_completed_within_a_limit() {
    run(|| async {
        let tasks =
            [spawn(async { 1 }), spawn(std::future::pending()), spawn(std::future::pending())];
        let watched: Vec<_> = tasks.iter().map(|task| task.task_ref()).collect();
        until(|| watched[0].done()).await;
        let mut results = as_completed(tasks).with_timeout(ms(5));
        assert_eq!(results.len(), 3);
        let (index, first) = results.next().await.unwrap().unwrap();
        assert_eq!((index, first.unwrap()), (0, 1));
        for left in [1, 0] {
            let error = results.next().await.unwrap().unwrap_err();
            assert_eq!(error.limit(), Some(ms(5)));
            assert_eq!(results.len(), left);
        }
        assert!(results.next().await.is_none() && results.is_empty());
        assert!(watched[1..].iter().all(|task| !task.done() && task.cancelling() == 0));
        drop(results);
        for task in watched {
            task.cancel();
        }
    });
}

#[test]
fn a_join_set_gives_results_as_they_come() {
    run(|| async {
        let mut set = JoinSet::new();
        assert!(set.is_empty() && set.try_join_next().is_none());
        assert!(set.join_next().await.is_none());
        let go: Vec<_> = (0..3).map(|_| Flag::default()).collect();
        let ids: Vec<_> = (0..3)
            .map(|n| {
                let go = go[n as usize].clone();
                set.spawn(async move {
                    until(|| go.is_set()).await;
                    n
                })
                .id()
            })
            .collect();
        assert_eq!(set.len(), 3);
        for n in [2, 1, 0] {
            go[n as usize].set();
            let (id, value) = set.join_next_with_id().await.unwrap();
            assert_eq!((id, value.unwrap()), (ids[n as usize], n));
        }
        // Places are used again.
        for round in 0..3 {
            set.extend((0..50).map(|n| async move { n }));
            let mut sum = 0;
            while let Some(result) = set.join_next().await {
                sum += result.unwrap();
            }
            assert_eq!(sum, 1225, "{round}");
        }
        let squares: JoinSet<u32> = (0..4).map(|n| async move { n * n }).collect();
        let mut values = squares.join_all().await;
        values.sort_unstable();
        assert_eq!(values, [0, 1, 4, 9]);
    });
}

#[test]
fn a_join_set_aborts_what_is_left() {
    run(|| async {
        let log = Log::default();
        let mut set = JoinSet::new();
        let add = |set: &mut JoinSet<()>, name: &'static str| {
            let token = log.on_drop(name);
            set.spawn(async move {
                let _token = token;
                // An abort asks no scope.
                drop(catch_cancel(for_ever()).await);
                for_ever().await;
            })
        };
        let first = add(&mut set, "shut down");
        nap().await;
        set.shutdown().await;
        assert!(first.done() && set.is_empty());
        log.is(&["shut down"]);
        let cancelled = add(&mut set, "aborted");
        nap().await;
        set.abort_all();
        assert!(set.join_next().await.unwrap().unwrap_err().is_cancelled());
        assert!(cancelled.done());
        let dropped = add(&mut set, "dropped");
        nap().await;
        drop(set);
        until(|| dropped.done()).await;
        log.is(&["shut down", "aborted", "dropped"]);
        let mut set = JoinSet::new();
        let detached = set.spawn(for_ever());
        set.detach_all();
        assert!(set.is_empty() && set.join_next().await.is_none());
        drop(set);
        nap().await;
        assert_eq!((detached.done(), detached.cancelling()), (false, 0));
        detached.cancel();
    });
}

#[test]
fn a_wait_that_is_dropped_takes_nothing_out_of_a_join_set() {
    run(|| async {
        let mut set = JoinSet::new();
        let go = Flag::default();
        let seen = go.clone();
        set.spawn(async move { until(|| seen.is_set()).await });
        assert!(poll_once(set.join_next()).is_pending());
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(set.poll_join_next(cx).is_pending() && set.len() == 1);
        go.set();
        assert!(set.join_next().await.unwrap().is_ok());
    });
}

#[test]
fn a_task_that_has_ended_wakes_who_adds_it_after_a_look() {
    #[derive(Default)]
    struct Woken(Flag);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.set();
        }
    }
    run(|| async {
        let done = spawn(async { 7 });
        until(|| done.done()).await;
        let mut set = JoinSet::new();
        set.spawn(std::future::pending());
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let cx = &mut Context::from_waker(&waker);
        assert!(set.poll_join_next(cx).is_pending());
        set.insert(done);
        assert!(woken.0.is_set(), "no later end would do it");
        let Poll::Ready(Some(ended)) = set.poll_join_next(cx) else { panic!("it was woken") };
        assert_eq!(ended.unwrap(), 7);
    });
}

#[test]
#[should_panic(expected = "a task's own panic")]
fn join_all_raises_a_panic_again() {
    corio::run(async {
        let mut set = JoinSet::new();
        set.spawn(for_ever());
        set.spawn(async { panic!("a task's own panic") });
        drop(set.join_all().await);
    });
}

#[test]
fn a_limit_that_its_body_moves() {
    /// Long enough to be moved in time, however slow the machine is.
    const FIRST: Duration = Duration::from_millis(200);
    const LATER: Duration = Duration::from_secs(20);
    run(|| async {
        // Each step buys more time: all together they take longer than what there was at first.
        let kept = timeout_scope(FIRST, async |limit| {
            for _ in 0..4 {
                limit.reschedule(Some(Instant::now() + LATER)).unwrap();
                corio::sleep(FIRST / 3).await;
            }
            limit
        });
        let limit = kept.await.unwrap();
        assert!(!limit.expired() && limit.when().is_some());
        assert!(limit.reschedule(None).is_err(), "it has ended");
        assert!(format!("{limit:?}").contains("finished"));
        // No limit, then one that has passed.
        let mut handle: Option<TimeoutScope> = None;
        let ended = timeout_scope(None, async |limit| {
            assert_eq!(limit.when(), None);
            handle = Some(limit.clone());
            yield_now().await;
            limit.reschedule(Some(Instant::now() - ms(1))).unwrap();
            assert!(!limit.expired());
            // The next wait is the end.
            for_ever().await;
        });
        assert!(ended.await.is_err());
        let handle = handle.unwrap();
        assert!(handle.expired() && format!("{handle:?}").contains("expired"));
        // Taken away.
        let value = timeout_scope(FIRST, async |limit| {
            limit.reschedule(None).unwrap();
            corio::sleep(FIRST + ms(5)).await;
            7
        });
        assert_eq!(value.await, Ok(7));
    });
}

#[test]
fn a_limit_that_somebody_else_moves() {
    run(|| async {
        let (sender, scope) = std::sync::mpsc::channel::<TimeoutScope>();
        let task = spawn(timeout_scope(Duration::from_secs(600), async move |limit| {
            sender.send(limit).unwrap();
            for_ever().await;
        }));
        let limit = loop {
            match scope.try_recv() {
                Ok(limit) => break limit,
                Err(_) => nap().await,
            }
        };
        nap().await;
        // The task sleeps until then: this wakes it.
        limit.reschedule(Some(Instant::now())).unwrap();
        assert!(task.await.unwrap().is_err());
        assert!(limit.expired());
    });
}

#[test]
fn a_limit_is_expired_while_its_body_cleans_up() {
    run(|| async {
        let value = timeout_scope(ms(2), async |limit| {
            let request = catch_cancel(for_ever()).await.unwrap_err();
            assert!(limit.expired() && limit.reschedule(None).is_err());
            assert!(format!("{limit:?}").contains("expiring"));
            assert_eq!(count(), 1);
            request.suppress();
            nap().await;
            (limit, 3)
        });
        let (limit, value) = value.await.expect("the body answered with a value");
        assert!(limit.expired() && value == 3);
        assert_eq!(count(), 0);
        // A cancel of the task goes first.
        let cleans = Flag::default();
        let mark = cleans.clone();
        let task = create_local_task(timeout_scope(ms(2), async move |_| {
            drop(catch_cancel(for_ever()).await);
            mark.set();
            for_ever().await;
        }));
        until(|| cleans.is_set()).await;
        task.cancel_with("outer");
        assert_eq!(task.await.unwrap_err().cancelled().unwrap().msg(), Some("outer"));
    });
}

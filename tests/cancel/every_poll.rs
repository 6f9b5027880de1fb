//! Every composition and every scope, dropped at each of its polls and cancelled at each of its
//! polls: nothing leaks, nothing hangs, and every cancel that said true ends the task cancelled.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use corio::{
    Builder, GroupError, JoinSet, ReturnWhen, TaskGroup, as_completed, catch_cancel, create_task,
    defer_cancel, ensure_future, finally, gather, gather_all, join, on_cancel, select, shield,
    sleep, staggered_race, task_group, timeout, timeout_scope, try_gather, try_join, wait,
    wait_for, yield_now,
};
use corio_tests::kit::{Ledger, Token};
use corio_tests::{PATIENCE, within};

use crate::support::{ms, until};

type Operation = Pin<Box<dyn Future<Output = ()> + Send>>;
type Make = fn(Ledger) -> Operation;

/// More polls than any operation needs.
const POLLS_MAX: usize = 200;
const FAR: Duration = Duration::from_secs(600);

/// Something that takes some polls and holds something.
async fn part(token: Token) -> u8 {
    let _token = token;
    for _ in 0..3 {
        yield_now().await;
    }
    1
}

fn parts(ledger: &Ledger) -> Vec<impl Future<Output = u8> + Send + use<>> {
    (0..3).map(|_| part(ledger.token())).collect()
}

/// The same with a clean-up that takes some polls, too.
async fn cleaning(token: Token) -> u8 {
    match catch_cancel(part(token)).await {
        Ok(value) => value,
        Err(request) => {
            yield_now().await;
            request.raise().await
        }
    }
}

/// What an operation gives does not matter here.
fn ignore<T>(_: T) {}

macro_rules! operations {
    ($($name:ident: |$ledger:ident| $body:expr;)*) => {
        [$((stringify!($name), (|$ledger: Ledger| Box::pin(async move { ignore($body) }) as Operation) as Make),)*]
    };
}

fn operations() -> impl Iterator<Item = (&'static str, Make)> {
    of_tasks().into_iter().chain(of_groups()).chain(inline())
}

/// Those whose parts are tasks.
fn of_tasks() -> impl IntoIterator<Item = (&'static str, Make)> {
    operations! {
        gather: |ledger| gather(parts(&ledger)).await;
        gather_all: |ledger| gather_all(parts(&ledger)).await;
        try_gather: |ledger| {
            let parts = parts(&ledger).into_iter().map(|part| async { Ok::<_, ()>(part.await) });
            try_gather(parts).await
        };
        gather_macro: |ledger| {
            corio::gather!(part(ledger.token()), cleaning(ledger.token())).await
        };
        wait: |ledger| {
            let tasks = parts(&ledger).into_iter().map(create_task).collect();
            wait(tasks, ReturnWhen::AllCompleted, Some(FAR)).await
        };
        as_completed: |ledger| {
            let mut all = as_completed(parts(&ledger));
            while all.next().await.is_some() {}
        };
        as_completed_within: |ledger| {
            let mut all = as_completed(parts(&ledger)).with_timeout(FAR);
            while all.next().await.is_some() {}
        };
        shield: |ledger| shield(part(ledger.token())).await;
        ensure_future: |ledger| ensure_future(part(ledger.token())).await;
        join_set: |ledger| {
            let mut set: JoinSet<u8> = parts(&ledger).into_iter().collect();
            while set.join_next().await.is_some() {}
        };
        join_set_shutdown: |ledger| {
            let mut set: JoinSet<u8> = parts(&ledger).into_iter().collect();
            yield_now().await;
            set.shutdown().await
        };
        join_set_join_all: |ledger| {
            let set: JoinSet<u8> = parts(&ledger).into_iter().collect();
            set.join_all().await
        };
    }
}

/// Those whose parts are tasks of a group, or one task.
fn of_groups() -> impl IntoIterator<Item = (&'static str, Make)> {
    operations! {
        task_group: |ledger| {
            let ended: Result<(), GroupError<()>> = task_group(async |group: TaskGroup<()>| {
                for child in parts(&ledger) {
                    drop(group.create_task(async { Ok::<_, ()>(child.await) }));
                }
                cleaning(ledger.token()).await;
                Ok(())
            })
            .await;
            ended
        };
        task_group_that_fails: |ledger| {
            let ended: Result<(), GroupError<()>> = task_group(async |group: TaskGroup<()>| {
                let (first, second) = (cleaning(ledger.token()), part(ledger.token()));
                drop(group.create_task(async { Ok::<_, ()>(first.await) }));
                drop(group.create_task(async { second.await; Err::<(), _>(()) }));
                cleaning(ledger.token()).await;
                Ok(())
            })
            .await;
            ended
        };
        wait_for_task: |ledger| {
            wait_for(create_task(cleaning(ledger.token())), FAR).await
        };
    }
}

/// Those that poll their parts themselves.
fn inline() -> impl IntoIterator<Item = (&'static str, Make)> {
    operations! {
        join: |ledger| join!(cleaning(ledger.token()), part(ledger.token()));
        try_join: |ledger| {
            let (a, b) = (cleaning(ledger.token()), part(ledger.token()));
            try_join!(async { Ok::<_, u8>(a.await) }, async { b.await; Err::<(), _>(1) })
        };
        select: |ledger| select! {
            _ = cleaning(ledger.token()) => {}
            _ = part(ledger.token()) => {}
        };
        staggered_race: |ledger| {
            let attempts = (0..3).map(|n| {
                let token = ledger.token();
                move || async move {
                    let value = cleaning(token).await;
                    if n < 2 { Err(n) } else { Ok(value) }
                }
            });
            staggered_race(attempts, Some(FAR)).await
        };
        timeout: |ledger| timeout(FAR, cleaning(ledger.token())).await;
        timeout_that_comes: |ledger| {
            let never = async {
                cleaning(ledger.token()).await;
                let _held = ledger.token();
                if let Err(request) = catch_cancel(sleep(FAR)).await {
                    yield_now().await;
                    request.raise::<()>().await;
                }
            };
            timeout(ms(1), never).await
        };
        timeout_scope: |ledger| {
            let moved = timeout_scope(FAR, async |limit| {
                cleaning(ledger.token()).await;
                limit.reschedule(Some(Instant::now() + ms(1))).unwrap();
                let _held = ledger.token();
                sleep(FAR).await;
            });
            moved.await
        };
        catch_cancel: |ledger| cleaning(ledger.token()).await;
        on_cancel: |ledger| {
            let cleanup = part(ledger.token());
            on_cancel(part(ledger.token()), async { cleanup.await; }).await
        };
        finally: |ledger| {
            let cleanup = part(ledger.token());
            finally(part(ledger.token()), async { cleanup.await; }).await
        };
        defer_cancel: |ledger| {
            defer_cancel(part(ledger.token())).await;
            part(ledger.token()).await
        };
    }
}

/// What is done to the operation after its nth poll.
#[derive(Clone, Copy, Debug)]
enum Anomaly {
    Drop,
    Cancel,
}

/// Polls an operation in a task of its own and interferes after its nth poll. False if it had ended
/// by then.
async fn interfere(make: Make, ledger: &Ledger, anomaly: Anomaly, at: usize) -> bool {
    let mut operation = Some(make(ledger.clone()));
    let mut polls = 0;
    let task = create_task(poll_fn(move |cx| {
        let Some(running) = &mut operation else { return Poll::Ready(false) };
        if running.as_mut().poll(cx).is_ready() {
            return Poll::Ready(polls >= at);
        }
        polls += 1;
        if polls == at {
            match anomaly {
                Anomaly::Drop => {
                    operation = None;
                    return Poll::Ready(true);
                }
                Anomaly::Cancel => assert!(corio::current_task().unwrap().cancel()),
            }
        }
        Poll::Pending
    }));
    match (task.await, anomaly) {
        (Ok(interfered), Anomaly::Drop) => interfered,
        // The cancel said true, and nothing here answers it with a value.
        (Ok(interfered), Anomaly::Cancel) => {
            assert!(!interfered, "the cancel was lost");
            false
        }
        (Err(error), Anomaly::Cancel) if error.is_cancelled() => true,
        (Err(error), _) => panic!("{error}"),
    }
}

async fn at_every_poll(name: &str, make: Make, anomaly: Anomaly) {
    let before = corio::all_tasks().len();
    for at in 1..POLLS_MAX {
        let ledger = Ledger::new();
        let interfered = interfere(make, &ledger, anomaly, at).await;
        until(|| ledger.live() == 0 && corio::all_tasks().len() <= before).await;
        assert!(ledger.made() > 0);
        if !interfered {
            assert!(at > 1, "{name} never waits");
            return;
        }
    }
    panic!("{name} does not end");
}

fn on(builder: Builder) {
    within(PATIENCE * 4, "every poll", move || {
        let main = async {
            for (name, make) in operations() {
                for anomaly in [Anomaly::Drop, Anomaly::Cancel] {
                    println!("{name} {anomaly:?}");
                    at_every_poll(name, make, anomaly).await;
                }
            }
        };
        builder.name("ep").run(main).expect("main ends well");
    });
}

#[test]
fn on_one_worker() {
    on(Builder::new().workers(1));
}

#[test]
fn on_four_workers() {
    on(Builder::new().workers(4));
}

#[test]
fn without_stealing() {
    on(Builder::new().workers(2).stealing(false));
}

#[test]
fn with_a_budget_of_one() {
    on(Builder::new().workers(1).poll_budget(1));
}

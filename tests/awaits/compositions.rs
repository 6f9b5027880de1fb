//! Compositions and scopes: whatever becomes of the whole, no part is left running and what the
//! parts hold is dropped.

use corio::{
    AsCompleted, GroupError, JoinSet, ReturnWhen, TaskGroup, as_completed, catch_cancel,
    create_task, defer_cancel, finally, gather, gather_all, join, on_cancel, select, shield,
    staggered_race, task_group, try_gather, try_join, wait, yield_now,
};
use corio_tests::kit::{Ledger, Token};

use crate::driver::{Case, Make, awaits, case, until};
use crate::support::{FAR, next};

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

/// A composition; its value does not matter here, what it holds does.
fn composed<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    compose: impl FnOnce(Ledger) -> F,
) -> Case {
    let ledger = Ledger::new();
    let composition = compose(ledger.clone());
    case(composition, async {}, async move |got: Option<T>| {
        drop(got);
        until("what the parts hold is dropped", || ledger.live() == 0).await;
    })
}

/// Takes all of some parts, each once.
async fn all_of(mut all: AsCompleted<u8>) {
    let mut left = all.len();
    while let Some((_, value)) = all.next().await {
        assert_eq!(value.expect("nobody cancels it"), 1);
        left -= 1;
    }
    assert_eq!(left, 0);
}

pub const TABLE: &[(&str, Make)] = awaits! {
    // Those whose parts are tasks.
    "gather" => composed(|ledger| async move { gather(parts(&ledger)).await });
    "gather_all" => composed(|ledger| async move { gather_all(parts(&ledger)).await });
    "try_gather" => composed(|ledger| async move {
        let parts = parts(&ledger).into_iter().map(|part| async { Ok::<_, ()>(part.await) });
        try_gather(parts).await
    });
    "gather!" => composed(|ledger| async move {
        corio::gather!(part(ledger.token()), cleaning(ledger.token())).await
    });
    "wait" => composed(|ledger| async move {
        let tasks = parts(&ledger).into_iter().map(create_task).collect();
        wait(tasks, ReturnWhen::AllCompleted, Some(FAR)).await
    });
    "AsCompleted::next" => composed(|ledger| async move {
        all_of(as_completed(parts(&ledger))).await;
    });
    "AsCompleted as Stream" => composed(|ledger| async move {
        let mut all = as_completed(parts(&ledger));
        while next(&mut all).await.is_some() {}
    });
    "AsCompletedWithin::next" => composed(|ledger| async move {
        let mut all = as_completed(parts(&ledger)).with_timeout(FAR);
        while all.next().await.is_some() {}
    });
    "AsCompletedWithin as Stream" => composed(|ledger| async move {
        let mut all = as_completed(parts(&ledger)).with_timeout(FAR);
        while next(&mut all).await.is_some() {}
    });
    "shield" => composed(|ledger| async move { shield(part(ledger.token())).await });
    "JoinSet::join_next" => composed(|ledger| async move {
        let mut set: JoinSet<u8> = parts(&ledger).into_iter().collect();
        while set.join_next().await.is_some() {}
    });
    "JoinSet::join_next_with_id" => composed(|ledger| async move {
        let mut set: JoinSet<u8> = parts(&ledger).into_iter().collect();
        while set.join_next_with_id().await.is_some() {}
    });
    "JoinSet::shutdown" => composed(|ledger| async move {
        let mut set: JoinSet<u8> = parts(&ledger).into_iter().collect();
        yield_now().await;
        set.shutdown().await;
    });
    "JoinSet::join_all" => composed(|ledger| async move {
        let set: JoinSet<u8> = parts(&ledger).into_iter().collect();
        set.join_all().await
    });
    // One that ends well, then one that a child brings down.
    "task_group" => composed(|ledger| async move {
        let ended: Result<(), GroupError<()>> = task_group(async |group: TaskGroup<()>| {
            for child in parts(&ledger) {
                drop(group.create_task(async { Ok::<_, ()>(child.await) }));
            }
            cleaning(ledger.token()).await;
            Ok(())
        })
        .await;
        assert!(ended.is_ok());
        let ended: Result<(), GroupError<()>> = task_group(async |group: TaskGroup<()>| {
            let (first, second) = (cleaning(ledger.token()), part(ledger.token()));
            drop(group.create_task(async { Ok::<_, ()>(first.await) }));
            drop(group.create_task(async { second.await; Err::<(), _>(()) }));
            // A request that the body has caught is the body's to raise, and goes with it when the
            // group drops it at its next wait; so it catches none here.
            part(ledger.token()).await;
            Ok(())
        })
        .await;
        // A cancel that came with the error comes at the next wait.
        yield_now().await;
        ended
    });

    // Those that poll their parts themselves.
    "join!" => composed(|ledger| async move {
        join!(cleaning(ledger.token()), part(ledger.token()))
    });
    "try_join!" => composed(|ledger| async move {
        let (a, b) = (cleaning(ledger.token()), part(ledger.token()));
        try_join!(async { Ok::<_, u8>(a.await) }, async { b.await; Err::<(), _>(1) })
    });
    "select!" => composed(|ledger| async move {
        select! {
            _ = cleaning(ledger.token()) => {}
            _ = part(ledger.token()) => {}
        }
    });
    "staggered_race" => composed(|ledger| async move {
        let attempts = (0..3).map(|n| {
            let token = ledger.token();
            move || async move {
                let value = cleaning(token).await;
                if n < 2 { Err(n) } else { Ok(value) }
            }
        });
        staggered_race(attempts, Some(FAR)).await
    });
    "catch_cancel" => composed(|ledger| cleaning(ledger.token()));
    "on_cancel" => composed(|ledger| async move {
        let cleanup = part(ledger.token());
        on_cancel(part(ledger.token()), async { cleanup.await; }).await
    });
    "finally" => composed(|ledger| async move {
        let cleanup = part(ledger.token());
        finally(part(ledger.token()), async { cleanup.await; }).await
    });
    "defer_cancel" => composed(|ledger| async move {
        defer_cancel(part(ledger.token())).await;
        part(ledger.token()).await
    });
};

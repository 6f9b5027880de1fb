//! Compositions and scopes: whatever becomes of the whole, no part is left running and what the
//! parts hold is dropped.

use corio::{
    AsCompleted, GroupError, JoinSet, ReturnWhen, TaskGroup, as_completed, catch_cancel,
    create_task, defer_cancel, finally, gather, gather_all, join, on_cancel, select, shield,
    staggered_race, task_group, try_gather, try_join, wait, yield_now,
};
use corio_tests::kit::{Ledger, Signal, Token};

use crate::driver::{Case, Make, awaits, case, until};
use crate::support::{FAR, next};

/// What parts hold, and what they wait for.
struct Stage {
    ledger: Ledger,
    go: Signal,
}

/// Held by a part.
struct Held {
    _token: Token,
    go: Signal,
}

impl Stage {
    fn token(&self) -> Held {
        Held { _token: self.ledger.token(), go: self.go.clone() }
    }
}

/// Something that begins when the whole waits for it, takes some polls and holds something.
async fn part(held: Held) -> u8 {
    held.go.wait().await;
    for _ in 0..3 {
        yield_now().await;
    }
    1
}

fn parts(stage: &Stage) -> Vec<impl Future<Output = u8> + Send + use<>> {
    (0..3).map(|_| part(stage.token())).collect()
}

/// The same with a clean-up that takes some polls, too.
async fn cleaning(held: Held) -> u8 {
    match catch_cancel(part(held)).await {
        Ok(value) => value,
        Err(request) => {
            yield_now().await;
            request.raise().await
        }
    }
}

/// A composition; its value does not matter here, what it holds does.
fn composed<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    compose: impl FnOnce(Stage) -> F,
) -> Case {
    let (ledger, go) = (Ledger::new(), Signal::new());
    let composition = compose(Stage { ledger: ledger.clone(), go: go.clone() });
    case(composition, async move { go.set() }, async move |got: Option<T>| {
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
    "gather" => composed(|stage| async move { gather(parts(&stage)).await });
    "gather_all" => composed(|stage| async move { gather_all(parts(&stage)).await });
    "try_gather" => composed(|stage| async move {
        let parts = parts(&stage).into_iter().map(|part| async { Ok::<_, ()>(part.await) });
        try_gather(parts).await
    });
    "gather!" => composed(|stage| async move {
        corio::gather!(part(stage.token()), cleaning(stage.token())).await
    });
    "wait" => composed(|stage| async move {
        let tasks = parts(&stage).into_iter().map(create_task).collect();
        wait(tasks, ReturnWhen::AllCompleted, Some(FAR)).await
    });
    "AsCompleted::next" => composed(|stage| async move {
        all_of(as_completed(parts(&stage))).await;
    });
    "AsCompleted as Stream" => composed(|stage| async move {
        let mut all = as_completed(parts(&stage));
        while next(&mut all).await.is_some() {}
    });
    "AsCompletedWithin::next" => composed(|stage| async move {
        let mut all = as_completed(parts(&stage)).with_timeout(FAR);
        while all.next().await.is_some() {}
    });
    "AsCompletedWithin as Stream" => composed(|stage| async move {
        let mut all = as_completed(parts(&stage)).with_timeout(FAR);
        while next(&mut all).await.is_some() {}
    });
    "shield" => composed(|stage| async move { shield(part(stage.token())).await });
    "JoinSet::join_next" => composed(|stage| async move {
        let mut set: JoinSet<u8> = parts(&stage).into_iter().collect();
        while set.join_next().await.is_some() {}
    });
    "JoinSet::join_next_with_id" => composed(|stage| async move {
        let mut set: JoinSet<u8> = parts(&stage).into_iter().collect();
        while set.join_next_with_id().await.is_some() {}
    });
    "JoinSet::shutdown" => composed(|stage| async move {
        let mut set: JoinSet<u8> = parts(&stage).into_iter().collect();
        yield_now().await;
        set.shutdown().await;
    });
    "JoinSet::join_all" => composed(|stage| async move {
        let set: JoinSet<u8> = parts(&stage).into_iter().collect();
        set.join_all().await
    });
    // One that ends well, then one that a child brings down.
    "task_group" => composed(|stage| async move {
        let ended: Result<(), GroupError<()>> = task_group(async |group: TaskGroup<()>| {
            for child in parts(&stage) {
                drop(group.create_task(async { Ok::<_, ()>(child.await) }));
            }
            cleaning(stage.token()).await;
            Ok(())
        })
        .await;
        assert!(ended.is_ok());
        let ended: Result<(), GroupError<()>> = task_group(async |group: TaskGroup<()>| {
            let (first, second) = (cleaning(stage.token()), part(stage.token()));
            drop(group.create_task(async { Ok::<_, ()>(first.await) }));
            drop(group.create_task(async { second.await; Err::<(), _>(()) }));
            cleaning(stage.token()).await;
            Ok(())
        })
        .await;
        // A cancel that came with the error comes at the next wait.
        yield_now().await;
        ended
    });

    // Those that poll their parts themselves.
    "join!" => composed(|stage| async move {
        join!(cleaning(stage.token()), part(stage.token()))
    });
    "try_join!" => composed(|stage| async move {
        let (a, b) = (cleaning(stage.token()), part(stage.token()));
        try_join!(async { Ok::<_, u8>(a.await) }, async { b.await; Err::<(), _>(1) })
    });
    "select!" => composed(|stage| async move {
        select! {
            _ = cleaning(stage.token()) => {}
            _ = part(stage.token()) => {}
        }
    });
    "staggered_race" => composed(|stage| async move {
        let attempts = (0..3).map(|n| {
            let token = stage.token();
            move || async move {
                let value = cleaning(token).await;
                if n < 2 { Err(n) } else { Ok(value) }
            }
        });
        staggered_race(attempts, Some(FAR)).await
    });
    "catch_cancel" => composed(|stage| cleaning(stage.token()));
    "on_cancel" => composed(|stage| async move {
        let cleanup = part(stage.token());
        on_cancel(part(stage.token()), async { cleanup.await; }).await
    });
    "finally" => composed(|stage| async move {
        let cleanup = part(stage.token());
        finally(part(stage.token()), async { cleanup.await; }).await
    });
    "defer_cancel" => composed(|stage| async move {
        defer_cancel(part(stage.token())).await;
        part(stage.token()).await
    });
};

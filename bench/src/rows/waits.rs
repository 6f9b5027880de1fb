//! The other ways to wait for tasks and futures: as they end, in a set, under a limit, shielded.
//!
//! As in [`compose`](super::compose), corio's call stands beside what tokio's users write for the
//! same purpose, with futures-util where tokio itself has nothing.

use std::future::Future;
use std::marker::PhantomData;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::compose::{MANY, Second, TIMES, repeat, sum_below};
use crate::pass::Pass;
use crate::row::{Row, Target};
use crate::rt::Rt;

/// A limit that never comes during a row.
const FAR: Duration = Duration::from_secs(10);

/// What is compared: the ways to wait, of one library.
pub trait Waits: Send + Sync + 'static {
    /// Runs `count` tasks that give their number, and takes their values as they end; the sum.
    fn as_completed(count: u64) -> impl Future<Output = u64> + Send;

    /// The same with the library's set of tasks.
    fn join_set(count: u64) -> impl Future<Output = u64> + Send;

    /// The same, waiting for the end of all before any value is looked at.
    fn wait(count: u64) -> impl Future<Output = u64> + Send;

    /// Awaits a task under a limit.
    fn wait_for(n: u64) -> impl Future<Output = u64> + Send;

    /// Awaits something that goes on if the wait is given up.
    fn shield(n: u64) -> impl Future<Output = u64> + Send;

    /// Awaits four futures, each of which is ready at its second poll; the sum.
    fn join() -> impl Future<Output = u64> + Send;
}

/// corio's.
impl Waits for crate::prim::Corio {
    async fn as_completed(count: u64) -> u64 {
        let mut ends = corio::as_completed((0..count).map(|n| async move { n }));
        let mut sum = 0;
        while let Some((_, ended)) = ends.next().await {
            sum += ended.expect("no task panics");
        }
        sum
    }

    async fn join_set(count: u64) -> u64 {
        let mut set = corio::JoinSet::new();
        for n in 0..count {
            set.spawn(async move { n });
        }
        let mut sum = 0;
        while let Some(ended) = set.join_next().await {
            sum += ended.expect("no task panics");
        }
        sum
    }

    async fn wait(count: u64) -> u64 {
        let tasks = (0..count).map(|n| corio::create_task(async move { n })).collect();
        let ended = corio::wait(tasks, corio::ReturnWhen::AllCompleted, None).await;
        let (done, _) = ended.expect("there are tasks");
        done.iter().map(|task| *task.result().expect("no task panics")).sum()
    }

    async fn wait_for(n: u64) -> u64 {
        let task = corio::create_task(async move { n });
        corio::wait_for(task, FAR).await.expect("it is in time").expect("no task panics")
    }

    async fn shield(n: u64) -> u64 {
        corio::shield(async move { n }).await.expect("no task panics")
    }

    async fn join() -> u64 {
        let (a, b, c, d) =
            corio::join!(Second::new(1), Second::new(1), Second::new(1), Second::new(1));
        a + b + c + d
    }
}

/// tokio's.
impl Waits for crate::prim::Tokio {
    async fn as_completed(count: u64) -> u64 {
        let mut ends: FuturesUnordered<_> =
            (0..count).map(|n| tokio::spawn(async move { n })).collect();
        let mut sum = 0;
        while let Some(ended) = ends.next().await {
            sum += ended.expect("no task panics");
        }
        sum
    }

    async fn join_set(count: u64) -> u64 {
        let mut set = tokio::task::JoinSet::new();
        for n in 0..count {
            set.spawn(async move { n });
        }
        let mut sum = 0;
        while let Some(ended) = set.join_next().await {
            sum += ended.expect("no task panics");
        }
        sum
    }

    async fn wait(count: u64) -> u64 {
        // As in `gather`: awaiting the handles in turn is the quickest.
        let tasks: Vec<_> = (0..count).map(|n| tokio::spawn(async move { n })).collect();
        let mut ends = Vec::with_capacity(tasks.len());
        for task in tasks {
            ends.push(task.await);
        }
        ends.into_iter().map(|ended| ended.expect("no task panics")).sum()
    }

    async fn wait_for(n: u64) -> u64 {
        let task = tokio::spawn(async move { n });
        tokio::time::timeout(FAR, task).await.expect("it is in time").expect("no task panics")
    }

    async fn shield(n: u64) -> u64 {
        // A task of tokio's goes on when its handle is dropped.
        tokio::spawn(async move { n }).await.expect("no task panics")
    }

    async fn join() -> u64 {
        let (a, b, c, d) =
            tokio::join!(Second::new(1), Second::new(1), Second::new(1), Second::new(1));
        a + b + c + d
    }
}

/// A row of one call: its type, name and description, how often in a pass, the sum, and the call.
macro_rules! rows {
    ($($(#[$doc:meta])* $row:ident($name:literal, $about:literal) {
        $ops:expr, $sum:expr, $times:expr, $call:expr
    })*) => {$(
        $(#[$doc])*
        pub struct $row<W>(PhantomData<W>);

        impl<W: Waits> Pass for $row<W> {
            const ROW: Row = Row::new($name, $about).target(Target::TimesTokio(1.0));
            const OPS: u64 = $ops;

            fn expected() -> u64 {
                $sum
            }

            async fn pass<R: Rt>() -> u64 {
                repeat($times, $call).await
            }
        }
    )*};
}

/// Single waits in a pass.
const SINGLE: u64 = 10_000;

rows! {
    /// A thousand tasks, in the order of their ends.
    AsCompleted(
        "as_completed_1000",
        "a task runs 1,000 others and takes their values as they end (as_completed; \
         FuturesUnordered), 10 times in turn; per task"
    ) { MANY * TIMES, sum_below(MANY) * TIMES, TIMES, || W::as_completed(MANY) }

    /// A thousand tasks in a set.
    Set(
        "join_set_1000",
        "a JoinSet runs 1,000 tasks and gives their values, 10 times in turn; per task"
    ) { MANY * TIMES, sum_below(MANY) * TIMES, TIMES, || W::join_set(MANY) }

    /// The end of a thousand tasks.
    Wait(
        "wait_1000",
        "a task runs 1,000 others and looks at their values when all have ended (wait; each handle), \
         10 times in turn; per task"
    ) { MANY * TIMES, sum_below(MANY) * TIMES, TIMES, || W::wait(MANY) }

    /// A task under a limit.
    WaitForTask(
        "wait_for_task",
        "a task spawns another and awaits it for 10 s at most (wait_for; timeout), 10,000 times \
         in turn; per task"
    ) { SINGLE, SINGLE, SINGLE, || W::wait_for(1) }

    /// A shielded wait.
    Shield(
        "shield_one",
        "a task awaits something that would go on without it (shield; spawn), 10,000 times in \
         turn; per wait"
    ) { SINGLE, SINGLE, SINGLE, || W::shield(1) }

    /// Four futures of one task.
    Join4(
        "join_4",
        "a task awaits four futures that are ready at their second poll, 10,000 times in turn; \
         per join!"
    ) { SINGLE, 4 * SINGLE, SINGLE, W::join }
}

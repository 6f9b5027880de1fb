//! Waiting for many tasks, cancelling them, and waiting for one of several futures.
//!
//! The rows compare what each library gives its users for it: corio's compositions beside what
//! tokio's documentation names for the same purpose, each in a task of its own runtime.

use std::future::{Future, pending};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::pass::Pass;
use crate::row::{Row, Target};
use crate::rt::Rt;

/// What is compared: the ways to wait for many, of one library.
pub trait Compose: Send + Sync + 'static {
    /// Runs `count` tasks that give their number, and awaits all; the sum.
    fn gather(count: u64) -> impl Future<Output = u64> + Send;

    /// Runs `count` tasks that belong together and end together; the sum, as they end.
    fn group(count: u64) -> impl Future<Output = u64> + Send;

    /// Runs `count` tasks that wait for ever, cancels and joins them; how many were cancelled.
    fn cancel(count: u64) -> impl Future<Output = u64> + Send;

    /// Awaits the first of four futures, each of which is ready at its second poll.
    fn select() -> impl Future<Output = u64> + Send;
}

/// corio's.
#[cfg(feature = "corio")]
impl Compose for crate::prim::Corio {
    async fn gather(count: u64) -> u64 {
        let values = corio::gather((0..count).map(|n| async move { n })).await;
        values.expect("no task panics").into_iter().sum()
    }

    async fn group(count: u64) -> u64 {
        let sum = corio::task_group(async |group: corio::TaskGroup<()>| {
            let children = (0..count).map(|n| {
                group.create_task(async move { Ok::<_, ()>(n) }).expect("the group is open")
            });
            let mut sum = 0;
            for child in children.collect::<Vec<_>>() {
                sum += child.await.expect("no child panics");
            }
            Ok(sum)
        });
        sum.await.expect("no child fails")
    }

    async fn cancel(count: u64) -> u64 {
        let tasks: Vec<_> = (0..count).map(|_| corio::create_task(pending::<()>())).collect();
        corio::yield_now().await;
        let mut cancelled = 0;
        for task in &tasks {
            task.cancel();
        }
        for task in tasks {
            cancelled += u64::from(task.await.is_err_and(|error| error.is_cancelled()));
        }
        cancelled
    }

    async fn select() -> u64 {
        corio::select! {
            n = Second::new(1) => n,
            n = Second::new(1) => n,
            n = Second::new(1) => n,
            n = Second::new(1) => n,
        }
    }
}

/// tokio's.
impl Compose for crate::prim::Tokio {
    async fn gather(count: u64) -> u64 {
        // tokio has no gather; awaiting the handles in turn is the quickest that it offers.
        let tasks: Vec<_> = (0..count).map(|n| tokio::spawn(async move { n })).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("no task panics");
        }
        sum
    }

    async fn group(count: u64) -> u64 {
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

    async fn cancel(count: u64) -> u64 {
        let tasks: Vec<_> = (0..count).map(|_| tokio::spawn(pending::<()>())).collect();
        tokio::task::yield_now().await;
        let mut cancelled = 0;
        for task in &tasks {
            task.abort();
        }
        for task in tasks {
            cancelled += u64::from(task.await.is_err_and(|error| error.is_cancelled()));
        }
        cancelled
    }

    async fn select() -> u64 {
        tokio::select! {
            n = Second::new(1) => n,
            n = Second::new(1) => n,
            n = Second::new(1) => n,
            n = Second::new(1) => n,
        }
    }
}

/// A future that wakes its task in its first poll and is ready in its second.
pub(super) struct Second {
    value: u64,
    polled: bool,
}

impl Second {
    pub(super) fn new(value: u64) -> Self {
        Self { value, polled: false }
    }
}

impl Future for Second {
    type Output = u64;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        if std::mem::replace(&mut self.polled, true) {
            return Poll::Ready(self.value);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Tasks of one gather or group.
pub(super) const MANY: u64 = 1_000;

/// Gathers or groups in a pass.
pub(super) const TIMES: u64 = 10;

pub(super) const fn sum_below(n: u64) -> u64 {
    n * (n - 1) / 2
}

/// Does something so many times, one after the other; the sum.
pub(super) async fn repeat<F: Future<Output = u64>>(times: u64, something: impl Fn() -> F) -> u64 {
    let mut sum = 0;
    for _ in 0..times {
        sum += something().await;
    }
    sum
}

/// A thousand tasks whose values are wanted.
pub struct Gather<C>(PhantomData<C>);

impl<C: Compose> Pass for Gather<C> {
    const ROW: Row = Row::new(
        "gather_1000",
        "a task runs 1,000 others and awaits all of their values, 10 times in turn; per task",
    )
    .target(Target::TimesTokio(1.0));
    const OPS: u64 = MANY * TIMES;

    fn expected() -> u64 {
        sum_below(MANY) * TIMES
    }

    async fn pass<R: Rt>() -> u64 {
        repeat(TIMES, || C::gather(MANY)).await
    }
}

/// A thousand tasks that end together.
pub struct Group<C>(PhantomData<C>);

impl<C: Compose> Pass for Group<C> {
    const ROW: Row = Row::new(
        "group_1000",
        "a group of 1,000 tasks runs to its end (task_group; JoinSet), 10 times in turn; per task",
    )
    .target(Target::TimesTokio(1.0));
    const OPS: u64 = MANY * TIMES;

    fn expected() -> u64 {
        sum_below(MANY) * TIMES
    }

    async fn pass<R: Rt>() -> u64 {
        repeat(TIMES, || C::group(MANY)).await
    }
}

/// Ten thousand tasks that are stopped.
pub struct CancelJoin<C>(PhantomData<C>);

impl<C: Compose> Pass for CancelJoin<C> {
    const ROW: Row = Row::new(
        "cancel_join_10k",
        "a task runs 10,000 others that wait for ever, cancels and joins them; per task",
    )
    .target(Target::TimesTokio(1.0));
    const OPS: u64 = 10_000;

    fn expected() -> u64 {
        Self::OPS
    }

    async fn pass<R: Rt>() -> u64 {
        C::cancel(Self::OPS).await
    }
}

/// The first of four.
pub struct Select4<C>(PhantomData<C>);

impl<C: Compose> Pass for Select4<C> {
    const ROW: Row = Row::new(
        "select_4",
        "a task awaits the first of four futures that are ready at their second poll, 10,000 \
         times in turn; per select!",
    )
    .target(Target::TimesTokio(1.0));
    const OPS: u64 = 10_000;

    fn expected() -> u64 {
        Self::OPS
    }

    async fn pass<R: Rt>() -> u64 {
        repeat(Self::OPS, C::select).await
    }
}

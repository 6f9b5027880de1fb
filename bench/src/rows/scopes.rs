//! What a scope that catches cancels costs: those who have none, and those who have one.
//!
//! The same two jobs, a task that yields and a task that spawns and joins others, run in three
//! places: in a program without scopes, beside a task that waits in a scope, and within a scope.
//! tokio's scope is that of a `CancellationToken`.

use std::future::{Future, pending};
use std::marker::PhantomData;

use tokio_util::sync::CancellationToken;

use super::compose::sum_below;
use crate::pass::Pass;
use crate::row::{Row, Target};
use crate::rt::Rt;

/// Scopes of one library.
pub trait Scopes: Send + Sync + 'static {
    /// Does `work` while another task waits in a scope.
    fn beside(work: impl Future<Output = u64> + Send) -> impl Future<Output = u64> + Send;

    /// Does `work` in a scope.
    fn within(work: impl Future<Output = u64> + Send) -> impl Future<Output = u64> + Send;
}

/// corio's.
impl Scopes for crate::prim::Corio {
    async fn beside(work: impl Future<Output = u64> + Send) -> u64 {
        let waits = corio::create_task(corio::catch_cancel(pending::<()>()));
        corio::yield_now().await;
        let done = work.await;
        waits.cancel();
        assert!(waits.await.is_ok_and(|caught| caught.is_err()), "the scope has caught it");
        done
    }

    async fn within(work: impl Future<Output = u64> + Send) -> u64 {
        corio::catch_cancel(work).await.expect("nobody cancels this")
    }
}

/// tokio's.
impl Scopes for crate::prim::Tokio {
    async fn beside(work: impl Future<Output = u64> + Send) -> u64 {
        let token = CancellationToken::new();
        let waits = token.clone();
        let waits = tokio::spawn(async move { waits.run_until_cancelled(pending::<()>()).await });
        tokio::task::yield_now().await;
        let done = work.await;
        token.cancel();
        assert!(waits.await.is_ok_and(|value| value.is_none()), "the scope has ended");
        done
    }

    async fn within(work: impl Future<Output = u64> + Send) -> u64 {
        let token = CancellationToken::new();
        token.run_until_cancelled(work).await.expect("nobody cancels this")
    }
}

/// Where work is done.
pub trait Place: Send + Sync + 'static {
    /// The row of yields.
    const YIELDS: Row;
    /// The row of tasks.
    const SPAWNS: Row;

    /// Does it there.
    fn work<S: Scopes>(work: impl Future<Output = u64> + Send) -> impl Future<Output = u64> + Send;
}

/// A row that tokio must not beat.
const fn row(name: &'static str, about: &'static str) -> Row {
    Row::new(name, about).target(Target::TimesTokio(1.0))
}

/// In a program without scopes.
pub struct Alone;

impl Place for Alone {
    const YIELDS: Row = row("yield_alone", "one task yields 10,000 times; per yield");
    const SPAWNS: Row =
        row("spawn_join_alone", "a task spawns and awaits another, 10,000 times; per task");

    async fn work<S: Scopes>(work: impl Future<Output = u64> + Send) -> u64 {
        work.await
    }
}

/// Beside a task that waits in a scope.
pub struct Beside;

impl Place for Beside {
    const YIELDS: Row = row(
        "yield_beside_scope",
        "yield_alone, while another task waits in a scope (catch_cancel; CancellationToken)",
    );
    const SPAWNS: Row =
        row("spawn_join_beside_scope", "spawn_join_alone, while another task waits in a scope");

    async fn work<S: Scopes>(work: impl Future<Output = u64> + Send) -> u64 {
        S::beside(work).await
    }
}

/// Within a scope.
pub struct Within;

impl Place for Within {
    const YIELDS: Row = row("yield_in_scope", "yield_alone, in a scope");
    const SPAWNS: Row = row("spawn_join_in_scope", "spawn_join_alone, in a scope");

    async fn work<S: Scopes>(work: impl Future<Output = u64> + Send) -> u64 {
        S::within(work).await
    }
}

/// Yields, or tasks, in a pass.
const OPS: u64 = 10_000;

/// One task that yields.
pub struct Yields<S, P>(PhantomData<(S, P)>);

impl<S: Scopes, P: Place> Pass for Yields<S, P> {
    const ROW: Row = P::YIELDS;
    const OPS: u64 = OPS;

    fn expected() -> u64 {
        OPS
    }

    async fn pass<R: Rt>() -> u64 {
        P::work::<S>(async {
            for _ in 0..OPS {
                R::yield_now().await;
            }
            OPS
        })
        .await
    }
}

/// A task that spawns another and awaits it.
pub struct Spawns<S, P>(PhantomData<(S, P)>);

impl<S: Scopes, P: Place> Pass for Spawns<S, P> {
    const ROW: Row = P::SPAWNS;
    const OPS: u64 = OPS;

    fn expected() -> u64 {
        sum_below(OPS)
    }

    async fn pass<R: Rt>() -> u64 {
        P::work::<S>(async {
            let mut sum = 0;
            for n in 0..OPS {
                sum += R::spawn(async move { n }).await;
            }
            sum
        })
        .await
    }
}

//! What a scope that catches cancels costs the task that has one: the same work as in another row,
//! within a scope.
//!
//! tokio's scope is that of a `CancellationToken`.

use std::future::Future;
use std::marker::PhantomData;

use tokio_util::sync::CancellationToken;

use super::spawn::SpawnJoinOne;
use super::switch::YieldAlone;
use super::time::TimeoutYield;
use crate::pass::Pass;
use crate::row::{Row, Target};
use crate::rt::Rt;

/// Scopes of one library.
pub trait Scopes: Send + Sync + 'static {
    /// Does `work` in a scope that nobody cancels.
    fn within(work: impl Future<Output = u64> + Send) -> impl Future<Output = u64> + Send;
}

/// corio's.
impl Scopes for crate::prim::Corio {
    async fn within(work: impl Future<Output = u64> + Send) -> u64 {
        corio::catch_cancel(work).await.expect("nobody cancels this")
    }
}

/// tokio's.
impl Scopes for crate::prim::Tokio {
    async fn within(work: impl Future<Output = u64> + Send) -> u64 {
        let token = CancellationToken::new();
        token.run_until_cancelled(work).await.expect("nobody cancels this")
    }
}

/// Work that has a second row, within a scope.
pub trait InScope: Pass {
    /// That row.
    const WITHIN: Row;
}

/// A row that tokio must not beat.
const fn row(name: &'static str, about: &'static str) -> Row {
    Row::new(name, about).target(Target::TimesTokio(1.0))
}

impl InScope for YieldAlone {
    const WITHIN: Row = row(
        "yield_in_scope",
        "yield_alone, within a scope (catch_cancel; CancellationToken); per yield",
    );
}

impl InScope for SpawnJoinOne {
    const WITHIN: Row = row("spawn_join_in_scope", "spawn_join_one, within a scope; per task");
}

impl InScope for TimeoutYield {
    const WITHIN: Row = row("timeout_in_scope", "timeout_yield, within a scope; per timeout");
}

/// The work of `P`, within a scope of `S`.
pub struct Within<S, P>(PhantomData<(S, P)>);

impl<S: Scopes, P: InScope> Pass for Within<S, P> {
    const ROW: Row = P::WITHIN;
    const OPS: u64 = P::OPS;
    const HOME: bool = P::HOME;

    fn expected() -> u64 {
        P::expected()
    }

    async fn pass<R: Rt>() -> u64 {
        S::within(P::pass::<R>()).await
    }
}

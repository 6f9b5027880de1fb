//! Spawning and joining.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::pass::Pass;
use crate::row::{Row, Target};
use crate::rt::Rt;
use crate::signal::{Countdown, Sender, oneshot};

/// The sum of 0, 1, .. up to `n - 1`.
const fn sum_below(n: u64) -> u64 {
    n * (n - 1) / 2
}

/// One task spawns many that do nothing and waits until all have run.
pub struct SpawnManyLocal;

impl Pass for SpawnManyLocal {
    const ROW: Row = Row::new(
        "spawn_many_local",
        "a task spawns 10,000 others, detached, and waits until all have run; per task",
    )
    .target(Target::TimesTokio(3.0));
    const OPS: u64 = 10_000;

    fn expected() -> u64 {
        sum_below(Self::OPS)
    }

    async fn pass<R: Rt>() -> u64 {
        let countdown = Countdown::new(Self::OPS);
        for n in 0..Self::OPS {
            let countdown = Arc::clone(&countdown);
            R::spawn_detached(async move { countdown.hit(n) });
        }
        countdown.wait().await
    }
}

/// Spawn one, await it, again.
pub struct SpawnJoinOne;

impl Pass for SpawnJoinOne {
    const ROW: Row = Row::new(
        "spawn_join_one",
        "a task spawns another and awaits it, 10,000 times in turn; per task",
    )
    .target(Target::TimesTokio(2.5));
    const OPS: u64 = 10_000;

    fn expected() -> u64 {
        sum_below(Self::OPS)
    }

    async fn pass<R: Rt>() -> u64 {
        let mut sum = 0;
        for n in 0..Self::OPS {
            sum += R::spawn(async move { n }).await;
        }
        sum
    }
}

/// Each task spawns the next one.
pub struct ChainedSpawn;

/// Length of one chain.
const CHAIN: u64 = 1_000;

/// Chains in a pass, one after the other.
const CHAINS: u64 = 10;

impl Pass for ChainedSpawn {
    const ROW: Row = Row::new(
        "chained_spawn",
        "each task spawns the next and ends, 1,000 deep, 10 chains in turn; per task",
    )
    .target(Target::TimesTokio(2.5));
    const OPS: u64 = CHAIN * CHAINS;

    fn expected() -> u64 {
        sum_below(CHAIN + 1) * CHAINS
    }

    async fn pass<R: Rt>() -> u64 {
        let mut sum = 0;
        for _ in 0..CHAINS {
            let (done, ended) = oneshot();
            spawn_chain::<R>(CHAIN, 0, done);
            sum += ended.await;
        }
        sum
    }
}

fn spawn_chain<R: Rt>(left: u64, sum: u64, done: Sender) {
    if left == 0 {
        done.send(sum);
        return;
    }
    R::spawn_detached(async move { spawn_chain::<R>(left - 1, sum + left, done) });
}

/// A tree of tasks, ten children each, one million leaves.
pub struct Skynet;

const LEAVES: u64 = 1_000_000;
const CHILDREN: u64 = 10;

impl Pass for Skynet {
    const ROW: Row = Row::new(
        "skynet",
        "a tree of tasks, 10 children each, 1,000,000 leaves, summed by joining; per task",
    )
    .target(Target::TimesTokio(2.5));
    // Six levels below the root: 1 + 10 + .. + 1,000,000 tasks, of which the root is the pass.
    const OPS: u64 = 1_111_110;

    fn expected() -> u64 {
        sum_below(LEAVES)
    }

    async fn pass<R: Rt>() -> u64 {
        skynet::<R>(0, LEAVES).await
    }
}

/// A future whose type names itself needs a box; every runtime gets the same one.
type Recursive = Pin<Box<dyn Future<Output = u64> + Send>>;

fn skynet<R: Rt>(first: u64, leaves: u64) -> Recursive {
    Box::pin(async move {
        if leaves == 1 {
            return first;
        }
        let below = leaves / CHILDREN;
        let mut children = Vec::with_capacity(CHILDREN as usize);
        for child in 0..CHILDREN {
            children.push(R::spawn(skynet::<R>(first + child * below, below)));
        }
        let mut sum = 0;
        for child in children {
            sum += child.await;
        }
        sum
    })
}

/// Fork and join without a cut-off.
pub struct Fib;

const FIB: u64 = 24;

impl Pass for Fib {
    const ROW: Row = Row::new(
        "fib",
        "fib(24): each call spawns fib(n-1), computes fib(n-2) itself and joins; per spawn",
    )
    .target(Target::TimesTokio(1.5));
    // A call for n spawns once itself, and its two halves spawn below it.
    const OPS: u64 = fib_spawns(FIB);

    fn expected() -> u64 {
        plain_fib(FIB)
    }

    async fn pass<R: Rt>() -> u64 {
        fib::<R>(FIB).await
    }
}

const fn fib_spawns(n: u64) -> u64 {
    if n < 2 { 0 } else { 1 + fib_spawns(n - 1) + fib_spawns(n - 2) }
}

const fn plain_fib(n: u64) -> u64 {
    if n < 2 { n } else { plain_fib(n - 1) + plain_fib(n - 2) }
}

fn fib<R: Rt>(n: u64) -> Recursive {
    Box::pin(async move {
        if n < 2 {
            return n;
        }
        let left = R::spawn(fib::<R>(n - 1));
        let right = fib::<R>(n - 2).await;
        left.await + right
    })
}

/// Spawn a thousand, then join them in order.
pub struct FanOutIn;

/// Children of one fan.
const FAN: u64 = 1_000;

/// Fans in a pass.
const FANS: u64 = 10;

impl Pass for FanOutIn {
    const ROW: Row = Row::new(
        "fan_out_in",
        "a task spawns 1,000 others, then awaits each for its value, 10 times; per child",
    )
    .target(Target::TimesTokio(3.0));
    const OPS: u64 = FAN * FANS;

    fn expected() -> u64 {
        sum_below(FAN) * FANS
    }

    async fn pass<R: Rt>() -> u64 {
        let mut sum = 0;
        for _ in 0..FANS {
            let children: Vec<_> = (0..FAN).map(|n| R::spawn(async move { n })).collect();
            for child in children {
                sum += child.await;
            }
        }
        sum
    }
}

/// Spawn many, each with a function that is called at its end.
pub struct DoneCallback;

/// Tasks in one batch.
const BATCH: u64 = 1_000;

/// Batches in a pass.
const BATCHES: u64 = 10;

impl Pass for DoneCallback {
    const ROW: Row = Row::new(
        "done_callback",
        "a task spawns 1,000 others, each with a done-callback (else a second task that awaits it), \
         and waits until all were called, 10 times; per task",
    )
    .target(Target::TimesTokio(1.0));
    const OPS: u64 = BATCH * BATCHES;

    fn expected() -> u64 {
        sum_below(BATCH) * BATCHES
    }

    async fn pass<R: Rt>() -> u64 {
        let mut sum = 0;
        for _ in 0..BATCHES {
            let countdown = Countdown::new(BATCH);
            for n in 0..BATCH {
                let countdown = Arc::clone(&countdown);
                R::spawn_with_callback(async {}, move || countdown.hit(n));
            }
            sum += countdown.wait().await;
        }
        sum
    }
}

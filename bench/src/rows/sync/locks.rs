//! Locks and permits.

use std::future::{Future, ready};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::together;
use crate::pass::{Pass, Repeat};
use crate::prim::{Lock, RwLock, Semaphore};
use crate::row::{Figures, Metric, Plan, Row, Target, Workload, Wrong};
use crate::rt::Rt;

/// Tasks that want the same thing at once.
const TASKS: u64 = 8;
/// How often each of them wants it.
const EACH: u64 = 1_000;

/// One task locks and unlocks.
pub struct Uncontended<L>(PhantomData<L>);

const UNCONTENDED: u64 = 10_000;

impl<L: Lock> Pass for Uncontended<L> {
    const ROW: Row =
        Row::new("lock_uncontended", "a task locks and unlocks 10,000 times alone; per lock")
            .target(Target::TimesTokio(2.5));
    const OPS: u64 = UNCONTENDED;

    fn expected() -> u64 {
        UNCONTENDED
    }

    async fn pass<R: Rt>() -> u64 {
        let lock = L::new();
        let mut sum = 0;
        for _ in 0..UNCONTENDED {
            sum = L::add(&lock, ready(())).await;
        }
        sum
    }
}

/// Tasks that lock for a moment each.
pub struct Contended<L>(PhantomData<L>);

impl<L: Lock> Pass for Contended<L> {
    const ROW: Row = Row::new(
        "lock_contended",
        "8 tasks lock for a moment 1,000 times each, first come first served (async-lock's barge); \
         per lock",
    )
    .target(Target::TimesTokio(1.3));
    const OPS: u64 = TASKS * EACH;

    fn expected() -> u64 {
        TASKS * EACH + 1
    }

    async fn pass<R: Rt>() -> u64 {
        contend::<L, R, _>(|| ready(())).await
    }
}

/// Tasks that hand a lock over to each other.
pub struct HandOver<L>(PhantomData<L>);

impl<L: Lock> Pass for HandOver<L> {
    const ROW: Row = Row::new(
        "lock_hand_over",
        "as lock_contended, but the holder yields, so that all others come to wait; per lock",
    )
    .target(Target::TimesTokio(1.3));
    const OPS: u64 = TASKS * EACH;

    fn expected() -> u64 {
        TASKS * EACH + 1
    }

    async fn pass<R: Rt>() -> u64 {
        contend::<L, R, _>(R::yield_now).await
    }
}

/// Tasks want a lock again and again, and await what `inside` makes while they hold it. Returns
/// the sum of all locks, one more for the look at it.
async fn contend<L, R, F>(inside: impl Fn() -> F + Copy + Send + 'static) -> u64
where
    L: Lock,
    R: Rt,
    F: Future<Output = ()> + Send,
{
    let lock = Arc::new(L::new());
    together::<R, _, _>(TASKS, |_| {
        let lock = Arc::clone(&lock);
        async move {
            for _ in 0..EACH {
                L::add(&lock, inside()).await;
            }
            0
        }
    })
    .await;
    L::add(&lock, ready(())).await
}

/// The same with a lock that newcomers may take, and how long the unluckiest task waited.
pub struct Barging<L>(PhantomData<L>);

impl<L: Lock> Workload for Barging<L> {
    const ROW: Row = Row::new(
        "lock_unfair",
        "as lock_contended with `Lock::new_unfair`; `longest` is the longest wait of 8,000",
    )
    .metrics(&[Metric::nanos("wall"), Metric::nanos("cpu"), Metric::nanos("longest")])
    .target(Target::TimesTokio(3.0));

    fn measure<R: Rt>(plan: &Plan) -> Result<Figures, Wrong> {
        let mut figures = <Repeat<Contended<L>>>::measure::<R>(plan)?;
        let rt = R::start(&plan.setup);
        figures.push(rt.block_on(rt.submit(longest_wait::<L, R>())) as f64);
        Ok(figures)
    }
}

async fn longest_wait<L: Lock, R: Rt>() -> u64 {
    let longest = Arc::new(AtomicU64::new(0));
    let lock = Arc::new(L::new());
    together::<R, _, _>(TASKS, |_| {
        let (lock, longest) = (Arc::clone(&lock), Arc::clone(&longest));
        async move {
            for _ in 0..EACH {
                let start = Instant::now();
                L::add(&lock, ready(())).await;
                // Relaxed: read after the tasks have ended.
                longest.fetch_max(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
            }
            0
        }
    })
    .await;
    longest.load(Ordering::Relaxed)
}

/// Tasks that share permits.
pub struct SemContended<S>(PhantomData<S>);

/// Permits for the tasks.
const PERMITS: usize = 2;

impl<S: Semaphore> Pass for SemContended<S> {
    const ROW: Row = Row::new(
        "sem_contended",
        "8 tasks take one of 2 permits 1,000 times each and yield; per permit",
    )
    .target(Target::TimesTokio(2.0));
    const OPS: u64 = TASKS * EACH;

    fn expected() -> u64 {
        TASKS * EACH
    }

    async fn pass<R: Rt>() -> u64 {
        let semaphore = Arc::new(S::new(PERMITS));
        together::<R, _, _>(TASKS, |_| {
            let semaphore = Arc::clone(&semaphore);
            async move {
                for _ in 0..EACH {
                    S::pass(&semaphore, R::yield_now()).await;
                }
                EACH
            }
        })
        .await
    }
}

/// Many read, few write.
pub struct ReadHeavy<L>(PhantomData<L>);

/// One of so many accesses writes.
const WRITE_EVERY: u64 = 50;

impl<L: RwLock> Pass for ReadHeavy<L> {
    const ROW: Row = Row::new(
        "rwlock_read_heavy",
        "8 tasks access a value 1,000 times each, every 50th time to write; per access",
    )
    .target(Target::TimesTokio(1.5));
    const OPS: u64 = TASKS * EACH;

    fn expected() -> u64 {
        TASKS * EACH / WRITE_EVERY
    }

    async fn pass<R: Rt>() -> u64 {
        let lock = Arc::new(L::new());
        together::<R, _, _>(TASKS, |_| {
            let lock = Arc::clone(&lock);
            async move {
                let mut seen = 0;
                for n in 1..=EACH {
                    if n % WRITE_EVERY == 0 {
                        L::add(&lock).await;
                    } else {
                        let now = L::read(&lock).await;
                        assert!(now >= seen, "the sum fell from {seen} to {now}");
                        seen = now;
                    }
                }
                0
            }
        })
        .await;
        L::read(&lock).await
    }
}

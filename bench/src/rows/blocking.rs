//! The pool for blocking functions.

use crate::pass::Pass;
use crate::row::{Row, Target};
use crate::rt::Rt;

/// There and back.
pub struct BlockingRtt;

impl Pass for BlockingRtt {
    const ROW: Row = Row::new(
        "blocking_rtt",
        "a task sends an empty function to the blocking pool and awaits it, in turn; per call",
    )
    .target(Target::TimesTokio(1.3));
    const OPS: u64 = 1_000;

    fn expected() -> u64 {
        Self::OPS * (Self::OPS - 1) / 2
    }

    async fn pass<R: Rt>() -> u64 {
        let mut sum = 0;
        for n in 0..Self::OPS {
            sum += R::spawn_blocking(move || n).await;
        }
        sum
    }
}

/// A burst.
pub struct Blocking10k;

impl Pass for Blocking10k {
    const ROW: Row = Row::new(
        "blocking_10k",
        "a task sends 10,000 empty functions to the blocking pool, then awaits all; per call",
    )
    .target(Target::TimesTokio(2.0));
    const OPS: u64 = 10_000;

    fn expected() -> u64 {
        Self::OPS * (Self::OPS - 1) / 2
    }

    async fn pass<R: Rt>() -> u64 {
        let jobs: Vec<_> = (0..Self::OPS).map(|n| R::spawn_blocking(move || n)).collect();
        let mut sum = 0;
        for job in jobs {
            sum += job.await;
        }
        sum
    }
}

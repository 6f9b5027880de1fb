//! Work that takes time: what cheap spawning must not cost in parallelism.

use std::time::Duration;

use crate::burn;
use crate::pass::Pass;
use crate::row::{Row, Target};
use crate::rt::Rt;

/// Long enough for every worker to have parked, with room for the longest spin before it.
const REST: Duration = Duration::from_millis(2);

/// Sixty-four children that compute.
pub struct Cpu64x50us;

const CHILDREN: u64 = 64;

impl Pass for Cpu64x50us {
    const ROW: Row = Row::new(
        "cpu_64x50us",
        "a task spawns 64 children of 50 us CPU each and joins them, all else idle; per pass",
    )
    .target(Target::TimesTokio(1.0 / 1.05));
    const OPS: u64 = 1;
    const REST: Duration = REST;

    fn expected() -> u64 {
        CHILDREN
    }

    async fn pass<R: Rt>() -> u64 {
        let children: Vec<_> =
            (0..CHILDREN).map(|_| R::spawn(async { u64::from(burn::cpu(50) != 0) })).collect();
        let mut ended = 0;
        for child in children {
            ended += child.await;
        }
        ended
    }
}

/// A parent and a child that compute at the same time.
pub struct ParentChild1ms;

impl Pass for ParentChild1ms {
    const ROW: Row = Row::new(
        "parent_child_1ms",
        "a task spawns a child of 1 ms CPU, computes 1 ms itself and joins it; per pass",
    )
    .target(Target::Either(1_150_000.0));
    const OPS: u64 = 1;
    const REST: Duration = REST;

    fn expected() -> u64 {
        2
    }

    async fn pass<R: Rt>() -> u64 {
        let child = R::spawn(async { u64::from(burn::cpu(1_000) != 0) });
        let own = u64::from(burn::cpu(1_000) != 0);
        own + child.await
    }
}

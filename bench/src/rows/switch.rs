//! Switching between tasks.

use std::sync::Arc;

use crate::pass::Pass;
use crate::row::{Row, Target};
use crate::rt::Rt;
use crate::signal::{Countdown, oneshot};

/// Many tasks that yield in turn.
pub struct YieldMany;

const YIELDERS: u64 = 200;
const YIELDS: u64 = 1_000;

impl Pass for YieldMany {
    const ROW: Row = Row::new("yield_many", "200 tasks yield 1,000 times each; per yield")
        .target(Target::TimesTokio(1.5));
    const OPS: u64 = YIELDERS * YIELDS;

    fn expected() -> u64 {
        YIELDERS * YIELDS
    }

    async fn pass<R: Rt>() -> u64 {
        let countdown = Countdown::new(YIELDERS);
        for _ in 0..YIELDERS {
            let countdown = Arc::clone(&countdown);
            R::spawn_detached(async move {
                let mut yields = 0;
                while yields < YIELDS {
                    R::yield_now().await;
                    yields += 1;
                }
                countdown.hit(yields);
            });
        }
        countdown.wait().await
    }
}

/// One task that yields, with nobody else to run.
pub struct YieldAlone;

impl Pass for YieldAlone {
    const ROW: Row = Row::new("yield_alone", "one task yields 10,000 times; per yield")
        .target(Target::TimesTokio(1.0));
    const OPS: u64 = 10_000;

    fn expected() -> u64 {
        Self::OPS
    }

    async fn pass<R: Rt>() -> u64 {
        let mut yields = 0;
        while yields < Self::OPS {
            R::yield_now().await;
            yields += 1;
        }
        yields
    }
}

/// Pairs of tasks that answer each other once.
pub struct PingPong;

const PAIRS: u64 = 1_000;

impl Pass for PingPong {
    const ROW: Row = Row::new(
        "ping_pong",
        "1,000 tasks spawn a partner each, send it a value and get one back; per pair",
    )
    .target(Target::TimesTokio(1.5));
    const OPS: u64 = PAIRS;

    fn expected() -> u64 {
        (0..PAIRS).map(|n| n + 1).sum()
    }

    async fn pass<R: Rt>() -> u64 {
        let countdown = Countdown::new(PAIRS);
        for n in 0..PAIRS {
            let countdown = Arc::clone(&countdown);
            R::spawn_detached(async move {
                let (ping, pinged) = oneshot();
                let (pong, ponged) = oneshot();
                R::spawn_detached(async move { pong.send(pinged.await + 1) });
                ping.send(n);
                countdown.hit(ponged.await);
            });
        }
        countdown.wait().await
    }
}

//! Timers.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use crate::pass::Pass;
use crate::row::{Row, Target};
use crate::rt::Rt;

/// A deadline that never comes during a row.
const FAR: Duration = Duration::from_secs(10);

/// A timeout around something that is not ready at once, but soon.
pub struct TimeoutYield;

impl Pass for TimeoutYield {
    const ROW: Row = Row::new(
        "timeout_yield",
        "a task awaits timeout(10 s, yield_now()), 10,000 times in turn; per timeout",
    )
    .target(Target::TimesTokio(4.0));
    const OPS: u64 = 10_000;
    const HOME: bool = true;

    fn expected() -> u64 {
        Self::OPS
    }

    async fn pass<R: Rt>() -> u64 {
        let mut in_time = 0;
        for _ in 0..Self::OPS {
            in_time += u64::from(R::timeout(FAR, R::yield_now()).await.is_some());
        }
        in_time
    }
}

/// Timers that are set and never fire.
pub struct TimerInsertCancel;

impl Pass for TimerInsertCancel {
    const ROW: Row = Row::new(
        "timer_insert_cancel",
        "a task polls a sleep of 10 s or so once and drops it, 10,000 times; per timer",
    )
    .target(Target::TimesTokio(2.3));
    const OPS: u64 = 10_000;
    const HOME: bool = true;

    fn expected() -> u64 {
        Self::OPS
    }

    async fn pass<R: Rt>() -> u64 {
        let mut pending = 0;
        for n in 0..Self::OPS {
            let sleep = pin!(R::sleep(FAR + Duration::from_micros(n)));
            pending += u64::from(poll_once(sleep).await.is_pending());
        }
        pending
    }
}

fn poll_once<F: Future>(mut future: Pin<&mut F>) -> impl Future<Output = Poll<F::Output>> {
    poll_fn(move |cx| Poll::Ready(future.as_mut().poll(cx)))
}

//! Under shuttle's schedules, too, concurrent histories have a sequential explanation: the programs
//! of `tests/linear`, in which a yield lies in front of every access to an atomic.

#[path = "../tests/linear/checker.rs"]
mod checker;
#[path = "../tests/linear/programs.rs"]
mod programs;
#[path = "../tests/linear/record.rs"]
mod record;
#[path = "../tests/linear/specs.rs"]
mod specs;

use crate::model;
use crate::shim::rand::{Rng, thread_rng};

/// The calls of a program come from shuttle's own source: a schedule replays them, too.
fn seed() -> u64 {
    thread_rng().gen_range(0..u64::MAX)
}

macro_rules! linear {
    ($($model:ident $program:ident)*) => {
        $(model! {
            $model(threads = 4, bound = 3, claim = "a sequential order explains every history") {
                programs::$program(seed());
            }
        })*
    };
}

linear! {
    linear_lock lock
    linear_lock_unfair unfair_lock
    linear_semaphore semaphore
    linear_rwlock rwlock
    linear_queue queue
    linear_queue_bounded bounded_queue
    linear_lifo lifo_queue
    linear_lifo_bounded bounded_lifo_queue
    linear_priority priority_queue
    linear_event event
    linear_notify notify
    linear_oneshot one_value
    linear_mpsc_unbounded unbounded_channel
    linear_mpsc bounded_channel
    linear_broadcast announcements
    linear_watch latest_value
}

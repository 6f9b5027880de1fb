//! Under shuttle's schedules, too, concurrent histories have a sequential explanation: the programs
//! of `tests/linear`, in which a yield lies in front of every access to an atomic.

#[path = "../tests/linear/answers.rs"]
mod answers;
#[path = "../tests/linear/checker.rs"]
mod checker;
#[path = "../tests/linear/condition.rs"]
mod condition;
#[path = "../tests/linear/programs.rs"]
mod programs;
#[path = "../tests/linear/record.rs"]
mod record;
#[path = "../tests/linear/rounds.rs"]
mod rounds;
#[path = "../tests/linear/specs.rs"]
mod specs;
#[path = "../tests/linear/tree.rs"]
mod tree;

use crate::model;
use crate::shim::rand::{Rng, thread_rng};

/// The calls of a program come from shuttle's own source: a schedule replays them, too.
fn seed() -> u64 {
    thread_rng().gen_range(0..u64::MAX)
}

macro_rules! linear {
    ($($model:ident $of:ident::$program:ident)*) => {
        $(model! {
            $model(threads = 4, bound = 3, claim = "a sequential order explains every history") {
                $of::$program(seed());
            }
        })*
    };
}

linear! {
    linear_lock programs::lock
    linear_lock_unfair programs::unfair_lock
    linear_semaphore programs::semaphore
    linear_rwlock programs::rwlock
    linear_queue programs::queue
    linear_queue_bounded programs::bounded_queue
    linear_lifo programs::lifo_queue
    linear_lifo_bounded programs::bounded_lifo_queue
    linear_priority programs::priority_queue
    linear_event programs::event
    linear_notify programs::notify
    linear_oneshot programs::one_value
    linear_mpsc_unbounded programs::unbounded_channel
    linear_mpsc programs::bounded_channel
    linear_broadcast programs::announcements
    linear_watch programs::latest_value
    linear_set_once answers::set_once
    linear_deferred answers::deferred
    linear_once_cell answers::once_cell
    linear_barrier rounds::barrier
    linear_condition condition::condition
    linear_cancel_token tree::tokens
}

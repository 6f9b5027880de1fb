//! Waiting for several things, and for things that go on without their waiter.

mod as_completed;
mod gather;
mod into_task;
mod shield;
mod task_group;
mod wait;

pub use as_completed::{AsCompleted, NextCompleted, as_completed};
pub use gather::{GatherAll, GatherVec, gather, gather_all};
pub use into_task::{IntoTask, ensure_future};
pub use shield::{Shield, Shieldable, shield};
pub use task_group::{GroupClosed, GroupError, GroupOutput, TaskGroup, TaskGroupScope, task_group};
pub use wait::{EmptySet, ReturnWhen, Wait, wait};

//! Waiting for several things, and for things that go on without their waiter.

mod roster;

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod as_completed;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod branch;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod gather;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod gather_macro;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod into_task;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod join;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod join_set;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod passing;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod select;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod shield;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod staggered;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod task_group;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod turns;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod unretrieved;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod wait;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod watched;

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod exports {
    pub use super::as_completed::{
        AsCompleted, AsCompletedWithin, NextCompleted, NextCompletedWithin, as_completed,
    };
    pub use super::gather::{
        GatherAll, GatherError, GatherVec, TryGather, gather, gather_all, try_gather,
    };
    pub use super::gather_macro::Gather;
    pub use super::into_task::{IntoTask, ensure_future};
    pub use super::join_set::{JoinAll, JoinNext, JoinNextWithId, JoinSet, JoinShutdown};
    pub use super::shield::{Shield, Shieldable, shield};
    pub use super::staggered::{StaggeredRace, staggered_race};
    pub use super::task_group::{
        GroupClosed, GroupError, GroupOutput, TaskGroup, TaskGroupScope, task_group,
    };
    pub use super::wait::{EmptySet, ReturnWhen, Wait, wait};
}
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub use exports::*;

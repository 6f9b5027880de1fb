//! Workers, their queues and who sleeps.

pub(crate) mod hog;
pub(crate) mod idle;
pub(crate) mod inbox;
pub(crate) mod lifo;
pub(crate) mod queue;
pub(crate) mod watch_sleep;

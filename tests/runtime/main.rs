//! The runtime through its public API: tasks, scheduler, runtimes, bridges, timers, executors.
//!
//! [`variants`] runs all of it again with other settings: one worker, no stealing, no LIFO slot, a
//! budget of one, no Watch.

mod between;
mod bridge;
mod builder;
mod callbacks;
mod cancel;
mod executors;
mod identity;
mod in_place;
mod later;
mod lifecycle;
mod outputs;
mod outside;
mod panics;
mod places;
mod scheduler;
mod settings;
mod shutdown;
mod support;
mod tasks;
mod timers;
mod variants;
mod visits;
mod wakers;
mod yields;

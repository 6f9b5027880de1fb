//! Waiting for several things, and for things that go on without their waiter.

mod shield;

pub use shield::{Shield, Shieldable, shield};

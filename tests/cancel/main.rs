//! Cancellation through the public interface: one test for each case of the table in
//! `docs/cancellation.md`, named after it.

mod again;
mod branches;
mod by_hand;
mod circles;
mod condition;
mod corners;
mod dropped;
mod edges;
mod group_ends;
mod groups;
mod joins;
mod limits;
mod limits_moved;
mod lost;
mod lots;
mod masks;
mod moved;
mod owed;
mod scopes;
mod sets;
mod support;
mod timeouts;
mod yields;

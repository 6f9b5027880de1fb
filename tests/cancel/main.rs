//! Cancellation through the public interface: one test for each case of the table in
//! `docs/cancellation.md`, named after it.

mod condition;
mod edges;
mod groups;
mod joins;
mod scopes;
mod support;
mod timeouts;

//! What other runtimes do badly by default, a system that gives no threads or descriptors, and
//! memory after a million limits.
//!
//! The tests measure time and memory, so each has the machine to itself: they run one after the other in
//! processes of their own, see [`alone`](corio_tests::child::alone).

mod exhaustion;
mod hogs;
mod limits;
mod stalls;

//! What other runtimes do badly by default, and a system that gives no threads or descriptors.
//!
//! The tests measure time, so each has the machine to itself: they run one after the other in
//! processes of their own, see [`child`].

mod child;
mod exhaustion;
mod hogs;

//! Waiting on the operating system.

//! Timeout.

//! The hierarchical wheel.

//! The readiness word of a source.

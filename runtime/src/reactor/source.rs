//! Registered descriptors.

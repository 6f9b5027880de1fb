//! The slab that task cells live in.

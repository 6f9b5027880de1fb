//! park.

//! coop.

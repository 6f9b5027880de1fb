//! Tasks: cell, state word, slab, wakers, handles.

pub(crate) mod slab;
pub(crate) mod state;

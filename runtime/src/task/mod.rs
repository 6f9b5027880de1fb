//! Tasks: cell, state word, slab, wakers, handles.

#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod error;
pub(crate) mod slab;
pub(crate) mod state;

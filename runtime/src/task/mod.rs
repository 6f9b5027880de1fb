//! Tasks: cell, state word, slab, wakers, handles, cancellation scopes.

#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod cancel;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod ext;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod join;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod raw;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod registry;
pub(crate) mod requests;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod run;
pub(crate) mod scope;
pub(crate) mod slab;
pub(crate) mod state;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod waker;

//! Tasks: cell, state word, slab, wakers, handles, cancellation scopes.

#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod awaited;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod birth;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod callback;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod cancel;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod cancel_on_drop;
pub(crate) mod contextvars;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod ext;
pub(crate) mod ext_slot;
pub(crate) mod grow_list;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod inside;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod join;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod join_slot;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod observe;
pub(crate) mod observers;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod raw;
pub(crate) mod ready;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod registry;
pub(crate) mod requests;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod run;
pub(crate) mod scope;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod silent;
pub(crate) mod slab;
pub(crate) mod state;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod waker;

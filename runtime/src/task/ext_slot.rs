//! The word that a task's extension hangs off.
//!
//! ```text
//!   0            nothing
//!   address | 1  of a `Location`: a cancel without a message was asked for there
//!   address | 2  of the task that awaits this one, as far as [`awaited`](super::awaited) goes
//!   address      the extension, for as long as the cell
//!
//!   0, awaiter --(1) put_place--> place
//!   0 <-(2) take_place-- place
//!   0, place, awaiter --(3) get_or_make--> extension, which has the message or the awaiter
//!   0, awaiter --(4) set_awaiter--> awaiter, or 0 if nobody awaits the task any more
//! ```
//!
//! Most tasks that are cancelled have no scopes, are cancelled once and without a message: they need
//! no extension, which costs several hundred instructions when thousands come and go.
//!
//! *Invariant.* A place is one message of a cancel, and there is one at most: the next goes into the
//! extension, after it. (3) moves the place there in the step that publishes the extension, so that
//! whoever takes the cancel finds the message in one of the two.
//!
//! An awaiter is a picture for people, and gives way to a message: a task without an extension has no
//! scopes, so the cancel ends it at its next run.

use std::panic::Location;
use std::ptr::{self, NonNull};

use corio_sync::shim::Ordering::{Acquire, Relaxed, Release};
use corio_sync::shim::atomic::{AtomicPtr, AtomicUsize};
use corio_sync::shim::{mutant, ord};

use super::requests::Requests;
use crate::error::{Cancelled, FROM_TASK};

/// Marks the address of a place.
const PLACE: usize = 1;
/// Marks the address of an awaiter.
const AWAITER: usize = 2;

/// What may hang off the word: a task's extension, or that of a model.
pub(crate) trait Extension: Default {
    /// What the cancels of the task have said.
    fn requests(&self) -> &Requests;

    /// The task that awaits this one, by its address; 0: none is known.
    fn awaited_by(&self) -> &AtomicUsize;
}

/// What a header has of its extension.
#[derive(Debug)]
pub(crate) struct ExtSlot<E>(AtomicPtr<E>);

fn is_place<E>(word: *mut E) -> bool {
    word.addr() & PLACE != 0
}

/// True for the address of an extension.
fn is_extension<E>(word: *mut E) -> bool {
    !word.is_null() && word.addr() & (PLACE | AWAITER) == 0
}

/// The task that the word names.
fn awaiter<E>(word: *mut E) -> Option<usize> {
    let marked = !is_place(word) && word.addr() & AWAITER != 0;
    marked.then(|| word.addr() & !AWAITER)
}

/// The word that names a task as the awaiter; 0: nobody.
#[inline]
fn marked<E>(awaiter: usize) -> *mut E {
    ptr::without_provenance_mut(if awaiter == 0 { 0 } else { awaiter | AWAITER })
}

/// The message of a cancel that was asked for at this place.
fn message<E>(word: *mut E) -> Option<Cancelled> {
    if !is_place(word) {
        return None;
    }
    let at = word.map_addr(|address| address & !PLACE).cast_const().cast::<Location<'static>>();
    // SAFETY: a word with the mark is the address of a static place.
    let at: &'static Location<'static> = unsafe { &*at };
    Some(Cancelled::from_parts(None, Some(at)).with_origin(FROM_TASK))
}

impl<E: Extension> ExtSlot<E> {
    const MARKED_APART: () =
        assert!(align_of::<E>() > PLACE | AWAITER && align_of::<Location<'static>>() > PLACE);

    #[inline]
    pub(super) fn new(given: Option<Box<E>>, awaiter: usize) -> Self {
        const { Self::MARKED_APART };
        let word = match given {
            None => marked(awaiter),
            Some(given) => {
                // Ordering: Relaxed; nobody else has the extension yet.
                given.awaited_by().store(awaiter, Relaxed);
                Box::into_raw(given)
            }
        };
        Self(AtomicPtr::new(word))
    }

    #[inline]
    pub(super) fn get(&self) -> Option<&E> {
        // Ordering(ext.load): Acquire; pairs with Ordering(ext.make): the extension is seen
        // initialized.
        let ext = NonNull::new(self.0.load(ord("ext.load", Acquire)))
            .filter(|ext| is_extension(ext.as_ptr()));
        // SAFETY: an extension lives as long as its cell, which `self` is a part of.
        ext.map(|ext| unsafe { ext.as_ref() })
    }

    #[inline]
    pub(super) fn get_or_make(&self) -> &E {
        match self.get() {
            Some(ext) => ext,
            None => self.make(),
        }
    }

    /// Edge 3.
    #[cold]
    fn make(&self) -> &E {
        let made = Box::into_raw(Box::<E>::default());
        // SAFETY: `made` was not published.
        let unseen = unsafe { &*made };
        let (requests, awaited_by) = (unseen.requests(), unseen.awaited_by());
        // Ordering: Acquire; as Ordering(ext.load).
        let mut seen = self.0.load(ord("ext.load", Acquire));
        loop {
            if is_extension(seen) {
                // SAFETY: `made` was never published.
                drop(unsafe { Box::from_raw(made) });
                // SAFETY: as in `get`.
                return unsafe { &*seen };
            }
            if let Some(said) = message(seen).filter(|_| !mutant("ext.make_forgets_place")) {
                requests.push(said);
            }
            if !mutant("ext.make_forgets_awaiter") {
                // Ordering: Relaxed; published with the extension.
                awaited_by.store(awaiter(seen).unwrap_or(0), Relaxed);
            }
            // Ordering(ext.make): Release; pairs with Ordering(ext.load): who finds the pointer finds
            // an initialized extension; Acquire on failure, as there. What is replaced is nothing, the
            // address of a static, or one that nobody follows.
            let (publish, found) = (ord("ext.make", Release), ord("ext.load", Acquire));
            match self.0.compare_exchange(seen, made, publish, found) {
                // SAFETY: as in `get`.
                Ok(_) => return unsafe { &*made },
                Err(now) => seen = now,
            }
            // The place has gone, or another one came.
            drop(requests.take_first());
        }
    }

    /// Edge 1. False if the message has to go into the extension.
    #[inline]
    pub(super) fn put_place(&self, at: &'static Location<'static>) -> bool {
        let place = ptr::from_ref(at).cast_mut().cast::<E>();
        let place = place.map_addr(|address| address | PLACE);
        // Ordering: Relaxed; a place is a static. Who takes the cancel finds it, because the cancel is
        // counted afterwards, by Ordering(state.request).
        let mut put = self.0.compare_exchange(ptr::null_mut(), place, Relaxed, Relaxed);
        while let Err(seen) = put {
            if awaiter(seen).is_none() {
                return false;
            }
            // Ordering: Relaxed; as above.
            put = self.0.compare_exchange(seen, place, Relaxed, Relaxed);
        }
        true
    }

    /// Edge 4. Names the task that awaits this one, by its address; 0: nobody does.
    #[inline]
    pub(super) fn set_awaiter(&self, who: usize) {
        let word = marked(who);
        // Ordering: Relaxed; compared with tasks that a walker keeps alive, never followed. On failure
        // nothing is read through the word here.
        if let Err(seen) = self.0.compare_exchange(ptr::null_mut(), word, Relaxed, Relaxed) {
            self.replace_awaiter(seen, word);
        }
    }

    #[cold]
    fn replace_awaiter(&self, mut seen: *mut E, word: *mut E) {
        let may = |seen: *mut E| seen.is_null() || awaiter(seen).is_some();
        while may(seen) || mutant("ext.awaiter_over_place") && is_place(seen) {
            // Ordering: Relaxed; as in `set_awaiter`.
            match self.0.compare_exchange(seen, word, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
        if let Some(ext) = self.get() {
            // Ordering: Relaxed; as in `set_awaiter`.
            ext.awaited_by().store(awaiter(word).unwrap_or(0), Relaxed);
        }
    }

    /// The task that awaits this one, as far as edge 4 has said.
    pub(super) fn awaiter(&self) -> Option<usize> {
        // Ordering: Relaxed; as in `set_awaiter`.
        let inside = || Some(self.get()?.awaited_by().load(Relaxed)).filter(|&who| who != 0);
        awaiter(self.0.load(Relaxed)).or_else(inside)
    }

    /// Edge 2. The message, if there is one that needed no extension.
    #[inline]
    pub(super) fn take_place(&self) -> Option<Cancelled> {
        // Ordering: Relaxed; as in `put_place`.
        let seen = self.0.load(Relaxed);
        let said = message(seen)?;
        // Ordering: Relaxed; as in `put_place`. If it fails the message was taken, or is in the
        // extension.
        let taken = self.0.compare_exchange(seen, ptr::null_mut(), Relaxed, Relaxed).is_ok();
        (taken || mutant("ext.place_taken_twice")).then_some(said)
    }

    /// Frees the extension, with the cell.
    #[inline]
    pub(super) fn free(&self) {
        // Ordering: Relaxed; the caller released the last reference with AcqRel.
        let ext = self.0.load(Relaxed);
        if is_extension(ext) {
            // SAFETY: the extension came from a box, and nobody else looks at the cell any more.
            drop_extension(unsafe { Box::from_raw(ext) });
        }
    }
}

/// Out of the way of the tasks that have none.
#[cold]
fn drop_extension<E>(extension: Box<E>) {
    drop(extension);
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

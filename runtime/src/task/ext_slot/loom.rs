//! Models of the word that an extension hangs off.
use corio_sync::model;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::{Witness, thread};

use super::*;

/// As much of an extension as the word is about.
struct Model(Requests, Witness<u8>, AtomicUsize);

/// What the witness of an extension says that is initialized.
const MADE: u8 = 7;

impl Default for Model {
    fn default() -> Self {
        let made = Self(Requests::default(), Witness::new(0), AtomicUsize::new(0));
        made.1.set(MADE);
        made
    }
}

impl Extension for Model {
    fn requests(&self) -> &Requests {
        &self.0
    }

    fn awaited_by(&self) -> &AtomicUsize {
        &self.2
    }
}

/// What a task of this slot would be told.
fn take(slot: &ExtSlot<Model>) -> Option<Cancelled> {
    slot.take_place().or_else(|| {
        let ext = slot.get()?;
        assert_eq!(ext.1.get(), MADE);
        ext.0.take_first()
    })
}

/// A cancel without a message, then one of whatever kind.
fn cancel(slot: &ExtSlot<Model>, at: &'static Location<'static>) {
    if !slot.put_place(at) {
        let ext = slot.get_or_make();
        assert_eq!(ext.1.get(), MADE);
        ext.0.push_said(None, at);
    }
}

fn place(said: Option<Cancelled>) -> Option<&'static Location<'static>> {
    said.and_then(|said| said.requested_at())
}

model! {
    /// A cancel, somebody who needs an extension, and a runner that takes what was said.
    ext_place_vs_make(threads = 3, bound = 3, claim = "what a cancel has said is taken once, from the word or from the extension") {
        let slot = Arc::new(ExtSlot::new(None, 0));
        let at = Location::caller();
        let canceller = slot.clone();
        let cancels = thread::spawn(move || cancel(&canceller, at));
        let other = slot.clone();
        let makes = thread::spawn(move || {
            other.get_or_make();
        });
        let early = place(take(&slot));
        cancels.join().unwrap();
        makes.join().unwrap();
        let late = place(take(&slot));
        assert_eq!(early.or(late), Some(at), "it was lost");
        assert!(early.is_none() || late.is_none(), "it was taken twice");
        assert_eq!(place(take(&slot)), None);
        slot.free();
    }
}

model! {
    /// Two takers, one of which retracts the cancel.
    ext_place_two_takers(threads = 2, bound = 3, claim = "of two takers one has what was said") {
        let slot = Arc::new(ExtSlot::new(None, 0));
        cancel(&slot, Location::caller());
        let other = slot.clone();
        let retracts = thread::spawn(move || take(&other).is_some());
        let taken = take(&slot).is_some();
        assert_ne!(taken, retracts.join().unwrap());
        slot.free();
    }
}

model! {
    /// The first cancel fits the word, and the second comes after it.
    ext_first_wins(threads = 2, bound = 3, claim = "of what two cancels have said the first is kept") {
        let slot = Arc::new(ExtSlot::new(None, 0));
        let (first, second) = (Location::caller(), here());
        let other = slot.clone();
        let cancels = thread::spawn(move || {
            cancel(&other, first);
            cancel(&other, second);
        });
        let early = place(take(&slot));
        cancels.join().unwrap();
        let late = place(take(&slot));
        match early {
            Some(at) => assert_eq!(at, first),
            None => assert_eq!(late, Some(first)),
        }
        assert_eq!(place(take(&slot)), None);
        slot.free();
    }
}

model! {
    /// Somebody begins to await the task and stops, beside a cancel.
    ext_awaiter_vs_place(threads = 3, bound = 3, claim = "what a cancel has said is taken once, whoever awaits the task meanwhile") {
        let slot = Arc::new(ExtSlot::new(None, 0));
        let at = Location::caller();
        let canceller = slot.clone();
        let cancels = thread::spawn(move || cancel(&canceller, at));
        let other = slot.clone();
        let awaits = thread::spawn(move || {
            other.set_awaiter(64);
            other.set_awaiter(0);
        });
        let early = place(take(&slot));
        cancels.join().unwrap();
        awaits.join().unwrap();
        let late = place(take(&slot));
        assert_eq!(early.or(late), Some(at), "it was lost");
        assert!(early.is_none() || late.is_none(), "it was taken twice");
        assert_eq!(slot.awaiter(), None);
        slot.free();
    }
}

model! {
    /// Two tasks await this one in turn while somebody needs an extension.
    ext_awaiter_vs_make(threads = 2, bound = 3, claim = "who awaits the task last is known, in the word or in the extension") {
        let slot = Arc::new(ExtSlot::<Model>::new(None, 64));
        let other = slot.clone();
        let makes = thread::spawn(move || {
            assert!(other.get_or_make().2.load(Relaxed) != 0, "it was awaited all the time");
        });
        slot.set_awaiter(128);
        makes.join().unwrap();
        assert_eq!(slot.awaiter(), Some(128));
        slot.free();
    }
}

/// A place that is no other's.
#[track_caller]
fn here() -> &'static Location<'static> {
    Location::caller()
}

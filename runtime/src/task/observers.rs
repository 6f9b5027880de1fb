//! Who wants to hear of an end: tasks that wait through a shared reference, and done-callbacks.
//!
//! *Waits* hold a place for a waker each, which their futures write and clear. *Callbacks* are values
//! that lie here until the end or until they are removed. Each gets a *number* when it is made, and
//! the end is told in the order of numbers: by one thread, the *teller*, which wakes the wakers and
//! hands out the callbacks; it is its caller who queues them for their loop.
//!
//! # Who tells
//!
//! Whatever ends says so in a word of its own (a task's state word; [`End`] for others), and so does
//! who registers: of the two read-modify-writes one comes second and finds the other one's note. A
//! completer that finds observers tells; a registrar that finds the end, too. Then there may be two
//! tellers, and what was registered first might be told last. So the tellers count themselves:
//!
//! ```text
//!   tellers: 0 --(1) tell--> 1    this thread tells: it collects, sorts and hands out
//!            n --(1) tell--> n+1  another one does, and will find that it has to look again
//!            n --(2) tell--> 0    if the count is still the one it began with; else it looks again
//! ```
//!
//! *Invariant.* Of two callbacks whose registrations are ordered, the first is handed out first. It
//! has the lower number; it is there if the second one is; and the teller looks until it finds
//! nothing new before it hands out anything.
//!
//! # A callback's place
//!
//! ```text
//!   VACANT --(3) add----> number|BUSY --(3) add--> number      the value is there
//!          <--(4) empty-- number|BUSY <-(4) empty-- number
//! ```
//! (4) is an end's or a removal's: whoever sets BUSY owns the value. Numbers are never used again, so
//! the exchange cannot take another callback than the one it means. Places are.
//!
//! All of it is lock-free; a teller works for as long as others register.
//!
//! Rejected: callbacks as wakers (two allocations more for each, and a removal that cannot tell its
//! own waker from the next user's); one list for both kinds (a future's place belongs to the future,
//! a callback's to nobody).

use std::fmt;
use std::panic::Location;
use std::ptr;
use std::task::Waker;

use corio_sync::shim::Ordering::{AcqRel, Acquire, Relaxed, Release};
use corio_sync::shim::atomic::{AtomicPtr, AtomicU8, AtomicU64, AtomicUsize};
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::{mutant, ord};
use corio_sync::waker_slot::WakerSlot;

use super::contextvars::Captured;
use crate::quiet::quietly;
use places::Places;

/// A done-callback on its way to its loop, with the context and place of who added it.
pub(crate) struct DoneCall {
    pub(crate) call: Box<dyn FnOnce() + Send>,
    pub(crate) variables: Captured,
    pub(crate) at: &'static Location<'static>,
}

/// The observers of one end; `C` is a callback.
pub(crate) struct Observers<C> {
    /// Numbers drawn so far.
    drawn: AtomicU64,
    tellers: AtomicUsize,
    waits: Places<WaitPlace>,
    callbacks: Places<CallPlace<C>>,
}

/// A place for the waker of a future that waits for the end.
pub(crate) struct WaitPlace {
    /// That of the future that uses the place, or [`VACANT`].
    number: AtomicU64,
    slot: WakerSlot,
    /// The task that waits, by its address, if it said so: compared with tasks that a walker keeps
    /// alive, never followed.
    who: AtomicPtr<()>,
}

/// A place for a callback.
struct CallPlace<C> {
    word: AtomicU64,
    /// # Safety
    ///
    /// Belongs to who has set BUSY.
    call: UnsafeCell<Option<C>>,
}

// SAFETY: a callback is moved in by one thread and out by another; `word` says which.
unsafe impl<C: Send> Send for CallPlace<C> {}
// SAFETY: as above; nothing of it is ever shared.
unsafe impl<C: Send> Sync for CallPlace<C> {}

/// Nobody uses the place.
const VACANT: u64 = 0;
/// Somebody fills or empties it.
const BUSY: u64 = 1;
/// Numbers leave room for the mark.
const NUMBER_STEP: u64 = 2;

/// What an end does.
enum Told<C> {
    Wake(Waker),
    Call(C),
}

impl<C> Observers<C> {
    pub(crate) fn new() -> Self {
        Self {
            drawn: AtomicU64::new(0),
            tellers: AtomicUsize::new(0),
            waits: Places::new(),
            callbacks: Places::new(),
        }
    }

    /// A number higher than all before it.
    pub(crate) fn draw(&self) -> u64 {
        // Ordering: Relaxed; the numbers of ordered registrations are ordered by coherence alone.
        self.drawn.fetch_add(NUMBER_STEP, Relaxed) + NUMBER_STEP
    }

    /// A place for one more future.
    pub(crate) fn add_wait(&self) -> &WaitPlace {
        let number = self.draw();
        let takes = |place: &WaitPlace| {
            // Ordering: Relaxed; the exchange below validates it, and spares used places a write.
            let vacant = place.number.load(Relaxed) == VACANT;
            // Ordering(observers.take_place): Acquire; pairs with Ordering(observers.vacate): the
            // slot is used after its last user has left it.
            let acquire = ord("observers.take_place", Acquire);
            vacant && place.number.compare_exchange(VACANT, number, acquire, Relaxed).is_ok()
        };
        self.waits.take(takes, || WaitPlace {
            number: AtomicU64::new(number),
            slot: WakerSlot::new(),
            who: AtomicPtr::new(ptr::null_mut()),
        })
    }

    /// Leaves a place of this end to the next future.
    pub(crate) fn vacate(&self, place: &WaitPlace) {
        place.vacate();
        self.waits.left(1);
    }

    /// The tasks that said that they wait.
    pub(crate) fn waiters(&self) -> impl Iterator<Item = *const ()> {
        // Ordering: Relaxed; as in `WaitPlace::set_who`.
        self.waits
            .iter()
            .map(|place| place.who.load(Relaxed).cast_const())
            .filter(|who| !who.is_null())
    }

    /// Edge 3. Adds a callback and returns its number. The caller notes it in the word that says
    /// whether the end has come, and tells if it has.
    pub(crate) fn add_callback(&self, call: C) -> u64 {
        let number = self.draw();
        let busy = number | BUSY;
        let takes = |place: &CallPlace<C>| {
            // Ordering: Relaxed; the exchange below validates it, and spares used places a write.
            let vacant = place.word.load(Relaxed) == VACANT;
            // Ordering(observers.claim): Acquire; pairs with Ordering(observers.empty): the value is
            // written after the last one was taken out.
            let acquire = ord("observers.claim", Acquire);
            vacant && place.word.compare_exchange(VACANT, busy, acquire, Relaxed).is_ok()
        };
        let make = || CallPlace { word: AtomicU64::new(busy), call: UnsafeCell::new(None) };
        let place = self.callbacks.take(takes, make);
        // SAFETY: BUSY is this thread's.
        place.call.with_mut(|slot| unsafe { *slot = Some(call) });
        // Ordering(observers.fill): Release; pairs with Ordering(observers.take): who takes the
        // value finds it whole.
        place.word.store(number, ord("observers.fill", Release));
        number
    }

    /// Edge 4. The callback of this number, unless it was removed or handed out.
    pub(crate) fn remove(&self, number: u64) -> Option<C> {
        // Ordering: Relaxed; `take` validates it.
        let place = self.callbacks.iter().find(|place| place.word.load(Relaxed) == number)?;
        let call = place.take(number)?;
        self.callbacks.left(1);
        Some(call)
    }

    /// Edges 1 and 2. The end has come: wakes who waits, and gives the callbacks to `call`, which
    /// must not panic. `also` is a waker with its number that lies elsewhere.
    pub(crate) fn tell(&self, also: Option<(u64, Waker)>, call: impl FnMut(C)) {
        // A foreign waker may panic; the others are woken all the same.
        self.tell_by(also, call, |waker| quietly(|| waker.wake()));
    }

    /// As [`tell`](Self::tell), with a way to wake, which must not panic.
    pub(crate) fn tell_by(
        &self,
        mut also: Option<(u64, Waker)>,
        mut call: impl FnMut(C),
        mut wake: impl FnMut(Waker),
    ) {
        // Ordering(observers.count): AcqRel; pairs with Ordering(observers.leave): who finds no other
        // teller comes after all that the last one handed out; and with Ordering(observers.again):
        // who finds one leaves its callback to it, which sees it then.
        let mut count = self.tellers.fetch_add(1, ord("observers.count", AcqRel)) + 1;
        if count > 1 && !mutant("observers.two_tellers") {
            if let Some((_, waker)) = also {
                wake(waker);
            }
            return;
        }
        loop {
            for told in self.collect(also.take()) {
                match told {
                    Told::Wake(waker) => wake(waker),
                    Told::Call(found) => call(found),
                }
            }
            // Ordering(observers.leave): Release; pairs with Ordering(observers.count): the next teller
            // comes after all that this one has handed out.
            // Ordering(observers.again): Acquire; pairs with Ordering(observers.count): what the
            // other one has left is seen.
            let leave = ord("observers.leave", Release);
            let again = ord("observers.again", Acquire);
            match self.tellers.compare_exchange(count, 0, leave, again) {
                Ok(_) => return,
                Err(_) if mutant("observers.leaves_anyway") => return,
                Err(now) => count = now,
            }
        }
    }

    /// All that is there, in order.
    fn collect(&self, also: Option<(u64, Waker)>) -> impl Iterator<Item = Told<C>> + use<C> {
        let mut found: Vec<_> =
            also.into_iter().map(|(number, waker)| (number, Told::Wake(waker))).collect();
        loop {
            let before = found.len();
            let mut emptied = 0;
            // What was added before something that is found is found too, if not by this walk then
            // by the next.
            found.extend(self.callbacks.iter().filter_map(|place| {
                // Ordering: Relaxed; `take` validates it.
                let number = place.word.load(Relaxed);
                let full = number != VACANT && number & BUSY == 0;
                let call = if full { place.take(number) } else { None };
                emptied += u32::from(call.is_some());
                call.map(|call| (number, Told::Call(call)))
            }));
            self.callbacks.left(emptied);
            found.extend(self.waits.iter().filter_map(|place| {
                // Ordering: Relaxed; should the place change hands now, an order goes wrong that
                // nobody can know.
                let number = place.number.load(Relaxed);
                place.slot.take().map(|waker| (number, Told::Wake(waker)))
            }));
            if found.len() == before || mutant("observers.one_walk") {
                break;
            }
        }
        found.sort_unstable_by_key(|(number, _)| *number);
        found.into_iter().map(|(_, told)| told)
    }
}

impl<C> CallPlace<C> {
    /// Edge 4.
    fn take(&self, number: u64) -> Option<C> {
        // Ordering(observers.take): Acquire; pairs with Ordering(observers.fill). Relaxed on
        // failure; then nothing is read.
        let acquire = ord("observers.take", Acquire);
        self.word.compare_exchange(number, number | BUSY, acquire, Relaxed).ok()?;
        // SAFETY: BUSY is this thread's.
        let call = self.call.with_mut(|slot| unsafe { (*slot).take() });
        // Ordering(observers.empty): Release; pairs with Ordering(observers.claim): the next user
        // comes after this one.
        self.word.store(VACANT, ord("observers.empty", Release));
        call
    }
}

impl WaitPlace {
    pub(crate) fn register(&self, waker: &Waker) {
        self.slot.register(waker);
    }

    /// Says which task waits; null for anybody else.
    pub(crate) fn set_who(&self, who: *const ()) {
        // Ordering: Relaxed; a number for people, see the field.
        self.who.store(who.cast_mut(), Relaxed);
    }

    fn vacate(&self) {
        drop(self.slot.take());
        self.set_who(ptr::null());
        // Ordering(observers.vacate): Release; pairs with Ordering(observers.take_place): the next
        // user comes after this one.
        self.number.store(VACANT, ord("observers.vacate", Release));
    }
}

impl<C> Default for Observers<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> fmt::Debug for Observers<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ordering: Relaxed loads; a picture for people.
        let used = |word: &AtomicU64| word.load(Relaxed) != VACANT;
        f.debug_struct("Observers")
            .field("waits", &self.waits.iter().filter(|place| used(&place.number)).count())
            .field("callbacks", &self.callbacks.iter().filter(|place| used(&place.word)).count())
            .finish()
    }
}

/// Whether an end has come, and whether anybody wants to hear of it, for what has no state word.
#[derive(Debug)]
pub(crate) struct End(AtomicU8);

const OBSERVED: u8 = 1;
const ENDED: u8 = 2;

impl End {
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    /// Tells whoever ends to look for observers; true if the end has come already.
    pub(crate) fn observe(&self) -> bool {
        // Ordering(observers.observe): AcqRel; pairs with Ordering(observers.end): who ends it sees
        // the observer, or the observer sees the outcome.
        self.0.fetch_or(OBSERVED, ord("observers.observe", AcqRel)) & ENDED != 0
    }

    /// The end has come; true if there may be observers.
    pub(crate) fn end(&self) -> bool {
        // Ordering(observers.end): AcqRel; pairs with Ordering(observers.observe), both ways.
        self.0.fetch_or(ENDED, ord("observers.end", AcqRel)) & OBSERVED != 0
    }
}

mod places;

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;

//! An item of the heap: comparisons look into it, one get moves it out, never both at once.
//!
//! | bits | meaning |
//! |------|---------|
//! | 0    | TAKEN: the value was moved out; final |
//! | 1..  | comparisons that are looking into it |
//!
//! ```text
//! free --(1) read--> read by n --(1), (2) leave--> .. --> free --(3) claim--> TAKEN
//! ```
//! (1) [`Item::read`], (2) the drop of [`Reading`], (3) [`Item::claim`]. A claim of an item that is
//! being read fails and changes nothing; whoever comes to read a TAKEN item leaves it alone.

use crate::shim::atomic::AtomicUsize;
use crate::shim::cell::UnsafeCell;
use crate::shim::{Ordering, mutant, ord};
use crate::wait::reclaim::{Domain, Managed};
use std::mem::MaybeUninit;
use std::ops::Deref;

const TAKEN: usize = 1;
const READER: usize = 2;

/// An item and its number, which decides between equal ones.
pub(super) struct Item<T> {
    word: AtomicUsize,
    number: u64,
    /// Uninitialized once TAKEN.
    value: UnsafeCell<MaybeUninit<T>>,
}

/// What became of a claim.
pub(super) enum Claim<T> {
    /// The value is the claimer's.
    Taken(T),
    /// Comparisons are looking into it; nothing has changed.
    InUse,
    /// Somebody else took it.
    Gone,
}

impl<T> Item<T> {
    /// The value, to look into, unless it was taken.
    // Ordering(priority.read): Relaxed. The word's own order decides whether we came before the
    // claim. Before it: the claim acquires our leaving, hence also what we read. After it: we read
    // nothing. The value was published with the node that led here.
    fn read(&self) -> Option<Reading<'_, T>> {
        let old = self.word.fetch_add(READER, Ordering::Relaxed);
        // A count beside TAKEN is never read again, so it need not be right.
        (old & TAKEN == 0 || mutant("priority.read_taken")).then(|| Reading { item: self })
    }

    /// Moves the value out, unless somebody is looking into it.
    // Ordering(priority.claim): Acquire; pairs with Ordering(priority.leave): all comparisons are
    // over. Those that left earlier are in the same release sequence: all steps on the word in
    // between are read-modify-writes. Without it the value would be used while it is compared.
    pub(super) fn claim(&self) -> Claim<T> {
        let (ok, err) = (ord("priority.claim", Ordering::Acquire), Ordering::Relaxed);
        match self.word.compare_exchange(0, TAKEN, ok, err) {
            Ok(_) => {}
            Err(now) if now & TAKEN != 0 => return Claim::Gone,
            Err(_) if mutant("priority.claim_in_use") => {}
            Err(_) => return Claim::InUse,
        }
        // SAFETY: claimed by us, with no reader inside; no other will look or take.
        Claim::Taken(unsafe { self.take() })
    }

    /// # Safety
    ///
    /// The caller claimed the item, or is exclusive and it was not claimed; called once.
    unsafe fn take(&self) -> T {
        self.value.with_mut(|slot| {
            // SAFETY: exclusive by the caller's word.
            let slot = unsafe { &mut *slot };
            // SAFETY: initialized at birth, and taken once.
            unsafe { slot.assume_init_read() }
        })
    }

    /// Drops the value of an item that nobody took.
    ///
    /// # Safety
    ///
    /// The caller is exclusive; called once.
    pub(super) unsafe fn drop_value(&self) {
        // Ordering(priority.item_drop): Relaxed. Exclusive, hence ordered after all uses.
        if self.word.load(Ordering::Relaxed) & TAKEN == 0 {
            // SAFETY: exclusive by the caller's word, and not taken.
            drop(unsafe { self.take() });
        }
    }
}

impl<T: Ord> Item<T> {
    /// Whether it stands above an item that is not shared yet. Taken items stand above everything:
    /// nothing can be compared with them, and at the top they are removed.
    pub(super) fn is_above(&self, value: &T, number: u64) -> bool {
        let Some(mine) = self.read() else { return true };
        mine.cmp(value).then(self.number.cmp(&number)).is_lt()
    }

    /// Whether it stands above another one.
    pub(super) fn is_above_item(&self, other: &Self) -> bool {
        let Some(mine) = self.read() else { return true };
        let Some(theirs) = other.read() else { return false };
        mine.cmp(&theirs).then(self.number.cmp(&other.number)).is_lt()
    }

    /// Whether it came before another one, for two that cannot be compared.
    pub(super) fn is_older(&self, other: &Self) -> bool {
        self.number < other.number
    }
}

/// A look into an item; keeps it from being taken.
struct Reading<'a, T> {
    item: &'a Item<T>,
}

impl<T> Deref for Reading<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        let value = self.item.value.with(|value| value);
        // SAFETY: not taken while we are counted; others only look, too.
        let value = unsafe { &*value };
        // SAFETY: initialized until it is taken.
        unsafe { value.assume_init_ref() }
    }
}

impl<T> Drop for Reading<'_, T> {
    // Ordering(priority.leave): Release; pairs with Ordering(priority.claim).
    fn drop(&mut self) {
        self.item.word.fetch_sub(READER, ord("priority.leave", Ordering::Release));
    }
}

/// An item that is not shared yet. Dropped, also by a comparison that panics, it puts its value back
/// to where it came from.
pub(super) struct Unshared<'a, T> {
    domain: &'a Domain,
    item: *mut Managed<Item<T>>,
    number: u64,
    origin: &'a mut Option<T>,
}

impl<'a, T> Unshared<'a, T> {
    /// Moves the value out of `origin`.
    pub(super) fn new(domain: &'a Domain, number: u64, origin: &'a mut Option<T>) -> Self {
        let value = origin.take().expect("a put has its item");
        let value = UnsafeCell::new(MaybeUninit::new(value));
        let item = domain.alloc(Item { word: AtomicUsize::new(0), number, value });
        Self { domain, item, number, origin }
    }

    /// Whether `item` stands above this one.
    pub(super) fn is_below(&self, item: &Item<T>) -> bool
    where
        T: Ord,
    {
        // SAFETY: not shared, so ours.
        let own = unsafe { Managed::get(self.item) };
        let value = own.value.with(|value| value);
        // SAFETY: not shared, so nobody writes it.
        let value = unsafe { &*value };
        // SAFETY: initialized by `new`.
        item.is_above(unsafe { value.assume_init_ref() }, self.number)
    }

    /// For the node that shall hold it.
    pub(super) fn as_ptr(&self) -> *mut Managed<Item<T>> {
        self.item
    }

    /// It is shared now.
    pub(super) fn shared(self) {
        std::mem::forget(self);
    }
}

impl<T> Drop for Unshared<'_, T> {
    fn drop(&mut self) {
        // SAFETY: not shared, so ours.
        let own = unsafe { Managed::get(self.item) };
        // SAFETY: exclusive, and never claimed.
        *self.origin = Some(unsafe { own.take() });
        // SAFETY: the only pointer to it; its value has been moved out.
        unsafe { self.domain.free(self.item) };
    }
}

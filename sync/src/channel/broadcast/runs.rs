//! Where the values lie: numbers that follow each other share a **run**, and a ring holds the runs.
//!
//! *Why.* A value that may be overwritten while somebody looks at it has to be protected for that
//! look: by a pin of the collector, which is a fence. Here a look protects the values behind it, too:
//! a receiver counts a reference to the run, under one pin, and reads the rest of it as its own.
//!
//! *Protocol.* The sender of number `n`
//! 1. says in the cell of `n - capacity` that this value has **passed**: nobody receives it any more;
//! 2. finds the run of `n`, or links a new one in place of the oldest;
//! 3. writes its cell and says so.
//!
//! A value is received by whoever finds it written and not passed. Step 1 comes before step 3, so
//! who knows of a value cannot get one that it has pushed out.
//!
//! *The ring* has one place more than the runs that `capacity` numbers in a row may touch. So the
//! run that a number replaces holds numbers only that other ones, drawn before it, push out; those
//! may still be on their way, and will not find it. Who replaces it does step 1 for them, first.
//!
//! *Invariant.* A place of the ring goes from a run to a later one, never back. A run is freed when it
//! was replaced, all pins of that time have ended, and no receiver keeps it; its values with it.
//!
//! *Memory.* Beside the `capacity` values that can be received the ring holds those of less than two
//! runs, and every receiver those of the one that it reads: a quarter of `capacity` at the most.
//!
//! *Rejected.* A run that receivers leave by a count of their own: counting the readers of a run
//! that is replaced meanwhile needs the pin anyway. The number drawn last in place of step 1: each
//! look would load a word that each send writes.

use crate::shim::atomic::{AtomicBool, AtomicPtr};
use crate::shim::{Ordering, cell as shim, mutant, ord};
use crate::wait::reclaim::{Domain, Guard, Managed};
use std::cell::UnsafeCell;
use std::mem::{MaybeUninit, needs_drop};
use std::panic::RefUnwindSafe;
use std::ptr;
use std::sync::Arc;

/// Values in one run, at the most: a pin for every 32 is next to nothing.
const LONGEST: usize = 32;
/// And as many as fit here, since a run is made as a whole.
const BYTES: usize = 4096;

/// Values whose numbers follow each other.
pub(super) struct Run<T> {
    /// A multiple of the runs' length.
    first: u64,
    cells: Box<[Cell<T>]>,
}

struct Cell<T> {
    /// Set once, by the sender of this number.
    written: AtomicBool,
    /// Set by whoever pushes this value out.
    passed: AtomicBool,
    /// Written before `written` is set, and not again.
    value: UnsafeCell<MaybeUninit<T>>,
    /// Is used as `value` is until the run goes: what a model sees of it.
    whole: shim::UnsafeCell<()>,
}

// SAFETY: a value is written by one thread before others find it, then shared, and dropped on any.
unsafe impl<T: Send + Sync> Send for Cell<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Cell<T> {}
/// What lies here is only ever copied, or dropped.
impl<T> RefUnwindSafe for Cell<T> {}

/// What lies where a value is expected.
pub(super) enum Look<T> {
    /// A copy of it.
    Value(T),
    /// It was pushed out.
    Passed,
    /// It has not come.
    Missing,
}

impl<T> Run<T> {
    fn new(first: u64, length: usize) -> Self {
        let cell = |_| Cell {
            written: AtomicBool::new(false),
            passed: AtomicBool::new(false),
            value: UnsafeCell::new(MaybeUninit::uninit()),
            whole: shim::UnsafeCell::new(()),
        };
        Self { first, cells: (0..length).map(cell).collect() }
    }

    /// How many values it has room for.
    #[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
    pub(super) fn length(&self) -> usize {
        self.cells.len()
    }

    #[inline]
    fn cell(&self, number: u64) -> Option<&Cell<T>> {
        self.cells.get(usize::try_from(number.wrapping_sub(self.first)).ok()?)
    }

    /// The value of a number if it is of this run and can be received.
    #[inline]
    pub(super) fn value(&self, number: u64) -> Option<T>
    where
        T: Clone,
    {
        let cell = self.cell(number)?;
        if cell.has_passed() { None } else { cell.value() }
    }

    /// What there is of the value of a number; none if that is not of this run.
    pub(super) fn look(&self, number: u64) -> Option<Look<T>>
    where
        T: Clone,
    {
        let cell = self.cell(number)?;
        if cell.has_passed() {
            return Some(Look::Passed);
        }
        Some(cell.value().map_or(Look::Missing, Look::Value))
    }

    /// Says that a value can be received no more.
    fn pass(&self, number: u64) {
        if let Some(cell) = self.cell(number) {
            // Ordering(broadcast.pass): Relaxed. Ordering(broadcast.put) or
            // Ordering(broadcast.link), which come after it, release it.
            cell.passed.store(true, Ordering::Relaxed);
        }
    }

    /// Writes the value of a number of this run. The last step is a read-modify-write.
    // Ordering(broadcast.put): Release; pairs with Ordering(broadcast.look): the value, and that
    // another one has passed for it. Exchanged, not stored: the senders' walk over the seats needs
    // a full fence behind it, and on x86-64 this is one.
    fn put(&self, number: u64, value: T) {
        let cell = self.cell(number).expect("the run was found by the number");
        cell.whole.with_mut(|_| ());
        // SAFETY: a number has one sender, and nobody looks before the flag is set.
        let place = unsafe { &mut *cell.value.get() };
        place.write(value);
        cell.written.swap(true, ord("broadcast.put", Ordering::Release));
    }
}

impl<T> Cell<T> {
    /// Whether its value was pushed out.
    #[inline]
    fn has_passed(&self) -> bool {
        // Ordering(broadcast.passed): Relaxed. Who has to see it knows of the value that came
        // after it, or of what was done after that.
        self.passed.load(Ordering::Relaxed)
    }

    /// A copy of its value, if that was written.
    // Ordering(broadcast.look): Acquire; pairs with Ordering(broadcast.put): the value is visible.
    #[inline]
    fn value(&self) -> Option<T>
    where
        T: Clone,
    {
        if !self.written.load(ord("broadcast.look", Ordering::Acquire)) {
            return None;
        }
        self.whole.with(|_| ());
        // SAFETY: it was written before the flag, and is shared from then on.
        let value = unsafe { &*self.value.get() };
        // SAFETY: as above.
        let value = unsafe { value.assume_init_ref() };
        Some(value.clone())
    }
}

impl<T> Drop for Cell<T> {
    fn drop(&mut self) {
        // Ordering(broadcast.drop_value): Relaxed. `&mut self` has been ordered after all uses.
        if needs_drop::<T>() && self.written.load(Ordering::Relaxed) {
            // SAFETY: exclusive, written, and dropped once.
            unsafe { self.value.get_mut().assume_init_drop() };
        }
    }
}

type Node<T> = Managed<Arc<Run<T>>>;

/// The runs of the latest numbers.
pub(super) struct Ring<T> {
    places: Box<[AtomicPtr<Node<T>>]>,
    /// How many values can be received.
    capacity: usize,
    /// The length of a run, a power of two, as its logarithm.
    shift: u32,
    domain: Domain,
}

/// The run of a number.
pub(super) enum Found<'g, T> {
    /// Here it is.
    Here(&'g Arc<Run<T>>),
    /// No number of it was put.
    Missing,
    /// It was replaced: all its values have passed.
    Replaced,
}

impl<T> Ring<T> {
    /// Room for `capacity` values, at least one.
    pub(super) fn new(capacity: usize) -> Self {
        // In proportion to `capacity`, as run by run is kept.
        let fit = (BYTES / size_of::<Cell<T>>()).clamp(1, LONGEST);
        let most = (capacity / 4).clamp(1, fit);
        Self::with_runs(capacity, most.ilog2())
    }

    /// As `new`, with runs of `1 << shift` values.
    pub(super) fn with_runs(capacity: usize, shift: u32) -> Self {
        let places = capacity.div_ceil(1 << shift) + 1;
        let places = (0..places).map(|_| AtomicPtr::new(ptr::null_mut())).collect();
        Self { places, capacity, shift, domain: Domain::new() }
    }

    /// How many values can be received.
    pub(super) fn capacity(&self) -> u64 {
        self.capacity as u64
    }

    /// Whether runs are worth keeping.
    #[inline]
    pub(super) fn has_long_runs(&self) -> bool {
        self.shift > 0
    }

    fn place(&self, number: u64) -> &AtomicPtr<Node<T>> {
        let places = self.places.len();
        let run = number >> self.shift;
        // A division costs as much as all the rest of a look.
        let index = if places.is_power_of_two() {
            run as usize & (places - 1)
        } else {
            (run % places as u64) as usize
        };
        &self.places[index]
    }

    fn first(&self, number: u64) -> u64 {
        number >> self.shift << self.shift
    }

    /// # Safety
    ///
    /// `node` was read from a place of the ring since the pin.
    unsafe fn judge<'g>(&self, node: *mut Node<T>, number: u64, guard: &'g Guard) -> Found<'g, T> {
        if node.is_null() {
            return Found::Missing;
        }
        // SAFETY: by the caller's word.
        let run = unsafe { guard.get(node) };
        let first = self.first(number);
        if run.first < first {
            Found::Missing
        } else if run.first > first {
            Found::Replaced
        } else {
            Found::Here(run)
        }
    }

    /// Looks for the run of a number.
    // Ordering(broadcast.find): Acquire; pairs with Ordering(broadcast.link): the run is whole, and
    // the values of the one before it have passed. Senders look in the same way.
    pub(super) fn find<'g>(&self, number: u64, guard: &'g Guard) -> Found<'g, T> {
        let node = self.place(number).load(ord("broadcast.find", Ordering::Acquire));
        // SAFETY: read just now.
        unsafe { self.judge(node, number, guard) }
    }

    /// Puts the value of a number; it comes back if the ring went round meanwhile.
    pub(super) fn put(&self, number: u64, value: T, guard: &Guard) -> Result<(), T> {
        if let Some(passes) = number.checked_sub(self.capacity()) {
            // Its run may be missing: its sender is still on its way. What that one writes later
            // has passed all the same.
            if let (Some(run), false) = (self.find_or_link(passes, guard), mutant("broadcast.pass"))
            {
                run.pass(passes);
            }
        }
        match self.find_or_link(number, guard) {
            Some(run) => {
                run.put(number, value);
                Ok(())
            }
            None => Err(value),
        }
    }

    /// The run of a number that was drawn; none if it was replaced.
    // The load is as Ordering(broadcast.find).
    fn find_or_link<'g>(&self, number: u64, guard: &'g Guard) -> Option<&'g Run<T>> {
        let place = self.place(number);
        let mut old = place.load(ord("broadcast.find", Ordering::Acquire));
        loop {
            // SAFETY: read from the place since the pin.
            match unsafe { self.judge(old, number, guard) } {
                Found::Here(run) => return Some(run.as_ref()),
                Found::Replaced if !mutant("broadcast.overtaken") => return None,
                _ => {}
            }
            match self.try_link(place, old, number, guard) {
                Ok(run) => return Some(run),
                Err(now) => old = now,
            }
        }
    }

    /// Puts a new run in place of `old`, which is an earlier one or null.
    // Ordering(broadcast.link): Release; pairs with Ordering(broadcast.find) and
    // Ordering(broadcast.link_failed): receivers and senders look into the run.
    // Ordering(broadcast.link_failed): Acquire; pairs with Ordering(broadcast.link), as
    // Ordering(broadcast.find).
    #[cold]
    fn try_link<'g>(
        &self,
        place: &AtomicPtr<Node<T>>,
        old: *mut Node<T>,
        number: u64,
        guard: &'g Guard,
    ) -> Result<&'g Run<T>, *mut Node<T>> {
        if !old.is_null() && !mutant("broadcast.pass_run") {
            // SAFETY: the caller has read it from the place since the pin.
            let run = unsafe { guard.get(old) };
            (0..run.cells.len() as u64).for_each(|at| run.pass(run.first + at));
        }
        let run = Run::new(self.first(number), 1 << self.shift);
        let node = self.domain.alloc(Arc::new(run));
        let ok = ord("broadcast.link", Ordering::Release);
        let err = ord("broadcast.link_failed", Ordering::Acquire);
        match place.compare_exchange(old, node, ok, err) {
            Ok(_) => {
                if !old.is_null() {
                    // SAFETY: replaced by us, so out of reach for later pins; once.
                    unsafe { guard.retire(&self.domain, old) };
                }
                // SAFETY: in reach since the exchange, which came after the pin.
                Ok(unsafe { guard.get(node) }.as_ref())
            }
            Err(now) => {
                // SAFETY: never published.
                unsafe { self.domain.free(node) };
                Err(now)
            }
        }
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        for place in &self.places {
            // Ordering(broadcast.drop): Relaxed. `&mut self` has been ordered after all uses.
            let node = place.load(Ordering::Relaxed);
            if !node.is_null() {
                // SAFETY: exclusive; what lies in a place was not retired.
                unsafe { self.domain.free(node) };
            }
        }
    }
}

//! Where a future was made, and whether anybody has polled it.

use std::fmt;
use std::panic::Location;
use std::task::Poll;

use super::{NOTED, Place, WaitKind};
use crate::debug;

/// The bit that a place leaves to whoever keeps its word. It never leaves this future: what is noted is without.
const BEGUN: usize = Place::MARK;

/// What a future waits for, where it was made, and whether it was polled: one word, as large as the
/// place alone. Dropped before [`begin`](Self::begin) it tells, in debug mode, that nobody has
/// awaited the future.
///
/// ```
/// use corio_sync::place::{Made, WaitKind};
///
/// let mut made = Made::here(WaitKind::Event);
/// assert!(made.at().file().ends_with(".rs"));
/// made.begin(); // Else debug mode would tell: "Event::wait was never awaited".
/// ```
pub struct Made(Place);

impl Made {
    /// A future that was made where this is called, unless that says who has called it.
    #[inline]
    #[must_use]
    #[track_caller]
    pub fn here(kind: WaitKind) -> Self {
        Self(Place::new(kind, Location::caller()))
    }

    /// The future is polled, or is no longer anybody's to await.
    #[inline]
    pub fn begin(&mut self) {
        self.0.0 |= BEGUN;
    }

    /// The line that made the future.
    #[inline]
    #[must_use]
    pub fn at(&self) -> &'static Location<'static> {
        self.0.at()
    }

    /// Notes that the current poll is about to return `Pending` here.
    #[inline]
    pub fn note(&self) {
        NOTED.set(Some(self.0.unmarked()));
    }

    /// Notes the place if this says `Pending`.
    #[inline]
    pub fn noted<T>(&self, polled: Poll<T>) -> Poll<T> {
        if polled.is_pending() {
            self.note();
        }
        polled
    }
}

impl Drop for Made {
    #[inline]
    fn drop(&mut self) {
        if self.0.to_word() & BEGUN == 0 {
            never_begun(self.0);
        }
    }
}

/// Apart, so that the drop of a future stays small enough to vanish in its caller.
#[cold]
#[inline(never)]
fn never_begun(made: Place) {
    debug::never_awaited(made.kind(), made.at());
}

/// As the place alone.
impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.at().fmt(f)
    }
}

const _: () = assert!(size_of::<Made>() == size_of::<&Location<'static>>());

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_the_first_poll() {
        let here = Location::caller();
        let mut made = Made::here(WaitKind::TaskGroup);
        let line = line!() - 1;
        for _ in 0..2 {
            assert_eq!((made.at().file(), made.at().line()), (here.file(), line));
            made.note();
            let noted = super::super::take().expect("it was noted");
            assert_eq!((noted.kind(), noted.at()), (WaitKind::TaskGroup, made.at()));
            made.begin();
        }
        assert_eq!(made.noted(Poll::Ready(1)), Poll::Ready(1));
        assert!(super::super::take().is_none());
        assert_eq!(format!("{made:?}"), format!("{:?}", made.at()));
    }
}

//! Where the task that is being polled has come to wait.
//!
//! A leaf future that returns `Pending` notes what it waits for and the line that created it. The
//! runtime collects the note after the poll and keeps it with the parked task, so that a dump can
//! say where every task is. A note is one thread-local store; under another executor nobody reads
//! it. When several leaves of one task wait (a `select!`), the last one polled is kept.

mod made;

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::panic::Location;
use std::task::Poll;

pub use made::Made;

/// What a task waits for. The discriminant is packed beside the address of a `Location`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum WaitKind {
    /// A future that does not say.
    Unknown,
    /// `sleep`, `sleep_until`.
    Sleep,
    /// `Interval::tick`.
    Interval,
    /// `timeout`, `timeout_at`.
    Timeout,
    /// `yield_now`.
    Yield,
    /// A task's result.
    Join,
    /// A job in a thread pool.
    Executor,
    /// A future submitted to another loop.
    ConcurrentFuture,
    /// Reading from a descriptor.
    Read,
    /// Writing to a descriptor.
    Write,
    /// Accepting a connection.
    Accept,
    /// Connecting a socket.
    Connect,
    /// A signal.
    Signal,
    /// `Child::wait`.
    Child,
    /// `Lock::acquire`.
    Lock,
    /// `RwLock::read`.
    RwLockRead,
    /// `RwLock::write`.
    RwLockWrite,
    /// `Semaphore::acquire`.
    Semaphore,
    /// `Event::wait`.
    Event,
    /// `Notify::notified`.
    Notify,
    /// `Condition::wait`.
    Condition,
    /// `Barrier::wait`.
    Barrier,
    /// `OnceCell` initialization.
    OnceCell,
    /// `SetOnce::wait`.
    SetOnce,
    /// A `Deferred` result.
    Deferred,
    /// A cancelled token.
    CancelToken,
    /// `Queue::put`.
    QueuePut,
    /// `Queue::get`.
    QueueGet,
    /// `Queue::join`.
    QueueJoin,
    /// Sending into a channel.
    ChannelSend,
    /// Receiving from a channel.
    ChannelReceive,
    /// The other end of a channel to go.
    ChannelClosed,
    /// A new value in a watch channel.
    WatchChanged,
    /// The value of a oneshot channel.
    Oneshot,
    /// The children of a task group.
    TaskGroup,
    /// `gather`, `gather_all`, `try_gather`, `gather!`.
    Gather,
    /// `wait`.
    WaitTasks,
    /// `AsCompleted::next`.
    AsCompleted,
    /// `shield`.
    Shield,
    /// `staggered_race`.
    StaggeredRace,
    /// The tasks of a `JoinSet`.
    JoinSet,
    /// `catch_cancel`.
    CatchCancel,
    /// `on_cancel`.
    OnCancel,
    /// `finally`.
    Finally,
    /// `defer_cancel`.
    DeferCancel,
    /// `Cancelled::raise`.
    Raise,
    /// `shutdown_default_executor`.
    Shutdown,
    /// `Server::serve_forever`.
    Serve,
    /// `unconstrained`.
    Unconstrained,
}

impl WaitKind {
    const ALL: [WaitKind; 49] = [
        WaitKind::Unknown,
        WaitKind::Sleep,
        WaitKind::Interval,
        WaitKind::Timeout,
        WaitKind::Yield,
        WaitKind::Join,
        WaitKind::Executor,
        WaitKind::ConcurrentFuture,
        WaitKind::Read,
        WaitKind::Write,
        WaitKind::Accept,
        WaitKind::Connect,
        WaitKind::Signal,
        WaitKind::Child,
        WaitKind::Lock,
        WaitKind::RwLockRead,
        WaitKind::RwLockWrite,
        WaitKind::Semaphore,
        WaitKind::Event,
        WaitKind::Notify,
        WaitKind::Condition,
        WaitKind::Barrier,
        WaitKind::OnceCell,
        WaitKind::SetOnce,
        WaitKind::Deferred,
        WaitKind::CancelToken,
        WaitKind::QueuePut,
        WaitKind::QueueGet,
        WaitKind::QueueJoin,
        WaitKind::ChannelSend,
        WaitKind::ChannelReceive,
        WaitKind::ChannelClosed,
        WaitKind::WatchChanged,
        WaitKind::Oneshot,
        WaitKind::TaskGroup,
        WaitKind::Gather,
        WaitKind::WaitTasks,
        WaitKind::AsCompleted,
        WaitKind::Shield,
        WaitKind::StaggeredRace,
        WaitKind::JoinSet,
        WaitKind::CatchCancel,
        WaitKind::OnCancel,
        WaitKind::Finally,
        WaitKind::DeferCancel,
        WaitKind::Raise,
        WaitKind::Shutdown,
        WaitKind::Serve,
        WaitKind::Unconstrained,
    ];

    /// The name that dumps print.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            WaitKind::Unknown => "something outside corio",
            WaitKind::Sleep => "sleep",
            WaitKind::Interval => "Interval::tick",
            WaitKind::Timeout => "timeout",
            WaitKind::Yield => "yield_now",
            WaitKind::Join => "a task",
            WaitKind::Executor => "run_in_executor",
            WaitKind::ConcurrentFuture => "run_coroutine_threadsafe",
            WaitKind::Read => "read",
            WaitKind::Write => "write",
            WaitKind::Accept => "accept",
            WaitKind::Connect => "connect",
            WaitKind::Signal => "a signal",
            WaitKind::Child => "Child::wait",
            WaitKind::Lock => "Lock::acquire",
            WaitKind::RwLockRead => "RwLock::read",
            WaitKind::RwLockWrite => "RwLock::write",
            WaitKind::Semaphore => "Semaphore::acquire",
            WaitKind::Event => "Event::wait",
            WaitKind::Notify => "Notify::notified",
            WaitKind::Condition => "Condition::wait",
            WaitKind::Barrier => "Barrier::wait",
            WaitKind::OnceCell => "OnceCell",
            WaitKind::SetOnce => "SetOnce::wait",
            WaitKind::Deferred => "Deferred",
            WaitKind::CancelToken => "CancelToken::cancelled",
            WaitKind::QueuePut => "Queue::put",
            WaitKind::QueueGet => "Queue::get",
            WaitKind::QueueJoin => "Queue::join",
            WaitKind::ChannelSend => "send",
            WaitKind::ChannelReceive => "recv",
            WaitKind::ChannelClosed => "closed",
            WaitKind::WatchChanged => "changed",
            WaitKind::Oneshot => "a oneshot channel",
            WaitKind::TaskGroup => "a task group",
            WaitKind::Gather => "gather",
            WaitKind::WaitTasks => "wait",
            WaitKind::AsCompleted => "AsCompleted::next",
            WaitKind::Shield => "shield",
            WaitKind::StaggeredRace => "staggered_race",
            WaitKind::JoinSet => "a JoinSet",
            WaitKind::CatchCancel => "catch_cancel",
            WaitKind::OnCancel => "on_cancel",
            WaitKind::Finally => "finally",
            WaitKind::DeferCancel => "defer_cancel",
            WaitKind::Raise => "Cancelled::raise",
            WaitKind::Shutdown => "shutdown_default_executor",
            WaitKind::Serve => "serve_forever",
            WaitKind::Unconstrained => "unconstrained",
        }
    }
}

/// Bits above any user-space address of the platforms that corio runs on.
const KIND_SHIFT: u32 = usize::BITS - 7;

const _: () = assert!(WaitKind::ALL.len() <= 1 << 7);
const _: () = assert!(size_of::<Option<Place>>() == size_of::<usize>());
// The low bit and the mark.
const _: () = assert!(align_of::<Location<'static>>() > 1 | Place::MARK);

/// A wait kind and a place in one word. The low bit is set: the word can share a field with an
/// aligned pointer and still be told from it, and a note is either this word or zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Place(NonZeroUsize);

impl Place {
    /// A bit of the word that [`to_word`](Self::to_word) leaves free, for whoever keeps the word: a
    /// place read from a marked word is the same one.
    pub const MARK: usize = 2;

    /// Packs a kind and a place.
    #[inline]
    #[must_use]
    pub fn new(kind: WaitKind, at: &'static Location<'static>) -> Self {
        let address = std::ptr::from_ref(at).expose_provenance();
        Self::of((kind as usize) << KIND_SHIFT | address)
    }

    /// Sets the low bit.
    #[inline]
    fn of(word: usize) -> Self {
        Self(NonZeroUsize::MIN | word)
    }

    /// Notes the place once more: for who took the note of what it has polled, and passes it on.
    #[inline]
    pub fn note_again(self) {
        NOTED.set(Some(self.unmarked()));
    }

    /// As a future that keeps it has made it.
    #[inline]
    fn unmarked(self) -> Self {
        Self::of(self.to_word() & !Self::MARK)
    }

    /// The word to store; odd.
    #[inline]
    #[must_use]
    pub const fn to_word(self) -> usize {
        self.0.get()
    }

    /// Reads a word back: `None` if it is not a place.
    ///
    /// # Safety
    ///
    /// An odd `word` must come from [`Place::to_word`], with [`Place::MARK`] or without.
    #[must_use]
    pub const unsafe fn from_word(word: usize) -> Option<Self> {
        match NonZeroUsize::new(word) {
            Some(odd) if word & 1 == 1 => Some(Self(odd)),
            _ => None,
        }
    }

    /// What is waited for.
    #[must_use]
    pub const fn kind(self) -> WaitKind {
        WaitKind::ALL[self.to_word() >> KIND_SHIFT]
    }

    /// The line that made the waiting future.
    #[must_use]
    pub fn at(self) -> &'static Location<'static> {
        let address = self.to_word() & ((1 << KIND_SHIFT) - 1) & !(1 | Self::MARK);
        // SAFETY: the address was exposed by `new` and is that of a `'static` Location; a Place
        // is only made by `new`, or by `from_word` whose caller promises the same.
        unsafe { &*std::ptr::with_exposed_provenance(address) }
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.kind().name(), self.at())
    }
}

thread_local! {
    static NOTED: Cell<Option<Place>> = const { Cell::new(None) };
}

/// Notes that the current poll is about to return `Pending` at this place.
#[inline]
pub fn note(kind: WaitKind, at: &'static Location<'static>) {
    NOTED.set(Some(Place::new(kind, at)));
}

/// Notes the place if this says `Pending`.
#[inline]
pub(crate) fn noted<T>(polled: Poll<T>, kind: WaitKind, at: &'static Location<'static>) -> Poll<T> {
    if polled.is_pending() {
        note(kind, at);
    }
    polled
}

/// Takes the note of the poll that just ended.
#[inline]
#[must_use]
pub fn take() -> Option<Place> {
    NOTED.take()
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_packing() {
        for kind in WaitKind::ALL {
            let here = Location::caller();
            let word = Place::new(kind, here).to_word();
            assert_eq!(word & 1, 1);
            // SAFETY: the word was made by `to_word`.
            let place = unsafe { Place::from_word(word) }.unwrap();
            assert_eq!((place.kind(), place.at()), (kind, here));
            assert_eq!(word & Place::MARK, 0);
            // SAFETY: the mark is none of the place's bits.
            let marked = unsafe { Place::from_word(word | Place::MARK) }.unwrap();
            assert_eq!((marked.kind(), marked.at()), (kind, here));
            marked.note_again();
            assert_eq!(take(), Some(place));
            assert_eq!(take(), None);
        }
    }

    #[test]
    fn a_pointer_is_no_place() {
        // SAFETY: the word is even.
        assert_eq!(unsafe { Place::from_word(std::ptr::from_ref(&7u64).addr()) }, None);
    }
}

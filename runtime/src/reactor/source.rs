//! Descriptors that tasks wait for.
//!
//! A [`Source`] belongs to a descriptor, lies beside it in a socket type, and learns from the
//! system when the descriptor becomes ready. It is registered once, with one poller, and not
//! before the first system call that would have blocked: a connection that is accepted, read,
//! answered and closed without ever waiting costs no `epoll_ctl` at all.
//!
//! # System calls
//!
//! The call is tried first. When it would block, the source leaves a waker and remembers that it
//! is not ready; until the next event no call is made. On TCP a short read or write is remembered
//! in the same way: an echo of one message costs a `read` and a `write`.
//!
//! # Which short transfers are a proof
//!
//! A TCP read that came up short has emptied the receive buffer, unless the stream has ended, has
//! failed or carries urgent data, and these are announced by flags of their own. A Unix stream
//! proves nothing by a short read: a read ends where a message with descriptors ends, with more
//! bytes behind it. Datagrams, pipes and terminals prove nothing either, nor do peeks.
//!
//! # Interest in writing
//!
//! TCP announces room for writing only after a write that found none. Other sockets announce it
//! each time the peer or the network takes something: one event per message, for nobody. They are
//! registered for reading, and for writing only when a write would block.
use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::home;
use super::lazy::Lazy;
use super::poller::{Poller, Shared};
use super::readiness::{Direction, Proof};
use super::record::{Attempt, Record};
use super::registration::{Home, Registration};
use super::slots::NoSlot;
use super::sys::Interest;
use super::waiters::{Node, Waiters};
use super::waker_cell::WakerCell;

#[cfg(test)]
mod tests;

const READ: Direction = Direction::Read;
const WRITE: Direction = Direction::Write;

/// What a descriptor is, as far as readiness is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// A TCP connection.
    Stream,
    /// A Unix stream connection.
    UnixStream,
    /// A socket that sends and receives messages.
    Datagram,
    /// A socket that accepts connections.
    Listener,
    /// A pipe, a terminal, an eventfd, or anything else that can be polled.
    Other,
}

impl SourceKind {
    const fn interest(self) -> Interest {
        match self {
            Self::Stream => Interest::Both,
            Self::UnixStream | Self::Datagram | Self::Listener | Self::Other => Interest::Read,
        }
    }
}

/// The readiness of one descriptor.
///
/// The owner of the descriptor has to call [`deregister`](Self::deregister) before it closes the
/// descriptor or gives it away. If it does not, the system forgets the descriptor when its last
/// duplicate is closed, and events that still come are dropped.
#[derive(Debug)]
pub struct Source {
    kind: SourceKind,
    /// Unset until the first call that would block.
    ///
    /// # Safety
    ///
    /// A slot that this source has taken and moved into. The slot's home keeps the poller and
    /// with it the slot alive until this source moves out, which takes `&mut self`.
    registration: Lazy<Registration>,
}

/// A place in the list of those who wait for a source, for a future to own.
///
/// [`Source::poll_io`] has one place per direction, and only the last task that used it is woken.
/// When several tasks wait for one direction of one source, each brings a `Waiter` of its own.
/// Dropping it ends the waiting, takes no event away from the others, and needs no source.
#[derive(Debug, Default)]
pub struct Waiter(Option<Place>);

#[derive(Debug)]
struct Place {
    direction: Direction,
    record: NonNull<Record>,
    node: NonNull<Node>,
    /// Keeps `record` and `node` alive.
    _shared: Arc<Shared>,
}

// SAFETY: records and nodes are made for sharing, and `_shared` keeps them alive.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

impl Source {
    /// The source of a descriptor that is not registered yet.
    pub const fn new(kind: SourceKind) -> Self {
        Self { kind, registration: Lazy::new() }
    }

    /// What the descriptor is.
    pub const fn kind(&self) -> SourceKind {
        self.kind
    }

    /// Tries `op` until it does not fail with `WouldBlock`; waits in between.
    ///
    /// `op` is a non-blocking system call on `fd` in `direction`. It is repeated when a signal
    /// interrupted it, and not made at all while the source is known not to be ready. Of several
    /// tasks that wait in one direction by this call the last one is woken; see [`Waiter`].
    ///
    /// # Errors
    ///
    /// Those of `op`; those of the system when it does not take the descriptor; and an error that
    /// says so if the call would block and the thread belongs to no runtime, or the runtime that
    /// the source is registered with has shut down.
    pub fn poll_io<R>(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        cx: &mut Context<'_>,
        mut op: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.drive(fd, direction, None, cx, || attempt(&mut op))
    }

    /// [`poll_io`](Self::poll_io) with a place of its own for the waker.
    ///
    /// # Errors
    ///
    /// As `poll_io`.
    pub fn poll_io_with<R>(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        waiter: &mut Waiter,
        cx: &mut Context<'_>,
        mut op: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.drive(fd, direction, Some(waiter), cx, || attempt(&mut op))
    }

    /// [`poll_io`](Self::poll_io) for a transfer of up to `want` bytes.
    ///
    /// On a TCP connection a transfer of fewer bytes, but not none, is remembered as "not ready":
    /// the next call waits for an event without a system call. Not for peeking.
    ///
    /// # Errors
    ///
    /// As `poll_io`.
    pub fn poll_transfer(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        want: usize,
        cx: &mut Context<'_>,
        mut op: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.drive(fd, direction, None, cx, || self.attempt_transfer(want, &mut op))
    }

    /// [`poll_transfer`](Self::poll_transfer) with a place of its own for the waker.
    ///
    /// # Errors
    ///
    /// As `poll_io`.
    pub fn poll_transfer_with(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        want: usize,
        waiter: &mut Waiter,
        cx: &mut Context<'_>,
        mut op: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.drive(fd, direction, Some(waiter), cx, || self.attempt_transfer(want, &mut op))
    }

    /// Waits until a call in `direction` is worth trying, or that direction was closed.
    ///
    /// A source that was never waited for is registered, and the system's word awaited: this is
    /// how to wait for a connection that is being made. Register no socket before `connect`.
    ///
    /// # Errors
    ///
    /// As `poll_io`, but for those of `op`.
    pub fn poll_ready(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.drive_ready(fd, direction, None, cx)
    }

    /// [`poll_ready`](Self::poll_ready) with a place of its own for the waker.
    ///
    /// # Errors
    ///
    /// As `poll_ready`.
    pub fn poll_ready_with(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        waiter: &mut Waiter,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.drive_ready(fd, direction, Some(waiter), cx)
    }

    /// Tries `op` once, without waiting.
    ///
    /// # Errors
    ///
    /// Those of `op`. `WouldBlock` also without a call when the source is known not to be ready;
    /// the next [`poll_ready`](Self::poll_ready) then waits for an event.
    pub fn try_io<R>(
        &self,
        direction: Direction,
        mut op: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        let registration = self.registration.get();
        let seen = registration.map(|registration| registration.record.readiness.load());
        // Without the system's promise nobody would ever say that it is ready again.
        let announces = |registration: &Registration| registration.announces(direction);
        if seen.is_some_and(|seen| !seen.is_ready(direction)) && registration.is_some_and(announces)
        {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match attempt(&mut op) {
            Attempt::Done(result) | Attempt::Short(result) => result,
            Attempt::WouldBlock | Attempt::Yield => {
                if let (Some(registration), Some(seen)) = (registration, seen) {
                    registration.record.readiness.clear(direction, seen, Proof::WouldBlock);
                }
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
    }

    /// Takes a registered source out of the count by which a poller sees that nobody waits for its
    /// events (`false`), or back into it (`true`). A poller that counts none asks the system only
    /// when it sleeps, or while an interrupt waits to be heard.
    pub(crate) fn count(&self, counts: bool) {
        if let Some(registration) = self.registration.get() {
            registration.count(if counts { 1 } else { -1 });
        }
    }

    /// Ends the registration; call this before the descriptor is closed or given away.
    ///
    /// Takes `&mut self` because a task that is just registering its waker would otherwise do so
    /// with whoever gets the record next. The source can be used again, with the same descriptor
    /// or another: it registers anew.
    ///
    /// # Errors
    ///
    /// The system's, if it does not know the descriptor. The source is deregistered all the same.
    pub fn deregister(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        match self.registration.get() {
            Some(registration) => {
                let result = registration.remove(fd);
                self.move_out();
                result
            }
            None => Ok(()),
        }
    }

    fn drive<R>(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        mut waiter: Option<&mut Waiter>,
        cx: &mut Context<'_>,
        mut op: impl FnMut() -> Attempt<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        let registration = match self.registration.get() {
            Some(registration) => registration,
            None => match op() {
                Attempt::Done(result) | Attempt::Short(result) => return Poll::Ready(result),
                Attempt::WouldBlock | Attempt::Yield => self.register(fd, &[direction])?,
            },
        };
        let cell = || cell(registration, direction, waiter.as_deref_mut());
        let ensure = || registration.ensure(fd, direction, self.kind.interest());
        // What keeps the system from promising shows when the call would block.
        let promised = || ensure().unwrap_or(false);
        registration.record.poll(direction, cell, cx.waker(), promised, |seen| match op() {
            Attempt::WouldBlock if seen.is_shut_down() => Attempt::Done(Err(shut_down())),
            Attempt::WouldBlock => match ensure() {
                Ok(true) => Attempt::WouldBlock,
                Ok(false) => Attempt::Yield,
                Err(error) => Attempt::Done(Err(error)),
            },
            other => other,
        })
    }

    fn drive_ready(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        mut waiter: Option<&mut Waiter>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let registration = match self.registration.get() {
            Some(registration) => registration,
            None => {
                let asked: &[_] = match self.kind.interest() {
                    Interest::Both => &[READ, WRITE],
                    Interest::Read => &[direction],
                };
                self.register(fd, asked)?
            }
        };
        let cell = || cell(registration, direction, waiter.as_deref_mut());
        let promised = || registration.ensure(fd, direction, self.kind.interest());
        let state = ready!(registration.record.poll_ready(direction, cell, cx.waker(), promised))?;
        Poll::Ready(if state.is_shut_down() { Err(shut_down()) } else { Ok(()) })
    }

    fn attempt_transfer(
        &self,
        want: usize,
        op: &mut impl FnMut() -> io::Result<usize>,
    ) -> Attempt<io::Result<usize>> {
        match attempt(op) {
            Attempt::Done(Ok(n)) if 0 < n && n < want && self.short_is_proof() => {
                Attempt::Short(Ok(n))
            }
            other => other,
        }
    }

    fn short_is_proof(&self) -> bool {
        self.kind == SourceKind::Stream
            && self
                .registration
                .get()
                .is_some_and(|registration| registration.home().shared.system.announces_end())
    }

    /// Registers with a poller of the calling thread's runtime; see `register_with`.
    #[cold]
    fn register(&self, fd: BorrowedFd<'_>, asked: &[Direction]) -> io::Result<&Registration> {
        self.register_with(fd, asked, &home::choose()?)
    }

    /// Registers with a poller, unless another thread just has. The directions that are `asked`
    /// about count as not ready until the system says otherwise.
    pub(super) fn register_with(
        &self,
        fd: BorrowedFd<'_>,
        asked: &[Direction],
        poller: &Poller,
    ) -> io::Result<&Registration> {
        let registration = match self.move_in(poller)? {
            Ok(ours) => ours,
            Err(theirs) => return Ok(theirs),
        };
        let fresh = registration.record.readiness.load();
        let direction = if asked.contains(&WRITE) { WRITE } else { READ };
        if registration.ensure(fd, direction, self.kind.interest())? {
            // Asked before the system knew of us: whatever it has announced since has changed the
            // tick, and what it has not announced was not so when it learned of us.
            for &direction in asked {
                registration.record.readiness.clear(direction, fresh, Proof::WouldBlock);
            }
        }
        Ok(registration)
    }

    /// Takes a slot and makes it this source's, unless it has one: then returns that as an error.
    fn move_in(&self, poller: &Poller) -> io::Result<Result<&Registration, &Registration>> {
        let (index, ours) = poller.shared.slots.take(Registration::new).map_err(refused)?;
        let home = Home { shared: poller.shared.clone(), index };
        // SAFETY: we have taken the slot, and publish it below.
        unsafe { ours.move_in(home) };
        // Counted before it is shared, so that it is never counted out before.
        ours.count(1);
        // SAFETY: its home keeps the slot alive until it moves out.
        if let Err(theirs) = unsafe { self.registration.publish(ours) } {
            ours.count(-1);
            // SAFETY: we have taken the slot and not shared it.
            unsafe { ours.move_out() }.give_back();
            return Ok(Err(theirs));
        }
        // SAFETY: as above.
        Ok(Ok(unsafe { &*ptr::from_ref(ours) }))
    }

    fn move_out(&mut self) {
        if let Some(registration) = self.registration.take() {
            // SAFETY: see the field.
            let registration = unsafe { registration.as_ref() };
            registration.count(-1);
            // SAFETY: we took the slot, and `&mut self` says that nobody shares it any more.
            let home = unsafe { registration.move_out() };
            // The slot may go with its home: nothing refers to it from here on.
            home.give_back();
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.move_out();
    }
}

impl Waiter {
    /// The node on the list of this record and direction.
    fn node<'a>(&mut self, registration: &'a Registration, direction: Direction) -> &'a Node {
        let record = NonNull::from(&registration.record);
        let fits = |place: &Place| place.record == record && place.direction == direction;
        if !self.0.as_ref().is_some_and(fits) {
            // The old place is left before a new one is taken.
            self.0 = None;
        }
        let place = self.0.get_or_insert_with(|| Place {
            direction,
            record,
            node: registration.record.waiters.claim(direction),
            _shared: registration.home().shared.clone(),
        });
        // SAFETY: nodes live as long as their record, and that as long as the registration.
        unsafe { place.node.as_ref() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // SAFETY: nodes live as long as the poller, which the place keeps alive.
        Waiters::release(unsafe { self.node.as_ref() });
    }
}

/// Where a task leaves its waker. Asked only by who has to wait: most writes do not, and a place
/// of one's own takes some read-modify-writes to get and to give back.
fn cell<'a>(
    registration: &'a Registration,
    direction: Direction,
    waiter: Option<&mut Waiter>,
) -> &'a WakerCell {
    match waiter {
        Some(waiter) => &waiter.node(registration, direction).cell,
        None => registration.record.waiters.inline(direction),
    }
}

/// Makes a system call, again if a signal interrupts it.
fn attempt<R>(op: &mut impl FnMut() -> io::Result<R>) -> Attempt<io::Result<R>> {
    loop {
        match op() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Attempt::WouldBlock,
            result => return Attempt::Done(result),
        }
    }
}

#[cold]
fn refused(reason: NoSlot) -> io::Error {
    match reason {
        NoSlot::Full => io::Error::other("more sources than a poller can tell apart"),
        NoSlot::Closed => shut_down(),
    }
}

#[cold]
fn shut_down() -> io::Error {
    io::Error::other("the runtime that this socket was registered with has shut down")
}

//! One direction of bytes in memory, from one task to another.
//!
//! *Protocol.* What is written lies as pieces in a channel. `held` counts the bytes that were
//! written and not yet read: only the writing end adds to it, only the reading end subtracts, so it
//! never exceeds `max`. A writer that finds no room leaves its waker and **then** looks again; the
//! reader makes room, or leaves, and **then** takes the waker. Of the two the second sees what the
//! first has done ([`WakerSlot`]), so nobody sleeps beside room.
//!
//! *Progress.* Both ends are lock-free, as the channel's are, and none waits for the other one's
//! thread.
//!
//! *Rejected.* A ring of `max` bytes would need unsafe code, and its memory from the beginning; the
//! price is an allocation for each write.

use std::fmt;
use std::io::{self, IoSlice};
use std::panic::Location;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use corio_sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use corio_sync::place::{self, WaitKind};
use corio_sync::shim::Ordering;
use corio_sync::shim::atomic::AtomicUsize;
use corio_sync::waker_slot::WakerSlot;

use crate::source::step;

struct Shared {
    held: AtomicUsize,
    max: usize,
    /// A writer that waits for room.
    writer: WakerSlot,
}

impl Shared {
    // Ordering(duplex.room): Relaxed. A count of its own: the bytes go through the channel, and the
    // waker's slot orders it where somebody would sleep.
    fn room(&self) -> usize {
        self.max - self.held.load(Ordering::Relaxed)
    }
}

/// The writing end. Dropping it ends the stream, once what was written is read.
///
/// See [`DuplexStream`](super::DuplexStream) for an example.
pub struct DuplexWriter {
    /// Gone once the stream is ended.
    pieces: Option<UnboundedSender<io::Result<Vec<u8>>>>,
    shared: Arc<Shared>,
    pub(super) at: &'static Location<'static>,
}

/// The reading end. Dropping it fails the writes of the other end.
///
/// See [`DuplexStream`](super::DuplexStream) for an example.
pub struct DuplexReader {
    pieces: UnboundedReceiver<io::Result<Vec<u8>>>,
    /// What has been taken from the channel; the part before `start` was read.
    piece: Vec<u8>,
    start: usize,
    /// An error that was found behind bytes that went out first.
    failed: Option<io::Error>,
    shared: Arc<Shared>,
    pub(super) at: &'static Location<'static>,
}

/// The ends of one direction.
pub(crate) fn lane(max: usize, at: &'static Location<'static>) -> (DuplexWriter, DuplexReader) {
    let (sender, pieces) = mpsc::unbounded();
    let shared = Arc::new(Shared { held: AtomicUsize::new(0), max, writer: WakerSlot::new() });
    let writer = DuplexWriter { pieces: Some(sender), shared: shared.clone(), at };
    (writer, DuplexReader { pieces, piece: Vec::new(), start: 0, failed: None, shared, at })
}

impl DuplexWriter {
    /// Waits for room, in bytes.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` if nobody reads any more, or the stream was ended.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(pieces) = &self.pieces else { return Poll::Ready(Err(broken())) };
        for registered in [false, true] {
            if pieces.is_closed() {
                return Poll::Ready(Err(broken()));
            }
            match self.shared.room() {
                0 if !registered => self.shared.writer.register(cx.waker()),
                0 => {}
                room => return Poll::Ready(Ok(room)),
            }
        }
        Poll::Pending
    }

    /// Writes a piece for which there is room. If nobody reads it, it is dropped.
    pub(crate) fn push(&self, piece: Vec<u8>) {
        debug_assert!(piece.len() <= self.shared.room());
        let Some(pieces) = self.pieces.as_ref().filter(|_| !piece.is_empty()) else { return };
        // Ordering(duplex.held): Relaxed. The channel shows the bytes to the reader, which subtracts
        // after it has received them.
        self.shared.held.fetch_add(piece.len(), Ordering::Relaxed);
        // The next look for room says that nobody reads.
        let _ = pieces.send(Ok(piece));
    }

    /// Ends the stream with an error.
    #[cfg(feature = "tls")]
    pub(crate) fn fail(mut self, error: io::Error) {
        if let Some(pieces) = self.pieces.take() {
            let _ = pieces.send(Err(error));
        }
    }

    /// Ends the stream.
    pub(super) fn end(&mut self) {
        self.pieces = None;
    }

    /// Writes what there is room for, at least a byte unless there is nothing to write.
    pub(crate) fn poll_put(
        &self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let total: usize = parts.iter().map(|part| part.len()).sum();
        if total == 0 {
            return Poll::Ready(Ok(0));
        }
        let room = ready!(step(WaitKind::Write, at, cx, |cx| self.poll_room(cx)))?;
        let mut piece = Vec::with_capacity(total.min(room));
        for part in parts {
            let left = room - piece.len();
            piece.extend_from_slice(&part[..part.len().min(left)]);
        }
        let n = piece.len();
        self.push(piece);
        Poll::Ready(Ok(n))
    }
}

impl DuplexReader {
    /// Hands out what is there, at most `room` bytes and at least one; 0 at the end.
    pub(crate) fn poll_get(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        room: usize,
        mut put: impl FnMut(&[u8]),
    ) -> Poll<io::Result<usize>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        let mut moved = 0;
        while moved < room {
            let rest = &self.piece[self.start..];
            let n = rest.len().min(room - moved);
            put(&rest[..n]);
            self.start += n;
            moved += n;
            if moved == room {
                break;
            }
            let next = match moved {
                0 => match self.pieces.poll_recv(cx) {
                    Poll::Ready(next) => next,
                    Poll::Pending => {
                        place::note(WaitKind::Read, at);
                        return Poll::Pending;
                    }
                },
                _ => self.pieces.try_recv().ok(),
            };
            match next {
                Some(Ok(piece)) => (self.piece, self.start) = (piece, 0),
                Some(Err(error)) if moved == 0 => return Poll::Ready(Err(error)),
                Some(Err(error)) => self.failed = Some(error),
                None => break,
            }
            if self.failed.is_some() {
                break;
            }
        }
        self.make_room(moved);
        Poll::Ready(Ok(moved))
    }

    /// Reads into the room behind what a vector holds.
    pub(crate) fn poll_read_vec(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        buf: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        self.poll_get(at, cx, buf.capacity() - buf.len(), |bytes| buf.extend_from_slice(bytes))
    }

    fn make_room(&self, n: usize) {
        if n > 0 {
            // Ordering(duplex.read): Relaxed. As `room`: the slot below orders it for who sleeps.
            self.shared.held.fetch_sub(n, Ordering::Relaxed);
            self.shared.writer.wake();
        }
    }
}

impl Drop for DuplexReader {
    fn drop(&mut self) {
        self.pieces.close();
        self.shared.writer.wake();
    }
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "nobody reads what is written")
}

impl fmt::Debug for DuplexWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DuplexWriter")
            .field("room", &self.shared.room())
            .field("ended", &self.pieces.is_none())
            .finish()
    }
}

impl fmt::Debug for DuplexReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.shared.max - self.shared.room();
        f.debug_struct("DuplexReader").field("held", &held).finish_non_exhaustive()
    }
}

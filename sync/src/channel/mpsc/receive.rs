//! The futures that both kinds of channel share.

use super::chan::Chan;
use crate::coop;
use crate::place::Made;
use crate::wait::queue::Place;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The future of `recv`.
///
/// # Safety
///
/// Made by the receiver from `&mut self`, so `chan` is used as the receiver uses it.
#[must_use = "futures do nothing unless awaited"]
pub struct Recv<'a, T> {
    pub(super) chan: &'a Chan<T>,
    pub(super) caller: Made,
}

future_debug!([<T>] Recv<'_, T>, "Recv");

impl<T> Future for Recv<'_, T> {
    type Output = Option<T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.caller.begin();
        let unit = ready!(coop::poll_proceed(cx));
        // SAFETY: made by the receiver, whom this future borrows mutably.
        let received = unsafe { self.chan.poll_pop(cx) };
        let received = ready!(self.caller.noted(received));
        unit.made_progress();
        Poll::Ready(received)
    }
}

/// The future of `recv_many`.
#[must_use = "futures do nothing unless awaited"]
pub struct RecvMany<'a, T> {
    pub(super) recv: Recv<'a, T>,
    pub(super) buffer: &'a mut Vec<T>,
    pub(super) limit: usize,
}

impl<T> std::fmt::Debug for RecvMany<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecvMany").field("recv", &self.recv).field("limit", &self.limit).finish()
    }
}

impl<T> Future for RecvMany<'_, T> {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        let this = &mut *self;
        if this.limit == 0 {
            this.recv.caller.begin();
            return Poll::Ready(0);
        }
        let Some(first) = ready!(Pin::new(&mut this.recv).poll(cx)) else { return Poll::Ready(0) };
        this.buffer.push(first);
        let mut count = 1;
        while count < this.limit {
            // SAFETY: made by the receiver, whom this future borrows mutably.
            let super::blocks::Pop::Value(value) = (unsafe { this.recv.chan.pop() }) else { break };
            this.buffer.push(value);
            count += 1;
        }
        Poll::Ready(count)
    }
}

/// The future of `closed`.
#[must_use = "futures do nothing unless awaited"]
pub struct SenderClosed<'a, T> {
    pub(super) chan: &'a Chan<T>,
    pub(super) at: Place,
    pub(super) caller: Made,
}

future_debug!([<T>] SenderClosed<'_, T>, "SenderClosed");

impl<T> Future for SenderClosed<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.caller.begin();
        this.caller.noted(this.chan.poll_closed(&mut this.at, cx))
    }
}

impl<T> Drop for SenderClosed<'_, T> {
    fn drop(&mut self) {
        self.chan.leave_closed(&mut self.at);
    }
}

/// The methods of a receiver and of a sender that do not depend on a limit.
macro_rules! ends {
    ($receiver:ident, $sender:ident, $weak:ident) => {
        impl<T> $receiver<T> {
            /// Receives the next value; `None` once the channel is closed and empty.
            ///
            /// # Cancel safety
            ///
            /// Strict.
            #[track_caller]
            pub fn recv(&mut self) -> Recv<'_, T> {
                Recv { chan: &self.chan, caller: Made::here(WaitKind::ChannelReceive) }
            }

            /// Waits for a value, then appends up to `limit` of those that are here to `buffer`;
            /// returns how many, 0 once the channel is closed and empty.
            ///
            /// # Cancel safety
            ///
            /// Strict.
            #[track_caller]
            pub fn recv_many<'a>(
                &'a mut self,
                buffer: &'a mut Vec<T>,
                limit: usize,
            ) -> RecvMany<'a, T> {
                RecvMany { recv: self.recv(), buffer, limit }
            }

            /// Receives a value if one is here.
            ///
            /// # Errors
            ///
            /// [`TryRecvError`].
            pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
                // SAFETY: `&mut self` is the receiver.
                match unsafe { self.chan.pop() } {
                    Pop::Value(value) => Ok(value),
                    Pop::Empty => Err(TryRecvError::Empty),
                    Pop::Closed => Err(TryRecvError::Disconnected),
                }
            }

            /// Receives from a thread that may block.
            #[cfg(not(any(corio_loom, corio_shuttle)))]
            #[track_caller]
            pub fn blocking_recv(&mut self) -> Option<T> {
                crate::park::block_on(self.recv())
            }

            /// Receives from a thread that may block, for `d` at the most.
            ///
            /// # Errors
            ///
            /// [`TryRecvError`]; `Empty` if nothing came in time.
            #[cfg(not(any(corio_loom, corio_shuttle)))]
            #[track_caller]
            pub fn blocking_recv_timeout(
                &mut self,
                d: std::time::Duration,
            ) -> Result<T, TryRecvError> {
                match crate::park::block_on_timeout(self.recv(), Some(d)) {
                    Some(received) => received.ok_or(TryRecvError::Disconnected),
                    None => Err(TryRecvError::Empty),
                }
            }

            /// Polls for the next value.
            pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
                Pin::new(&mut self.recv()).poll(cx)
            }

            /// Refuses new values. Those that are here, or under way, can still be received.
            pub fn close(&mut self) {
                // SAFETY: `&mut self` is the receiver.
                unsafe { self.chan.close() };
            }

            /// Whether new values are refused.
            #[must_use]
            pub fn is_closed(&self) -> bool {
                self.chan.is_closed()
            }
        }

        impl<T> Drop for $receiver<T> {
            fn drop(&mut self) {
                // SAFETY: this is the receiver, for the last time.
                unsafe { self.chan.drop_receiver() };
            }
        }

        impl<T> futures_core::Stream for $receiver<T> {
            type Item = T;

            fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
                self.poll_recv(cx)
            }
        }

        impl<T> fmt::Debug for $receiver<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($receiver)).finish_non_exhaustive()
            }
        }

        impl<T> $sender<T> {
            /// Whether the receiver is gone or has closed.
            #[must_use]
            pub fn is_closed(&self) -> bool {
                self.chan.is_closed()
            }

            /// Waits until the receiver is gone or has closed.
            ///
            /// # Cancel safety
            ///
            /// Strict.
            #[track_caller]
            pub fn closed(&self) -> SenderClosed<'_, T> {
                let caller = Made::here(WaitKind::ChannelClosed);
                SenderClosed { chan: &self.chan, at: Place::Idle, caller }
            }

            /// Whether both send to the same receiver.
            #[must_use]
            pub fn same_channel(&self, other: &Self) -> bool {
                Arc::ptr_eq(&self.chan, &other.chan)
            }

            /// A sender that does not keep the channel open.
            #[must_use]
            pub fn downgrade(&self) -> $weak<T> {
                $weak { chan: self.chan.clone() }
            }
        }

        impl<T> Clone for $sender<T> {
            fn clone(&self) -> Self {
                self.chan.add_sender();
                Self { chan: self.chan.clone() }
            }
        }

        impl<T> Drop for $sender<T> {
            fn drop(&mut self) {
                self.chan.drop_sender();
            }
        }

        impl<T> fmt::Debug for $sender<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($sender)).finish_non_exhaustive()
            }
        }

        /// A sender that does not keep the channel open.
        ///
        /// See [`unbounded`](fn@super::unbounded) for an example.
        pub struct $weak<T> {
            chan: Arc<Chan<T>>,
        }

        impl<T> $weak<T> {
            /// A sender, unless all are gone.
            #[must_use]
            pub fn upgrade(&self) -> Option<$sender<T>> {
                self.chan.try_add_sender().then(|| $sender { chan: self.chan.clone() })
            }
        }

        impl<T> Clone for $weak<T> {
            fn clone(&self) -> Self {
                Self { chan: self.chan.clone() }
            }
        }

        impl<T> fmt::Debug for $weak<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($weak)).finish_non_exhaustive()
            }
        }
    };
}

pub(super) use ends;

//! The wait of a sender until all receivers are gone.

use super::Sender;
use crate::place::Made;
use crate::shim::{fence_at, mutant};
use crate::wait::line::OnFlag;
use crate::wait::queue::Place;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The future of [`Sender::closed`].
#[must_use = "futures do nothing unless awaited"]
pub struct SenderClosed<'a, T> {
    pub(super) sender: &'a Sender<T>,
    pub(super) at: Place,
    pub(super) caller: Made,
}

future_debug!([<T>] SenderClosed<'_, T>, "SenderClosed");

impl<T> Future for SenderClosed<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.caller.begin();
        let line = &this.sender.shared.deserted;
        loop {
            if !matches!(this.at, Place::Waiting(_)) {
                if this.sender.is_closed() {
                    return Poll::Ready(());
                }
                line.enter(&mut this.at, OnFlag::Ignore);
                // Pairs with fence(watch.deserted).
                fence_at("watch.waits_closed");
                if this.sender.is_closed() && !mutant("watch.closed_recheck") {
                    let _ = line.leave(&mut this.at);
                    return Poll::Ready(());
                }
            }
            // A receiver may have come since: then this goes on waiting.
            ready!(this.caller.noted(line.poll_granted(&mut this.at, cx)));
        }
    }
}

impl<T> Drop for SenderClosed<'_, T> {
    fn drop(&mut self) {
        let _ = self.sender.shared.deserted.leave(&mut self.at);
    }
}

//! What tasks wait for without anything to receive.

use std::future::Future;

use super::{AsyncLock, Corio, Tokio};

/// Something that wakes all who wait.
pub trait Event: Send + Sync + 'static {
    /// The event.
    type Event: Send + Sync;

    /// An event for which nobody waits.
    fn new() -> Self::Event;

    /// Waits for the next [`Event::wake`].
    fn wait(event: &Self::Event) -> impl Future<Output = ()> + Send;

    /// Wakes all who wait, and nobody else.
    fn wake(event: &Self::Event);
}

impl Event for Corio {
    type Event = corio::sync::Event;

    fn new() -> Self::Event {
        corio::sync::Event::new()
    }

    fn wait(event: &Self::Event) -> impl Future<Output = ()> + Send {
        event.wait()
    }

    fn wake(event: &Self::Event) {
        event.set();
        event.clear();
    }
}

impl Event for Tokio {
    type Event = tokio::sync::Notify;

    fn new() -> Self::Event {
        tokio::sync::Notify::new()
    }

    fn wait(event: &Self::Event) -> impl Future<Output = ()> + Send {
        event.notified()
    }

    fn wake(event: &Self::Event) {
        event.notify_waiters();
    }
}

/// A barrier for rounds.
pub trait Barrier: Send + Sync + 'static {
    /// The barrier.
    type Barrier: Send + Sync;

    /// A barrier for so many.
    fn new(parties: usize) -> Self::Barrier;

    /// Waits for all others; whether this is the one of the round that leads.
    fn wait(barrier: &Self::Barrier) -> impl Future<Output = bool> + Send;
}

impl Barrier for Corio {
    type Barrier = corio::sync::Barrier;

    fn new(parties: usize) -> Self::Barrier {
        corio::sync::Barrier::new(parties)
    }

    async fn wait(barrier: &Self::Barrier) -> bool {
        barrier.wait().await.expect("nobody breaks it").is_leader()
    }
}

impl Barrier for Tokio {
    type Barrier = tokio::sync::Barrier;

    fn new(parties: usize) -> Self::Barrier {
        tokio::sync::Barrier::new(parties)
    }

    async fn wait(barrier: &Self::Barrier) -> bool {
        barrier.wait().await.is_leader()
    }
}

impl Barrier for AsyncLock {
    type Barrier = async_lock::Barrier;

    fn new(parties: usize) -> Self::Barrier {
        async_lock::Barrier::new(parties)
    }

    async fn wait(barrier: &Self::Barrier) -> bool {
        barrier.wait().await.is_leader()
    }
}

/// A flag that says that work is to end.
pub trait Token: Send + Sync + 'static {
    /// The token.
    type Token: Clone + Send + Sync;

    /// A token that is not cancelled.
    fn new() -> Self::Token;

    /// Whether it is cancelled.
    fn is_cancelled(token: &Self::Token) -> bool;

    /// Cancels it.
    fn cancel(token: &Self::Token);
}

impl Token for Corio {
    type Token = corio::sync::CancelToken;

    fn new() -> Self::Token {
        corio::sync::CancelToken::new()
    }

    fn is_cancelled(token: &Self::Token) -> bool {
        token.is_cancelled()
    }

    fn cancel(token: &Self::Token) {
        token.cancel();
    }
}

impl Token for Tokio {
    type Token = tokio_util::sync::CancellationToken;

    fn new() -> Self::Token {
        tokio_util::sync::CancellationToken::new()
    }

    fn is_cancelled(token: &Self::Token) -> bool {
        token.is_cancelled()
    }

    fn cancel(token: &Self::Token) {
        token.cancel();
    }
}

//! Channels of `u64`. Nobody hangs up while a row runs, so an error is a failed measurement.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::{AsyncChannel, Corio, Flume, Kanal, Tokio};

/// A channel between tasks.
pub trait Chan: Send + Sync + 'static {
    /// The end that sends.
    type Tx: Clone + Send + 'static;
    /// The end that receives.
    type Rx: Send + 'static;

    /// A channel.
    fn channel() -> (Self::Tx, Self::Rx);

    /// Sends, waiting for room.
    fn send(tx: &Self::Tx, value: u64) -> impl Future<Output = ()> + Send;

    /// Receives, waiting for a value.
    fn recv(rx: &mut Self::Rx) -> impl Future<Output = u64> + Send;
}

/// The library's channel without a limit.
pub struct Unbounded<L>(PhantomData<L>);

/// The library's channel with room for `N` values.
pub struct Bounded<L, const N: usize>(PhantomData<L>);

/// corio's queue for many receivers, in place of its channel.
pub struct Queued;

impl Chan for Unbounded<Corio> {
    type Tx = corio::sync::mpsc::UnboundedSender<u64>;
    type Rx = corio::sync::mpsc::UnboundedReceiver<u64>;

    fn channel() -> (Self::Tx, Self::Rx) {
        corio::sync::mpsc::unbounded()
    }

    async fn send(tx: &Self::Tx, value: u64) {
        tx.send(value).expect("the receiver is there");
    }

    async fn recv(rx: &mut Self::Rx) -> u64 {
        rx.recv().await.expect("a sender is there")
    }
}

impl<const N: usize> Chan for Bounded<Corio, N> {
    type Tx = corio::sync::mpsc::Sender<u64>;
    type Rx = corio::sync::mpsc::Receiver<u64>;

    fn channel() -> (Self::Tx, Self::Rx) {
        corio::sync::mpsc::channel(N)
    }

    async fn send(tx: &Self::Tx, value: u64) {
        tx.send(value).await.expect("the receiver is there");
    }

    async fn recv(rx: &mut Self::Rx) -> u64 {
        rx.recv().await.expect("a sender is there")
    }
}

impl Chan for Unbounded<Tokio> {
    type Tx = tokio::sync::mpsc::UnboundedSender<u64>;
    type Rx = tokio::sync::mpsc::UnboundedReceiver<u64>;

    fn channel() -> (Self::Tx, Self::Rx) {
        tokio::sync::mpsc::unbounded_channel()
    }

    async fn send(tx: &Self::Tx, value: u64) {
        tx.send(value).expect("the receiver is there");
    }

    async fn recv(rx: &mut Self::Rx) -> u64 {
        rx.recv().await.expect("a sender is there")
    }
}

impl<const N: usize> Chan for Bounded<Tokio, N> {
    type Tx = tokio::sync::mpsc::Sender<u64>;
    type Rx = tokio::sync::mpsc::Receiver<u64>;

    fn channel() -> (Self::Tx, Self::Rx) {
        tokio::sync::mpsc::channel(N)
    }

    async fn send(tx: &Self::Tx, value: u64) {
        tx.send(value).await.expect("the receiver is there");
    }

    async fn recv(rx: &mut Self::Rx) -> u64 {
        rx.recv().await.expect("a sender is there")
    }
}

/// The channels of a library that has one type for both kinds.
macro_rules! one_type {
    ($lib:ty, $tx:ty, $rx:ty, $unbounded:expr, $bounded:expr, $send:ident, $recv:ident) => {
        impl Chan for Unbounded<$lib> {
            type Tx = $tx;
            type Rx = $rx;

            fn channel() -> (Self::Tx, Self::Rx) {
                $unbounded
            }

            async fn send(tx: &Self::Tx, value: u64) {
                tx.$send(value).await.expect("the receiver is there");
            }

            async fn recv(rx: &mut Self::Rx) -> u64 {
                rx.$recv().await.expect("a sender is there")
            }
        }

        impl<const N: usize> Chan for Bounded<$lib, N> {
            type Tx = $tx;
            type Rx = $rx;

            fn channel() -> (Self::Tx, Self::Rx) {
                $bounded(N)
            }

            async fn send(tx: &Self::Tx, value: u64) {
                tx.$send(value).await.expect("the receiver is there");
            }

            async fn recv(rx: &mut Self::Rx) -> u64 {
                rx.$recv().await.expect("a sender is there")
            }
        }
    };
}

fn queue(maxsize: usize) -> (QueueEnd, QueueEnd) {
    let queue = Arc::new(corio::sync::Queue::new(maxsize));
    (Arc::clone(&queue), queue)
}

type QueueEnd = Arc<corio::sync::Queue<u64>>;

one_type!(Queued, QueueEnd, QueueEnd, queue(0), queue, put, get);
one_type!(
    Kanal,
    kanal::AsyncSender<u64>,
    kanal::AsyncReceiver<u64>,
    kanal::unbounded_async(),
    kanal::bounded_async,
    send,
    recv
);
one_type!(
    Flume,
    flume::Sender<u64>,
    flume::Receiver<u64>,
    flume::unbounded(),
    flume::bounded,
    send_async,
    recv_async
);
one_type!(
    AsyncChannel,
    async_channel::Sender<u64>,
    async_channel::Receiver<u64>,
    async_channel::unbounded(),
    async_channel::bounded,
    send,
    recv
);

/// A channel for one value.
pub trait Oneshot: Send + Sync + 'static {
    /// The end that sends.
    type Tx: Send;
    /// The end that receives.
    type Rx: Future + Send + Unpin;

    /// A channel.
    fn channel() -> (Self::Tx, Self::Rx);

    /// Sends the value.
    fn send(tx: Self::Tx, value: u64);

    /// The value that was received.
    fn value(received: <Self::Rx as Future>::Output) -> u64;
}

impl Oneshot for Corio {
    type Tx = corio::sync::oneshot::Sender<u64>;
    type Rx = corio::sync::oneshot::Receiver<u64>;

    fn channel() -> (Self::Tx, Self::Rx) {
        corio::sync::oneshot::channel()
    }

    fn send(tx: Self::Tx, value: u64) {
        tx.send(value).expect("the receiver is there");
    }

    fn value(received: <Self::Rx as Future>::Output) -> u64 {
        received.expect("the value was sent")
    }
}

impl Oneshot for Tokio {
    type Tx = tokio::sync::oneshot::Sender<u64>;
    type Rx = tokio::sync::oneshot::Receiver<u64>;

    fn channel() -> (Self::Tx, Self::Rx) {
        tokio::sync::oneshot::channel()
    }

    fn send(tx: Self::Tx, value: u64) {
        tx.send(value).expect("the receiver is there");
    }

    fn value(received: <Self::Rx as Future>::Output) -> u64 {
        received.expect("the value was sent")
    }
}

/// What asyncio's future is made of, in place of the channel for one value.
pub struct Settled;

type Core = corio::sync::deferred::DeferredCore<u64, (), ()>;

/// The end that waits; it keeps what it waits for.
pub struct SettledRx {
    core: Arc<Core>,
    place: corio::sync::deferred::WaitPlace,
}

impl Future for SettledRx {
    type Output = u64;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        let this = &mut *self;
        this.core.poll_wait(&mut this.place, cx).map(|outcome| match outcome {
            corio::sync::deferred::Outcome::Value(value) => *value,
            other => unreachable!("nobody said {other:?}"),
        })
    }
}

impl Drop for SettledRx {
    fn drop(&mut self) {
        self.core.leave(&mut self.place);
    }
}

impl Oneshot for Settled {
    type Tx = Arc<Core>;
    type Rx = SettledRx;

    fn channel() -> (Self::Tx, Self::Rx) {
        let core = Arc::new(Core::new());
        (Arc::clone(&core), SettledRx { core, place: Default::default() })
    }

    fn send(tx: Self::Tx, value: u64) {
        tx.set_result(value).expect("the only one");
    }

    fn value(received: u64) -> u64 {
        received
    }
}

/// A channel in which every receiver gets every value.
pub trait Broadcast: Send + Sync + 'static {
    /// The end that sends.
    type Tx: Send + Sync + 'static;
    /// The end that receives.
    type Rx: Send + 'static;

    /// A channel whose receivers may lag by so many.
    fn channel(capacity: usize) -> Self::Tx;

    /// One more receiver.
    fn subscribe(tx: &Self::Tx) -> Self::Rx;

    /// Sends.
    fn send(tx: &Self::Tx, value: u64);

    /// Receives; nobody lags.
    fn recv(rx: &mut Self::Rx) -> impl Future<Output = u64> + Send;
}

impl Broadcast for Corio {
    type Tx = corio::sync::broadcast::Sender<u64>;
    type Rx = corio::sync::broadcast::Receiver<u64>;

    fn channel(capacity: usize) -> Self::Tx {
        corio::sync::broadcast::channel(capacity).0
    }

    fn subscribe(tx: &Self::Tx) -> Self::Rx {
        tx.subscribe()
    }

    fn send(tx: &Self::Tx, value: u64) {
        tx.send(value).expect("receivers are there");
    }

    async fn recv(rx: &mut Self::Rx) -> u64 {
        rx.recv().await.expect("nobody lags")
    }
}

impl Broadcast for Tokio {
    type Tx = tokio::sync::broadcast::Sender<u64>;
    type Rx = tokio::sync::broadcast::Receiver<u64>;

    fn channel(capacity: usize) -> Self::Tx {
        tokio::sync::broadcast::channel(capacity).0
    }

    fn subscribe(tx: &Self::Tx) -> Self::Rx {
        tx.subscribe()
    }

    fn send(tx: &Self::Tx, value: u64) {
        tx.send(value).expect("receivers are there");
    }

    async fn recv(rx: &mut Self::Rx) -> u64 {
        rx.recv().await.expect("nobody lags")
    }
}

/// A channel of which receivers see the latest value.
pub trait Watch: Send + Sync + 'static {
    /// The end that sends.
    type Tx: Send + Sync + 'static;
    /// The end that receives.
    type Rx: Send + 'static;

    /// A channel that holds 0.
    fn channel() -> Self::Tx;

    /// One more receiver.
    fn subscribe(tx: &Self::Tx) -> Self::Rx;

    /// Sends.
    fn send(tx: &Self::Tx, value: u64);

    /// Waits for a value that was not seen.
    fn changed(rx: &mut Self::Rx) -> impl Future<Output = ()> + Send;

    /// Looks at the value.
    fn look(rx: &mut Self::Rx) -> u64;
}

impl Watch for Corio {
    type Tx = corio::sync::watch::Sender<u64>;
    type Rx = corio::sync::watch::Receiver<u64>;

    fn channel() -> Self::Tx {
        corio::sync::watch::channel(0).0
    }

    fn subscribe(tx: &Self::Tx) -> Self::Rx {
        tx.subscribe()
    }

    fn send(tx: &Self::Tx, value: u64) {
        tx.send_replace(value);
    }

    async fn changed(rx: &mut Self::Rx) {
        rx.changed().await.expect("the sender is there");
    }

    fn look(rx: &mut Self::Rx) -> u64 {
        *rx.borrow_and_update()
    }
}

impl Watch for Tokio {
    type Tx = tokio::sync::watch::Sender<u64>;
    type Rx = tokio::sync::watch::Receiver<u64>;

    fn channel() -> Self::Tx {
        tokio::sync::watch::channel(0).0
    }

    fn subscribe(tx: &Self::Tx) -> Self::Rx {
        tx.subscribe()
    }

    fn send(tx: &Self::Tx, value: u64) {
        tx.send_replace(value);
    }

    async fn changed(rx: &mut Self::Rx) {
        rx.changed().await.expect("the sender is there");
    }

    fn look(rx: &mut Self::Rx) -> u64 {
        *rx.borrow_and_update()
    }
}

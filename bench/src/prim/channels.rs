//! Channels of `u64`. Nobody hangs up while a row runs, so an error is a failed measurement.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use corio::sync as corios;
use tokio::sync as tokios;

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

/// A channel of which one can ask whether a value is here.
pub trait TryRecv: Chan {
    /// Receives if a value is here.
    fn try_recv(rx: &mut Self::Rx) -> Option<u64>;
}

/// The library's channel without a limit.
pub struct Unbounded<L>(PhantomData<L>);

/// The library's channel with room for `N` values.
pub struct Bounded<L, const N: usize>(PhantomData<L>);

/// corio's queue for many receivers, in place of its channel.
pub struct Queued;

/// Both kinds of channels of a library: the types of the two ends of either, how they are made, and
/// how they send and receive. A sender without a limit does not wait in every library.
macro_rules! chan {
    (
        $lib:ty:
        $free_tx:ty, $free_rx:ty, $free:expr, |$to:ident, $sent:ident| $send_free:expr;
        $tx:ty, $rx:ty, $bounded:expr, $send:ident;
        $recv:ident
    ) => {
        impl Chan for Unbounded<$lib> {
            type Tx = $free_tx;
            type Rx = $free_rx;

            fn channel() -> (Self::Tx, Self::Rx) {
                $free
            }

            async fn send($to: &Self::Tx, $sent: u64) {
                $send_free.expect("the receiver is there");
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

/// The channels of a library that has one type for both kinds.
macro_rules! one_type {
    ($lib:ty: $tx:ty, $rx:ty, $free:expr, $bounded:expr, $send:ident, $recv:ident) => {
        chan!(
            $lib:
            $tx, $rx, $free, |tx, value| tx.$send(value).await;
            $tx, $rx, $bounded, $send;
            $recv
        );
    };
}

fn queue(maxsize: usize) -> (QueueEnd, QueueEnd) {
    let queue = Arc::new(corios::Queue::new(maxsize));
    (Arc::clone(&queue), queue)
}

type QueueEnd = Arc<corios::Queue<u64>>;

one_type!(Queued: QueueEnd, QueueEnd, queue(0), queue, put, get);
one_type!(
    Kanal:
    kanal::AsyncSender<u64>,
    kanal::AsyncReceiver<u64>,
    kanal::unbounded_async(),
    kanal::bounded_async,
    send,
    recv
);
one_type!(
    Flume:
    flume::Sender<u64>,
    flume::Receiver<u64>,
    flume::unbounded(),
    flume::bounded,
    send_async,
    recv_async
);
one_type!(
    AsyncChannel:
    async_channel::Sender<u64>,
    async_channel::Receiver<u64>,
    async_channel::unbounded(),
    async_channel::bounded,
    send,
    recv
);

impl TryRecv for Unbounded<Queued> {
    fn try_recv(rx: &mut Self::Rx) -> Option<u64> {
        rx.get_nowait().ok()
    }
}

impl TryRecv for Unbounded<Kanal> {
    fn try_recv(rx: &mut Self::Rx) -> Option<u64> {
        rx.try_recv().ok().flatten()
    }
}

impl TryRecv for Unbounded<Flume> {
    fn try_recv(rx: &mut Self::Rx) -> Option<u64> {
        rx.try_recv().ok()
    }
}

impl TryRecv for Unbounded<AsyncChannel> {
    fn try_recv(rx: &mut Self::Rx) -> Option<u64> {
        rx.try_recv().ok()
    }
}

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

/// What asyncio's future is made of, in place of the channel for one value.
pub struct Settled;

type Core = corios::deferred::DeferredCore<u64, (), ()>;

impl Oneshot for Settled {
    type Tx = Arc<Core>;
    type Rx = corios::deferred::DeferredOwnedWait<u64, (), ()>;

    fn channel() -> (Self::Tx, Self::Rx) {
        let core = Arc::new(Core::new());
        (Arc::clone(&core), core.wait_owned())
    }

    fn send(tx: Self::Tx, value: u64) {
        tx.set_result(value).expect("the only one");
    }

    fn value(received: Arc<Core>) -> u64 {
        match received.peek() {
            Some(corios::deferred::Outcome::Value(value)) => *value,
            other => unreachable!("nobody said {other:?}"),
        }
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

/// All channels of a library that calls them as tokio does; only the one without a limit has a name
/// of its own.
macro_rules! tokios_names {
    ($lib:ty: $sync:ident, $unbounded:ident) => {
        chan!(
            $lib:
            $sync::mpsc::UnboundedSender<u64>,
            $sync::mpsc::UnboundedReceiver<u64>,
            $sync::mpsc::$unbounded(),
            |tx, value| tx.send(value);
            $sync::mpsc::Sender<u64>,
            $sync::mpsc::Receiver<u64>,
            $sync::mpsc::channel,
            send;
            recv
        );

        impl Oneshot for $lib {
            type Tx = $sync::oneshot::Sender<u64>;
            type Rx = $sync::oneshot::Receiver<u64>;

            fn channel() -> (Self::Tx, Self::Rx) {
                $sync::oneshot::channel()
            }

            fn send(tx: Self::Tx, value: u64) {
                tx.send(value).expect("the receiver is there");
            }

            fn value(received: <Self::Rx as Future>::Output) -> u64 {
                received.expect("the value was sent")
            }
        }

        impl Broadcast for $lib {
            type Tx = $sync::broadcast::Sender<u64>;
            type Rx = $sync::broadcast::Receiver<u64>;

            fn channel(capacity: usize) -> Self::Tx {
                $sync::broadcast::channel(capacity).0
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

        impl Watch for $lib {
            type Tx = $sync::watch::Sender<u64>;
            type Rx = $sync::watch::Receiver<u64>;

            fn channel() -> Self::Tx {
                $sync::watch::channel(0).0
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
    };
}

tokios_names!(Corio: corios, unbounded);
tokios_names!(Tokio: tokios, unbounded_channel);

//! Channels: what was sent is received once, or can still be received, or comes back.

use corio::sync::{broadcast, mpsc, oneshot, watch};
use corio_tests::kit::{Ledger, Token};

use crate::driver::{Case, Make, awaits, case};
use crate::support::{lend, lent, next, turns};

/// Three values are sent; what the operation got and what is left are these three, in order.
fn received<E>(got: Option<Vec<u8>>, mut rest: impl FnMut() -> Result<u8, E>) {
    let mut all = got.unwrap_or_default();
    while let Ok(value) = rest() {
        all.push(value);
    }
    assert_eq!(all, [1, 2, 3]);
}

/// The receiver of an unbounded or a bounded channel, whose sender sends three values; the operation
/// is written twice because the types are two.
macro_rules! receives {
    ($channel:expr, |$receiver:ident| $receive:expr, |$sender:ident, $value:ident| $send:expr) => {{
        let ($sender, $receiver) = $channel;
        let $receiver = lent($receiver);
        let operation = lend!($receiver => $receive);
        let stimulus = async move {
            for $value in 1..=3 {
                turns().await;
                $send;
            }
        };
        case(operation, stimulus, async move |got: Option<Vec<u8>>| {
            let mut receiver = $receiver.try_acquire().expect("the operation is over");
            received(got, || receiver.try_recv());
        })
    }};
}

/// A channel of one place, taken by a first token; the operation sends a second one, or does not.
fn sends<F: Future<Output = bool> + Send + 'static>(
    send: impl FnOnce(mpsc::Sender<Token>, Token) -> F,
) -> Case {
    let ledger = Ledger::new();
    let (sender, mut receiver) = mpsc::channel(1);
    sender.try_send(ledger.token()).expect("there is a place");
    let operation = send(sender.clone(), ledger.token());
    let receiver_back = lent(None);
    let back = receiver_back.clone();
    let stimulus = async move {
        turns().await;
        drop(receiver.recv().await.expect("the first one is there"));
        *back.acquire().await = Some(receiver);
    };
    case(operation, stimulus, async move |got: Option<bool>| {
        let mut receiver = receiver_back.acquire().await.take().expect("the stimulus has run");
        assert_eq!(receiver.try_recv().is_ok(), got == Some(true), "sent if it says so");
        assert_eq!(ledger.live(), 0);
        assert_eq!(sender.capacity(), 1, "the place is free again");
    })
}

pub const TABLE: &[(&str, Make)] = awaits! {
    "sync::mpsc::Receiver::recv" => receives!(
        mpsc::channel(3),
        |receiver| Vec::from_iter(receiver.recv().await),
        |sender, value| sender.send(value).await.unwrap()
    );
    "sync::mpsc::Receiver::recv_many" => receives!(
        mpsc::channel(3),
        |receiver| {
            let mut values = Vec::new();
            assert_eq!(receiver.recv_many(&mut values, 2).await, values.len());
            values
        },
        |sender, value| sender.send(value).await.unwrap()
    );
    "sync::mpsc::Receiver as Stream" => receives!(
        mpsc::channel(3),
        |receiver| Vec::from_iter(next(&mut *receiver).await),
        |sender, value| sender.send(value).await.unwrap()
    );
    "sync::mpsc::UnboundedReceiver::recv" => receives!(
        mpsc::unbounded(),
        |receiver| Vec::from_iter(receiver.recv().await),
        |sender, value| sender.send(value).unwrap()
    );
    "sync::mpsc::UnboundedReceiver::recv_many" => receives!(
        mpsc::unbounded(),
        |receiver| {
            let mut values = Vec::new();
            assert_eq!(receiver.recv_many(&mut values, 2).await, values.len());
            values
        },
        |sender, value| sender.send(value).unwrap()
    );
    "sync::mpsc::UnboundedReceiver as Stream" => receives!(
        mpsc::unbounded(),
        |receiver| Vec::from_iter(next(&mut *receiver).await),
        |sender, value| sender.send(value).unwrap()
    );

    "sync::mpsc::Sender::send" => sends(|sender, token| async move {
        sender.send(token).await.is_ok()
    });
    // A reserved place that is not used is free again.
    "sync::mpsc::Sender::reserve" => sends(|sender, token| async move {
        drop(token);
        drop(sender.reserve().await.expect("it is open"));
        false
    });
    "sync::mpsc::Sender::closed" => {
        let (sender, mut receiver) = mpsc::channel::<u8>(1);
        let operation = { let sender = sender.clone(); async move { sender.closed().await } };
        case(operation, async move { receiver.close() }, async move |_| sender.closed().await)
    };
    "sync::mpsc::UnboundedSender::closed" => {
        let (sender, mut receiver) = mpsc::unbounded::<u8>();
        let operation = { let sender = sender.clone(); async move { sender.closed().await } };
        case(operation, async move { receiver.close() }, async move |_| sender.closed().await)
    };

    // The value comes back to the sender, or is dropped with the receiver that had it.
    "sync::oneshot::Receiver as Future" => {
        let ledger = Ledger::new();
        let (sender, receiver) = oneshot::channel();
        let token = ledger.token();
        let stimulus = async move {
            turns().await;
            let _ = sender.send(token);
        };
        case(async move { drop(receiver.await.unwrap()) }, stimulus, async move |_| {
            assert_eq!(ledger.live(), 0);
        })
    };
    "sync::oneshot::Sender::closed" => {
        let (sender, receiver) = oneshot::channel::<u8>();
        let sender = lent(sender);
        let operation = lend!(sender => sender.closed().await);
        case(operation, async move { drop(receiver) }, async move |_| {
            sender.acquire().await.closed().await;
        })
    };

    "sync::broadcast::Receiver::recv" => {
        let (sender, receiver) = broadcast::channel(4);
        let receiver = lent(receiver);
        let operation = lend!(receiver => vec![receiver.recv().await.unwrap()]);
        let stimulus = async move {
            for value in 1..=3 {
                turns().await;
                sender.send(value).unwrap();
            }
        };
        case(operation, stimulus, async move |got: Option<Vec<u8>>| {
            let mut receiver = receiver.try_acquire().expect("the operation is over");
            received(got, || receiver.try_recv());
        })
    };

    // A change that the operation has not told is still news.
    "sync::watch::Receiver::changed" => {
        let (sender, receiver) = watch::channel(0);
        let receiver = lent(receiver);
        let operation = lend!(receiver => receiver.changed().await.unwrap());
        let other = sender.clone();
        let stimulus = async move {
            turns().await;
            other.send(1).unwrap();
        };
        case(operation, stimulus, async move |got: Option<()>| {
            let receiver = receiver.try_acquire().expect("the operation is over");
            assert_eq!(receiver.has_changed().unwrap(), got.is_none());
            assert_eq!(*receiver.borrow(), 1);
            drop(sender);
        })
    };
    "sync::watch::Receiver::wait_for" => {
        let (sender, receiver) = watch::channel(0);
        let receiver = lent(receiver);
        let operation = lend!(receiver => *receiver.wait_for(|value| *value == 2).await.unwrap());
        let other = sender.clone();
        let stimulus = async move {
            for value in 1..=2 {
                turns().await;
                other.send(value).unwrap();
            }
        };
        case(operation, stimulus, async move |got: Option<i32>| {
            assert!(got.is_none_or(|got| got == 2));
            let mut receiver = receiver.try_acquire().expect("the operation is over");
            assert_eq!(*receiver.wait_for(|value| *value == 2).await.unwrap(), 2);
            drop(sender);
        })
    };
    "sync::watch::Sender::closed" => {
        let (sender, receiver) = watch::channel(0);
        let mine = sender.clone();
        let operation = async move { mine.closed().await };
        case(operation, async move { drop(receiver) }, async move |_| sender.closed().await)
    };
};

//! Models of the oneshot channel: no value twice or never, nothing freed too early.

use super::{Receiver, Sender, channel};
use crate::model;
use crate::shim::{sync::Arc, thread};
use crate::testing::{block_on, poll_once};
use std::pin::Pin;

/// A value whose leak or double drop shows: loom's `Arc` is checked at the end of each execution.
fn value() -> (Arc<()>, Arc<()>) {
    let value = Arc::new(());
    (value.clone(), value)
}

fn run(
    sender: impl FnOnce(Sender<Arc<()>>) + Send + 'static,
    receiver: impl FnOnce(Receiver<Arc<()>>),
) {
    let (tx, rx) = channel();
    let thread = thread::spawn(move || sender(tx));
    receiver(rx);
    thread.join().unwrap();
}

fn glance(receiver: &mut Receiver<Arc<()>>) -> bool {
    poll_once(|cx| Pin::new(&mut *receiver).poll(cx)).is_ready()
}

model! {
    /// Send meets a receiver that starts to wait, and waits again with another waker.
    oneshot_send_recv(threads = 2, bound = 3, claim = "the value arrives, whatever the receiver is doing") {
        let (kept, sent) = value();
        run(move |sender| sender.send(sent).expect("the receiver is there"), |mut receiver| {
            if !glance(&mut receiver) {
                block_on(receiver).expect("it was sent");
            }
        });
        assert_eq!(Arc::strong_count(&kept), 1);
    }
}

model! {
    /// oneshot#87: the receiver goes while the sender is sending and waking.
    oneshot_send_drop(threads = 2, bound = 3, claim = "the value comes back or is dropped, nothing is touched after it is freed") {
        let (kept, sent) = value();
        run(move |sender| drop(sender.send(sent)), |mut receiver| { let _ = glance(&mut receiver); });
        assert_eq!(Arc::strong_count(&kept), 1);
    }
}

model! {
    /// RUSTSEC-2021-0124: close races with send.
    oneshot_send_close(threads = 2, bound = 3, claim = "after a close the value is with exactly one side") {
        let (kept, sent) = value();
        run(move |sender| drop(sender.send(sent)), |mut receiver| {
            let _ = glance(&mut receiver) || { receiver.close(); glance(&mut receiver) };
        });
        assert_eq!(Arc::strong_count(&kept), 1);
    }
}

model! {
    /// The sender goes without a value.
    oneshot_sender_drops(threads = 2, bound = 3, claim = "a waiting receiver learns that the sender is gone") {
        run(drop, |mut receiver| {
            if !glance(&mut receiver) {
                assert!(block_on(receiver).is_err());
            }
        });
    }
}

model! {
    /// The sender waits for the receiver to go, and changes its mind.
    oneshot_closed(threads = 2, bound = 3, claim = "a sender that waits for the close is woken, or leaves no waker") {
        run(
            |mut sender| {
                let ready = poll_once(|cx| Pin::new(&mut sender.closed()).poll(cx)).is_ready();
                if !ready {
                    block_on(sender.closed());
                }
                assert!(sender.is_closed());
            },
            |mut receiver| { let _ = glance(&mut receiver); },
        );
    }
}

model! {
    /// As above, but the sender sends after having waited for a moment.
    oneshot_closed_send(threads = 2, bound = 3, claim = "a sender takes its own waker along") {
        let (kept, sent) = value();
        run(
            move |mut sender| {
                let _ = poll_once(|cx| Pin::new(&mut sender.closed()).poll(cx));
                drop(sender.send(sent));
            },
            |mut receiver| receiver.close(),
        );
        assert_eq!(Arc::strong_count(&kept), 1);
    }
}

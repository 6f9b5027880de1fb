//! Models of the mpsc channels: blocks of two slots, so that every other push crosses an edge.

use super::{TryRecvError, channel, unbounded};
use crate::model;
use crate::shim::{sync::Arc, thread};
use crate::testing::{Deeds, block_on, join_all, poll_once};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

/// Counts how often it was woken. No part of the model.
#[derive(Default)]
struct Counts(AtomicUsize);

impl Wake for Counts {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// One poll of `recv` with the waker of `counts`.
fn poll_recv<T>(
    receiver: &mut super::UnboundedReceiver<T>,
    counts: &std::sync::Arc<Counts>,
) -> Poll<Option<T>> {
    receiver.poll_recv(&mut Context::from_waker(&Waker::from(counts.clone())))
}

model! {
    /// Two senders, one receiver, three values in two blocks.
    mpsc_two_senders(threads = 2, bound = 2, claim = "every value arrives once, in order for each sender, then the end") {
        let kept = Arc::new(());
        let (sender, mut receiver) = unbounded();
        let (other, a) = (sender.clone(), kept.clone());
        let thread = thread::spawn(move || {
            other.send((1, a.clone())).unwrap();
            other.send((2, a)).unwrap();
        });
        sender.send((4, kept.clone())).unwrap();
        drop(sender);
        let (mut sum, mut last) = (0, 0);
        while let Some((value, _)) = block_on(receiver.recv()) {
            assert!(value != 1 || last & 2 == 0, "out of order");
            last = value;
            sum += value;
        }
        assert_eq!(sum, 7);
        thread.join().unwrap();
        drop(receiver);
        assert_eq!(Arc::strong_count(&kept), 1);
    }
}

model! {
    /// Enough values that blocks are used again while a slow sender is on its way.
    mpsc_reuse(threads = 2, bound = 2, claim = "a block is used again only when no push can hold it") {
        let (sender, mut receiver) = unbounded();
        let other = sender.clone();
        let thread = thread::spawn(move || other.send(Box::new(1)).unwrap());
        let mut received = 0;
        for _ in 0..4 {
            sender.send(Box::new(9)).unwrap();
            received += usize::from(receiver.try_recv().is_ok());
        }
        drop(sender);
        while block_on(receiver.recv()).is_some() {
            received += 1;
        }
        assert_eq!(received, 5);
        thread.join().unwrap();
    }
}

model! {
    /// flume#120: the sender goes right after its last value.
    mpsc_last_value(threads = 2, bound = 3, claim = "a value sent right before the end is not lost") {
        let (sender, mut receiver) = unbounded();
        let thread = thread::spawn(move || sender.send(1).unwrap());
        let first = receiver.try_recv();
        match first {
            Ok(_) => {}
            Err(TryRecvError::Empty) => assert_eq!(block_on(receiver.recv()), Some(1)),
            Err(TryRecvError::Disconnected) => panic!("the value was lost"),
        }
        assert_eq!(block_on(receiver.recv()), None);
        thread.join().unwrap();
    }
}

model! {
    /// The receiver closes or goes while values are sent.
    mpsc_close(threads = 2, bound = 3, claim = "after a close a value is with exactly one side") {
        let kept = Arc::new(());
        let (sender, mut receiver) = unbounded();
        let value = kept.clone();
        let thread = thread::spawn(move || usize::from(sender.send(value).is_ok()));
        receiver.close();
        let mut received = 0;
        while block_on(receiver.recv()).is_some() {
            received += 1;
        }
        assert_eq!(thread.join().unwrap(), received);
        drop(receiver);
        assert_eq!(Arc::strong_count(&kept), 1);
    }
}

model! {
    /// Two senders go without having sent anything: nothing but their going connects them.
    mpsc_end_sees(threads = 3, bound = 2, claim = "whoever receives the end sees what all senders did") {
        let (sender, mut receiver) = unbounded::<u8>();
        let (deeds, threads) = Deeds::before_drop([sender.clone(), sender]);
        assert_eq!(block_on(receiver.recv()), None);
        deeds.seen();
        join_all(threads);
    }
}

model! {
    /// Room for one; a send waits and leaves, another comes.
    mpsc_bounded(threads = 2, bound = 2, claim = "room that reached a send that leaves goes to the next") {
        let (sender, mut receiver) = channel(1);
        sender.try_send(1).unwrap();
        let other = sender.clone();
        let mut leaving = Box::pin(sender.send(2));
        assert!(poll_once(|cx| leaving.as_mut().poll(cx)).is_pending());
        let thread = thread::spawn(move || block_on(other.send(4)).unwrap());
        assert_eq!(receiver.try_recv(), Ok(1));
        drop(leaving);
        drop(sender);
        assert_eq!(block_on(receiver.recv()), Some(4));
        thread.join().unwrap();
        assert_eq!(block_on(receiver.recv()), None);
    }
}

model! {
    /// tokio#8260: a permit is out while the receiver has closed and waits.
    mpsc_permit_close(threads = 2, bound = 3, claim = "a closed receiver is woken when the last permit comes back") {
        let (sender, mut receiver) = channel::<u8>(1);
        let permit = sender.try_reserve_owned().unwrap();
        let thread = thread::spawn(move || drop(permit));
        receiver.close();
        assert_eq!(block_on(receiver.recv()), None);
        thread.join().unwrap();
    }
}

model! {
    /// RUSTSEC-2025-0024: the receiver goes while the first blocks are being linked.
    mpsc_receiver_goes(threads = 3, bound = 2, claim = "whatever a send meets, its value is dropped once") {
        let kept = Arc::new(());
        let (sender, receiver) = unbounded();
        // The channel's own reference count is std's, which loom does not see: it ends here.
        let last = sender.clone();
        let (other, a, b) = (sender.clone(), kept.clone(), kept.clone());
        let threads = [
            thread::spawn(move || { let _ = (other.send(a.clone()), other.send(a)); }),
            thread::spawn(move || { let _ = sender.send(b); }),
        ];
        drop(receiver);
        join_all(threads);
        drop(last);
        assert_eq!(Arc::strong_count(&kept), 1);
    }
}

model! {
    /// The receiver is polled with two wakers in turn, and may go before it was woken.
    mpsc_repoll(threads = 2, bound = 3, claim = "the waker of the last poll is woken, and each is dropped once") {
        let (sender, mut receiver) = unbounded();
        let other = sender.clone();
        let counts = [(); 3].map(|()| std::sync::Arc::new(Counts::default()));
        let thread = thread::spawn(move || other.send(1).unwrap());
        let polls = counts.iter().map(|counts| poll_recv(&mut receiver, counts).is_ready());
        let polls: Vec<_> = polls.take_while(|ready| !ready).collect();
        thread.join().unwrap();
        if polls.len() == counts.len() {
            assert_eq!(counts[2].0.load(Relaxed), 1, "the last waker was not woken");
            assert_eq!(receiver.try_recv(), Ok(1));
        }
        assert!(poll_recv(&mut receiver, &counts[0]).is_pending());
        drop((sender, receiver));
        assert!(counts.iter().all(|counts| std::sync::Arc::strong_count(counts) == 1));
    }
}

model! {
    /// A push is slow to take the waker that is its; the receiver has gone on and waits again.
    mpsc_slow_wake(threads = 3, bound = 2, claim = "whoever waits is woken, also beside a push that has not taken its waker yet") {
        let (sender, mut receiver) = unbounded();
        let counts = std::sync::Arc::new(Counts::default());
        assert!(poll_recv(&mut receiver, &counts).is_pending());
        let send = |sender: super::UnboundedSender<u8>| thread::spawn(move || sender.send(1).unwrap());
        let threads = [send(sender.clone()), send(sender.clone())];
        let mut received = 0;
        for _ in 0..2 {
            let waker = std::sync::Arc::new(Counts::default());
            received += usize::from(poll_recv(&mut receiver, &waker).is_ready());
        }
        while received < 2 {
            block_on(receiver.recv()).unwrap();
            received += 1;
        }
        join_all(threads);
        drop((sender, receiver));
        assert_eq!(std::sync::Arc::strong_count(&counts), 1);
    }
}

model! {
    /// A receiver that waits is closed and waits on; a permit is out.
    mpsc_wait_close(threads = 2, bound = 3, claim = "a receiver that closed after it waited is woken by room that comes back") {
        let (sender, mut receiver) = channel::<u8>(1);
        assert!(poll_once(|cx| receiver.poll_recv(cx)).is_pending());
        let permit = sender.try_reserve_owned().unwrap();
        let thread = thread::spawn(move || drop(permit));
        receiver.close();
        assert_eq!(block_on(receiver.recv()), None);
        thread.join().unwrap();
    }
}

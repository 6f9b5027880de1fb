//! Models of the broadcast channel.

use super::{RecvError, TryRecvError, channel};
use crate::model;
use crate::shim::thread;
use crate::testing::{Deeds, block_on, join_all};

model! {
    /// Two senders, a ring of one, a receiver that may lag.
    broadcast_lag(threads = 3, bound = 2, claim = "what is received and what is missed add up") {
        let (sender, mut receiver) = channel(1);
        let other = sender.clone();
        let threads = [
            thread::spawn(move || { other.send(Box::new(1)).unwrap(); }),
            thread::spawn(move || { sender.send(Box::new(2)).unwrap(); }),
        ];
        let mut seen = 0;
        loop {
            match block_on(receiver.recv()) {
                Ok(value) => { assert!(*value > 0); seen += 1 }
                Err(RecvError::Lagged(missed)) => seen += missed,
                Err(RecvError::Closed) => break,
            }
        }
        assert_eq!(seen, 2);
        join_all(threads);
    }
}

model! {
    /// A receiver waits for a value and for the end.
    broadcast_wait(threads = 2, bound = 3, claim = "a value or the end is never missed") {
        let (sender, mut receiver) = channel(2);
        let thread = thread::spawn(move || { sender.send(7).unwrap(); });
        assert_eq!(block_on(receiver.recv()), Ok(7));
        assert_eq!(block_on(receiver.recv()), Err(RecvError::Closed));
        thread.join().unwrap();
    }
}

model! {
    /// A sender that stays: nothing but the value itself can wake the receiver.
    broadcast_kept(threads = 2, bound = 3, claim = "a value wakes who waits for it, and is there") {
        let (sender, mut receiver) = channel(2);
        let thread = thread::spawn(move || {
            assert_eq!(block_on(receiver.recv()), Ok(Box::new(7)));
        });
        let _ = sender.send(Box::new(7));
        thread.join().unwrap();
        drop(sender);
    }
}

model! {
    /// A value comes while a receiver goes to sleep; the sender stays.
    broadcast_wake(threads = 2, bound = 3, claim = "a value that comes while a receiver goes to sleep wakes it") {
        let (sender, mut receiver) = channel(1);
        let thread = thread::spawn(move || assert_eq!(block_on(receiver.recv()), Ok(7)));
        sender.send(7).unwrap();
        thread.join().unwrap();
    }
}

model! {
    /// Two senders go without having sent anything: nothing but their going connects them.
    broadcast_end_sees(threads = 3, bound = 2, claim = "whoever receives the end sees what all senders did") {
        let (sender, mut receiver) = channel::<u8>(1);
        let (deeds, threads) = Deeds::before_drop([sender.clone(), sender]);
        assert_eq!(block_on(receiver.recv()), Err(RecvError::Closed));
        deeds.seen();
        join_all(threads);
    }
}

model! {
    /// A look at a slot into which a value is being put.
    broadcast_look(threads = 2, bound = 3, claim = "a value that is found is whole") {
        let (sender, mut receiver) = channel(1);
        let thread = thread::spawn(move || receiver.try_recv());
        let _ = sender.send(Box::new(7));
        assert!(matches!(thread.join().unwrap(), Err(TryRecvError::Empty) | Ok(_)));
    }
}

model! {
    /// Two senders and one slot.
    broadcast_same_slot(threads = 2, bound = 3, claim = "a sender sees what it finds in its slot") {
        let (sender, mut receiver) = channel(1);
        let other = sender.clone();
        let thread = thread::spawn(move || { other.send(Box::new(1)).unwrap(); });
        sender.send(Box::new(2)).unwrap();
        thread.join().unwrap();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Lagged(1)));
        assert!(receiver.try_recv().is_ok());
    }
}

//! Models of the broadcast channel.

use super::runs::Ring;
use super::{Receiver, RecvError, Sender, TryRecvError, channel, ends};
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
    /// Two senders, and the last value lies where the first one would.
    broadcast_same_slot(threads = 2, bound = 3, claim = "no sender puts an earlier value in place of a later one") {
        let (sender, mut receiver) = channel(1);
        let other = sender.clone();
        let thread = thread::spawn(move || { other.send(Box::new(1)).unwrap(); });
        sender.send(Box::new(2)).unwrap();
        sender.send(Box::new(3)).unwrap();
        thread.join().unwrap();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Lagged(2)));
        assert!(receiver.try_recv().is_ok());
    }
}

model! {
    /// A look behind a value that was sent, while the sender of the one before is on its way.
    broadcast_pushes_out(threads = 2, bound = 3, claim = "a value pushes out another one even if that has not come") {
        let (sender, mut receiver) = channel(1);
        let other = sender.clone();
        let thread = thread::spawn(move || { other.send(Box::new(1)).unwrap(); });
        sender.send(Box::new(2)).unwrap();
        assert_ne!(receiver.try_recv(), Err(TryRecvError::Empty));
        thread.join().unwrap();
    }
}

/// Room for two values, in runs of two.
fn runs_of_two() -> (Sender<Box<u8>>, Receiver<Box<u8>>) {
    ends(Ring::with_runs(2, 1))
}

model! {
    /// Two senders make the same run.
    broadcast_same_run(threads = 2, bound = 3, claim = "a run is linked once, and both values lie in it") {
        let (sender, mut receiver) = runs_of_two();
        let other = sender.clone();
        let thread = thread::spawn(move || { other.send(Box::new(1)).unwrap(); });
        sender.send(Box::new(2)).unwrap();
        thread.join().unwrap();
        let both = [receiver.try_recv().unwrap(), receiver.try_recv().unwrap()];
        assert_eq!(both.iter().map(|value| **value).sum::<u8>(), 3);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    }
}

model! {
    /// A receiver reads on in a run that it keeps, while that is replaced.
    broadcast_kept_run(threads = 2, bound = 3, claim = "what is received and what is missed add up in a run that was replaced") {
        let (sender, mut receiver) = runs_of_two();
        sender.send(Box::new(0)).unwrap();
        sender.send(Box::new(1)).unwrap();
        assert_eq!(receiver.try_recv(), Ok(Box::new(0)));
        let thread = thread::spawn(move || (2..5).for_each(|value| {
            sender.send(Box::new(value)).unwrap();
        }));
        let mut next = match receiver.try_recv() {
            Ok(value) => { assert_eq!(*value, 1); 2 }
            Err(TryRecvError::Lagged(missed)) => 1 + missed,
            Err(other) => panic!("{other}"),
        };
        thread.join().unwrap();
        loop {
            match receiver.try_recv() {
                Ok(value) => { assert_eq!(u64::from(*value), next); next += 1 }
                Err(TryRecvError::Lagged(missed)) => next += missed,
                Err(_) => break,
            }
        }
        assert_eq!(next, 5);
    }
}

model! {
    /// A run is replaced while somebody is on its way to push a value out of it.
    broadcast_replaced(threads = 2, bound = 3, claim = "nobody receives a value that was pushed out, from a run that it keeps neither") {
        let (sender, mut receiver) = runs_of_two();
        for value in 0..3 {
            sender.send(Box::new(value)).unwrap();
            assert!(value > 0 || receiver.try_recv().is_ok());
        }
        let other = sender.clone();
        let thread = thread::spawn(move || { other.send(Box::new(3)).unwrap(); });
        sender.send(Box::new(4)).unwrap();
        thread.join().unwrap();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Lagged(2)));
        assert!(receiver.try_recv().is_ok());
    }
}

//! Models of the messages.
use super::*;
use corio_sync::model;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;

fn said(text: &'static str) -> Cancelled {
    Cancelled::from_parts(Some(std::sync::Arc::from(text)), None)
}

fn msg(taken: &Option<Cancelled>) -> Option<&str> {
    taken.as_ref().and_then(|said| said.msg())
}

model! {
    /// Two cancellers and a taker.
    requests_push_vs_take(threads = 3, bound = 3, claim = "each message is taken once, or goes with one that came before it") {
        let list = Arc::new(Requests::new());
        let pushers: Vec<_> = ["one", "two"]
            .map(|text| {
                let list = list.clone();
                thread::spawn(move || list.push(said(text)))
            })
            .into_iter()
            .collect();
        let early = list.take_first();
        for pusher in pushers {
            pusher.join().unwrap();
        }
        let late = list.take_first();
        assert!(early.is_some() || late.is_some(), "both were lost");
        assert!(early.is_none() || msg(&early) != msg(&late), "one was taken twice");
        assert!(list.take_first().is_none());
    }
}

model! {
    /// What is taken was pushed first, and is read as it was written.
    requests_first_wins(threads = 2, bound = 3, claim = "of what is taken the first pushed is kept, and is seen initialized") {
        let list = Arc::new(Requests::new());
        let other = list.clone();
        let pusher = thread::spawn(move || {
            other.push(said("first"));
            other.push(said("second"));
        });
        match list.take_first() {
            Some(taken) => assert_eq!(taken.msg(), Some("first")),
            None => {
                pusher.join().unwrap();
                assert_eq!(msg(&list.take_first()), Some("first"));
                return;
            }
        }
        pusher.join().unwrap();
    }
}

//! Models of waits that have taken a request and are dropped before they have passed it on.
use super::super::share::Share;
use super::*;
use crate::error::FROM_TASK as TASK;

/// A wait for something that is passed a request.
struct Wait {
    node: NodeRef,
    kept: Option<(Cancelled, std::sync::Arc<Share>)>,
}

// SAFETY: who has it on another thread lets go of the node only.
unsafe impl Send for Wait {}

impl Wait {
    fn begin(tree: &Tree) -> Self {
        Self { node: Twin::add(tree, Kind::Forward, None), kept: None }
    }

    /// Takes what it is offered, and keeps it.
    fn poll(&mut self, twin: &Twin) {
        if let Some(request) = twin.tree.take(self.node, &twin.state, &twin.requests) {
            let share = twin.tree.share_of(TASK).expect("the whole task has asked");
            share.join();
            self.kept = Some((request, share));
        }
    }

    /// Something else has won.
    fn dropped(self, twin: &Twin) {
        twin.drop_scope(self.node);
        if let Some((request, share)) = self.kept {
            if share.leave(false) {
                twin.tree.give_back(request, &twin.state, &twin.requests);
            }
        }
    }

    /// It was carried off.
    fn dropped_elsewhere(self, twin: &Twin) {
        self.node.leave_scope();
        let last = self.kept.is_some_and(|(_, share)| share.leave(false));
        if last && twin.state.return_from_elsewhere() {
            wake(twin);
        }
    }
}

fn wake(twin: &Twin) {
    if twin.state.wake() == Woken::Enqueue {
        assert_eq!(twin.entries.fetch_add(1, AcqRel), 0, "two entries of one task");
    }
}

/// A task that waits, has taken a cancel there, and keeps it.
fn keeps_one() -> (Arc<Twin>, Wait) {
    let (twin, mut wait) = Twin::waiting(Wait::begin);
    assert!(twin.cancel());
    let keeps = |twin: &Twin| {
        wait.poll(twin);
        Step::Pending
    };
    assert_eq!(twin.drain(keeps), Ran::Waits);
    assert!(wait.kept.is_some() && !twin.state.load().is_cancel_pending());
    (twin, wait)
}

/// The polls after that: the wait is dropped, and what comes then reaches a scope, once.
struct After {
    wait: Option<Wait>,
    catch: Option<NodeRef>,
}

impl After {
    fn new(wait: Wait) -> Self {
        Self { wait: Some(wait), catch: None }
    }

    fn drain(&mut self, twin: &Twin) -> Ran {
        twin.drain(|twin| {
            if let Some(wait) = self.wait.take() {
                wait.dropped(twin);
                self.catch = Some(Twin::add(&twin.tree, Kind::Catch, None));
            } else if let Some(node) = self.catch.filter(|node| twin.poll_scope(*node)) {
                twin.drop_scope(node);
                self.catch = None;
            }
            Step::Pending
        })
    }

    /// Nothing is pending, and the task is ended from outside.
    fn end(self, twin: &Twin) {
        assert!(!twin.state.load().is_cancel_pending());
        twin.state.start_for_models();
        twin.end(true);
        if let Some(node) = self.catch {
            node.leave_scope();
        }
    }
}

model! {
    /// A wait that keeps a cancel is dropped while another one comes.
    look_kept_beside_a_cancel(threads = 2, bound = 3, claim = "what a dropped wait has kept is delivered, alone or joined with a later cancel") {
        let (twin, wait) = keeps_one();
        let canceller = twin.clone();
        let cancels = thread::spawn(move || {
            let before = canceller.taken();
            (before, canceller.cancel())
        });
        let mut after = After::new(wait);
        // Something else has won.
        wake(&twin);
        let mut ran = after.drain(&twin);
        let (before, asked) = cancels.join().unwrap();
        if ran == Ran::Waits {
            ran = after.drain(&twin);
        }
        let delivered = twin.taken() + usize::from(ran == Ran::Cancelled);
        assert!(asked && (1..=2).contains(&delivered), "delivered {delivered} times");
        assert!(before == 0 || delivered == 2, "the second cancel was lost");
        assert!(!twin.state.load().is_cancel_pending());
    }
}

model! {
    /// A wait that keeps a cancel is dropped while the cancel is taken back.
    look_kept_and_taken_back(threads = 2, bound = 3, claim = "what a dropped wait has kept is delivered, or was taken back") {
        let (twin, wait) = keeps_one();
        let canceller = twin.clone();
        let retracts = thread::spawn(move || assert_eq!(canceller.state.uncancel(), 0));
        let mut after = After::new(wait);
        wake(&twin);
        let ran = after.drain(&twin);
        retracts.join().unwrap();
        assert_eq!((ran, after.drain(&twin)), (Ran::Waits, Ran::Waits));
        assert!(twin.taken() <= 1);
        after.end(&twin);
    }
}

model! {
    /// Two waits keep the same cancel. One is dropped by its task, the other one is carried off.
    look_kept_by_two(threads = 2, bound = 3, claim = "a cancel that two dropped waits have kept is delivered once") {
        let (twin, mut waits) = Twin::waiting(|tree| [Wait::begin(tree), Wait::begin(tree)]);
        assert!(twin.cancel());
        let keep = |twin: &Twin| {
            waits.iter_mut().for_each(|wait| wait.poll(twin));
            Step::Pending
        };
        assert_eq!(twin.drain(keep), Ran::Waits);
        assert!(waits.iter().all(|wait| wait.kept.is_some()));
        let [wait, carried] = waits;
        let dropper = twin.clone();
        let drops = thread::spawn(move || carried.dropped_elsewhere(&dropper));
        let mut after = After::new(wait);
        wake(&twin);
        let ran = after.drain(&twin);
        drops.join().unwrap();
        assert_eq!((ran, after.drain(&twin)), (Ran::Waits, Ran::Waits));
        assert_eq!(twin.taken(), 1);
        after.end(&twin);
    }
}

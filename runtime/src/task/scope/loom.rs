//! Models of a task with scopes: state word, messages, tree and look are the real ones; the body is
//! a script.
use super::node::{Kind, NodeRef};
use super::*;
use crate::error::Cancelled;
use crate::task::requests::Requests;
use crate::task::state::{End, Finished, Paused, Snapshot, State, Woken};
use corio_sync::model;
use corio_sync::shim::Ordering::{AcqRel, Acquire, Relaxed};
use corio_sync::shim::atomic::AtomicUsize;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;
use corio_sync::{Condition, Lock};
use std::pin::Pin;
use std::task::{Context, Wake, Waker};

mod kept;
mod parts;

/// A task whose cell nobody frees.
struct Twin {
    state: State,
    requests: Requests,
    tree: Tree,
    /// Queue entries that nobody has taken.
    entries: AtomicUsize,
    /// Requests that scopes have taken.
    taken: AtomicUsize,
}

// SAFETY: the tree is touched by the runner only, and loom checks that.
unsafe impl Sync for Twin {}
// SAFETY: as above.
unsafe impl Send for Twin {}

/// A node in a future that another thread holds.
struct Carried(NodeRef);

// SAFETY: the holder only lets go.
unsafe impl Send for Carried {}

#[derive(PartialEq, Eq, Debug)]
enum Ran {
    Waits,
    Finished,
    Cancelled,
}

/// What a script says after a poll.
#[derive(PartialEq, Eq)]
enum Step {
    Pending,
    Ready,
}

impl Twin {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            state: State::new(Snapshot::spawned(None)),
            requests: Requests::new(),
            tree: Tree::default(),
            entries: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
        })
    }

    /// A task that waits, with what its first poll has put into the tree.
    fn waiting<R>(first: impl FnOnce(&Tree) -> R) -> (Arc<Self>, R) {
        let twin = Self::new();
        twin.state.start();
        let made = first(&twin.tree);
        assert_eq!(twin.state.pause(), Paused::Idle);
        (twin, made)
    }

    fn add(tree: &Tree, kind: Kind, parent: Option<NodeRef>) -> NodeRef {
        tree.add(std::ptr::null(), kind, parent)
    }

    /// A scope's poll: takes what it is offered.
    fn poll_scope(&self, node: NodeRef) -> bool {
        let took = self.tree.take(node, &self.state, &self.requests).is_some();
        if took {
            self.taken.fetch_add(1, AcqRel);
        }
        took
    }

    /// A scope is dropped by its own task.
    fn drop_scope(&self, node: NodeRef) {
        self.tree.unlink(node, &self.state);
        // SAFETY: it has left the tree, and the scope, its other user, is what goes.
        unsafe { node.free() };
    }

    /// Runs the task as long as it has entries.
    fn drain(&self, mut poll: impl FnMut(&Twin) -> Step) -> Ran {
        while self.entries.compare_exchange(1, 0, AcqRel, Relaxed).is_ok() {
            let seen = self.state.start();
            let care = seen.needs_care();
            let look = Look::new(&self.tree, &self.state);
            if care {
                self.state.looked();
                if let Verdict::End(_) = look.before_poll(false) {
                    return self.end(true);
                }
            }
            let mut again = false;
            loop {
                if poll(self) == Step::Ready {
                    return self.end(false);
                }
                if !care {
                    break;
                }
                match look.after_poll(false, again, false) {
                    Verdict::Go => break,
                    Verdict::Again => look.ask_masks(),
                    Verdict::End(_) => return self.end(true),
                }
                again = true;
            }
            if self.state.pause() == Paused::Enqueue {
                self.entries.fetch_add(1, AcqRel);
            }
        }
        Ran::Waits
    }

    fn end(&self, cancelled: bool) -> Ran {
        self.tree.clear(&self.state);
        let mut end = if cancelled { End::Cancelled } else { End::Itself };
        while let Finished::CancelFirst = self.state.finish(end, true, true) {
            end = End::Cancelled;
        }
        assert_eq!(self.state.load().has_ended_cancelled(), end == End::Cancelled);
        if end == End::Cancelled { Ran::Cancelled } else { Ran::Finished }
    }

    fn taken(&self) -> usize {
        self.taken.load(Acquire)
    }
}

model! {
    /// A scope is dropped on another thread while a cancel is offered to it.
    look_foreign_drop_vs_offer(threads = 3, bound = 3, claim = "a cancel is not lost with a scope that somebody else drops") {
        let (twin, node) = Twin::waiting(|tree| Twin::add(tree, Kind::Catch, None));
        let carried = Carried(node);
        let dropper = thread::spawn(move || {
            let carried = carried;
            carried.0.leave_scope();
        });
        let canceller = twin.clone();
        let cancels = thread::spawn(move || canceller.cancel());
        let ran = twin.drain(|_| Step::Pending);
        let asked = cancels.join().unwrap();
        dropper.join().unwrap();
        let ran = if ran == Ran::Waits { twin.drain(|_| Step::Pending) } else { ran };
        assert!(asked);
        assert_eq!(ran, Ran::Cancelled, "nobody was there to take it");
        assert_eq!(twin.taken(), 0);
    }
}

model! {
    /// A mask that somebody else drops holds nothing back any more.
    tree_foreign_drop_of_a_mask(threads = 2, bound = 3, claim = "a dropped mask is buried, and the cancel goes on") {
        let (twin, node) = Twin::waiting(|tree| Twin::add(tree, Kind::Mask, None));
        let carried = Carried(node);
        let waker = twin.clone();
        let dropper = thread::spawn(move || {
            let carried = carried;
            carried.0.leave_scope();
            // What a mask's scope does when it goes elsewhere.
            if waker.state.wake() == Woken::Enqueue {
                assert_eq!(waker.entries.fetch_add(1, AcqRel), 0, "two entries of one task");
            }
        });
        assert!(twin.cancel());
        // The scope answers as long as it is here: a stranger's poll would do the same.
        let mut ran = twin.drain(|twin| {
            if !node_gone(twin) {
                answer(&twin.tree);
            }
            Step::Pending
        });
        dropper.join().unwrap();
        if ran == Ran::Waits {
            ran = twin.drain(|_| Step::Pending);
        }
        assert_eq!(ran, Ran::Cancelled);
    }
}

fn node_gone(twin: &Twin) -> bool {
    twin.tree.first_for_models().is_none_or(|node| node.is_scope_gone())
}

/// The mask at the top of the tree is polled.
fn answer(tree: &Tree) {
    if let Some(node) = tree.first_for_models() {
        node.mark.set(0);
    }
}

model! {
    /// A cancel comes at any moment of a body that catches once and then ends.
    look_cancel_vs_completion(threads = 2, bound = 3, claim = "a cancel that said true is taken by the scope or ends the task cancelled, never both") {
        let (twin, node) = Twin::waiting(|tree| Twin::add(tree, Kind::Catch, None));
        let canceller = twin.clone();
        let cancels = thread::spawn(move || canceller.cancel());
        // Somebody else wakes it, too: the inside is ready at its second poll.
        let ran = match twin.state.wake() {
            Woken::Enqueue => {
                twin.entries.fetch_add(1, AcqRel);
                twin.drain(|twin| {
                    twin.poll_scope(node);
                    twin.drop_scope(node);
                    Step::Ready
                })
            }
            // The cancel was first, and its entry may be on the way.
            _ => Ran::Waits,
        };
        let asked = cancels.join().unwrap();
        let ran = if ran == Ran::Waits {
            twin.drain(|twin| {
                twin.poll_scope(node);
                twin.drop_scope(node);
                Step::Ready
            })
        } else {
            ran
        };
        let delivered = twin.taken() + usize::from(ran == Ran::Cancelled);
        assert_eq!(delivered, usize::from(asked), "{ran:?}");
    }
}

model! {
    /// Two cancels, the second perhaps after the first was taken, and two scopes in turn.
    look_conservation(threads = 3, bound = 2, claim = "every cancel that said true is delivered, joined with one that is, or ends the task cancelled") {
        let (twin, first) = Twin::waiting(|tree| Twin::add(tree, Kind::Catch, None));
        let cancellers: Vec<_> = (0..2)
            .map(|_| {
                let twin = twin.clone();
                thread::spawn(move || {
                    let after = twin.taken();
                    (after, twin.cancel())
                })
            })
            .collect();
        let mut waits_in = Some(first);
        let mut script = |twin: &Twin| {
            let Some(node) = waits_in else { return Step::Pending };
            if twin.poll_scope(node) {
                twin.drop_scope(node);
                // It goes on in a second scope, once.
                let again = (twin.taken() == 1).then(|| Twin::add(&twin.tree, Kind::Catch, None));
                waits_in = again;
            }
            Step::Pending
        };
        let mut ran = twin.drain(&mut script);
        let asked: Vec<_> = cancellers.into_iter().map(|it| it.join().unwrap()).collect();
        if ran == Ran::Waits {
            ran = twin.drain(&mut script);
        }
        let delivered = twin.taken() + usize::from(ran == Ran::Cancelled);
        assert!(asked.iter().all(|(_, asked)| *asked));
        assert!((1..=2).contains(&delivered), "two cancels were delivered {delivered} times");
        // One that was asked for after another had been taken cannot have joined it.
        if asked.iter().any(|(after, _)| *after > 0) {
            assert_eq!(delivered, 2, "the second cancel was lost");
        }
        assert!(!twin.state.load().is_cancel_pending());
        if ran == Ran::Waits {
            twin.state.start_for_models();
            twin.end(true);
        }
        if let Some(node) = waits_in {
            node.leave_scope();
        }
    }
}

model! {
    /// A scope that is alive and not polled, inside another one.
    look_dormant_scope(threads = 2, bound = 3, claim = "a scope that nobody polls swallows no cancel: the one around it is asked, then the task ends") {
        let (twin, (outer, inner)) = Twin::waiting(|tree| {
            let outer = Twin::add(tree, Kind::Catch, None);
            (outer, Twin::add(tree, Kind::Catch, Some(outer)))
        });
        let canceller = twin.clone();
        let cancels = thread::spawn(move || canceller.cancel());
        let mut polls = 0;
        let mut script = |twin: &Twin| {
            polls += 1;
            assert!(polls < 8, "it goes round and round");
            if twin.poll_scope(outer) {
                twin.drop_scope(inner);
                twin.drop_scope(outer);
                return Step::Ready;
            }
            Step::Pending
        };
        let mut ran = twin.drain(&mut script);
        assert!(cancels.join().unwrap());
        if ran == Ran::Waits {
            ran = twin.drain(&mut script);
        }
        assert_eq!((ran, twin.taken()), (Ran::Finished, 1));
    }
}

model! {
    /// A scope moves to a second task while the first is cancelled; then the second is.
    look_scope_moves(threads = 2, bound = 3, claim = "each task's cancel is delivered in that task, wherever the scope is") {
        let (first, node) = Twin::waiting(|tree| Twin::add(tree, Kind::Catch, None));
        let carried = Carried(node);
        let mover = thread::spawn(move || {
            let carried = carried;
            // The second task polls it: it leaves the old tree and enters the new one.
            carried.0.leave_scope();
            let (second, node) = Twin::waiting(|tree| Twin::add(tree, Kind::Catch, None));
            assert!(second.cancel());
            let ran = second.drain(|twin| {
                let took = twin.poll_scope(node);
                twin.drop_scope(node);
                if took { Step::Ready } else { Step::Pending }
            });
            assert_eq!((ran, second.taken()), (Ran::Finished, 1));
        });
        assert!(first.cancel());
        assert_eq!(first.drain(|_| Step::Pending), Ran::Cancelled);
        assert_eq!(first.taken(), 0);
        mover.join().unwrap();
    }
}

model! {
    /// A mask that is alive and not polled any more.
    tree_dormant_mask(threads = 2, bound = 3, claim = "a mask that nobody polls swallows no cancel") {
        let (twin, mask) = Twin::waiting(|tree| Twin::add(tree, Kind::Mask, None));
        let canceller = twin.clone();
        let cancels = thread::spawn(move || canceller.cancel());
        let mut ran = twin.drain(|_| Step::Pending);
        assert!(cancels.join().unwrap());
        if ran == Ran::Waits {
            ran = twin.drain(|_| Step::Pending);
        }
        assert_eq!((ran, twin.taken()), (Ran::Cancelled, 0));
        mask.leave_scope();
    }
}

model! {
    /// A mask that answers, and is carried off and kept in that same poll.
    tree_carried_mask(threads = 2, bound = 3, claim = "a mask that was polled for the last time holds nothing back after that poll") {
        let (twin, mask) = Twin::waiting(|tree| Twin::add(tree, Kind::Mask, None));
        let canceller = twin.clone();
        let cancels = thread::spawn(move || canceller.cancel());
        // Somebody else's wake may come at any time.
        let waker = twin.clone();
        let mut carried = false;
        let mut script = |_: &Twin| {
            if mask.mark.get() != 0 && !std::mem::replace(&mut carried, true) {
                mask.mark.set(0);
            }
            Step::Pending
        };
        if waker.state.wake() == Woken::Enqueue {
            assert_eq!(waker.entries.fetch_add(1, AcqRel), 0, "two entries of one task");
        }
        let mut ran = twin.drain(&mut script);
        assert!(cancels.join().unwrap());
        if ran == Ran::Waits {
            ran = twin.drain(&mut script);
        }
        assert_eq!((ran, twin.taken()), (Ran::Cancelled, 0), "nobody else wakes it");
        mask.leave_scope();
    }
}

model! {
    /// A cancel that is taken back while it is delivered.
    look_retracted(threads = 2, bound = 3, claim = "a cancel that said true is taken, ends the task, or was taken back") {
        let (twin, node) = Twin::waiting(|tree| Twin::add(tree, Kind::Catch, None));
        let canceller = twin.clone();
        let cancels = thread::spawn(move || {
            assert!(canceller.cancel());
            // The count says how many are left; whether it was delivered meanwhile the bit knows.
            assert_eq!(canceller.state.uncancel(), 0);
        });
        let mut waits_in = Some(node);
        let mut script = |twin: &Twin| {
            if let Some(node) = waits_in {
                if twin.poll_scope(node) {
                    twin.drop_scope(node);
                    waits_in = None;
                }
            }
            Step::Pending
        };
        let ran = twin.drain(&mut script);
        cancels.join().unwrap();
        let ran = if ran == Ran::Waits { twin.drain(&mut script) } else { ran };
        assert_eq!(ran, Ran::Waits, "a scope was there to take it");
        assert!(twin.taken() <= 1 && !twin.state.load().is_cancel_pending(), "delivered or gone");
        // Taken back, it leaves no offer behind: the scope takes nothing any more.
        if let Some(node) = waits_in {
            twin.state.start_for_models();
            assert!(!twin.poll_scope(node));
            twin.end(true);
            node.leave_scope();
        }
    }
}

model! {
    /// A scope is carried to another thread and back while it is offered a cancel; dropped there.
    look_unlink_vs_foreign_drop(threads = 3, bound = 2, claim = "who drops the inner scope elsewhere loses no cancel that the outer one may take") {
        let (twin, (outer, inner)) = Twin::waiting(|tree| {
            let outer = Twin::add(tree, Kind::Catch, None);
            (outer, Twin::add(tree, Kind::Catch, Some(outer)))
        });
        let carried = Carried(inner);
        let dropper = thread::spawn(move || {
            let carried = carried;
            carried.0.leave_scope();
        });
        let canceller = twin.clone();
        let cancels = thread::spawn(move || canceller.cancel());
        // The body polls the outer scope only; it is dropped, and with it the link to the inner one.
        let mut script = |twin: &Twin| {
            if twin.poll_scope(outer) {
                twin.drop_scope(outer);
                return Step::Ready;
            }
            Step::Pending
        };
        let mut ran = twin.drain(&mut script);
        assert!(cancels.join().unwrap());
        dropper.join().unwrap();
        if ran == Ran::Waits {
            ran = twin.drain(&mut script);
        }
        assert_eq!((ran, twin.taken()), (Ran::Finished, 1));
    }
}

model! {
    /// Condition's way: a mask is held while a lock is taken again, and a cancel comes meanwhile.
    tree_mask_defers(threads = 2, bound = 3, claim = "a mask holds a cancel until it ends; then the scope around takes it") {
        let (twin, (outer, mask)) = Twin::waiting(|tree| {
            let outer = Twin::add(tree, Kind::Catch, None);
            (outer, Twin::add(tree, Kind::Mask, Some(outer)))
        });
        let canceller = twin.clone();
        let cancels = thread::spawn(move || canceller.cancel());
        let mut masked = Some(mask);
        let mut polls = 0;
        let mut script = |twin: &Twin| {
            polls += 1;
            let took = twin.poll_scope(outer);
            assert!(!(took && masked.is_some()), "the masked part was interrupted");
            if took {
                twin.drop_scope(outer);
                return Step::Ready;
            }
            if let Some(mask) = masked {
                mask.mark.set(0);
                // The lock is granted at the second poll.
                if polls == 2 {
                    twin.drop_scope(mask);
                    masked = None;
                }
            }
            Step::Pending
        };
        let mut ran = twin.drain(&mut script);
        assert!(cancels.join().unwrap());
        if ran == Ran::Waits {
            ran = twin.drain(&mut script);
        }
        if ran == Ran::Waits {
            // The grant wakes it.
            assert_eq!(twin.state.wake(), Woken::Enqueue);
            twin.entries.fetch_add(1, AcqRel);
            ran = twin.drain(&mut script);
        }
        assert_eq!((ran, twin.taken()), (Ran::Finished, 1));
    }
}

/// Wakes a twin.
struct Bell(Arc<Twin>);

impl Wake for Bell {
    fn wake(self: std::sync::Arc<Self>) {
        if self.0.state.wake() == Woken::Enqueue {
            assert_eq!(self.0.entries.fetch_add(1, AcqRel), 0, "two entries of one task");
        }
    }
}

/// Where the wait of the model below stands; as in `cancel::condition`.
enum Waits {
    Open(NodeRef),
    Masked(NodeRef),
    Over,
}

model! {
    /// T28: a wait on a condition is cancelled, cancelled again and notified, in any order.
    tree_condition_takes_its_lock_again(threads = 3, bound = 2, claim = "a cancel leaves a condition's wait with the lock, and the next one waits for that") {
        let shared = Arc::new((Lock::new(0), Condition::new()));
        let (twin, (outer, inner)) = Twin::waiting(|tree| {
            let outer = Twin::add(tree, Kind::Catch, None);
            (outer, Twin::add(tree, Kind::Catch, Some(outer)))
        });
        let waker = Waker::from(std::sync::Arc::new(Bell(twin.clone())));
        let cx = &mut Context::from_waker(&waker);
        let mut guard = shared.0.try_acquire().expect("nobody else is here");
        let mut wait = shared.1.wait(&mut guard);
        assert!(Pin::new(&mut wait).poll(cx).is_pending());
        let (notifier, canceller) = (shared.clone(), twin.clone());
        let notifies = thread::spawn(move || loop {
            if let Some(mut guard) = notifier.0.try_acquire() {
                *guard += 1;
                return notifier.1.notify(&guard, 1);
            }
            thread::yield_now();
        });
        let cancels = thread::spawn(move || [canceller.cancel(), canceller.cancel()]);
        let mut at = Waits::Open(inner);
        let mut script = move |twin: &Twin| {
            assert!(!twin.poll_scope(outer), "the wait was interrupted");
            if let Waits::Open(node) = at {
                if twin.poll_scope(node) {
                    wait.give_up();
                    twin.drop_scope(node);
                    at = Waits::Masked(Twin::add(&twin.tree, Kind::Mask, Some(outer)));
                }
            }
            if let Waits::Masked(mask) = at {
                mask.mark.set(0);
            }
            if Pin::new(&mut wait).poll(cx).is_pending() {
                return Step::Pending;
            }
            // The request that was taken is raised to the scope around.
            match std::mem::replace(&mut at, Waits::Over) {
                Waits::Open(node) | Waits::Masked(node) => twin.drop_scope(node),
                Waits::Over => unreachable!("the task has ended"),
            }
            twin.drop_scope(outer);
            Step::Ready
        };
        let mut ran = twin.drain(&mut script);
        let asked = if ran == Ran::Waits {
            notifies.join().unwrap();
            let asked = cancels.join().unwrap();
            ran = twin.drain(&mut script);
            drop(script);
            assert!(ran != Ran::Waits && guard.is_held());
            drop(guard);
            asked
        } else {
            drop(script);
            assert!(guard.is_held());
            drop(guard);
            notifies.join().unwrap();
            cancels.join().unwrap()
        };
        // The second may have joined the first.
        let delivered = twin.taken() + usize::from(ran == Ran::Cancelled);
        let asked = asked.map(usize::from).iter().sum();
        assert!(delivered <= asked && (delivered > 0) == (asked > 0), "{asked} cancels: {ran:?}");
        assert_eq!(*shared.0.try_acquire().expect("released at the end"), 1);
    }
}

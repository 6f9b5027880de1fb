//! Models of a scope that asks its own part of the task to stop, beside cancels of the whole task.
use super::*;

impl Twin {
    pub(super) fn cancel(&self) -> bool {
        self.cancel_saying(None)
    }

    /// As `TaskRef::request`.
    fn cancel_saying(&self, msg: Option<std::sync::Arc<str>>) -> bool {
        let woken = self.state.join_cancel().or_else(|| {
            self.requests.push(Cancelled::from_parts(msg, None).with_origin(1));
            self.state.request_cancel()
        });
        match woken {
            None => false,
            Some(Woken::Enqueue) => {
                assert_eq!(self.entries.fetch_add(1, AcqRel), 0, "two entries of one task");
                true
            }
            Some(_) => true,
        }
    }
}

model! {
    /// A cancel comes at any moment of the poll in which a limit begins; a scope below catches it,
    /// and the part is dropped while that one cleans up.
    tree_part_begins_beside_a_cancel(threads = 2, bound = 3, claim = "a cancel that a part has caught and not answered is known to who drops the part, however early it came") {
        let twin = Twin::new();
        let canceller = twin.clone();
        let cancels = thread::spawn(move || canceller.cancel());
        let ended = if twin.state.start().needs_care() {
            // It came before the first poll.
            twin.end(true)
        } else {
            let limit = Twin::add(&twin.tree, Kind::Limit, None);
            twin.tree.begin_baseline(limit, &twin.state);
            let mut catch = Some(Twin::add(&twin.tree, Kind::Catch, Some(limit)));
            if twin.state.pause() == Paused::Enqueue {
                twin.entries.fetch_add(1, AcqRel);
            }
            let mut script = |twin: &Twin| {
                if let Some(node) = catch.take_if(|node| twin.poll_scope(*node)) {
                    twin.drop_scope(node);
                }
                Step::Pending
            };
            let mut ran = twin.drain(&mut script);
            let asked = cancels.join().unwrap();
            assert!(asked);
            if ran == Ran::Waits {
                ran = twin.drain(&mut script);
            }
            assert_eq!((ran, twin.taken(), catch), (Ran::Waits, 1, None));
            assert!(twin.tree.has_more(limit, &twin.state), "than {}", limit.baseline.get());
            // The cancel is taken back, as `suppress` does.
            twin.state.uncancel();
            assert!(!twin.tree.has_more(limit, &twin.state));
            twin.state.start_for_models();
            twin.drop_scope(limit);
            twin.end(false);
            return;
        };
        assert!(cancels.join().unwrap());
        assert_eq!((ended, twin.taken()), (Ran::Cancelled, 0));
    }
}

model! {
    /// Two cancels, each at any moment of the poll in which a limit begins or after it; a scope below
    /// catches what has come, and one of the two is taken back.
    tree_part_begins_beside_two_cancels(threads = 2, bound = 3, claim = "of two cancels that a part has caught as one, the one that is left is known to who drops the part") {
        let twin = Twin::new();
        let canceller = twin.clone();
        let cancels = thread::spawn(move || canceller.cancel() && canceller.cancel());
        if twin.state.start().needs_care() {
            assert_eq!(twin.end(true), Ran::Cancelled);
            cancels.join().unwrap();
            return;
        }
        let limit = Twin::add(&twin.tree, Kind::Limit, None);
        twin.tree.begin_baseline(limit, &twin.state);
        let mut catch = Some(Twin::add(&twin.tree, Kind::Catch, Some(limit)));
        if twin.state.pause() == Paused::Enqueue {
            twin.entries.fetch_add(1, AcqRel);
        }
        let mut script = |twin: &Twin| {
            if let Some(node) = catch.take_if(|node| twin.poll_scope(*node)) {
                twin.drop_scope(node);
            }
            Step::Pending
        };
        let mut ran = twin.drain(&mut script);
        let asked = cancels.join().unwrap();
        if ran == Ran::Waits {
            ran = twin.drain(&mut script);
        }
        assert_eq!((twin.taken(), catch), (1, None));
        if ran == Ran::Cancelled {
            // The second one came when the first was taken, and has found no scope.
            limit.leave_scope();
            return;
        }
        assert!(asked);
        let has_more = || twin.tree.has_more(limit, &twin.state);
        assert_eq!(twin.state.uncancel(), 1);
        assert!(has_more(), "one is left of those since {}", limit.baseline.get());
        twin.state.uncancel();
        assert!(!has_more());
        twin.state.start_for_models();
        twin.drop_scope(limit);
        twin.end(false);
    }
}

model! {
    /// A cancel comes at any moment while a limit is inside a mask, where it may have begun.
    tree_part_inside_a_mask(threads = 2, bound = 3, claim = "a part inside a mask knows no cancel that the mask has held back, before it begins or after, and still knows one that it felt before") {
        let twin = Twin::new();
        let canceller = twin.clone();
        let cancels = thread::spawn(move || assert!(canceller.cancel()));
        if twin.state.start().needs_care() {
            assert_eq!(twin.end(true), Ran::Cancelled);
            return cancels.join().unwrap();
        }
        let tree = &twin.tree;
        let begin = |parent| {
            let part = Twin::add(tree, Kind::Limit, parent);
            tree.begin_baseline(part, &twin.state);
            part
        };
        let mask = Twin::add(tree, Kind::Mask, None);
        let (masked, open) = (begin(Some(mask)), begin(None));
        let mut catch = Some(Twin::add(tree, Kind::Catch, Some(open)));
        if twin.state.pause() == Paused::Enqueue {
            twin.entries.fetch_add(1, AcqRel);
        }
        let mut script = |twin: &Twin| {
            if let Some(node) = catch.take_if(|node| twin.poll_scope(*node)) {
                twin.drop_scope(node);
            }
            mask.mark.set(0);
            Step::Pending
        };
        let mut ran = twin.drain(&mut script);
        cancels.join().unwrap();
        if ran == Ran::Waits {
            ran = twin.drain(&mut script);
        }
        assert_eq!((ran, twin.taken(), catch), (Ran::Waits, 1, None));
        twin.state.start_for_models();
        assert!(!tree.has_more(masked, &twin.state));
        assert!(tree.has_more(open, &twin.state));
        tree.move_to(open, Some(mask));
        assert!(tree.has_more(open, &twin.state));
        [masked, open, mask].into_iter().for_each(|node| twin.drop_scope(node));
        twin.end(false);
    }
}

model! {
    /// A cancel is held back by a mask in one branch and taken in another; then the mask is over, and a limit
    /// begins in its place.
    tree_mask_in_a_branch(threads = 2, bound = 3, claim = "a branch whose mask has held a cancel back gets it after the mask, if others have taken it meanwhile, and a limit that begins there then is not under it") {
        let twin = Twin::new();
        let canceller = twin.clone();
        let cancels = thread::spawn(move || assert!(canceller.cancel()));
        if twin.state.start().needs_care() {
            assert_eq!(twin.end(true), Ran::Cancelled);
            return cancels.join().unwrap();
        }
        let tree = &twin.tree;
        let mut taker = Some(Twin::add(tree, Kind::Catch, None));
        let mut branch = Some(Twin::add(tree, Kind::Catch, None));
        let mut mask = Some(Twin::add(tree, Kind::Mask, branch));
        let (over, limit) = (std::cell::Cell::new(false), std::cell::Cell::new(None));
        if twin.state.pause() == Paused::Enqueue {
            twin.entries.fetch_add(1, AcqRel);
        }
        let mut script = |twin: &Twin| {
            if let Some(node) = branch.take_if(|node| twin.poll_scope(*node)) {
                twin.drop_scope(node);
            }
            match mask.take_if(|_| over.get()) {
                Some(mask) => {
                    twin.drop_scope(mask);
                    let begins = Twin::add(tree, Kind::Limit, branch);
                    tree.begin_baseline(begins, &twin.state);
                    limit.set(Some(begins));
                }
                None => mask.into_iter().for_each(|mask| mask.mark.set(0)),
            }
            if let Some(node) = taker.take_if(|node| twin.poll_scope(*node)) {
                twin.drop_scope(node);
            }
            Step::Pending
        };
        let mut ran = twin.drain(&mut script);
        cancels.join().unwrap();
        if ran == Ran::Waits {
            ran = twin.drain(&mut script);
        }
        assert_eq!((ran, twin.taken()), (Ran::Waits, 1));
        // The mask is woken.
        over.set(true);
        assert!(matches!(twin.state.wake(), Woken::Enqueue));
        twin.entries.fetch_add(1, AcqRel);
        assert_eq!(twin.drain(&mut script), Ran::Waits);
        assert_eq!((twin.taken(), branch), (2, None));
        twin.state.start_for_models();
        let limit = limit.take().expect("the mask is over");
        assert!(tree.has_more(limit, &twin.state), "it was owed the cancel");
        twin.drop_scope(limit);
        twin.end(false);
    }
}

model! {
    tree_branch_whose_scope_goes(threads = 2, bound = 3, claim = "a branch whose scope is dropped after it was offered a cancel gets that itself, if others have taken it meanwhile") {
        let twin = Twin::new();
        let canceller = twin.clone();
        let cancels = thread::spawn(move || assert!(canceller.cancel()));
        if twin.state.start().needs_care() {
            assert_eq!(twin.end(true), Ran::Cancelled);
            return cancels.join().unwrap();
        }
        let tree = &twin.tree;
        let mut taker = Some(Twin::add(tree, Kind::Catch, None));
        let mut branch = Some(Twin::add(tree, Kind::Catch, None));
        let mut inside = Some(Twin::add(tree, Kind::Catch, branch));
        if twin.state.pause() == Paused::Enqueue {
            twin.entries.fetch_add(1, AcqRel);
        }
        let mut script = |twin: &Twin| {
            if let Some(node) = branch.take_if(|node| twin.poll_scope(*node)) {
                twin.drop_scope(node);
            }
            if let Some(node) = inside.take_if(|node| node.mark.get() != 0) {
                twin.drop_scope(node);
            }
            if let Some(node) = taker.take_if(|node| twin.poll_scope(*node)) {
                twin.drop_scope(node);
            }
            Step::Pending
        };
        let mut ran = twin.drain(&mut script);
        cancels.join().unwrap();
        if ran == Ran::Waits {
            ran = twin.drain(&mut script);
        }
        assert_eq!((ran, twin.taken(), branch), (Ran::Waits, 2, None));
        twin.state.start_for_models();
        twin.end(false);
    }
}

model! {
    tree_branch_whose_scope_is_kept(threads = 2, bound = 3, claim = "a branch whose scope is kept and not polled gets the cancel that this was offered, if others have taken it meanwhile") {
        let twin = Twin::new();
        let canceller = twin.clone();
        let cancels = thread::spawn(move || assert!(canceller.cancel()));
        if twin.state.start().needs_care() {
            assert_eq!(twin.end(true), Ran::Cancelled);
            return cancels.join().unwrap();
        }
        let tree = &twin.tree;
        let mut taker = Some(Twin::add(tree, Kind::Catch, None));
        let mut branch = Some(Twin::add(tree, Kind::Catch, None));
        let kept = Twin::add(tree, Kind::Catch, branch);
        if twin.state.pause() == Paused::Enqueue {
            twin.entries.fetch_add(1, AcqRel);
        }
        let mut script = |twin: &Twin| {
            for scope in [&mut branch, &mut taker] {
                if let Some(node) = scope.take_if(|node| twin.poll_scope(*node)) {
                    twin.drop_scope(node);
                }
            }
            Step::Pending
        };
        let mut ran = twin.drain(&mut script);
        cancels.join().unwrap();
        if ran == Ran::Waits {
            ran = twin.drain(&mut script);
        }
        assert_eq!((ran, twin.taken(), branch), (Ran::Waits, 2, None));
        twin.state.start_for_models();
        twin.drop_scope(kept);
        twin.end(false);
    }
}

model! {
    /// Two cancels beside a scope that takes: the second joins the first, or is delivered by itself.
    look_joined_cancels(threads = 2, bound = 3, claim = "what is delivered has a message, and the first delivery that of the first cancel") {
        let (twin, node) = Twin::waiting(|tree| Twin::add(tree, Kind::Catch, None));
        let canceller = twin.clone();
        let cancels = thread::spawn(move || {
            for said in ["1", "2"] {
                assert!(canceller.cancel_saying(Some(said.into())));
            }
        });
        let heard = std::cell::RefCell::new(Vec::new());
        let run = || twin.drain(|twin| {
            let said = twin.tree.take(node, &twin.state, &twin.requests);
            heard.borrow_mut().extend(said.map(|said| said.msg().map(String::from)));
            Step::Pending
        });
        let mut ran = run();
        cancels.join().unwrap();
        if ran == Ran::Waits {
            ran = run();
        }
        assert_eq!(ran, Ran::Waits, "the scope takes all");
        let heard: Vec<_> = heard.borrow().iter().map(|said| said.clone().unwrap()).collect();
        // Who takes the first may find the second one's message, too: then that says what was said last.
        assert!(heard.first().is_some_and(|first| first == "1") && heard.len() <= 2, "{heard:?}");
        twin.state.start_for_models();
        twin.drop_scope(node);
        twin.end(false);
    }
}

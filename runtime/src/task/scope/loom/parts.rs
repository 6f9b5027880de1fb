//! Models of a scope that asks its own part of the task to stop, beside cancels of the whole task.
use super::*;

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
            let (now, began) = (twin.tree.weight_above(limit, &twin.state), limit.baseline.get());
            assert!(now > began, "the part stands under {now} cancels and began under {began}");
            // The cancel is taken back, as `suppress` does.
            twin.state.uncancel();
            assert!(twin.tree.weight_above(limit, &twin.state) <= began);
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
        let weight = || twin.tree.weight_above(limit, &twin.state);
        let began = limit.baseline.get();
        assert_eq!(twin.state.uncancel(), 1);
        assert!(weight() > began, "{} cancels are left of those since {began}", weight());
        twin.state.uncancel();
        assert!(weight() <= began);
        twin.state.start_for_models();
        twin.drop_scope(limit);
        twin.end(false);
    }
}

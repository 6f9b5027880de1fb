//! Tokens: trees, and what they leave behind.

use super::*;

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod sequential {
    use super::*;
    use crate::testing::poll_once;

    #[test]
    fn a_tree_is_cancelled_downwards() {
        let root = CancelToken::new();
        let (left, right) = (root.child(), root.child());
        let leaf = left.child();
        let mut waits = Box::pin(leaf.cancelled());
        assert!(poll_once(|cx| waits.as_mut().poll(cx)).is_pending());
        left.cancel();
        assert!(leaf.is_cancelled() && !root.is_cancelled() && !right.is_cancelled());
        assert!(poll_once(|cx| waits.as_mut().poll(cx)).is_ready());
        root.cancel();
        assert!(right.is_cancelled());
        assert!(root.child().is_cancelled(), "a child of a cancelled token");
        root.cancel();
    }

    #[test]
    fn a_long_chain_neither_overflows_the_stack_nor_breaks() {
        let root = CancelToken::new();
        let mut last = root.child();
        for _ in 0..100_000 {
            last = last.child();
        }
        root.cancel();
        assert!(last.is_cancelled());
        drop(root);
        drop(last);
    }

    #[test]
    fn a_million_children_that_are_gone_leave_no_memory() {
        let root = CancelToken::new();
        for _ in 0..1_000_000 {
            drop(root.child());
        }
        assert!(root.node.line.live_segments() <= 4);
        let child = root.child();
        root.cancel();
        assert!(child.is_cancelled());
    }
}

#[cfg(any(corio_loom, corio_shuttle))]
mod models {
    use super::*;
    use crate::model;
    use crate::shim::thread;
    use crate::testing::{block_on, join_all};

    model! {
        /// A child is born, and another dies, while the parent is cancelled.
        line_token_child(threads = 3, bound = 2, claim = "a child that is born during a cancel is cancelled") {
            let root = CancelToken::new();
            let dying = root.child();
            let (parent, waits) = (root.clone(), root.child());
            let threads = [
                thread::spawn(move || { drop(dying); block_on(parent.child().cancelled()) }),
                thread::spawn(move || block_on(waits.cancelled())),
            ];
            root.cancel();
            join_all(threads);
        }
    }
}

//! Models of the two parties of a node.
use super::*;
use corio_sync::model;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;

/// A node that is sent to another thread, as a future carries it there.
struct Carried(NodeRef);

// SAFETY: the scope only lets go and looks at its task's name, which never changes.
unsafe impl Send for Carried {}

model! {
    /// The scope is dropped on another thread while the runner uses the node and lets go.
    node_two_parties(threads = 2, bound = 3, claim = "the node is freed once, after both parties' last use") {
        let node = NodeRef::new(std::ptr::null(), Kind::Catch, 7);
        let carried = Carried(node);
        let scope = thread::spawn(move || {
            let carried = carried;
            let _ = carried.0.task();
            carried.0.leave_scope();
        });
        node.touch();
        node.mark.set(1);
        node.leave_tree();
        scope.join().unwrap();
    }
}

model! {
    /// A scope that goes first is found by the runner's walk, which then lets go for both.
    node_found_gone(threads = 2, bound = 3, claim = "the walk sees a scope that went, or leaves it to free") {
        let node = NodeRef::new(std::ptr::null(), Kind::Catch, 7);
        let carried = Carried(node);
        let kept = Arc::new(());
        let with = kept.clone();
        let scope = thread::spawn(move || {
            let carried = carried;
            let _ = carried.0.task();
            carried.0.leave_scope();
            drop(with);
        });
        if node.is_scope_gone() {
            node.touch();
            node.leave_tree();
            scope.join().unwrap();
        } else {
            scope.join().unwrap();
            assert!(node.is_scope_gone());
            node.touch();
            node.leave_tree();
        }
        drop(kept);
    }
}

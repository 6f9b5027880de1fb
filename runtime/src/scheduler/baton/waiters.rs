//! The claims to a baton, first come, first served.

use super::Claim;
use corio_sync::shim::sync::Arc;

/// concurrent-queue's, which waits in a rare step: the installation of a block. Whoever comes here is
/// about to wait, or has.
#[cfg(not(any(corio_loom, corio_shuttle)))]
#[derive(Debug)]
pub(super) struct Waiters(concurrent_queue::ConcurrentQueue<Arc<Claim>>);

#[cfg(not(any(corio_loom, corio_shuttle)))]
impl Waiters {
    pub(super) fn new() -> Self {
        Self(concurrent_queue::ConcurrentQueue::unbounded())
    }

    pub(super) fn push(&self, claim: Arc<Claim>) {
        // It is never closed.
        let _pushed = self.0.push(claim);
    }

    pub(super) fn pop(&self) -> Option<Arc<Claim>> {
        self.0.pop().ok()
    }
}

/// The twin for models, which do not see into that queue. It promises no more than the real one: that
/// who knows of a push finds it.
#[cfg(any(corio_loom, corio_shuttle))]
#[derive(Debug)]
pub(super) struct Waiters {
    claims: std::sync::Mutex<(std::collections::VecDeque<Arc<Claim>>, usize)>,
    /// All pushes. A look that is not ordered behind a push may miss it.
    pushes: corio_sync::shim::atomic::AtomicUsize,
}

#[cfg(any(corio_loom, corio_shuttle))]
impl Waiters {
    pub(super) fn new() -> Self {
        let pushes = corio_sync::shim::atomic::AtomicUsize::new(0);
        Self { claims: std::sync::Mutex::default(), pushes }
    }

    pub(super) fn push(&self, claim: Arc<Claim>) {
        self.claims.lock().expect("no model panics inside").0.push_back(claim);
        self.pushes.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    pub(super) fn pop(&self) -> Option<Arc<Claim>> {
        let pushes = self.pushes.load(std::sync::atomic::Ordering::Relaxed);
        let mut claims = self.claims.lock().expect("no model panics inside");
        if pushes <= claims.1 {
            return None;
        }
        claims.1 += 1;
        claims.0.pop_front()
    }
}

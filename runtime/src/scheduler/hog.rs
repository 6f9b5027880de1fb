//! interim
use corio_sync::shim::atomic::{AtomicBool, AtomicU64, Ordering::*};
#[derive(Debug, Default)]
pub(crate) struct HogLine {
    tick: AtomicU64,
    preempt: AtomicBool,
    hog: AtomicBool,
    parked: AtomicBool,
}
impl HogLine {
    pub(crate) fn new() -> Self {
        Self::default()
    }
    #[inline]
    pub(crate) fn begin_poll(&self) {
        self.tick.store(self.tick.load(Relaxed) + 1, Relaxed);
    }
    #[inline]
    pub(crate) fn end_poll(&self) {
        self.tick.store(self.tick.load(Relaxed) + 1, Relaxed);
        if self.preempt.load(Relaxed) {
            self.preempt.store(false, Relaxed);
            self.hog.store(false, Relaxed);
        }
    }
    pub(crate) fn is_hog(&self) -> bool {
        self.hog.load(Relaxed)
    }
    pub(crate) fn preempt(&self) -> &AtomicBool {
        &self.preempt
    }
    pub(crate) fn park(&self) {
        self.parked.store(true, Relaxed)
    }
    pub(crate) fn unpark(&self) {
        self.parked.store(false, Relaxed)
    }
}

//! interim
#[derive(Debug, Default)]
pub(crate) struct WatchSleep;
impl WatchSleep {
    pub(crate) fn new() -> Self {
        Self
    }
    #[inline]
    pub(crate) fn wake(&self) -> bool {
        false
    }
}

//! interim
use crate::wake_batch::WakeBatch;
use std::time::Duration;
#[derive(Debug, Default)]
pub(crate) struct Poller { word: std::sync::Mutex<bool>, cv: std::sync::Condvar }
impl Poller {
    pub(crate) fn new() -> std::io::Result<Self> { Ok(Self::default()) }
    pub(crate) fn wake(&self) { *self.word.lock().unwrap() = true; self.cv.notify_one(); }
    pub(crate) fn sources(&self) -> usize { 0 }
    pub(crate) fn poll(&self, _b: &mut WakeBatch) -> usize { 0 }
    pub(crate) fn harvest(&self, _b: &mut WakeBatch) -> usize { 0 }
    pub(crate) fn park(&self, t: Option<Duration>, _b: &mut WakeBatch) -> std::io::Result<usize> {
        let g = self.word.lock().unwrap();
        let mut g = self.cv.wait_timeout_while(g, t.unwrap(), |w| !*w).unwrap().0;
        *g = false; Ok(0)
    }
}

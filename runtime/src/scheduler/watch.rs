//! interim
use super::shared::{Phase, Shared};
use std::sync::Arc;
pub(crate) fn spawn(shared: &Arc<Shared>) -> std::io::Result<std::thread::JoinHandle<()>> {
    let shared = shared.clone();
    std::thread::Builder::new().spawn(move || {
        let _ = (&shared, Phase::Running);
    })
}

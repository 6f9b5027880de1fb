//! The thread that drives tokio's reactor and timers.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use corio_sync::Event;
use tokio::runtime::{Builder, Handle};

use super::Drive;

/// The end of a driver: who asks for it, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Ends {
    stop: Event,
    ended: Event,
}

impl Ends {
    pub(super) fn stop(&self) {
        self.stop.set();
    }

    /// False at the deadline.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> bool {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        self.ended.wait_blocking(left)
    }
}

/// Says that the driver has ended, or was never started.
struct Ended(Arc<Ends>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.ended.set();
    }
}

/// Makes a runtime of tokio's, and what its thread is to do.
pub(super) fn drive() -> io::Result<(Handle, Arc<Ends>, Drive)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let ends = Arc::new(Ends::default());
    let ended = Ended(ends.clone());
    let drive = Box::new(move || {
        // Captured whole, so that a driver that was never started has ended too.
        let ended = ended;
        runtime.block_on(ended.0.stop.wait());
        // Waits for the blocking closures that tokio runs, on this thread, not on the caller's.
        drop(runtime);
    });
    Ok((handle, ends, drive))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_driver_drives_until_it_is_stopped() {
        let (handle, ends, drive) = drive().unwrap();
        let thread = std::thread::spawn(drive);
        let (sender, receiver) = std::sync::mpsc::channel();
        handle.spawn(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            sender.send(()).unwrap();
        });
        receiver.recv_timeout(Duration::from_secs(30)).expect("tokio's timers run");
        assert!(!ends.wait(Some(Instant::now())), "nobody has stopped it");
        ends.stop();
        assert!(ends.wait(None));
        thread.join().unwrap();
    }

    #[test]
    fn a_driver_that_never_starts_has_ended() {
        let (_, ends, drive) = drive().unwrap();
        drop(drive);
        assert!(ends.wait(Some(Instant::now())));
    }
}

//! SIGINT in a run: each one cancels main, and the run then knows how it was ended.
//!
//! The bell's descriptor is waited for without a task, so that nothing shows among the user's: its
//! waker looks for itself, on the thread that has harvested the event. That may be a sibling, if
//! worker 0 is stuck in a poll.

use std::io;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::{AtomicBool, AtomicU32};

use crate::reactor::{Direction, Source, SourceKind};
use crate::scheduler::shared::Shared;
use crate::sys::interrupt::Bell;
use crate::task::registry::TaskRef;
use crate::task::silent::SilentRef;

/// What a run knows of SIGINT; listens until it is dropped.
pub(super) struct Interrupts(Option<Arc<Listening>>);

struct Listening {
    bell: Bell,
    source: Source,
    main: SilentRef,
    shared: Arc<Shared>,
    heard: AtomicU32,
    late: AtomicBool,
}

/// What a run has heard.
#[derive(Clone, Copy, Default)]
pub(super) struct Heard {
    /// How many interrupts.
    pub(super) come: u32,
    /// One came when main could be cancelled no more.
    pub(super) late: bool,
}

impl Interrupts {
    /// Listens for a run whose main task is `main`, if it is to; the caller has entered the worker.
    pub(super) fn listen(shared: &Arc<Shared>, main: TaskRef) -> Self {
        if !shared.config.handle_signals {
            return Self(None);
        }
        let listening = Bell::install().map(|bell| {
            let source = Source::new(SourceKind::UnixStream);
            let main = SilentRef::counted(main);
            let (shared, heard, late) = (shared.clone(), AtomicU32::new(0), AtomicBool::new(false));
            Some(Arc::new(Listening { bell: bell?, source, main, shared, heard, late }))
        });
        match listening {
            Ok(None) => Self(None),
            Ok(Some(listening)) => {
                listening.look();
                // A run without sockets must not ask the system again and again for this one.
                listening.source.count(false);
                Self(Some(listening))
            }
            Err(error) => {
                crate::report::report(
                    crate::report::ReportKind::System,
                    format_args!(
                        "an interrupt will end the process instead of cancelling main: {error}"
                    ),
                );
                Self(None)
            }
        }
    }

    /// Listens no more, and says what the run has heard. Main has ended: what comes only now is late.
    pub(super) fn end(self) -> Heard {
        let Some(listening) = &self.0 else { return Heard::default() };
        listening.act(listening.bell.hear());
        // Ordering: Relaxed, both; they carry nothing.
        let (come, late) = (listening.heard.load(Relaxed), listening.late.load(Relaxed));
        Heard { come, late }
    }
}

/// A sibling that has harvested an event may look at the bell for a while yet; the next run is not to wait
/// for that.
impl Drop for Interrupts {
    fn drop(&mut self) {
        if let Some(listening) = &self.0 {
            listening.bell.take_down();
        }
    }
}

/// What the source wakes. Weak: the source is part of what it would keep.
struct Ring(Weak<Listening>);

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        if let Some(listening) = self.0.upgrade() {
            listening.look();
        }
    }
}

impl Listening {
    /// Takes what has come, acts on it, and waits for more.
    fn look(self: &Arc<Self>) {
        let waker = Waker::from(Arc::new(Ring(Arc::downgrade(self))));
        let mut cx = Context::from_waker(&waker);
        loop {
            let take = || self.bell.take();
            match self.source.poll_io(self.bell.fd(), Direction::Read, &mut cx, take) {
                Poll::Ready(Ok(())) => self.act(self.bell.hear()),
                Poll::Ready(Err(error)) => return self.failed(&error),
                Poll::Pending => return,
            }
        }
    }

    fn act(&self, come: u32) {
        // Ordering: Relaxed; a number that carries nothing.
        let before = self.heard.fetch_max(come, Relaxed);
        for _ in before..come {
            if !self.main.cancel() {
                // Ordering: Relaxed; as above.
                self.late.store(true, Relaxed);
            }
        }
    }

    fn failed(&self, error: &io::Error) {
        if self.shared.phase().is_open() {
            crate::report::report(
                crate::report::ReportKind::System,
                format_args!("interrupts can be heard no more: {error}"),
            );
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.source.count(true);
        // The system may have dropped the registration by itself; nobody waits any more.
        let _ = self.source.deregister(self.bell.fd());
    }
}

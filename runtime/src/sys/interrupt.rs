//! SIGINT, for a `run` that turns it into a cancel of its main.
//!
//! # The disposition
//!
//! A run on the process's main thread installs a handler, if the disposition is the default one
//! then, and puts the previous disposition back when it ends, unless somebody else has installed a
//! handler meanwhile: that one then calls ours for ever, and ours does what the system would have
//! done.
//!
//! ```text
//!   a SIGINT comes            what the handler does
//!   somebody listens          nothing: it is the listener's, see `listening`
//!   no run                    the default action
//!   the first in a run        rings; the run cancels its main
//!   the second                rings, if the run has heard the first; it then leaves main alone.
//!                             A run that has not is stuck in a poll: the default action
//!   the third                 the default action
//! ```
//!
//! The handler may do almost nothing: it loads and stores atomics and writes one byte to a socket.
//! A run waits for the other end of the socket as for any other descriptor.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr;

use corio_sync::shim::Ordering::{Acquire, Relaxed, Release};
use corio_sync::shim::atomic::{AtomicBool, AtomicU32, AtomicUsize};
use rustix::net::SendFlags;

/// A signal that comes while its run ends finds nobody at the other end, and must not raise another
/// one for that. Apple's systems have no such flag; std sets an option on each socket there.
#[cfg(not(target_vendor = "apple"))]
const QUIET: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const QUIET: SendFlags = SendFlags::empty();

/// No run waits for the signal.
const NOBODY: u32 = u32::MAX;

/// Those who listen to the signal by other means.
static LISTENERS: AtomicUsize = AtomicUsize::new(0);
/// The descriptor to write to.
static BELL: AtomicU32 = AtomicU32::new(NOBODY);
/// Signals since the run began.
static COME: AtomicU32 = AtomicU32::new(0);
/// How many of them the run has acted on.
static HEARD: AtomicU32 = AtomicU32::new(0);

/// Says that somebody listens to SIGINT (`true`) or no longer does: while anybody listens, no run
/// acts on it.
#[doc(hidden)]
pub fn listening(more: bool) {
    // Ordering: Relaxed; a count. A signal that comes at the same time may see either value.
    if more {
        LISTENERS.fetch_add(1, Relaxed);
    } else {
        LISTENERS.fetch_sub(1, Relaxed);
    }
}

/// True if a signal has come that its run has not heard yet.
#[inline]
pub(crate) fn is_ringing() -> bool {
    // Ordering: Relaxed, both; a hint: the socket is what brings the signal.
    COME.load(Relaxed) != HEARD.load(Relaxed)
}

/// A run that hears SIGINT, until it is dropped.
#[derive(Debug)]
pub(crate) struct Bell {
    /// What was there before.
    previous: libc::sigaction,
    /// The handler rings here.
    is_up: AtomicBool,
    ours: UnixStream,
    /// Kept for the handler, which knows its number.
    _theirs: OwnedFd,
}

impl Bell {
    /// Installs the handler; `None` where a run has no business with the signal: on another thread
    /// than the main one, or if the disposition is not the default one.
    ///
    /// # Errors
    ///
    /// The system's, if it has no descriptors or takes no handler.
    pub(crate) fn install() -> io::Result<Option<Self>> {
        // Ordering: Relaxed; runs do not nest, and only the main thread comes here.
        if !on_main_thread() || BELL.load(Relaxed) != NOBODY {
            return Ok(None);
        }
        let previous = disposition()?;
        if previous.sa_sigaction != libc::SIG_DFL {
            return Ok(None);
        }
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        // Ordering: Relaxed, twice; the handler reads them after it has found the bell.
        COME.store(0, Relaxed);
        HEARD.store(0, Relaxed);
        // Ordering(interrupt.install): Release; pairs with Ordering(interrupt.find): who finds the
        // bell finds the counters reset. Not killable: no model has signals. The counters are relaxed
        // atomics that are stored before, in program order, and read after.
        BELL.store(theirs.as_raw_fd().unsigned_abs(), Release);
        if let Err(error) = set_handler() {
            // Ordering: Relaxed; no handler looks at it.
            BELL.store(NOBODY, Relaxed);
            return Err(error);
        }
        let is_up = AtomicBool::new(true);
        Ok(Some(Self { previous, is_up, ours, _theirs: theirs.into() }))
    }

    /// What becomes readable when the signal comes.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.ours.as_fd()
    }

    /// Takes what the handler has written.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing.
    pub(crate) fn take(&self) -> io::Result<()> {
        let mut bytes = [0; 8];
        rustix::io::read(&self.ours, &mut bytes)?;
        Ok(())
    }

    /// How many signals have come; they count as heard. None once it was taken down.
    pub(crate) fn hear(&self) -> u32 {
        // Ordering: Relaxed; a look that comes too late counts a signal of the next run as heard, which
        // that hears all the same.
        if !self.is_up.load(Relaxed) {
            return 0;
        }
        // Ordering: Relaxed, both; numbers that carry nothing.
        let come = COME.load(Relaxed);
        HEARD.fetch_max(come, Relaxed);
        come
    }
}

impl Bell {
    /// The run listens no more, and the next one may. Whoever still looks at the socket hears nothing.
    pub(crate) fn take_down(&self) {
        // Ordering: Relaxed; it carries nothing. The run takes the bell down, and its drop, which may come
        // in the middle of the next run, finds that done.
        if !self.is_up.swap(false, Relaxed) {
            return;
        }
        // Ordering: Relaxed; a handler that is at it on another thread writes to a socket that
        // nobody reads, or, once that is closed, to no descriptor or to another one's: the window
        // is that between its load and its write.
        BELL.store(NOBODY, Relaxed);
        // Ordering: Relaxed; a number that carries nothing.
        let (come, heard) = (COME.load(Relaxed), HEARD.load(Relaxed));
        let ours: extern "C" fn(libc::c_int) = on_interrupt;
        if disposition().is_ok_and(|now| now.sa_sigaction == ours as libc::sighandler_t) {
            // SAFETY: `previous` is what the system gave, and the old value is not asked for.
            unsafe { libc::sigaction(libc::SIGINT, &raw const self.previous, ptr::null_mut()) };
        }
        if come > heard {
            // It came after the run had looked for the last time, and is nobody's.
            // SAFETY: the call takes a number.
            unsafe { libc::raise(libc::SIGINT) };
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.take_down();
    }
}

/// True on the thread that the process began with.
fn on_main_thread() -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        rustix::thread::gettid() == rustix::process::getpid()
    }
    #[cfg(target_vendor = "apple")]
    {
        // SAFETY: the call takes nothing and looks at the calling thread.
        unsafe { libc::pthread_main_np() == 1 }
    }
    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    {
        std::thread::current().name() == Some("main")
    }
}

/// What the system does with the signal now.
fn disposition() -> io::Result<libc::sigaction> {
    let mut now = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null pointer means to change nothing, and `now` has room for the answer.
    let result = unsafe { libc::sigaction(libc::SIGINT, ptr::null(), now.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded, so the system has written it; zeros are a value too.
    Ok(unsafe { now.assume_init() })
}

fn set_handler() -> io::Result<()> {
    let handler: extern "C" fn(libc::c_int) = on_interrupt;
    let action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: zeros are a value: no flags, an empty mask, the default action.
    let mut action = unsafe { action.assume_init() };
    action.sa_sigaction = handler as libc::sighandler_t;
    // Calls that the signal interrupts are made again, as with a handler of the registry.
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the handler does only what a handler may, and the old value is not asked for.
    let result = unsafe { libc::sigaction(libc::SIGINT, &raw const action, ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The handler; see the module's table.
extern "C" fn on_interrupt(number: libc::c_int) {
    // Ordering: Relaxed; as in `listening`.
    if LISTENERS.load(Relaxed) > 0 {
        return;
    }
    // Ordering(interrupt.find): Acquire; pairs with Ordering(interrupt.install). Not killable: as there.
    let bell = BELL.load(Acquire);
    // Ordering: Relaxed, both; numbers that carry nothing.
    let (come, heard) = (COME.fetch_add(1, Relaxed) + 1, HEARD.load(Relaxed));
    if bell != NOBODY && (come == 1 || come == 2 && heard > 0) {
        // SAFETY: the run keeps the descriptor open until it has taken the bell down.
        let bell = unsafe { BorrowedFd::borrow_raw(bell as i32) };
        // If there is no room, the run has signals to hear already.
        let _ = rustix::net::send(bell, &[0], QUIET);
        return;
    }
    // SAFETY: the call takes a number and a constant, and may be made in a handler.
    unsafe { libc::signal(number, libc::SIG_DFL) };
    // The signal is blocked while its handler runs, and comes when that returns.
    // SAFETY: the call takes a number, and may be made in a handler.
    unsafe { libc::raise(number) };
}

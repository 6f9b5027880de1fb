//! Writing to sockets by calls that take no `MSG_NOSIGNAL`: sendfile(2) and splice(2).
//!
//! Such a call on a connection that the peer has closed raises SIGPIPE in the calling thread. std's
//! `main` has the signal ignored, and then nothing is to be done. In a program with another main, or
//! that has put the default action back, the signal would end the process: there the thread blocks
//! it, makes the call, takes the signal that it may have raised, and unblocks it (the way of
//! libraries; see pthread_sigmask(3) and sigtimedwait(2)). The signal is one of the thread, so nobody
//! else can meet it.
//!
//! The disposition belongs to the process. It is asked for once per operation and not once per call:
//! whoever changes it in the middle of one gets what the change leads to with the next.
//!
//! A pipe that nobody reads is another matter: there the signal is what its program asked for.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// How calls of one operation are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sigpipe {
    /// The process ignores the signal.
    Ignored,
    /// It would end the process, or call a handler.
    Kept,
}

impl Sigpipe {
    /// Asks for the disposition.
    pub(crate) fn look() -> Self {
        let mut now = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: a null pointer means to change nothing, and `now` has room for the answer.
        let result = unsafe { libc::sigaction(libc::SIGPIPE, ptr::null(), now.as_mut_ptr()) };
        // SAFETY: zeros are a value, and what the system writes is one.
        let now = unsafe { now.assume_init() };
        if result == 0 && now.sa_sigaction == libc::SIG_IGN { Self::Ignored } else { Self::Kept }
    }

    /// Makes the call, which raises no signal.
    pub(crate) fn call<R>(self, op: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        if self == Self::Ignored { op() } else { call_blocked(op) }
    }
}

#[cold]
fn call_blocked<R>(op: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
    let only = only_sigpipe();
    let Some(_blocked) = Blocked::new(&only) else {
        // The caller has it blocked already, and perhaps one waits: that one is not ours to take.
        let waited = is_pending();
        let result = op();
        if !waited {
            take(&only, &result);
        }
        return result;
    };
    let result = op();
    take(&only, &result);
    result
}

/// Takes the signal, if the call has raised one.
fn take<R>(only: &libc::sigset_t, result: &io::Result<R>) {
    if !result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return;
    }
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    loop {
        // SAFETY: the set and the time are there, and nobody asks what the signal tells.
        let taken = unsafe { libc::sigtimedwait(only, ptr::null_mut(), &raw const at_once) };
        // Another signal has come in between; else this one was taken, or there is none.
        if taken != -1 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

/// The signal is blocked in this thread, and was not before; until this is dropped.
struct Blocked<'a>(&'a libc::sigset_t);

impl<'a> Blocked<'a> {
    /// `None` if it was blocked before.
    fn new(only: &'a libc::sigset_t) -> Option<Self> {
        let mut before = empty();
        // SAFETY: both sets are there; a mask is the calling thread's alone.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, only, &raw mut before) };
        (!holds(&before)).then(|| Self(only))
    }
}

impl Drop for Blocked<'_> {
    fn drop(&mut self) {
        // SAFETY: the set is there, and the old mask is not asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, self.0, ptr::null_mut()) };
    }
}

fn empty() -> libc::sigset_t {
    let mut set = MaybeUninit::zeroed();
    // SAFETY: `set` has room for a set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the call has made it a set.
    unsafe { set.assume_init() }
}

fn only_sigpipe() -> libc::sigset_t {
    let mut set = empty();
    // SAFETY: `set` is a set, and the number that of a signal.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGPIPE) };
    set
}

fn holds(set: &libc::sigset_t) -> bool {
    // SAFETY: `set` is a set, and the number that of a signal.
    unsafe { libc::sigismember(set, libc::SIGPIPE) == 1 }
}

/// True if a signal of this kind waits for the thread, or for the process.
fn is_pending() -> bool {
    let mut set = empty();
    // SAFETY: `set` is a set.
    unsafe { libc::sigpending(&raw mut set) };
    holds(&set)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a call on a broken connection does.
    fn breaks() -> io::Result<usize> {
        // SAFETY: the call takes a number, and raises the signal in this thread.
        unsafe { libc::raise(libc::SIGPIPE) };
        Err(io::ErrorKind::BrokenPipe.into())
    }

    /// The harness ignores the signal, and what is ignored is not kept for later, so a thread may
    /// raise it freely; that the process survives is tested in one of its own.
    #[test]
    fn the_mask_is_as_before() {
        let only = only_sigpipe();
        assert_eq!(Sigpipe::look(), Sigpipe::Ignored);
        assert!(Sigpipe::Kept.call(breaks).is_err());
        let blocked = Blocked::new(&only).expect("not blocked before");
        assert!(Blocked::new(&only).is_none(), "blocked now");
        assert!(Sigpipe::Kept.call(breaks).is_err());
        assert!(Blocked::new(&only).is_none(), "blocked still");
        drop(blocked);
        assert!(Blocked::new(&only).is_some());
        assert_eq!(Sigpipe::Kept.call(|| Ok(5)).unwrap(), 5);
        assert!(Blocked::new(&only).is_some());
    }
}

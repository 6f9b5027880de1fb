//! SIGQUIT (Ctrl-\) prints a dump of each runtime that wants it: one in debug mode, or any if
//! `CORIO_DUMP=1`. The process goes on.
//!
//! A signal handler may call almost nothing, so ours writes a byte to a pair of sockets; a thread reads it and
//! prints. The thread is none of a runtime's, so the dump comes also if all workers are stuck. The pair
//! and the thread are made with the first such runtime and stay: a handler that is just running on
//! another thread must find its pipe. The handler itself is there while a runtime wants it; then the
//! system gets back what it had before, unless somebody has put another handler over ours.

use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use corio_sync::shim::Ordering::{Acquire, Relaxed, Release};
use corio_sync::shim::atomic::AtomicU32;

use crate::handle::Handle;
use crate::report::{ReportKind, report};
use crate::scheduler::shared::Shared;

/// The descriptor of the writing end of the pipe.
static PIPE: AtomicU32 = AtomicU32::new(NOT_MADE);
/// No descriptor: -1.
const NOT_MADE: u32 = u32::MAX;
/// Locked when a runtime that wants dumps starts or ends, and for the list of a dump: no task comes
/// by here, and the handler of the signal does not either.
static WANTED: Mutex<Wanted> = Mutex::new(Wanted { by: Vec::new(), before: None });

/// Who wants dumps.
struct Wanted {
    by: Vec<Weak<Shared>>,
    /// What the system did with the signal before; there while our handler is.
    before: Option<libc::sigaction>,
}

fn wanted() -> std::sync::MutexGuard<'static, Wanted> {
    WANTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A runtime that wants dumps, until this is dropped.
#[derive(Debug)]
pub(crate) struct QuitDump(Weak<Shared>);

impl QuitDump {
    /// For a runtime that is in debug mode, or if `CORIO_DUMP=1`.
    pub(crate) fn new(shared: &Arc<Shared>) -> Option<Self> {
        let asked = std::env::var_os("CORIO_DUMP").is_some_and(|value| value == "1");
        if !asked && !shared.config.debug {
            return None;
        }
        let mut wanted = wanted();
        if let Err(error) = wanted.install() {
            report(ReportKind::System, format_args!("SIGQUIT will print no dump: {error}"));
            return None;
        }
        wanted.by.push(Arc::downgrade(shared));
        Some(Self(Arc::downgrade(shared)))
    }
}

impl Drop for QuitDump {
    fn drop(&mut self) {
        let mut wanted = wanted();
        wanted.by.retain(|other| !other.ptr_eq(&self.0));
        if wanted.by.is_empty() {
            wanted.uninstall();
        }
    }
}

impl Wanted {
    fn install(&mut self) -> std::io::Result<()> {
        // Ordering: Relaxed; the lock orders those who make the pair.
        if PIPE.load(Relaxed) == NOT_MADE {
            let (reader, writer) = UnixStream::pair()?;
            std::thread::Builder::new().name("corio-dump".into()).spawn(|| serve(reader))?;
            // Ordering(quit.pipe): Release; pairs with Ordering(quit.look): a handler writes to a
            // pipe that is there. Not killable: no model has signals, nor the system's table of
            // descriptors, which has an order of its own: a number is found after it was made.
            PIPE.store(writer.into_raw_fd() as u32, Release);
        }
        if self.before.is_none() {
            self.before = Some(set_action(&ours())?);
        }
        Ok(())
    }

    fn uninstall(&mut self) {
        let Some(before) = self.before.take() else { return };
        let current = action();
        if current.is_ok_and(|current| current.sa_sigaction == ours().sa_sigaction) {
            // It was the system's own, so it is valid.
            let _ = set_action(&before);
        }
    }
}

/// The action that calls our handler.
fn ours() -> libc::sigaction {
    // SAFETY: zeroes are a valid action: the default one, with no flags and an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = on_quit as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // System calls of others go on.
    action.sa_flags = libc::SA_RESTART;
    action
}

fn action() -> std::io::Result<libc::sigaction> {
    exchange(ptr::null())
}

/// Sets what the system does with SIGQUIT; returns what it did before.
fn set_action(action: &libc::sigaction) -> std::io::Result<libc::sigaction> {
    exchange(action)
}

fn exchange(new: *const libc::sigaction) -> std::io::Result<libc::sigaction> {
    let mut old = MaybeUninit::zeroed();
    // SAFETY: `new` is null or a valid action, whose handler only makes calls that handlers may
    // make; `old` is valid for writes.
    if unsafe { libc::sigaction(libc::SIGQUIT, new, old.as_mut_ptr()) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: zeroes are valid, and the system has filled it in.
    Ok(unsafe { old.assume_init() })
}

/// The handler.
extern "C" fn on_quit(_signal: libc::c_int) {
    // The interrupted code may be about to look at its error number, so that is put back.
    let error = errno();
    // SAFETY: the number belongs to the calling thread.
    let kept = unsafe { *error };
    // Ordering(quit.look): Acquire; pairs with Ordering(quit.pipe): the descriptor is that of a
    // socket that is there. Not killable: as there.
    let pipe = PIPE.load(Acquire) as libc::c_int;
    // SAFETY: one byte of a static; a pipe is never closed. A full one has dumps enough to come.
    let _ = unsafe { libc::write(pipe, b"!".as_ptr().cast(), 1) };
    // SAFETY: as above.
    unsafe { *error = kept };
}

/// Where the calling thread's error number lies.
fn errno() -> *mut libc::c_int {
    // SAFETY: takes nothing, and returns a pointer that lives as long as the thread.
    #[cfg(any(target_os = "linux", target_os = "emscripten"))]
    return unsafe { libc::__errno_location() };
    // SAFETY: as above.
    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    return unsafe { libc::__error() };
    // SAFETY: as above.
    #[cfg(any(target_os = "netbsd", target_os = "openbsd", target_os = "android"))]
    return unsafe { libc::__errno() };
}

/// The thread that prints.
fn serve(mut pipe: UnixStream) {
    let mut bytes = [0; 16];
    while pipe.read(&mut bytes).is_ok_and(|n| n > 0) {
        let runtimes: Vec<_> = wanted().by.iter().filter_map(Weak::upgrade).collect();
        for shared in runtimes {
            let dump = Handle::new(shared).dump();
            // A closed standard error loses the dump, not the thread that prints the next one.
            let _ = write!(std::io::stderr(), "{dump}");
        }
    }
}

//! The default action of a signal, while nobody listens.
//!
//! A handler once installed stays: taking it out would race with other users of the registry. So
//! the first listener of a kind also installs an action that stays, and that does what the system
//! would have done without a handler if there is no listener at that moment. Handlers that others
//! installed before are called by the registry in any case, and then there is no default action.
//!
//! SIGINT has a second user: a `run` turns it into a cancel of its main while nobody listens. It is
//! told who listens; see `sys::interrupt` of the runtime.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;

use corio_runtime::sys::interrupt;
use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::AtomicUsize;

use super::SignalKind;

/// Numbers of signals are below this on all systems that have an implementation of this crate.
const KINDS: usize = 65;

struct Kind {
    listeners: AtomicUsize,
    /// Set when the action that stays has been installed; an error number if it could not be.
    prepared: OnceLock<Result<(), i32>>,
}

static ALL: [Kind; KINDS] =
    [const { Kind { listeners: AtomicUsize::new(0), prepared: OnceLock::new() } }; KINDS];

/// What the system does with a signal that has no handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Nothing,
    Stop,
    End,
}

impl Action {
    fn of(kind: SignalKind) -> Self {
        match kind.as_raw() {
            libc::SIGCHLD | libc::SIGURG | libc::SIGWINCH | libc::SIGCONT => Self::Nothing,
            libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => Self::Stop,
            _ => Self::End,
        }
    }
}

/// Makes ready for a listener: from here on the default action is ours to do.
///
/// # Errors
///
/// If the system lets nobody listen to this kind, or takes no handler.
pub(super) fn prepare(kind: SignalKind) -> io::Result<()> {
    let number = kind.as_raw();
    let valid = usize::try_from(number).is_ok_and(|n| 0 < n && n < KINDS);
    if !valid || signal_hook_registry::FORBIDDEN.contains(&number) {
        let message = "nobody can listen to this kind of signal";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let prepared = of(kind).prepared.get_or_init(|| {
        install(kind).map_err(|error| error.raw_os_error().unwrap_or(libc::EINVAL))
    });
    prepared.map_err(io::Error::from_raw_os_error)
}

/// There is one listener more.
pub(super) fn suspend(kind: SignalKind) {
    if kind == SignalKind::interrupt() {
        interrupt::listening(true);
    }
    // Ordering: Relaxed; a count. A signal that comes at the same time may see either value.
    of(kind).listeners.fetch_add(1, Relaxed);
}

/// There is one listener less.
pub(super) fn resume(kind: SignalKind) {
    // Ordering: Relaxed; as in `suspend`.
    of(kind).listeners.fetch_sub(1, Relaxed);
    if kind == SignalKind::interrupt() {
        interrupt::listening(false);
    }
}

fn of(kind: SignalKind) -> &'static Kind {
    &ALL[usize::try_from(kind.as_raw()).expect("prepare has looked at it")]
}

fn install(kind: SignalKind) -> io::Result<()> {
    let action = Action::of(kind);
    if action == Action::Nothing || !is_default(kind)? {
        return Ok(());
    }
    let act = move || {
        // Ordering: Relaxed; as in `suspend`.
        if of(kind).listeners.load(Relaxed) == 0 {
            perform(action, kind.as_raw());
        }
    };
    // SAFETY: the action loads a number and makes system calls that may be made in a handler; it
    // does not allocate or lock, and cannot panic: the kind has been looked at.
    unsafe { signal_hook_registry::register(kind.as_raw(), act) }?;
    Ok(())
}

/// True if the system would perform the default action now.
fn is_default(kind: SignalKind) -> io::Result<bool> {
    let mut now = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null pointer means to change nothing, and `now` has room for the answer.
    let result = unsafe { libc::sigaction(kind.as_raw(), ptr::null(), now.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded, so the system has written it; zeros are a value too.
    let now = unsafe { now.assume_init() };
    Ok(now.sa_sigaction == libc::SIG_DFL)
}

/// Does what the system does without a handler. Called in a handler.
fn perform(action: Action, number: i32) {
    match action {
        Action::Nothing => {}
        Action::Stop => {
            // SAFETY: the call takes a number, and may be made in a handler.
            unsafe { libc::raise(libc::SIGSTOP) };
        }
        Action::End => {
            // SAFETY: the call takes a number and a constant, and may be made in a handler.
            unsafe { libc::signal(number, libc::SIG_DFL) };
            // The signal is blocked while its handler runs, and comes when that returns.
            // SAFETY: the call takes a number, and may be made in a handler.
            unsafe { libc::raise(number) };
        }
    }
}

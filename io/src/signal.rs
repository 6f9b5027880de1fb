//! Signals of the operating system, as futures.
//!
//! # How a signal travels
//!
//! Each listener owns a bell: a counter of the system's (eventfd), or elsewhere than on Linux a pair
//! of connected sockets. A signal handler may call almost nothing, but it may write to a descriptor:
//! it rings every listener's bell, and the listener's task waits for it like for any other
//! descriptor. So there is no thread
//! that hands signals on, no waker is called in a handler, and one signal reaches the listeners of
//! several runtimes.
//!
//! Signals of one kind that come faster than they are taken may be merged, as the system does too.
//!
//! # The default action
//!
//! While a kind has a listener, its default action (mostly to end the process) does not happen.
//! When the last listener has been dropped it happens again: a program that has waited for one
//! Ctrl-C and no longer listens is ended by the next. See `default`.

mod bell;
mod default;
mod handler;

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corio_runtime::reactor::{Direction, SourceKind, Waiter};
use corio_sync::place::WaitKind;
use futures_core::Stream;
use signal_hook_registry::SigId;

use crate::context::failed;
use crate::made::Made;
use crate::source::{Registered, step};

pub use handler::SignalHandlers;

/// Waits for Ctrl-C, that is, for SIGINT. It listens from this call on, not from the first poll:
/// an interrupt in between is not lost.
///
/// asyncio: `loop.add_signal_handler(SIGINT, ..)`.
///
/// # Errors
///
/// The system's, if it takes no handler; or, if it has to wait outside a runtime, one that says
/// so.
///
/// # Cancel safety
///
/// Strict. Dropping the future ends the listening.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// corio_io::signal::ctrl_c().await?;
/// println!("good bye");
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn ctrl_c() -> CtrlC {
    CtrlC {
        signals: stream(SignalKind::interrupt()).map_err(Some),
        waiter: Waiter::default(),
        made: Made::here("ctrl_c"),
    }
}

/// Listens to a kind of signal.
///
/// # Errors
///
/// The system's; also if it lets nobody listen to this kind.
///
/// # Examples
///
/// ```no_run
/// use corio_io::signal::{SignalKind, stream};
///
/// # async fn example() -> std::io::Result<()> {
/// let hangups = stream(SignalKind::hangup())?;
/// loop {
///     hangups.recv().await?;
///     println!("reading the settings again");
/// }
/// # }
/// ```
#[doc(alias = "signal")]
pub fn stream(kind: SignalKind) -> io::Result<Signals> {
    Signals::listen(kind).map_err(|error| failed("listen to", kind, error))
}

/// A kind of signal.
///
/// # Examples
///
/// ```
/// use corio_io::signal::SignalKind;
///
/// assert_eq!(SignalKind::from_raw(15), SignalKind::terminate());
/// assert_eq!(SignalKind::interrupt().as_raw(), 2);
/// let names = [
///     SignalKind::hangup(),        // the terminal is gone
///     SignalKind::quit(),          // Ctrl-\
///     SignalKind::user_defined1(), // for any purpose
///     SignalKind::user_defined2(),
///     SignalKind::child(),
///     SignalKind::alarm(),
///     SignalKind::pipe(),
///     SignalKind::window_change(),
///     SignalKind::resume(),
///     SignalKind::suspend(),
/// ]
/// .map(|kind| kind.to_string());
/// assert_eq!(names[..3], ["SIGHUP", "SIGQUIT", "SIGUSR1"]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalKind(i32);

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $raw:ident;)*) => {
        impl SignalKind {
            $($(#[$doc])* #[must_use] pub const fn $name() -> Self { Self(libc::$raw) })*

            /// The kind with this number.
            #[must_use]
            pub const fn from_raw(number: i32) -> Self {
                Self(number)
            }

            /// The system's number of this kind.
            #[must_use]
            pub const fn as_raw(self) -> i32 {
                self.0
            }

            fn name(self) -> Option<&'static str> {
                match self.0 {
                    $(libc::$raw => Some(stringify!($raw)),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// SIGINT: Ctrl-C.
    interrupt = SIGINT;
    /// SIGTERM: a polite request to end.
    terminate = SIGTERM;
    /// SIGHUP: the terminal is gone; by custom, read the settings again.
    hangup = SIGHUP;
    /// SIGQUIT: Ctrl-\.
    quit = SIGQUIT;
    /// SIGUSR1: for any purpose.
    user_defined1 = SIGUSR1;
    /// SIGUSR2: for any purpose.
    user_defined2 = SIGUSR2;
    /// SIGCHLD: a child process has changed its state.
    child = SIGCHLD;
    /// SIGALRM: a timer of the process has run out.
    alarm = SIGALRM;
    /// SIGPIPE: a write to a pipe that nobody reads. Rust ignores it.
    pipe = SIGPIPE;
    /// SIGWINCH: the terminal has another size.
    window_change = SIGWINCH;
    /// SIGCONT: the process goes on after a stop.
    resume = SIGCONT;
    /// SIGTSTP: Ctrl-Z.
    suspend = SIGTSTP;
}

impl fmt::Display for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignalKind({self})")
    }
}

/// A listener to one kind of signal; made by [`stream`]. Also a `Stream` that never ends.
pub struct Signals {
    kind: SignalKind,
    id: SigId,
    ours: Registered<OwnedFd>,
}

impl Signals {
    fn listen(kind: SignalKind) -> io::Result<Self> {
        default::prepare(kind)?;
        let (ours, theirs) = bell::bell()?;
        let ring = move || bell::ring(&theirs);
        // SAFETY: the action makes one system call that may be made in a handler, does not
        // allocate, lock or panic, and keeps what it uses alive.
        let id = unsafe { signal_hook_registry::register(kind.0, ring) }?;
        default::suspend(kind);
        Ok(Self { kind, id, ours: Registered::new(ours, SourceKind::Other) })
    }

    /// Waits for a signal since the last one was taken.
    ///
    /// # Errors
    ///
    /// If it has to wait outside a runtime, or the runtime has shut down.
    ///
    /// # Cancel safety
    ///
    /// Strict: no signal is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::process::Command;
    /// use corio_io::signal::{SignalKind, stream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let changes = stream(SignalKind::window_change())?;
    /// // Somebody sends one.
    /// let own = std::process::id().to_string();
    /// Command::new("kill").args(["-WINCH", &own]).await?.wait().await?;
    /// changes.recv().await?;
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[track_caller]
    pub fn recv(&self) -> RecvSignal<'_> {
        let made = Made::here("Signals::recv");
        RecvSignal { signals: self, waiter: Waiter::default(), made }
    }

    /// What this listens to.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::signal::{SignalKind, stream};
    ///
    /// let signals = stream(SignalKind::user_defined2())?;
    /// assert_eq!(signals.kind(), SignalKind::user_defined2());
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn kind(&self) -> SignalKind {
        self.kind
    }

    fn poll(
        &self,
        waiter: Option<&mut Waiter>,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let (fd, source) = (self.ours.fd(), self.ours.source());
        let take = || bell::take(fd);
        ready!(step(WaitKind::Signal, at, cx, |cx| match waiter {
            Some(waiter) => source.poll_io_with(fd, Direction::Read, waiter, cx, take),
            None => source.poll_io(fd, Direction::Read, cx, take),
        }))?;
        Poll::Ready(Ok(()))
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        default::resume(self.kind);
        signal_hook_registry::unregister(self.id);
    }
}

impl Stream for Signals {
    type Item = io::Result<()>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(None, Location::caller(), cx).map(Some)
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signals({})", self.kind)
    }
}

/// Future of [`Signals::recv`]: `io::Result<()>`.
#[derive(Debug)]
#[must_use = "nothing is awaited unless this is"]
pub struct RecvSignal<'a> {
    signals: &'a Signals,
    waiter: Waiter,
    made: Made,
}

impl Future for RecvSignal<'_> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { signals, waiter, made } = self.get_mut();
        let at = made.begin();
        signals.poll(Some(waiter), at, cx)
    }
}

/// Future of [`ctrl_c`]: `io::Result<()>`. After an interrupt it can be polled again, for the next.
#[derive(Debug)]
#[must_use = "nothing is awaited unless this is"]
pub struct CtrlC {
    /// The error is given once.
    signals: Result<Signals, Option<io::Error>>,
    waiter: Waiter,
    made: Made,
}

impl Future for CtrlC {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { signals, waiter, made } = self.get_mut();
        let at = made.begin();
        match signals {
            Ok(signals) => signals.poll(Some(waiter), at, cx),
            Err(error) => Poll::Ready(Err(error.take().unwrap_or_else(refused))),
        }
    }
}

fn refused() -> io::Error {
    io::Error::other("Ctrl-C could not be listened to; the first poll has said why")
}

//! The debug socket: what `corio-top` asks.
//!
//! A process whose runtimes want it (`CORIO_TOP=1`, [`Builder::debug_socket`]) listens on the abstract
//! Unix socket `corio-top/PID`. One thread of its own answers for all of them: no worker takes part, so
//! a program whose workers are all stuck is shown as well. The thread begins with the first such runtime
//! and ends with the last. Decision 051 says why the socket has no file.
//!
//! Without the variable nothing of this runs: a runtime looks at one flag when it is built.
//!
//! # Protocol
//!
//! Lines of text, one question for each connection. The process speaks first:
//!
//! ```text
//! process  corio-top 1                 the version; or `corio-top 1 refused: WHY`, and the end
//! client   runtimes | tasks | metrics  at most 64 bytes, within a second
//! process  lines, and `end` as the last one; or `error: WHY`
//! ```
//!
//! `metrics` gives a page for Prometheus. The lines of the other two are fields between tabs; control
//! characters inside a field are written as Rust escapes them. `runtimes` leaves out the last two kinds:
//!
//! ```text
//! runtime  name  place  tasks  injected  blocking threads  busy  queued  timers  sources
//! worker   index  asleep|awake|polls  queued  polls  steals  searches  parks
//!          samples  of them inside a poll  of them awake  ms in the present poll  task inside
//! task     id  name  waiting|running|ready|done  what for  where  spawned where  age ms  wait ms
//!          ids of those that await it, between spaces
//! cycle    ids of tasks, each awaited by the next, and the last one by the first
//! ```
//!
//! Workers, tasks and cycles belong to the runtime above them. What is not known is `-`. A client skips
//! kinds of lines that it does not know, and fields at the end; another meaning is another version.
//!
//! Times are those of the [looks](looks): what began before the first look is older than is said.
//!
//! # Who may ask
//!
//! The kernel says who is at the other end. Others than the process's own user and root are told so and
//! read nothing. The client checks in turn that the process that listens is the one it asks for, since
//! anybody may take a name.
//!
//! # What a bad client can do
//!
//! One that says nothing is let go after a second, one that does not read after five, one that reads
//! slowly after a minute; what it sends is read into 64 bytes. Nothing is kept of it. It holds up other
//! clients for so long, and the looks, and nobody else.
//!
//! # Rejected
//!
//! - An async server on a worker: stuck when it is needed.
//! - A signal and a file: where to, and who else may write there; see [`quit`](super::quit) for what a
//!   signal does well.
//! - A thread for each client: memory and threads at the choice of a client.
//!
//! [`Builder::debug_socket`]: crate::Builder::debug_socket

#[cfg(target_os = "linux")]
mod answer;
#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod looks;
#[cfg(target_os = "linux")]
mod serve;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::report::{ReportKind, report};
use crate::scheduler::shared::Shared;
use crate::scheduler::worker;

#[cfg(target_os = "linux")]
use serve::{Server, is_server};

/// The runtimes that are shown, in the order in which they came. Locked when one comes or goes, and
/// by the thread of the socket: no task comes by here.
static SHOWN: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());
/// The thread that answers. Locked when a runtime comes or goes, and by nobody else: whoever holds it
/// may wait for the thread.
static LIFE: Mutex<Life> = Mutex::new(Life { serving: None, leaving: None });

/// The threads of the socket.
struct Life {
    serving: Option<Server>,
    /// One that was told to end, and that nobody has waited for yet.
    leaving: Option<Server>,
}

fn locked<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Those that have not gone.
fn shown() -> Vec<Arc<Shared>> {
    locked(&SHOWN).iter().filter_map(Weak::upgrade).collect()
}

/// A runtime that is shown, until this is dropped.
#[derive(Debug)]
pub(crate) struct DebugSocket(Weak<Shared>);

impl DebugSocket {
    /// For a runtime that wants it. If there can be no socket, that is reported, and the program goes
    /// on without.
    pub(crate) fn new(shared: &Arc<Shared>) -> Option<Self> {
        if !shared.config.debug_socket {
            return None;
        }
        // Reported outside the locks: a hook may build a runtime.
        let serving = locked(&LIFE).serve();
        if let Err(error) = serving {
            report(
                ReportKind::System,
                format_args!("there is no debug socket, so corio-top cannot ask: {error}"),
            );
            return None;
        }
        locked(&SHOWN).push(Arc::downgrade(shared));
        Some(Self(Arc::downgrade(shared)))
    }
}

impl Drop for DebugSocket {
    fn drop(&mut self) {
        // The thread itself may let go of the last piece of a runtime, which may be the owner of
        // another one; it cannot wait for its own end. It answers for nobody then.
        if is_server() {
            return self.hide();
        }
        let mut life = locked(&LIFE);
        self.hide();
        if locked(&SHOWN).is_empty() {
            // Nothing is waited for inside async code.
            life.end(worker::with(|worker| worker.is_none()));
        }
    }
}

impl DebugSocket {
    fn hide(&self) {
        locked(&SHOWN).retain(|other| !other.ptr_eq(&self.0));
    }
}

impl Life {
    /// Sees to it that the thread is there.
    fn serve(&mut self) -> io::Result<()> {
        if self.serving.is_none() {
            // It has the name until it is gone.
            if let Some(leaving) = self.leaving.take() {
                leaving.join();
            }
            self.serving = Some(Server::start()?);
        }
        Ok(())
    }

    /// Tells the thread to end; waits for that if `wait` says so.
    fn end(&mut self, wait: bool) {
        let Some(mut server) = self.serving.take() else { return };
        server.stop();
        if wait {
            server.join();
        } else {
            self.leaving = Some(server);
        }
    }
}

/// There are abstract names on Linux only.
#[cfg(not(target_os = "linux"))]
enum Server {}

#[cfg(not(target_os = "linux"))]
impl Server {
    fn start() -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "it wants Linux"))
    }

    fn stop(&mut self) {
        match *self {}
    }

    fn join(self) {
        match self {}
    }
}

#[cfg(not(target_os = "linux"))]
fn is_server() -> bool {
    false
}

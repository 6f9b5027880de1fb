//! The one trait through which every workload sees every runtime.
//!
//! A workload is written once, against [`Rt`], and never asks which runtime it runs on. Each
//! adapter uses what that runtime's documentation tells its users to use, with two workers and
//! its defaults; what it sets beyond that it says in [`Rt::switches`], and the report prints it.
//!
//! Two things differ between runtimes so much that the trait has to show them:
//!
//! - Timers and sockets of a thread-per-core runtime (nio) belong to one worker. A task that
//!   uses them is made by [`Rt::spawn_home`], which pins it there and is an ordinary spawn for
//!   all others; an accepted connection travels as a [`Net::Conn`] until its task opens it.
//! - The main future runs on a worker with some runtimes and beside the workers with others.
//!   [`Rt::run`] is what the runtime's `main` macro does; no row but `main_round_trip` works in
//!   it. Everywhere else the workload is itself a spawned task.

mod nio;
mod pinned;
mod smol;
mod tokio;
mod unstable;

#[cfg(feature = "corio")]
mod corio;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

#[cfg(feature = "corio")]
pub use self::corio::Corio;
pub use self::nio::Nio;
pub use self::smol::Smol;
pub use self::tokio::Tokio;
pub use self::unstable::Unstable;

/// How to start a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Number of worker threads.
    pub workers: usize,
    /// Options of tokio in the build with `--cfg tokio_unstable`.
    pub unstable: Option<Unstable>,
}

/// A runtime under measurement.
///
/// Functions without `self` act on the runtime that the calling task runs on.
pub trait Rt: Sized + Send + Sync + 'static {
    /// Sockets of this runtime.
    type Net: Net;

    /// What the adapter sets beyond the number of workers, or `None` for plain defaults.
    fn switches(setup: &Setup) -> Option<String>;

    /// Starts the runtime with its workers.
    fn start(setup: &Setup) -> Self;

    /// Ends the runtime and joins its workers, where the runtime can do that.
    fn stop(self);

    /// Runs a program's main future as the runtime's `main` macro would, on a runtime of its own.
    fn run<F>(setup: &Setup, main: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send;

    /// Runs a future on the calling thread, which is no worker, until it ends.
    fn block_on<F>(&self, future: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send;

    /// Spawns from a thread outside of the runtime. Dropping the returned future detaches.
    fn submit<F>(&self, future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Spawns from a thread outside, without interest in the result.
    fn submit_detached<F>(&self, future: F)
    where
        F: Future<Output = ()> + Send + 'static;

    /// Spawns from within a task; the returned future must be awaited.
    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Spawns from within a task, without interest in the result.
    fn spawn_detached<F>(future: F)
    where
        F: Future<Output = ()> + Send + 'static;

    /// Spawns from within a task, and has a function called when the task has ended. Where there are
    /// no done-callbacks, a second task waits for the first one.
    fn spawn_with_callback<F, C>(future: F, call: C)
    where
        F: Future<Output = ()> + Send + 'static,
        C: FnOnce() + Send + 'static,
    {
        let task = Self::spawn(future);
        Self::spawn_detached(async move {
            task.await;
            call();
        });
    }

    /// Spawns a task that uses timers or sockets; see the module's introduction.
    fn spawn_home<M, F>(make: M) -> impl Future<Output = F::Output> + Send + 'static
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// The same without interest in the result.
    fn spawn_home_detached<M, F>(make: M)
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static;

    /// Lets other tasks run.
    fn yield_now() -> impl Future<Output = ()> + Send;

    /// Waits for a span of time.
    fn sleep(span: Duration) -> impl Future<Output = ()> + Send;

    /// Awaits `future` for at most `limit`; `None` when the time ran out.
    fn timeout<F>(limit: Duration, future: F) -> impl Future<Output = Option<F::Output>> + Send
    where
        F: Future + Send,
        F::Output: Send;

    /// Runs a blocking function on the runtime's thread pool.
    fn spawn_blocking<F, T>(f: F) -> impl Future<Output = T> + Send + 'static
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static;
}

/// TCP of a runtime under measurement.
pub trait Net: Send + Sync + 'static {
    /// A listening socket.
    type Listener: Send + 'static;
    /// An accepted connection that may still move to another worker.
    type Conn: Send + 'static;
    /// A connection in use by one task.
    type Stream: Send + 'static;
    /// A connection that hyper can serve.
    type Hyper: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static;

    /// Listens on a free port of the loopback interface.
    fn listen() -> impl Future<Output = io::Result<(Self::Listener, SocketAddr)>> + Send;

    /// Waits for the next connection, which comes with `TCP_NODELAY` set.
    fn accept(listener: &mut Self::Listener)
    -> impl Future<Output = io::Result<Self::Conn>> + Send;

    /// Takes a connection into use by the calling task.
    fn open(conn: Self::Conn) -> io::Result<Self::Stream>;

    /// Reads some bytes; 0 is the end of the stream.
    fn read(
        stream: &mut Self::Stream,
        buf: &mut [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send;

    /// Writes all bytes.
    fn write_all(
        stream: &mut Self::Stream,
        buf: &[u8],
    ) -> impl Future<Output = io::Result<()>> + Send;

    /// Hands a connection to hyper.
    fn hyper(stream: Self::Stream) -> Self::Hyper;
}

#[cfg(test)]
mod tests;

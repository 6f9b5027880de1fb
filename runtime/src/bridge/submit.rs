//! Submitting a coroutine from any thread.

use std::future::Future;

use super::ConcurrentFuture;
use crate::handle::Handle;

/// Submits a coroutine to a runtime, or to one chosen loop, from any thread.
///
/// asyncio: `run_coroutine_threadsafe`. The returned future can be waited for by a thread
/// ([`ConcurrentFuture::result`]) or awaited on any executor.
///
/// # Cancel safety
///
/// Lossy: dropping the future detaches the coroutine, which runs on, and its value is lost. Await
/// `&mut future` to wait again.
///
/// # Examples
///
/// ```
/// # fn main() {
/// let runtime = corio_runtime::Runtime::new().unwrap();
/// let handle = runtime.handle().clone();
/// let thread = std::thread::spawn(move || {
///     corio_runtime::run_coroutine_threadsafe(async { 6 * 7 }, &handle).result(None).unwrap()
/// });
/// assert_eq!(thread.join().unwrap(), 42);
/// # }
/// ```
#[track_caller]
pub fn run_coroutine_threadsafe<F>(future: F, handle: &Handle) -> ConcurrentFuture<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    handle.run_coroutine_threadsafe(future)
}

/// What a thread that is in no runtime does with a handle to one:
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let handle = corio::Handle::current();
/// let thread = std::thread::spawn(move || {
///     assert!(corio::Handle::try_current().is_err() && handle.is_running());
///     let _inside = handle.enter();
///     assert_eq!(corio::Handle::current(), handle);
///     let called = handle.call_soon_threadsafe(|| println!("on a loop")).is_ok();
///     let due = handle.call_at(handle.time(), || println!("on a loop, too"));
///     let job = handle.run_in_executor(None, || "on a thread that may block");
///     let pinned = handle.loops()[0].create_pinned_task(|| async { *std::rc::Rc::new(25) });
///     let refused = handle.try_create_task(async { 5 }).is_err();
///     (called && !due.cancelled() && !refused && !handle.is_closed(), job, pinned)
/// });
/// let (went_well, job, pinned) = corio::to_thread(|| thread.join().unwrap()).await.unwrap();
/// assert!(went_well);
/// assert_eq!(job.await.unwrap(), "on a thread that may block");
/// assert_eq!(pinned.await.unwrap(), 25);
/// # });
/// ```
impl Handle {
    /// Submits a coroutine from any thread, also from one that knows no runtime; see
    /// [`run_coroutine_threadsafe`].
    ///
    /// # Cancel safety
    ///
    /// As [`run_coroutine_threadsafe`](crate::run_coroutine_threadsafe).
    #[doc(alias = "spawn")]
    #[track_caller]
    pub fn run_coroutine_threadsafe<F>(&self, future: F) -> ConcurrentFuture<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        ConcurrentFuture::new(self.create_task(future), self.shared().clone())
    }
}

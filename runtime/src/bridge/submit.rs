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

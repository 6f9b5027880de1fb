//! The exception handler of a loop or runtime.

use std::sync::Arc;

use crate::handle::Handle;
use crate::scheduler::exception::{ErrorContext, Handler};

/// What [`Handle::set_exception_handler`] takes.
pub type ExceptionHandler = Arc<dyn Fn(&Handle, &ErrorContext) + Send + Sync>;

impl Handle {
    /// Sets who hears of what goes wrong where nobody listens: panics of callbacks, panics of tasks
    /// that the end of `run` has cancelled. `None` brings the default back, one line on standard
    /// error.
    ///
    /// asyncio: `set_exception_handler`. The handler is called on the thread that finds the error.
    /// One that panics is told of through the default report, and the loop goes on.
    ///
    /// The handler may keep a `Handle` of its own runtime. It is dropped when another takes its place,
    /// and when the runtime has ended (asyncio: with the loop); one that is set later is dropped
    /// at once.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() {
    /// use std::sync::{Arc, mpsc};
    ///
    /// corio_runtime::run(async {
    ///     let (said, hear) = mpsc::channel();
    ///     let handle = corio_runtime::Handle::current();
    ///     handle.set_exception_handler(Some(Arc::new(move |_, context| {
    ///         said.send(context.to_string()).unwrap();
    ///     })));
    ///     handle.call_soon(|| panic!("no luck"));
    ///     let heard = corio_runtime::to_thread(move || hear.recv()).await.unwrap().unwrap();
    ///     assert!(heard.starts_with("a callback panicked: no luck"), "{heard}");
    /// });
    /// # }
    /// ```
    pub fn set_exception_handler(&self, handler: Option<ExceptionHandler>) {
        let erased = handler.map(|handler| -> Handler {
            Arc::new(move |shared, context| handler(&Handle::new(shared.clone()), context))
        });
        self.shared().exception_handler.set(erased);
    }

    /// Tells the exception handler. asyncio: `call_exception_handler`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use std::sync::{Arc, Mutex};
    ///
    /// # corio::run(async {
    /// let (heard, handle) = (Arc::new(Mutex::new(String::new())), corio::Handle::current());
    /// let hears = heard.clone();
    /// handle.set_exception_handler(Some(Arc::new(move |_, context| {
    ///     hears.lock().unwrap().push_str(context.message());
    /// })));
    /// handle.call_exception_handler(&corio::ErrorContext::new("the cache is full"));
    /// assert_eq!(*heard.lock().unwrap(), "the cache is full");
    /// # });
    /// ```
    pub fn call_exception_handler(&self, context: &ErrorContext) {
        self.shared().call_exception_handler(context);
    }
}

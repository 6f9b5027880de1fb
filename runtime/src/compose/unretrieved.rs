//! Errors of tasks that nobody waits for.

use std::fmt::Display;

use crate::scheduler::exception::ErrorContext;
use crate::task::join::Task;

impl<T, E> Task<Result<T, E>>
where
    T: Send + 'static,
    E: Display + Send + 'static,
{
    /// Lets the task run on by itself, and tells the exception handler of its loop if it ends with an
    /// `Err`: for work in the background whose end nobody awaits. What else becomes of it is as if the
    /// handle had been dropped: a panic is told, a cancel is not.
    ///
    /// asyncio tells of every exception that was never retrieved. Here an `Err` is a value like any
    /// other, and what it is has been forgotten when a handle is merely dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let (told, hear) = std::sync::mpsc::channel();
    /// let handler = move |_: &corio::Handle, context: &corio::ErrorContext| {
    ///     told.send(context.to_string()).unwrap();
    /// };
    /// corio::Handle::current().set_exception_handler(Some(std::sync::Arc::new(handler)));
    /// corio::create_task(async { Err::<(), _>("no luck") }).report_error();
    /// let told = corio::to_thread(move || hear.recv().unwrap()).await.unwrap();
    /// assert!(told.contains("no luck"), "{told}");
    /// # });
    /// ```
    #[track_caller]
    pub fn report_error(self) {
        self.task_ref().add_done_callback(move |task| {
            if let Some(Ok(Err(error))) = self.outcome() {
                let context = ErrorContext::new("task exception was never retrieved")
                    .exception(error.to_string())
                    .task(task.clone())
                    .source(task.spawned_at());
                task.get_loop().call_exception_handler(&context);
            }
        });
    }
}

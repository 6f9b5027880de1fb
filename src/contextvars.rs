//! Context variables: values that a task hands down to the tasks and callbacks that it starts.
//!
//! asyncio: the module `contextvars`.
//!
//! # Examples
//!
//! ```
//! use corio::ContextVar;
//!
//! static USER: ContextVar<&str> = ContextVar::new("user");
//!
//! async fn greeting() -> String {
//!     format!("hello, {}", USER.get().unwrap_or("nobody"))
//! }
//!
//! corio::run(async {
//!     let token = USER.set("ann");
//!     let task = corio::create_task(greeting());
//!     USER.reset(token).unwrap();
//!     assert_eq!(task.await.unwrap(), "hello, ann");
//!     assert_eq!(greeting().await, "hello, nobody");
//! });
//! ```

pub use corio_runtime::{Context, ContextVar, ResetError, Token, copy_context};

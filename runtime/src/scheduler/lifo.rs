//! The slot for the task that runs next.

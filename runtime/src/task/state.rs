//! The state word of a task.

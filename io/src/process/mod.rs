//! Child processes: asyncio's `create_subprocess_exec` and `create_subprocess_shell`.
//!
//! *Vocabulary.* A child has **ended** when the system says so; it is **reaped** when its exit
//! status was asked for, and from then on its number may belong to another process.
//!
//! *How the end is awaited.* On Linux 5.4 and later by a descriptor of the process (`pidfd_open`),
//! which is waited for like a socket: no thread, no handler of SIGCHLD. Elsewhere, and where the
//! system refuses the descriptor, by one thread for each child. See `exit`.
//!
//! *What is promised.* A reaped process is never signalled. A child that is dropped is reaped all
//! the same. A spawn that is cancelled half-way kills what it has started.

mod child;
mod command;
mod communicate;
mod exit;
mod stdio;

pub use child::{Child, ChildWait};
pub use command::{Command, Spawn, create_subprocess_exec, create_subprocess_shell};
pub use communicate::Communicate;
pub use std::process::{ExitStatus, Output};
pub use stdio::Stdio;

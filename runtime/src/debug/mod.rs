//! Looking into a running program: what each task waits for, and what went wrong.
//!
//! Always there, in release builds too: [`dump`], [`capture_call_graph`](fn@capture_call_graph),
//! and reports of slow callbacks. Every task knows its name, the line that spawned it, and what it
//! waits for at which line; nobody pays for that but the task that goes to sleep, one store.
//!
//! In debug mode (`CORIO_DEBUG=1`, or [`Builder::debug`](crate::Builder::debug)) the runtime also
//! tells of futures that nobody awaited, files and streams that were dropped open, tasks that ended
//! with their runtime, tasks that nobody can wake any more, cycles of locks, threads that block a
//! loop, and how long slow callbacks took. All of it goes through one function, which
//! [`set_report_hook`] replaces.
//!
//! With `CORIO_TOP=1`, or [`Builder::debug_socket`](crate::Builder::debug_socket), other processes of
//! the same user may look, too: `corio-top PID`, a program that `cargo install corio-top` installs, shows
//! workers, tasks, where they wait and who awaits them, also of a process that is stuck.
//!
//! asyncio: debug mode, `asyncio.capture_call_graph`, `python -m asyncio ps`.

mod cycles;
mod dump;
mod graph;
mod observer;
mod quit;
mod stack;
mod switch;
mod top;
mod tree;

use std::fmt::Display;
use std::panic::Location;

use crate::context;
use crate::report::report;
pub use crate::report::{Report, ReportHook, ReportKind, set_report_hook};
pub use dump::{Dump, dump};
pub use graph::{
    CallGraph, CallGraphEntry, capture_call_graph, format_call_graph, print_call_graph,
};
pub(crate) use quit::QuitDump;
pub(crate) use top::DebugSocket;

/// Tells, in debug mode, of something with a `close` that was dropped open.
#[doc(hidden)]
pub fn unclosed(what: &dyn Display) {
    if !corio_sync::debug::is_on() {
        return;
    }
    let inside = context::current_task();
    let inside = inside.map_or(String::new(), |task| format!(" by task '{}'", task.name()));
    report(
        ReportKind::Unclosed,
        format_args!("unclosed {what} was dropped{inside}; close it when you are done with it"),
    );
}

/// Tells, in debug mode, of a future that was dropped before anybody polled it.
#[doc(hidden)]
#[inline]
pub fn never_awaited(what: &'static str, made_at: &'static Location<'static>) {
    if corio_sync::debug::is_on() {
        crate::report::never_awaited(&what, made_at);
    }
}

/// Lets the primitives tell this module what they see, until the runtime has ended.
pub(crate) fn turn_on() {
    corio_sync::debug::turn_on(&observer::OBSERVER);
}

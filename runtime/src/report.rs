//! What the runtime tells people, on standard error: panicked callbacks, slow polls, shutdowns.

use std::any::Any;
use std::fmt::Arguments;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Writes one line to standard error; a closed standard error loses the line, not the worker.
pub(crate) fn report(line: Arguments<'_>) {
    use std::io::Write;
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let _ = writeln!(std::io::stderr(), "corio: {line}");
    }));
}

/// Tells of a callback that panicked; its loop goes on.
pub(crate) fn callback_panicked(payload: Box<dyn Any + Send>) {
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is not a string");
    report(format_args!("a callback panicked: {message}"));
    crate::quiet::drop_payload(payload);
}

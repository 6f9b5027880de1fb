//! Where panics come from.
//!
//! A panic's payload does not say; the panic hook is told. So corio puts a hook of its own in front
//! of the usual one, which notes the place in a thread-local, and whoever catches a task's panic
//! finds it there: the last panic of the thread. Another one may have come between, in a destructor
//! that catches it, so the message is compared.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;
use std::thread;

/// The last panic of a thread.
struct Noted {
    message: Option<Box<str>>,
    at: Box<str>,
}

thread_local! {
    static LAST: RefCell<Option<Noted>> = const { RefCell::new(None) };
}

/// Puts the hook in front of the usual one, once for the process.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    // A thread that panics may not change the hook.
    if thread::panicking() {
        return;
    }
    INSTALLED.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            note(info);
            usual(info);
        }));
    });
}

fn note(info: &PanicHookInfo<'_>) {
    let Some(at) = info.location() else { return };
    let at = at.to_string().into();
    let message = payload_message(info.payload());
    // A thread whose locals are gone notes nothing.
    let _ = LAST
        .try_with(|last| last.try_borrow_mut().map(|mut last| *last = Some(Noted { message, at })));
}

/// The place of the last panic of the calling thread, if it had this message.
pub(crate) fn of(message: Option<&str>) -> Option<Box<str>> {
    let last = LAST.try_with(|last| last.try_borrow_mut().ok()?.take());
    last.ok()?.filter(|last| last.message.as_deref() == message).map(|last| last.at)
}

/// A panic's message, if it has one: `panic!` makes a `&str` of a literal and a `String` of everything
/// formatted.
pub(crate) fn payload_message(payload: &dyn Any) -> Option<Box<str>> {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).map(Box::from)
}

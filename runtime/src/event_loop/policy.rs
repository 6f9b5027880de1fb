//! Which loop is the thread's.

use std::cell::RefCell;

use crate::handle::{Handle, NoLoop};

thread_local! {
    /// What `set_event_loop` has set.
    static CURRENT: RefCell<Option<Handle>> = const { RefCell::new(None) };
}

/// Sets the calling thread's loop, or clears it: what [`get_event_loop`] finds while none runs.
///
/// asyncio: `set_event_loop`.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use corio_runtime::{get_event_loop, new_event_loop, set_event_loop};
///
/// let event_loop = new_event_loop()?;
/// assert!(get_event_loop().is_err());
/// set_event_loop(Some(&event_loop));
/// assert_eq!(get_event_loop().unwrap().run_until_complete(async { 5 }).unwrap(), 5);
/// set_event_loop(None);
/// assert!(get_event_loop().is_err());
/// # Ok(())
/// # }
/// ```
pub fn set_event_loop(event_loop: Option<&Handle>) {
    // What was set before is dropped outside of the borrow: it may be the last handle of a runtime.
    let before = CURRENT.try_with(|current| current.replace(event_loop.cloned()));
    drop(before);
}

/// The loop that runs on the calling thread, else the one that was [set](set_event_loop).
///
/// asyncio: `get_event_loop`, as of 3.14: it never makes one.
///
/// # Errors
///
/// [`NoLoop`] if there is neither.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// let event_loop = corio::new_event_loop()?;
/// let inside = event_loop.run_until_complete(async { corio::get_event_loop() });
/// assert_eq!(inside.unwrap().unwrap(), *event_loop);
/// assert!(corio::get_event_loop().is_err(), "none runs, and none was set");
/// # std::io::Result::Ok(())
/// ```
pub fn get_event_loop() -> Result<Handle, NoLoop> {
    get_running_loop().or_else(|error| {
        let set = CURRENT.try_with(|current| current.borrow().clone());
        set.ok().flatten().ok_or(error)
    })
}

/// The loop or runtime that the calling code runs in; the same as [`Handle::try_current`].
///
/// asyncio: `get_running_loop`.
///
/// # Errors
///
/// [`NoLoop`] outside.
///
/// # Examples
///
/// ```
/// use corio_runtime::{get_running_loop, run};
///
/// assert!(run(async { get_running_loop().is_ok() }));
/// assert!(get_running_loop().is_err());
/// ```
pub fn get_running_loop() -> Result<Handle, NoLoop> {
    Handle::try_current()
}

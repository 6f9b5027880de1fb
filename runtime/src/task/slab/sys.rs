//! Giving memory back to the system while its addresses stay ours.
use std::ptr::NonNull;

/// Drops the contents of the whole system pages inside `start .. start + bytes`.
///
/// Their contents are lost: zeros on Linux, unchanged where the system has no such call. A
/// failure changes nothing but the memory in use, so it is not reported.
///
/// # Safety
///
/// The memory belongs to the caller, and nobody will read it before writing it again.
#[cfg(target_os = "linux")]
pub(super) unsafe fn discard(start: NonNull<u8>, bytes: usize) {
    use rustix::mm::{Advice, madvise};

    let unit = rustix::param::page_size();
    let skip = start.addr().get().next_multiple_of(unit) - start.addr().get();
    let bytes = bytes.saturating_sub(skip) / unit * unit;
    if bytes > 0 {
        let start = start.as_ptr().wrapping_byte_add(skip).cast();
        // SAFETY: whole pages inside the caller's own memory, whose contents it gave up.
        let _ = unsafe { madvise(start, bytes, Advice::LinuxDontNeed) };
    }
}

/// Does nothing: this system has no call that is known to take memory back at once.
///
/// # Safety
///
/// None needed here; the same as on Linux.
#[cfg(not(target_os = "linux"))]
pub(super) unsafe fn discard(_start: NonNull<u8>, _bytes: usize) {}

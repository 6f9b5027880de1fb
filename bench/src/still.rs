//! A thread that stands still now and then, wherever it happens to be.
//!
//! A thread that the system deschedules may stop between any two instructions, with a lock in its
//! hand or half way through a step that others wait for. To measure what the others notice, one has
//! to stop it there often enough, and for a known time. Here a timer's signal does that: its
//! handler sleeps, and it is delivered to the one thread that does not block it.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long the thread stands still: a time slice, as long as others of the same priority may run.
pub const STILL: Duration = Duration::from_millis(3);

/// How often it has done so.
static STOPS: AtomicU64 = AtomicU64::new(0);

extern "C" fn stand_still(_signal: libc::c_int) {
    let nanos = const { STILL.as_nanos() as libc::c_long };
    let span = libc::timespec { tv_sec: 0, tv_nsec: nanos };
    // SAFETY: `span` is live; sleeping is allowed in a signal handler.
    unsafe { libc::nanosleep(&raw const span, ptr::null_mut()) };
    // Relaxed: only a count.
    STOPS.fetch_add(1, Ordering::Relaxed);
}

/// How often the thread has stood still so far.
pub fn stops() -> u64 {
    // Relaxed: only a count; asked by the thread itself.
    STOPS.load(Ordering::Relaxed)
}

fn signals() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `set` is this frame's.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: emptied above, so initialized.
    let mut set = unsafe { set.assume_init() };
    // SAFETY: a valid set and signal.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGALRM) };
    set
}

fn mask(how: libc::c_int) {
    let set = signals();
    // SAFETY: `set` is live; the old mask is not asked for.
    let error = unsafe { libc::pthread_sigmask(how, &raw const set, ptr::null_mut()) };
    assert_eq!(error, 0, "pthread_sigmask: {}", io::Error::from_raw_os_error(error));
}

/// Spares the calling thread, and all that it starts from now on.
pub fn spare_me() {
    mask(libc::SIG_BLOCK);
}

/// The calling thread is the one.
pub fn take_me() {
    // SAFETY: all zeroes is a value of this record: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = stand_still as extern "C" fn(libc::c_int) as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: `action` is live, and its handler does only what a handler may do.
    let failed = unsafe { libc::sigaction(libc::SIGALRM, &raw const action, ptr::null_mut()) };
    assert_eq!(failed, 0, "sigaction: {}", io::Error::last_os_error());
    mask(libc::SIG_UNBLOCK);
}

/// Lets the one thread stand still after `after`, which is below a second.
pub fn stop_after(after: Duration) {
    let zero = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let value = libc::timeval { tv_sec: 0, tv_usec: after.subsec_micros().max(1).into() };
    let timer = libc::itimerval { it_interval: zero, it_value: value };
    // SAFETY: `timer` is live; the old one is not asked for.
    let failed = unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut()) };
    assert_eq!(failed, 0, "setitimer: {}", io::Error::last_os_error());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn the_thread_that_is_taken_stands_still() {
        spare_me();
        let thread = std::thread::spawn(|| {
            take_me();
            let (before, start) = (stops(), Instant::now());
            stop_after(Duration::from_micros(200));
            while stops() == before {
                std::hint::spin_loop();
            }
            start.elapsed()
        });
        assert!(thread.join().unwrap() >= STILL);
    }
}

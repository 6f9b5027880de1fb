//! How late the kernel may end a sleep to save power.
//!
//! Linux lets a timer of an ordinary thread come up to 50 us late so that several expire at once.
//! A worker sets its slack to 1 ns: a sleep of 50 us then takes 85 us instead of 134. The thread
//! that called `run` gets its own slack back.
use std::io;

/// Restores the calling thread's timer slack when dropped. Not `Send`: slack is per thread.
#[derive(Debug)]
#[must_use = "the slack is restored when this is dropped"]
pub(crate) struct TimerSlack {
    #[cfg(target_os = "linux")]
    previous: Option<std::num::NonZeroU64>,
    _not_send: std::marker::PhantomData<*const ()>,
}

/// Asks for timers that are as exact as the system can; does nothing where there is no slack.
///
/// # Errors
///
/// If the kernel refuses, which a seccomp filter may make it do. Timers are then less exact.
#[cfg(target_os = "linux")]
pub(crate) fn set_timer_slack() -> io::Result<TimerSlack> {
    let previous = rustix::thread::current_timer_slack()?;
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))?;
    Ok(TimerSlack {
        previous: std::num::NonZeroU64::new(previous),
        _not_send: std::marker::PhantomData,
    })
}

/// Asks for timers that are as exact as the system can; does nothing where there is no slack.
///
/// # Errors
///
/// None.
#[cfg(not(target_os = "linux"))]
pub(crate) fn set_timer_slack() -> io::Result<TimerSlack> {
    Ok(TimerSlack { _not_send: std::marker::PhantomData })
}

/// As [`set_timer_slack`], for a thread of our own, which keeps it to its end.
///
/// # Errors
///
/// Those of [`set_timer_slack`].
pub(crate) fn set_timer_slack_for_good() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))?;
    Ok(())
}

#[cfg(target_os = "linux")]
impl Drop for TimerSlack {
    fn drop(&mut self) {
        // Setting what was set before cannot fail. Zero would mean the thread's default.
        let _ = rustix::thread::set_current_timer_slack(self.previous);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::set_timer_slack;
    use rustix::thread::current_timer_slack;

    #[test]
    fn slack_is_restored() {
        let before = current_timer_slack().unwrap();
        let slack = set_timer_slack().unwrap();
        assert_eq!(current_timer_slack().unwrap(), 1);
        drop(slack);
        assert_eq!(current_timer_slack().unwrap(), before);
    }
}

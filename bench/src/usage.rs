//! What this process and this machine have used: CPU time, context switches, memory.

use std::fs;
use std::io;
use std::time::Duration;

/// Resources used up to a moment; two of them subtract.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system CPU time.
    pub cpu: Duration,
    /// Voluntary and involuntary context switches.
    pub switches: u64,
}

impl Usage {
    /// What all threads of this process have used, those that ended included.
    pub fn of_process() -> Self {
        rusage(libc::RUSAGE_SELF)
    }

    /// What the calling thread has used.
    pub fn of_thread() -> Self {
        rusage(libc::RUSAGE_THREAD)
    }

    /// What the waited-for child processes of this process have used.
    pub fn of_children() -> Self {
        rusage(libc::RUSAGE_CHILDREN)
    }

    /// What was used between `earlier` and `self`.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            switches: self.switches.saturating_sub(earlier.switches),
        }
    }
}

fn rusage(who: libc::c_int) -> Usage {
    // SAFETY: `rusage` is a plain record of integers, for which all zeroes is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a live record that this frame owns; `who` is a constant of it.
    let failed = unsafe { libc::getrusage(who, &raw mut usage) };
    assert_eq!(failed, 0, "getrusage: {}", io::Error::last_os_error());
    let time = |t: libc::timeval| {
        Duration::from_secs(t.tv_sec.unsigned_abs())
            + Duration::from_micros(t.tv_usec.unsigned_abs())
    };
    Usage {
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        switches: usage.ru_nvcsw.unsigned_abs() + usage.ru_nivcsw.unsigned_abs(),
    }
}

/// Resident memory of this process in bytes.
///
/// # Errors
/// `/proc/self/statm` cannot be read or holds something else.
pub fn resident_bytes() -> io::Result<u64> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm
        .split_whitespace()
        .nth(1)
        .and_then(|field| field.parse().ok())
        .ok_or_else(|| io::Error::other(format!("/proc/self/statm holds {statm:?}")))?;
    Ok(pages * rustix::param::page_size() as u64)
}

/// CPU time that the whole machine has spent on something, since it started.
///
/// Time that the host took from a virtual machine counts as spent: it is no less a disturbance.
///
/// # Errors
/// `/proc/stat` cannot be read or holds something else.
pub fn machine_busy() -> io::Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let ticks = busy_ticks(&stat)
        .ok_or_else(|| io::Error::other("/proc/stat does not begin with a cpu line"))?;
    Ok(Duration::from_secs(ticks) / rustix::param::clock_ticks_per_second() as u32)
}

/// Sums user, nice, system, irq, softirq and steal of the first line; idle and iowait are rest,
/// and guest time is part of user already.
fn busy_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.lines().next()?.split_whitespace();
    if fields.next()? != "cpu" {
        return None;
    }
    let ticks: Vec<u64> = fields.map_while(|field| field.parse().ok()).collect();
    let idle = ticks.get(3)? + ticks.get(4)?;
    Some(ticks.iter().take(8).sum::<u64>() - idle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_is_everything_but_idle_iowait_and_guest() {
        let stat = "cpu  10 1 20 1000 500 2 3 4 9 9\ncpu0 1 1 1 1\n";
        assert_eq!(busy_ticks(stat), Some(10 + 1 + 20 + 2 + 3 + 4));
        assert_eq!(busy_ticks("intr 1 2"), None);
    }

    #[test]
    fn work_shows_in_the_usage_of_the_process() {
        let before = Usage::of_process();
        // The clock goes on while others have the processor; 20 ms may hold no work at all.
        let shows = (0..1_000).any(|_| {
            crate::burn::hog(Duration::from_millis(20));
            Usage::of_process().since(before).cpu >= Duration::from_millis(1)
        });
        assert!(shows, "20 s of work show nowhere");
    }

    #[test]
    fn memory_and_machine_can_be_read() {
        assert!(resident_bytes().unwrap() > 0);
        assert!(machine_busy().unwrap() > Duration::ZERO);
    }
}

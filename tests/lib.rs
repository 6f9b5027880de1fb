//! Helpers shared by corio's integration tests: bounded waits, counts of what a process holds, and
//! randomness that can be replayed.
//!
//! No test sleeps and hopes: it waits for the thing itself, and says what did not come.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

pub mod child;
pub mod kit;
pub mod refused;

/// How long a test waits for what should come at once. Generous, because a loaded machine may
/// keep a thread from running for seconds, and a test wakes thousands of them; a hang is still told
/// from slowness. (30 s were too few on two cores that 35 processes wanted.)
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Pause between two looks of [`eventually`].
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Runs `body` on a thread of its own and returns its result.
///
/// The thread is left behind if it does not end in time: a test that hangs fails instead.
///
/// # Panics
///
/// With `what` if `body` is not done within `limit`; and with the panic of `body`.
#[track_caller]
pub fn within<T: Send + 'static>(
    limit: Duration,
    what: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (sender, receiver) = mpsc::channel();
    let name = thread::current().name().unwrap_or("test").to_owned();
    thread::Builder::new()
        .name(name)
        .spawn(move || sender.send(catch_unwind(AssertUnwindSafe(body))))
        .expect("a thread for the test");
    match receiver.recv_timeout(limit) {
        Ok(Ok(value)) => value,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => panic!("{what}: not done within {limit:?}"),
    }
}

/// Looks again and again until `look` returns something.
///
/// # Panics
///
/// With `what` if nothing came within [`PATIENCE`].
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: did not come within {PATIENCE:?}");
        thread::sleep(LOOK_EVERY);
    }
}

/// What the machine has and the tests must therefore use, in words with spaces between them.
pub const MUST_RUN: &str = "CORIO_MUST_RUN";

/// Says that `test` has nothing to do, because the machine lacks what `need` stands for: past the
/// harness, which hides what a test says.
///
/// # Panics
///
/// If the environment variable `CORIO_MUST_RUN` names the need. `.ci/run` looks what the machine has and
/// sets it: there a skip is a gap that would not be seen.
#[track_caller]
pub fn skipped(need: &str, test: &str, why: &str) {
    let listed = std::env::var(MUST_RUN).unwrap_or_default();
    if let Err(refused) = may_skip(&listed, need, test, why) {
        panic!("{refused}");
    }
    let _ = writeln!(std::io::stderr(), "{test} skipped: {why}");
}

fn may_skip(listed: &str, need: &str, test: &str, why: &str) -> Result<(), String> {
    if listed.split_whitespace().any(|word| word == need) {
        return Err(format!("{test} must run, as {MUST_RUN} has {need}, and cannot: {why}"));
    }
    Ok(())
}

/// The number of descriptors that the process holds.
///
/// # Panics
///
/// Where there is no `/proc/self/fd`.
#[must_use]
pub fn open_descriptors() -> usize {
    // The one of the listing itself is among them.
    std::fs::read_dir("/proc/self/fd").expect("/proc is mounted").count() - 1
}

/// A count as it is when what is on its way out has gone: the least of some looks.
///
/// Whoever closes a descriptor, or ends a thread, may do so a moment after a test has seen the end of
/// its work. A count that is kept to compare with must not have that in it: it would never come again.
#[must_use]
pub fn at_rest(count: impl Fn() -> usize) -> usize {
    const LOOKS: usize = 50;
    let looks = (0..LOOKS).map(|_| {
        thread::sleep(LOOK_EVERY);
        count()
    });
    looks.min().expect("there is a look")
}

/// The memory of the process that is in RAM, in bytes.
///
/// # Panics
///
/// Where there is no `/proc/self/status`.
#[must_use]
pub fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("a VmRSS line");
    let kib = line.split_whitespace().next().and_then(|n| n.parse::<usize>().ok());
    kib.expect("a number of kB") * 1024
}

/// A seeded generator (SplitMix64: Steele, Lea and Flood, *Fast splittable pseudorandom number
/// generators*, 2014). Equal seeds give equal numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator with a seed of one's own.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator seeded by the environment variable `name`, or by the clock; prints the seed, so
    /// that a failure can be replayed.
    ///
    /// # Panics
    ///
    /// If the variable is set to something that is no number.
    #[must_use]
    pub fn from_env(name: &str) -> Self {
        let seed = match std::env::var(name) {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text}: no number")),
            Err(_) => std::time::UNIX_EPOCH.elapsed().map_or(1, |now| now.as_nanos() as u64),
        };
        println!("{name}={seed}");
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    ///
    /// # Panics
    ///
    /// If `limit` is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        assert!(limit > 0, "no number is below 0");
        (self.next_u64() % limit as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_passes_the_value_and_the_panic_on() {
        assert_eq!(within(PATIENCE, "a value", || 7), 7);
        let panic = catch_unwind(|| within(PATIENCE, "a panic", || panic!("inside")));
        assert_eq!(panic.unwrap_err().downcast_ref::<&str>(), Some(&"inside"));
    }

    #[test]
    #[should_panic(expected = "a hang: not done within 5ms")]
    fn within_gives_up() {
        within(Duration::from_millis(5), "a hang", || thread::sleep(PATIENCE));
    }

    #[test]
    fn eventually_looks_again() {
        let mut looks = 0;
        let third = eventually("the third look", || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(third, 3);
    }

    #[test]
    fn what_must_run_is_not_skipped() {
        assert_eq!(may_skip("", "wrk", "t", "why"), Ok(()));
        assert_eq!(may_skip("h2load wrkx", "wrk", "t", "why"), Ok(()));
        let refused = may_skip("h2load wrk", "wrk", "t", "not installed").unwrap_err();
        assert_eq!(refused, "t must run, as CORIO_MUST_RUN has wrk, and cannot: not installed");
    }

    #[test]
    fn descriptors_and_memory_are_counted() {
        let before = open_descriptors();
        let file = std::fs::File::open("/proc/self/status").unwrap();
        // Other tests of this process open and close their own meanwhile.
        assert!(open_descriptors() > 0 && before > 0);
        drop(file);
        assert!(resident_bytes() > 100 * 1024);
    }

    #[test]
    fn equal_seeds_give_equal_numbers() {
        let (mut a, mut b) = (Random::new(1), Random::new(1));
        assert!((0..100).all(|_| a.next_u64() == b.next_u64()));
        assert!((0..1000).all(|_| a.below(3) < 3));
        // The first number of seed 0 in the authors' own program.
        assert_eq!(Random::new(0).next_u64(), 0xE220_A839_7B1D_CDAF);
    }
}

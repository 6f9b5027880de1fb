//! Whether a thread that is about to sleep first waits actively for a moment.
//!
//! To wake a thread costs a system call and a context switch, and on a virtual machine whose other
//! core has halted 30-100 us more. If what the thread waits for comes sooner, waiting actively is
//! cheaper for both sides. If it does not, the time is lost. Nobody knows in advance; so a [`Gate`]
//! remembers how the last attempts went.
//!
//! # The bounds
//!
//! - One attempt lasts [`BUDGET`].
//! - An attempt that fails makes the gate skip sleeps: 127 after the first, [`SKIP_MAX`] after two.
//!   A thread that waits for long each time so spends [`BUDGET`] per [`SKIP_MAX`] sleeps, that is
//!   50 ns per sleep. One that never sleeps spends nothing, nor one that has slept less than
//!   [`SKIP_FIRST`] times.
//! - One success allows the next attempt at once, and takes back a part of a failure: where fewer
//!   than three of four attempts succeed, the gate soon is as closed as if none did.
//! - An attempt that took several times its budget did so because others need this core. It counts
//!   as two failures, and leads on to [`SKIP_LOADED`] skipped sleeps if that goes on.
//!
//! # Yielding
//!
//! The thread that is waited for may be ready to run on this very core. Spinning would keep it from
//! that; so after every few looks the core is offered to it. Two threads that hand work to and fro
//! on one core so need one system call per hand-over, where sleep and wake are two on each side.
//!
//! # Rejected
//!
//! - Spinning without yielding: succeeds only if both threads happen to be on different cores.
//! - Measuring how long sleeps last, to try only after short ones: two clock reads per sleep, and
//!   a short wait looks long from within, because it includes the wake-up that is to be saved.

#[cfg(not(any(corio_loom, corio_shuttle)))]
use std::time::{Duration, Instant};

#[cfg(not(any(corio_loom, corio_shuttle)))]
use crate::shim::{hint, thread};

/// The longest attempt: what a wake-up costs where it is dear.
#[cfg(not(any(corio_loom, corio_shuttle)))]
const BUDGET: Duration = Duration::from_micros(50);
/// An attempt that took so long was interrupted by other threads.
#[cfg(not(any(corio_loom, corio_shuttle)))]
const OVERRUN: Duration = Duration::from_micros(250);
/// Looks between two offers of the core, with a pause of some 10 ns after each.
#[cfg(not(any(corio_loom, corio_shuttle)))]
const LOOKS: u32 = 8;

/// Level of a gate that has not been tried.
const LEVEL_FIRST: u32 = 4;
/// Levels that a failure adds, and a success takes back a third of.
const LEVELS_PER_MISS: u32 = 3;
/// Level of a gate whose attempts fail.
const LEVEL_MAX: u32 = 10;
/// Level of a gate whose attempts are interrupted.
const LEVEL_LOADED: u32 = 16;
/// Sleeps before the first attempt.
const SKIP_FIRST: u32 = skip(LEVEL_FIRST);
/// Sleeps between two attempts that fail.
const SKIP_MAX: u32 = skip(LEVEL_MAX);
/// Sleeps after an attempt that was interrupted.
const SKIP_LOADED: u32 = skip(LEVEL_LOADED);

const _: () = assert!(SKIP_FIRST == 15 && SKIP_MAX == 1_023 && SKIP_LOADED == 65_535);
const _: () = assert!(skip(LEVEL_FIRST + LEVELS_PER_MISS) == 127, "the module doc quotes it");

/// Sleeps that are skipped at a level.
const fn skip(level: u32) -> u32 {
    (1 << level) - 1
}

/// What one waiting thread has learned; see the module's documentation.
#[derive(Debug)]
pub struct Gate {
    /// Sleeps until the next attempt.
    skip: u32,
    level: u32,
}

/// How an attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    Hit,
    Miss,
    /// It took far longer than it should, whatever it found.
    #[cfg_attr(any(corio_loom, corio_shuttle), allow(dead_code))]
    Interrupted,
}

impl Gate {
    /// A gate that lets some sleeps pass before the first attempt.
    #[must_use]
    pub const fn new() -> Self {
        Self { skip: SKIP_FIRST, level: LEVEL_FIRST }
    }

    /// Before a sleep: true if the caller is to [`spin`](Self::spin) first.
    #[inline]
    #[must_use = "true means that the next sleep is worth an attempt"]
    pub fn is_open(&mut self) -> bool {
        let open = self.skip == 0;
        self.skip = self.skip.saturating_sub(1);
        open
    }

    /// Waits actively until `done` says so, or for 50 us. True if it was done.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    pub fn spin(&mut self, mut done: impl FnMut() -> bool) -> bool {
        let start = Instant::now();
        let mut found = false;
        let mut took = Duration::ZERO;
        while !found && took < BUDGET {
            found = (0..LOOKS).any(|_| {
                hint::spin_loop();
                done()
            });
            if !found {
                thread::yield_now();
                took = start.elapsed();
            }
        }
        self.learn(match found {
            _ if took >= OVERRUN => Attempt::Interrupted,
            true => Attempt::Hit,
            false => Attempt::Miss,
        });
        found
    }

    /// A model looks once: what comes between two looks is the same to it as what comes before.
    #[cfg(any(corio_loom, corio_shuttle))]
    pub fn spin(&mut self, mut done: impl FnMut() -> bool) -> bool {
        let found = done();
        self.learn(if found { Attempt::Hit } else { Attempt::Miss });
        found
    }

    fn learn(&mut self, attempt: Attempt) {
        match attempt {
            Attempt::Hit => {
                self.level = self.level.saturating_sub(1);
                self.skip = 0;
            }
            Attempt::Miss => {
                self.level = (self.level + LEVELS_PER_MISS).min(LEVEL_MAX.max(self.level));
                self.skip = skip(self.level);
            }
            Attempt::Interrupted => {
                self.level = (self.level + 2 * LEVELS_PER_MISS).min(LEVEL_LOADED);
                self.skip = skip(self.level);
            }
        }
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;

//! Whether a thread that is about to sleep first waits actively for a moment.
//!
//! To wake a thread costs a system call and a context switch, and on a virtual machine whose other
//! core has halted 30-100 us more. If what the thread waits for comes sooner, waiting actively is
//! cheaper for both sides. If it does not, the time is lost. Nobody knows in advance; so a [`Gate`]
//! remembers how the last attempts went.
//!
//! # The bounds
//!
//! - One attempt lasts [`BUDGET`] at most, if nobody else runs on its core meanwhile.
//! - An attempt that fails makes the gate skip sleeps: 127 after the first, `SKIP_MAX` after two.
//!   A thread that waits for long each time so spends [`BUDGET`] per `SKIP_MAX` sleeps, that is
//!   80 ns per sleep. One that never sleeps spends nothing, nor one that has slept less than
//!   `SKIP_FIRST` times.
//! - One success allows the next attempt at once, and takes back a part of a failure: where fewer
//!   than three of four attempts succeed, the gate soon is as closed as if none did.
//!
//! # Yielding
//!
//! The thread that is waited for may be ready to run on this very core. Spinning would keep it from
//! that; so after every few looks the core is offered to it. Two threads that hand work to and fro
//! on one core so need one system call per hand-over, where sleep and wake are two on each side.
//!
//! The core may go to a stranger instead, for a whole time slice: Linux since 6.18 takes a yield
//! for the gift of the slice that is left. On a core with fifteen compilers of the lowest priority
//! two threads that yielded without bounds lost nine tenths of their time. A sleeper that is woken,
//! by contrast, gets its core back at once. So an attempt that was away for `AWAY` ends the
//! yielding, not the attempts: for 255 sleeps, four times as many if it happens again, in the end
//! for `SKIP_YIELD_MAX`; only `STREAK` successes in a row take back a part of that. At 10 us per
//! sleep a loaded core so costs one slice of 3 ms per 0.6 s. Attempts that may not yield are
//! short, [`BUDGET_SHORT`].
//!
//! # Rejected
//!
//! - Spinning without yielding: succeeds only if both threads happen to be on different cores.
//! - Measuring how long sleeps last, to try only after short ones: two clock reads per sleep, and
//!   a short wait looks long from within, because it includes the wake-up that is to be saved.

use std::time::Duration;
#[cfg(not(any(corio_loom, corio_shuttle)))]
use std::time::Instant;

#[cfg(not(any(corio_loom, corio_shuttle)))]
use crate::shim::{hint, thread};

/// The longest attempt: what a wake-up costs where it is dear. On a virtual machine whose other core
/// had halted it took 45-60 us from the system call to the woken thread; with less than that an
/// attempt could never meet an answer from there, and nobody would learn that the next could.
pub const BUDGET: Duration = Duration::from_micros(80);
/// The longest attempt of who may keep something else waiting meanwhile.
pub const BUDGET_SHORT: Duration = Duration::from_micros(20);
/// An attempt that took so long was away: some stranger had the core.
#[cfg(not(any(corio_loom, corio_shuttle)))]
const AWAY: Duration = Duration::from_micros(250);
/// Looks between two offers of the core, with a pause of some 10 ns after each.
#[cfg(not(any(corio_loom, corio_shuttle)))]
const LOOKS: u32 = 8;

/// Level of a gate that has not been tried.
const LEVEL_FIRST: u32 = 4;
/// Levels that a failure adds, and a success takes back a third of.
const LEVELS_PER_MISS: u32 = 3;
/// Level of a gate whose attempts fail.
const LEVEL_MAX: u32 = 10;
/// Levels that a gift of the core to a stranger adds to the yielding.
const YIELD_LEVELS_PER_LOSS: u32 = 2;
/// Level of the yielding at first, and at best.
const YIELD_LEVEL_MIN: u32 = 6;
/// Level of the yielding on a loaded core.
const YIELD_LEVEL_MAX: u32 = 16;
/// Successes in a row that take back one level of the yielding: a loss costs as much as a thousand
/// successes bring.
const STREAK: u32 = 1_024;
/// Sleeps before the first attempt.
const SKIP_FIRST: u32 = skip(LEVEL_FIRST);
/// Sleeps between two attempts that fail.
const SKIP_MAX: u32 = skip(LEVEL_MAX);
/// Sleeps without yielding on a loaded core.
const SKIP_YIELD_MAX: u32 = skip(YIELD_LEVEL_MAX);

const _: () = assert!(SKIP_FIRST == 15 && SKIP_MAX == 1_023 && SKIP_YIELD_MAX == 65_535);
const _: () = assert!(skip(YIELD_LEVEL_MIN + YIELD_LEVELS_PER_LOSS) == 255, "and this");
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
    /// Sleeps until attempts may yield.
    skip_yield: u32,
    yield_level: u32,
    /// Successes since the last failure.
    streak: u32,
}

/// How an attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    Hit,
    Miss,
    /// It offered the core, and did not get it back for long, whatever it found then.
    #[cfg_attr(any(corio_loom, corio_shuttle), allow(dead_code))]
    Away,
}

impl Gate {
    /// A gate that lets some sleeps pass before the first attempt.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            skip: SKIP_FIRST,
            level: LEVEL_FIRST,
            skip_yield: 0,
            yield_level: YIELD_LEVEL_MIN,
            streak: 0,
        }
    }

    /// Before a sleep: true if the caller is to [`spin`](Self::spin) first.
    #[inline]
    #[must_use = "true means that the next sleep is worth an attempt"]
    pub fn is_open(&mut self) -> bool {
        let open = self.skip == 0;
        self.skip = self.skip.saturating_sub(1);
        self.skip_yield = self.skip_yield.saturating_sub(1);
        open
    }

    /// Waits actively until `done` says so, or for `budget`. True if it was done.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    pub fn spin(&mut self, budget: Duration, mut done: impl FnMut() -> bool) -> bool {
        let yields = self.skip_yield == 0;
        let budget = if yields { budget } else { budget.min(BUDGET_SHORT) };
        let start = Instant::now();
        let mut found = false;
        let mut took = Duration::ZERO;
        while !found && took < budget {
            found = (0..LOOKS).any(|_| {
                hint::spin_loop();
                done()
            });
            if !found {
                if yields {
                    thread::yield_now();
                }
                took = start.elapsed();
            }
        }
        self.learn(match found {
            _ if yields && took >= AWAY => Attempt::Away,
            true if took < budget => Attempt::Hit,
            _ => Attempt::Miss,
        });
        found
    }

    /// A model looks once: what comes between two looks is the same to it as what comes before.
    #[cfg(any(corio_loom, corio_shuttle))]
    pub fn spin(&mut self, _: Duration, mut done: impl FnMut() -> bool) -> bool {
        let found = done();
        self.learn(if found { Attempt::Hit } else { Attempt::Miss });
        found
    }

    fn learn(&mut self, attempt: Attempt) {
        if attempt == Attempt::Hit {
            self.level = self.level.saturating_sub(1);
            self.skip = 0;
            self.streak += 1;
            if self.streak == STREAK {
                self.streak = 0;
                self.yield_level = (self.yield_level - 1).max(YIELD_LEVEL_MIN);
            }
            return;
        }
        self.streak = 0;
        self.level = (self.level + LEVELS_PER_MISS).min(LEVEL_MAX);
        self.skip = skip(self.level);
        if attempt == Attempt::Away {
            self.yield_level = (self.yield_level + YIELD_LEVELS_PER_LOSS).min(YIELD_LEVEL_MAX);
            self.skip_yield = skip(self.yield_level);
        }
        debug_assert!(self.skip <= SKIP_MAX && self.skip_yield <= SKIP_YIELD_MAX, "the bounds");
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;

//! All rows, in the order of the report. A new row is a type in one of the modules below that is
//! a [`Pass`](crate::pass::Pass) or a [`Workload`], and one line in [`ROWS`].

pub mod cpu;
pub mod spawn;
pub mod switch;
pub mod time;

use crate::pass::Repeat;
use crate::row::{Figures, Plan, Row, Workload, Wrong};
use crate::rt::{Nio, Smol, Tokio};

#[cfg(feature = "corio")]
use crate::rt::Corio;

type Measure = fn(&Plan) -> Result<Figures, Wrong>;

/// A row with its measurement under each runtime.
pub struct Entry {
    /// The description.
    pub row: Row,
    adapters: &'static [(&'static str, Measure)],
}

impl Entry {
    const fn of<W: Workload>() -> Self {
        Self {
            row: W::ROW,
            adapters: &[
                #[cfg(feature = "corio")]
                ("corio", W::measure::<Corio>),
                ("tokio", W::measure::<Tokio>),
                ("smol", W::measure::<Smol>),
                ("nio", W::measure::<Nio>),
            ],
        }
    }

    /// The measurement under the adapter of that name, if this build has it.
    pub fn measure(&self, adapter: &str) -> Option<Measure> {
        self.adapters.iter().find(|(name, _)| *name == adapter).map(|&(_, measure)| measure)
    }
}

/// The rows.
pub const ROWS: &[Entry] = &[
    Entry::of::<Repeat<spawn::SpawnManyLocal>>(),
    Entry::of::<Repeat<spawn::SpawnJoinOne>>(),
    Entry::of::<Repeat<switch::YieldMany>>(),
    Entry::of::<Repeat<switch::PingPong>>(),
    Entry::of::<Repeat<spawn::ChainedSpawn>>(),
    Entry::of::<Repeat<spawn::Skynet>>(),
    Entry::of::<Repeat<spawn::Fib>>(),
    Entry::of::<Repeat<spawn::FanOutIn>>(),
    Entry::of::<Repeat<time::TimeoutYield>>(),
    Entry::of::<Repeat<time::TimerInsertCancel>>(),
    Entry::of::<Repeat<cpu::Cpu64x50us>>(),
    Entry::of::<Repeat<cpu::ParentChild1ms>>(),
];

/// The row of that name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ROWS.iter().find(|entry| entry.row.name == name)
}

#[cfg(test)]
mod tests;

//! All rows, in the order of the report. A new row is one line in [`ROWS`] and a type in one of
//! the modules below: a [`Pass`](crate::pass::Pass), an
//! [`OutsidePass`](crate::pass::OutsidePass), or a [`Workload`] for all that is neither.

pub mod blocking;
pub mod cpu;
pub mod memory;
pub mod net;
pub mod spawn;
pub mod stall;
pub mod submit;
pub mod switch;
pub mod time;
pub mod trip;

use crate::pass::{Repeat, RepeatOutside};
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
    Entry::of::<RepeatOutside<submit::Submit4Threads>>(),
    Entry::of::<submit::SubmitLatency>(),
    Entry::of::<trip::MainRoundTrip>(),
    Entry::of::<RepeatOutside<submit::BlockOnSpawn>>(),
    Entry::of::<submit::StartStop>(),
    Entry::of::<Repeat<time::TimeoutYield>>(),
    Entry::of::<Repeat<time::TimerInsertCancel>>(),
    Entry::of::<time::Sleep1msLate>(),
    Entry::of::<Repeat<blocking::BlockingRtt>>(),
    Entry::of::<Repeat<blocking::Blocking10k>>(),
    Entry::of::<Repeat<cpu::Cpu64x50us>>(),
    Entry::of::<Repeat<cpu::ParentChild1ms>>(),
    Entry::of::<memory::MemPerTask>(),
    Entry::of::<net::Idle1000Conn>(),
    Entry::of::<net::Echo<1>>(),
    Entry::of::<net::Echo<64>>(),
    Entry::of::<net::Echo<1000>>(),
    Entry::of::<net::Http64>(),
    Entry::of::<net::AcceptClose>(),
    Entry::of::<net::Hog>(),
    Entry::of::<stall::WeakA>(),
    Entry::of::<stall::WeakB>(),
];

/// The row of that name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ROWS.iter().find(|entry| entry.row.name == name)
}

#[cfg(test)]
mod tests;

//! What a row of the comparison is: its name, its figures, and how one measurement is taken.

use std::fmt;
use std::time::Duration;

use crate::rt::{Rt, Setup, Unstable};

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds; printed with the prefix that fits.
    Nanos,
    /// Bytes.
    Bytes,
    /// A number of things.
    Count,
    /// Things per second.
    PerSecond,
}

/// Which direction of a figure is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
    /// Neither: the figure explains the others.
    Context,
}

/// One figure of a row.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Short name, unique within the row.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// Which direction is good.
    pub better: Better,
}

impl Metric {
    /// A time, less of which is better.
    pub const fn nanos(name: &'static str) -> Self {
        Self { name, unit: Unit::Nanos, better: Better::Lower }
    }

    /// A count, less of which is better.
    pub const fn count(name: &'static str) -> Self {
        Self { name, unit: Unit::Count, better: Better::Lower }
    }

    /// A figure without a good direction.
    pub const fn context(name: &'static str, unit: Unit) -> Self {
        Self { name, unit, better: Better::Context }
    }
}

/// Wall and CPU time of one operation: the figures of most rows.
pub const WALL_AND_CPU: &[Metric] = &[Metric::nanos("wall"), Metric::nanos("cpu")];

/// What corio promises for the first figure of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// At least so many times better than stock tokio in the same run.
    TimesTokio(f64),
    /// At most this figure.
    AtMost(f64),
    /// The median of the rounds at most the first figure, and no round above the second.
    AtMostEver(f64, f64),
    /// At least so many times better than stock tokio, and at most this figure.
    Both(f64, f64),
    /// At most this figure, or no worse than stock tokio.
    Either(f64),
    /// At least so many times better than each of those named.
    TimesOf(&'static [(&'static str, f64)]),
    /// At least so many times better than another figure of stock tokio's row.
    Cross {
        /// Against the same figure of tokio.
        times: f64,
        /// tokio's other figure.
        other: &'static str,
        /// Against that one.
        times_other: f64,
    },
}

/// The description of a row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name on the command line and in reports.
    pub name: &'static str,
    /// What is done and what one operation is, in a line.
    pub about: &'static str,
    /// Its figures; the ratio of the first is the row's.
    pub metrics: &'static [Metric],
    /// The unstable options of tokio that serve the row best.
    pub best: Unstable,
    /// What corio promises.
    pub target: Option<Target>,
    /// Adapters that cannot run the row, and why.
    pub skip: &'static [(&'static str, &'static str)],
    /// What has to be said beside the figures: where a peer leads, and why.
    pub note: Option<&'static str>,
}

impl Row {
    /// A row with wall and CPU time and no peculiarities.
    pub const fn new(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            about,
            metrics: WALL_AND_CPU,
            best: Unstable::NONE,
            target: None,
            skip: &[],
            note: None,
        }
    }

    /// With a target.
    pub const fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// With figures of its own.
    pub const fn metrics(mut self, metrics: &'static [Metric]) -> Self {
        self.metrics = metrics;
        self
    }

    /// With options for `tokio-best`.
    pub const fn best(mut self, best: Unstable) -> Self {
        self.best = best;
        self
    }

    /// With something to say beside the figures.
    pub const fn note(mut self, note: &'static str) -> Self {
        self.note = Some(note);
        self
    }

    /// Without the runtimes named.
    pub const fn skip(mut self, skip: &'static [(&'static str, &'static str)]) -> Self {
        self.skip = skip;
        self
    }
}

/// How one measurement is to be taken.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How to start the runtime.
    pub setup: Setup,
    /// Work for at least so long before the measurement.
    pub warm_up: Duration,
    /// Measure for at least so long.
    pub measure: Duration,
    /// And at least so many passes, if the row has passes.
    pub passes: usize,
}

/// The figures of one measurement, in the order of the row's metrics.
pub type Figures = Vec<f64>;

/// A workload returned something other than the right answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong(pub String);

impl Wrong {
    /// `Ok` when the two are equal.
    ///
    /// # Errors
    /// They are not; the error names `what` and both.
    pub fn unless_equal<T: PartialEq + fmt::Debug>(
        what: &str,
        found: &T,
        expected: &T,
    ) -> Result<(), Self> {
        if found == expected {
            return Ok(());
        }
        Err(Self(format!("{what} is {found:?} and should be {expected:?}")))
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

impl From<std::io::Error> for Wrong {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// A row: its description and one generic function that measures it under any runtime.
pub trait Workload {
    /// The description.
    const ROW: Row;

    /// Takes one measurement in this process, which has measured nothing before.
    ///
    /// # Errors
    /// The workload's output is wrong.
    fn measure<R: Rt>(plan: &Plan) -> Result<Figures, Wrong>;
}

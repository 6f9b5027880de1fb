//! All rows, in the order of the report. A new row is one line in [`ROWS`] and a type in one of
//! the modules below: a [`Pass`](crate::pass::Pass), an
//! [`OutsidePass`](crate::pass::OutsidePass), or a [`Workload`] for all that is neither.

pub mod blocking;
#[cfg(feature = "corio")]
pub mod compose;
pub mod cpu;
#[cfg(feature = "corio")]
pub mod files;
pub mod memory;
pub mod net;
#[cfg(feature = "corio")]
pub mod scopes;
pub mod spawn;
pub mod stall;
pub mod submit;
pub mod switch;
#[cfg(feature = "corio")]
pub mod sync;
pub mod time;
pub mod trip;
#[cfg(feature = "corio")]
pub mod waits;

#[cfg(feature = "corio")]
use self::sync::{channels, late, locks, queues, signals};
use crate::pass::{Repeat, RepeatOutside};
#[cfg(feature = "corio")]
use crate::prim::{self, Bounded, Queued, Settled, Unbounded, Unfair};
use crate::row::{Figures, Plan, Row, Workload, Wrong};
use crate::rt::{Nio, Smol, Tokio};

#[cfg(feature = "corio")]
use crate::rt::Corio;

type Measure = fn(&Plan) -> Result<Figures, Wrong>;

/// A row with its measurement under each runtime.
pub struct Entry {
    /// The description.
    pub row: Row,
    /// Whether it compares primitives (`prim`) and not runtimes.
    pub primitives: bool,
    adapters: &'static [(&'static str, Measure)],
}

impl Entry {
    const fn of<W: Workload>() -> Self {
        Self {
            row: W::ROW,
            primitives: false,
            adapters: &[
                #[cfg(feature = "corio")]
                ("corio", W::measure::<Corio>),
                ("tokio", W::measure::<Tokio>),
                ("smol", W::measure::<Smol>),
                ("nio", W::measure::<Nio>),
            ],
        }
    }

    /// The names of all adapters.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.adapters.iter().map(|(name, _)| *name)
    }

    /// The measurement under the adapter of that name, if this build has it.
    pub fn measure(&self, adapter: &str) -> Option<Measure> {
        self.adapters.iter().find(|(name, _)| *name == adapter).map(|&(_, measure)| measure)
    }
}

/// An entry that compares corio's, under its own runtime, with those of others by name; also with
/// corio's under tokio, if there is a name for that behind a semicolon.
#[cfg(feature = "corio")]
macro_rules! at_home {
    ($lib:ident => $workload:ty; $corio:ty $(, $name:literal: $other:ty)* $(; $abroad:literal)?) => {{
        type Work<$lib> = $workload;
        Entry {
            row: <Work<$corio> as Workload>::ROW,
            primitives: true,
            adapters: &[
                ("corio", <Work<$corio> as Workload>::measure::<Corio>),
                $(($name, <Work<$other> as Workload>::measure::<Tokio>),)*
                $(($abroad, <Work<$corio> as Workload>::measure::<Tokio>),)?
            ],
        }
    }};
}

/// The same for primitives, which know no runtime.
#[cfg(feature = "corio")]
macro_rules! primitives {
    ($($row:tt)*) => {
        at_home!($($row)*; "corio@tokio")
    };
}

/// A row of compositions: corio's, and tokio's for the same purpose.
#[cfg(feature = "corio")]
macro_rules! compositions {
    ($module:ident::$row:ident $(<$work:ty>)?) => {
        at_home!(L => Repeat<$module::$row<L $(, $work)?>>; prim::Corio, "tokio": prim::Tokio)
    };
}

/// A row of channels: corio's, and that of everybody who has one.
#[cfg(feature = "corio")]
macro_rules! channels {
    ($spec:ident: $corio:ty, $kind:ident $(, $n:literal)?) => {
        primitives!(
            C => Repeat<queues::ToOne<queues::$spec, C>>; $corio,
            "tokio": $kind<prim::Tokio $(, $n)?>,
            "kanal": $kind<prim::Kanal $(, $n)?>,
            "flume": $kind<prim::Flume $(, $n)?>,
            "async-channel": $kind<prim::AsyncChannel $(, $n)?>
        )
    };
}

/// A row of files: corio's, tokio's as they are and behind a buffer, and std's.
#[cfg(feature = "corio")]
macro_rules! files {
    ($way:ident<$piece:ty>) => {
        at_home!(F => Repeat<files::$way<$piece, F>>; prim::Corio,
            "tokio": prim::Tokio, "tokio-buffered": prim::TokioBuffered, "std": prim::Std)
    };
}

/// The rows.
pub const ROWS: &[Entry] = &[
    Entry::of::<Repeat<spawn::SpawnManyLocal>>(),
    Entry::of::<Repeat<spawn::SpawnJoinOne>>(),
    Entry::of::<Repeat<switch::YieldMany>>(),
    Entry::of::<Repeat<switch::YieldAlone>>(),
    Entry::of::<Repeat<switch::PingPong>>(),
    Entry::of::<Repeat<spawn::ChainedSpawn>>(),
    Entry::of::<Repeat<spawn::Skynet>>(),
    Entry::of::<Repeat<spawn::Fib>>(),
    Entry::of::<Repeat<spawn::FanOutIn>>(),
    Entry::of::<Repeat<spawn::DoneCallback>>(),
    Entry::of::<RepeatOutside<submit::Submit4Threads>>(),
    Entry::of::<submit::SubmitLatency>(),
    Entry::of::<trip::MainRoundTrip>(),
    Entry::of::<RepeatOutside<submit::BlockOnSpawn>>(),
    Entry::of::<submit::StartStop>(),
    Entry::of::<Repeat<time::TimeoutYield>>(),
    Entry::of::<Repeat<time::TimeoutReady>>(),
    Entry::of::<Repeat<time::TimerInsertCancel>>(),
    Entry::of::<time::Sleep1msLate>(),
    Entry::of::<Repeat<blocking::BlockingRtt>>(),
    Entry::of::<Repeat<blocking::Blocking10k>>(),
    Entry::of::<Repeat<cpu::Cpu64x50us>>(),
    Entry::of::<Repeat<cpu::ParentChild1ms>>(),
    Entry::of::<memory::MemPerTask>(),
    Entry::of::<net::Idle1000Conn>(),
    Entry::of::<net::Idle10kConn>(),
    Entry::of::<net::Echo<1>>(),
    Entry::of::<net::Echo<64>>(),
    Entry::of::<net::Echo<1000>>(),
    Entry::of::<net::Http64>(),
    Entry::of::<net::AcceptClose>(),
    Entry::of::<net::Hog>(),
    Entry::of::<stall::WeakA>(),
    Entry::of::<stall::WeakB>(),
    #[cfg(feature = "corio")]
    compositions!(compose::Gather),
    #[cfg(feature = "corio")]
    compositions!(compose::Group),
    #[cfg(feature = "corio")]
    compositions!(compose::CancelJoin),
    #[cfg(feature = "corio")]
    compositions!(compose::Select4),
    #[cfg(feature = "corio")]
    compositions!(waits::AsCompleted),
    #[cfg(feature = "corio")]
    compositions!(waits::Set),
    #[cfg(feature = "corio")]
    compositions!(waits::Wait),
    #[cfg(feature = "corio")]
    compositions!(waits::WaitForTask),
    #[cfg(feature = "corio")]
    compositions!(waits::Shield),
    #[cfg(feature = "corio")]
    compositions!(waits::Join4),
    #[cfg(feature = "corio")]
    compositions!(scopes::Within<switch::YieldAlone>),
    #[cfg(feature = "corio")]
    compositions!(scopes::Within<spawn::SpawnJoinOne>),
    #[cfg(feature = "corio")]
    compositions!(scopes::Within<time::TimeoutYield>),
    #[cfg(feature = "corio")]
    primitives!(L => Repeat<locks::Uncontended<L>>; prim::Corio,
        "tokio": prim::Tokio, "async-lock": prim::AsyncLock),
    #[cfg(feature = "corio")]
    primitives!(L => Repeat<locks::Contended<L>>; prim::Corio,
        "tokio": prim::Tokio, "async-lock": prim::AsyncLock),
    #[cfg(feature = "corio")]
    primitives!(L => Repeat<locks::HandOver<L>>; prim::Corio,
        "tokio": prim::Tokio, "async-lock": prim::AsyncLock),
    #[cfg(feature = "corio")]
    primitives!(L => locks::Barging<L>; Unfair<prim::Corio>,
        "tokio": prim::Tokio, "async-lock": prim::AsyncLock),
    #[cfg(feature = "corio")]
    primitives!(S => Repeat<locks::SemContended<S>>; prim::Corio,
        "tokio": prim::Tokio, "async-lock": prim::AsyncLock),
    #[cfg(feature = "corio")]
    primitives!(L => Repeat<locks::ReadHeavy<L>>; prim::Corio,
        "tokio": prim::Tokio, "async-lock": prim::AsyncLock),
    #[cfg(feature = "corio")]
    primitives!(E => Repeat<signals::WakeAll<E>>; prim::Corio, "tokio": prim::Tokio),
    #[cfg(feature = "corio")]
    primitives!(B => Repeat<signals::Rounds<B>>; prim::Corio,
        "tokio": prim::Tokio, "async-lock": prim::AsyncLock),
    #[cfg(feature = "corio")]
    primitives!(T => Repeat<signals::TokenCheck<T>>; prim::Corio, "tokio": prim::Tokio),
    #[cfg(feature = "corio")]
    primitives!(O => Repeat<channels::OneshotTrip<O, false>>; prim::Corio, "tokio": prim::Tokio),
    #[cfg(feature = "corio")]
    primitives!(O => Repeat<channels::OneshotTrip<O, true>>; prim::Corio, "tokio": prim::Tokio),
    #[cfg(feature = "corio")]
    primitives!(O => Repeat<channels::DeferredTrip<O, false>>; Settled, "tokio": prim::Tokio),
    #[cfg(feature = "corio")]
    primitives!(O => Repeat<channels::DeferredTrip<O, true>>; Settled, "tokio": prim::Tokio),
    #[cfg(feature = "corio")]
    channels!(MpscFree1: Unbounded<prim::Corio>, Unbounded),
    #[cfg(feature = "corio")]
    channels!(MpscFree4: Unbounded<prim::Corio>, Unbounded),
    #[cfg(feature = "corio")]
    channels!(Mpsc100To1: Bounded<prim::Corio, 100>, Bounded, 100),
    #[cfg(feature = "corio")]
    channels!(Mpsc100To4: Bounded<prim::Corio, 100>, Bounded, 100),
    #[cfg(feature = "corio")]
    channels!(Mpsc1: Bounded<prim::Corio, 1>, Bounded, 1),
    #[cfg(feature = "corio")]
    channels!(QueueFree1: Unbounded<Queued>, Unbounded),
    #[cfg(feature = "corio")]
    channels!(QueueFree4: Unbounded<Queued>, Unbounded),
    #[cfg(feature = "corio")]
    channels!(Queue100To1: Bounded<Queued, 100>, Bounded, 100),
    #[cfg(feature = "corio")]
    channels!(Queue100To4: Bounded<Queued, 100>, Bounded, 100),
    #[cfg(feature = "corio")]
    primitives!(C => Repeat<queues::ManyToMany<C>>; Unbounded<Queued>,
        "kanal": Unbounded<prim::Kanal>, "flume": Unbounded<prim::Flume>,
        "async-channel": Unbounded<prim::AsyncChannel>),
    #[cfg(feature = "corio")]
    primitives!(C => late::OneStandsStill<C>; Unbounded<Queued>,
        "kanal": Unbounded<prim::Kanal>, "flume": Unbounded<prim::Flume>,
        "async-channel": Unbounded<prim::AsyncChannel>),
    #[cfg(feature = "corio")]
    primitives!(W => Repeat<channels::WatchEach<W>>; prim::Corio, "tokio": prim::Tokio),
    #[cfg(feature = "corio")]
    primitives!(W => Repeat<channels::WatchLook<W>>; prim::Corio, "tokio": prim::Tokio),
    #[cfg(feature = "corio")]
    primitives!(B => Repeat<channels::BroadcastStream<B>>; prim::Corio, "tokio": prim::Tokio),
    #[cfg(feature = "corio")]
    primitives!(B => Repeat<channels::BroadcastEach<B>>; prim::Corio, "tokio": prim::Tokio),
    #[cfg(feature = "corio")]
    files!(ReadAll<files::Small>),
    #[cfg(feature = "corio")]
    files!(ReadAll<files::Large>),
    #[cfg(feature = "corio")]
    files!(WriteAll<files::Small>),
    #[cfg(feature = "corio")]
    files!(WriteAll<files::Large>),
    #[cfg(feature = "corio")]
    at_home!(F => Repeat<files::ReadAt<F>>; prim::Corio,
        "tokio": prim::Tokio, "std": prim::Std),
];

/// The row of that name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ROWS.iter().find(|entry| entry.row.name == name)
}

#[cfg(test)]
mod tests;

//! Locks, events, channels and queues: corio's under corio beside tokio's under tokio.
//!
//! tokio has no queue for many consumers: beside the queues stands its mpsc channel.

mod common;

use common::bench_primitives as pair;
use corio_bench::prim::{Bounded, Corio, Queued, Settled, Tokio, Unbounded, Unfair};
use corio_bench::rows::sync::{channels, locks, queues, signals};
use criterion::{criterion_group, criterion_main};
use queues::ToOne;

criterion_group!(
    locking,
    pair::<locks::Uncontended<Corio>, locks::Uncontended<Tokio>>,
    pair::<locks::Contended<Corio>, locks::Contended<Tokio>>,
    pair::<locks::Contended<Unfair<Corio>>, locks::Contended<Tokio>>,
    pair::<locks::HandOver<Corio>, locks::HandOver<Tokio>>,
    pair::<locks::SemContended<Corio>, locks::SemContended<Tokio>>,
    pair::<locks::ReadHeavy<Corio>, locks::ReadHeavy<Tokio>>,
);
criterion_group!(
    signalling,
    pair::<signals::WakeAll<Corio>, signals::WakeAll<Tokio>>,
    pair::<signals::Rounds<Corio>, signals::Rounds<Tokio>>,
    pair::<signals::TokenCheck<Corio>, signals::TokenCheck<Tokio>>,
    pair::<channels::OneshotReady<Corio>, channels::OneshotReady<Tokio>>,
    pair::<channels::OneshotWaits<Corio>, channels::OneshotWaits<Tokio>>,
    pair::<channels::DeferredReady<Settled>, channels::DeferredReady<Tokio>>,
    pair::<channels::DeferredWaits<Settled>, channels::DeferredWaits<Tokio>>,
);
criterion_group!(
    passing,
    pair::<ToOne<queues::MpscFree1, Unbounded<Corio>>, ToOne<queues::MpscFree1, Unbounded<Tokio>>>,
    pair::<ToOne<queues::MpscFree4, Unbounded<Corio>>, ToOne<queues::MpscFree4, Unbounded<Tokio>>>,
    pair::<
        ToOne<queues::Mpsc100To1, Bounded<Corio, 100>>,
        ToOne<queues::Mpsc100To1, Bounded<Tokio, 100>>,
    >,
    pair::<
        ToOne<queues::Mpsc100To4, Bounded<Corio, 100>>,
        ToOne<queues::Mpsc100To4, Bounded<Tokio, 100>>,
    >,
    pair::<ToOne<queues::Mpsc1, Bounded<Corio, 1>>, ToOne<queues::Mpsc1, Bounded<Tokio, 1>>>,
    pair::<ToOne<queues::QueueFree1, Unbounded<Queued>>, ToOne<queues::QueueFree1, Unbounded<Tokio>>>,
    pair::<ToOne<queues::QueueFree4, Unbounded<Queued>>, ToOne<queues::QueueFree4, Unbounded<Tokio>>>,
    pair::<
        ToOne<queues::Queue100To1, Bounded<Queued, 100>>,
        ToOne<queues::Queue100To1, Bounded<Tokio, 100>>,
    >,
    pair::<
        ToOne<queues::Queue100To4, Bounded<Queued, 100>>,
        ToOne<queues::Queue100To4, Bounded<Tokio, 100>>,
    >,
    pair::<channels::WatchEach<Corio>, channels::WatchEach<Tokio>>,
    pair::<channels::WatchLook<Corio>, channels::WatchLook<Tokio>>,
    pair::<channels::BroadcastStream<Corio>, channels::BroadcastStream<Tokio>>,
    pair::<channels::BroadcastEach<Corio>, channels::BroadcastEach<Tokio>>,
);
criterion_main!(locking, signalling, passing);

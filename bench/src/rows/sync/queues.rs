//! Channels and queues in which each value goes to one receiver.

use std::marker::PhantomData;

use super::together;
use crate::pass::Pass;
use crate::prim::Chan;
use crate::row::{Row, Target};
use crate::rt::Rt;

/// Values in one pass.
const VALUES: u64 = 20_000;

/// Which row a flow is: its name, its target and its number of producers and consumers.
pub trait Spec: Send + Sync + 'static {
    /// The description.
    const ROW: Row;
    /// Tasks that send.
    const SENDERS: u64;
}

/// What has to be said of the channels.
const CHANNELS: &str = "kanal leads where tasks meet: a short lock and a value handed from task to \
     task. Whoever is descheduled inside that lock stops the others; here nobody waits for a thread";

/// And of the queues.
const QUEUES: &str = "kanal leads where nobody is descheduled inside its lock (queue_4_4_late): for \
     many receivers without a lock each item costs five read-modify-writes";

macro_rules! specs {
    ($($(#[$doc:meta])* $spec:ident: $name:literal, $senders:literal, $times:literal, $about:literal, $note:ident;)*) => {
        $(
            $(#[$doc])*
            pub struct $spec;

            impl Spec for $spec {
                const ROW: Row =
                    Row::new($name, concat!($about, "; 20,000 values in all; per value"))
                        .target(Target::TimesTokio($times))
                        .note($note);
                const SENDERS: u64 = $senders;
            }
        )*
    };
}

specs! {
    /// Channel, no limit, one sender.
    MpscFree1: "mpsc_free_1_1", 1, 2.0, "a task sends to another, no limit", CHANNELS;
    /// Channel, no limit, four senders.
    MpscFree4: "mpsc_free_4_1", 4, 3.0, "4 tasks send to one, no limit", CHANNELS;
    /// Channel, room for 100, one sender.
    Mpsc100To1: "mpsc_100_1_1", 1, 2.0, "a task sends to another, room for 100", CHANNELS;
    /// Channel, room for 100, four senders.
    Mpsc100To4: "mpsc_100_4_1", 4, 3.0, "4 tasks send to one, room for 100", CHANNELS;
    /// Channel, room for 1, one sender.
    Mpsc1: "mpsc_1_1_1", 1, 2.0, "a task sends to another, room for 1", CHANNELS;
    /// Queue, no limit, one producer.
    QueueFree1: "queue_free_1_1", 1, 1.0, "as mpsc_free_1_1 with corio's Queue", QUEUES;
    /// Queue, no limit, four producers.
    QueueFree4: "queue_free_4_1", 4, 1.5, "as mpsc_free_4_1 with corio's Queue", QUEUES;
    /// Queue, room for 100, one producer.
    Queue100To1: "queue_100_1_1", 1, 1.2, "as mpsc_100_1_1 with corio's Queue", QUEUES;
    /// Queue, room for 100, four producers.
    Queue100To4: "queue_100_4_1", 4, 1.5, "as mpsc_100_4_1 with corio's Queue", QUEUES;
}

/// Some tasks send, one receives.
pub struct ToOne<S, C>(PhantomData<(S, C)>);

impl<S: Spec, C: Chan> Pass for ToOne<S, C> {
    const ROW: Row = S::ROW;
    const OPS: u64 = VALUES;

    fn expected() -> u64 {
        (0..VALUES).sum()
    }

    async fn pass<R: Rt>() -> u64 {
        let (tx, mut rx) = C::channel();
        let received = R::spawn(async move {
            let mut sum = 0;
            for _ in 0..VALUES {
                sum += C::recv(&mut rx).await;
            }
            sum
        });
        let each = VALUES / S::SENDERS;
        together::<R, _, _>(S::SENDERS, |n| {
            let tx = tx.clone();
            async move {
                for value in n * each..(n + 1) * each {
                    C::send(&tx, value).await;
                }
                0
            }
        })
        .await;
        received.await
    }
}

/// Four tasks send, four receive.
pub struct ManyToMany<C>(PhantomData<C>);

const PARTIES: u64 = 4;

impl<C: Chan<Rx: Clone + Sync>> Pass for ManyToMany<C> {
    const ROW: Row = Row::new(
        "queue_free_4_4",
        "4 tasks send to 4 through one queue without a limit; tokio has none; per value",
    )
    .target(Target::TimesOf(&[("kanal", 0.4), ("flume", 1.0), ("async-channel", 1.0)]))
    .note(QUEUES);
    const OPS: u64 = VALUES;

    fn expected() -> u64 {
        (0..VALUES).sum()
    }

    async fn pass<R: Rt>() -> u64 {
        let (tx, rx) = C::channel();
        let each = VALUES / PARTIES;
        together::<R, _, _>(2 * PARTIES, |n| {
            let (tx, mut rx) = (tx.clone(), rx.clone());
            async move {
                let mut sum = 0;
                if n < PARTIES {
                    for value in n * each..(n + 1) * each {
                        C::send(&tx, value).await;
                    }
                } else {
                    for _ in 0..each {
                        sum += C::recv(&mut rx).await;
                    }
                }
                sum
            }
        })
        .await
    }
}

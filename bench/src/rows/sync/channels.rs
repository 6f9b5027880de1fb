//! Channels in which a value goes to one receiver at once, to all, or stays until the next.

use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use super::together;
use crate::pass::Pass;
use crate::prim::{Broadcast, Oneshot, Watch};
use crate::row::{Row, Target};
use crate::rt::Rt;
use crate::signal::Countdown;

const ONESHOTS: u64 = 10_000;

/// A oneshot whose value is there when the receiver looks, or, if it `WAITS`, comes later.
pub struct OneshotTrip<O, const WAITS: bool>(PhantomData<O>);

impl<O: Oneshot, const WAITS: bool> Pass for OneshotTrip<O, WAITS> {
    const ROW: Row = if WAITS {
        oneshot_row(
            "oneshot_waits",
            "as oneshot, but the receiver was polled before the value is sent; per channel",
        )
    } else {
        oneshot_row(
            "oneshot",
            "a task makes a oneshot channel, sends, receives, 10,000 times; per channel",
        )
    };
    const OPS: u64 = ONESHOTS;

    fn expected() -> u64 {
        (0..ONESHOTS).sum()
    }

    async fn pass<R: Rt>() -> u64 {
        let mut sum = 0;
        for n in 0..ONESHOTS {
            let (tx, mut rx) = O::channel();
            if WAITS {
                poll_fn(|cx| {
                    assert!(Pin::new(&mut rx).poll(cx).is_pending(), "nothing was sent");
                    Poll::Ready(())
                })
                .await;
            }
            O::send(tx, n);
            sum += O::value(rx.await);
        }
        sum
    }
}

const fn oneshot_row(name: &'static str, about: &'static str) -> Row {
    Row::new(name, about).target(Target::TimesTokio(1.5))
}

/// As [`OneshotTrip`], with what asyncio's future is made of.
pub struct DeferredTrip<O, const WAITS: bool>(PhantomData<O>);

impl<O: Oneshot, const WAITS: bool> Pass for DeferredTrip<O, WAITS> {
    const ROW: Row = if WAITS {
        deferred_row(
            "deferred_waits",
            "as oneshot_waits, with what asyncio's future is made of, beside tokio's oneshot; per future",
        )
    } else {
        deferred_row(
            "deferred",
            "as oneshot, with what asyncio's future is made of, beside tokio's oneshot; per future",
        )
    };
    const OPS: u64 = ONESHOTS;

    fn expected() -> u64 {
        OneshotTrip::<O, WAITS>::expected()
    }

    async fn pass<R: Rt>() -> u64 {
        OneshotTrip::<O, WAITS>::pass::<R>().await
    }
}

const fn deferred_row(name: &'static str, about: &'static str) -> Row {
    Row::new(name, about).target(Target::TimesTokio(0.9))
}

/// Tasks that receive everything.
const RECEIVERS: u64 = 8;
/// Values that are sent.
const VALUES: u64 = 1_000;
/// Room for all of them, so that nobody lags.
const ROOM: usize = 1_024;
/// The sender lets others run after so many.
const BURST: u64 = 32;

/// A stream of values.
pub struct BroadcastStream<B>(PhantomData<B>);

impl<B: Broadcast> Pass for BroadcastStream<B> {
    const ROW: Row = Row::new(
        "broadcast_stream",
        "1,000 values, sent 32 at a time, go to 8 tasks each; per value and receiver",
    )
    .target(Target::TimesTokio(2.0));
    const OPS: u64 = RECEIVERS * VALUES;

    fn expected() -> u64 {
        RECEIVERS * (0..VALUES).sum::<u64>()
    }

    async fn pass<R: Rt>() -> u64 {
        let tx = B::channel(ROOM);
        let receivers = receive::<B, R, _>(&tx, |_| {});
        for n in 0..VALUES {
            B::send(&tx, n);
            if n % BURST == BURST - 1 {
                R::yield_now().await;
            }
        }
        receivers.await
    }
}

/// Starts the receivers; `got` is called after each value. Returns the sum of all they got.
fn receive<B, R, F>(tx: &B::Tx, got: F) -> impl Future<Output = u64> + Send
where
    B: Broadcast,
    R: Rt,
    F: Fn(u64) + Clone + Send + 'static,
{
    together::<R, _, _>(RECEIVERS, move |_| {
        let (mut rx, got) = (B::subscribe(tx), got.clone());
        async move {
            let mut sum = 0;
            for _ in 0..VALUES {
                let value = B::recv(&mut rx).await;
                sum += value;
                got(value);
            }
            sum
        }
    })
}

/// One value at a time, each waited for.
pub struct BroadcastEach<B>(PhantomData<B>);

impl<B: Broadcast> Pass for BroadcastEach<B> {
    const ROW: Row = Row::new(
        "broadcast_each",
        "a value goes to 8 tasks that wait, 1,000 times in turn; per value and receiver",
    )
    .target(Target::TimesTokio(2.0));
    const OPS: u64 = RECEIVERS * VALUES;

    fn expected() -> u64 {
        RECEIVERS * (0..VALUES).sum::<u64>()
    }

    async fn pass<R: Rt>() -> u64 {
        let tx = B::channel(ROOM);
        let rounds: Arc<[_]> = (0..VALUES).map(|_| Countdown::new(RECEIVERS)).collect();
        let hits = Arc::clone(&rounds);
        let receivers = receive::<B, R, _>(&tx, move |value| hits[value as usize].hit(1));
        for (value, round) in (0..).zip(rounds.iter()) {
            B::send(&tx, value);
            round.wait().await;
        }
        receivers.await
    }
}

/// Tasks that wait for a change.
pub struct WatchEach<W>(PhantomData<W>);

impl<W: Watch> Pass for WatchEach<W> {
    const ROW: Row = Row::new(
        "watch_each",
        "8 tasks wait for a change and look at the value, 1,000 times; per change and receiver",
    )
    .target(Target::TimesTokio(2.0));
    const OPS: u64 = RECEIVERS * VALUES;

    fn expected() -> u64 {
        RECEIVERS * (1..=VALUES).sum::<u64>()
    }

    async fn pass<R: Rt>() -> u64 {
        let tx = W::channel();
        let rounds: Arc<[_]> = (0..VALUES).map(|_| Countdown::new(RECEIVERS)).collect();
        let receivers = together::<R, _, _>(RECEIVERS, |_| {
            let (mut rx, rounds) = (W::subscribe(&tx), Arc::clone(&rounds));
            async move {
                let mut sum = 0;
                for round in rounds.iter() {
                    W::changed(&mut rx).await;
                    sum += W::look(&mut rx);
                    round.hit(1);
                }
                sum
            }
        });
        for (value, round) in (1..).zip(rounds.iter()) {
            W::send(&tx, value);
            round.wait().await;
        }
        receivers.await
    }
}

/// Tasks that look while another one sends.
pub struct WatchLook<W>(PhantomData<W>);

const LOOKERS: u64 = 2;
const LOOKS: u64 = 10_000;
const SENT: u64 = 50;

impl<W: Watch> Pass for WatchLook<W> {
    const ROW: Row = Row::new(
        "watch_look",
        "2 tasks look at the value 10,000 times each while 50 are sent; per look",
    )
    .target(Target::TimesTokio(2.0));
    const OPS: u64 = LOOKERS * LOOKS;

    fn expected() -> u64 {
        LOOKERS
    }

    async fn pass<R: Rt>() -> u64 {
        let tx = Arc::new(W::channel());
        let sender = Arc::clone(&tx);
        let sends = R::spawn(async move {
            for value in 1..=SENT {
                W::send(&sender, value);
                R::yield_now().await;
            }
        });
        let ordered = together::<R, _, _>(LOOKERS, |_| {
            let mut rx = W::subscribe(&tx);
            async move {
                let mut seen = 0;
                for _ in 0..LOOKS {
                    let now = W::look(&mut rx);
                    assert!(now >= seen, "the value fell from {seen} to {now}");
                    seen = now;
                }
                u64::from(seen <= SENT)
            }
        })
        .await;
        sends.await;
        ordered
    }
}

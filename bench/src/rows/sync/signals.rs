//! Events, barriers and tokens.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;

use super::together;
use crate::pass::Pass;
use crate::prim::{Barrier, Event, Token};
use crate::row::{Row, Target};
use crate::rt::Rt;
use crate::signal::Countdown;

/// Many tasks wait and are woken at once.
pub struct WakeAll<E>(PhantomData<E>);

const WAITERS: u64 = 1_000;
const WAKES: u64 = 20;

impl<E: Event> Pass for WakeAll<E> {
    const ROW: Row = Row::new(
        "event_wake_1000",
        "1,000 tasks wait, are woken at once and wait again, 20 times; per wake-up",
    )
    .target(Target::TimesTokio(1.5));
    const OPS: u64 = WAITERS * WAKES;

    fn expected() -> u64 {
        WAITERS * WAKES
    }

    async fn pass<R: Rt>() -> u64 {
        let event = Arc::new(E::new());
        let waiting: Arc<[_]> = (0..WAKES).map(|_| Countdown::new(WAITERS)).collect();
        let woken = Countdown::new(WAITERS);
        for _ in 0..WAITERS {
            let (event, waiting) = (Arc::clone(&event), Arc::clone(&waiting));
            let woken = Arc::clone(&woken);
            R::spawn_detached(async move {
                for round in waiting.iter() {
                    wait_and_tell::<E>(&event, round).await;
                }
                woken.hit(WAKES);
            });
        }
        for round in waiting.iter() {
            round.wait().await;
            E::wake(&event);
        }
        woken.wait().await
    }
}

/// Waits; tells `waiting` as soon as the wait has begun.
async fn wait_and_tell<E: Event>(event: &E::Event, waiting: &Countdown) {
    let mut wait = pin!(E::wait(event));
    let mut told = false;
    poll_fn(|cx| {
        let polled = wait.as_mut().poll(cx);
        if !told {
            told = true;
            waiting.hit(1);
        }
        polled
    })
    .await;
}

/// Tasks that wait for each other.
pub struct Rounds<B>(PhantomData<B>);

const PARTIES: u64 = 4;
const ROUNDS: u64 = 500;

impl<B: Barrier> Pass for Rounds<B> {
    const ROW: Row =
        Row::new("barrier_rounds", "4 tasks meet at a barrier 500 times; per task and round")
            .target(Target::TimesTokio(1.2))
            .note("corio's barrier waits until all have left a round, as asyncio's; others do not");
    const OPS: u64 = PARTIES * ROUNDS;

    fn expected() -> u64 {
        ROUNDS
    }

    async fn pass<R: Rt>() -> u64 {
        let barrier = Arc::new(B::new(PARTIES as usize));
        together::<R, _, _>(PARTIES, |_| {
            let barrier = Arc::clone(&barrier);
            async move {
                let mut led = 0;
                for _ in 0..ROUNDS {
                    led += u64::from(B::wait(&barrier).await);
                }
                led
            }
        })
        .await
    }
}

/// Tasks that look whether they are to end.
pub struct TokenCheck<T>(PhantomData<T>);

const LOOKERS: u64 = 2;
const LOOKS: u64 = 10_000;

impl<T: Token> Pass for TokenCheck<T> {
    const ROW: Row = Row::new(
        "token_check",
        "2 tasks look 10,000 times each whether their token was cancelled; per look",
    )
    .target(Target::TimesTokio(5.0));
    const OPS: u64 = LOOKERS * LOOKS;

    fn expected() -> u64 {
        1
    }

    async fn pass<R: Rt>() -> u64 {
        let token = T::new();
        let cancelled =
            together::<R, _, _>(LOOKERS, |_| {
                let token = token.clone();
                async move {
                    (0..LOOKS).map(|_| u64::from(T::is_cancelled(black_box(&token)))).sum::<u64>()
                }
            })
            .await;
        T::cancel(&token);
        cancelled + u64::from(T::is_cancelled(&token))
    }
}

//! Timers: one that is dropped fires for nobody, and what is limited by one ends with it.

use std::time::Instant;

use corio::{
    Interval, catch_cancel, interval, sleep, sleep_until, timeout, timeout_at, timeout_scope,
    unconstrained, wait_for, yield_now,
};
use corio_tests::kit::{Ledger, Token};

use crate::driver::{Case, Make, awaits, case, until};
use crate::support::{FAR, lend, lent, ms, next};

/// The operation holds a token while it waits.
fn waits<F: Future<Output = ()> + Send + 'static>(wait: impl FnOnce(Token) -> F) -> Case {
    let ledger = Ledger::new();
    let waiting = wait(ledger.token());
    case(waiting, async {}, async move |_| until("it is dropped", || ledger.live() == 0).await)
}

/// Why a timer may have run out before anybody has looked at it.
const TIME: &str = "time does not wait";

/// An operation on a beat, the second tick of which is its value. The beat goes on: a tick that
/// nobody saw is the next one's.
macro_rules! ticks {
    (|$beat:ident| $tick:expr) => {{
        let start = Instant::now();
        let beat = lent(interval(ms(2)));
        let operation = lend!(beat => {
            let $beat: &mut Interval = &mut beat;
            $tick;
            $tick
        });
        let ticked = case(operation, async {}, async move |got: Option<Instant>| {
            let mut beat = beat.try_acquire().expect("the operation is over");
            let (before, next) = (got.unwrap_or(start), beat.tick().await);
            assert!(next >= before && next <= Instant::now());
        });
        ticked.unsteady(TIME)
    }};
}

/// Never ends, and takes some polls to clean up.
async fn stubborn(token: Token) {
    let _token = token;
    if let Err(request) = catch_cancel(sleep(FAR)).await {
        yield_now().await;
        request.raise::<()>().await;
    }
}

pub const TABLE: &[(&str, Make)] = awaits! {
    "sleep" => waits(|_token| async { sleep(ms(2)).await }).unsteady(TIME);
    "sleep_until" => {
        waits(|_token| async { sleep_until(Instant::now() + ms(2)).await }).unsteady(TIME)
    };
    "yield_now" => waits(|_token| yield_now());
    "unconstrained" => waits(|_token| unconstrained(yield_now()));

    "timeout" => waits(|token| async { assert!(timeout(ms(1), stubborn(token)).await.is_err()) });
    "timeout_at" => waits(|token| async {
        assert!(timeout_at(Instant::now() + ms(1), stubborn(token)).await.is_err());
    });
    "wait_for" => waits(|token| async { assert!(wait_for(stubborn(token), ms(1)).await.is_err()) });
    "timeout_scope" => waits(|token| async {
        let moved = timeout_scope(FAR, async |limit| {
            yield_now().await;
            limit.reschedule(Some(Instant::now() + ms(1))).unwrap();
            stubborn(token).await;
        });
        assert!(moved.await.is_err());
    });

    "Interval::tick" => ticks!(|beat| beat.tick().await);
    "Interval as Stream" => ticks!(|beat| next(beat).await.expect("it has no end"));
};

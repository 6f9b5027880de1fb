//! What others notice of a thread that stands still in the midst of an operation.
//!
//! Values are sent at fixed times, whatever happens, and each counts from the moment at which it
//! was due: a queue that stops for a while delays all that were due meanwhile, and they all count.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::together;
use crate::prim::{Chan, TryRecv};
use crate::row::{Figures, Metric, Plan, Row, Target, Workload, Wrong};
use crate::rt::Rt;
use crate::{stats, still};

/// Tasks that send, and as many that receive.
const PARTIES: u64 = 4;

/// Between two values of one task: 40,000 in a second from all.
const BETWEEN: Duration = Duration::from_micros(100);

/// The thread works for up to so long until it is stopped.
const WORK_MICROS: u64 = 200;

/// Between two stops: the thread is to take little of a processor from the others.
const REST: Duration = Duration::from_millis(7);

/// A thousandth of the values must be some dozens.
const MEASURE_MIN: Duration = Duration::from_secs(1);

/// Sent by the thread; of no account.
const IDLE: u64 = u64::MAX;
/// The receiver is to end.
const END: u64 = u64::MAX - 1;

/// Tasks send to tasks, and a thread that does both stands still now and then.
pub struct OneStandsStill<C>(PhantomData<C>);

impl<C: TryRecv<Rx: Clone + Sync, Tx: Sync>> Workload for OneStandsStill<C> {
    const ROW: Row = Row::new(
        "queue_4_4_late",
        "4 tasks send to 4 at fixed times, 40,000 a second, while a thread that uses the same queue \
         stands still for 3 ms every 10 ms; from when a value was due until it was received",
    )
    .metrics(&[Metric::nanos("p99.9"), Metric::nanos("p50"), Metric::nanos("max")])
    .target(Target::TimesOf(&[("kanal", 1.0)]));

    fn measure<R: Rt>(plan: &Plan) -> Result<Figures, Wrong> {
        still::spare_me();
        let rt = R::start(&plan.setup);
        rt.block_on(rt.submit(delays::<C, R>(plan.warm_up)))?;
        let delays = rt.block_on(rt.submit(delays::<C, R>(plan.measure.max(MEASURE_MIN))))?;
        let quantile = |q| stats::quantile(&delays, q).expect("values were sent");
        Ok(vec![quantile(0.999), quantile(0.5), quantile(1.0)])
    }
}

/// The delays of all values that are sent within `span`, but for those that the thread got.
async fn delays<C, R>(span: Duration) -> Result<Vec<f64>, Wrong>
where
    C: TryRecv<Rx: Clone + Sync, Tx: Sync>,
    R: Rt,
{
    let (tx, rx) = C::channel();
    let start = Instant::now();
    let over = Arc::new(AtomicBool::new(false));
    let thread = {
        let (tx, rx, over) = (tx.clone(), rx.clone(), Arc::clone(&over));
        thread::spawn(move || use_and_stand_still::<C>(&tx, rx, &over))
    };
    let receivers: Vec<_> =
        (0..PARTIES).map(|_| R::spawn(receive::<C>(rx.clone(), start))).collect();
    let sent = together::<R, _, _>(PARTIES, |n| send::<C, R>(tx.clone(), start, n, span)).await;
    // Relaxed: the thread may see it late; joining it orders the rest.
    over.store(true, Ordering::Relaxed);
    while !thread.is_finished() {
        R::yield_now().await;
    }
    let taken = thread.join().map_err(|_| Wrong("the thread panicked".to_owned()))?;
    for _ in 0..PARTIES {
        C::send(&tx, END).await;
    }
    let mut delays = Vec::new();
    for receiver in receivers {
        delays.extend(receiver.await);
    }
    Wrong::unless_equal("the number of values", &(delays.len() as u64 + taken), &sent)?;
    Ok(delays)
}

/// Sends when it is time; returns how many.
async fn send<C: Chan<Tx: Sync>, R: Rt>(tx: C::Tx, start: Instant, n: u64, span: Duration) -> u64 {
    let mut due = BETWEEN * n as u32 / PARTIES as u32;
    let mut sent = 0;
    while due < span {
        while start.elapsed() < due {
            R::yield_now().await;
        }
        C::send(&tx, due.as_nanos() as u64).await;
        sent += 1;
        due += BETWEEN;
    }
    sent
}

/// Receives until it is told to end; returns the delays.
async fn receive<C: Chan>(mut rx: C::Rx, start: Instant) -> Vec<f64> {
    let mut delays = Vec::new();
    loop {
        match C::recv(&mut rx).await {
            END => return delays,
            IDLE => {}
            due => {
                let delay = start.elapsed().saturating_sub(Duration::from_nanos(due));
                delays.push(delay.as_nanos() as f64);
            }
        }
    }
}

/// Sends and receives, is stopped somewhere in between, and rests; returns how many values it got.
fn use_and_stand_still<C: TryRecv>(tx: &C::Tx, mut rx: C::Rx, over: &AtomicBool) -> u64 {
    still::take_me();
    let mut taken = 0;
    let mut random = 1_u64;
    // Relaxed: see the store.
    while !over.load(Ordering::Relaxed) {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let before = still::stops();
        still::stop_after(Duration::from_micros((random >> 33) % WORK_MICROS));
        while still::stops() == before {
            futures_lite::future::block_on(C::send(tx, IDLE));
            taken += u64::from(C::try_recv(&mut rx).is_some_and(|value| value != IDLE));
        }
        thread::sleep(REST);
    }
    taken
}

//! What a task that waits costs in memory.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::row::{Better, Figures, Metric, Plan, Row, Target, Unit, Workload, Wrong};
use crate::rt::Rt;
use crate::signal::Countdown;
use crate::usage::resident_bytes;

/// Resident memory by parked task.
pub struct MemPerTask;

const TASKS: u64 = 1_000_000;

/// Tasks are spawned so many at a time and have all parked before the next are: what is measured
/// are parked tasks, not the queue that they went through.
const BATCH: u64 = 1_000;

impl Workload for MemPerTask {
    const ROW: Row = Row::new(
        "mem_per_task",
        "1,000,000 detached tasks with a future of 40 bytes have parked; resident bytes per task",
    )
    .metrics(&[Metric { name: "bytes", unit: Unit::Bytes, better: Better::Lower }])
    .target(Target::Both(2.5, 128.0));

    fn measure<R: Rt>(plan: &Plan) -> Result<Figures, Wrong> {
        let rt = R::start(&plan.setup);
        rt.block_on(rt.submit(async {
            // The first batch pays for queues and arenas that come once.
            park_a_batch::<R>(0).await?;
            let before = resident_bytes()?;
            for batch in 1..=TASKS / BATCH {
                park_a_batch::<R>(batch * BATCH).await?;
            }
            let grown = resident_bytes()?.saturating_sub(before);
            Ok(vec![grown as f64 / TASKS as f64])
        }))
    }
}

async fn park_a_batch<R: Rt>(first: u64) -> Result<(), Wrong> {
    let parked = Countdown::new(BATCH);
    for n in first..first + BATCH {
        R::spawn_detached(Parked { waker: None, parked: Arc::clone(&parked), payload: [n, 0] });
    }
    let expected = (first..first + BATCH).sum();
    Wrong::unless_equal("the sum of the parked tasks", &parked.wait().await, &expected)
}

/// A future that parks for ever. It keeps its own waker, as a future that waits for something
/// has its waker kept, so that no runtime takes the task for dead.
struct Parked {
    waker: Option<Waker>,
    parked: Arc<Countdown>,
    payload: [u64; 2],
}

const _: () = assert!(size_of::<Parked>() == 40);

impl Future for Parked {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.waker.is_none() {
            self.waker = Some(cx.waker().clone());
            self.parked.hit(self.payload[0] + self.payload[1]);
        }
        Poll::Pending
    }
}

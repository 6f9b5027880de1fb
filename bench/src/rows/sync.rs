//! Synchronization primitives beside their counterparts elsewhere; see [`crate::prim`].

pub mod channels;
pub mod late;
pub mod locks;
pub mod queues;
pub mod signals;

use std::future::Future;

use crate::rt::Rt;

/// Spawns `count` tasks made by `make`; the sum of what they return.
fn together<R, M, F>(count: u64, make: M) -> impl Future<Output = u64> + Send
where
    R: Rt,
    M: FnMut(u64) -> F,
    F: Future<Output = u64> + Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(make).map(R::spawn).collect();
    async move {
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    }
}

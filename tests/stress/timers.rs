//! Timers that are begun, reset, moved between tasks and threads, dropped and awaited by lot.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use corio::Sleep;
use corio_tests::Random;
use corio_tests::kit::{Token, block_on, poll_once};

use crate::world::{Books, World};

/// Timers that travel from task to task.
type Pool = Arc<Mutex<Vec<Pin<Box<Sleep>>>>>;

fn nap(random: &mut Random) -> Duration {
    match random.below(10) {
        0 => Duration::ZERO,
        1 => Duration::from_secs(3600),
        2 => Duration::from_millis(random.below(20) as u64),
        _ => Duration::from_micros(random.below(3000) as u64),
    }
}

pub fn run(world: &World, random: &mut Random) {
    let runtime = world.runtime();
    let pool = Pool::default();
    let tasks: Vec<_> = (0..20 + random.below(60))
        .map(|_| {
            let body = live(pool.clone(), world.books.bodies.token(), random.next_u64());
            let books = world.books.clone();
            runtime.create_task(async move {
                body.await;
                books.outputs.token()
            })
        })
        .collect();
    let sleeper = thread::spawn({
        let (handle, mut random) = (runtime.handle().clone(), Random::new(random.next_u64()));
        let pool = pool.clone();
        move || {
            let _entered = handle.enter();
            for _ in 0..20 {
                let nap = Duration::from_micros(random.below(500) as u64);
                let start = Instant::now();
                block_on(corio::sleep(nap));
                assert!(start.elapsed() >= nap);
                let travelling = pool.lock().unwrap().pop();
                drop(travelling);
            }
        }
    });
    if random.below(3) > 0 {
        for task in tasks {
            let result = runtime.block_on(task.into_future());
            Books::note(&world.books, result.as_ref());
        }
        sleeper.join().unwrap();
        assert!(runtime.shutdown(None).is_clean());
    } else {
        // The thread inside needs the runtime to wake it.
        sleeper.join().unwrap();
        assert!(runtime.shutdown(None).is_clean());
        drop(tasks);
    }
    // Some timers outlive their runtime.
    pool.lock().unwrap().clear();
}

async fn live(pool: Pool, body: Token, seed: u64) {
    let _body = body;
    let mut random = Random::new(seed);
    for _ in 0..10 {
        let nap = nap(&mut random);
        match random.below(6) {
            0 => {
                let mut sleep = Box::pin(corio::sleep(nap));
                let _ = poll_once(sleep.as_mut());
                pool.lock().unwrap().push(sleep);
            }
            1 => {
                let travelling = pool.lock().unwrap().pop();
                if let Some(mut sleep) = travelling {
                    let at = Instant::now() + Duration::from_micros(random.below(500) as u64);
                    sleep.as_mut().get_mut().reset(at);
                    sleep.await;
                    assert!(Instant::now() >= at);
                }
            }
            2 => {
                let limit = Duration::from_micros(random.below(1000) as u64);
                let start = Instant::now();
                match corio::timeout(limit, corio::sleep(nap)).await {
                    Ok(()) => assert!(start.elapsed() >= nap),
                    Err(_) => assert!(start.elapsed() >= limit),
                }
            }
            3 => {
                let mut interval = corio::interval(Duration::from_micros(100));
                for _ in 0..random.below(4) {
                    interval.tick().await;
                }
            }
            4 if nap < Duration::from_secs(1) => {
                let start = Instant::now();
                corio::sleep(nap).await;
                assert!(start.elapsed() >= nap);
            }
            _ => corio::yield_now().await,
        }
    }
}

//! Tasks that spawn, join, cancel, abort, wake, observe, detach, yield, sleep and panic by lot.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use corio::{Handle, Task, TaskError, TaskRef};
use corio_tests::Random;
use corio_tests::kit::Token;

use crate::world::{Books, End, World};

/// Generations of tasks: a task of generation 0 spawns no more.
const GENERATIONS: u32 = 4;

/// What all tasks of a storm share.
#[derive(Clone)]
struct Sky {
    books: Books,
    /// Tasks that anybody may cancel or look at.
    seen: Arc<Mutex<Vec<TaskRef>>>,
    /// Wakers that anybody may wake.
    wakers: Arc<Mutex<Vec<Waker>>>,
}

/// What a body that has reached its end gives.
struct Life {
    token: Token,
    /// While it was being cancelled, a task that it waited for has panicked, or has answered so a
    /// cancel that was passed on to it. That comes in place of the cancel, as an exception does in
    /// asyncio, and the body goes on.
    answered: bool,
}

/// How a wait for another task came out.
type Ended = Result<Life, TaskError>;

fn is_answered(result: &Ended) -> bool {
    result.as_ref().is_ok_and(|life| life.answered)
}

/// True if somebody has cancelled the calling task, and not taken it back.
fn is_cancelled() -> bool {
    corio::current_task().is_some_and(|me| me.cancelling() > 0)
}

impl Sky {
    /// Notes how an awaited task ended. True if that answers a cancel that was passed on to it.
    fn note(&self, result: &Ended) -> bool {
        let end = self.books.note(result.as_ref().map(|life| &life.token));
        matches!(end, End::Panicked) || is_answered(result)
    }
}

/// Entries that the two lists keep at most.
const KEPT: usize = 64;

fn keep<T>(list: &Mutex<Vec<T>>, item: T, random: &mut Random) {
    let mut list = list.lock().unwrap();
    let replaced = if list.len() < KEPT {
        list.push(item);
        None
    } else {
        let at = random.below(KEPT);
        Some(std::mem::replace(&mut list[at], item))
    };
    drop(list);
    // Outside the lock: the drop of a waker runs foreign code.
    drop(replaced);
}

fn pick<T: Clone>(list: &Mutex<Vec<T>>, random: &mut Random) -> Option<T> {
    let list = list.lock().unwrap();
    (!list.is_empty()).then(|| list[random.below(list.len())].clone())
}

pub fn run(world: &World, random: &mut Random) {
    let runtime = world.runtime();
    let sky = Sky { books: world.books.clone(), seen: Arc::default(), wakers: Arc::default() };
    let threads: Vec<_> = (0..1 + random.below(3))
        .map(|_| {
            let (sky, handle) = (sky.clone(), runtime.handle().clone());
            let mut random = Random::new(random.next_u64());
            thread::spawn(move || outside(&sky, &handle, &mut random))
        })
        .collect();
    let roots: Vec<_> = (0..4 + random.below(12))
        .map(|_| spawn(&sky, runtime.handle(), GENERATIONS, random.next_u64()))
        .collect();
    // Sometimes the end comes in the middle of it all.
    if random.below(3) > 0 {
        for root in roots {
            let result = runtime.block_on(root.into_future());
            sky.note(&result);
        }
    }
    let report = runtime.shutdown(None);
    assert!(report.is_clean(), "{report}");
    for thread in threads {
        thread.join().unwrap();
    }
    // Wakers and handles outlive the runtime until here.
    for waker in sky.wakers.lock().unwrap().drain(..) {
        waker.wake();
    }
    for task in sky.seen.lock().unwrap().drain(..) {
        assert!(task.done(), "{task:?} is left");
    }
}

/// A thread that disturbs.
fn outside(sky: &Sky, handle: &Handle, random: &mut Random) {
    for _ in 0..200 {
        match random.below(6) {
            0 => drop(pick(&sky.seen, random).map(|task| task.cancel_with("from outside"))),
            1 => drop(pick(&sky.wakers, random).map(Waker::wake)),
            2 => drop(spawn(sky, handle, 1, random.next_u64())),
            3 => drop(handle.all_tasks()),
            4 => drop(pick(&sky.seen, random).map(|task| task.stack(None))),
            _ => thread::yield_now(),
        }
    }
}

/// Spawns a body in one of the ways that there are.
fn spawn(sky: &Sky, handle: &Handle, generation: u32, seed: u64) -> Task<Life> {
    let mut random = Random::new(seed);
    let token = sky.books.bodies.token();
    let body = live(sky.clone(), handle.clone(), generation, seed, token);
    let task = match random.below(5) {
        0 => handle.create_pinned_task(|| body),
        1 => {
            let loops = handle.loops();
            loops[random.below(loops.len())].create_task(body)
        }
        2 => {
            // A body that does not fit the slab.
            let ballast = [seed as u8; 2100];
            handle.create_task(async move {
                let life = body.await;
                assert!(ballast.iter().all(|&byte| byte == seed as u8), "foreign bytes");
                life
            })
        }
        _ => handle.create_task(body),
    };
    if random.below(4) == 0 {
        task.set_name(format!("task {seed}"));
    }
    keep(&sky.seen, task.task_ref(), &mut random);
    task
}

/// The life of one task.
fn live(
    sky: Sky,
    handle: Handle,
    generation: u32,
    seed: u64,
    body: Token,
) -> Pin<Box<dyn Future<Output = Life> + Send>> {
    Box::pin(async move {
        let _body = body;
        let mut random = Random::new(seed ^ 0x5EED);
        let (mut children, mut answered) = (Vec::new(), false);
        for _ in 0..random.below(8) {
            match random.below(8) {
                0 | 1 if generation > 0 => {
                    children.push(spawn(&sky, &handle, generation - 1, random.next_u64()));
                }
                2 => corio::yield_now().await,
                3 => corio::sleep(Duration::from_micros(random.below(300) as u64)).await,
                4 => rest(&sky, &mut random).await,
                5 => disturb(&sky, &mut random),
                6 => {
                    answered |= end_child(&sky, &mut children, &mut random).await && is_cancelled();
                }
                7 if random.below(8) == 0 => panic!("{}", crate::world::PANIC),
                _ => {}
            }
        }
        while !children.is_empty() {
            answered |= end_child(&sky, &mut children, &mut random).await && is_cancelled();
        }
        Life { token: sky.books.outputs.token(), answered }
    })
}

/// Waits for a wake, with a limit.
async fn rest(sky: &Sky, random: &mut Random) {
    let mut random = Random::new(random.next_u64());
    let limit = Duration::from_micros(random.below(500) as u64);
    let mut polls = 0;
    let woken = poll_fn(|cx| {
        polls += 1;
        if polls > 1 {
            return Poll::Ready(());
        }
        keep(&sky.wakers, cx.waker().clone(), &mut random);
        Poll::Pending
    });
    let _ = corio::timeout(limit, woken).await;
}

/// Does something to somebody.
fn disturb(sky: &Sky, random: &mut Random) {
    match random.below(5) {
        0 => drop(pick(&sky.seen, random).map(|task| task.cancel())),
        1 => drop(pick(&sky.seen, random).map(|task| (task.cancel(), task.uncancel()))),
        2 if random.below(4) == 0 => drop(pick(&sky.seen, random).map(|task| task.abort())),
        3 => drop(pick(&sky.seen, random).map(|task| (task.name(), task.status(), task.id()))),
        _ => {
            for _ in 0..random.below(4) {
                if let Some(waker) = pick(&sky.wakers, random) {
                    waker.wake_by_ref();
                }
            }
        }
    }
}

/// Waits for a child in one of the ways that there are, or lets it go; as [`Sky::note`].
async fn end_child(sky: &Sky, children: &mut Vec<Task<Life>>, random: &mut Random) -> bool {
    let Some(mut child) = children.pop() else { return false };
    match random.below(6) {
        0 => drop(child),
        1 => {
            let said = child.cancel();
            let result = child.await;
            assert!(!said || result.is_err() || is_answered(&result), "a cancel was swallowed");
            return sky.note(&result);
        }
        2 => {
            let limit = Duration::from_micros(random.below(300) as u64);
            match corio::timeout(limit, &mut child).await {
                Ok(result) => return sky.note(&result),
                Err(_) => children.insert(0, child),
            }
        }
        3 => {
            let seen = (&child).await.is_ok();
            assert!(child.done() && child.result().is_ok() == seen);
            return sky.note(&child.await);
        }
        4 => drop(child.cancel_on_drop()),
        _ => return sky.note(&child.await),
    }
    false
}

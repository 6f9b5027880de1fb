//! Bodies made of scopes, tasks and combinators in one another, by lot, which are cancelled by lot: each
//! ends, and no cancel is lost. Seeds of a simulation, so that what fails can be played again.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use corio::{
    TaskGroup, TaskRef, TimeoutScope, catch_cancel, create_task, current_task, defer_cancel,
    finally, gather_all, on_cancel, shield, sleep, staggered_race, task_group, timeout,
    timeout_scope, yield_now,
};
use corio_tests::Random;

use crate::support::{join2, ms, run, select2, unordered};

type Part = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the canceller says. What limits and groups ask is always raised again: they ask once.
const STORM: &str = "storm";
/// Cancels after which a body must have ended. Each is answered by one scope at least.
const CANCELS: usize = 5_000;

/// Longer than all clean-ups of a body, one after the other.
const ENOUGH: Duration = ms(1_000);

/// Makes parts.
#[derive(Clone)]
struct Maker {
    random: Random,
    /// Cancels that code has caught and not raised again, or a task that was awaited has answered.
    heard: Arc<AtomicUsize>,
    /// What was made, from the outside to the inside.
    made: String,
}

impl Maker {
    fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), heard: Arc::default(), made: String::new() }
    }

    fn note(&mut self, what: &str) {
        self.made += what;
        self.made.push(' ');
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random.below(limit)
    }

    fn short(&mut self) -> Duration {
        ms(self.random.below(5) as u64)
    }

    /// One that ends by itself.
    fn finite(&mut self) -> Part {
        let nap = self.short();
        let kind = self.below(3);
        self.note(&format!("finite{kind}({nap:?})"));
        match kind {
            0 => Box::pin(sleep(nap)),
            1 => Box::pin(yield_now()),
            _ => Box::pin(defer_cancel(timeout(nap, pending::<()>())).ignored()),
        }
    }

    fn leaf(&mut self) -> Part {
        self.note("leaf");
        match self.below(3) {
            0 => self.finite(),
            1 => Box::pin(pending()),
            _ => Box::pin(async { corio::sync::Event::new().wait().await }),
        }
    }

    fn part(&mut self, depth: u32) -> Part {
        let Some(depth) = depth.checked_sub(1) else { return self.leaf() };
        let limit = self.short();
        let kind = self.below(18);
        self.note(&format!("[{kind}({limit:?})"));
        let part = self.part_of(kind, limit, depth);
        self.note("]");
        part
    }

    fn part_of(&mut self, kind: usize, limit: Duration, depth: u32) -> Part {
        match kind {
            0 => self.leaf(),
            1 | 2 => Box::pin(timeout(limit, self.part(depth)).ignored()),
            3 => self.moved_limit(depth),
            4 | 5 => self.group(depth),
            6 => {
                let masked = timeout(limit, self.part(depth));
                Box::pin(defer_cancel(masked).ignored())
            }
            7 | 8 => self.catch(depth),
            9 => Box::pin(on_cancel(self.part(depth), self.finite())),
            10 => Box::pin(finally(self.part(depth), self.finite())),
            11 => Box::pin(join2(self.part(depth), self.part(depth)).ignored()),
            12 => {
                let (a, b) = (self.part(depth), self.part(depth));
                Box::pin(async { _ = corio::join!(a, b) })
            }
            13 => Box::pin(select2(self.part(depth), self.part(depth))),
            14 => Box::pin(unordered(vec![self.part(depth), self.part(depth)]).ignored()),
            15 => self.child(depth),
            16 => self.race(depth),
            _ => {
                let (first, second) = (self.part(depth), self.part(depth));
                Box::pin(async {
                    first.await;
                    second.await;
                })
            }
        }
    }

    fn moved_limit(&mut self, depth: u32) -> Part {
        let (limit, nap, to) = (self.short(), self.short(), self.short());
        let body = self.part(depth);
        Box::pin(async move {
            let moves = async |limit: TimeoutScope| {
                let move_it = async {
                    sleep(nap).await;
                    _ = limit.reschedule(Some(corio::now() + to));
                };
                join2(body, move_it).await;
            };
            _ = timeout_scope(limit, moves).await;
        })
    }

    fn group(&mut self, depth: u32) -> Part {
        let body = self.part(depth);
        let children = self.below(3);
        let children: Vec<_> = (0..children).map(|_| (self.part(depth), self.below(2))).collect();
        let stops = self.below(3) == 0;
        Box::pin(async move {
            let ended = task_group(async |group: TaskGroup<&'static str>| {
                for (child, fails) in children {
                    let child = async move {
                        child.await;
                        if fails == 1 { Err("failed") } else { Ok(()) }
                    };
                    drop(group.create_task(child));
                }
                body.await;
                if stops {
                    group.cancel();
                }
                Ok(())
            });
            drop(ended.await);
        })
    }

    fn catch(&mut self, depth: u32) -> Part {
        let (inside, cleanup) = (self.part(depth), self.finite());
        let (takes, heard) = (self.below(3), self.heard.clone());
        Box::pin(async move {
            let Err(cancelled) = catch_cancel(inside).await else { return };
            if cancelled.msg() != Some(STORM) {
                // Not after a clean-up: who drops that has answered the request, which comes but once.
                return cancelled.raise().await;
            }
            heard.fetch_add(1, SeqCst);
            cleanup.await;
            if takes == 0 {
                heard.fetch_sub(1, SeqCst);
                cancelled.raise().await
            } else if takes == 1 {
                cancelled.suppress();
            }
        })
    }

    fn child(&mut self, depth: u32) -> Part {
        let (body, kind, heard) = (self.part(depth), self.below(4), self.heard.clone());
        let beside = self.part(depth);
        Box::pin(async move {
            let child = create_task(body);
            let _ends = Ends(child.task_ref());
            let ended = match kind {
                0 => child.await.is_ok(),
                1 => timeout(ms(3), child).await.is_ok_and(|ended| ended.is_ok()),
                2 => gather_all([child, create_task(beside)]).await.iter().all(Result::is_ok),
                _ => shield(&child).await.is_ok(),
            };
            // An answer to a cancel that was passed on.
            if ended && current_task().is_some_and(|me| me.cancelling() > 0) {
                heard.fetch_add(1, SeqCst);
            }
        })
    }

    fn race(&mut self, depth: u32) -> Part {
        let attempts = [self.part(depth), self.part(depth)];
        let delay = self.short();
        Box::pin(async move {
            let attempts = attempts.map(|attempt| {
                move || async move {
                    attempt.await;
                    Ok::<_, ()>(())
                }
            });
            drop(staggered_race(attempts, Some(delay)).await);
        })
    }
}

/// A future whose value says nothing.
trait Ignored: Future + Sized {
    async fn ignored(self) {
        drop(self.await);
    }
}

impl<F: Future> Ignored for F {}

/// Ends a task that nobody awaits any more.
struct Ends(TaskRef);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Cancels a body until it has ended.
async fn storm(seed: u64) {
    let mut maker = Maker::new(seed);
    let depth = 1 + maker.below(5) as u32;
    let body = maker.part(depth);
    let task = create_task(async move {
        body.await;
        current_task().unwrap().cancelling() as usize
    });
    let mut cancels = 0;
    while !task.done() {
        sleep(maker.short()).await;
        cancels += usize::from(task.cancel_with(STORM));
        assert!(cancels < CANCELS, "{seed} does not end: {}\n{}", maker.made, corio::dump());
    }
    let (heard, made) = (maker.heard.load(SeqCst), maker.made);
    match task.await {
        Ok(left) => {
            assert!(left <= cancels, "{seed} counts {left} of {cancels} cancels: {made}");
            assert!(heard > 0 || cancels == 0, "{seed} has lost one of {cancels} cancels: {made}");
        }
        Err(error) => assert!(error.is_cancelled(), "{seed}: {error}"),
    }
}

/// Cancels a body, each time when it has had long enough to end or to answer the cancel before.
async fn calm(seed: u64) {
    let mut maker = Maker::new(seed);
    let depth = 1 + maker.below(5) as u32;
    let body = maker.part(depth);
    let task = create_task(body);
    let mut answers = 0;
    sleep(maker.short()).await;
    while task.cancel_with(STORM) {
        sleep(ENOUGH).await;
        let heard = maker.heard.load(SeqCst);
        let answered = heard > answers;
        assert!(task.done() || answered, "{seed} has lost one: {}\n{}", maker.made, corio::dump());
        answers = heard;
    }
}

/// Tries `CORIO_LOTS` seeds, or 3,000.
fn by_lot<F: Future<Output = ()>>(play: impl Fn(u64) -> F) {
    let seeds = std::env::var("CORIO_LOTS").map_or(3_000, |seeds| seeds.parse().expect("a number"));
    for seed in 0..seeds {
        corio::sim::run(seed, play(seed));
    }
}

#[test]
fn a_body_by_lot_ends_when_it_is_cancelled() {
    by_lot(storm);
}

#[test]
fn a_body_by_lot_answers_each_cancel_or_ends() {
    by_lot(calm);
}

#[test]
fn bodies_by_lot_on_several_workers() {
    run(|| async {
        let storms = (0..300).map(|seed| create_task(storm(seed)));
        for ended in gather_all(storms.collect::<Vec<_>>()).await {
            ended.unwrap();
        }
    });
}

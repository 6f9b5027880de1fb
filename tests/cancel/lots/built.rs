//! Bodies as futures.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use corio::{
    Task, TaskGroup, TaskRef, TimeoutScope, catch_cancel, create_task, current_task, defer_cancel,
    finally, gather_all, on_cancel, shield, sleep, staggered_race, task_group, timeout,
    timeout_scope, yield_now,
};

use super::body::{Answer, Body, End, Group};
use crate::support::{join2, ms, select2, unordered};

type Built = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the canceller says. What limits and groups ask is always raised again: they ask once.
pub const STORM: &str = "storm";

/// What is heard of cancels in a body.
#[derive(Clone, Default)]
pub struct Heard {
    /// Those that code has caught and not raised again, or a task that was awaited has answered.
    answers: Arc<AtomicUsize>,
    own: Arc<AtomicUsize>,
    /// The task is a child of a group, which cancels it once, or one that such a child awaits.
    is_child: bool,
}

impl Heard {
    pub fn count(&self) -> usize {
        self.answers.load(SeqCst)
    }

    /// Cancels that the body itself has made.
    pub fn own_cancels(&self) -> usize {
        self.own.load(SeqCst)
    }

    /// Counts a cancel that the body makes.
    fn cancel(cancels: &AtomicUsize, task: &TaskRef) {
        cancels.fetch_add(usize::from(task.cancel_with(STORM)), SeqCst);
    }

    pub fn build(&self, body: &Body) -> Built {
        match body {
            Body::Sleep(nap) => Box::pin(sleep(ms(*nap))),
            Body::Yield => Box::pin(yield_now()),
            Body::Cancel => {
                let cancels = self.own.clone();
                Box::pin(async move { Self::cancel(&cancels, &current_task().unwrap()) })
            }
            Body::Nap(nap) => Box::pin(defer_cancel(timeout(ms(*nap), pending::<()>())).ignored()),
            Body::Pending => Box::pin(pending()),
            Body::Event => Box::pin(async { corio::sync::Event::new().wait().await }),
            Body::Timeout(limit, part) => Box::pin(timeout(ms(*limit), self.build(part)).ignored()),
            Body::Moved(limit, nap, to, part) => self.moved_limit([*limit, *nap, *to], part),
            Body::Group(group) => self.group(group),
            Body::Mask(limit, part) => {
                let masked = timeout(ms(*limit), self.build(part));
                Box::pin(defer_cancel(masked).ignored())
            }
            Body::Catch(part, cleanup, answer) => self.catch(part, cleanup, *answer),
            Body::OnCancel(a, b) => Box::pin(on_cancel(self.build(a), self.build(b))),
            Body::Finally(a, b) => Box::pin(finally(self.build(a), self.build(b))),
            Body::Both(a, b) => Box::pin(join2(self.build(a), self.build(b)).ignored()),
            Body::Join(a, b) => {
                let (a, b) = (self.build(a), self.build(b));
                Box::pin(async { _ = corio::join!(a, b) })
            }
            Body::Select(a, b) => Box::pin(select2(self.build(a), self.build(b))),
            Body::Unordered(a, b) => {
                Box::pin(unordered(vec![self.build(a), self.build(b)]).ignored())
            }
            Body::Then(a, b) => {
                let (a, b) = (self.build(a), self.build(b));
                Box::pin(async {
                    a.await;
                    b.await;
                })
            }
            Body::Await(part) => self.task(part, |child| async { child.await.is_ok() }),
            Body::AwaitFor(limit, part) => {
                let limit = ms(*limit);
                self.task(part, move |child| async move {
                    timeout(limit, child).await.is_ok_and(|ended| ended.is_ok())
                })
            }
            Body::Gather(a, b) => self.gather(a, b),
            Body::Shield(part) => {
                self.task(part, |child| async move { shield(&child).await.is_ok() })
            }
            Body::Parent(part) => self.parent(part),
            Body::Twice(nap, part) => self.twice(*nap, part),
            Body::Kept(nap, a, b) => self.kept(*nap, a, b),
            Body::Race(delay, a, b) => self.race(*delay, a, b),
        }
    }

    fn moved_limit(&self, [limit, nap, to]: [u64; 3], part: &Body) -> Built {
        let body = self.build(part);
        Box::pin(async move {
            let moves = async |limit: TimeoutScope| {
                let move_it = async {
                    sleep(ms(nap)).await;
                    _ = limit.reschedule(Some(corio::now() + ms(to)));
                };
                join2(body, move_it).await;
            };
            _ = timeout_scope(ms(limit), moves).await;
        })
    }

    fn group(&self, group: &Group) -> Built {
        let (body, stops) = (self.build(&group.body), group.stops);
        let heard = Self { is_child: true, ..self.clone() };
        let children = group.children.iter().map(|child| (heard.build(&child.body), child.end));
        let children: Vec<_> = children.collect();
        Box::pin(async move {
            let ended = task_group(async |group: TaskGroup<&'static str>| {
                for (child, end) in children {
                    let within = group.clone();
                    let child = async move {
                        child.await;
                        match end {
                            End::Ends => {}
                            End::Fails => return Err("failed"),
                            End::Stops => within.cancel(),
                        }
                        Ok(())
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

    fn catch(&self, part: &Body, cleanup: &Body, answer: Answer) -> Built {
        let (inside, cleanup) = (self.build(part), self.build(cleanup));
        let (heard, is_child) = (self.answers.clone(), self.is_child);
        Box::pin(async move {
            let Err(cancelled) = catch_cancel(inside).await else { return };
            if cancelled.msg() != Some(STORM) {
                // Not after a clean-up: who drops that has answered the request, which comes but once.
                return cancelled.raise().await;
            }
            // One of several may be the group's, which would wait for the child for ever.
            let several = current_task().is_some_and(|me| me.cancelling() > 1);
            let answer = if is_child && several { Answer::Raise } else { answer };
            heard.fetch_add(1, SeqCst);
            cleanup.await;
            match answer {
                Answer::Raise => {
                    heard.fetch_sub(1, SeqCst);
                    cancelled.raise().await
                }
                Answer::Suppress => cancelled.suppress(),
                Answer::Drop => drop(cancelled),
            }
        })
    }

    /// A task that is awaited; what does so says whether it was answered.
    fn task<F>(&self, part: &Body, awaits: impl FnOnce(Task<()>) -> F + Send + 'static) -> Built
    where
        F: Future<Output = bool> + Send,
    {
        let (body, heard) = (self.build(part), self.clone());
        Box::pin(async move { heard.awaits(create_task(body), awaits).await })
    }

    /// Awaits a task; what does so says whether it was answered.
    async fn awaits<F>(self, child: Task<()>, awaits: impl FnOnce(Task<()>) -> F)
    where
        F: Future<Output = bool>,
    {
        let _ends = Ends(child.task_ref());
        // An answer to a cancel that was passed on.
        if awaits(child).await && current_task().is_some_and(|me| me.cancelling() > 0) {
            self.answers.fetch_add(1, SeqCst);
        }
    }

    fn gather(&self, a: &Body, b: &Body) -> Built {
        let b = self.build(b);
        self.task(a, |child| async {
            gather_all([child, create_task(b)]).await.iter().all(Result::is_ok)
        })
    }

    fn parent(&self, part: &Body) -> Built {
        let (body, cancels, heard) = (self.build(part), self.own.clone(), self.clone());
        Box::pin(async move {
            let parent = current_task().unwrap();
            let child = async move {
                body.await;
                Self::cancel(&cancels, &parent);
            };
            heard.awaits(create_task(child), |child| async { child.await.is_ok() }).await;
        })
    }

    fn twice(&self, nap: u64, part: &Body) -> Built {
        self.task(part, move |mut child| async move {
            let first = async { Some((&mut child).await.is_ok()) };
            let over = async {
                sleep(ms(nap)).await;
                None
            };
            match select2(first, over).await {
                Some(ended) => ended,
                None => child.await.is_ok(),
            }
        })
    }

    fn kept(&self, nap: u64, a: &Body, b: &Body) -> Built {
        let (a, b) = (self.build(a), self.build(b));
        Box::pin(async move {
            let a = for_a_while(nap, a).await;
            b.await;
            if let Some(a) = a {
                a.await;
            }
        })
    }

    fn race(&self, delay: u64, a: &Body, b: &Body) -> Built {
        let attempts = [self.build(a), self.build(b)];
        Box::pin(async move {
            let attempts = attempts.map(|attempt| {
                move || async move {
                    attempt.await;
                    Ok::<_, ()>(())
                }
            });
            drop(staggered_race(attempts, Some(ms(delay))).await);
        })
    }
}

/// Polls it for so many milliseconds; what is left of it then.
async fn for_a_while(nap: u64, mut part: Built) -> Option<Built> {
    let ends = async {
        part.as_mut().await;
        true
    };
    let over = async {
        sleep(ms(nap)).await;
        false
    };
    let ended = select2(ends, over).await;
    (!ended).then_some(part)
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

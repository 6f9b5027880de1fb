//! T20, T22 and T31: task groups; and the other ways to wait for several tasks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use corio::{
    GroupError, ReturnWhen, TaskGroup, as_completed, catch_cancel, gather, gather_all, spawn,
    task_group, timeout, timeout_scope, wait, yield_now,
};

use crate::support::{Flag, Log, count, for_ever, join2, ms, nap, run, unordered, until};

type Outcome<T = ()> = Result<T, &'static str>;
type Group = TaskGroup<&'static str>;

#[test]
fn children_and_their_children_are_awaited() {
    run(|| async {
        let log = Log::default();
        let ended: Result<i32, GroupError<&str>> = task_group(async |group: Group| {
            let (inner, deep) = (group.clone(), log.clone());
            let first = group.create_task(async move {
                nap().await;
                let log = deep.clone();
                drop(inner.create_task(async move {
                    nap().await;
                    log.say("grandchild");
                }));
                deep.say("child");
                Outcome::Ok(4)
            });
            Ok(first.unwrap().await.unwrap())
        })
        .await;
        assert_eq!(ended, Ok(4));
        log.is(&["child", "grandchild"]);
    });
}

#[test]
fn t20_children_fail_one_after_the_other() {
    run(|| async {
        let ended: Result<(), _> = task_group(async |group: Group| {
            drop(group.create_task(async {
                drop(catch_cancel(for_ever()).await);
                nap().await;
                Err::<(), _>("in the clean-up")
            }));
            drop(group.create_task(async {
                nap().await;
                Err::<(), _>("first")
            }));
            for_ever().await;
            Ok(())
        })
        .await;
        assert_eq!(ended, Err(GroupError::Errors(vec!["first", "in the clean-up"])));
    });
}

#[test]
fn t20_a_child_fails_while_the_body_waits() {
    run(|| async {
        let log = Log::default();
        let ended: Result<(), _> = task_group(async |group: Group| {
            let inner = log.clone();
            drop(group.create_task(async { Err::<(), _>("boom") }).unwrap());
            drop(group.create_task(async move {
                if let Err(request) = catch_cancel(for_ever()).await {
                    nap().await;
                    inner.say("sibling cleaned");
                    request.raise::<()>().await;
                }
                Outcome::Ok(())
            }));
            let caught = catch_cancel(for_ever()).await;
            assert_eq!(count(), 1);
            log.say("body stopped");
            match caught {
                Ok(()) => Ok(()),
                Err(request) => request.raise().await,
            }
        })
        .await;
        assert_eq!(ended, Err(GroupError::Errors(vec!["boom"])));
        assert!(log.said("body stopped"));
        assert_eq!(count(), 0);
        assert!(catch_cancel(nap()).await.is_ok(), "no stray request");
    });
}

#[test]
fn t20_a_child_fails_after_the_body_returned() {
    run(|| async {
        let ended: Result<(), _> = task_group(async |group: Group| {
            let failing = async {
                nap().await;
                Err::<(), _>("late")
            };
            drop(group.create_task(failing).unwrap());
            Ok(())
        })
        .await;
        assert_eq!(ended, Err(GroupError::Errors(vec!["late"])));
        assert_eq!(count(), 0);
        assert!(catch_cancel(nap()).await.is_ok());
    });
}

#[test]
fn the_bodys_own_error_comes_last() {
    run(|| async {
        let ended: Result<(), _> = task_group(async |group: Group| {
            let failing = async {
                drop(catch_cancel(for_ever()).await);
                Err::<(), _>("child")
            };
            drop(group.create_task(failing).unwrap());
            nap().await;
            Err("body")
        })
        .await;
        let Err(GroupError::Errors(errors)) = ended else { panic!("{ended:?}") };
        assert_eq!(errors.last(), Some(&"body"));
    });
}

#[test]
fn t20_an_outer_cancel_alone_goes_on_when_all_have_ended() {
    run(|| async {
        let (log, waits) = (Log::default(), Flag::default());
        let (inner, mark) = (log.clone(), waits.clone());
        let task = spawn(async move {
            let ended: Result<(), _> = task_group(async move |group: Group| {
                let member = async move {
                    mark.set();
                    let caught = catch_cancel(for_ever()).await;
                    nap().await;
                    inner.say("cleaned");
                    match caught {
                        Ok(()) => Outcome::Ok(()),
                        Err(request) => request.raise().await,
                    }
                };
                drop(group.create_task(member));
                for_ever().await;
                Ok(())
            })
            .await;
            drop(ended);
        });
        until(|| waits.is_set()).await;
        nap().await;
        task.cancel_with("o");
        assert_eq!(task.await.unwrap_err().cancelled().unwrap().msg(), Some("o"));
        log.is(&["cleaned"]);
    });
}

#[test]
fn t20_an_outer_cancel_and_an_error() {
    run(|| async {
        let waits = Flag::default();
        let mark = waits.clone();
        let task = spawn(async move {
            let ended: Result<(), _> = task_group(async move |group: Group| {
                let member = async move {
                    mark.set();
                    drop(catch_cancel(for_ever()).await);
                    Err::<(), _>("during")
                };
                drop(group.create_task(member));
                for_ever().await;
                Ok(())
            })
            .await;
            let again = catch_cancel(for_ever()).await.unwrap_err();
            (ended, again.msg().map(str::to_owned), count())
        });
        until(|| waits.is_set()).await;
        nap().await;
        task.cancel_with("o");
        let (ended, again, count) = task.await.unwrap();
        assert_eq!(ended, Err(GroupError::Errors(vec!["during"])));
        assert_eq!((again.as_deref(), count), (Some("o"), 1), "delivered at the next wait");
    });
}

#[test]
fn t20_nested_groups_that_both_fail() {
    run(|| async {
        let ended: Result<(), _> = task_group(async |outer: Group| {
            let sibling = outer.clone();
            let inner: Result<(), _> = task_group(async |inner: Group| {
                let failing = async {
                    yield_now().await;
                    Err::<(), _>("inner")
                };
                drop(inner.create_task(failing).unwrap());
                for_ever().await;
                Ok(())
            })
            .await;
            assert_eq!(inner, Err(GroupError::Errors(vec!["inner"])));
            assert_eq!(count(), 0);
            drop(sibling.create_task(async { Err::<(), _>("outer") }).unwrap());
            for_ever().await;
            Ok(())
        })
        .await;
        assert_eq!(ended, Err(GroupError::Errors(vec!["outer"])));
        assert_eq!(count(), 0);
    });
}

#[test]
fn t20_cancel_stops_the_group_and_goes_no_further() {
    run(|| async {
        let ended: Result<(), _> = task_group(async |group: Group| {
            drop(group.create_task(for_ever()).unwrap());
            nap().await;
            group.cancel();
            group.cancel();
            assert!(group.create_task(for_ever()).is_err());
            for_ever().await;
            Ok(())
        })
        .await;
        assert_eq!(ended, Err(GroupError::Stopped));
        assert_eq!(count(), 0);
        assert!(catch_cancel(nap()).await.is_ok());
        // A body that has ended keeps its value.
        let ended: Result<i32, _> = task_group(async |group: Group| {
            drop(group.create_task(for_ever()).unwrap());
            group.cancel();
            Ok(3)
        })
        .await;
        assert_eq!(ended, Ok(3));
    });
}

#[test]
fn t20_cancel_keeps_an_outer_cancel_that_comes_while_it_ends() {
    run(|| async {
        let (waits, cleaning, go) = (Flag::default(), Flag::default(), Flag::default());
        let (begun, mark, seen) = (waits.clone(), cleaning.clone(), go.clone());
        let task = spawn(async move {
            let ended: Result<(), _> = task_group(async move |group: Group| {
                let member = async move {
                    begun.set();
                    let request = catch_cancel(for_ever()).await.unwrap_err();
                    mark.set();
                    until(|| seen.is_set()).await;
                    request.raise::<()>().await;
                };
                drop(group.create_task(member));
                until(|| waits.is_set()).await;
                group.cancel();
                Ok(())
            })
            .await;
            drop(ended);
        });
        until(|| cleaning.is_set()).await;
        task.cancel_with("message");
        go.set();
        assert_eq!(task.await.unwrap_err().cancelled().unwrap().msg(), Some("message"));
    });
}

#[test]
fn t22_a_panic_of_a_child_is_raised_again_after_all_have_ended() {
    run(|| async {
        let (log, waits) = (Log::default(), Flag::default());
        let (inner, mark) = (log.clone(), waits.clone());
        let task = spawn(async move {
            let ended: Result<(), _> = task_group(async move |group: Group| {
                let member = async move {
                    mark.set();
                    drop(catch_cancel(for_ever()).await);
                    nap().await;
                    inner.say("cleaned");
                };
                drop(group.create_task(member));
                until(|| waits.is_set()).await;
                let failing = async { assert!(Vec::<u8>::new().len() > 1, "a child's panic") };
                let error = group.create_task(failing).unwrap().await.unwrap_err();
                assert!(error.is_panic());
                for_ever().await;
                Ok(())
            })
            .await;
            drop(ended);
        });
        assert_eq!(task.await.unwrap_err().panic_message(), Some("a child's panic"));
        log.is(&["cleaned"]);
    });
}

#[test]
fn t31_a_group_that_fails_touches_no_sibling() {
    run(|| async {
        let failing = async {
            let ended: Result<(), _> = task_group(async |group: Group| {
                let member = async {
                    nap().await;
                    Err::<(), _>("boom")
                };
                drop(group.create_task(member).unwrap());
                for_ever().await;
                Ok(())
            })
            .await;
            ended.is_err()
        };
        let task = spawn(async {
            corio::sleep(ms(5)).await;
            7
        });
        let scoped = catch_cancel(corio::sleep(ms(5)));
        let (failed, (value, scoped)) = join2(failing, join2(task.into_future(), scoped)).await;
        assert_eq!((failed, value.unwrap(), scoped.is_ok()), (true, 7, true));
    });
}

/// The same in branches that are polled when they are woken, the group inside a limit.
#[test]
fn t31_a_group_below_sub_wakers_touches_no_sibling() {
    type Part<'a> = std::pin::Pin<Box<dyn Future<Output = &'static str> + Send + 'a>>;
    run(|| async {
        let task = spawn(async {
            let failed = Flag::default();
            let group = async {
                let limited = timeout(ms(60_000), async {
                    let ended: Result<(), _> = task_group(async |group: Group| {
                        let inside: Vec<Part<'_>> = vec![
                            Box::pin(async {
                                drop(catch_cancel(for_ever()).await);
                                "asked"
                            }),
                            Box::pin(async {
                                nap().await;
                                drop(group.create_task(async { Err::<(), _>("boom") }).unwrap());
                                "failed"
                            }),
                        ];
                        assert_eq!(unordered(inside).await, ["failed", "asked"]);
                        Ok(())
                    })
                    .await;
                    ended
                });
                assert_eq!(limited.await.unwrap(), Err(GroupError::Errors(vec!["boom"])));
                failed.set();
                "group"
            };
            let (waits, go) = (failed.clone(), failed.clone());
            let child = spawn(async move {
                until(|| go.is_set()).await;
                nap().await;
            });
            let parts: Vec<Part<'_>> = vec![
                Box::pin(group),
                Box::pin(async {
                    let scoped = catch_cancel(async {
                        until(|| waits.is_set()).await;
                        nap().await;
                        nap().await;
                    });
                    if scoped.await.is_ok() { "scoped" } else { "scoped, and cancelled" }
                }),
                Box::pin(async {
                    if child.await.is_ok() { "task" } else { "task, and cancelled" }
                }),
            ];
            let mut ended = unordered(parts).await;
            ended.sort_unstable();
            (ended, count())
        });
        assert_eq!(task.await.unwrap(), (vec!["group", "scoped", "task"], 0));
    });
}

#[test]
fn a_limit_around_a_group_whose_clean_up_fails() {
    run(|| async {
        let limited = timeout_scope(None, async |limit| {
            let waits = Flag::default();
            let mark = waits.clone();
            let ended: Result<(), _> = task_group(async |group: Group| {
                let member = async move {
                    mark.set();
                    drop(catch_cancel(for_ever()).await);
                    Err::<(), _>("crash in clean-up")
                };
                drop(group.create_task(member).unwrap());
                until(|| waits.is_set()).await;
                limit.reschedule(Some(Instant::now())).unwrap();
                for_ever().await;
                Ok(())
            })
            .await;
            ended
        });
        let ended = limited.await.expect("the errors win");
        assert_eq!(ended, Err(GroupError::Errors(vec!["crash in clean-up"])));
        assert_eq!(count(), 0);
        assert!(catch_cancel(nap()).await.is_ok());
    });
}

#[test]
fn a_group_that_is_dropped_cancels_its_children() {
    run(|| async {
        let task = {
            let mut group = Box::pin(task_group(async |group: Group| {
                let child = group.create_task(for_ever()).unwrap();
                let watched = child.task_ref();
                drop(child);
                WATCHED.with(|it| *it.borrow_mut() = Some(watched));
                for_ever().await;
                Ok(())
            }));
            thread_local! {
                static WATCHED: std::cell::RefCell<Option<corio::TaskRef>> =
                    const { std::cell::RefCell::new(None) };
            }
            std::future::poll_fn(|cx| {
                assert!(group.as_mut().poll(cx).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            WATCHED.with(|it| it.borrow_mut().take().unwrap())
        };
        until(|| task.done()).await;
        assert_eq!(task.cancelling(), 1);
    });
}

#[test]
fn gather_gives_values_in_order_and_the_first_failure() {
    run(|| async {
        assert!(gather(Vec::<corio::Task<u8>>::new()).await.unwrap().is_empty());
        let slow_first = (0..4).map(|n| async move {
            corio::sleep(ms(4 - n)).await;
            n
        });
        assert_eq!(gather(slow_first).await.unwrap(), [0, 1, 2, 3]);
        let (bad, good) = (spawn(for_ever()), spawn(nap()));
        let watched = good.task_ref();
        bad.cancel_with("bad");
        let error = gather([good, bad]).await.unwrap_err();
        assert_eq!(error.cancelled().unwrap().msg(), Some("bad"));
        until(|| watched.done()).await;
        assert_eq!(watched.cancelling(), 0, "the sibling went on");
        let tasks = [spawn(async { panic!("one") }), spawn(async { 2 })];
        let results = gather_all(tasks).await;
        assert!(results[0].as_ref().unwrap_err().is_panic() && results[1].is_ok());
    });
}

#[test]
fn a_cancelled_gather_awaits_all_children() {
    run(|| async {
        for wanted in ["first", "all"] {
            let log = Log::default();
            let inner = log.clone();
            let task = spawn(async move {
                let member = |n: u64, log: Log| async move {
                    log.say("waits");
                    drop(catch_cancel(for_ever()).await);
                    corio::sleep(ms(n)).await;
                    log.say("ended");
                };
                let members = (1..=3).map(|n| member(n, inner.clone()));
                if wanted == "first" {
                    drop(gather(members).await);
                } else {
                    drop(gather_all(members).await);
                }
            });
            until(|| log.count("waits") == 3).await;
            task.cancel_with("all of you");
            let error = task.await.expect_err("even if all suppress");
            assert_eq!(error.cancelled().unwrap().msg(), Some("all of you"));
            assert_eq!(log.count("ended"), 3, "{wanted}");
        }
    });
}

#[test]
fn wait_gives_the_tasks_back_and_cancels_none() {
    run(|| async {
        let none = wait(Vec::<corio::Task<()>>::new(), ReturnWhen::AllCompleted, None).await;
        assert!(none.is_err());
        let tasks = vec![spawn(for_ever()), spawn(nap())];
        let (done, pending) = wait(tasks, ReturnWhen::FirstCompleted, None).await.unwrap();
        assert_eq!((done.len(), pending.len(), pending[0].cancelling()), (1, 1, 0));
        // A cancelled task is no exception, a panic is.
        let cancelled = spawn(for_ever());
        cancelled.cancel();
        let watched = cancelled.task_ref();
        let panicked = spawn(async move {
            until(|| watched.done()).await;
            nap().await;
            panic!("the exception");
        });
        let tasks = vec![cancelled, panicked, spawn(for_ever())];
        let (done, pending) = wait(tasks, ReturnWhen::FirstException, None).await.unwrap();
        assert_eq!((done.len(), pending.len()), (2, 1));
        let (done, pending) = wait(pending, ReturnWhen::AllCompleted, Some(ms(3))).await.unwrap();
        assert_eq!((done.len(), pending.len(), pending[0].cancelling()), (0, 1, 0));
        // A cancelled wait leaves them alone.
        let child = spawn(for_ever());
        let watched = child.task_ref();
        let task = spawn(wait(vec![child], ReturnWhen::AllCompleted, None));
        nap().await;
        task.cancel();
        assert!(task.await.map(drop).unwrap_err().is_cancelled());
        nap().await;
        assert_eq!((watched.done(), watched.cancelling()), (false, 0));
    });
}

#[test]
fn as_completed_gives_results_as_they_come() {
    run(|| async {
        let delays = [9, 3, 6].map(|n| async move {
            corio::sleep(ms(n)).await;
            n
        });
        let mut results = as_completed(delays);
        let mut order = Vec::new();
        while !results.is_empty() {
            // A wait that is dropped loses nothing.
            let next = timeout(ms(1), results.next()).await;
            if let Ok(Some((index, result))) = next {
                assert_eq!(result.unwrap(), [9, 3, 6][index]);
                order.push(index);
            }
        }
        assert_eq!(order.len(), 3);
        assert!(results.next().await.is_none());
    });
}

#[test]
fn a_group_outside_a_task_runs_its_body() {
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
        let mut group = Box::pin(task_group(async |_: Group| Ok(5)));
        matches!(group.as_mut().poll(cx), std::task::Poll::Ready(Ok(5)))
    }));
    assert!(polled.unwrap());
}

/// `?` on a child that was refused, whatever the body's error type is; the future of the last one is
/// not `Sync`.
#[test]
fn a_refused_child_is_an_error_of_the_usual_types() {
    type Shared = Box<dyn std::error::Error + Send + Sync>;

    async fn body<E>(group: corio::TaskGroup<E>) -> Result<u32, E>
    where
        E: From<corio::GroupClosed<std::future::Ready<()>>> + Send + 'static,
    {
        drop(group.create_task(std::future::ready(()))?);
        group.cancel();
        drop(group.create_task(std::future::ready(()))?);
        Ok(1)
    }

    fn told<E: ToString>(ended: Result<u32, corio::GroupError<E>>) {
        match ended {
            Err(corio::GroupError::Errors(errors)) => {
                let errors: Vec<_> = errors.iter().map(E::to_string).collect();
                assert_eq!(errors, ["the task group is ending and takes no more tasks"]);
            }
            Err(corio::GroupError::Stopped) => panic!("the body has an error of its own"),
            Ok(_) => panic!("the body took what was refused"),
        }
    }

    corio::run(async {
        told(corio::task_group(body::<std::io::Error>).await);
        told(corio::task_group(body::<Shared>).await);
        let lonely = corio::task_group(async |group: corio::TaskGroup<Shared>| {
            group.cancel();
            let cell = std::cell::Cell::new(1);
            let refused = group.create_task(async move {
                corio::yield_now().await;
                cell.set(2);
            });
            drop(refused.map_err(corio::GroupClosed::without_future)?);
            Ok(1)
        });
        told(lonely.await);
    });
}

//! Every public await that is dropped before its first poll is told in debug mode: once, under the
//! place where it was made. Those that are not have a reason.
//!
//! The house test `awaits` holds the table complete.

mod channels;
mod compositions;
mod files;
mod locks;
#[path = "../io/ssl/papers.rs"]
mod papers;
mod paths;
mod processes;
mod sockets;
mod streams;
mod tasks;

use std::pin::Pin;
use std::time::Duration;

use corio::debug::ReportKind;
use corio::{
    ReturnWhen, TaskGroup, as_completed, catch_cancel, create_task, finally, on_cancel, shield,
    sleep, staggered_race, task_group, timeout, timeout_scope, wait,
};

use crate::support::{HOUR, bounded, debug_builder, debug_rt, ignore, report, told};

/// Whether a future was to be told of.
pub enum How {
    Told,
    Silent,
}

pub type Make = fn() -> Pin<Box<dyn Future<Output = How>>>;

/// A table: paths of awaits, and the bodies of async blocks that make the future and drop it.
macro_rules! unpolled {
    ($($path:literal => $make:expr;)*) => {
        &[$((
            $path,
            (|| -> std::pin::Pin<Box<dyn Future<Output = $crate::unpolled::How>>> {
                Box::pin(async move { $make })
            }) as $crate::unpolled::Make,
        )),*]
    };
}
use unpolled;

/// Nobody awaits it, and that is told.
fn forget<F: IntoFuture>(future: F) -> How {
    drop(future);
    How::Told
}

/// Nobody awaits it, which is nobody's mistake.
fn let_go<F: IntoFuture>(reason: &str, future: F) -> How {
    drop(future);
    no_future(reason)
}

/// There is nothing to forget.
fn no_future(reason: &str) -> How {
    assert!(!reason.is_empty());
    How::Silent
}

const STREAM: &str = "a stream is polled itself, and may be left at any item";

const TABLES: [&[(&str, Make)]; 9] = [
    channels::TABLE,
    compositions::TABLE,
    files::TABLE,
    locks::TABLE,
    paths::TABLE,
    processes::TABLE,
    sockets::TABLE,
    streams::TABLE,
    tasks::TABLE,
];

/// What was told of futures that the tables made.
fn told_of_tables() -> Vec<String> {
    told(ReportKind::NeverAwaited, "made at tests/debug/unpolled/")
}

#[test]
fn every_public_await_is_told_or_has_a_reason() {
    let wrong = bounded(|| {
        let main = async {
            let mut wrong = Vec::new();
            for (path, make) in TABLES.into_iter().flatten() {
                let before = told_of_tables().len();
                let how = make().await;
                let texts = told_of_tables().split_off(before);
                match how {
                    How::Told if texts.len() == 1 && texts[0].contains(" was never awaited") => {}
                    How::Silent if texts.is_empty() => {}
                    How::Told | How::Silent => wrong.push(format!("{path}: {texts:?}")),
                }
                if std::env::var_os("CORIO_LIST").is_some() {
                    println!("{path}: {texts:?}");
                }
            }
            wrong
        };
        let builder = debug_builder().workers(2).handle_signals(false);
        builder.run(main).expect("main ends well")
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Parts of corio's own futures are not the user's to await, here or in tests beside.
    let ours = told(ReportKind::NeverAwaited, "").into_iter();
    let ours: Vec<_> = ours.filter(|text| !text.contains("made at tests/")).collect();
    assert!(ours.is_empty(), "{ours:#?}");
}

/// Nothing was told of futures that were made in these lines of this file.
#[track_caller]
fn nothing_told(lines: std::ops::Range<u32>) {
    for line in lines {
        let place = format!("made at {}:{line}:", file!());
        assert_eq!(told(ReportKind::NeverAwaited, &place), Vec::<String>::new());
    }
}

#[test]
fn a_shield_is_told_whatever_it_shields() {
    bounded(|| {
        let runtime = debug_rt();
        let begin = runtime.block_on(async {
            let task = create_task(async {});
            let begin = line!() + 1;
            ignore(shield(async {}));
            ignore(shield(&task));
            ignore(shield(task));
            begin
        });
        for line in begin..begin + 3 {
            let place = format!("shield was never awaited; it was made at {}:{line}:", file!());
            report(ReportKind::NeverAwaited, &place);
        }
    });
}

/// Alarms and clean-ups inside of compositions that were awaited and did not need them.
#[test]
fn parts_that_were_not_needed_are_not_told() {
    bounded(|| {
        let runtime = debug_rt();
        let begin = line!();
        runtime.block_on(async {
            let none = wait(Vec::<corio::Task<()>>::new(), ReturnWhen::AllCompleted, Some(HOUR));
            assert!(none.await.is_err());
            let ended = create_task(async {});
            while !ended.done() {
                corio::yield_now().await;
            }
            let mut all = as_completed([ended]).with_timeout(HOUR);
            assert!(all.next().await.is_some() && all.next().await.is_none());
            drop(as_completed([create_task(async {})]).with_timeout(HOUR));
            let first = staggered_race([|| async { Ok::<_, ()>(1) }], Some(HOUR)).await;
            assert_eq!(first, Ok((0, 1)));
            assert_eq!(on_cancel(async { 1 }, sleep(HOUR)).await, 1);
            drop(finally(std::future::pending::<()>(), sleep(HOUR)).into_polled().await);
        });
        nothing_told(begin..line!());
    });
}

/// Polls a future once and gives it back.
trait IntoPolled: Future + Sized {
    async fn into_polled(self) -> Pin<Box<Self>> {
        let mut future = Box::pin(self);
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx)));
        assert!(polled.await.is_pending());
        future
    }
}

impl<F: Future> IntoPolled for F {}

/// What a body has not come to await when it is stopped from outside was not forgotten.
#[test]
fn what_a_stopped_body_has_not_awaited_is_not_told() {
    bounded(|| {
        let runtime = debug_rt();
        let limit = Duration::from_millis(1);
        let begin = line!();
        runtime.block_on(async {
            let body = async || {
                let later = sleep(HOUR);
                std::future::pending::<()>().await;
                later.await;
            };
            assert!(timeout(limit, body()).await.is_err());
            assert!(timeout_scope(limit, async |_scope| body().await).await.is_err());
            let task = create_task(async move { catch_cancel(body()).await.is_err() });
            corio::yield_now().await;
            task.cancel();
            assert!(task.await.unwrap());
            let group = task_group(async |group: TaskGroup<()>| {
                drop(group.create_task(async { Err::<(), _>(()) }));
                body().await;
                Ok(())
            });
            assert!(group.await.is_err());
        });
        nothing_told(begin..line!());
    });
}

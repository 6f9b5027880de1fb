//! Bodies and outputs: any size and alignment, and dropped exactly once.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use corio_tests::eventually;
use corio_tests::kit::{Ledger, Signal, Token};

use crate::support::{bounded, on_runtime, rt, wait};

/// Spawns a body that carries `N` bytes across a wait and gives them back.
async fn carry<const N: usize>() {
    let bytes: [u8; N] = std::array::from_fn(|i| i as u8);
    let size = corio::spawn(async move {
        corio::yield_now().await;
        std::hint::black_box(&bytes);
        corio::yield_now().await;
        bytes
    });
    assert!(size.task_ref().future_size() >= N);
    let back = size.await.unwrap();
    assert!(back.iter().enumerate().all(|(i, &byte)| byte == i as u8), "{N} bytes were changed");
}

#[test]
fn bodies_of_any_size_keep_their_bytes() {
    on_runtime(|| async {
        carry::<0>().await;
        carry::<1>().await;
        carry::<7>().await;
        carry::<40>().await;
        carry::<100>().await;
        carry::<200>().await;
        carry::<256>().await;
        carry::<500>().await;
        carry::<1000>().await;
        carry::<1990>().await;
        carry::<2048>().await;
        carry::<2100>().await;
        Box::pin(carry::<5000>()).await;
        Box::pin(carry::<65536>()).await;
    });
}

#[test]
fn many_bodies_of_all_sizes_live_side_by_side() {
    /// A body of its own size that checks itself whenever it is polled.
    struct Pattern<const N: usize>([u8; N], u8, u32, #[expect(dead_code)] Token);
    impl<const N: usize> Future for Pattern<N> {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            let seed = self.1;
            assert!(self.0.iter().all(|&byte| byte == seed), "another body wrote into this one");
            if self.2 == 0 {
                return Poll::Ready(());
            }
            self.2 -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }
    on_runtime(|| async {
        let ledger = Ledger::new();
        let mut tasks = Vec::new();
        for round in 0..400_u32 {
            let seed = round as u8;
            let token = ledger.token();
            let turns = round % 5;
            tasks.push(match round % 8 {
                0 => corio::spawn(Pattern([seed; 1], seed, turns, token)),
                1 => corio::spawn(Pattern([seed; 17], seed, turns, token)),
                2 => corio::spawn(Pattern([seed; 66], seed, turns, token)),
                3 => corio::spawn(Pattern([seed; 130], seed, turns, token)),
                4 => corio::spawn(Pattern([seed; 250], seed, turns, token)),
                5 => corio::spawn(Pattern([seed; 700], seed, turns, token)),
                6 => corio::spawn(Pattern([seed; 1980], seed, turns, token)),
                _ => corio::spawn(Pattern([seed; 3000], seed, turns, token)),
            });
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!((ledger.made(), ledger.live()), (400, 0));
    });
}

#[test]
fn strictly_aligned_bodies_and_outputs_are_aligned() {
    #[repr(align(64))]
    struct Line(u8);
    #[repr(align(4096))]
    struct Page(u8);
    fn aligned<T>(value: &T) -> bool {
        std::ptr::from_ref(value).addr() % align_of::<T>() == 0
    }
    on_runtime(|| async {
        for i in 0..20 {
            let line = corio::spawn(async move {
                let line = Line(i);
                corio::yield_now().await;
                assert!(aligned(&line));
                line
            });
            assert!((&line).await.is_ok_and(|line| aligned(line) && line.0 == i));
            let page = Page(i);
            let page = corio::spawn(async move {
                assert!(aligned(&page));
                corio::yield_now().await;
                assert!(aligned(&page));
                page
            });
            assert!((&page).await.is_ok_and(|page| aligned(page) && page.0 == i));
        }
    });
}

#[test]
fn a_body_of_no_size_is_a_body() {
    struct Nothing;
    impl Future for Nothing {
        type Output = Nothing;
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Nothing> {
            Poll::Ready(Nothing)
        }
    }
    on_runtime(|| async {
        let tasks: Vec<_> = (0..1000).map(|_| corio::spawn(Nothing)).collect();
        for task in tasks {
            assert_eq!(task.task_ref().future_size(), 0);
            task.await.unwrap();
        }
    });
}

#[test]
fn an_output_is_dropped_once_however_its_handle_ends() {
    bounded(|| {
        let runtime = rt();
        let ledger = Ledger::new();
        let output = || {
            let token = ledger.token();
            async move { token }
        };
        // Taken by value.
        drop(wait(&runtime, runtime.create_task(output())));
        assert_eq!(ledger.live(), 0);
        // Taken by reference; the handle goes later.
        let mut task = runtime.create_task(output());
        drop(runtime.block_on(&mut task));
        drop(task);
        assert_eq!(ledger.live(), 0);
        // Lent only.
        let task = runtime.create_task(output());
        assert!(runtime.block_on(async { (&task).await.is_ok() }));
        assert!(task.result().is_ok() && ledger.live() == 1);
        drop(task);
        assert_eq!(ledger.live(), 0);
        // Never looked at, after the end and before it.
        let task = runtime.create_task(output());
        eventually("the task's end", || task.done().then_some(()));
        drop(task);
        assert_eq!(ledger.live(), 0);
        drop(runtime.create_task(output()));
        eventually("the drop of a detached output", || (ledger.live() == 0).then_some(()));
        // An untyped handle keeps the memory, not the output.
        let task = runtime.create_task(output());
        let untyped = task.task_ref();
        drop(task);
        eventually("the drop of a watched output", || (ledger.live() == 0).then_some(()));
        eventually("its end", || untyped.done().then_some(()));
        assert_eq!(ledger.made(), ledger.dropped());
    });
}

#[test]
fn a_handle_dropped_while_the_task_ends_drops_the_output_once() {
    bounded(|| {
        let runtime = rt();
        let ledger = Ledger::new();
        for round in 0..2000 {
            let token = ledger.token();
            let task = runtime.create_task(async move { token });
            for _ in 0..round % 50 {
                std::hint::spin_loop();
            }
            drop(task);
        }
        eventually("every output's drop", || (ledger.live() == 0).then_some(()));
        assert_eq!(ledger.dropped(), 2000);
    });
}

#[test]
fn the_body_is_gone_before_the_result_is_seen() {
    on_runtime(|| async {
        let ledger = Ledger::new();
        for round in 0..200 {
            let token = ledger.token();
            let task = corio::spawn(async move {
                if round % 2 == 0 {
                    corio::yield_now().await;
                }
                let _kept = &token;
            });
            task.await.unwrap();
            assert_eq!(ledger.live(), 0, "round {round}");
        }
    });
}

#[test]
fn an_output_may_be_lent_to_many_threads() {
    bounded(|| {
        let runtime = rt();
        let text = "x".repeat(10_000);
        let task = runtime.create_task(async move { text });
        assert!(runtime.block_on(async { (&task).await.is_ok() }));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(task.result().unwrap().len(), 10_000));
            }
        });
    });
}

#[test]
fn a_body_that_waits_for_ever_is_dropped_with_the_runtime() {
    bounded(|| {
        let ledger = Ledger::new();
        let runtime = rt();
        let started = Signal::new();
        for i in 0..100 {
            let (token, started) = (ledger.token(), started.clone());
            drop(runtime.create_task(async move {
                let _token = token;
                if i == 99 {
                    started.set();
                }
                corio::sleep(Duration::from_secs(3600)).await;
            }));
        }
        started.wait_blocking("the last task's start");
        drop(runtime);
        assert_eq!(ledger.live(), 0);
    });
}

#![allow(missing_docs, unused_must_use)]
use corio_runtime::time::sleep;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};
const FAR: Duration = Duration::from_secs(10);
fn main() {
    let passes: u64 = std::env::args().nth(1).map_or(300, |a| a.parse().unwrap());
    let best = |mut f: Box<dyn FnMut()>| {
        let mut best = f64::MAX;
        for _ in 0..passes {
            let t = Instant::now();
            f();
            best = best.min(t.elapsed().as_nanos() as f64 / 10_000.0);
        }
        best
    };
    if passes > 1 {
        println!(
            "clock {:.1}",
            best(Box::new(|| for _ in 0..10_000 {
                std::hint::black_box(Instant::now());
            }))
        );
    }
    corio_runtime::run(async move {
        corio_runtime::create_task(async move {
            let mut best = f64::MAX;
            let mut best_make = f64::MAX;
            for _ in 0..passes {
                let t = Instant::now();
                for n in 0..10_000u64 {
                    std::hint::black_box(sleep(FAR + Duration::from_micros(n)));
                }
                best_make = best_make.min(t.elapsed().as_nanos() as f64 / 10_000.0);
                let t = Instant::now();
                for n in 0..10_000u64 {
                    let mut s = pin!(sleep(FAR + Duration::from_micros(n)));
                    let p: Poll<()> = poll_fn(move |cx| Poll::Ready(s.as_mut().poll(cx))).await;
                    assert!(p.is_pending());
                }
                best = best.min(t.elapsed().as_nanos() as f64 / 10_000.0);
                corio_runtime::time::yield_now().await;
            }
            println!("make {best_make:.1} row {best:.1}");
        })
        .await
        .unwrap();
    });
}

//! A program with one fault of each kind, for docs/debugging.md: what corio tells of it.
//!
//!     cargo run --example debugging -- slow
use std::sync::Arc;
use std::time::Duration;

use corio::Builder;
use corio::sync::Lock;

const SECOND: Duration = Duration::from_secs(1);

fn main() {
    let fault = std::env::args().nth(1).unwrap_or_default();
    let builder = Builder::new().workers(2).debug(true);
    let ended = match fault.as_str() {
        "stuck" => builder.run(stuck()),
        "slow" => builder.run(slow()),
        "lost" => builder.run(lost()),
        "cycle" => builder.run(cycle()),
        "forgotten" => builder.run(forgotten()),
        _ => return eprintln!("usage: debugging stuck|slow|lost|cycle|forgotten"),
    };
    ended.expect("main ends well");
}

/// Ten clients wait for a lock that a task keeps while it sleeps.
async fn stuck() {
    let lock = Arc::new(Lock::new(()));
    let keeper = lock.clone();
    let keeper = corio::task().name("keeper").spawn(async move {
        let _held = keeper.acquire().await;
        corio::sleep(10 * SECOND).await;
    });
    corio::sleep(SECOND / 10).await;
    for _ in 0..10 {
        let lock = lock.clone();
        drop(corio::task().name("client").spawn(async move { drop(lock.acquire().await) }));
    }
    corio::sleep(SECOND / 10).await;
    print!("{}", corio::dump());
    keeper.abort();
    corio::sleep(SECOND / 10).await;
}

/// A task blocks its loop.
async fn slow() {
    let blocks = corio::task().name("report").spawn(async { std::thread::sleep(SECOND / 4) });
    blocks.await.expect("it ends well");
}

/// A future says Pending and keeps no waker.
async fn lost() {
    let lost = corio::task().name("receiver").spawn(std::future::pending::<()>());
    corio::sleep(SECOND).await;
    lost.abort();
    corio::sleep(SECOND / 10).await;
}

/// Two tasks take two locks in different orders.
async fn cycle() {
    let locks = [0, 1].map(|_| Arc::new(Lock::new(())));
    let transfer = |name, from: Arc<Lock<()>>, to: Arc<Lock<()>>| {
        corio::task().name(name).spawn(async move {
            let _from = from.acquire().await;
            corio::sleep(SECOND / 10).await;
            let _to = to.acquire().await;
        })
    };
    let [one, two] = locks;
    let both = [transfer("pay", one.clone(), two.clone()), transfer("refund", two, one)];
    corio::sleep(SECOND / 2).await;
    both.iter().for_each(corio::Task::abort);
    corio::sleep(SECOND / 10).await;
}

/// A missing `.await`, which the compiler warns of unless somebody silences it.
async fn forgotten() {
    let lock = Lock::new(());
    let _missing = lock.acquire();
}

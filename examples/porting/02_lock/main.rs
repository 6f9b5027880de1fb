//! A lock: by hand, without data, and as a guard of the data that it protects.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use corio::gather;
use corio::sync::Lock;

/// The balance is in the lock; nobody reaches it otherwise, and the guard's drop is the `finally`.
async fn as_guard(account: Arc<Lock<u64>>, amount: u64) {
    let mut balance = account.acquire().await;
    let before = *balance;
    corio::sleep(Duration::from_millis(1)).await;
    *balance = before + amount;
}

/// asyncio's form: the lock is beside what it protects, and somebody has to release it.
async fn by_hand(lock: Arc<Lock<()>>, account: Arc<AtomicU64>, amount: u64) {
    std::mem::forget(lock.acquire().await);
    let before = account.load(Ordering::Relaxed);
    corio::sleep(Duration::from_millis(1)).await;
    account.store(before + amount, Ordering::Relaxed);
    lock.release().expect("it was acquired above");
}

/// What a boolean is in Python.
fn py(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

async fn program() {
    let (lock, beside) = (Arc::new(Lock::new(())), Arc::new(AtomicU64::new(0)));
    println!("locked: {}", py(lock.locked()));
    let jobs = (0..5).map(|n| by_hand(lock.clone(), beside.clone(), n));
    gather(jobs).await.expect("none of them panics");
    let account = Arc::new(Lock::new(beside.load(Ordering::Relaxed)));
    gather((0..5).map(|n| as_guard(account.clone(), n))).await.expect("none of them panics");
    println!("balance: {}", *account.acquire().await);
    let guard = lock.acquire().await;
    println!("locked: {}", py(lock.locked()));
    drop(guard);
    println!("locked: {}", py(lock.locked()));
    if lock.release().is_err() {
        println!("it is not acquired");
    }
}

pub fn main() {
    corio::run(program());
}

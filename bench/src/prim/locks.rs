//! Locks around a counter, and permits.

use std::future::Future;

use super::{AsyncLock, Corio, Tokio};

/// A mutual exclusion lock.
pub trait Lock: Send + Sync + 'static {
    /// The lock.
    type Lock: Send + Sync;

    /// A lock around 0.
    fn new() -> Self::Lock;

    /// Locks, awaits `inside`, adds one, unlocks; returns the sum.
    fn add<F>(lock: &Self::Lock, inside: F) -> impl Future<Output = u64> + Send
    where
        F: Future<Output = ()> + Send;
}

/// corio's lock that newcomers may take ahead of waiters.
pub struct Unfair<L>(std::marker::PhantomData<L>);

impl Lock for Corio {
    type Lock = corio::sync::Lock<u64>;

    fn new() -> Self::Lock {
        corio::sync::Lock::new(0)
    }

    async fn add<F: Future<Output = ()> + Send>(lock: &Self::Lock, inside: F) -> u64 {
        let mut sum = lock.acquire().await;
        inside.await;
        *sum += 1;
        *sum
    }
}

impl Lock for Unfair<Corio> {
    type Lock = corio::sync::Lock<u64>;

    fn new() -> Self::Lock {
        corio::sync::Lock::new_unfair(0)
    }

    async fn add<F: Future<Output = ()> + Send>(lock: &Self::Lock, inside: F) -> u64 {
        <Corio as Lock>::add(lock, inside).await
    }
}

impl Lock for Tokio {
    type Lock = tokio::sync::Mutex<u64>;

    fn new() -> Self::Lock {
        tokio::sync::Mutex::new(0)
    }

    async fn add<F: Future<Output = ()> + Send>(lock: &Self::Lock, inside: F) -> u64 {
        let mut sum = lock.lock().await;
        inside.await;
        *sum += 1;
        *sum
    }
}

impl Lock for AsyncLock {
    type Lock = async_lock::Mutex<u64>;

    fn new() -> Self::Lock {
        async_lock::Mutex::new(0)
    }

    async fn add<F: Future<Output = ()> + Send>(lock: &Self::Lock, inside: F) -> u64 {
        let mut sum = lock.lock().await;
        inside.await;
        *sum += 1;
        *sum
    }
}

/// Permits.
pub trait Semaphore: Send + Sync + 'static {
    /// The semaphore.
    type Semaphore: Send + Sync;

    /// A semaphore of so many permits.
    fn new(permits: usize) -> Self::Semaphore;

    /// Takes a permit, awaits `inside`, gives the permit back.
    fn pass<F>(semaphore: &Self::Semaphore, inside: F) -> impl Future<Output = ()> + Send
    where
        F: Future<Output = ()> + Send;
}

impl Semaphore for Corio {
    type Semaphore = corio::sync::Semaphore;

    fn new(permits: usize) -> Self::Semaphore {
        corio::sync::Semaphore::new(permits)
    }

    async fn pass<F: Future<Output = ()> + Send>(semaphore: &Self::Semaphore, inside: F) {
        let permit = semaphore.acquire().await.expect("nobody closes it");
        inside.await;
        drop(permit);
    }
}

impl Semaphore for Tokio {
    type Semaphore = tokio::sync::Semaphore;

    fn new(permits: usize) -> Self::Semaphore {
        tokio::sync::Semaphore::new(permits)
    }

    async fn pass<F: Future<Output = ()> + Send>(semaphore: &Self::Semaphore, inside: F) {
        let permit = semaphore.acquire().await.expect("nobody closes it");
        inside.await;
        drop(permit);
    }
}

impl Semaphore for AsyncLock {
    type Semaphore = async_lock::Semaphore;

    fn new(permits: usize) -> Self::Semaphore {
        async_lock::Semaphore::new(permits)
    }

    async fn pass<F: Future<Output = ()> + Send>(semaphore: &Self::Semaphore, inside: F) {
        let permit = semaphore.acquire().await;
        inside.await;
        drop(permit);
    }
}

/// A lock that many may read.
pub trait RwLock: Send + Sync + 'static {
    /// The lock.
    type Lock: Send + Sync;

    /// A lock around 0.
    fn new() -> Self::Lock;

    /// Reads the sum.
    fn read(lock: &Self::Lock) -> impl Future<Output = u64> + Send;

    /// Adds one.
    fn add(lock: &Self::Lock) -> impl Future<Output = ()> + Send;
}

impl RwLock for Corio {
    type Lock = corio::sync::RwLock<u64>;

    fn new() -> Self::Lock {
        corio::sync::RwLock::new(0)
    }

    async fn read(lock: &Self::Lock) -> u64 {
        *lock.read().await
    }

    async fn add(lock: &Self::Lock) {
        *lock.write().await += 1;
    }
}

impl RwLock for Tokio {
    type Lock = tokio::sync::RwLock<u64>;

    fn new() -> Self::Lock {
        tokio::sync::RwLock::new(0)
    }

    async fn read(lock: &Self::Lock) -> u64 {
        *lock.read().await
    }

    async fn add(lock: &Self::Lock) {
        *lock.write().await += 1;
    }
}

impl RwLock for AsyncLock {
    type Lock = async_lock::RwLock<u64>;

    fn new() -> Self::Lock {
        async_lock::RwLock::new(0)
    }

    async fn read(lock: &Self::Lock) -> u64 {
        *lock.read().await
    }

    async fn add(lock: &Self::Lock) {
        *lock.write().await += 1;
    }
}

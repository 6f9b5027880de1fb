//! Locks, events, and what is counted.

use std::sync::Arc;

use corio::sync::{
    Barrier, BoundedSemaphore, CancelToken, Condition, Deferred, Event, Lock, Notify, OnceCell,
    RwLock, Semaphore, SetOnce,
};

use super::{Make, forget, let_go, unpolled};

/// See `Notify::notified`.
const MADE_EARLY: &str = "it counts from when it is made: who looks at a condition makes it before";

pub const TABLE: &[(&str, Make)] = unpolled! {
    "sync::Lock::acquire" => forget(Lock::new(()).acquire());
    "sync::Lock::lock" => forget(Lock::new(()).lock());
    "sync::Lock::acquire_owned" => forget(Arc::new(Lock::new(())).acquire_owned());
    "sync::RwLock::read" => forget(RwLock::new(()).read());
    "sync::RwLock::write" => forget(RwLock::new(()).write());
    "sync::RwLock::read_owned" => forget(Arc::new(RwLock::new(())).read_owned());
    "sync::RwLock::write_owned" => forget(Arc::new(RwLock::new(())).write_owned());
    "sync::Semaphore::acquire" => forget(Semaphore::new(3).acquire());
    "sync::Semaphore::acquire_many" => forget(Semaphore::new(3).acquire_many(2));
    "sync::Semaphore::acquire_owned" => forget(Arc::new(Semaphore::new(3)).acquire_owned());
    "sync::Semaphore::acquire_many_owned" => {
        forget(Arc::new(Semaphore::new(3)).acquire_many_owned(2))
    };
    "sync::BoundedSemaphore::acquire" => forget(BoundedSemaphore::new(3).acquire());
    "sync::BoundedSemaphore::acquire_many" => forget(BoundedSemaphore::new(3).acquire_many(2));
    "sync::BoundedSemaphore::acquire_owned" => {
        forget(Arc::new(BoundedSemaphore::new(3)).acquire_owned())
    };
    "sync::BoundedSemaphore::acquire_many_owned" => {
        forget(Arc::new(BoundedSemaphore::new(3)).acquire_many_owned(2))
    };
    "sync::Condition::wait" => {
        let lock = Lock::new(());
        forget(Condition::new().wait(&mut lock.acquire().await))
    };
    "sync::Condition::wait_for" => {
        let lock = Lock::new(());
        forget(Condition::new().wait_for(&mut lock.acquire().await, |()| true))
    };
    "sync::Event::wait" => forget(Event::new().wait());
    "sync::Notify::notified" => let_go(MADE_EARLY, Notify::new().notified());
    "sync::Barrier::wait" => forget(Barrier::new(2).wait());
    "sync::OnceCell::get_or_init" => forget(OnceCell::new().get_or_init(|| async { 1 }));
    "sync::OnceCell::get_or_try_init" => {
        forget(OnceCell::new().get_or_try_init(|| async { Ok::<_, ()>(1) }))
    };
    "sync::SetOnce::wait" => forget(SetOnce::<u8>::new().wait());
    "sync::CancelToken::cancelled" => forget(CancelToken::new().cancelled());
    "sync::Deferred as Future" => forget(Deferred::<u8>::new().into_future());
    "&sync::Deferred" => forget((&Deferred::<u8>::new()).into_future());
};

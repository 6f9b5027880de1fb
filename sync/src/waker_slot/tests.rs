//! The slot on real threads, and with wakers that misbehave.
use super::WakerSlot;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{RawWaker, RawWakerVTable, Wake, Waker};

/// Counts wakes; its clones are counted by the `Arc`.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn counting() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (count.clone(), Waker::from(count))
}

#[test]
fn a_waker_is_taken_once_and_dropped_with_the_slot() {
    let (count, waker) = counting();
    let slot = WakerSlot::default();
    slot.register(&waker);
    assert_eq!(Arc::strong_count(&count), 3);
    slot.wake();
    slot.wake();
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert_eq!(Arc::strong_count(&count), 2);
    slot.register(&waker);
    assert_eq!(format!("{slot:?}"), "WakerSlot { full: true }");
    drop(slot);
    assert_eq!(Arc::strong_count(&count), 2);
}

#[test]
fn an_equal_waker_is_not_cloned_and_another_one_replaces_it() {
    let (first, first_waker) = counting();
    let (second, second_waker) = counting();
    let slot = WakerSlot::new();
    slot.register(&first_waker);
    slot.register(&first_waker);
    slot.register(&first_waker.clone());
    assert_eq!(Arc::strong_count(&first), 3);
    slot.register(&second_waker);
    assert_eq!(Arc::strong_count(&first), 2, "the replaced waker is dropped");
    slot.wake();
    assert_eq!((first.0.load(Ordering::Relaxed), second.0.load(Ordering::Relaxed)), (0, 1));
}

/// A waker that panics in the operation that `data` names.
fn panicking(operation: usize) -> Waker {
    fn check(data: *const (), operation: usize) {
        assert_ne!(data.addr(), operation, "told to panic");
    }
    const CLONE: unsafe fn(*const ()) -> RawWaker = |data| {
        check(data, 1);
        RawWaker::new(data, &VTABLE)
    };
    static VTABLE: RawWakerVTable = RawWakerVTable::new(
        CLONE,
        |data| check(data, 2),
        |data| check(data, 3),
        |data| check(data, 4),
    );
    let data = std::ptr::without_provenance(operation);
    // SAFETY: the functions never follow `data` and hold no state.
    unsafe { Waker::new(data, &VTABLE) }
}

#[test]
fn a_panicking_waker_leaves_the_slot_usable() {
    let slot = WakerSlot::new();
    let (count, good) = counting();

    let bad = panicking(1);
    catch_unwind(AssertUnwindSafe(|| slot.register(&bad))).expect_err("the clone panics");
    slot.register(&good);
    slot.wake();
    assert_eq!(count.0.load(Ordering::Relaxed), 1);

    let bad = panicking(2);
    slot.register(&bad);
    catch_unwind(AssertUnwindSafe(|| slot.wake())).expect_err("waking panics");
    slot.register(&good);
    slot.wake();
    assert_eq!(count.0.load(Ordering::Relaxed), 2);

    let bad = std::mem::ManuallyDrop::new(panicking(4));
    slot.register(&bad);
    catch_unwind(AssertUnwindSafe(|| slot.register(&good))).expect_err("the drop panics");
    slot.wake();
    assert_eq!(count.0.load(Ordering::Relaxed), 3, "the new waker was in place before the drop");
}

#[test]
fn owner_and_takers_on_real_threads_lose_no_wake() {
    const ROUNDS: usize = 2_000;
    let slot = WakerSlot::new();
    let turn = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                slot.wake();
                std::thread::yield_now();
            }
        });
        scope.spawn(|| {
            for round in 0..ROUNDS {
                while turn.load(Ordering::Acquire) != 2 * round + 1 {
                    std::thread::yield_now();
                }
                turn.store(2 * round + 2, Ordering::Relaxed);
                slot.wake();
            }
        });
        let wakers = [counting(), counting()];
        let woken = || wakers.iter().map(|w| w.0.0.load(Ordering::Relaxed)).sum::<usize>();
        for round in 0..ROUNDS {
            let before = woken();
            let waker = &wakers[round % 2].1;
            slot.register(waker);
            turn.store(2 * round + 1, Ordering::Release);
            slot.register(waker);
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
            while turn.load(Ordering::Relaxed) != 2 * round + 2 && woken() == before {
                assert!(std::time::Instant::now() < deadline, "round {round}: a wake was lost");
                std::thread::yield_now();
            }
            while turn.load(Ordering::Relaxed) != 2 * round + 2 {
                std::thread::yield_now();
            }
        }
        stop.store(true, Ordering::Relaxed);
        drop(slot.take());
        for (count, _) in &wakers {
            assert!(Arc::strong_count(count) <= 4, "a clone leaked");
        }
    });
}

//! Budgets, nesting, and what happens without a runtime.
use super::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Wake, Waker};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// Makes progress until the budget ends: how often it could, and how often it was woken.
fn spend() -> (u32, usize) {
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let cx = &mut Context::from_waker(&waker);
    let mut spent = 0;
    while spent < 1_000 {
        let Poll::Ready(unit) = poll_proceed(cx) else { break };
        unit.made_progress();
        spent += 1;
    }
    (spent, count.0.load(Relaxed))
}

const FREE: (u32, usize) = (1_000, 0);

#[test]
fn without_a_runtime_there_is_no_budget() {
    assert!(has_remaining());
    refill(0);
    assert_eq!(spend(), FREE);
}

#[test]
fn progress_uses_units_and_waiting_gives_them_back() {
    enter(3, &AtomicBool::new(false), || {
        let cx = &mut Context::from_waker(Waker::noop());
        for _ in 0..10 {
            assert!(poll_proceed(cx).is_ready());
        }
        assert!(has_remaining());
        assert_eq!(spend(), (3, 1));
        assert!(!has_remaining());
        assert_eq!(spend(), (0, 1));
        refill(DEFAULT_BUDGET);
        assert_eq!(spend(), (DEFAULT_BUDGET, 1));
    });
    assert_eq!(spend(), FREE);
}

#[test]
fn the_preempt_flag_ends_a_poll() {
    let preempt = AtomicBool::new(false);
    enter(u32::MAX, &preempt, || {
        assert_eq!(spend(), FREE);
        preempt.store(true, Relaxed);
        assert!(!has_remaining());
        assert_eq!(spend(), (0, 1));
        preempt.store(false, Relaxed);
        assert_eq!(spend(), FREE);
    });
}

#[test]
fn an_unconstrained_future_is_not_interrupted() {
    let preempt = AtomicBool::new(true);
    enter(2, &preempt, || {
        let mut future = std::pin::pin!(unconstrained(async { spend() }));
        let cx = &mut Context::from_waker(Waker::noop());
        assert_eq!(future.as_mut().poll(cx), Poll::Ready(FREE));
        preempt.store(false, Relaxed);
        assert_eq!(spend(), (2, 1), "its units were not ours");
    });
}

#[test]
fn nested_budgets_and_panics_restore_the_outer_one() {
    let outer = AtomicBool::new(false);
    enter(5, &outer, || {
        let panic = || {
            let inner = AtomicBool::new(false);
            enter(1, &inner, || {
                assert_eq!(spend(), (1, 1));
                panic!("inside");
            })
        };
        catch_unwind(AssertUnwindSafe(panic)).expect_err("the panic comes through");
        assert_eq!(spend(), (5, 1));
    });
    assert_eq!(spend(), FREE);
}

#[test]
fn a_unit_held_across_a_change_of_budget_never_makes_it_unlimited() {
    let cx = &mut Context::from_waker(Waker::noop());
    enter(1, &AtomicBool::new(false), || {
        let Poll::Ready(unit) = poll_proceed(cx) else { panic!("one unit is left") };
        refill(u32::MAX);
        drop(unit);
        refill(0);
        assert_eq!(spend(), (0, 1));
    });
    let kept = enter(1, &AtomicBool::new(false), || poll_proceed(cx));
    drop(kept);
    assert_eq!(spend(), FREE);
}

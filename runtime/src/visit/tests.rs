//! Visits of one thread, and who is held by them.
use super::*;
use std::cell::RefCell;

thread_local! {
    static INSIDE: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

struct House(&'static str);

struct Leaves;

impl Drop for Leaves {
    fn drop(&mut self) {
        INSIDE.with_borrow_mut(Vec::pop);
    }
}

impl Host for House {
    fn enter(self: Arc<Self>) -> Box<dyn Any> {
        // As a runtime does: another visit that waits is entered first.
        arrive();
        INSIDE.with_borrow_mut(|inside| inside.push(self.0));
        Box::new(Leaves)
    }
}

fn inside() -> Vec<&'static str> {
    INSIDE.with_borrow(Clone::clone)
}

#[test]
fn a_host_is_entered_when_it_is_asked_for() {
    assert!(!arrive(), "on no visit");
    let host = Arc::new(House("one"));
    during(host.clone(), || assert!(inside().is_empty(), "nobody has asked"));
    during(host.clone(), || {
        assert!(arrive());
        assert!(!arrive(), "it is there already");
        assert_eq!(inside(), ["one"]);
    });
    assert!(inside().is_empty() && !arrive(), "it has left");
}

#[test]
fn visits_lie_in_the_order_in_which_they_began() {
    during(Arc::new(House("outer")), || {
        during(Arc::new(House("inner")), || {
            assert_eq!(inside(), ["outer"], "it is entered before another visit begins");
            assert!(arrive());
            assert_eq!(inside(), ["outer", "inner"]);
        });
        assert!(!arrive());
        assert_eq!(inside(), ["outer"]);
    });
    assert!(inside().is_empty());
}

#[test]
fn a_visit_ends_with_a_panic() {
    let panics = || during(Arc::new(House("one")), || assert!(!arrive(), "it does"));
    std::panic::catch_unwind(panics).unwrap_err();
    assert!(inside().is_empty() && !arrive());
}

#[test]
fn a_thread_holds_its_owner_until_it_goes_home() {
    let host = Arc::new(House("owner"));
    let weak: Weak<dyn Host> = Arc::<House>::downgrade(&host);
    assert!(owner().is_none(), "it works for nobody");
    settle(Some(weak));
    assert_eq!(Arc::strong_count(&host), 1);
    for _ in 0..3 {
        during(owner().unwrap(), || ());
        assert_eq!(Arc::strong_count(&host), 2, "one for the next visit, too");
    }
    go_home();
    assert_eq!(Arc::strong_count(&host), 1);
    during(owner().unwrap(), arrive);
    assert_eq!(Arc::strong_count(&host), 1, "the host was entered, and left");
    drop(host);
    assert!(owner().is_none(), "it is gone");
}

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use super::{End, Observers};

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn told(observers: &Observers<u32>) -> Vec<u32> {
    let mut found = Vec::new();
    observers.tell(None, |call| found.push(call));
    found
}

#[test]
fn callbacks_are_told_once_in_order_whatever_places_they_have() {
    let observers = Observers::new();
    let numbers: Vec<_> = (0..5).map(|call| observers.add_callback(call)).collect();
    assert_eq!(observers.remove(numbers[1]), Some(1));
    assert_eq!(observers.remove(numbers[4]), Some(4));
    assert_eq!(observers.remove(numbers[4]), None);
    // These take the vacant places, which lie before and behind others.
    observers.add_callback(5);
    observers.add_callback(6);
    assert_eq!(told(&observers), [0, 2, 3, 5, 6]);
    assert_eq!(told(&observers), [0; 0]);
    assert_eq!(observers.callbacks.iter().count(), 5, "places are used again");
}

#[test]
fn wakers_callbacks_and_one_from_elsewhere_share_an_order() {
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    struct Say(Arc<std::sync::Mutex<Vec<&'static str>>>, &'static str);
    impl Wake for Say {
        fn wake(self: Arc<Self>) {
            self.0.lock().unwrap().push(self.1);
        }
    }
    let waker = |word| Waker::from(Arc::new(Say(order.clone(), word)));
    let observers = Observers::new();
    observers.add_callback("first");
    observers.add_wait().register(&waker("second"));
    let third = (observers.draw(), waker("third"));
    observers.add_callback("fourth");
    observers.tell(Some(third), |word| order.lock().unwrap().push(word));
    assert_eq!(*order.lock().unwrap(), ["first", "second", "third", "fourth"]);
}

#[test]
fn who_registers_inside_the_telling_is_told_behind_the_others() {
    let observers = Observers::new();
    observers.add_callback(1);
    observers.add_callback(2);
    let mut found = Vec::new();
    observers.tell(None, |call| {
        found.push(call);
        if call == 1 {
            observers.add_callback(3);
            observers.tell(None, |call| panic!("{call} was told by the inner teller"));
        }
    });
    assert_eq!(found, [1, 2, 3]);
}

#[test]
fn a_place_that_was_left_wakes_nobody_and_is_used_again() {
    let counter = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(counter.clone());
    let observers = Observers::<u32>::new();
    let place = observers.add_wait();
    place.register(&waker);
    observers.vacate(place);
    assert!(std::ptr::eq(place, observers.add_wait()));
    assert_eq!(told(&observers), [0; 0]);
    assert_eq!(counter.0.load(Ordering::Relaxed), 0);
    drop(observers);
    assert_eq!(Arc::strong_count(&counter), 2, "a waker leaked");
}

#[test]
fn places_are_at_most_twice_as_many_as_were_used_at_once() {
    const AT_ONCE: usize = 100;
    let observers = Observers::<u32>::new();
    let places = || observers.waits.iter().count();
    let mut used: std::collections::VecDeque<_> =
        (0..AT_ONCE).map(|_| observers.add_wait()).collect();
    assert_eq!(places(), AT_ONCE);
    // One that leaves for one that comes, from either end and the middle.
    for round in 0..50 * AT_ONCE {
        let left = used.swap_remove_back(round * 7 % AT_ONCE).unwrap();
        observers.vacate(left);
        used.push_front(observers.add_wait());
    }
    assert!(places() <= 2 * AT_ONCE + 1, "{}", places());
    // All leave, and all come.
    for _ in 0..50 {
        used.drain(..).for_each(|place| observers.vacate(place));
        used.extend((0..AT_ONCE).map(|_| observers.add_wait()));
    }
    assert!(places() <= 2 * AT_ONCE + 1, "{}", places());
    let mut callbacks = Observers::new();
    for round in 0..50 {
        for call in 0..AT_ONCE as u32 {
            callbacks.add_callback(call);
        }
        assert_eq!(told(&callbacks).len(), AT_ONCE, "round {round}");
    }
    assert!(callbacks.callbacks.iter().count() <= 2 * AT_ONCE + 1);
    callbacks = Observers::new();
    for call in 0..50 * AT_ONCE as u32 {
        let number = callbacks.add_callback(call);
        assert_eq!(callbacks.remove(number), Some(call));
    }
    assert_eq!(callbacks.callbacks.iter().count(), 1);
}

#[test]
fn an_end_and_its_observer_find_each_other() {
    let end = End::new();
    assert!(!end.observe() && end.end() && end.observe());
    let end = End::new();
    assert!(!end.end() && end.observe());
}

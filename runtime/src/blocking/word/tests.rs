//! The word's transitions one after the other; what they do to each other is modelled.
use super::*;

struct Slots(Vec<Link>);

impl Links for Slots {
    fn link(&self, slot: SlotId) -> &Link {
        &self.0[slot.index()]
    }
}

fn pool(cap: usize) -> (Word, Slots) {
    (Word::new(cap), Slots((0..cap).map(|_| Link::new()).collect()))
}

fn rest(word: &Word, slots: &Slots, index: usize) {
    assert!(word.rest(word.look(), SlotId::new(index), slots));
}

#[test]
fn the_first_jobs_spawn_one_worker_that_asks_for_the_next() {
    let (word, slots) = pool(2);
    assert_eq!(word.submit(&slots), Duty::Spawn);
    assert_eq!(word.submit(&slots), Duty::Nothing, "somebody is on the way");
    assert_eq!(word.assist(2, &slots), Duty::Spawn, "two jobs are worth two searchers");
    assert_eq!(word.assist(2, &slots), Duty::Nothing);
    let _ = word.arrive();
    let _ = word.arrive();
    assert_eq!(word.look().searching(), 0);
    assert_eq!(word.submit(&slots), Duty::Nothing, "the cap is reached");
    assert_eq!(word.assist(9, &slots), Duty::Nothing);
    assert_eq!(word.look().total(), 2);
}

#[test]
fn the_last_to_rest_is_the_first_to_be_woken() {
    let (word, slots) = pool(3);
    for index in 0..3 {
        assert_eq!(word.submit(&slots), Duty::Spawn);
        let _ = word.arrive();
        rest(&word, &slots, index);
        if index < 2 {
            // Keep it awake while the next one is spawned.
            assert_eq!(word.submit(&slots), Duty::Wake(SlotId::new(index)));
            let _ = word.arrive();
        }
    }
    rest(&word, &slots, 0);
    rest(&word, &slots, 1);
    for index in [1, 0, 2] {
        assert_eq!(word.submit(&slots), Duty::Wake(SlotId::new(index)));
        let _ = word.arrive();
    }
    assert_eq!(word.look().top(), None);
}

#[test]
fn a_worker_that_found_nothing_fails_if_a_job_came() {
    let (word, slots) = pool(1);
    assert_eq!(word.submit(&slots), Duty::Spawn);
    let _ = word.arrive();
    let seen = word.look();
    assert_eq!(word.submit(&slots), Duty::Nothing);
    assert!(!word.rest(seen, SlotId::new(0), &slots));
    assert!(!word.search(seen));
    assert!(!word.leave(seen));
    let seen = word.look();
    assert!(word.search(seen));
    assert!(!word.search(word.look()), "one spinning worker is enough");
    let _ = word.arrive();
    assert!(word.leave(word.look()));
    assert_eq!(word.look().total(), 0);
}

#[test]
fn a_resting_worker_retires_and_a_failed_spawn_is_taken_back() {
    let (word, slots) = pool(2);
    assert_eq!(word.submit(&slots), Duty::Spawn);
    assert!(word.unspawn(), "nobody is left");
    assert_eq!(word.submit(&slots), Duty::Spawn);
    let _ = word.arrive();
    assert_eq!(word.submit(&slots), Duty::Spawn);
    assert!(!word.unspawn(), "the first one will look at the queue");
    assert_eq!(word.retire(&slots), None);
    rest(&word, &slots, 0);
    assert_eq!(word.retire(&slots), Some(SlotId::new(0)));
    assert_eq!(word.look().total(), 1, "it is counted until it leaves");
    assert!(word.leave(word.look()));
}

#[test]
fn a_stopped_pool_wakes_all_and_refuses() {
    let (word, slots) = pool(2);
    for _ in 0..2 {
        assert_eq!(word.submit(&slots), Duty::Spawn);
        let _ = word.arrive();
    }
    rest(&word, &slots, 0);
    rest(&word, &slots, 1);
    let mut resting = word.stop();
    assert_eq!(resting.next(&slots), Some(SlotId::new(1)));
    assert_eq!(resting.next(&slots), Some(SlotId::new(0)));
    assert_eq!(resting.next(&slots), None);
    assert_eq!(word.stop().next(&slots), None);
    assert_eq!(word.submit(&slots), Duty::Nothing, "two are awake and will look");
    assert!(!word.rest(word.look(), SlotId::new(0), &slots));
    assert!(!word.search(word.look()));
    assert!(word.leave(word.look()));
    assert_eq!(word.submit(&slots), Duty::Spawn, "a late job does not wait for the other one");
    assert!(!word.unspawn());
    assert!(!word.look().is_over());
    assert!(word.leave(word.look()));
    assert!(word.look().is_over());
    assert_eq!(word.submit(&slots), Duty::Refused);
    assert_eq!(word.retire(&slots), None);
}

#[test]
fn no_field_carries_into_the_next() {
    let (word, slots) = pool(THREADS_MAX);
    for _ in 0..THREADS_MAX {
        assert_eq!(word.submit(&slots), Duty::Spawn);
        let _ = word.arrive();
    }
    assert_eq!(word.submit(&slots), Duty::Nothing);
    let last = THREADS_MAX - 1;
    rest(&word, &slots, last);
    assert_eq!(word.look().top(), Some(SlotId::new(last)));
    assert_eq!((word.look().total(), word.look().searching()), (THREADS_MAX as u64, 0));
    assert_eq!(word.submit(&slots), Duty::Wake(SlotId::new(last)));

    let (word, slots) = pool(THREADS_MAX);
    assert_eq!(word.submit(&slots), Duty::Spawn);
    while word.assist(usize::MAX, &slots) == Duty::Spawn {}
    assert_eq!(word.look().searching(), SEARCHING_MAX);
}

#[test]
#[should_panic(expected = "1 to 4095 threads")]
fn a_pool_of_no_threads_is_refused() {
    let _ = Word::new(0);
}

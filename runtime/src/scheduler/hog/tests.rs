//! Sampling without threads: a history of polls, looked at now and then.

use super::*;
use proptest::prelude::*;

const LIMITS: Limits =
    Limits { stuck: Duration::from_millis(1), report: Duration::from_millis(100) };

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn in_poll(tick: u64) -> Sight {
    Sight { tick, parked: false, marked: false }
}

#[test]
fn marks_end_at_the_next_boundary() {
    let line = HogLine::new();
    assert!(line.is_parked());
    line.unpark();
    line.begin_poll();
    assert_eq!(line.sight(), in_poll(1));
    line.mark();
    assert!(line.is_hog() && line.preempt().load(Relaxed));
    line.end_poll();
    line.begin_poll();
    assert_eq!(line.sight(), in_poll(3));
    assert!(!line.is_hog() && !line.preempt().load(Relaxed));
    line.end_poll();
    line.mark();
    line.park();
    assert!(!line.is_hog() && !line.preempt().load(Relaxed) && line.is_parked());
}

#[test]
fn a_stuck_poll_is_marked_once_and_reported_once() {
    let mut sampler = Sampler::new();
    let first = sampler.observe(in_poll(5), ms(10), &LIMITS);
    assert_eq!(first, Verdict { new_poll: true, moved: true, ..Verdict::default() });
    let stuck = sampler.observe(in_poll(5), ms(11), &LIMITS);
    assert!(stuck.same_poll && stuck.became_stuck && stuck.report.is_none());
    let still = sampler.observe(in_poll(5), ms(109), &LIMITS);
    assert_eq!(still, Verdict { same_poll: true, awake_twice: true, ..Verdict::default() });
    assert_eq!(sampler.observe(in_poll(5), ms(110), &LIMITS).report, Some(ms(100)));
    assert_eq!(sampler.observe(in_poll(5), ms(900), &LIMITS).report, None);
    assert!(sampler.observe(in_poll(7), ms(901), &LIMITS).released);
    assert!(!sampler.is_stuck());
}

#[test]
fn a_worker_that_marks_itself_is_stuck_at_the_first_sight() {
    let line = HogLine::new();
    let mut sampler = Sampler::new();
    line.unpark();
    for poll in 0..3 {
        line.begin_poll();
        line.mark();
        let verdict = sampler.observe(line.sight(), ms(poll), &LIMITS);
        assert!(verdict.became_stuck && verdict.new_poll && verdict.released == (poll > 0));
        assert!(sampler.observe(line.sight(), ms(poll), &LIMITS).same_poll && sampler.is_stuck());
        line.end_poll();
    }
    // The mark of a poll that has ended says nothing.
    assert!(line.is_hog());
    assert!(!sampler.observe(line.sight(), ms(3), &LIMITS).became_stuck && !sampler.is_stuck());
}

#[test]
fn a_late_sample_marks_and_reports_at_once() {
    let mut sampler = Sampler::new();
    let _ = sampler.observe(in_poll(1), ms(1), &LIMITS);
    let late = sampler.observe(in_poll(1), ms(301), &LIMITS);
    assert!(late.became_stuck);
    assert_eq!(late.report, Some(ms(300)));
}

#[test]
fn a_worker_between_polls_or_asleep_is_never_stuck() {
    let mut sampler = Sampler::new();
    for now in 1..300 {
        let between = Sight { tick: 8, parked: now % 2 == 0, marked: false };
        let verdict = sampler.observe(between, ms(now), &LIMITS);
        assert_eq!(verdict, Verdict { moved: now == 1, ..Verdict::default() });
    }
}

#[test]
fn a_new_poll_is_looked_at_again_soon_and_then_no_more() {
    let mut pace = Pace::default();
    let rest = Verdict { moved: true, ..Verdict::default() };
    let new = Verdict { new_poll: true, moved: true, ..Verdict::default() };
    let same = Verdict { same_poll: true, ..Verdict::default() };
    let mut next = |verdict: &Verdict| {
        pace.note(verdict);
        pace.next_period(true)
    };
    assert_eq!([&rest, &rest].map(&mut next), [(ms(4), false); 2]);
    assert_eq!([&new, &new, &new].map(&mut next).map(|(period, _)| period), [ms(1), ms(4), ms(1)]);
    assert_eq!([&same, &same].map(&mut next), [(ms(1), true); 2], "a stuck worker is watched");
    assert_eq!(next(&Verdict::default()), (ms(4), true));
    pace.note(&same);
    assert_eq!(pace.next_period(false), (ms(4), true), "nobody sleeps who could help");
}

#[test]
fn a_poll_is_marked_in_time_however_it_falls_between_samples() {
    for (begins, helper, limit) in
        (0..10_000).flat_map(|begins| [(begins, true, ms(5)), (begins, false, ms(8))])
    {
        let begins = Duration::from_micros(begins);
        let (mut sampler, mut pace) = (Sampler::new(), Pace::default());
        let mut now = Duration::ZERO;
        let marked = loop {
            // One short poll per microsecond before the long one.
            let tick = 2 * now.min(begins).as_micros() as u64 + 1;
            let verdict = sampler.observe(in_poll(tick), now, &LIMITS);
            if verdict.became_stuck {
                break now - begins;
            }
            pace.note(&verdict);
            now += pace.next_period(helper).0;
        };
        assert!((ms(1)..=limit).contains(&marked), "marked after {marked:?}, begun at {begins:?}");
    }
}

proptest! {
    /// Polls of random lengths, sampled at random times, against what really happened.
    #[test]
    fn verdicts_follow_the_history(
        polls in prop::collection::vec((0_u64..250_000, 0_u64..3_000), 1..40),
        gaps in prop::collection::vec(100_u64..8_000, 1..200),
    ) {
        let mut sampler = Sampler::new();
        let mut now = 0;
        let (mut marked, mut reported) = (None, None);
        for gap in gaps {
            now += gap;
            let (sight, began) = sight_at(&polls, now);
            let verdict = sampler.observe(sight, Duration::from_micros(now), &LIMITS);
            let true_length = Duration::from_micros(now - began);
            if verdict.became_stuck {
                prop_assert!(sight.in_poll() && true_length >= LIMITS.stuck);
                prop_assert_ne!(marked, Some(sight.tick), "marked twice");
                marked = Some(sight.tick);
            }
            if let Some(length) = verdict.report {
                prop_assert!(length >= LIMITS.report && length <= true_length);
                prop_assert_ne!(reported, Some(sight.tick), "reported twice");
                reported = Some(sight.tick);
            }
            prop_assert_eq!(verdict.released, marked.is_some_and(|tick| tick != sight.tick));
            if verdict.released {
                marked = None;
            }
            prop_assert_eq!(sampler.is_stuck(), marked.is_some());
            // The widest gap bounds how late a mark may be.
            let overdue = LIMITS.stuck + Duration::from_micros(2 * 8_000);
            prop_assert!(!sight.in_poll() || true_length < overdue || sampler.is_stuck());
        }
    }
}

/// What the worker shows at `now`, and when the poll or pause began; lengths are microseconds of
/// a poll and of the pause after it.
fn sight_at(polls: &[(u64, u64)], now: u64) -> (Sight, u64) {
    let mut began = 0;
    let mut tick = 1;
    for &(poll, pause) in polls {
        for (length, parked) in [(poll, false), (pause, true)] {
            if now < began + length {
                return (Sight { tick, parked, marked: false }, began);
            }
            began += length;
            tick += 1;
        }
    }
    (Sight { tick: tick - 1, parked: true, marked: false }, began)
}

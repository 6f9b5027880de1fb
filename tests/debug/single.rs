//! What a single event loop tells in debug mode.

use std::time::Duration;

use corio::debug::ReportKind;

use crate::support::{HOUR, bounded, listen, report, seconds, told};

// asyncio: "unclosed event loop".
#[test]
fn an_event_loop_that_is_dropped_open_is_told() {
    bounded(|| {
        listen();
        let (open, closed) = (corio::new_event_loop().unwrap(), corio::new_event_loop().unwrap());
        let line = line!() - 1;
        for event_loop in [&open, &closed] {
            event_loop.set_debug(true);
            event_loop.run_until_complete(async {}).unwrap();
        }
        closed.close().unwrap();
        drop((open, closed));
        let dropped = format!("without close(); it was made at {}:{line}:", file!());
        report(ReportKind::Unclosed, &dropped);
        assert_eq!(told(ReportKind::Unclosed, &dropped).len(), 1, "the closed one is told");
    });
}

#[test]
fn an_event_loop_tells_of_slow_steps_and_of_what_it_ends() {
    /// Longer than the limit that a loop has.
    const SLOWER: Duration = Duration::from_millis(110);
    bounded(|| {
        listen();
        let event_loop = corio::new_event_loop().expect("a loop");
        event_loop.set_debug(true);
        event_loop.run_until_complete(async {}).unwrap();
        let line = line!() + 1;
        event_loop.call_soon(|| std::thread::sleep(SLOWER));
        let slow = async {
            let blocks = async { std::thread::sleep(SLOWER) };
            corio::task().name("slow-on-a-loop").spawn(blocks).await.unwrap();
        };
        event_loop.run_until_complete(slow).unwrap();
        let place = format!("executing <Handle called submitted at {}:{line}:", file!());
        for what in [place.as_str(), "name='slow-on-a-loop'"] {
            let text = report(ReportKind::SlowCallback, what);
            assert!(seconds(&text) >= SLOWER.as_secs_f64(), "{text}");
        }
        let left = async {
            let pending = corio::task().name("left-on-a-loop").spawn_local(corio::sleep(HOUR));
            corio::yield_now().await;
            pending
        };
        let left = event_loop.run_until_complete(left).unwrap();
        event_loop.close().unwrap();
        let text = report(ReportKind::DestroyedPending, "'left-on-a-loop'");
        assert!(text.contains(&format!("waiting for sleep at {}:", file!())), "{text}");
        drop(left);
    });
}

#[test]
fn an_event_loop_tells_of_slow_steps_while_they_are_stuck() {
    bounded(|| {
        listen();
        let event_loop = corio::Builder::new().debug(true).build_event_loop().expect("a loop");
        let line = line!() + 1;
        let stuck = corio::task().name("stuck-on-a-loop").spawn_on(&event_loop, async {
            // The step does not end before it was told of.
            report(ReportKind::SlowCallback, "has been inside task 'stuck-on-a-loop'")
        });
        let text = event_loop.run_until_complete(stuck).unwrap().unwrap();
        assert!(text.starts_with("the event loop has been inside"), "{text}");
        assert!(text.contains(&format!("spawned at {}:{line}:", file!())), "{text}");
        event_loop.close().unwrap();
    });
}

#[test]
fn an_event_loop_whose_debug_mode_is_switched_on_tells_of_stuck_callbacks() {
    bounded(|| {
        listen();
        let event_loop = corio::new_event_loop().expect("a loop");
        event_loop.run_until_complete(async {}).unwrap();
        event_loop.set_debug(true);
        let line = line!() + 1;
        event_loop.call_soon(move || {
            let place = format!("<Handle called submitted at {}:{}:", file!(), line);
            let text = report(ReportKind::SlowCallback, &format!("has been inside {place}"));
            assert!(text.starts_with("the event loop has been inside"), "{text}");
        });
        event_loop.run_until_complete(async {}).unwrap();
        event_loop.close().unwrap();
    });
}

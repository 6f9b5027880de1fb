//! What the machine itself does to a thread that only wants to run: a control for tests of time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use corio_tests::eventually;

/// How often the control wants to run.
const PERIOD: Duration = Duration::from_millis(1);
/// Delays that the scheduler of a system deals out by itself are the runtime's to bear; what is longer
/// stopped everybody: another guest of the machine, or a quota.
const STALL: Duration = Duration::from_millis(15);

/// A thread that notes when the machine kept it from running.
pub struct Stalls {
    notes: Arc<Mutex<Notes>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Notes {
    /// When it ran last: all stalls until then are known.
    known: Instant,
    /// The last moment before each, and the first one after it.
    stalls: Vec<(Instant, Instant)>,
    /// When it ran, and how much later than it wanted.
    late: Vec<(Instant, Duration)>,
}

impl Stalls {
    /// Notes stalls from now on.
    pub fn watch() -> Self {
        let notes = Notes { known: Instant::now(), stalls: Vec::new(), late: Vec::new() };
        let (notes, over) = (Arc::new(Mutex::new(notes)), Arc::new(AtomicBool::new(false)));
        let (ours, ends) = (notes.clone(), over.clone());
        let thread = thread::spawn(move || {
            // Relaxed: nothing else is passed on.
            while !ends.load(Ordering::Relaxed) {
                thread::sleep(PERIOD);
                let now = Instant::now();
                let mut notes = ours.lock().unwrap();
                let last = std::mem::replace(&mut notes.known, now);
                notes.late.push((now, (now - last).saturating_sub(PERIOD)));
                if now - last > STALL {
                    notes.stalls.push((last, now));
                }
            }
        });
        Self { notes, over, thread: Some(thread) }
    }

    /// How much of the time between the two the machine was stalled.
    fn between(&self, from: Instant, to: Instant) -> Duration {
        eventually("the control's look", || (self.notes.lock().unwrap().known >= to).then_some(()));
        let notes = self.notes.lock().unwrap();
        let inside =
            |&(a, b): &(Instant, Instant)| b.min(to).saturating_duration_since(a.max(from));
        notes.stalls.iter().map(inside).sum()
    }

    /// How late the control itself was between the two but for two times; stalls count.
    pub fn tail(&self, from: Instant, to: Instant) -> Duration {
        eventually("the control's look", || (self.notes.lock().unwrap().known >= to).then_some(()));
        let notes = self.notes.lock().unwrap();
        let inside = notes.late.iter().filter(|(at, _)| (from..=to).contains(at));
        let mut late: Vec<_> = inside.map(|&(_, late)| late).collect();
        late.sort();
        late.iter().rev().nth(2).copied().unwrap_or(to - from)
    }

    /// The time between the two, less that of the machine's stalls.
    pub fn ran(&self, from: Instant, to: Instant) -> Duration {
        to.saturating_duration_since(from).saturating_sub(self.between(from, to))
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // It does nothing that could panic.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[test]
fn a_machine_that_runs_is_not_stalled_all_the_time() {
    let stalls = Stalls::watch();
    let start = Instant::now();
    thread::sleep(Duration::from_millis(50));
    let end = Instant::now();
    assert!(stalls.between(start, end) <= end - start);
    assert_eq!(stalls.ran(end, end), Duration::ZERO);
}

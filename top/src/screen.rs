//! `corio-top PID`: the screen.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::{Duration, Instant};

use rustix::termios::tcgetwinsize;

use crate::Failure;
use crate::ask::snapshot;
use crate::ps::head;
use crate::snapshot::{Runtime, Snapshot, Worker};
use crate::text::{Table, count, time};

/// Rates want two looks: so long after the first one comes the second.
const FIRST_INTERVAL: Duration = Duration::from_millis(500);
/// Polls that last longer are told below their worker; a tenth of a second is what corio reports, too.
const LONG_POLL: u64 = 100;
/// Moves to the upper left corner, and clears what is there.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Draws the screen until Ctrl-C, or once.
pub fn run(out: &mut impl Write, pid: u32, once: bool, interval: Duration) -> Result<(), Failure> {
    let mut before = snapshot(pid)?;
    let mut asked = Instant::now();
    let mut pause = FIRST_INTERVAL;
    loop {
        thread::sleep(pause);
        let now = snapshot(pid)?;
        let took = asked.elapsed();
        asked = Instant::now();
        let mut text = Vec::new();
        draw(&mut text, pid, &before, &now, took)?;
        let on_terminal = !once && io::stdout().is_terminal();
        out.write_all(&if on_terminal { cut(&text) } else { text })?;
        out.flush()?;
        if once {
            return Ok(());
        }
        (before, pause) = (now, interval);
    }
}

/// As much as the terminal shows, after a sequence that clears it.
fn cut(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    // A terminal that does not know its size gets everything.
    let (rows, columns) = match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => {
            (usize::from(size.ws_row), usize::from(size.ws_col))
        }
        _ => (usize::MAX, usize::MAX),
    };
    let mut shown = String::from(CLEAR);
    // The cursor has a line of its own.
    for line in text.lines().take(rows - 1) {
        shown.extend(line.chars().take(columns));
        shown.push('\n');
    }
    shown.into_bytes()
}

/// The text of a screen; rates are those of `took`, between two snapshots.
fn draw(
    out: &mut impl Write,
    pid: u32,
    before: &Snapshot,
    now: &Snapshot,
    took: Duration,
) -> io::Result<()> {
    let tasks = now.runtimes.iter().map(|runtime| runtime.task_count).sum();
    let runtimes = count(now.runtimes.len() as u64, "runtime");
    writeln!(out, "process {pid}: {runtimes}, {}", count(tasks, "task"))?;
    for (i, runtime) in now.runtimes.iter().enumerate() {
        // Runtimes come at the end; when one before has gone, the next screen is right again.
        let same = |it: &&Runtime| it.name == runtime.name && it.place == runtime.place;
        let before = before.runtimes.get(i).filter(same);
        writeln!(out)?;
        head(out, runtime)?;
        let Runtime { injected, timers, sources, .. } = runtime;
        writeln!(
            out,
            "  {injected} injected, {}, {}, {} for blocking calls ({} busy, {} queued)",
            count(*timers, "timer"),
            count(*sources, "socket"),
            count(runtime.blocking_threads, "thread"),
            runtime.blocking_busy,
            runtime.blocking_queued,
        )?;
        workers(out, runtime, before, took)?;
        places(out, runtime)?;
        for circle in runtime.circles() {
            writeln!(out, "{circle}")?;
        }
    }
    Ok(())
}

fn workers(
    out: &mut impl Write,
    runtime: &Runtime,
    before: Option<&Runtime>,
    took: Duration,
) -> io::Result<()> {
    let head = [
        "worker",
        "now",
        "polls%",
        "awake%",
        "queued",
        "polls/s",
        "steals/s",
        "searches/s",
        "parks/s",
        "inside",
    ];
    let mut table = Table::new(&head, &[0, 2, 3, 4, 5, 6, 7, 8]);
    let unseen = Worker::default();
    for (i, worker) in runtime.workers.iter().enumerate() {
        let old = before.and_then(|before| before.workers.get(i));
        let rate = |read: fn(&Worker) -> u64| {
            let Some(old) = old else { return "-".to_owned() };
            let more = read(worker).saturating_sub(read(old)) as f64;
            format!("{:.0}", more / took.as_secs_f64())
        };
        let share = |read: fn(&Worker) -> u64| {
            let old = old.unwrap_or(&unseen);
            let samples = worker.samples.saturating_sub(old.samples);
            match samples {
                0 => "-".to_owned(),
                _ => format!("{}", read(worker).saturating_sub(read(old)) * 100 / samples),
            }
        };
        table.row(vec![
            worker.index.clone(),
            worker.doing.clone(),
            share(|worker| worker.samples_in_poll),
            share(|worker| worker.samples_awake),
            worker.queued.to_string(),
            rate(|worker| worker.polls),
            rate(|worker| worker.steals),
            rate(|worker| worker.searches),
            rate(|worker| worker.parks),
            inside(runtime, worker),
        ]);
    }
    table.print(out)
}

/// What a worker is inside for long.
fn inside(runtime: &Runtime, worker: &Worker) -> String {
    match worker.polls_for {
        Some(ms) if ms >= LONG_POLL => {
            let what = match &worker.inside {
                Some(id) => runtime.label(id),
                None => "a callback".to_owned(),
            };
            format!("{what} for {}", time(Some(ms)))
        }
        _ => "-".to_owned(),
    }
}

/// The tasks, grouped by what they do and where, the largest crowd first.
fn places(out: &mut impl Write, runtime: &Runtime) -> io::Result<()> {
    let mut groups: BTreeMap<String, (u64, Option<u64>)> = BTreeMap::new();
    for task in &runtime.tasks {
        let what = match task.state.as_str() {
            "waiting" => task.place(),
            state => state.to_owned(),
        };
        let (count, longest) = groups.entry(what).or_default();
        *count += 1;
        *longest = task.waits.max(*longest);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    let mut table = Table::new(&["tasks", "longest", "waiting for"], &[0, 1]);
    for (what, (count, longest)) in groups {
        table.row(vec![count.to_string(), time(longest), what]);
    }
    table.print(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::tests::{RUNTIME, of};

    #[test]
    fn a_screen_shows_rates_shares_and_crowds() {
        let before = of(&[RUNTIME, "worker|0|polls|0|10|0|0|4|10|2|5|-|-"]);
        let now = of(&[
            RUNTIME,
            "worker|0|polls|3|1010|2|6|8|110|52|105|1500|a.0",
            "task|a.0|spin|running|-|-|m|5000|-|-",
            "task|b.0|one|waiting|sleep|m.rs:3:3|m|5000|3000|-",
            "task|c.0|two|waiting|sleep|m.rs:3:3|m|5000|4000|-",
            "task|d.0|odd|waiting|-|-|m|5000|-|-",
        ]);
        let mut out = Vec::new();
        draw(&mut out, 7, &before, &now, Duration::from_secs(2)).unwrap();
        let expected = "\
process 7: 1 runtime, 2 tasks

runtime 'corio' (src/main.rs:1:1): 2 tasks, 1 worker
  0 injected, 1 timer, 3 sockets, 1 thread for blocking calls (0 busy, 0 queued)
worker  now    polls%  awake%  queued  polls/s  steals/s  searches/s  parks/s  inside
     0  polls      50     100       3      500         1           3        2  'spin' a.0 for 1.5 s
tasks  longest  waiting for
    2    4.0 s  sleep at m.rs:3:3
    1        -  running
    1        -  something outside corio
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

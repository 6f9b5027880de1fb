//! A debug run: a step that blocks for 150 ms, and a future that nobody awaits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use corio::Builder;
use corio::debug::{Report, ReportKind, set_report_hook};

/// The reports of the two kinds that the program is about.
type Told = Arc<Mutex<Vec<(ReportKind, String)>>>;

fn listen() -> Told {
    let told = Told::default();
    let keep = told.clone();
    let hook = move |report: &Report| {
        let told = (report.kind(), report.text().to_owned());
        keep.lock().expect("no hook panics").push(told);
    };
    set_report_hook(Some(Arc::new(hook)));
    told
}

async fn blocks() -> &'static str {
    std::thread::sleep(Duration::from_millis(150));
    "blocked"
}

/// What a boolean is in Python.
fn py(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

async fn program() {
    println!("debug: {}", py(corio::Handle::current().get_debug()));
    drop(corio::sleep(Duration::from_millis(10)));
    let task = corio::task().name("blocks").spawn(blocks());
    println!("{}", task.await.expect("it ends well"));
    println!("main ends");
}

pub fn main() {
    let told = listen();
    Builder::new().debug(true).run(program()).expect("nothing stops it");
    let told = told.lock().expect("no hook panics");
    let of = |kind| told.iter().filter(move |(k, _)| *k == kind).map(|(_, text)| text.as_str());
    // While it is stuck, the Watch tells of it in words of its own; this is what is told afterwards.
    let slow = of(ReportKind::SlowCallback).filter_map(|text| {
        let took = text.strip_prefix("executing <Task ")?.split_once("name='blocks'")?.1;
        took.split_once(" took ")?.1.strip_suffix(" seconds")?.parse::<f64>().ok()
    });
    let slow: Vec<f64> = slow.collect();
    let long_enough = slow.iter().all(|&took| took >= 0.15);
    println!("slow steps: {} long enough: {}", slow.len(), py(long_enough));
    for text in of(ReportKind::NeverAwaited) {
        let (name, place) = text.split_once(" was never awaited").expect("it says so");
        println!("never awaited: {name} with its place: {}", py(place.contains("main.rs")));
    }
}

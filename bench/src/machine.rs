//! On what and with what a run was made: without it a figure means nothing.

use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::args::Compare;

/// The crates whose versions belong to a figure.
const CRATES: &[&str] = &[
    #[cfg(feature = "corio")]
    "corio",
    "tokio",
    "smol",
    "async-executor",
    "async-io",
    "nio",
    "hyper",
    "tokio-util",
    "async-lock",
    "async-channel",
    "flume",
    "kanal",
];

/// What every report says of the workloads.
const PREAMBLE: &str = "\
Every measurement ran in a process of its own; wall times are medians of passes, cpu is user and
system time of the whole process, or of the server alone, by getrusage. The table shows medians
over rounds. \"vs tokio\" is how many times better than stock tokio: below 1 is a loss. \"others\"
are the cores that other processes kept busy; ! marks figures that they may have spoilt. \"set\" is
all that an adapter sets beyond the number of workers. Tasks signal each other by a oneshot, a
slot and a countdown of this program, the same for every runtime, so that rows compare schedulers.
Rows of locks, channels and the like compare libraries: corio's under corio, tokio's under tokio,
and under tokio too those of others and, as corio@tokio, corio's.";

/// A machine, its system and the versions of what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// The kernel's version.
    pub kernel: String,
    /// The compiler's version.
    pub rustc: String,
    /// The command line, from the program's name on.
    pub command: String,
    /// How it was measured.
    pub settings: String,
    /// When the run began.
    pub unix_time: u64,
    /// Crates and their versions.
    pub versions: Vec<(String, String)>,
}

impl Machine {
    /// This machine, measuring with these options.
    pub fn here(options: &Compare) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let args: Vec<String> = std::env::args().skip(1).collect();
        Self {
            cpu: cpu_name(&cpuinfo),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: kernel.trim().to_owned(),
            rustc: rustc(),
            command: format!("corio-bench {}", args.join(" ")),
            settings: settings(options),
            unix_time: now.as_secs(),
            versions: versions(include_str!("../../Cargo.lock")),
        }
    }

    /// What stands above the table.
    pub fn headline(&self) -> String {
        let versions: Vec<String> =
            self.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        let (command, settings, place) = (&self.command, &self.settings, self.place());
        format!("{command}\n{settings}\n{place}\n{}\n", versions.join(", "))
    }

    /// The processor, its cores, the kernel and the compiler.
    pub fn place(&self) -> String {
        format!("{}, {} cores, Linux {}, {}", self.cpu, self.cores, self.kernel, self.rustc)
    }

    /// The headline and how the table is to be read.
    pub fn introduction(&self) -> String {
        format!("{}\n{PREAMBLE}\n", self.headline())
    }
}

fn settings(options: &Compare) -> String {
    let knobs = &options.knobs;
    let quiet = options.quiet.map_or_else(
        || "no wait for a quiet machine".to_owned(),
        |quiet| format!("others still for {} ms before each", quiet.as_millis()),
    );
    format!(
        "{} workers, {} rounds, at least {} ms after {} ms of warm-up, {quiet}",
        knobs.workers,
        options.rounds,
        knobs.measure.as_millis(),
        knobs.warm_up.as_millis()
    )
}

fn cpu_name(cpuinfo: &str) -> String {
    cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.trim().to_owned())
}

fn rustc() -> String {
    let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(program).arg("--version").output();
    version.map_or_else(
        |_| "unknown rustc".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// Finds the versions in a lock file, where a `version` line follows each `name` line.
fn versions(lock: &str) -> Vec<(String, String)> {
    let quoted = |line: &str, key: &str| {
        let rest = line.strip_prefix(key)?.strip_prefix(" = \"")?;
        rest.strip_suffix('"').map(str::to_owned)
    };
    let lines: Vec<&str> = lock.lines().collect();
    let packages: Vec<(String, String)> = lines
        .windows(2)
        .filter_map(|pair| Some((quoted(pair[0], "name")?, quoted(pair[1], "version")?)))
        .collect();
    let of = |name: &&str| packages.iter().find(|(package, _)| package == name).cloned();
    CRATES.iter().filter_map(of).collect()
}

#[cfg(test)]
impl Machine {
    /// A machine that is the same everywhere.
    pub fn of_tests() -> Self {
        Self {
            cpu: "a <processor> & more".to_owned(),
            cores: 2,
            kernel: "6.0".to_owned(),
            rustc: "rustc 1.0".to_owned(),
            command: "corio-bench compare".to_owned(),
            settings: settings(&Compare::default()),
            unix_time: 0,
            versions: vec![("tokio".to_owned(), "1.54.1".to_owned())],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_lock_file() {
        let lock = "[[package]]\nname = \"tokio\"\nversion = \"1.54.1\"\n\n\
                    [[package]]\nname = \"other\"\nversion = \"1.0.0\"\n";
        assert_eq!(versions(lock), [("tokio".to_owned(), "1.54.1".to_owned())]);
        let all: Vec<String> =
            Machine::here(&Compare::default()).versions.into_iter().map(|(name, _)| name).collect();
        assert_eq!(all, CRATES);
    }

    #[test]
    fn the_headline_says_how_it_was_measured() {
        let headline = Machine::of_tests().headline();
        assert!(headline.contains("2 workers, 3 rounds, at least 400 ms"), "{headline}");
        assert!(headline.contains("tokio 1.54.1"), "{headline}");
    }

    #[test]
    fn the_processor_has_a_name() {
        assert_eq!(cpu_name("processor : 0\nmodel name\t: Fast 9000\n"), "Fast 9000");
        assert_eq!(cpu_name(""), "unknown processor");
    }
}

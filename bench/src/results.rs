//! What `compare` has measured, and the sums that every report shows.

use crate::contender::REFERENCE;
use crate::row::{Better, Row, Target};
use crate::stats::{Summary, times_better};

/// All measurements of a run.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// One per row that was run, in the order of the report.
    pub rows: Vec<RowResults>,
}

/// All measurements of a row.
#[derive(Clone, Debug)]
pub struct RowResults {
    /// The row.
    pub row: Row,
    /// One per runtime that was run, in the order of the report.
    pub runtimes: Vec<RuntimeResults>,
}

/// All measurements of a row under one runtime.
#[derive(Clone, Debug, Default)]
pub struct RuntimeResults {
    /// The runtime's name.
    pub name: String,
    /// Whether the build with `--cfg tokio_unstable` measures it.
    pub unstable_build: bool,
    /// What its adapter set beyond the number of workers.
    pub switches: Option<String>,
    /// Why it was not run.
    pub skipped: Option<String>,
    /// Figures by round, each in the order of the row's metrics.
    pub rounds: Vec<Vec<f64>>,
    /// Cores that other processes kept busy, by round.
    pub others: Vec<f64>,
    /// Rounds before which the machine did not become quiet.
    pub unquiet: usize,
    /// What went wrong.
    pub failures: Vec<String>,
}

impl Results {
    /// Whether a workload gave a wrong answer or a process failed.
    pub fn failed(&self) -> bool {
        self.rows.iter().flat_map(|row| &row.runtimes).any(|runtime| !runtime.failures.is_empty())
    }
}

impl RowResults {
    /// The results of the runtime of that name.
    pub fn runtime(&self, name: &str) -> Option<&RuntimeResults> {
        self.runtimes.iter().find(|runtime| runtime.name == name)
    }

    /// How many times better the medians of a runtime are than stock tokio's.
    ///
    /// `None` without figures of both and for a figure without a good direction.
    pub fn ratio(&self, runtime: &RuntimeResults, metric: usize) -> Option<f64> {
        let lower = match self.row.metrics.get(metric)?.better {
            Better::Lower => true,
            Better::Higher => false,
            Better::Context => return None,
        };
        let ours = runtime.summary(metric)?.median;
        let theirs = self.runtime(REFERENCE)?.summary(metric)?.median;
        times_better(ours, theirs, lower)
    }

    /// Whether corio keeps what it promises for this row, said in words; `None` where there is
    /// no promise or no figure.
    pub fn verdict(&self) -> Option<(bool, String)> {
        let corio = self.runtime("corio")?;
        let summary = corio.summary(0)?;
        let first = summary.median;
        let metric = self.row.metrics.first()?;
        let ratio = || self.ratio(corio, 0);
        let show = |value| crate::report::figure(value, metric.unit);
        let at_most = |limit| format!("at most {}", show(limit));
        Some(match self.row.target? {
            Target::TimesTokio(times) => (ratio()? >= times, format!("{times:.2}x tokio")),
            Target::AtMost(limit) => (first <= limit, at_most(limit)),
            Target::AtMostEver(limit, ever) => {
                let (worst, rounds) = (summary.max, corio.rounds.len());
                (
                    first <= limit && worst <= ever,
                    format!(
                        "median {} (is {}) and none of {rounds} above {} (worst is {})",
                        at_most(limit),
                        show(first),
                        show(ever),
                        show(worst)
                    ),
                )
            }
            Target::Both(times, limit) => (
                ratio()? >= times && first <= limit,
                format!("{times:.2}x tokio and {}", at_most(limit)),
            ),
            Target::Either(limit) => (
                first <= limit || ratio().is_some_and(|ratio| ratio >= 1.0),
                format!("{} or tokio's", at_most(limit)),
            ),
            Target::TimesOf(peers) => {
                let mut kept = true;
                let mut words = Vec::new();
                for (name, times) in peers {
                    let theirs = self.runtime(name)?.summary(0)?.median;
                    let is = times_better(first, theirs, metric.better == Better::Lower)?;
                    kept &= is >= *times;
                    words.push(format!("{times:.2}x {name} (is {is:.2}x)"));
                }
                (kept, words.join(", "))
            }
            Target::Cross { times, other, times_other } => {
                let index = self.row.metrics.iter().position(|metric| metric.name == other)?;
                let theirs = self.runtime(REFERENCE)?.summary(index)?.median;
                let cross = times_better(first, theirs, true)?;
                (
                    ratio()? >= times && cross >= times_other,
                    format!(
                        "{times:.2}x tokio and {times_other:.2}x tokio's {other} (is {cross:.2}x)"
                    ),
                )
            }
        })
    }
}

impl RuntimeResults {
    /// Median and range of a figure over the rounds.
    pub fn summary(&self, metric: usize) -> Option<Summary> {
        let samples: Vec<f64> =
            self.rounds.iter().filter_map(|figures| figures.get(metric).copied()).collect();
        Summary::of(&samples)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::row::{Metric, Unit};

    const METRICS: &[Metric] = &[
        Metric::nanos("wall"),
        Metric::nanos("cpu"),
        Metric { name: "rate", unit: Unit::PerSecond, better: Better::Higher },
        Metric::context("conns", Unit::Count),
    ];

    /// A runtime with the same figures in every round but a little spread in the first.
    pub fn runtime(name: &str, figures: [f64; 4]) -> RuntimeResults {
        let rounds = [0.9, 1.0, 1.1].map(|spread| {
            let mut figures = figures.to_vec();
            figures[0] *= spread;
            figures
        });
        RuntimeResults {
            name: name.to_owned(),
            rounds: rounds.to_vec(),
            others: vec![0.0; 3],
            ..RuntimeResults::default()
        }
    }

    /// A row where corio wins the first figure and loses the second, and smol could not run.
    pub fn sample(target: Option<Target>) -> RowResults {
        let mut row = Row::new("sample", "for tests; per <thing>").metrics(METRICS);
        row.note = Some("a note");
        row.target = target;
        let mut smol = RuntimeResults { name: "smol".to_owned(), ..RuntimeResults::default() };
        smol.failures.push("round 1: the sum is 1".to_owned());
        let mut best = runtime("tokio-best", [400.0, 0.0, 50.0, 1.0]);
        best.switches = Some("disable_lifo_slot".to_owned());
        RowResults {
            row,
            runtimes: vec![
                runtime("corio", [100.0, 800.0, 200.0, 1.0]),
                runtime("tokio", [300.0, 400.0, 100.0, 1.0]),
                best,
                smol,
            ],
        }
    }

    #[test]
    fn ratios_are_of_medians_and_point_one_way() {
        let row = sample(None);
        let corio = row.runtime("corio").unwrap();
        assert_eq!(row.ratio(corio, 0), Some(3.0));
        assert_eq!(row.ratio(corio, 1), Some(0.5));
        assert_eq!(row.ratio(corio, 2), Some(2.0));
        assert_eq!(row.ratio(corio, 3), None);
        assert_eq!(row.ratio(row.runtime("tokio-best").unwrap(), 1), Some(f64::INFINITY));
        assert_eq!(row.ratio(row.runtime("smol").unwrap(), 0), None);
    }

    #[test]
    fn verdicts_follow_the_kind_of_target() {
        let kept = |target| sample(Some(target)).verdict().unwrap().0;
        assert!(kept(Target::TimesTokio(3.0)) && !kept(Target::TimesTokio(3.1)));
        assert!(kept(Target::AtMost(100.0)) && !kept(Target::AtMost(99.0)));
        // The rounds are 90, 100 and 110.
        assert!(kept(Target::AtMostEver(100.0, 111.0)));
        assert!(!kept(Target::AtMostEver(99.0, 111.0)) && !kept(Target::AtMostEver(100.0, 109.0)));
        assert!(kept(Target::Both(2.5, 128.0)) && !kept(Target::Both(2.5, 99.0)));
        assert!(kept(Target::Either(1.0)));
        let cross = |times_other| Target::Cross { times: 3.0, other: "cpu", times_other };
        assert!(kept(cross(4.0)) && !kept(cross(4.1)));
        assert!(kept(Target::TimesOf(&[("tokio", 3.0), ("tokio-best", 4.0)])));
        assert!(!kept(Target::TimesOf(&[("tokio", 3.0), ("tokio-best", 4.1)])));
        assert!(sample(None).verdict().is_none());
    }

    #[test]
    fn the_worst_round_is_judged_and_shown() {
        let (kept, words) = sample(Some(Target::AtMostEver(100.0, 109.0))).verdict().unwrap();
        assert!(!kept);
        assert_eq!(
            words,
            "median at most 100 ns (is 100 ns) and none of 3 above 109 ns (worst is 110 ns)"
        );
    }

    #[test]
    fn a_failure_anywhere_is_a_failure() {
        assert!(Results { rows: vec![sample(None)] }.failed());
        assert!(!Results::default().failed());
    }
}

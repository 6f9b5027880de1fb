//! All samples, for other programs.

use std::fmt;

use crate::machine::Machine;
use crate::results::{Results, RowResults, RuntimeResults};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number; one that is not finite is written as `null`.
    Number(f64),
    /// Text.
    Text(String),
    /// Values in order.
    List(Vec<Json>),
    /// Values by name, in order.
    Object(Vec<(&'static str, Json)>),
}

impl Json {
    fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    fn option(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    fn numbers(numbers: &[f64]) -> Self {
        Self::List(numbers.iter().copied().map(Self::Number).collect())
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(value) if value.is_finite() => write!(f, "{value}"),
            Self::Number(_) => f.write_str("null"),
            Self::Text(text) => write_text(f, text),
            Self::List(values) => {
                let item = |f: &mut fmt::Formatter<'_>, value: &Self| value.write(f, depth + 1);
                write_items(f, ('[', ']'), values, self.is_flat(), depth, item)
            }
            Self::Object(members) => write_items(
                f,
                ('{', '}'),
                members,
                self.is_flat(),
                depth,
                |f, (name, value): &(&str, Self)| {
                    write_text(f, name)?;
                    f.write_str(": ")?;
                    value.write(f, depth + 1)
                },
            ),
        }
    }

    /// Lists of plain values stay on a line.
    fn is_flat(&self) -> bool {
        let plain = |value: &Self| !matches!(value, Self::List(_) | Self::Object(_));
        match self {
            Self::List(values) => values.iter().all(plain),
            Self::Object(members) => members.is_empty(),
            _ => true,
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

fn write_items<T>(
    f: &mut fmt::Formatter<'_>,
    (open, close): (char, char),
    items: &[T],
    flat: bool,
    depth: usize,
    mut write_item: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    write!(f, "{open}")?;
    for (index, item) in items.iter().enumerate() {
        match (index, flat) {
            (0, true) => {}
            (_, true) => f.write_str(", ")?,
            (0, false) => write!(f, "\n{:1$}", "", 2 * depth + 2)?,
            (_, false) => write!(f, ",\n{:1$}", "", 2 * depth + 2)?,
        }
        write_item(f, item)?;
    }
    if !flat {
        write!(f, "\n{:1$}", "", 2 * depth)?;
    }
    write!(f, "{close}")
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            c if c < ' ' => write!(f, "\\u{:04x}", c as u32)?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

/// A whole run with its machine.
pub fn render(results: &Results, machine: &Machine) -> String {
    let versions = machine.versions.iter().map(|(name, version)| {
        Json::Object(vec![("name", Json::text(name)), ("version", Json::text(version))])
    });
    let run = Json::Object(vec![
        ("command", Json::text(&machine.command)),
        ("settings", Json::text(&machine.settings)),
        ("unix_time", Json::Number(machine.unix_time as f64)),
        ("cpu", Json::text(&machine.cpu)),
        ("cores", Json::Number(machine.cores as f64)),
        ("kernel", Json::text(&machine.kernel)),
        ("rustc", Json::text(&machine.rustc)),
        ("versions", Json::List(versions.collect())),
        ("rows", Json::List(results.rows.iter().map(row).collect())),
    ]);
    format!("{run}\n")
}

fn row(results: &RowResults) -> Json {
    let metrics = results.row.metrics.iter().map(|metric| {
        Json::Object(vec![
            ("name", Json::text(metric.name)),
            ("unit", Json::text(&format!("{:?}", metric.unit))),
            ("better", Json::text(&format!("{:?}", metric.better))),
        ])
    });
    let verdict = results.verdict();
    Json::Object(vec![
        ("name", Json::text(results.row.name)),
        ("about", Json::text(results.row.about)),
        ("note", Json::option(results.row.note)),
        ("metrics", Json::List(metrics.collect())),
        ("target", Json::option(verdict.as_ref().map(|(_, target)| target.as_str()))),
        ("target_kept", verdict.map_or(Json::Null, |(kept, _)| Json::Bool(kept))),
        ("runtimes", Json::List(results.runtimes.iter().map(|r| runtime(results, r)).collect())),
    ])
}

fn runtime(row: &RowResults, results: &RuntimeResults) -> Json {
    let indices = 0..row.row.metrics.len();
    let medians: Vec<Json> = indices
        .clone()
        .map(|index| results.summary(index).map_or(Json::Null, |s| Json::Number(s.median)))
        .collect();
    let ratios: Vec<Json> =
        indices.map(|index| row.ratio(results, index).map_or(Json::Null, Json::Number)).collect();
    let rounds = results.rounds.iter().map(|figures| Json::numbers(figures));
    let failures = results.failures.iter().map(|failure| Json::text(failure));
    Json::Object(vec![
        ("name", Json::text(&results.name)),
        ("switches", Json::option(results.switches.as_deref())),
        ("skipped", Json::option(results.skipped.as_deref())),
        ("medians", Json::List(medians)),
        ("times_better_than_tokio", Json::List(ratios)),
        ("rounds", Json::List(rounds.collect())),
        ("others_cores", Json::numbers(&results.others)),
        ("unquiet_rounds", Json::Number(results.unquiet as f64)),
        ("failures", Json::List(failures.collect())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::sample;

    #[test]
    fn text_is_escaped_and_numbers_stay_json() {
        let json = Json::List(vec![
            Json::text("a \"b\" \\ \n\t é"),
            Json::Number(1.5),
            Json::Number(f64::INFINITY),
            Json::Bool(true),
            Json::Null,
        ]);
        assert_eq!(json.to_string(), r#"["a \"b\" \\ \n\u0009 é", 1.5, null, true, null]"#);
    }

    #[test]
    fn nested_values_are_indented() {
        let json = Json::Object(vec![
            ("a", Json::List(vec![])),
            ("b", Json::List(vec![Json::Object(vec![("c", Json::Number(1.0))])])),
        ]);
        let expected = "{\n  \"a\": [],\n  \"b\": [\n    {\n      \"c\": 1\n    }\n  ]\n}";
        assert_eq!(json.to_string(), expected);
    }

    #[test]
    fn a_run_holds_every_sample_and_failure() {
        let results = Results { rows: vec![sample(None)] };
        let text = render(&results, &Machine::of_tests());
        assert!(text.contains("\"rounds\": [\n"), "{text}");
        assert!(text.contains("[90, 800, 200, 1]"), "{text}");
        assert!(text.contains("round 1: the sum is 1"), "{text}");
    }
}

//! The names of what can be compared, and what each name means.
//!
//! `tokio-best` is tokio with the unstable options that the row says serve it best. Which ones do
//! anybody can check: `tokio+handoff+nolifo` is tokio with exactly those, in every row.
//!
//! In rows of primitives (`prim`) libraries are compared: `corio` and `tokio` are both
//! runtime and library there, and [`LIBRARIES`] run under tokio.

use std::fmt;

use crate::row::Row;
use crate::rt::{Setup, Unstable};

/// The runtime that all others are compared with.
pub const REFERENCE: &str = "tokio";

/// What is compared when nobody says otherwise.
pub const USUAL: &[&str] = &[
    #[cfg(feature = "corio")]
    "corio",
    "tokio",
    "tokio-best",
    "smol",
    "nio",
];

/// What else is compared in rows of primitives and files, all of it under tokio; `corio@tokio` is
/// corio's primitives there, `tokio-buffered` tokio's files behind its buffers.
pub const LIBRARIES: &[&str] =
    &["corio@tokio", "tokio-buffered", "std", "async-lock", "async-channel", "flume", "kanal"];

/// A runtime in one of its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contender {
    /// Its name on the command line and in reports.
    pub name: String,
    /// The adapter that runs it.
    pub adapter: &'static str,
    options: Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Options {
    /// As the adapter's documentation says.
    Defaults,
    /// The unstable options that the row names.
    OfRow,
    /// These unstable options.
    These(Unstable),
}

/// Nothing of that name can be compared.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown(String);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no runtime {:?} in this build", self.0)?;
        if self.0 == "corio" {
            f.write_str("; the feature of that name adds it")?;
        }
        Ok(())
    }
}

impl std::error::Error for Unknown {}

impl Contender {
    /// The contender of that name.
    ///
    /// # Errors
    /// There is none, or not in this build.
    pub fn named(name: &str) -> Result<Self, Unknown> {
        let (adapter, options) = match name {
            #[cfg(feature = "corio")]
            "corio" => ("corio", Options::Defaults),
            "tokio" => ("tokio", Options::Defaults),
            "smol" => ("smol", Options::Defaults),
            "nio" => ("nio", Options::Defaults),
            "tokio-best" => ("tokio", Options::OfRow),
            _ => match LIBRARIES.iter().find(|library| **library == name) {
                Some(library) => (*library, Options::Defaults),
                None => {
                    let unstable = name.strip_prefix("tokio+").and_then(Unstable::parse);
                    let unstable = unstable.ok_or_else(|| Unknown(name.to_owned()))?;
                    ("tokio", Options::These(unstable))
                }
            },
        };
        Ok(Self { name: name.to_owned(), adapter, options })
    }

    /// Whether the build with `--cfg tokio_unstable` has to measure it.
    pub fn needs_unstable_build(&self) -> bool {
        self.options != Options::Defaults
    }

    /// How to start it for a row.
    pub fn setup(&self, row: &Row, workers: usize) -> Setup {
        let unstable = match self.options {
            Options::Defaults => None,
            Options::OfRow => Some(row.best),
            Options::These(unstable) => Some(unstable),
        };
        Setup { workers, unstable }
    }

    /// Why it is not measured in a row, if it is not.
    pub fn skipped(&self, row: &Row) -> Option<String> {
        if self.options == Options::OfRow && row.best == Unstable::NONE {
            return Some("no unstable option serves this row, so stock is best".to_owned());
        }
        let skip = row.skip.iter().find(|(adapter, _)| *adapter == self.adapter);
        skip.map(|(_, why)| (*why).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Row = Row::new("row", "for tests").skip(&[("nio", "for a reason")]);

    fn setup(name: &str, row: &Row) -> Setup {
        Contender::named(name).unwrap().setup(row, 3)
    }

    #[test]
    fn usual_contenders_have_names() {
        for name in USUAL.iter().chain(LIBRARIES) {
            assert_eq!(Contender::named(name).unwrap().name, *name);
        }
        for name in ["tokio-worst", "tokio+", "tokio+speed", "nio+nolifo", ""] {
            assert_eq!(Contender::named(name), Err(Unknown(name.to_owned())));
        }
    }

    #[test]
    fn only_unstable_settings_need_their_build() {
        let needs = |name| Contender::named(name).unwrap().needs_unstable_build();
        assert!(needs("tokio-best") && needs("tokio+nolifo"));
        assert!(!needs("tokio") && !needs("smol") && !needs("nio"));
    }

    #[test]
    fn the_row_chooses_for_the_best_and_the_name_for_the_rest() {
        let nolifo = Unstable { no_lifo: true, ..Unstable::NONE };
        let row = ROW.best(nolifo);
        assert_eq!(setup("tokio-best", &row), Setup { workers: 3, unstable: Some(nolifo) });
        assert_eq!(setup("tokio", &row), Setup { workers: 3, unstable: None });
        let both = Unstable { alt_timer: true, ..nolifo };
        assert_eq!(setup("tokio+nolifo+alt_timer", &row).unstable, Some(both));
    }

    #[test]
    fn what_cannot_or_need_not_run_says_why() {
        let skipped = |name, row: &Row| Contender::named(name).unwrap().skipped(row);
        assert_eq!(skipped("nio", &ROW).as_deref(), Some("for a reason"));
        assert_eq!(skipped("tokio", &ROW), None);
        assert!(skipped("tokio-best", &ROW).is_some());
        let row = ROW.best(Unstable { alt_timer: true, ..Unstable::NONE });
        assert_eq!(skipped("tokio-best", &row), None);
    }
}

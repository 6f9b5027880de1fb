//! Lists of files that may do what others may not: `path: reason` on each line.

use std::collections::BTreeMap;
use std::fs;

use crate::source::{Tree, root};

/// The files of a list, with the reason of each.
pub struct Allowed {
    list: String,
    reasons: BTreeMap<String, String>,
}

impl Allowed {
    /// Reads `tests/house/NAME`.
    pub fn load(name: &str) -> Self {
        let list = format!("tests/house/{name}");
        let text = fs::read_to_string(root().join(&list)).unwrap_or_default();
        Self::parse(&list, &text)
    }

    /// Reads a list from its text.
    pub fn parse(list: &str, text: &str) -> Self {
        let lines = text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#'));
        let reasons = lines
            .map(|l| l.split_once(':').unwrap_or((l, "")))
            .map(|(path, reason)| (path.trim().to_owned(), reason.trim().to_owned()))
            .collect();
        Self { list: list.to_owned(), reasons }
    }

    /// True if the list names this file.
    pub fn has(&self, path: &str) -> bool {
        self.reasons.contains_key(path)
    }

    /// What is wrong with the list itself: no reason, no file, or a file that no longer needs it.
    pub fn findings(&self, tree: &Tree, needs: impl Fn(&str) -> bool) -> Vec<String> {
        let list = &self.list;
        let mut found = Vec::new();
        for (path, reason) in &self.reasons {
            if reason.is_empty() {
                found.push(format!("{list}: {path} gives no reason; write `{path}: why`"));
            }
            if tree.file(path).is_none() {
                found.push(format!("{list}: there is no {path}; drop the line"));
            } else if !needs(path) {
                found.push(format!("{list}: {path} no longer needs to be listed; drop the line"));
            }
        }
        found
    }
}

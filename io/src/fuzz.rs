//! The parsers against oracles: each body takes bytes, makes an input of them, and panics if the
//! parser and the oracle disagree.
//!
//! cargo-fuzz's targets (`fuzz/`) and the property tests below share the bodies. Each lies beside its
//! parser, which is private; none is part of the crate's interface.

pub use crate::fs::fuzz::{decoding, file_lines, modes};
pub use crate::net::fuzz::{addresses, inherited_names};
pub use crate::stream::fuzz::reads;

/// Takes numbers off the front of the input; zeros when it is used up.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }

    /// A number below `limit`, which is at most 256.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    /// So many bytes, or what is left.
    pub(crate) fn bytes(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Text of at most `n` letters of an alphabet: most bytes would be refused at once.
    pub(crate) fn text(&mut self, n: usize, alphabet: &[u8]) -> String {
        let length = self.below(n + 1);
        (0..length).map(|_| char::from(alphabet[self.below(alphabet.len())])).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn reads_agree(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            super::reads(&input);
        }

        #[test]
        fn decoding_agrees(input in proptest::collection::vec(any::<u8>(), 0..80)) {
            super::decoding(&input);
        }

        #[test]
        fn file_lines_agree(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            super::file_lines(&input);
        }

        #[test]
        fn modes_agree(input in proptest::collection::vec(any::<u8>(), 0..8)) {
            super::modes(&input);
        }

        #[test]
        fn addresses_agree(input in proptest::collection::vec(any::<u8>(), 0..40)) {
            super::addresses(&input);
        }

        #[test]
        fn inherited_names_agree(input in proptest::collection::vec(any::<u8>(), 0..60)) {
            super::inherited_names(&input);
        }
    }
}

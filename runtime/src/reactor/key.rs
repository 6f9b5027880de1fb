//! What the kernel gives back with an event: whom it is for.
//!
//! ```text
//!   kind | generation | index        2 | 16 | 24 bits of 64, or 2 | 16 | 14 of 32
//! ```
//! Only [`Key::MISSED`] has kind 3: `polling` keeps `usize::MAX` for itself.
use super::readiness::GENERATION_BITS;
use super::slots::INDEX_BITS;

const KIND_SHIFT: u32 = usize::BITS - 2;
const SOURCE: usize = 0;
const WAKE: usize = 1;
const ADOPTED: usize = 2;

const _: () = assert!(2 + GENERATION_BITS + INDEX_BITS <= usize::BITS);

/// Whom an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A source of this poller.
    Source { index: u32, generation: u16 },
    /// The poller's own eventfd.
    Wake,
    /// The poller of a sibling.
    Adopted { sibling: u32 },
    /// Nobody we know.
    Unknown,
}

impl Key {
    pub(super) const fn encode(self) -> usize {
        match self {
            Self::Source { index, generation } => {
                SOURCE << KIND_SHIFT | (generation as usize) << INDEX_BITS | index as usize
            }
            Self::Wake => WAKE << KIND_SHIFT,
            Self::Adopted { sibling } => ADOPTED << KIND_SHIFT | sibling as usize,
            Self::Unknown => usize::MAX,
        }
    }

    pub(super) const fn decode(key: usize) -> Self {
        let low = key & ((1 << KIND_SHIFT) - 1);
        match key >> KIND_SHIFT {
            SOURCE => Self::Source {
                index: (low & ((1 << INDEX_BITS) - 1)) as u32,
                generation: (low >> INDEX_BITS) as u16,
            },
            WAKE => Self::Wake,
            ADOPTED => Self::Adopted { sibling: low as u32 },
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_the_kernel() {
        let index = (1 << INDEX_BITS) - 1;
        for key in [
            Key::Source { index: 0, generation: 0 },
            Key::Source { index, generation: 0 },
            Key::Source { index: 1, generation: u16::MAX },
            Key::Source { index, generation: u16::MAX },
            Key::Wake,
            Key::Adopted { sibling: 0 },
            Key::Adopted { sibling: 255 },
            Key::Unknown,
        ] {
            assert_eq!(Key::decode(key.encode()), key);
        }
        assert_eq!(Key::decode(usize::MAX), Key::Unknown, "polling's own key");
    }
}

//! Buffers for streams that have none: [`BufReader`] and [`BufWriter`], over whatever can be copied
//! from and to.
//!
//! *Invariant.* Between two polls every byte is in one place: not yet returned in the reader's buffer,
//! not yet sent in the writer's, or with the caller. So any future of theirs may be dropped at any poll:
//! nothing read is lost, and nothing is written twice.
//!
//! For `copy` each lets the other direction of its stream through, so a connection may be copied both
//! ways after its first lines were read, and `BufWriter<BufReader<_>>` has both buffers.

mod reader;
mod writer;

pub use reader::BufReader;
pub use writer::{BufFlush, BufWrite, BufWriteAll, BufWriter};

/// Bytes that a buffer holds unless it is said otherwise: what tokio's and std's hold.
pub const CAPACITY: usize = 8 << 10;

//! `StreamReader`: every way to read, over bytes that come in any pieces.

use std::future::Future;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::time::Duration;

use corio_runtime::time::timeout;
use corio_runtime::{Builder, Runtime};

use super::{ReadError, StreamReader, pipe_reader};
use crate::fuzz::Input;
use crate::sys;

/// More pieces than that might not fit into a socket.
const PIECES_MAX: usize = 32;

/// A sequence of reads, each against what it should find; the bytes come in pieces whose sizes are
/// part of the input.
pub fn reads(input: &[u8]) {
    let mut input = Input(input);
    // A limit of its own now and then, so that lines and chunks overrun it.
    let limit = [1, 2, 3, 5, 8, 1 << 16][input.below(6)];
    let pieces: Vec<usize> = (0..input.below(PIECES_MAX)).map(|_| input.below(9)).collect();
    let plan: Vec<u8> = input.bytes(8).to_vec();
    let separators = separators(&mut input);
    let separators: Vec<&[u8]> = separators.iter().map(Vec::as_slice).collect();
    let bytes = input.0;
    let Some(mut reader) = reader(bytes, &pieces, limit) else { return };
    let mut rest = bytes;
    for step in plan.iter().cycle().take(4 * (bytes.len() + 2)) {
        let n = usize::from(step >> 3) % 16;
        match step % 4 {
            0 => until(&mut reader, &separators, limit, &mut rest),
            1 => {
                if !line(&mut reader, limit, &mut rest) {
                    return;
                }
            }
            2 => exactly(&mut reader, n, &mut rest),
            _ => some(&mut reader, n, &mut rest),
        }
        if rest.is_empty() && reader.at_eof() {
            return;
        }
    }
    // However the plan goes, this takes what is left.
    assert_eq!(now(reader.read(None)).expect("a socket can be read"), rest);
    assert!(reader.at_eof());
}

/// One to three separators of one to three letters: short ones, so that they come up and overlap.
fn separators(input: &mut Input<'_>) -> Vec<Vec<u8>> {
    let count = 1 + input.below(3);
    let one = |input: &mut Input<'_>| {
        let length = 1 + input.below(3);
        (0..length).map(|_| b"ab\n"[input.below(3)]).collect()
    };
    (0..count).map(|_| one(input)).collect()
}

/// A reader of these bytes. Each piece is a message of its own, so a read gets one piece.
fn reader(bytes: &[u8], pieces: &[usize], limit: usize) -> Option<StreamReader> {
    let (near, far) = sys::seqpacket_pair().expect("a pair of sockets");
    let mut rest = bytes;
    // Sizes repeat: an input of many bytes and few sizes is cut finely, too.
    let sizes = pieces.iter().copied().filter(|&size| size > 0).cycle().take(PIECES_MAX);
    for piece in sizes.chain([usize::MAX]) {
        let (piece, more) = rest.split_at(piece.min(rest.len()));
        // An empty message would be the end.
        if !piece.is_empty() && far.send(piece).ok()? != piece.len() {
            return None;
        }
        rest = more;
    }
    drop(far);
    let _entered = runtime().enter();
    Some(pipe_reader(OwnedFd::from(near), limit).expect("a reader"))
}

/// Longer than anything takes when everything has come.
const LIMIT: Duration = Duration::from_secs(60);

/// What is there at once or after a look at the poller, since everything has come.
fn now<F: Future>(future: F) -> F::Output {
    let ended = runtime().block_on(async { timeout(LIMIT, future).await });
    ended.expect("it waits although everything has come")
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Builder::new().workers(1).build().expect("a runtime"))
}

fn take<'a>(rest: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (taken, more) = rest.split_at(n);
    *rest = more;
    taken
}

/// Where the first separator to end ends, and how long the shortest is that ends there.
fn first_end(bytes: &[u8], separators: &[&[u8]]) -> Option<(usize, usize)> {
    (1..=bytes.len()).find_map(|end| {
        let ending = separators.iter().filter(|separator| bytes[..end].ends_with(separator));
        ending.map(|separator| separator.len()).min().map(|shortest| (end, shortest))
    })
}

fn until(reader: &mut StreamReader, separators: &[&[u8]], limit: usize, rest: &mut &[u8]) {
    let expected = first_end(rest, separators);
    match now(reader.read_until(separators)) {
        Ok(found) => {
            let (end, shortest) = expected.expect("there is a separator");
            assert!(end - shortest <= limit);
            assert_eq!(found, take(rest, end));
        }
        Err(ReadError::LimitOverrun { consumed }) => {
            let before = expected.map_or(rest.len(), |(end, shortest)| end - shortest);
            assert!(limit < consumed && consumed <= before, "{limit} {consumed} {before}");
            // Nothing was taken: as much can be read and is no part of a separator.
            assert_eq!(
                now(reader.read_exact(consumed)).expect("it is there"),
                take(rest, consumed)
            );
        }
        Err(ReadError::Incomplete { partial, expected: None }) => {
            assert_eq!(expected, None);
            assert_eq!(partial, take(rest, rest.len()));
        }
        Err(error) => panic!("{error}"),
    }
}

/// A line; one that overruns the limit is removed as far as it is there. False if all was read.
fn line(reader: &mut StreamReader, limit: usize, rest: &mut &[u8]) -> bool {
    let length = rest.iter().position(|&byte| byte == b'\n');
    let found = match now(reader.read_line()) {
        Ok(found) => {
            assert!(length.unwrap_or(rest.len()) <= limit);
            found
        }
        Err(ReadError::LimitOverrun { consumed }) => {
            assert!(limit < consumed && consumed <= length.unwrap_or(rest.len()));
            take(rest, consumed);
            if length == Some(consumed) {
                // The end of the line goes with it if it has come: what is left tells.
                let left = now(reader.read(None)).expect("a socket can be read");
                assert!(left == *rest || left == rest[1..]);
                return false;
            }
            return true;
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!(found, take(rest, length.map_or(rest.len(), |length| length + 1)));
    true
}

fn exactly(reader: &mut StreamReader, n: usize, rest: &mut &[u8]) {
    match now(reader.read_exact(n)) {
        Ok(found) => assert_eq!(found, take(rest, n)),
        Err(ReadError::Incomplete { partial, expected }) => {
            assert!(rest.len() < n && expected == Some(n));
            assert_eq!(partial, take(rest, rest.len()));
        }
        Err(error) => panic!("{error}"),
    }
}

fn some(reader: &mut StreamReader, n: usize, rest: &mut &[u8]) {
    let found = now(reader.read(Some(n))).expect("a socket can be read");
    assert!(found.len() <= n && (n == 0 || rest.is_empty() || !found.is_empty()));
    assert_eq!(found, take(rest, found.len()));
}

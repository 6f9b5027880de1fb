//! The books of both sides, and the balance of the two.
//!
//! Each side keeps a file of its own, in lines of digits. What a client has written there survives
//! `kill -9`, because the system has it. A client's line says how many bytes it has offered to the
//! system, how many the system has taken, and how many came back; it is written anew at each step, the
//! bytes on offer before the call that offers them. The server adds a line when a connection has ended.
//!
//! The two are kept by different processes from the results of their own calls: a byte that is lost
//! between them is in one book only.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A client's line, with its end: no line lies on two pages, so none is written by halves.
const LINE: usize = 128;
/// So many mistakes are printed.
const SHOWN: usize = 10;

/// How a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Under way, or its client was killed.
    Open,
    /// Given up by the client, in one of the ways that lose bytes.
    Left,
    /// All that was sent has come back, and the client has seen it.
    Confirmed,
}

/// What a client knows of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    pub state: State,
    /// Bytes that the system was offered, and those that it has taken.
    pub offered: u64,
    pub sent: u64,
    pub received: u64,
}

/// What the server knows of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// It ended with the end of what the client sent.
    pub orderly: bool,
    pub read: u64,
    /// Bytes that the server gave away to be sent back.
    pub written: u64,
}

/// A client process's book: a line for each of its conversations.
pub struct Ledger {
    file: File,
    /// Comes first in the numbers of its conversations.
    number: u64,
    lines: AtomicU64,
}

impl Ledger {
    pub fn create(path: &Path, number: u64) -> io::Result<Arc<Self>> {
        let file = File::create(path)?;
        Ok(Arc::new(Self { file, number, lines: AtomicU64::new(0) }))
    }

    /// A line for a new conversation, with a number that no other one has.
    pub fn begin(self: &Arc<Self>) -> io::Result<Page> {
        let line = self.lines.fetch_add(1, Relaxed);
        let page = Page {
            ledger: self.clone(),
            line,
            offered: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
        };
        page.publish(State::Open)?;
        Ok(page)
    }
}

/// One conversation in a client's book.
pub struct Page {
    ledger: Arc<Ledger>,
    line: u64,
    offered: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Page {
    /// The number of the conversation, which the server is told first; never 0.
    pub fn id(&self) -> u64 {
        ((self.ledger.number + 1) << 32) | self.line
    }

    /// So many bytes are about to be offered, beyond what was taken.
    pub fn offers(&self, bytes: usize) -> io::Result<()> {
        self.offered.store(self.sent.load(Relaxed) + bytes as u64, Relaxed);
        self.publish(State::Open)
    }

    pub fn sent(&self, bytes: usize) -> io::Result<()> {
        self.sent.fetch_add(bytes as u64, Relaxed);
        self.publish(State::Open)
    }

    pub fn received(&self, bytes: usize) -> io::Result<()> {
        self.received.fetch_add(bytes as u64, Relaxed);
        self.publish(State::Open)
    }

    pub fn publish(&self, state: State) -> io::Result<()> {
        let said = Said {
            state,
            offered: self.offered.load(Relaxed),
            sent: self.sent.load(Relaxed),
            received: self.received.load(Relaxed),
        };
        let line = said_line(self.id(), said);
        self.ledger.file.write_all_at(line.as_bytes(), self.line * LINE as u64)
    }
}

fn said_line(id: u64, said: Said) -> String {
    let Said { state, offered, sent, received } = said;
    let mut line = format!("{id} {state:?} {offered} {sent} {received}");
    let _ = write!(line, "{:1$}", "", LINE - 1 - line.len());
    line + "\n"
}

fn heard_line(id: u64, heard: Heard) -> String {
    let Heard { orderly, read, written } = heard;
    format!("{id} {} {read} {written}\n", if orderly { "orderly" } else { "broken" })
}

/// The server's book.
pub struct Register(File);

impl Register {
    pub fn create(path: &Path) -> io::Result<Self> {
        OpenOptions::new().append(true).create_new(true).open(path).map(Self)
    }

    /// In one call, so that no two lines mix.
    pub fn add(&self, id: u64, heard: Heard) -> io::Result<()> {
        (&self.0).write_all(heard_line(id, heard).as_bytes())
    }
}

fn bad(line: &str) -> io::Error {
    io::Error::other(format!("no line of a book: {line:?}"))
}

fn numbers<const N: usize>(words: &[&str], line: &str) -> io::Result<[u64; N]> {
    let numbers: Option<Vec<u64>> = words.iter().map(|word| word.parse().ok()).collect();
    numbers.and_then(|numbers| numbers.try_into().ok()).ok_or_else(|| bad(line))
}

fn read_said(text: &str, into: &mut HashMap<u64, Said>) -> io::Result<()> {
    for line in text.lines() {
        // Conversations begin side by side: a client that was killed between the place of a line and the
        // line leaves a hole before the next one's. That conversation has not begun.
        let hole = line.bytes().take_while(|&byte| byte == 0).count();
        if hole % LINE != 0 {
            return Err(bad(line));
        }
        let line = &line[hole..];
        let words: Vec<&str> = line.split_whitespace().collect();
        let [id, state, ref counts @ ..] = words[..] else { return Err(bad(line)) };
        let state = match state {
            "Open" => State::Open,
            "Left" => State::Left,
            "Confirmed" => State::Confirmed,
            _ => return Err(bad(line)),
        };
        let [offered, sent, received] = numbers(counts, line)?;
        let said = Said { state, offered, sent, received };
        if into.insert(id.parse().map_err(|_| bad(line))?, said).is_some() {
            return Err(io::Error::other(format!("two conversations have the number {id}")));
        }
    }
    Ok(())
}

fn read_heard(text: &str) -> io::Result<Vec<(u64, Heard)>> {
    let parse = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [id, end, ref counts @ ..] = words[..] else { return Err(bad(line)) };
        let orderly = match end {
            "orderly" => true,
            "broken" => false,
            _ => return Err(bad(line)),
        };
        let [read, written] = numbers(counts, line)?;
        Ok((id.parse().map_err(|_| bad(line))?, Heard { orderly, read, written }))
    };
    text.lines().map(parse).collect()
}

/// What is wrong with one conversation.
fn fault(said: Said, heard: Heard) -> Option<&'static str> {
    let Said { state, offered, sent, received } = said;
    let Heard { orderly, read, written } = heard;
    if state == State::Confirmed && !orderly {
        return Some("the client has seen its end, and the server has not");
    }
    if state == State::Confirmed && (read != sent || written != received) {
        return Some("the client has sent or received other numbers of bytes than the server");
    }
    // Between what the system is known to have taken and what it may have taken there is one call,
    // which a kill may have kept from returning.
    if orderly && read < sent {
        return Some("bytes that the system had taken did not come to the server");
    }
    if read > offered {
        return Some("the server has read bytes that nobody sent");
    }
    if orderly && written != read {
        return Some("the server has not sent back what it had read");
    }
    if received > written {
        return Some("the client has received bytes that the server did not write");
    }
    None
}

/// The sums over all conversations, and what is wrong with them.
#[derive(Debug, Default)]
pub struct Balance {
    confirmed: u64,
    confirmed_bytes: u64,
    /// Those whose client did not live, or stay, to the end, and whose bytes came all the same.
    cut_off: u64,
    cut_off_bytes: u64,
    broken: u64,
    /// Whose client was gone before it said who it was.
    silent: u64,
    faults: Vec<String>,
}

impl Balance {
    fn of(mut said: HashMap<u64, Said>, heard: Vec<(u64, Heard)>) -> Self {
        let mut balance = Self::default();
        for (id, heard) in heard {
            if id == 0 {
                balance.silent += 1;
                continue;
            }
            let Some(said) = said.remove(&id) else {
                balance
                    .faults
                    .push(format!("{id}: no client knows it, or the server has it twice"));
                continue;
            };
            if let Some(fault) = fault(said, heard) {
                balance.faults.push(format!("{id}: {fault}: {said:?}, {heard:?}"));
            }
            let (count, bytes) = match (said.state, heard.orderly) {
                (State::Confirmed, _) => (&mut balance.confirmed, &mut balance.confirmed_bytes),
                (_, true) => (&mut balance.cut_off, &mut balance.cut_off_bytes),
                (_, false) => (&mut balance.broken, &mut 0),
            };
            *count += 1;
            *bytes += heard.read;
        }
        // What the server does not know has never begun.
        for (id, said) in said {
            if said.state == State::Confirmed || said.received > 0 {
                balance.faults.push(format!("{id}: the server does not know it: {said:?}"));
            }
        }
        balance
    }

    /// Nothing is wrong, and there was something that could have been.
    pub fn is_good(&self) -> bool {
        self.faults.is_empty() && self.confirmed_bytes > 0
    }
}

impl std::fmt::Display for Balance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} conversations confirmed with {} bytes, {} cut off with {} bytes, {} broken, {} \
             silent; {} are wrong",
            self.confirmed,
            self.confirmed_bytes,
            self.cut_off,
            self.cut_off_bytes,
            self.broken,
            self.silent,
            self.faults.len()
        )?;
        self.faults.iter().take(SHOWN).try_for_each(|fault| writeln!(f, "WRONG {fault}"))
    }
}

/// Balances the server's book with those of all clients.
pub fn balance(register: &Path, clients: &Path) -> io::Result<Balance> {
    let mut said = HashMap::new();
    for entry in std::fs::read_dir(clients)? {
        read_said(&std::fs::read_to_string(entry?.path())?, &mut said)?;
    }
    Ok(Balance::of(said, read_heard(&std::fs::read_to_string(register)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIRMED: Said = Said { state: State::Confirmed, offered: 10, sent: 10, received: 10 };
    const KILLED: Said = Said { state: State::Open, offered: 20, sent: 10, received: 3 };
    const WHOLE: Heard = Heard { orderly: true, read: 10, written: 10 };

    fn judged(said: &[(u64, Said)], heard: &[(u64, Heard)]) -> Balance {
        Balance::of(said.iter().copied().collect(), heard.to_vec())
    }

    #[test]
    fn honest_books_balance() {
        let cut = Heard { orderly: true, read: 17, written: 17 };
        let reset = Heard { orderly: false, read: 4, written: 4 };
        let unheard = Said { received: 0, ..KILLED };
        let balance = judged(
            &[(1, CONFIRMED), (2, KILLED), (3, KILLED), (4, unheard)],
            &[(1, WHOLE), (2, cut), (3, reset), (0, Heard { orderly: false, read: 0, written: 0 })],
        );
        assert!(balance.is_good(), "{balance}");
        assert_eq!((balance.confirmed, balance.confirmed_bytes), (1, 10));
        assert_eq!((balance.cut_off, balance.broken, balance.silent), (1, 1, 1));
        assert!(!judged(&[], &[]).is_good(), "nothing was shown");
    }

    #[test]
    fn a_lost_byte_is_found() {
        let with = |said, heard| judged(&[(1, CONFIRMED), (2, said)], &[(1, WHOLE), (2, heard)]);
        for (said, heard, why) in [
            // Confirmed, on the way there and on the way back.
            (CONFIRMED, Heard { read: 9, written: 9, ..WHOLE }, "other numbers"),
            (CONFIRMED, Heard { written: 9, ..WHOLE }, "other numbers"),
            (Said { received: 9, ..CONFIRMED }, WHOLE, "other numbers"),
            (CONFIRMED, Heard { orderly: false, ..WHOLE }, "the server has not"),
            // Cut off.
            (KILLED, Heard { read: 9, written: 9, ..WHOLE }, "did not come"),
            (KILLED, Heard { read: 21, written: 21, ..WHOLE }, "nobody sent"),
            (KILLED, Heard { read: 12, written: 11, ..WHOLE }, "not sent back"),
            (KILLED, Heard { orderly: false, read: 5, written: 2 }, "did not write"),
        ] {
            let balance = with(said, heard);
            assert!(!balance.is_good());
            assert!(balance.to_string().contains(why), "{balance}");
        }
    }

    #[test]
    fn a_lost_connection_is_found() {
        assert!(!judged(&[(1, CONFIRMED), (2, CONFIRMED)], &[(1, WHOLE)]).is_good());
        assert!(!judged(&[(1, CONFIRMED), (2, KILLED)], &[(1, WHOLE)]).is_good());
        assert!(!judged(&[(1, CONFIRMED)], &[(1, WHOLE), (2, WHOLE)]).is_good());
        assert!(!judged(&[(1, CONFIRMED)], &[(1, WHOLE), (1, WHOLE)]).is_good());
    }

    #[test]
    fn lines_are_read_as_they_were_written() {
        let line = said_line(u64::MAX, Said { offered: u64::MAX, sent: u64::MAX, ..KILLED });
        assert_eq!(line.len(), LINE);
        let mut said = HashMap::new();
        read_said(&(said_line(1, CONFIRMED) + &said_line(2, KILLED)), &mut said).unwrap();
        assert_eq!((said[&1], said[&2]), (CONFIRMED, KILLED));
        read_said(&said_line(2, KILLED), &mut said).unwrap_err();
        let hole = "\0".repeat(2 * LINE);
        read_said(&(hole.clone() + &said_line(3, KILLED)), &mut said).unwrap();
        assert_eq!(said[&3], KILLED);
        read_said(&(hole + "\0" + &said_line(4, KILLED)), &mut said).unwrap_err();
        let broken = Heard { orderly: false, ..WHOLE };
        let text = heard_line(1, WHOLE) + &heard_line(2, broken);
        assert_eq!(read_heard(&text).unwrap(), [(1, WHOLE), (2, broken)]);
        read_heard("1 orderly 3").unwrap_err();
    }
}

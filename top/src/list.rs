//! `corio-top list`: the processes that can be asked.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};

use crate::ask::{AskError, Question, ask};
use crate::snapshot::Snapshot;
use crate::text::Table;

/// Where the kernel names the Unix sockets of this network namespace.
const SOCKETS: &str = "/proc/net/unix";

/// Prints them; whoever is not to be asked by this user is listed with the reason.
pub fn print(out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new(&["PID", "runtimes", "command"], &[0]);
    for pid in listening(&fs::read_to_string(SOCKETS)?) {
        let runtimes = match ask(pid, Question::Runtimes) {
            Ok(lines) => match Snapshot::parse(&lines) {
                Ok(snapshot) => names(&snapshot),
                Err(says) => AskError::Version { pid, says }.to_string(),
            },
            // It ended since the list was made.
            Err(AskError::NoProcess(_) | AskError::NoSocket(_) | AskError::Cut(_)) => continue,
            Err(error) => format!("({error})"),
        };
        table.row(vec![pid.to_string(), runtimes, command(pid)]);
    }
    table.print(out)
}

fn names(snapshot: &Snapshot) -> String {
    let name =
        |runtime: &crate::snapshot::Runtime| format!("'{}' ({})", runtime.name, runtime.place);
    snapshot.runtimes.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The processes whose sockets stand in the kernel's table: the name is the last word of a line, and
/// an abstract one begins with `@`. A connection to a client bears the name, too.
fn listening(table: &str) -> BTreeSet<u32> {
    let names = table.lines().filter_map(|line| line.split_whitespace().next_back());
    names.filter_map(|name| name.strip_prefix("@corio-top/")?.parse().ok()).collect()
}

/// What the process was started as, as far as this user may know.
fn command(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let text = words.join(" ").trim_end().replace(char::is_control, "?");
    if text.is_empty() { "-".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sockets_name_processes() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
                     0000: 00000002 00000000 00010000 0001 01 41 @corio-top/12\n\
                     0000: 00000003 00000000 00000000 0001 03 42 @corio-top/12\n\
                     0000: 00000002 00000000 00010000 0001 01 43 @corio-top/x\n\
                     0000: 00000002 00000000 00010000 0001 01 44 /run/corio-top/7\n\
                     0000: 00000003 00000000 00000000 0001 03 45\n\
                     0000: 00000002 00000000 00010000 0001 01 46 @corio-top/3\n";
        assert_eq!(listening(table).into_iter().collect::<Vec<_>>(), [3, 12]);
    }
}

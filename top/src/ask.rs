//! One question to a process.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::peer;
use crate::snapshot::Snapshot;

/// What a process says first.
const GREETING: &str = "corio-top 1";
/// A process answers one client after the other, and gives one that does not read five seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    Runtimes,
    Tasks,
    Metrics,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum AskError {
    /// There is no such process.
    NoProcess(u32),
    /// The process listens nowhere.
    NoSocket(u32),
    /// The process answers others.
    Refused { pid: u32, why: String },
    /// Another process has taken the name.
    Foreign { pid: u32, listener: i32 },
    /// The process speaks another version, or is none of corio's.
    Version { pid: u32, says: String },
    /// The process did not answer in time.
    Silent(u32),
    /// The answer has no end.
    Cut(u32),
    /// The system refused something.
    System(io::Error),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProcess(pid) => write!(f, "there is no process {pid}"),
            Self::NoSocket(pid) => write!(
                f,
                "process {pid} has no debug socket; start it with CORIO_TOP=1, or build its runtime \
                 with Builder::debug_socket(true)"
            ),
            Self::Refused { pid, why } => {
                write!(f, "process {pid} does not answer you: {why}; ask as that user, or as root")
            }
            Self::Foreign { pid, listener: 0 } => write!(
                f,
                "the process that answers as {pid} is in another PID namespace; ask from inside of that"
            ),
            Self::Foreign { pid, listener } => write!(
                f,
                "process {listener} listens where process {pid} should: it has taken the name, or calls \
                 itself {pid} in a PID namespace of its own; ask from inside of that, or start {pid} anew"
            ),
            Self::Version { pid, says } => write!(
                f,
                "process {pid} says {says:?}, which this corio-top does not understand; install the \
                 one of the corio that the program was built with"
            ),
            Self::Silent(pid) => write!(
                f,
                "process {pid} did not answer within {} s; it may be stopped, or asked by many: try \
                 again",
                PATIENCE.as_secs()
            ),
            Self::Cut(pid) => write!(f, "process {pid} ended, or its last runtime did, meanwhile"),
            Self::System(error) => write!(f, "cannot ask: {error}"),
        }
    }
}

impl std::error::Error for AskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System(error) => Some(error),
            _ => None,
        }
    }
}

/// The runtimes and tasks of a process.
pub fn snapshot(pid: u32) -> Result<Snapshot, AskError> {
    let lines = ask(pid, Question::Tasks)?;
    Snapshot::parse(&lines).map_err(|says| AskError::Version { pid, says })
}

/// The lines of an answer.
pub fn ask(pid: u32, question: Question) -> Result<Vec<String>, AskError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => AskError::Silent(pid),
        io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::UnexpectedEof => AskError::Cut(pid),
        _ => AskError::System(error),
    };
    let stream = reach(pid)?;
    let mut lines = BufReader::new(&stream).lines().map(|line| line.map_err(failed));
    let greeting = lines.next().ok_or(AskError::Cut(pid))??;
    if greeting != GREETING {
        let refused =
            greeting.strip_prefix(GREETING).and_then(|rest| rest.strip_prefix(" refused: "));
        return Err(match refused {
            Some(why) => AskError::Refused { pid, why: why.to_owned() },
            None => AskError::Version { pid, says: greeting },
        });
    }
    let question = match question {
        Question::Runtimes => "runtimes\n",
        Question::Tasks => "tasks\n",
        Question::Metrics => "metrics\n",
    };
    (&stream).write_all(question.as_bytes()).map_err(failed)?;
    let mut answer = Vec::new();
    for line in lines {
        let line = line?;
        if line == "end" {
            return Ok(answer);
        }
        if line.starts_with("error: ") {
            return Err(AskError::Version { pid, says: line });
        }
        answer.push(line);
    }
    Err(AskError::Cut(pid))
}

/// Connects to the process, and to no other.
fn reach(pid: u32) -> Result<UnixStream, AskError> {
    let system = |errno: Errno| AskError::System(errno.into());
    let name = format!("corio-top/{pid}");
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).map_err(system)?;
    // Non-blocking until it is connected: one that accepts nobody must not keep us here.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(system)?;
    connect(&socket, &address).map_err(|errno| match errno {
        Errno::CONNREFUSED if is_there(pid) => AskError::NoSocket(pid),
        Errno::CONNREFUSED => AskError::NoProcess(pid),
        Errno::AGAIN => AskError::Silent(pid),
        errno => system(errno),
    })?;
    let listener = peer::pid(&socket).map_err(AskError::System)?;
    if u32::try_from(listener) != Ok(pid) {
        return Err(AskError::Foreign { pid, listener });
    }
    let stream = UnixStream::from(socket);
    let set = || {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))
    };
    set().map_err(AskError::System)?;
    Ok(stream)
}

fn is_there(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

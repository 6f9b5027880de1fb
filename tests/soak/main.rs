//! Servers that echo for as long as they are let, and clients that do all that clients do:
//! `.ci/soak.sh` runs both, kills clients, and balances the books.
//!
//! ```text
//! soak serve REGISTER PATH     on a port that it tells, and on a Unix socket at PATH; tells where its
//!                              counts are to be seen, and writes down each connection in REGISTER
//! soak talk ADDRESS PATH LEDGER NUMBER SEED
//!                              talks until it is killed, and keeps books in LEDGER; ends by itself
//!                              if something is wrong; no other client may have the NUMBER
//! soak balance REGISTER FOLDER whether the books of the server and of all clients in FOLDER agree
//! ```

mod books;
mod serve;
mod talk;

use std::io;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["serve", register, unix] => corio::run(serve::serve(register.as_ref(), unix.as_ref())),
        ["talk", tcp, unix, ledger, number, seed] => talk(tcp, unix, ledger, number, seed),
        ["balance", register, clients] => balance(register.as_ref(), clients.as_ref()),
        _ => Err(io::Error::other(
            "usage: soak serve REGISTER PATH | soak talk ADDRESS PATH LEDGER NUMBER SEED | soak \
             balance REGISTER FOLDER",
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

fn talk(tcp: &str, unix: &str, ledger: &str, number: &str, seed: &str) -> io::Result<()> {
    let wrong = |what: &str| io::Error::other(format!("{what}: no address or no number"));
    let servers =
        talk::Servers { tcp: tcp.parse().map_err(|_| wrong(tcp))?, unix: Path::new(unix).into() };
    let number = number.parse().map_err(|_| wrong(number))?;
    let seed = seed.parse().map_err(|_| wrong(seed))?;
    corio::run(talk::talk(servers, ledger.into(), number, seed))
}

fn balance(register: &Path, clients: &Path) -> io::Result<()> {
    let balance = books::balance(register, clients)?;
    print!("{balance}");
    if balance.is_good() {
        return Ok(());
    }
    Err(io::Error::other("the books do not agree"))
}

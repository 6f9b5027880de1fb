//! Programs that compare corio with its peers.

use std::process::ExitCode;

fn main() -> ExitCode {
    corio_bench::cli::main(std::env::args().skip(1))
}

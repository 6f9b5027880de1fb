//! The second build of this program, with `--cfg tokio_unstable`.
//!
//! tokio's unstable options change its code at compile time and `RUSTFLAGS` reach every crate, so
//! stock tokio cannot live in the same binary. The build goes to a target directory of its own,
//! where it neither evicts the usual build nor waits for it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the program with tokio's unstable options; returns the path of the binary.
///
/// Cargo decides whether there is anything to do. Its output goes to stderr.
///
/// # Errors
/// Cargo cannot be started or fails.
pub fn build() -> io::Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = target_dir()?.join("tokio-best");
    eprintln!("building corio-bench with --cfg tokio_unstable in {}", target.display());
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--bin", "corio-bench", "--manifest-path"]);
    cargo.arg(package.join("Cargo.toml")).arg("--target-dir").arg(&target);
    // It measures nothing but tokio.
    cargo.arg("--no-default-features");
    let status = cargo.env("RUSTFLAGS", rustflags()).status()?;
    if !status.success() {
        return Err(io::Error::other(format!("cargo build for tokio-best: {status}")));
    }
    Ok(target.join("release").join("corio-bench"))
}

fn rustflags() -> String {
    let given = std::env::var("RUSTFLAGS").unwrap_or_default();
    format!("{given} --cfg tokio_unstable").trim_start().to_owned()
}

/// The target directory that this program was built in: two above `target/release/corio-bench`.
fn target_dir() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    program
        .ancestors()
        .nth(2)
        .map(Path::to_path_buf)
        .ok_or_else(|| io::Error::other(format!("{} is in no directory", program.display())))
}

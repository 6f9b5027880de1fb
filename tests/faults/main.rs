//! Faults, one after the other: every system call of a scenario fails once, is interrupted, or moves
//! less than it was asked to. See [`seam`] for how, [`plan`] for what, and [`trial`] for the loop.
//!
//! Linux on x86-64 only, whose registers the seam knows.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

/// Makes a call once more if it has failed: what a fault strikes is struck once.
macro_rules! again {
    ($call:expr) => {
        match $call.await {
            Ok(value) => Ok(value),
            Err(_) => $call.await,
        }
    };
}

mod calls;
#[path = "../io/conversation.rs"]
mod conversation;
mod copies;
mod file_model;
mod files;
mod lengths;
mod local;
#[path = "../io/ssl/papers.rs"]
mod papers;
mod plan;
mod process;
mod programs;
mod seam;
mod servers;
mod sockets;
mod trial;

use std::path::PathBuf;

use trial::Fault;

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| b'a' + (i % 23) as u8).collect()
}

/// A file of this process.
fn scratch_path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("corio-faults-{}-{name}", std::process::id()))
}

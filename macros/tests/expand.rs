//! The attributes in a real compilation, with a stand-in for corio: this crate lies below it.

extern crate self as corio;

use std::cell::Cell;
use std::error::Error;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

thread_local! {
    /// Workers, debug and socket of the builder that ran last; `run` leaves nothing.
    static BUILT: Cell<Option<(usize, bool, bool)>> = const { Cell::new(None) };
}

/// Polls a future that never waits.
pub(crate) fn run<F: Future>(main: F) -> F::Output {
    match pin!(main).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the stand-in cannot wait"),
    }
}

/// Takes what the attributes hand over.
#[derive(Default)]
pub(crate) struct Builder {
    workers: usize,
    debug: bool,
    socket: bool,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn workers(self, workers: usize) -> Self {
        Self { workers, ..self }
    }

    pub(crate) fn debug(self, debug: bool) -> Self {
        Self { debug, ..self }
    }

    pub(crate) fn debug_socket(self, socket: bool) -> Self {
        Self { socket, ..self }
    }

    pub(crate) fn run<F: Future>(self, main: F) -> Result<F::Output, String> {
        BUILT.set(Some((self.workers, self.debug, self.socket)));
        if self.workers == 99 { Err("too many workers".into()) } else { Ok(run(main)) }
    }
}

#[corio_macros::main]
async fn plain() -> u8 {
    // Not Send: the body runs where it was started.
    let rc = Rc::new(7);
    async {}.await;
    *rc
}

#[corio_macros::main(workers = 3, debug = true, debug_socket = true)]
pub(crate) async fn built() -> Result<u8, Box<dyn Error>> {
    if "1".parse::<u8>()? == 1 {
        return Ok("8".parse()?);
    }
    Ok(0)
}

#[corio_macros::main(crate = "crate::elsewhere")]
async fn moved() -> impl std::fmt::Debug {
    1
}

mod elsewhere {
    pub(crate) fn run<F: Future>(_: F) -> &'static str {
        "elsewhere"
    }
}

#[corio_macros::main(workers = 99)]
async fn refused() {}

#[test]
fn main_runs_the_body() {
    assert_eq!(plain(), 7);
    assert_eq!(BUILT.get(), None);
}

#[test]
fn main_hands_its_arguments_over() {
    assert_eq!(built().unwrap(), 8);
    assert_eq!(BUILT.get(), Some((3, true, true)));
    assert_eq!(format!("{:?}", moved()), "\"elsewhere\"");
}

#[test]
#[should_panic(expected = "corio: too many workers")]
fn main_panics_with_the_builders_error() {
    refused();
}

#[corio_macros::test]
async fn a_test_runs_on_two_workers() {
    assert_eq!(BUILT.get(), Some((2, false, false)));
}

#[corio_macros::test(workers = 4)]
async fn a_test_may_fail_by_its_result() -> Result<(), std::num::ParseIntError> {
    assert_eq!(BUILT.get(), Some(("4".parse()?, false, false)));
    Ok(())
}

#[corio_macros::test]
#[should_panic(expected = "as it should")]
async fn a_test_keeps_its_attributes() {
    panic!("as it should");
}

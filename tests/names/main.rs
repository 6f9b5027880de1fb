//! Every name that programs may rely on, used through `corio::` with the types that it promises: what
//! is renamed, hidden, or given another shape does not compile any more.
//!
//! Nothing here is run but for the last test of each file's list: a function of each module is named in
//! one place, so that none is left out.

mod compositions;
mod futures;
mod io;
mod loops;
mod sync;
mod tasks;

/// A value of any type, for code that is compiled and never run.
fn some<T>() -> T {
    unreachable!("names are compiled, not run")
}

/// Says which type an expression has.
fn is<T>(_: T) {}

/// Says what a future gives.
fn gives<T>(_: impl IntoFuture<Output = T>) {}

#[test]
fn all_names_are_there() {
    let sections: [fn(); 6] =
        [tasks::names, compositions::names, loops::names, sync::names, io::names, futures::names];
    assert_eq!(sections.len(), 6);
}

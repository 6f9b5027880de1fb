//! asyncio's own tests, row by row, through the facade.
//!
//! A test that carries `// conforms: SECTION TEST` (one line for each row) stands for a row of
//! `rows.txt`, and `// differs: ..` says in what corio deviates. `docs/conformance.md` is made from
//! both by tests/house/conformance.rs. What asyncio does was recorded from CPython where it is not
//! obvious: see `recorded/`.

mod additional;
mod barrier;
mod condition;
mod event;
mod event_loop;
mod introspection;
mod lock;
mod loop_order;
mod queue;
mod semaphore;
mod subprocess;
mod subprocess_edges;
mod support;

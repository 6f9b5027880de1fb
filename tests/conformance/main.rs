//! asyncio's own tests, row by row, through the facade.
//!
//! A test that carries `// conforms: SECTION TEST` (one line for each row) stands for a row of
//! `rows.txt`, and `// differs: ..` says in what corio deviates. `docs/conformance.md` is made from
//! both by tests/house/conformance.rs. What asyncio does was recorded from CPython where it is not
//! obvious: see `recorded/`.

mod additional;
mod as_completed;
mod barrier;
mod cancellation;
mod condition;
mod contexts;
mod eager;
mod event;
mod event_loop;
mod future;
mod introspection;
mod lock;
mod loop_cancels;
mod loop_ends;
mod loop_groups;
mod loop_hops;
mod loop_limits;
mod loop_nested;
mod loop_order;
mod loop_primitives;
mod loop_wakes;
mod outcomes;
mod queue;
mod runner;
mod semaphore;
mod shield;
mod staggered;
mod subprocess;
mod subprocess_edges;
mod support;
mod task_group;
mod task_group_kept;
mod task_group_stop;
mod tasks;
mod threads;
mod threadsafe;
mod timeout;
mod wait_for;
mod wait_gather;

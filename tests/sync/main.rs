//! The primitives under corio: the programs that corio-sync's own tests run under other executors,
//! where a waiting task is, and sizes.

#[path = "../../sync/tests/executors/programs.rs"]
mod programs;

mod sizes;
mod waits;

use corio::{Builder, sync};
use programs::{Executor, Task};

/// A setting of a runtime.
struct Corio(fn(Builder) -> Builder);

impl Executor for Corio {
    fn run(&self, tasks: Vec<Task>) {
        let main = async {
            for task in tasks.into_iter().map(corio::spawn).collect::<Vec<_>>() {
                task.await.expect("a task of the program ends well");
            }
        };
        self.0(Builder::new()).run(main).expect("main ends well");
    }
}

fn executors() -> Vec<Box<dyn Executor>> {
    vec![
        Box::new(Corio(|b| b.workers(1))),
        Box::new(Corio(|b| b.workers(4))),
        Box::new(Corio(|b| b.workers(2).poll_budget(1))),
        Box::new(Corio(|b| b.workers(2).stealing(false).lifo_slot(false).watch(false))),
    ]
}

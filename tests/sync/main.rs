//! The primitives under corio: the programs that corio-sync's own tests run under other executors,
//! where a waiting task is, and sizes.

#[path = "../../sync/tests/executors/programs.rs"]
mod programs;

mod sizes;
mod waits;

use corio::{Builder, sync};
use programs::{Executor, Task};

/// So many workers.
struct Corio(usize);

impl Executor for Corio {
    fn run(&self, tasks: Vec<Task>) {
        let main = async {
            for task in tasks.into_iter().map(corio::spawn).collect::<Vec<_>>() {
                task.await.expect("a task of the program ends well");
            }
        };
        Builder::new().workers(self.0).run(main).expect("main ends well");
    }
}

fn executors() -> Vec<Box<dyn Executor>> {
    vec![Box::new(Corio(1)), Box::new(Corio(4))]
}

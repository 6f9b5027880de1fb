//! Ten patients' records over three queues: three consumers, `join`, then cancel.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use corio::sync::Queue;
use corio::{create_task, gather_all};

const QUEUES: usize = 3;
const RECORDS: usize = 10;

type Treated = Arc<Mutex<Vec<(usize, String)>>>;

async fn consumer(name: usize, queue: Arc<Queue<String>>, treated: Treated) {
    while let Ok(record) = queue.get().await {
        corio::sleep(Duration::from_millis(1)).await;
        treated.lock().unwrap().push((name, record));
        queue.task_done().expect("it was taken once");
    }
}

async fn program() {
    let queues: Vec<_> = (0..QUEUES).map(|_| Arc::new(Queue::new(0))).collect();
    let treated = Treated::default();
    let consumers: Vec<_> = queues
        .iter()
        .enumerate()
        .map(|(name, queue)| create_task(consumer(name, queue.clone(), treated.clone())))
        .collect();
    for record in 0..RECORDS {
        let record_of = format!("patient {record}");
        queues[record % QUEUES].put(record_of).await.expect("no queue is shut down");
    }
    for queue in &queues {
        queue.join().await;
    }
    for task in &consumers {
        task.cancel();
    }
    let ends = gather_all(consumers).await;
    let mut treated = treated.lock().unwrap();
    treated.sort();
    for (name, record) in treated.iter() {
        println!("doctor {name} has seen {record}");
    }
    let left: usize = queues.iter().map(|queue| queue.qsize()).sum();
    println!("{} records, {left} left", treated.len());
    let cancelled = ends.iter().all(|end| end.as_ref().is_err_and(|error| error.is_cancelled()));
    println!("cancelled: {}", if cancelled { "True" } else { "False" });
}

pub fn main() {
    corio::run(program());
}

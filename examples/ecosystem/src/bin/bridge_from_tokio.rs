//! corio inside a tokio program, piece by piece: its primitives need no runtime of its own, its
//! tasks can be awaited from tokio's, and tokio's from them.
use std::sync::Arc;
use std::time::Duration;

use corio::sync::{Lock, Queue};
use corio::{Runtime, run_coroutine_threadsafe};
use corio_ecosystem::{BoxError, assert_no_tokio, assert_on_corio};

fn main() -> Result<(), BoxError> {
    let tokio =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    tokio.block_on(async {
        primitives().await?;
        let corio = Runtime::new()?;
        tasks(&corio).await?;
        between(&corio).await
    })
}

/// A queue and a lock of corio's among tasks of tokio's: there is no corio runtime.
async fn primitives() -> Result<(), BoxError> {
    let (queue, total) = (Arc::new(Queue::new(4)), Arc::new(Lock::new(0)));
    let consumers = (0..3).map(|_| {
        let (queue, total) = (queue.clone(), total.clone());
        tokio::spawn(async move {
            while let Ok(number) = queue.get().await {
                *total.acquire().await += number;
            }
        })
    });
    let consumers: Vec<_> = consumers.collect();
    for number in 1..=1000 {
        queue.put(number).await?;
    }
    queue.shutdown(false);
    for consumer in consumers {
        consumer.await?;
    }
    assert_eq!(*total.acquire().await, 500_500);
    println!("a queue and a lock of corio's among tokio's tasks");
    Ok(())
}

/// Tasks of corio's, awaited by tokio's.
async fn tasks(corio: &Runtime) -> Result<(), BoxError> {
    let here = tokio::spawn({
        let task = corio.create_task(async {
            assert_no_tokio();
            assert_on_corio();
            corio::sleep(Duration::from_millis(1)).await;
            6
        });
        let submitted = run_coroutine_threadsafe(async { 7 }, corio.handle());
        async move { Ok::<_, BoxError>(task.await? * submitted.await?) }
    });
    assert_eq!(here.await??, 42);

    let group = corio.create_task(async {
        let parts: Vec<_> = (1..=10).map(|n| corio::create_task(async move { n })).collect();
        let mut sum = 0;
        for part in parts {
            sum += part.await.expect("it does not fail");
        }
        sum
    });
    assert_eq!(tokio::time::timeout(Duration::from_secs(30), group).await??, 55);

    let endless = corio.create_task(std::future::pending::<()>());
    endless.cancel();
    assert!(endless.await.unwrap_err().is_cancelled());
    println!("tasks of corio's, awaited and cancelled by tokio's");
    Ok(())
}

/// One queue between the two, and a task of corio's that awaits tokio's.
async fn between(corio: &Runtime) -> Result<(), BoxError> {
    let (questions, answers) = (Arc::new(Queue::<u64>::new(1)), Arc::new(Queue::new(1)));
    let squares = corio.create_task({
        let (questions, answers) = (questions.clone(), answers.clone());
        async move {
            while let Ok(number) = questions.get().await {
                answers.put(number * number).await.expect("it is open");
            }
        }
    });
    for number in 1..=100 {
        questions.put(number).await?;
        assert_eq!(answers.get().await?, number * number);
    }
    questions.shutdown(false);
    squares.await?;

    let (sender, receiver) = tokio::sync::oneshot::channel();
    let spawned = tokio::spawn(async { "tokio's result" });
    let waiter = corio.create_task(async move { (receiver.await, spawned.await) });
    sender.send("tokio's channel").map_err(BoxError::from)?;
    let (received, joined) = waiter.await?;
    assert_eq!((received?, joined?), ("tokio's channel", "tokio's result"));
    println!("a queue between the two, and a task of corio's that awaits tokio's");
    Ok(())
}

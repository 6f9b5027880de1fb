//! What a group on a single loop keeps of children that have ended.
use crate::compose::task_group::{TaskGroup, task_group};
use crate::time::yield_now;

/// One comes, one goes, and the body sleeps.
#[test]
fn a_group_on_a_single_loop_forgets_while_its_body_sleeps() {
    let event_loop = crate::new_event_loop().unwrap();
    let kept = event_loop.run_until_complete(task_group(async |group: TaskGroup<()>| {
        let inner = group.clone();
        let maker = crate::create_task(async move {
            let mut most = 0;
            for n in 0..1_000 {
                drop(inner.create_task(yield_now()).unwrap());
                yield_now().await;
                if n % 100 == 99 {
                    let listed = inner.0.added.take_all();
                    most = most.max(listed.len());
                    listed.into_iter().for_each(|child| inner.0.added.push(child));
                }
            }
            most
        });
        Ok(maker.await.unwrap())
    }));
    assert!((1..50).contains(&kept.unwrap().unwrap()));
}

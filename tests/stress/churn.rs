//! Runtimes that come and go, by `run` and by hand, some of them inside each other's tasks.

use std::thread;
use std::time::Duration;

use corio::Handle;
use corio_tests::Random;

use crate::world::World;

pub fn run(world: &World, random: &mut Random) {
    let spawns = random.below(20);
    let life = [of_main, dropped_elsewhere, dropped_by_another, dropped_by_its_own];
    life[random.below(life.len())](world, spawns);
}

fn of_main(world: &World, spawns: usize) {
    let books = &world.books;
    let spawn = || {
        let (body, outputs) = (books.bodies.token(), books.outputs.clone());
        corio::spawn(async move {
            let _body = body;
            corio::yield_now().await;
            outputs.token()
        })
    };
    let main = async {
        let tasks: Vec<_> = (0..spawns).map(|_| spawn()).collect();
        let mut outputs = Vec::new();
        for task in tasks.into_iter().step_by(2) {
            outputs.push(task.await.expect("nobody cancels"));
        }
        outputs
    };
    let outputs = world.builder().run(main).expect("main ends");
    assert_eq!(outputs.len(), spawns.div_ceil(2));
}

/// Spawns tasks that wait for longer than the runtime lives.
fn burden(world: &World, handle: &Handle, spawns: usize) {
    for i in 0..spawns {
        let body = world.books.bodies.token();
        let wait = async move {
            let _body = body;
            corio::sleep(Duration::from_secs(3600)).await;
        };
        if i % 2 == 0 {
            drop(handle.create_task(wait));
        } else {
            drop(handle.create_pinned_task(move || wait));
        }
    }
}

/// Dropped on another thread while somebody spawns.
fn dropped_elsewhere(world: &World, spawns: usize) {
    let runtime = world.runtime();
    let handle = runtime.handle().clone();
    let ending = thread::spawn(move || drop(runtime));
    burden(world, &handle, spawns);
    ending.join().unwrap();
}

/// Dropped inside another runtime's task.
fn dropped_by_another(world: &World, spawns: usize) {
    let (outer, inner) = (world.runtime(), world.runtime());
    burden(world, inner.handle(), spawns);
    let dropped = outer.create_task(async move { drop(inner) });
    outer.block_on(dropped.into_future()).unwrap();
}

/// Dropped by its own task.
fn dropped_by_its_own(world: &World, spawns: usize) {
    let runtime = world.runtime();
    let handle = runtime.handle().clone();
    burden(world, &handle, spawns);
    let body = world.books.bodies.token();
    drop(handle.create_task(async move {
        drop(runtime);
        drop(body);
    }));
}

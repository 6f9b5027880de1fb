//! Runtimes that come and go, by `run` and by hand, some of them inside each other's tasks.

use std::thread;

use corio_tests::Random;

use crate::world::World;

#[expect(clippy::too_many_lines, reason = "one storm, step by step")]
pub fn run(world: &World, random: &mut Random) {
    let books = &world.books;
    let spawns = random.below(20);
    match random.below(4) {
        0 => {
            let outputs = world
                .builder()
                .run(async {
                    let tasks: Vec<_> = (0..spawns)
                        .map(|_| {
                            let (body, outputs) = (books.bodies.token(), books.outputs.clone());
                            corio::spawn(async move {
                                let _body = body;
                                corio::yield_now().await;
                                outputs.token()
                            })
                        })
                        .collect();
                    let mut outputs = Vec::new();
                    for (i, task) in tasks.into_iter().enumerate() {
                        if i % 2 == 0 {
                            outputs.push(task.await.expect("nobody cancels"));
                        }
                    }
                    outputs
                })
                .expect("main ends");
            assert_eq!(outputs.len(), spawns.div_ceil(2));
        }
        1 => {
            // Dropped on another thread while somebody spawns.
            let runtime = world.runtime();
            let handle = runtime.handle().clone();
            let ending = thread::spawn(move || drop(runtime));
            for _ in 0..spawns {
                let body = books.bodies.token();
                drop(handle.create_task(async move { drop(body) }));
            }
            ending.join().unwrap();
        }
        2 => {
            // Dropped inside another runtime's task.
            let (outer, inner) = (world.runtime(), world.runtime());
            for _ in 0..spawns {
                let body = books.bodies.token();
                drop(inner.create_task(async move {
                    let _body = body;
                    std::future::pending::<()>().await;
                }));
            }
            let dropped = outer.create_task(async move { drop(inner) });
            outer.block_on(dropped.into_future()).unwrap();
        }
        _ => {
            // Dropped by its own task.
            let runtime = world.runtime();
            let handle = runtime.handle().clone();
            for _ in 0..spawns {
                let body = books.bodies.token();
                drop(handle.create_pinned_task(move || async move {
                    let _body = body;
                    corio::sleep(std::time::Duration::from_secs(3600)).await;
                }));
            }
            let body = books.bodies.token();
            drop(handle.create_task(async move {
                drop(runtime);
                drop(body);
            }));
        }
    }
}

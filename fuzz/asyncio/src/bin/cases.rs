//! The minimal cases of cases.py.
use corio::*;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex};
fn say(s: impl std::fmt::Display) {
    println!("  {s}");
}
fn spawn<T: Send + Sync + 'static>(
    name: &'static str,
    f: impl Future<Output = T> + Send + 'static,
) -> Task<T> {
    let t = create_task(f);
    t.add_done_callback(move |t| {
        say(format!("done {name} {}", if t.cancelled() { "cancelled" } else { "ok" }))
    });
    t
}
async fn turns(n: usize) {
    for k in 0..n {
        yield_now().await;
        say(format!("tick {k}"));
    }
}
async fn ys(n: usize) {
    for _ in 0..n {
        yield_now().await
    }
}
async fn forever() {
    pending::<()>().await
}
async fn noop() {}
type G = TaskGroup<&'static str>;
fn slot<T>() -> Arc<Mutex<Option<T>>> {
    Arc::new(Mutex::new(None))
}

async fn a1() {
    let child = spawn("child", ys(6));
    let c = child.task_ref();
    let parent = spawn("parent", async move { drop(child.await) });
    ys(2).await;
    parent.cancel();
    say(format!("child.cancelling {}", c.cancelling()));
    turns(5).await;
}
async fn a2() {
    let p = slot::<TaskRef>();
    let p2 = p.clone();
    let child = spawn("child", async move {
        p2.lock().unwrap().as_ref().unwrap().cancel();
    });
    let parent = spawn("parent", async move {
        if child.await.is_ok() {
            say("awaited None")
        }
    });
    *p.lock().unwrap() = Some(parent.task_ref());
    yield_now().await;
    turns(4).await;
}
async fn a3() {
    let c = slot::<Task<()>>();
    let c2 = c.clone();
    let parent = spawn("parent", async move {
        let c = c2.lock().unwrap().take().unwrap();
        if c.await.is_ok() {
            say("awaited")
        }
    });
    let p = parent.task_ref();
    *c.lock().unwrap() = Some(spawn("child", async move {
        p.cancel();
    }));
    turns(4).await;
}
async fn b1() {
    let t = spawn("t", async {
        if let Err(c) = catch_cancel(forever()).await {
            drop(c);
            spawn("child", noop()).await.unwrap();
            say("child awaited");
        }
    });
    yield_now().await;
    t.cancel();
    turns(5).await;
}
async fn b2() {
    let o = slot::<Task<()>>();
    let o2 = o.clone();
    let _t = spawn("t", async move {
        task_group(async |g: G| {
            drop(g.create_task(ys(1)).unwrap());
            let o = o2.lock().unwrap().take().unwrap();
            o.await.unwrap();
            say("other awaited");
            Ok(())
        })
        .await
        .unwrap();
    });
    *o.lock().unwrap() = Some(spawn("other", ys(3)));
    turns(6).await;
}
async fn b3() {
    let o = slot::<Task<()>>();
    let o2 = o.clone();
    let l = slot::<TimeoutScope>();
    let l2 = l.clone();
    let _t = spawn("t", async move {
        timeout_scope(None, |limit| {
            *l2.lock().unwrap() = Some(limit);
            async move {
                let o = o2.lock().unwrap().take().unwrap();
                o.await.unwrap();
                say("other awaited");
            }
        })
        .await
        .unwrap();
    });
    let _r = spawn("r", async move {
        l.lock().unwrap().as_ref().unwrap().reschedule(None).unwrap();
    });
    *o.lock().unwrap() = Some(spawn("other", noop()));
    turns(4).await;
}
async fn b4() {
    let o = slot::<Task<()>>();
    let o2 = o.clone();
    let _t = spawn("t", async move {
        current_task().unwrap().cancel();
        current_task().unwrap().uncancel();
        let o = o2.lock().unwrap().take().unwrap();
        o.await.unwrap();
        say("other awaited");
    });
    *o.lock().unwrap() = Some(spawn("other", noop()));
    turns(4).await;
}
async fn c1() {
    let dead = spawn("dead", forever());
    yield_now().await;
    dead.cancel();
    ys(3).await;
    let t = spawn("t", async move {
        let body = finally(forever(), async move {
            if let Err(e) = dead.await {
                e.cancelled().unwrap().clone().raise::<()>().await
            }
        });
        if let Err(c) = catch_cancel(body).await {
            say("caught");
            yield_now().await;
            drop(c);
            current_task().unwrap().uncancel();
            say("goes on");
        }
    });
    yield_now().await;
    t.cancel();
    turns(5).await;
}
async fn d1() {
    let done = spawn("done", noop());
    ys(3).await;
    let _t = spawn("t", async move {
        gather([done]).await.unwrap();
        say("gathered");
    });
    turns(5).await;
}
async fn e1() {
    let o = slot::<Task<()>>();
    let o2 = o.clone();
    let _t = spawn("t", async move {
        task_group(async |g: G| {
            drop(g.create_task(ys(1)).unwrap());
            let o = o2.lock().unwrap().take().unwrap();
            gather([o]).await.unwrap();
            say("gathered");
            Ok(())
        })
        .await
        .unwrap();
        say("group");
    });
    *o.lock().unwrap() = Some(spawn("other", ys(1)));
    turns(6).await;
}
async fn e2() {
    let ended = spawn("ended", noop());
    ys(3).await;
    let _t = spawn("t", async move {
        task_group(async |g: G| {
            drop(g.create_task(noop()).unwrap());
            drop(wait(vec![ended], ReturnWhen::AllCompleted, None).await.unwrap());
            say("waited");
            Ok(())
        })
        .await
        .unwrap();
    });
    turns(6).await;
}
async fn f1() {
    let _t = spawn("t", async {
        let r = task_group(async |g: G| {
            drop(g.create_task(async { Err::<(), _>("bad") }).unwrap());
            yield_now().await;
            say(if g.create_task(noop()).is_ok() { "spawned" } else { "refused" });
            Ok(())
        })
        .await;
        if r.is_err() {
            say("failed")
        }
    });
    turns(5).await;
}
async fn f2() {
    let s = slot::<G>();
    let s2 = s.clone();
    let _t = spawn("t", async move {
        task_group(async |g: G| {
            drop(g.create_task(noop()).unwrap());
            *s2.lock().unwrap() = Some(g);
            Ok(())
        })
        .await
        .unwrap();
        say("group");
    });
    let _l = spawn("late", async move {
        ys(2).await;
        let g = s.lock().unwrap().clone().unwrap();
        say(if g.create_task(noop()).is_ok() { "spawned" } else { "refused" });
    });
    turns(6).await;
}
async fn g1() {
    let t = spawn("t", async {
        let r = task_group(async |_: G| {
            if let Err(c) = catch_cancel(forever()).await {
                drop(c);
                return Err("bad");
            }
            Ok(())
        })
        .await;
        if r.is_err() {
            say("failed")
        }
        yield_now().await;
        say("goes on");
    });
    yield_now().await;
    t.cancel();
    turns(4).await;
}
async fn h1() {
    let _t = spawn("t", async {
        let r = task_group(async |g: G| {
            drop(g.create_task(noop()).unwrap());
            let g2 = g.clone();
            drop(
                g.create_task(async move {
                    drop(g2.create_task(async { say("grandchild ran") }).unwrap());
                    Err::<(), _>("bad")
                })
                .unwrap(),
            );
            Ok(())
        })
        .await;
        if r.is_err() {
            say("failed")
        }
    });
    turns(6).await;
}
async fn i1() {
    let o = slot::<Task<()>>();
    let o2 = o.clone();
    let _t = spawn("t", async move {
        let me = current_task().unwrap();
        let _c = spawn("c", async move {
            ys(3).await;
            me.cancel();
            say("cancel");
        });
        let other = o2.lock().unwrap().take().unwrap();
        drop(shield(other).await);
    });
    *o.lock().unwrap() = Some(spawn("other", ys(3)));
    turns(7).await;
}
async fn i2() {
    let ended = spawn("ended", noop());
    ys(3).await;
    let _t = spawn("t", async move {
        let me = current_task().unwrap();
        let _c = spawn("c", async move {
            ys(1).await;
            me.cancel();
            say("cancel");
        });
        drop(wait(vec![ended], ReturnWhen::AllCompleted, None).await);
    });
    turns(6).await;
}
async fn poll1() {
    let t = spawn("t", async {
        if let Err(c) = catch_cancel(forever()).await {
            drop(c);
            std::future::poll_fn(|_| {
                say("polled");
                std::task::Poll::<()>::Pending
            })
            .await;
        }
    });
    yield_now().await;
    t.cancel();
    turns(5).await;
}
async fn j1() {
    let _t = spawn("t", async {
        let r: Result<(), _> = task_group(async |g: G| {
            drop(g.create_task(noop()).unwrap());
            yield_now().await;
            Err("bad")
        })
        .await;
        if r.is_err() {
            say("failed")
        }
    });
    turns(5).await;
}
async fn k1() {
    let l = slot::<TimeoutScope>();
    let l2 = l.clone();
    let _t = spawn("t", async move {
        let r = timeout_scope(None, |limit| {
            *l2.lock().unwrap() = Some(limit);
            forever()
        })
        .await;
        if r.is_err() {
            say("timed out")
        }
    });
    let _r = spawn("r", async move {
        l.lock().unwrap().as_ref().unwrap().reschedule(Some(corio::now())).unwrap();
        say("moved");
    });
    turns(5).await;
}
fn main() {
    macro_rules! run { ($($f:ident)*) => { $(
        println!("{}", stringify!($f).to_uppercase());
        let r = std::panic::catch_unwind(|| new_event_loop().unwrap().run_until_complete($f()).unwrap());
        if r.is_err() { println!("  PANIC"); }
    )* } }
    run!(poll1 a1 a2 a3 b1 b2 b3 b4 c1 d1 e1 e2 f1 f2 g1 h1 i1 i2 j1 k1);
}

//! corio-fuzz-asyncio PROGRAMS: runs each line "ID SEXPR" on a fresh EventLoop; prints "== ID", the trace, "==end".
use std::collections::{HashMap, HashSet};
use std::future::{Future, pending};
use std::io::Write;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use corio::sync::{Event, Lock, Queue, Semaphore};
use corio::*;

#[derive(Debug, Clone)]
enum S {
    A(String),
    L(Vec<S>),
}
impl S {
    fn a(&self) -> &str {
        match self {
            S::A(s) => s,
            _ => panic!("atom: {self:?}"),
        }
    }
    fn l(&self) -> &[S] {
        match self {
            S::L(v) => v,
            _ => panic!("list: {self:?}"),
        }
    }
    fn n(&self) -> usize {
        self.a().parse().unwrap()
    }
}
fn parse(text: &str) -> S {
    let text = text.replace('(', " ( ").replace(')', " ) ");
    let mut stack = vec![Vec::new()];
    for t in text.split_whitespace() {
        match t {
            "(" => stack.push(Vec::new()),
            ")" => {
                let l = stack.pop().unwrap();
                stack.last_mut().unwrap().push(S::L(l));
            }
            a => stack.last_mut().unwrap().push(S::A(a.to_owned())),
        }
    }
    stack.pop().unwrap().pop().unwrap()
}

type R = Result<(), String>;
type Out = Result<String, String>;
type Fut<T> = Pin<Box<dyn Future<Output = T> + Send>>;

#[derive(Default)]
struct Inner {
    refs: HashMap<String, TaskRef>,
    order: Vec<String>,
    owned: HashMap<String, Task<Out>>,
    shared: HashMap<String, Arc<Task<Out>>>,
    outcome: HashMap<String, String>,
    groups: HashMap<String, TaskGroup<String>>,
    limits: HashMap<String, TimeoutScope>,
    lines: Vec<String>,
    ingroup: HashSet<String>,
}
struct Env {
    i: Mutex<Inner>,
    events: [Event; 2],
    locks: [Lock<()>; 2],
    sems: [Semaphore; 1],
    queues: [Queue<String>; 2],
}
#[derive(Clone)]
struct C {
    e: Arc<Env>,
    me: Arc<str>,
}

impl C {
    fn say(&self, s: impl std::fmt::Display) {
        let line = format!("{}: {s}", self.me);
        self.e.i.lock().unwrap().lines.push(line);
    }
    fn named(&self, name: &str) -> C {
        C { e: self.e.clone(), me: name.into() }
    }
    fn watch(&self, name: &str, r: TaskRef) {
        let mut i = self.e.i.lock().unwrap();
        i.refs.insert(name.into(), r.clone());
        i.order.push(name.into());
        drop(i);
        let c = self.named(name);
        r.add_done_callback(move |t| {
            let o = c.e.i.lock().unwrap().outcome.get(&*c.me).cloned();
            match o {
                Some(o) if o.starts_with("err") => c.say(format!("done {o}")),
                _ if t.cancelled() => c.say("done cancelled"),
                Some(o) => c.say(format!("done {o}")),
                None => c.say("done PANICKED"),
            }
        });
    }
    fn taken(&self, name: &str) -> Option<Task<Out>> {
        self.e.i.lock().unwrap().owned.remove(name)
    }
}
fn py(b: bool) -> &'static str {
    if b { "True" } else { "False" }
}

async fn whole(c: C, body: Vec<S>) -> Out {
    let r = block(c.clone(), body).await;
    let (o, r) = match r {
        Ok(()) => ("ok".to_owned(), Ok(c.me.to_string())),
        Err(e) => (format!("err {e}"), Err(e)),
    };
    c.e.i.lock().unwrap().outcome.insert(c.me.to_string(), o);
    r
}
async fn ended(c: &C, what: &str, r: Result<Out, TaskError>) -> R {
    match r {
        Ok(Ok(v)) => {
            c.say(format!("{what} = {v}"));
            Ok(())
        }
        Ok(Err(e)) => Err(e),
        Err(e) => match e.cancelled() {
            Some(k) => Cancelled::new(k.msg().unwrap_or("")).raise().await,
            None => {
                c.say("PANICKED");
                Ok(())
            }
        },
    }
}
fn block(c: C, b: Vec<S>) -> Fut<R> {
    Box::pin(async move {
        for s in b {
            stmt(c.clone(), s).await?;
        }
        Ok(())
    })
}
async fn clean(c: C, b: Vec<S>) {
    if let Err(e) = block(c.clone(), b).await {
        c.say(format!("clean err {e}"));
    }
}
fn msg(k: &Cancelled) -> String {
    k.msg().filter(|m| !m.contains(' ')).unwrap_or("").to_owned()
}

fn stmt(c: C, s: S) -> Fut<R> {
    Box::pin(async move { stmt_(c, s.l()).await })
}
async fn stmt_(c: C, s: &[S]) -> R {
    let body = |k: usize| s[k].l().to_vec();
    match s[0].a() {
        "p" => c.say(format!("mark {}", s[1].a())),
        "y" => {
            for _ in 0..s[1].n() {
                yield_now().await
            }
        }
        "forever" => pending::<()>().await,
        "try" => match catch_cancel(block(c.clone(), body(1))).await {
            Ok(r) => r?,
            Err(k) => {
                c.say(format!("caught [{}]", msg(&k)));
                block(c.clone(), body(2)).await?;
                match s[3].a() {
                    "raise" => {
                        c.say("reraises");
                        k.raise::<()>().await
                    }
                    "supp" => {
                        drop(k);
                        let n = current_task().unwrap().uncancel();
                        c.say(format!("suppressed {n}"));
                    }
                    "suppress" => {
                        k.suppress();
                        c.say("suppressed");
                    }
                    _ => {
                        drop(k);
                        c.say("passed");
                    }
                }
            }
        },
        "fin" => finally(block(c.clone(), body(1)), clean(c.clone(), body(2))).await?,
        "oncancel" => on_cancel(block(c.clone(), body(1)), clean(c.clone(), body(2))).await?,
        "spawn" => {
            let t = create_task(whole(c.named(s[1].a()), body(2)));
            c.watch(s[1].a(), t.task_ref());
            c.e.i.lock().unwrap().owned.insert(s[1].a().into(), t);
        }
        "spawns" => {
            let t = create_task(whole(c.named(s[1].a()), body(2)));
            c.watch(s[1].a(), t.task_ref());
            c.e.i.lock().unwrap().shared.insert(s[1].a().into(), Arc::new(t));
        }
        "await" => match c.taken(s[1].a()) {
            None => c.say("await none"),
            Some(t) if t.id() == current_task().unwrap().id() => c.say("await self"),
            Some(t) => {
                let r = t.await;
                ended(&c, "await", r).await?
            }
        },
        "awaitm" => match c.taken(s[1].a()) {
            None => c.say("await none"),
            Some(t) if t.id() == current_task().unwrap().id() => c.say("await self"),
            Some(mut t) => {
                let r = (&mut t).await;
                ended(&c, "await", r).await?
            }
        },
        "shield" => {
            let t = c.e.i.lock().unwrap().shared.get(s[1].a()).cloned();
            match t {
                None => c.say("shield none"),
                Some(t) if t.id() == current_task().unwrap().id() => c.say("shield self"),
                Some(t) => {
                    let r = shield(&*t).await;
                    let r: Result<Out, Option<Cancelled>> = match r {
                        Ok(o) => Ok(o.clone()),
                        Err(e) => Err(e.cancelled().cloned()),
                    };
                    match r {
                        Ok(Ok(v)) => c.say(format!("shield = {v}")),
                        Ok(Err(e)) => return Err(e),
                        Err(Some(k)) => Cancelled::new(k.msg().unwrap_or("")).raise().await,
                        Err(None) => c.say("PANICKED"),
                    }
                }
            }
        }
        "shieldo" => match c.taken(s[1].a()) {
            None => c.say("shield none"),
            Some(t) if t.id() == current_task().unwrap().id() => c.say("shield self"),
            Some(t) => {
                let r = shield(t).await;
                ended(&c, "shield", r).await?
            }
        },
        "cancel" => {
            let t = c.e.i.lock().unwrap().refs.get(s[1].a()).cloned();
            match t {
                None => c.say(format!("cancel {} none", s[1].a())),
                Some(t) => {
                    let r = if s.len() > 2 { t.cancel_with(s[2].a()) } else { t.cancel() };
                    c.say(format!("cancel {} {}", s[1].a(), py(r)));
                }
            }
        }
        "uncancelo" => {
            let t = c.e.i.lock().unwrap().refs.get(s[1].a()).cloned();
            match t {
                None => c.say("uncancel none"),
                Some(t) => c.say(format!("uncancel {} {}", s[1].a(), t.uncancel())),
            }
        }
        "self" => {
            let r = current_task().unwrap().cancel();
            c.say(format!("self {}", py(r)));
        }
        "count" => {
            let r = current_task().unwrap().cancelling();
            c.say(format!("count {r}"));
        }
        "uncancel" => {
            let r = current_task().unwrap().uncancel();
            c.say(format!("uncancel {r}"));
        }
        "err" => return Err(s[1].a().to_owned()),
        "catcherr" => {
            if let Err(e) = block(c.clone(), body(1)).await {
                c.say(format!("caught err {e}"))
            }
        }
        "gather" => {
            let mut ts = Vec::new();
            for n in s[2].l() {
                if let Some(t) = c.taken(n.a()) {
                    ts.push(t)
                }
            }
            if ts.is_empty() {
                c.say("gather none");
                return Ok(());
            }
            if s[1].a() == "all" {
                gathered_all(&c, gather_all(ts)).await?;
            } else {
                gathered(&c, try_gather(ts)).await?;
            }
        }
        "gatherb" => {
            let fs: Vec<Fut<Out>> = s[2]
                .l()
                .iter()
                .map(|x| {
                    let c = c.named(x.l()[0].a());
                    let b = x.l()[1].l().to_vec();
                    Box::pin(async move {
                        c.watch(&c.me, current_task().unwrap());
                        whole(c, b).await
                    }) as Fut<Out>
                })
                .collect();
            if s[1].a() == "all" {
                gathered_all(&c, gather_all(fs)).await?;
            } else {
                gathered(&c, try_gather(fs)).await?;
            }
        }
        "wait" => {
            let (mut ts, mut names) = (Vec::new(), HashMap::new());
            for n in s[2].l() {
                if let Some(t) = c.taken(n.a()) {
                    names.insert(t.id(), n.a().to_owned());
                    ts.push(t)
                }
            }
            if ts.is_empty() {
                c.say("wait none");
                return Ok(());
            }
            let w = if s[1].a() == "first" {
                ReturnWhen::FirstCompleted
            } else {
                ReturnWhen::AllCompleted
            };
            let (done, pend) = wait(ts, w, None).await.unwrap();
            let mut lists = [Vec::new(), Vec::new()];
            for (k, l) in [done, pend].into_iter().enumerate() {
                for t in l {
                    let n = names[&t.id()].clone();
                    lists[k].push(n.clone());
                    c.e.i.lock().unwrap().owned.insert(n, t);
                }
                lists[k].sort();
            }
            c.say(format!("wait {} / {}", lists[0].join(","), lists[1].join(",")));
        }
        "group" => {
            let c2 = c.clone();
            let r = task_group(|g: TaskGroup<String>| {
                c2.e.i.lock().unwrap().groups.insert(s[1].a().into(), g);
                block(c2.clone(), s[3].l().to_vec())
            })
            .await;
            match r {
                Ok(()) => c.say("group ok"),
                Err(GroupError::Errors(v)) => {
                    let e = format!("G<{}>", v.join(","));
                    c.say(format!("group failed {e}"));
                    if s[2].a() == "prop" {
                        return Err(e);
                    }
                }
                Err(_) => c.say("group STOPPED"),
            }
        }
        "gspawn" => {
            let g = c.e.i.lock().unwrap().groups.get(s[1].a()).cloned();
            let Some(g) = g else {
                c.say("gspawn none");
                return Ok(());
            };
            match g.create_task(whole(c.named(s[2].a()), body(3))) {
                Ok(t) => c.watch(s[2].a(), t.task_ref()),
                Err(_) => c.say("gspawn closed"),
            }
        }
        "limit" => {
            let c2 = c.clone();
            let d = if s[2].a() == "zero" { Some(Duration::ZERO) } else { None };
            let mut scope = None;
            let f = timeout_scope(d, |t| {
                scope = Some(t.clone());
                c2.e.i.lock().unwrap().limits.insert(s[1].a().into(), t);
                block(c2.clone(), s[3].l().to_vec())
            });
            let r = f.await;
            let x = py(scope.unwrap().expired());
            match r {
                Ok(Ok(())) => c.say(format!("limit ok {x}")),
                Ok(Err(e)) => {
                    c.say(format!("limit err {x}"));
                    return Err(e);
                }
                Err(_) => c.say(format!("limit timed out {x}")),
            }
        }
        "resched" => {
            let t = c.e.i.lock().unwrap().limits.get(s[1].a()).cloned();
            let Some(t) = t else {
                c.say("resched none");
                return Ok(());
            };
            let r = t.reschedule(if s[2].a() == "now" { Some(corio::now()) } else { None });
            c.say(format!("resched {}", if r.is_ok() { "ok" } else { "invalid" }));
        }
        "expired" => {
            let t = c.e.i.lock().unwrap().limits.get(s[1].a()).cloned();
            match t {
                None => c.say("expired none"),
                Some(t) => c.say(format!("expired {}", py(t.expired()))),
            }
        }
        "eset" => c.e.events[s[1].n()].set(),
        "eclear" => c.e.events[s[1].n()].clear(),
        "ewait" => {
            c.e.events[s[1].n()].wait().await;
            c.say("event");
        }
        "lock" => {
            let e = c.e.clone();
            let _g = e.locks[s[1].n()].acquire().await;
            c.say("locked");
            block(c.clone(), body(2)).await?;
        }
        "sem" => {
            let e = c.e.clone();
            let _g = e.sems[s[1].n()].acquire().await.unwrap();
            c.say("got sem");
            block(c.clone(), body(2)).await?;
        }
        "qput" => {
            c.e.queues[s[1].n()].put(s[2].a().to_owned()).await.unwrap();
            c.say("put");
        }
        "qget" => {
            let v = c.e.queues[s[1].n()].get().await.unwrap();
            c.say(format!("get {v}"));
        }
        other => panic!("unknown {other}"),
    }
    Ok(())
}
async fn gathered(c: &C, g: TryGather<String, String>) -> R {
    match g.await {
        Ok(v) => {
            c.say(format!("gather {}", v.join(",")));
            Ok(())
        }
        Err(GatherError::Failed { error, .. }) => Err(error),
        Err(GatherError::Task { error, .. }) => ended(c, "gather", Err(error)).await,
    }
}
async fn gathered_all(c: &C, g: GatherAll<Out>) -> R {
    let v = g.await;
    let v: Vec<_> = v
        .into_iter()
        .map(|r| match r {
            Ok(Ok(v)) => v,
            Ok(Err(e)) => format!("!{e}"),
            Err(e) if e.is_cancelled() => "!cancelled".into(),
            Err(_) => "!PANIC".into(),
        })
        .collect();
    c.say(format!("gather {}", v.join(",")));
    Ok(())
}

async fn drive(c: C, roots: Vec<S>) {
    for r in &roots {
        let r = r.l();
        let t = create_task(whole(c.named(r[0].a()), r[1].l().to_vec()));
        c.watch(r[0].a(), t.task_ref());
        c.e.i.lock().unwrap().owned.insert(r[0].a().into(), t);
    }
    for round in 0..4 {
        for k in 0..(if round == 0 { 50 } else { 25 }) {
            yield_now().await;
            c.say(format!("tick {round} {k}"));
        }
        let live: Vec<_> = {
            let i = c.e.i.lock().unwrap();
            i.order.iter().map(|n| (n.clone(), i.refs[n].clone())).collect()
        };
        for (n, t) in live {
            if !t.done() {
                c.say(format!("cancels {n}"));
                t.cancel();
            }
        }
    }
    for _ in 0..25 {
        yield_now().await;
    }
    let i = c.e.i.lock().unwrap();
    let all: Vec<_> = i.order.iter().filter(|n| !i.refs[*n].done()).cloned().collect();
    drop(i);
    c.say(format!("pending {}", all.join(",")));
}

static AT: AtomicU64 = AtomicU64::new(0);

fn main() {
    let text = std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap();
    let skip: u64 = std::env::args().nth(2).map_or(0, |n| n.parse().unwrap());
    let said: &'static Mutex<Option<Arc<Env>>> = Box::leak(Box::new(Mutex::new(None)));
    std::thread::spawn(move || {
        let mut last = (0, 0);
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let at = AT.load(Ordering::Relaxed);
            last = if at == last.0 { (at, last.1 + 1) } else { (at, 0) };
            if last.1 > 8 {
                let mut o = std::io::stdout().lock();
                if let Some(e) = &*said.lock().unwrap() {
                    if let Ok(i) = e.i.try_lock() {
                        for l in &i.lines {
                            writeln!(o, "{l}").unwrap();
                        }
                    }
                }
                writeln!(o, "HANG\n==end").unwrap();
                o.flush().unwrap();
                std::process::exit(3);
            }
        }
    });
    for (k, line) in text.lines().enumerate() {
        if (k as u64) < skip {
            continue;
        }
        AT.store(k as u64 + 1, Ordering::Relaxed);
        let (id, prog) = line.split_once(' ').unwrap();
        let prog = parse(prog);
        {
            let mut o = std::io::stdout().lock();
            writeln!(o, "== {id}").unwrap();
            o.flush().unwrap();
        }
        let env = Arc::new(Env {
            i: Mutex::default(),
            events: [Event::new(), Event::new()],
            locks: [Lock::new(()), Lock::new(())],
            sems: [Semaphore::new(1)],
            queues: [Queue::new(1), Queue::new(1)],
        });
        *said.lock().unwrap() = Some(env.clone());
        let c = C { e: env.clone(), me: "drv".into() };
        let r = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let lp = new_event_loop().unwrap();
            lp.run_until_complete(drive(c, prog.l().to_vec())).unwrap();
            let lines = std::mem::take(&mut env.i.lock().unwrap().lines);
            let g = std::mem::take(&mut *env.i.lock().unwrap());
            drop(lp);
            drop(g);
            lines
        }));
        let lines = match r {
            Ok(l) => l,
            Err(p) => {
                let m = p
                    .downcast_ref::<String>()
                    .cloned()
                    .or(p.downcast_ref::<&str>().map(|s| s.to_string()))
                    .unwrap_or_default();
                let mut l = env.i.lock().map(|i| i.lines.clone()).unwrap_or_default();
                l.push(format!("PANIC {m}"));
                l
            }
        };
        let mut o = std::io::stdout().lock();
        for l in lines {
            writeln!(o, "{l}").unwrap();
        }
        writeln!(o, "==end").unwrap();
        o.flush().unwrap();
    }
}

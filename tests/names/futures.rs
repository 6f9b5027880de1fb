//! The futures of waiting calls have the names that a field or a result may be given, and are `Send`
//! if what they hold is.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::{Duration, Instant};

use corio::fs::{Open, OpenText, open, open_text};
use corio::net::{Accept, Bind, Connect, LookupHost, TcpListener, TcpStream, lookup_host};
use corio::signal::{CtrlC, ctrl_c};
use corio::stream::{OpenConnection, StreamWriter, open_connection};
use corio::sync::*;
use corio::*;

use crate::some;

pub fn names() {
    time();
    tasks();
    compositions();
    primitives();
    queues(&some::<Queue<u32>>());
    outside(&some::<TcpListener>(), &some::<TcpStream>(), some::<StreamWriter>());
}

/// Says what a future is called.
fn named<F: IntoFuture + Send>(_: F) {}

fn number() -> Ready<u32> {
    ready(1)
}

fn time() {
    let d = Duration::ZERO;
    named::<Sleep>(sleep(d));
    named::<Sleep>(sleep_until(some::<Instant>()));
    named::<YieldNow>(yield_now());
    named::<Tick<'_>>(some::<&mut Interval>().tick());
    named::<Timeout<Ready<u32>>>(timeout(d, number()));
    named::<Timeout<Ready<u32>>>(timeout_at(some::<Instant>(), number()));
    named::<TimeoutScoped<Ready<u32>>>(timeout_scope(d, |_| number()));
    named::<WaitFor<Ready<u32>>>(wait_for(number(), d));
}

fn tasks() {
    named::<TaskJoin<u32>>(some::<Task<u32>>().into_future());
    named::<CancelOnDrop<u32>>(some::<Task<u32>>().cancel_on_drop());
    named::<CatchCancel<Ready<u32>>>(catch_cancel(number()));
    named::<OnCancel<Ready<u32>, Ready<()>>>(on_cancel(number(), ready(())));
    named::<Finally<Ready<u32>, Ready<()>>>(finally(number(), ready(())));
    named::<DeferCancel<Ready<u32>>>(defer_cancel(number()));
    named::<Shield<Ready<u32>>>(shield(number()));
    named::<Raise<u32>>(some::<Cancelled>().raise());
    named::<Job<u32>>(to_thread(|| 1));
    named::<ConcurrentFuture<u32>>(run_coroutine_threadsafe(number(), &some::<Handle>()));
    named::<ShutdownExecutor>(some::<Handle>().shutdown_default_executor(None));
}

fn compositions() {
    named::<Gather<_, _>>(gather!(number(), number()));
    named::<GatherVec<u32>>(gather([number()]));
    named::<GatherAll<u32>>(gather_all([number()]));
    named::<TryGather<u32, ()>>(try_gather([ready(Ok(1))]));
    named::<Wait<u32>>(wait(some::<Vec<Task<u32>>>(), ReturnWhen::AllCompleted, None));
    let body = |_: TaskGroup<()>| ready(Ok::<u32, ()>(1));
    named::<TaskGroupScope<Ready<Result<u32, ()>>, u32, ()>>(task_group(body));
    let race = staggered_race([|| ready(Ok::<u32, ()>(1))], None);
    named::<StaggeredRace<_, Ready<Result<u32, ()>>, u32, ()>>(race);
    named::<JoinNext<'_, u32>>(some::<&mut JoinSet<u32>>().join_next());
}

static LOCK: Lock<u32> = Lock::new(1);
static SEMAPHORE: Semaphore = Semaphore::new(1);
static EVENT: Event = Event::new();
static NOTIFY: Notify = Notify::new();
static CONDITION: Condition = Condition::new();

fn primitives() {
    named::<Acquire<'_, u32>>(LOCK.acquire());
    named::<AcquireOwned<u32>>(Arc::new(Lock::new(1)).acquire_owned());
    named::<SemAcquire<'_>>(SEMAPHORE.acquire());
    named::<EventWait<'_>>(EVENT.wait());
    named::<Notified<'_>>(NOTIFY.notified());
    named::<ConditionWait<'_, u32>>(CONDITION.wait(&mut LOCK.blocking_acquire()));
    named::<BarrierWait<'_>>(some::<&Barrier>().wait());
    named::<TokenCancelled<'_>>(some::<&CancelToken>().cancelled());
}

fn queues(queue: &Queue<u32>) {
    named::<Put<'_, u32>>(queue.put(1));
    named::<Get<'_, u32>>(queue.get());
    named::<Join<'_, u32>>(queue.join());
    named::<GetTracked<'_, u32>>(queue.get_tracked());
}

fn outside(listener: &TcpListener, stream: &TcpStream, writer: StreamWriter) {
    named::<Bind>(TcpListener::bind("127.0.0.1:0"));
    named::<Connect>(TcpStream::connect("127.0.0.1:1"));
    named::<Accept<'_>>(listener.accept());
    named::<net::Read<'_>>(stream.read(&mut []));
    named::<net::Write<'_>>(stream.write(b""));
    named::<LookupHost>(lookup_host("a host", 80));
    named::<OpenConnection>(open_connection("127.0.0.1:1"));
    named::<stream::Drain<'_>>(writer.drain());
    named::<Open>(open("a path", "r"));
    named::<OpenText>(open_text("a path", "r"));
    named::<CtrlC>(ctrl_c());
}

//! An elastic pool of threads: it grows while jobs wait, and shrinks when threads rest for too long.
//!
//! Vocabulary is that of [`word`](super::word), which decides who looks at the queue. Here lies what
//! carries the decisions out: the queue, the slots, the making of threads; a worker's life is in
//! [`worker`](super::worker).
//!
//! Progress: the word's decisions are lock-free. The queue is `concurrent-queue`'s
//! unbounded one, where a push that installs a new block of 31 jobs makes the others that need it
//! wait, and a pop waits for a push that has reserved the oldest place and not filled it yet. Making
//! a thread is a system call that the submitter pays (some 20 us), once per thread.
//!
//! Several jobs are woken for by one: a submitter wakes nobody while a worker is on its way, and
//! each worker that arrives fetches one or two more for the jobs it sees, before it starts its own.
//! So a burst of n jobs costs its submitter one wake, and n resting workers have it in log n steps.
//!
//! Rejected: a bounded queue (a submitter in async code cannot wait for a place), a worker's private
//! queue (jobs block, so what lies behind one must stay within everyone's reach).
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use concurrent_queue::ConcurrentQueue;
use corio_sync::park::block_on_deadline;

use super::alive::Alive;
use super::job::{self, Job, QueuedJob, quietly};
use super::slots::{Order, Slots};
use super::word::{Duty, SlotId, THREADS_MAX, Word};
use super::worker;
use crate::tokio_context::TokioContext;
use crate::visit::Host;

/// The most threads of a pool whose owner does not say otherwise: blocking calls mostly sleep, and
/// 512 sleeping threads cost address space but little else. The same as tokio's.
const THREADS_DEFAULT: usize = 512;

/// How long a thread rests before it ends. Long enough for a program that works in bursts of
/// seconds, short enough that a peak does not keep its threads.
const KEEP_ALIVE_DEFAULT: Duration = Duration::from_secs(10);

/// Called on each of a pool's threads.
pub(crate) type Hook = Arc<dyn Fn() + Send + Sync>;

/// How a pool makes and keeps its threads.
#[derive(Clone)]
pub(crate) struct PoolConfig {
    /// Threads are called `name-slot`. A NUL, which no thread's name may have, is left out.
    pub(crate) name: String,
    /// The most threads at once, from 1 to 4095; a larger number counts as 4095.
    pub(crate) threads: usize,
    pub(crate) keep_alive: Duration,
    /// In bytes; `None` is std's choice.
    pub(crate) stack_size: Option<usize>,
    /// How far the threads' nice value is above that of the thread that makes the pool, where
    /// threads have one (Linux); 0 to 19.
    pub(crate) nice: i32,
    pub(crate) on_thread_start: Option<Hook>,
    pub(crate) on_thread_stop: Option<Hook>,
    pub(crate) tokio: TokioContext,
}

/// A pool. Dropping it stops it without waiting: jobs that are queued still run, then its threads
/// end by themselves.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

/// What the pool and its threads have in common.
pub(super) struct Shared {
    pub(super) word: Word,
    pub(super) slots: Slots,
    pub(super) queue: ConcurrentQueue<QueuedJob>,
    /// Threads that have been made and have not ended. Unlike the word's total it counts a worker
    /// to its very end.
    alive: Alive,
    /// Who waits for the pool's end.
    enders: ConcurrentQueue<Waker>,
    pub(super) config: PoolConfig,
    /// Whom the pool belongs to, if it is a runtime's own.
    pub(super) owner: OnceLock<Weak<dyn Host>>,
    /// The nice value of the threads, if it is not what they start with.
    pub(super) nice: Option<i32>,
    /// Where the slots' deadlines count from.
    pub(super) epoch: Instant,
}

/// A job that was still running when a shutdown stopped waiting for it.
#[derive(Clone)]
#[non_exhaustive]
pub struct StuckJob {
    /// The thread that runs it.
    pub thread: String,
    /// The type of its closure, which names the function that made it.
    pub closure: &'static str,
    /// Where it was submitted.
    pub spawned_at: &'static Location<'static>,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            name: "corio-blocking".into(),
            threads: THREADS_DEFAULT,
            keep_alive: KEEP_ALIVE_DEFAULT,
            stack_size: None,
            nice: 0,
            on_thread_start: None,
            on_thread_stop: None,
            tokio: TokioContext::default(),
        }
    }
}

impl Pool {
    /// A pool without threads; the first job makes the first one.
    ///
    /// # Panics
    ///
    /// If it is to have no threads at all.
    pub(crate) fn new(mut config: PoolConfig) -> Self {
        config.threads = config.threads.min(THREADS_MAX);
        config.name.retain(|c| c != '\0');
        let shared = Shared {
            word: Word::new(config.threads),
            slots: Slots::new(config.threads),
            queue: ConcurrentQueue::unbounded(),
            alive: Alive::new(),
            enders: ConcurrentQueue::unbounded(),
            nice: worker::nice_above_ours(config.nice),
            config,
            owner: OnceLock::new(),
            epoch: Instant::now(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Queues `work` and sees to it that a thread will run it. Never waits, never panics.
    ///
    /// If the pool has stopped, or has no thread and cannot make one, awaiting the job gives a
    /// cancelled error that says so. The caller counts as the place that the job comes from.
    #[track_caller]
    pub(crate) fn submit<F, R>(&self, work: F) -> Job<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.submit_from(work, Location::caller())
    }

    /// As [`Pool::submit`], for a job that comes from `at`.
    pub(crate) fn submit_from<F, R>(&self, work: F, at: &'static Location<'static>) -> Job<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let (queued, job) = job::queue(work, at);
        if self.is_stopped() {
            queued.refuse(STOPPED);
        } else {
            Shared::submit(&self.shared, queued);
        }
        job
    }

    /// Says whose the pool is, before its first job; the second time it does nothing.
    pub(crate) fn set_owner(&self, owner: Weak<dyn Host>) {
        let _ = self.shared.owner.set(owner);
    }

    /// Takes no more jobs. Queued ones still run; the threads end after them.
    pub(crate) fn stop(&self) {
        self.shared.stop();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.shared.word.look().is_stopping()
    }

    /// [Stops](Self::stop), and waits until all threads have ended or `deadline` passes; without
    /// one it waits for as long as the jobs take. What is queued at the deadline is refused; what
    /// is running then is returned.
    ///
    /// Blocks the calling thread. On a thread of this very pool it does not wait.
    pub(crate) fn shutdown(&self, deadline: Option<Instant>) -> Vec<StuckJob> {
        self.stop();
        let may_wait = !worker::is_worker_of(&self.shared);
        if may_wait && block_on_deadline(self.ended(), deadline).is_none() {
            return self.give_up_waiting();
        }
        self.running()
    }

    /// [Stops](Self::stop) and refuses what is queued. Does not wait.
    pub(crate) fn shutdown_now(&self) {
        self.stop();
        self.shared.refuse_queued(STOPPED);
    }

    /// Ready when the pool was stopped and its last thread has ended.
    pub(crate) fn ended(&self) -> PoolEnd<'_> {
        PoolEnd { pool: self, told: None }
    }

    /// As [`Pool::ended`], for a future that keeps the pool itself; `told` is the waker that was
    /// left at an earlier poll.
    pub(crate) fn poll_ended(&self, told: &mut Option<Waker>, cx: &Context<'_>) -> Poll<()> {
        if self.shared.has_ended() {
            return Poll::Ready(());
        }
        if !told.as_ref().is_some_and(|told| told.will_wake(cx.waker())) {
            *told = Some(cx.waker().clone());
            // The queue is neither bounded nor ever closed, so this does not fail.
            let _ = self.shared.enders.push(cx.waker().clone());
        }
        if self.shared.has_ended() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Waits no longer for a pool that was stopped: what is queued is refused, what is running is
    /// returned.
    pub(crate) fn give_up_waiting(&self) -> Vec<StuckJob> {
        self.shared.refuse_queued(STOPPED);
        self.running()
    }

    /// The jobs that are running.
    pub(crate) fn running(&self) -> Vec<StuckJob> {
        let stuck = |(slot, origin): (SlotId, job::JobOrigin)| StuckJob {
            thread: self.shared.thread_name(slot),
            closure: origin.type_name(),
            spawned_at: origin.spawned_at,
        };
        self.shared.slots.all_running().map(stuck).collect()
    }

    /// How many threads there are, or are being made.
    pub(crate) fn threads(&self) -> usize {
        self.shared.word.look().total() as usize
    }

    /// How many jobs wait for a thread.
    pub(crate) fn queued(&self) -> usize {
        self.shared.queue.len()
    }

    /// The settings, while no job was submitted; then none may change any more.
    pub(super) fn config_mut(&mut self) -> Option<&mut PoolConfig> {
        Arc::get_mut(&mut self.shared).map(|shared| &mut shared.config)
    }
}

/// The future of [`Pool::ended`].
#[must_use = "futures do nothing unless they are awaited"]
pub(crate) struct PoolEnd<'a> {
    pool: &'a Pool,
    /// The waker that lies among the enders; a future that is polled often leaves it there once.
    told: Option<Waker>,
}

impl Future for PoolEnd<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { pool, told } = &mut *self;
        pool.poll_ended(told, cx)
    }
}

/// Said to jobs that come too late, or were not started in time.
const STOPPED: &str = "the executor was shut down before it could start";

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.shared.config.name)
            .field("threads", &self.threads())
            .field("queued", &self.queued())
            .field("stopped", &self.is_stopped())
            .finish()
    }
}

impl Shared {
    fn submit(this: &Arc<Self>, job: QueuedJob) {
        if let Err(refused) = this.queue.push(job) {
            unreachable!("an unbounded queue that is never closed: {refused}");
        }
        Self::carry_out(this, this.word.submit(&this.slots));
    }

    /// Does what the word has decided.
    pub(super) fn carry_out(this: &Arc<Self>, duty: Duty) {
        match duty {
            Duty::Nothing => {}
            // SAFETY: the word has taken this worker from the stack for us.
            Duty::Wake(slot) => unsafe { this.slots.wake(slot, Order::Work) },
            Duty::Spawn => {
                if let Err(error) = Self::spawn(this) {
                    this.give_up(&error);
                }
            }
            Duty::Refused => this.refuse_queued(STOPPED),
        }
    }

    /// Makes a worker that the word has counted.
    fn spawn(this: &Arc<Self>) -> io::Result<()> {
        let slot = this.slots.take();
        let mut thread = std::thread::Builder::new().name(this.thread_name(slot));
        if let Some(bytes) = this.config.stack_size {
            thread = thread.stack_size(bytes);
        }
        this.alive.begins();
        let shared = this.clone();
        let result = thread.spawn(move || worker::work(&shared, slot));
        if result.is_err() {
            this.slots.free(slot);
            this.one_ended();
        }
        result.map(drop)
    }

    /// A thread could not be made.
    fn give_up(&self, error: &io::Error) {
        if self.word.unspawn() {
            self.refuse_queued(&format!("its executor could not start a thread: {error}"));
            self.tell_enders();
        }
    }

    fn stop(&self) {
        let mut resting = self.word.stop();
        while let Some(slot) = resting.next(&self.slots) {
            // SAFETY: `stop` has taken this worker from the stack for us.
            unsafe { self.slots.wake(slot, Order::Leave) };
        }
        self.tell_enders();
    }

    fn refuse_queued(&self, message: &str) {
        while let Ok(job) = self.queue.pop() {
            job.refuse(message);
        }
    }

    /// The last thing that a thread of the pool does.
    pub(super) fn one_ended(&self) {
        if self.alive.ends() {
            self.tell_enders();
        }
    }

    fn has_ended(&self) -> bool {
        self.alive.none_left(|| self.word.look().is_over())
    }

    /// Wakes those who wait for the pool's end, if it has come.
    fn tell_enders(&self) {
        if self.has_ended() {
            while let Ok(waker) = self.enders.pop() {
                quietly(|| waker.wake());
            }
        }
    }

    pub(super) fn thread_name(&self, slot: SlotId) -> String {
        format!("{}-{}", self.config.name, slot.index())
    }
}

impl fmt::Debug for StuckJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for StuckJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { thread, closure, spawned_at } = self;
        write!(f, "{closure} (spawned at {spawned_at}) on thread '{thread}'")
    }
}

#[cfg(test)]
mod tests;

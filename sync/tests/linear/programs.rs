//! One random program for each primitive. Each returns the number of calls that it checked.

use super::record::{Recorder, run};
use super::specs::{
    Entry, Exclusion, Flag, Hold, Item, Items, Latest, Log, Once, Order, Shot, Signal, Turn, Turns,
    View,
};
use corio_sync::{
    BaseQueue, Event, GetError, LifoQueue, Lock, Notify, PriorityQueue, PutError, Queue, RwLock,
    Semaphore, Store, broadcast, mpsc, oneshot, watch,
};
use std::sync::Mutex;
use std::task::{Context, Waker};

/// Something that one thread at a time borrows; nobody waits for it.
struct Owned<T>(Mutex<Option<T>>);

impl<T> Owned<T> {
    fn new(value: T) -> Self {
        Self(Mutex::new(Some(value)))
    }

    fn take(&self) -> Option<T> {
        self.0.lock().unwrap().take()
    }

    fn put(&self, value: T) {
        *self.0.lock().unwrap() = Some(value);
    }

    /// Borrows it, unless it is gone or with somebody else.
    fn with(&self, f: impl FnOnce(&mut T)) {
        if let Some(mut value) = self.take() {
            f(&mut value);
            self.put(value);
        }
    }
}

fn use_lock(lock: &Lock, r: &mut Recorder<Turn>) {
    if let Some(guard) = turn(r, 1, || lock.try_acquire(), lock.acquire()) {
        r.call(|_| (vec![Turn::Give(1)], drop(guard)));
    }
}

fn try_lock(lock: &Lock, r: &mut Recorder<Turn>) {
    r.call(|_| (vec![Turn::Try(1, lock.try_acquire().is_some())], ()));
}

pub fn lock(seed: u64) -> usize {
    run(seed, Turns::new(1), Lock::new(()), use_lock, try_lock)
}

pub fn unfair_lock(seed: u64) -> usize {
    fn call(lock: &Lock, r: &mut Recorder<Hold>) {
        let guard = if r.random.below(3) == 0 {
            r.call(|_| {
                let guard = lock.try_acquire();
                (vec![Hold::Try(guard.is_some())], guard)
            })
        } else {
            r.call(|r| {
                let guard = r.try_for_a_while(lock.acquire());
                (vec![if guard.is_some() { Hold::Acquire } else { Hold::Nothing }], guard)
            })
        };
        if let Some(guard) = guard {
            r.call(|_| (vec![Hold::Release], drop(guard)));
        }
    }
    run(seed, Exclusion { held: false }, Lock::new_unfair(()), call, |lock, r| {
        r.call(|_| (vec![Hold::Try(lock.try_acquire().is_some())], ()));
    })
}

pub fn semaphore(seed: u64) -> usize {
    const PERMITS: usize = 2;
    fn call(semaphore: &Semaphore, r: &mut Recorder<Turn>) {
        let n = 1 + r.random.below(PERMITS as u64) as usize;
        let waits = async { semaphore.acquire_many(n).await.unwrap() };
        let permit = turn(r, n, || semaphore.try_acquire_many(n).ok(), waits);
        if let Some(permit) = permit {
            r.call(|_| (vec![Turn::Give(n)], drop(permit)));
        }
    }
    run(seed, Turns::new(PERMITS), Semaphore::new(PERMITS), call, |semaphore, r| {
        r.call(|_| {
            let all = semaphore.try_acquire_many(PERMITS).is_ok();
            (vec![Turn::Try(PERMITS, all)], ())
        });
    })
}

/// A reader takes one permit, a writer so many: more than there are threads.
const WRITER: usize = 8;

fn use_rwlock(lock: &RwLock<()>, r: &mut Recorder<Turn>) {
    if r.random.below(2) == 0 {
        if let Some(guard) = turn(r, 1, || lock.try_read(), lock.read()) {
            r.call(|_| (vec![Turn::Give(1)], drop(guard)));
        }
    } else if let Some(guard) = turn(r, WRITER, || lock.try_write(), lock.write()) {
        if r.random.below(2) == 0 {
            r.call(|_| (vec![Turn::Give(WRITER)], drop(guard)));
        } else {
            let guard = r.call(|_| (vec![Turn::Give(WRITER - 1)], guard.downgrade()));
            r.call(|_| (vec![Turn::Give(1)], drop(guard)));
        }
    }
}

/// Tries for `n` permits, or waits for them for a while.
fn turn<G>(
    r: &mut Recorder<Turn>,
    n: usize,
    tries: impl FnOnce() -> Option<G>,
    waits: impl Future<Output = G>,
) -> Option<G> {
    if r.random.below(3) == 0 {
        return r.call(|_| {
            let guard = tries();
            (vec![Turn::Try(n, guard.is_some())], guard)
        });
    }
    r.call(|r| {
        let guard = r.try_for_a_while(waits);
        let end = if guard.is_some() { Turn::Get(r.id()) } else { Turn::Leave(r.id()) };
        (vec![Turn::Ask(r.id(), n), Turn::Place(r.id()), end], guard)
    })
}

pub fn rwlock(seed: u64) -> usize {
    run(seed, Turns::new(WRITER), RwLock::new(()), use_rwlock, |lock, r| {
        r.call(|_| (vec![Turn::Try(WRITER, lock.try_write().is_some())], ()));
    })
}

/// The steps of a get that got something.
fn gotten(id: u64, value: u64) -> Vec<Item> {
    vec![Item::Ask(id), Item::Place(id), Item::Take(id, value), Item::GiveRoom]
}

fn get_now<S: Store<u64>>(queue: &BaseQueue<u64, S>, r: &mut Recorder<Item>) -> bool {
    r.call(|r| match queue.get_nowait() {
        Ok(value) => (gotten(r.id(), value), true),
        Err(GetError::Empty) => (vec![Item::Empty], false),
        Err(error) => panic!("{error}"),
    })
}

fn get<S: Store<u64>>(queue: &BaseQueue<u64, S>, r: &mut Recorder<Item>) {
    r.call(|r| match r.try_for_a_while(queue.get()) {
        Some(value) => (gotten(r.id(), value.unwrap()), ()),
        None => (vec![Item::Ask(r.id()), Item::Place(r.id()), Item::Leave(r.id())], ()),
    });
}

/// An item that no other call puts, larger or smaller than those before.
fn item(id: u64) -> u64 {
    (id * 37 % 61) * 1000 + id
}

/// The steps of a put that was let in.
fn stored<S: Store<u64>>(queue: &BaseQueue<u64, S>, id: u64) -> Vec<Item> {
    let room = if queue.maxsize() == 0 { Vec::new() } else { ask_room(id) };
    [room, vec![Item::Store(id, item(id)), Item::Announce]].concat()
}

fn ask_room(id: u64) -> Vec<Item> {
    vec![Item::AskRoom(id), Item::PlaceRoom(id)]
}

fn use_queue<S: Store<u64>>(queue: &BaseQueue<u64, S>, r: &mut Recorder<Item>) {
    match r.random.below(4) {
        0 => _ = get_now(queue, r),
        1 => get(queue, r),
        2 => r.call(|r| match queue.put_nowait(item(r.id())) {
            Ok(()) => (stored(queue, r.id()), ()),
            Err(PutError::Full(_)) => (vec![Item::Full], ()),
            Err(error) => panic!("{error}"),
        }),
        _ => r.call(|r| match r.try_for_a_while(queue.put(item(r.id()))) {
            Some(put) => (stored(queue, r.id()), put.unwrap()),
            None => ([ask_room(r.id()), vec![Item::LeaveRoom(r.id())]].concat(), ()),
        }),
    }
}

fn drain<S: Store<u64>>(queue: &BaseQueue<u64, S>, r: &mut Recorder<Item>) {
    while get_now(queue, r) {}
}

pub fn queue(seed: u64) -> usize {
    run(seed, Items::new(Order::First, 0), Queue::new(0), use_queue, drain)
}

pub fn bounded_queue(seed: u64) -> usize {
    let maxsize = 1 + (seed % 2) as usize;
    run(seed, Items::new(Order::First, maxsize), Queue::new(maxsize), use_queue, drain)
}

pub fn lifo_queue(seed: u64) -> usize {
    run(seed, Items::new(Order::Last, 0), LifoQueue::new(0), use_queue, drain)
}

pub fn bounded_lifo_queue(seed: u64) -> usize {
    let maxsize = 1 + (seed % 2) as usize;
    run(seed, Items::new(Order::Last, maxsize), LifoQueue::new(maxsize), use_queue, drain)
}

pub fn priority_queue(seed: u64) -> usize {
    let queue = PriorityQueue::new(0);
    run(seed, Items::new(Order::Smallest, 0), queue, use_queue, drain)
}

pub fn event(seed: u64) -> usize {
    fn call(event: &Event, r: &mut Recorder<Signal>) {
        match r.random.below(5) {
            0 => r.call(|_| (vec![Signal::Set], event.set())),
            1 => r.call(|_| (vec![Signal::Clear], event.clear())),
            2 => r.call(|_| (vec![Signal::IsSet(event.is_set())], ())),
            _ => r.call(|r| {
                let came = r.try_for_a_while(event.wait()).is_some();
                let end = if came { Signal::Get(r.id()) } else { Signal::Leave(r.id()) };
                (vec![Signal::AskEvent(r.id()), end], ())
            }),
        }
    }
    run(seed, Flag::default(), Event::new(), call, |event, r| {
        r.call(|_| (vec![Signal::IsSet(event.is_set())], ()));
    })
}

pub fn notify(seed: u64) -> usize {
    fn wait(notify: &Notify, r: &mut Recorder<Signal>) {
        r.call(|r| {
            let came = r.try_for_a_while(notify.notified()).is_some();
            let end = if came { Signal::Get(r.id()) } else { Signal::Leave(r.id()) };
            (vec![Signal::Create(r.id()), Signal::AskNotify(r.id()), end], ())
        });
    }
    fn call(notify: &Notify, r: &mut Recorder<Signal>) {
        match r.random.below(6) {
            0 | 1 => r.call(|_| (vec![Signal::NotifyOne], notify.notify_one())),
            2 => r.call(|_| (vec![Signal::NotifyAll], notify.notify_waiters())),
            _ => wait(notify, r),
        }
    }
    run(seed, Flag::default(), Notify::new(), call, |notify, r| {
        let stored = format!("{notify:?}").contains("stored: true");
        r.call(|_| (vec![Signal::IsSet(stored)], ()));
    })
}

pub fn one_value(seed: u64) -> usize {
    type Ends = (Owned<oneshot::Sender<u64>>, Owned<oneshot::Receiver<u64>>);
    fn receive(receiver: &Owned<oneshot::Receiver<u64>>, r: &mut Recorder<Shot>) {
        let Some(mut end) = receiver.take() else { return };
        let over = r.call(|_| match end.try_recv() {
            Ok(value) => (vec![Shot::Value(value)], true),
            Err(oneshot::TryRecvError::Empty) => (vec![Shot::NotYet], false),
            Err(oneshot::TryRecvError::Closed) => (vec![Shot::Never], true),
        });
        if !over {
            receiver.put(end);
        }
    }
    fn call((sender, receiver): &Ends, r: &mut Recorder<Shot>) {
        match r.random.below(12) {
            0 | 1 => {
                if let Some(end) = sender.take() {
                    r.call(|r| (vec![Shot::Send(r.id(), end.send(r.id()).is_ok())], ()));
                }
            }
            2 => {
                if let Some(end) = sender.take() {
                    r.call(|_| (vec![Shot::DropSender], drop(end)));
                }
            }
            3 => receiver.with(|end| r.call(|_| (vec![Shot::Close], end.close()))),
            _ => receive(receiver, r),
        }
    }
    let (sender, receiver) = oneshot::channel();
    let ends: Ends = (Owned::new(sender), Owned::new(receiver));
    run(seed, Once::new(), ends, call, |(_, receiver), r| receive(receiver, r))
}

pub fn unbounded_channel(seed: u64) -> usize {
    type Ends = (mpsc::UnboundedSender<u64>, Owned<mpsc::UnboundedReceiver<u64>>);
    fn receive(end: &mut mpsc::UnboundedReceiver<u64>, r: &mut Recorder<Entry>) -> bool {
        r.call(|_| match end.try_recv() {
            Ok(value) => (vec![Entry::Read(0, value)], true),
            Err(_) => (vec![Entry::Nothing(0)], false),
        })
    }
    fn call((sender, receiver): &Ends, r: &mut Recorder<Entry>) {
        if r.random.below(2) == 0 {
            r.call(|r| {
                sender.send(r.id()).unwrap();
                (vec![Entry::Draw(r.id()), Entry::Fill(r.id(), r.id())], ())
            });
        } else {
            receiver.with(|end| _ = receive(end, r));
        }
    }
    let (sender, receiver) = mpsc::unbounded();
    let ends: Ends = (sender, Owned::new(receiver));
    run(seed, Log::new(1, 0), ends, call, |(_, receiver), r| {
        receiver.with(|end| while receive(end, r) {});
    })
}

pub fn bounded_channel(seed: u64) -> usize {
    type Ends = (mpsc::Sender<u64>, Owned<mpsc::Receiver<u64>>);
    fn receive(end: &mut mpsc::Receiver<u64>, r: &mut Recorder<Entry>) -> bool {
        r.call(|_| match end.try_recv() {
            Ok(value) => (vec![Entry::Read(0, value), Entry::GiveRoom], true),
            Err(_) => (vec![Entry::Nothing(0)], false),
        })
    }
    fn sent(id: u64) -> Vec<Entry> {
        vec![Entry::AskRoom(id), Entry::PlaceRoom(id), Entry::Draw(id), Entry::Fill(id, id)]
    }
    fn call((sender, receiver): &Ends, r: &mut Recorder<Entry>) {
        match r.random.below(4) {
            0 => r.call(|r| match sender.try_send(r.id()) {
                Ok(()) => (sent(r.id()), ()),
                Err(_) => (vec![Entry::Full], ()),
            }),
            1 => r.call(|r| match r.try_for_a_while(sender.send(r.id())) {
                Some(result) => (sent(r.id()), result.unwrap()),
                None => {
                    let id = r.id();
                    (vec![Entry::AskRoom(id), Entry::PlaceRoom(id), Entry::LeaveRoom(id)], ())
                }
            }),
            _ => receiver.with(|end| _ = receive(end, r)),
        }
    }
    let room = 1 + (seed % 2) as usize;
    let (sender, receiver) = mpsc::channel(room);
    let ends: Ends = (sender, Owned::new(receiver));
    run(seed, Log::new(1, room), ends, call, |(_, receiver), r| {
        receiver.with(|end| while receive(end, r) {});
    })
}

pub fn announcements(seed: u64) -> usize {
    type Ends = (broadcast::Sender<u64>, [Owned<broadcast::Receiver<u64>>; 2]);
    fn receive(ends: &Ends, reader: usize, r: &mut Recorder<Entry>) -> bool {
        let mut more = false;
        ends.1[reader].with(|end| {
            more = r.call(|_| match end.try_recv() {
                Ok(value) => (vec![Entry::Read(reader, value)], true),
                Err(broadcast::TryRecvError::Empty) => (vec![Entry::Nothing(reader)], false),
                Err(error) => panic!("{error}"),
            });
        });
        more
    }
    fn call(ends: &Ends, r: &mut Recorder<Entry>) {
        match r.random.below(3) {
            0 => r.call(|r| {
                ends.0.send(r.id()).unwrap();
                (vec![Entry::Draw(r.id()), Entry::Fill(r.id(), r.id())], ())
            }),
            reader => _ = receive(ends, reader as usize - 1, r),
        }
    }
    let (sender, receiver) = broadcast::channel(32);
    let other = sender.subscribe();
    let ends: Ends = (sender, [receiver, other].map(Owned::new));
    run(seed, Log::new(2, 0), ends, call, |ends, r| {
        while receive(ends, 0, r) {}
        while receive(ends, 1, r) {}
    })
}

type Watch = (watch::Sender<u64>, [Owned<watch::Receiver<u64>>; 2]);

fn use_watch(ends: &Watch, r: &mut Recorder<View>) {
    let reader = r.random.below(2) as usize;
    match r.random.below(4) {
        0 => r.call(|r| (vec![View::Write(r.id())], ends.0.send(r.id()).unwrap())),
        1 => r.call(|_| (vec![View::Read(*ends.0.borrow())], ())),
        2 => ends.1[reader].with(|end| {
            r.call(|_| {
                let value = *end.borrow_and_update();
                (vec![View::ReadAndSee(reader, value)], ())
            });
        }),
        _ => ends.1[reader].with(|end| {
            r.call(|_| {
                let mut changed = std::pin::pin!(end.changed());
                let mut context = Context::from_waker(Waker::noop());
                let news = changed.as_mut().poll(&mut context).is_ready();
                (vec![View::Changed(reader, news)], ())
            });
        }),
    }
}

fn new_watch() -> Watch {
    let (sender, receiver) = watch::channel(0);
    let other = receiver.clone();
    (sender, [receiver, other].map(Owned::new))
}

fn last_look(ends: &Watch, r: &mut Recorder<View>) {
    r.call(|_| (vec![View::Read(*ends.0.borrow())], ()));
}

pub fn latest_value(seed: u64) -> usize {
    run(seed, Latest::new(0, 2), new_watch(), use_watch, last_look)
}

/// Histories that are checked elsewhere.
#[cfg(not(corio_shuttle))]
pub mod wrong {
    use super::super::checker::Thread;
    use super::super::record::history;
    use super::*;

    pub fn lock(seed: u64) -> Vec<Thread<Turn>> {
        history(seed, Lock::new(()), use_lock, try_lock)
    }

    pub fn queue(seed: u64) -> Vec<Thread<Item>> {
        history(seed, Queue::new(0), use_queue, drain)
    }

    pub fn latest_value(seed: u64) -> Vec<Thread<View>> {
        history(seed, new_watch(), use_watch, last_look)
    }
}

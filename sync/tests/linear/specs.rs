//! Sequential objects. Where a call takes effect in several steps, that is a promise less to users:
//! each such place is named here.
//!
//! - Waiting: a call asks for its turn, which a `try_` call sees from then on; it takes its place,
//!   which decides the order; and it gets its turn, or leaves. Of calls that come at the same time
//!   a `try_` may thus have seen one, and yet another one is first.
//! - A put stores its item and announces it: a `get_nowait` may find a queue empty whose only items
//!   are under way, although another put has returned and its item was taken by somebody else.
//! - A get takes its item and gives the room back: a `put_nowait` may find the queue full meanwhile.
//! - Whoever is reached by a `notify_one` and a `notify_waiters` at the same time may keep the latter
//!   and pass the former on.
//! - A send to a channel draws its place and fills it: those behind it are received after it.

use super::checker::Spec;
use std::collections::VecDeque;

/// A number of units that are given out in order of places: locks and semaphores.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Turns {
    /// Those that nobody was granted.
    free: usize,
    /// Demands without a place, and those with one in order.
    demanded: Vec<(u64, usize)>,
    waiting: Vec<(u64, usize)>,
    granted: Vec<(u64, usize)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    Ask(u64, usize),
    Place(u64),
    Get(u64),
    Leave(u64),
    Try(usize, bool),
    Give(usize),
}

fn remove(list: &mut Vec<(u64, usize)>, id: u64) -> Option<usize> {
    let at = list.iter().position(|(found, _)| *found == id)?;
    Some(list.remove(at).1)
}

impl Turns {
    pub fn new(free: usize) -> Self {
        Self { free, demanded: Vec::new(), waiting: Vec::new(), granted: Vec::new() }
    }

    /// Whether a newcomer would not have to wait.
    pub fn has(&self, n: usize) -> bool {
        let before: usize = self.demanded.iter().chain(&self.waiting).map(|(_, need)| need).sum();
        self.free >= before + n
    }

    pub fn give(&mut self, n: usize) {
        self.free += n;
        while self.waiting.first().is_some_and(|(_, need)| *need <= self.free) {
            let (id, need) = self.waiting.remove(0);
            self.free -= need;
            self.granted.push((id, need));
            self.granted.sort_unstable();
        }
    }

    pub fn ask(&mut self, id: u64, n: usize) {
        self.demanded.push((id, n));
        self.demanded.sort_unstable();
    }

    pub fn place(&mut self, id: u64) -> Option<()> {
        let need = remove(&mut self.demanded, id)?;
        self.waiting.push((id, need));
        self.give(0);
        Some(())
    }

    /// The units of a turn that has come.
    pub fn get(&mut self, id: u64) -> Option<usize> {
        remove(&mut self.granted, id)
    }

    /// Whether a turn has come that nobody got yet.
    pub fn has_come(&self, id: u64) -> bool {
        self.granted.iter().any(|(granted, _)| *granted == id)
    }

    /// Whether the call has asked for its turn.
    pub fn has_asked(&self, id: u64) -> bool {
        let asked = self.demanded.iter().chain(&self.waiting).chain(&self.granted);
        asked.copied().any(|(asked, _)| asked == id)
    }

    pub fn leave(&mut self, id: u64) {
        let back = self.get(id).unwrap_or(0);
        self.waiting.retain(|(waiting, _)| *waiting != id);
        self.give(back);
    }
}

impl Spec for Turns {
    type Step = Turn;

    fn step(&self, step: &Turn) -> Option<Self> {
        let mut next = self.clone();
        match *step {
            Turn::Ask(id, n) => next.ask(id, n),
            Turn::Place(id) => next.place(id)?,
            Turn::Get(id) => _ = next.get(id)?,
            Turn::Leave(id) => next.leave(id),
            Turn::Give(n) => next.give(n),
            Turn::Try(n, taken) if taken == self.has(n) => next.free -= if taken { n } else { 0 },
            Turn::Try(..) => return None,
        }
        Some(next)
    }
}

/// A lock that newcomers may take ahead of those who wait.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Exclusion {
    pub held: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    Acquire,
    Try(bool),
    Release,
    Nothing,
}

impl Spec for Exclusion {
    type Step = Hold;

    fn step(&self, step: &Hold) -> Option<Self> {
        let (legal, held) = match step {
            Hold::Acquire => (!self.held, true),
            Hold::Try(taken) => (*taken != self.held, true),
            Hold::Release => (self.held, false),
            Hold::Nothing => (true, self.held),
        };
        legal.then_some(Self { held })
    }
}

/// Which item of a queue is the next.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    First,
    Last,
    Smallest,
}

/// A queue, with or without a limit.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Items {
    items: VecDeque<u64>,
    order: Order,
    /// Items that no get was promised.
    gets: Turns,
    /// Room that no put was promised; `None` for no limit.
    room: Option<Turns>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    AskRoom(u64),
    PlaceRoom(u64),
    LeaveRoom(u64),
    Full,
    Store(u64, u64),
    Announce,
    Ask(u64),
    Place(u64),
    Take(u64, u64),
    GiveRoom,
    Leave(u64),
    Empty,
}

impl Items {
    pub fn new(order: Order, maxsize: usize) -> Self {
        let room = (maxsize > 0).then(|| Turns::new(maxsize));
        Self { items: VecDeque::new(), order, gets: Turns::new(0), room }
    }

    fn pop(&mut self) -> Option<u64> {
        match self.order {
            Order::First => self.items.pop_front(),
            Order::Last => self.items.pop_back(),
            Order::Smallest => {
                let smallest = self.items.iter().min().copied()?;
                let at = self.items.iter().position(|item| *item == smallest)?;
                self.items.remove(at)
            }
        }
    }
}

impl Spec for Items {
    type Step = Item;

    fn step(&self, step: &Item) -> Option<Self> {
        let mut next = self.clone();
        let legal = match *step {
            Item::AskRoom(id) => next.room.as_mut().map(|room| room.ask(id, 1)).is_some(),
            Item::PlaceRoom(id) => next.room.as_mut().and_then(|room| room.place(id)).is_some(),
            Item::LeaveRoom(id) => next.room.as_mut().map(|room| room.leave(id)).is_some(),
            Item::Full => next.room.as_ref().is_some_and(|room| !room.has(1)),
            Item::Store(id, value) => {
                next.items.push_back(value);
                next.room.as_mut().is_none_or(|room| room.get(id).is_some())
            }
            Item::Announce => {
                next.gets.give(1);
                true
            }
            Item::Ask(id) => {
                next.gets.ask(id, 1);
                true
            }
            Item::Place(id) => next.gets.place(id).is_some(),
            Item::Take(id, value) => next.gets.get(id).is_some() && next.pop() == Some(value),
            Item::GiveRoom => {
                next.room.iter_mut().for_each(|room| room.give(1));
                true
            }
            Item::Leave(id) => {
                next.gets.leave(id);
                true
            }
            Item::Empty => !next.gets.has(1),
        };
        legal.then_some(next)
    }
}

/// A flag with waiters, or one stored notification with waiters.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Flag {
    set: bool,
    /// Those that a broadcast reaches.
    created: Vec<u64>,
    waiting: Vec<u64>,
    granted: Vec<(u64, Grant)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Grant {
    One,
    All,
    OneThenAll,
    /// Its place was still there when all had been notified: it must pass the one on.
    AllThenOne,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    Set,
    Clear,
    IsSet(bool),
    NotifyOne,
    NotifyAll,
    /// Waits for the flag, and leaves it.
    AskEvent(u64),
    /// A future of a notification is made, and enlists.
    Create(u64),
    AskNotify(u64),
    Get(u64),
    Leave(u64),
}

impl Flag {
    fn grant(&mut self, id: u64, grant: Grant) {
        self.granted.push((id, grant));
        self.granted.sort_unstable();
    }

    fn notify_one(&mut self) {
        if self.waiting.is_empty() {
            self.set = true;
        } else {
            let id = self.waiting.remove(0);
            let reached = self.get(id).is_some();
            self.grant(id, if reached { Grant::AllThenOne } else { Grant::One });
        }
    }

    fn get(&mut self, id: u64) -> Option<Grant> {
        let at = self.granted.iter().position(|(granted, _)| *granted == id)?;
        Some(self.granted.remove(at).1)
    }

    fn has(&self, id: u64) -> bool {
        self.granted.iter().any(|(granted, _)| *granted == id)
    }

    fn grant_all(&mut self, which: fn(&mut Self) -> &mut Vec<u64>) {
        for id in std::mem::take(which(self)) {
            if !self.has(id) {
                self.grant(id, Grant::All);
            }
        }
    }

    fn ask_notify(&mut self, id: u64) {
        self.created.retain(|created| *created != id);
        if self.has(id) {
            return;
        }
        if std::mem::take(&mut self.set) {
            self.grant(id, Grant::One);
        } else {
            self.waiting.push(id);
        }
    }
}

impl Spec for Flag {
    type Step = Signal;

    fn step(&self, step: &Signal) -> Option<Self> {
        let mut next = self.clone();
        match *step {
            Signal::Set => {
                next.set = true;
                next.grant_all(|flag| &mut flag.waiting);
            }
            Signal::Clear => next.set = false,
            Signal::IsSet(set) if set == self.set => {}
            Signal::IsSet(_) => return None,
            Signal::NotifyOne => next.notify_one(),
            Signal::NotifyAll => {
                for (_, grant) in &mut next.granted {
                    *grant = if *grant == Grant::One { Grant::OneThenAll } else { *grant };
                }
                next.grant_all(|flag| &mut flag.waiting);
                next.grant_all(|flag| &mut flag.created);
            }
            Signal::AskEvent(id) if self.set => next.grant(id, Grant::All),
            Signal::AskEvent(id) => next.waiting.push(id),
            Signal::Create(id) => next.created.push(id),
            Signal::AskNotify(id) => next.ask_notify(id),
            Signal::Get(id) => {
                let grant = next.get(id)?;
                next.waiting.retain(|waiting| *waiting != id);
                if grant == Grant::AllThenOne {
                    next.notify_one();
                }
            }
            Signal::Leave(id) => {
                next.waiting.retain(|waiting| *waiting != id);
                if next.get(id).is_some_and(|grant| grant != Grant::All) {
                    next.notify_one();
                }
            }
        }
        Some(next)
    }

    fn other(&self, step: &Signal) -> Option<Self> {
        let mut next = self.clone();
        match *step {
            // It takes its place although all have been notified meanwhile.
            Signal::AskNotify(id) if self.has(id) => next.waiting.push(id),
            Signal::Get(id) if next.get(id)? == Grant::OneThenAll => next.notify_one(),
            _ => return None,
        }
        Some(next)
    }
}

/// A channel for one value.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Once {
    value: Option<u64>,
    sender: bool,
    closed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shot {
    /// With whether the receiver was still there.
    Send(u64, bool),
    DropSender,
    Close,
    Value(u64),
    NotYet,
    Never,
}

impl Once {
    pub fn new() -> Self {
        Self { value: None, sender: true, closed: false }
    }
}

impl Spec for Once {
    type Step = Shot;

    fn step(&self, step: &Shot) -> Option<Self> {
        let mut next = self.clone();
        let legal = match *step {
            Shot::Send(value, accepted) => {
                next.sender = false;
                next.value = accepted.then_some(value);
                accepted != self.closed
            }
            Shot::DropSender => std::mem::take(&mut next.sender),
            Shot::Close => {
                next.closed = true;
                true
            }
            Shot::Value(value) => next.value.take() == Some(value),
            Shot::NotYet => self.value.is_none() && self.sender && !self.closed,
            Shot::Never => self.value.is_none() && (!self.sender || self.closed),
        };
        legal.then_some(next)
    }
}

/// Values in the order in which their places were drawn; each reader has its own next place.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Log {
    places: Vec<(u64, Option<u64>)>,
    next: Vec<usize>,
    /// Room that no send was promised; `None` for no limit.
    room: Option<Turns>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    AskRoom(u64),
    PlaceRoom(u64),
    LeaveRoom(u64),
    Full,
    Draw(u64),
    Fill(u64, u64),
    /// By which reader.
    Read(usize, u64),
    GiveRoom,
    Nothing(usize),
}

impl Log {
    pub fn new(readers: usize, room: usize) -> Self {
        let room = (room > 0).then(|| Turns::new(room));
        Self { places: Vec::new(), next: vec![0; readers], room }
    }

    fn look(&self, reader: usize) -> Option<u64> {
        self.places.get(self.next[reader])?.1
    }
}

impl Spec for Log {
    type Step = Entry;

    fn step(&self, step: &Entry) -> Option<Self> {
        let mut next = self.clone();
        let legal = match *step {
            Entry::AskRoom(id) => next.room.as_mut().map(|room| room.ask(id, 1)).is_some(),
            Entry::PlaceRoom(id) => next.room.as_mut().and_then(|room| room.place(id)).is_some(),
            Entry::LeaveRoom(id) => next.room.as_mut().map(|room| room.leave(id)).is_some(),
            Entry::Full => next.room.as_ref().is_some_and(|room| !room.has(1)),
            Entry::Draw(id) => {
                next.places.push((id, None));
                next.room.as_mut().is_none_or(|room| room.get(id).is_some())
            }
            Entry::Fill(id, value) => {
                let place = next.places.iter_mut().find(|(drawn, _)| *drawn == id);
                place.map(|place| place.1 = Some(value)).is_some()
            }
            Entry::Read(reader, value) => {
                next.next[reader] += 1;
                self.look(reader) == Some(value)
            }
            Entry::GiveRoom => {
                next.room.iter_mut().for_each(|room| room.give(1));
                true
            }
            Entry::Nothing(reader) => self.look(reader).is_none(),
        };
        legal.then_some(next)
    }
}

/// One value with its version; each reader knows which version it has seen.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Latest {
    value: u64,
    version: u64,
    seen: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    Write(u64),
    Read(u64),
    ReadAndSee(usize, u64),
    Changed(usize, bool),
}

impl Latest {
    pub fn new(value: u64, readers: usize) -> Self {
        Self { value, version: 0, seen: vec![0; readers] }
    }
}

impl Spec for Latest {
    type Step = View;

    fn step(&self, step: &View) -> Option<Self> {
        let mut next = self.clone();
        let legal = match *step {
            View::Write(value) => {
                next.value = value;
                next.version += 1;
                true
            }
            View::Read(value) => value == self.value,
            View::ReadAndSee(reader, value) => {
                next.seen[reader] = self.version;
                value == self.value
            }
            View::Changed(reader, changed) => {
                next.seen[reader] = self.version;
                changed == (self.seen[reader] != self.version)
            }
        };
        legal.then_some(next)
    }
}

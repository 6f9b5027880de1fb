//! A hierarchical timing wheel whose last millisecond is exact.
//!
//! A wheel belongs to one owner at a time; nothing here is shared. It stores *deadlines*
//! (nanoseconds since the clock's base) with a small value each and gives the values back in the
//! order of their deadlines, equal deadlines in the order of their insertion.
//!
//! A *tick* is 2^20 ns, 1.05 ms: a shift instead of a division. The wheel stands at one tick.
//!
//! - A deadline in a later tick lies in a slot. Eight levels of 64 slots cover every deadline that
//!   a `u64` of nanoseconds can hold: level `l` holds the deadlines whose tick differs from the
//!   wheel's first in the `l`-th group of six bits, and its slot is that group. Nothing is "too far
//!   away" and nothing wraps. Insertion and removal are a link and an unlink.
//! - A deadline in the wheel's own tick, or in the past, lies in the [`exact`] level, a heap
//!   ordered by nanosecond.
//!
//! When time enters the first occupied slot its deadlines are placed anew: on lower levels, at last
//! in the exact one. So precision does not depend on the tick, and only the deadlines of the
//! current millisecond pay for a heap.
//!
//! # Invariants
//!
//! 1. Every deadline in a slot has a later tick than the wheel; every one in the exact level does
//!    not. Hence the exact level comes before all slots, lower levels before higher ones, and
//!    within a level slots come in the order of their numbers.
//! 2. A slot's `earliest` is at or before all its deadlines. Removal leaves it as it is: the worst
//!    that follows is one look at the wheel too many, when that time has come.
//! 3. Within a slot, equal deadlines stand in the order of their insertion: insertion appends, and
//!    a slot is emptied before the wheel's tick enters it, thus before anything is inserted below.
//!
//! After G. Varghese and T. Lauck, "Hashed and hierarchical timing wheels", SOSP 1987, scheme 7;
//! the choice of the level by the highest differing bit is Linux's and tokio's.
//!
//! Rejected: levels that wrap, which need a list for what is too far away and let a slot hold two
//! rounds; waking at a slot's start to sort it, which costs a sleeping worker a second system call
//! for each timer (`earliest` answers without it); a B-tree or a heap for all, logarithmic where a
//! link and an unlink do.

mod exact;

use exact::Exact;

/// A deadline that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

/// Nanoseconds in a tick, as a power of two: 2^20 ns = 1.05 ms.
const TICK_BITS: u32 = 20;
/// Slots per level, as a power of two: a level's occupancy is one `u64`.
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// Enough levels for every tick: (64 - 20) / 6, rounded up.
const LEVELS: usize = 8;

const _: () = assert!(LEVELS as u32 * SLOT_BITS >= u64::BITS - TICK_BITS);
const _: () = assert!(SLOTS == u64::BITS as usize);

/// No node.
const NIL: u32 = u32::MAX;
/// Set in `Node::place` of a node in the exact level; the rest is its position there.
const IN_EXACT: u32 = 1 << 31;
/// `Node::place` of a free node.
const FREE: u32 = u32::MAX;

/// Names one inserted deadline. A key that outlived its deadline names nothing: the generation of
/// its node has moved on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    node: u32,
    generation: u32,
}

impl Key {
    /// Names nothing.
    pub(super) const NONE: Key = Key { node: NIL, generation: 0 };

    #[inline]
    pub(super) const fn to_bits(self) -> u64 {
        (self.node as u64) << 32 | self.generation as u64
    }

    #[inline]
    pub(super) const fn from_bits(bits: u64) -> Self {
        Self { node: (bits >> 32) as u32, generation: bits as u32 }
    }
}

/// Deadlines with a value each; see the module.
#[derive(Debug)]
pub(super) struct Wheel<T> {
    tick: u64,
    exact: Exact,
    /// Bit `l`: some slot of level `l` is occupied.
    occupied_levels: u8,
    /// Per level, bit `s`: slot `s` is occupied.
    occupied: [u64; LEVELS],
    slots: Box<[Slot]>,
    nodes: Vec<Node<T>>,
    free: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// At or before every deadline in the list; `NEVER` when it is empty.
    earliest: u64,
    head: u32,
    tail: u32,
}

impl Slot {
    const EMPTY: Slot = Slot { earliest: NEVER, head: NIL, tail: NIL };
}

#[derive(Debug)]
struct Node<T> {
    deadline: u64,
    value: Option<T>,
    prev: u32,
    /// The next node of the slot, or of the free list.
    next: u32,
    /// `level * SLOTS + slot`, or `IN_EXACT | position`, or `FREE`.
    place: u32,
    generation: u32,
}

impl<T> Wheel<T> {
    pub(super) fn new() -> Self {
        Self {
            tick: 0,
            exact: Exact::new(),
            occupied_levels: 0,
            occupied: [0; LEVELS],
            slots: vec![Slot::EMPTY; LEVELS * SLOTS].into_boxed_slice(),
            nodes: Vec::new(),
            free: NIL,
        }
    }

    /// True if there is no deadline in the wheel.
    pub(super) fn is_empty(&self) -> bool {
        self.exact.first().is_none() && self.occupied_levels == 0
    }

    /// How many deadlines are in the wheel.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.nodes.iter().filter(|node| node.place != FREE).count()
    }

    /// Adds a deadline, which may lie in the past.
    #[inline]
    pub(super) fn insert(&mut self, deadline: u64, value: T) -> Key {
        let node = self.take_node(deadline, value);
        self.place(node, deadline);
        Key { node, generation: self.nodes[node as usize].generation }
    }

    /// Removes a deadline; `None` if it has already been popped or removed.
    #[inline]
    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let node = self.nodes.get(key.node as usize)?;
        if node.generation != key.generation || node.place == FREE {
            return None;
        }
        if node.place & IN_EXACT != 0 {
            let position = node.place & !IN_EXACT;
            let nodes = &mut self.nodes;
            self.exact.remove(position, |node, at| nodes[node as usize].place = IN_EXACT | at);
        } else {
            self.unlink(key.node);
        }
        self.release_node(key.node)
    }

    /// A time at or before the earliest deadline; exact unless the earliest was removed.
    #[inline]
    pub(super) fn next_deadline(&self) -> u64 {
        if let Some(first) = self.exact.first() {
            return first.deadline;
        }
        self.first_slot().map_or(NEVER, |at| self.slots[at].earliest)
    }

    /// Removes the earliest deadline that is not after `now`.
    pub(super) fn pop_due(&mut self, now: u64) -> Option<T> {
        let now_tick = now >> TICK_BITS;
        loop {
            if let Some(first) = self.exact.first() {
                // Invariant 1: what is in the slots comes later still.
                return if first.deadline <= now { self.pop_exact() } else { None };
            }
            match self.first_slot() {
                Some(at) if self.slot_start(at) <= now_tick => self.enter(at),
                _ => {
                    // No occupied slot begins before `now_tick`, so none is skipped. A later
                    // insertion then goes to a low level.
                    self.tick = self.tick.max(now_tick);
                    return None;
                }
            }
        }
    }

    fn pop_exact(&mut self) -> Option<T> {
        let nodes = &mut self.nodes;
        let first = self.exact.pop(|node, at| nodes[node as usize].place = IN_EXACT | at)?;
        self.release_node(first)
    }

    /// Moves the wheel to the start of its first occupied slot, which places that slot anew.
    #[cold]
    fn enter(&mut self, at: usize) {
        self.tick = self.slot_start(at);
        let mut next = self.slots[at].head;
        self.vacate(at);
        while next != NIL {
            let Node { deadline, next: following, .. } = self.nodes[next as usize];
            self.place(next, deadline);
            next = following;
        }
    }

    /// Puts a node where its deadline belongs, seen from the wheel's tick.
    #[inline]
    fn place(&mut self, node: u32, deadline: u64) {
        let tick = deadline >> TICK_BITS;
        if tick <= self.tick {
            let nodes = &mut self.nodes;
            self.exact.push(node, deadline, |node, at| nodes[node as usize].place = IN_EXACT | at);
            return;
        }
        let level = (tick ^ self.tick).ilog2() / SLOT_BITS;
        let slot = (tick >> (level * SLOT_BITS)) as usize % SLOTS;
        self.link(node, deadline, level as usize, slot);
    }

    #[inline]
    fn link(&mut self, node: u32, deadline: u64, level: usize, slot: usize) {
        let at = level * SLOTS + slot;
        let list = &mut self.slots[at];
        let tail = std::mem::replace(&mut list.tail, node);
        list.earliest = list.earliest.min(deadline);
        if tail == NIL {
            list.head = node;
            self.occupied[level] |= 1 << slot;
            self.occupied_levels |= 1 << level;
        } else {
            self.nodes[tail as usize].next = node;
        }
        let node = &mut self.nodes[node as usize];
        node.prev = tail;
        node.next = NIL;
        node.place = at as u32;
    }

    #[inline]
    fn unlink(&mut self, node: u32) {
        let Node { prev, next, place, .. } = self.nodes[node as usize];
        let at = place as usize;
        if prev == NIL {
            self.slots[at].head = next;
        } else {
            self.nodes[prev as usize].next = next;
        }
        if next == NIL {
            self.slots[at].tail = prev;
        } else {
            self.nodes[next as usize].prev = prev;
        }
        if prev == NIL && next == NIL {
            self.vacate(at);
        }
    }

    /// Marks a slot empty.
    fn vacate(&mut self, at: usize) {
        let (level, slot) = (at / SLOTS, at % SLOTS);
        self.slots[at] = Slot::EMPTY;
        self.occupied[level] &= !(1 << slot);
        if self.occupied[level] == 0 {
            self.occupied_levels &= !(1 << level);
        }
    }

    /// The occupied slot with the earliest deadlines (invariant 1).
    #[inline]
    fn first_slot(&self) -> Option<usize> {
        if self.occupied_levels == 0 {
            return None;
        }
        let level = self.occupied_levels.trailing_zeros() as usize;
        Some(level * SLOTS + self.occupied[level].trailing_zeros() as usize)
    }

    /// The first tick of an occupied slot: the wheel's own tick above the slot's level, the slot's
    /// number on it, zeros below.
    fn slot_start(&self, at: usize) -> u64 {
        let (level, slot) = (at / SLOTS, at % SLOTS);
        let shift = level as u32 * SLOT_BITS;
        let above = self.tick >> shift >> SLOT_BITS << SLOT_BITS;
        (above | slot as u64) << shift
    }

    #[inline]
    fn take_node(&mut self, deadline: u64, value: T) -> u32 {
        if self.free == NIL {
            return self.grow(deadline, value);
        }
        let index = self.free;
        let node = &mut self.nodes[index as usize];
        self.free = node.next;
        node.deadline = deadline;
        node.value = Some(value);
        index
    }

    #[cold]
    fn grow(&mut self, deadline: u64, value: T) -> u32 {
        let index = self.nodes.len() as u32;
        assert!(index < IN_EXACT, "a worker cannot hold more than 2^31 timers");
        self.nodes.push(Node {
            deadline,
            value: Some(value),
            prev: NIL,
            next: NIL,
            place: FREE,
            generation: 0,
        });
        index
    }

    #[inline]
    fn release_node(&mut self, index: u32) -> Option<T> {
        let free = self.free;
        let node = &mut self.nodes[index as usize];
        node.place = FREE;
        node.generation = node.generation.wrapping_add(1);
        node.next = free;
        self.free = index;
        node.value.take()
    }
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;

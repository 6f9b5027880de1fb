//! A list of blocks: any number of threads push, one pops.
//!
//! *Source.* The list of tokio's mpsc channel; what differs is that a push that nobody waits for is
//! two read-modify-writes and no more: the receiver says *in the block* that it waits, and for which
//! slot, so the step that makes a slot ready also tells whether there is somebody to wake; and that
//! this push, and no other one, is to wake it. What it then does is [`super::rx_waker`]'s business.
//!
//! *A push* takes an index from `tail`, finds the block of that index, writes the slot and sets its
//! bit in the block's word:
//!
//! | bits  | name        | meaning |
//! |-------|-------------|---------|
//! | 0-15  | slots       | the slot's value is here |
//! | 16    | `RELEASED`  | `tail_block` is beyond; `seen_tail` is written |
//! | 17    | `RX_WAITS`  | the receiver waits for a slot of this block, or has |
//! | 18    | `TX_CLOSED` | behind the slots that are ready nothing will come |
//! | 32-47 | announced   | the receiver waits for this slot; its waker is the push's that fills it |
//!
//! *When a block may be used again.* Whoever moves `tail_block` beyond a block reads `tail`
//! afterwards. A thread that still holds the old pointer took its index before that read (else its
//! own step on `tail` would have shown it the new pointer), so once the receiver has taken all
//! indices below `seen_tail`, nobody holds the block.
//!
//! *Pushes that meet.* Two cores that push at the same time take the lines of `tail`, of the block's
//! word and of its slots from each other with each value, which costs each of them several times
//! what the push itself does. So the index is drawn by an exchange, which fails if there is somebody
//! else; who loses pauses for some pushes' time, and the winner has the lines to itself for as long.
//!
//! *Progress.* Pushing is lock-free: an exchange fails only if another thread drew, a search is as
//! long as the distance to `tail_block`, appending fails only if another thread appended; nobody
//! pauses for a thread that must do something first. Popping is wait-free.

use crate::shim::atomic::{AtomicPtr, AtomicU64};
use crate::shim::cell::UnsafeCell;
#[cfg(not(any(corio_loom, corio_shuttle)))]
use crate::shim::hint;
use crate::shim::{Ordering, mutant, ord};
use crate::wait::pool;
use std::mem::MaybeUninit;
use std::ptr;

/// Slots per block: 16 words and a header fit the 400 bytes that a channel may have after its first
/// message.
const SLOTS: usize = if cfg!(any(corio_loom, corio_shuttle)) { 2 } else { 16 };
const ALL: u64 = (1 << SLOTS) - 1;
const RELEASED: u64 = 1 << 16;
const RX_WAITS: u64 = 1 << 17;
const TX_CLOSED: u64 = 1 << 18;
const ANNOUNCED_SHIFT: u32 = 32;

/// `tail` counts in twos; bit 0 says that the receiver accepts no more.
const CLOSED: u64 = 1;
const ONE: u64 = 2;

/// For how many pauses of the processor a push that met another one lets it alone: at first, and in
/// the last one of the steps, each twice as long as the one before. A pause is 5 to 50 ns.
const PAUSES_FIRST: u64 = 32;
const PAUSES_MOST: u64 = if cfg!(any(corio_loom, corio_shuttle)) { PAUSES_FIRST } else { 128 };

/// Others push without a break if they need no more pauses than this for a value.
const PAUSES_PER_PUSH: u64 = 8;

/// How often the receiver tries to append a used block before it frees it.
const REUSE_TRIES: usize = 3;

struct Block<T> {
    start: AtomicU64,
    next: AtomicPtr<Block<T>>,
    word: AtomicU64,
    /// Written before `RELEASED`.
    seen_tail: UnsafeCell<u64>,
    slots: [UnsafeCell<MaybeUninit<T>>; SLOTS],
    /// Written when the block is made, and made anew; read by who looks into it. So a model sees a
    /// block that was not published to its reader, or that is used again while somebody holds it.
    #[cfg(any(corio_loom, corio_shuttle))]
    made: UnsafeCell<()>,
}

impl<T> Block<T> {
    fn alloc(start: u64) -> *mut Self {
        let block = pool::boxed(Self {
            start: AtomicU64::new(start),
            next: AtomicPtr::new(ptr::null_mut()),
            word: AtomicU64::new(0),
            seen_tail: UnsafeCell::new(0),
            slots: std::array::from_fn(|_| UnsafeCell::new(MaybeUninit::uninit())),
            #[cfg(any(corio_loom, corio_shuttle))]
            made: UnsafeCell::new(()),
        });
        // SAFETY: nobody else knows the block yet.
        unsafe { &*block }.make_anew();
        block
    }

    /// For models only: the caller makes the block anew.
    fn make_anew(&self) {
        #[cfg(any(corio_loom, corio_shuttle))]
        self.made.with_mut(|_| ());
    }

    /// The first index of the block.
    fn start(&self) -> u64 {
        #[cfg(any(corio_loom, corio_shuttle))]
        self.made.with(|_| ());
        // Ordering(mpsc.start): Relaxed. Written before the block is linked.
        self.start.load(Ordering::Relaxed)
    }

    /// # Safety
    ///
    /// The slot's bit was seen by the receiver, who calls this once for each index.
    unsafe fn take(&self, index: u64) -> T {
        self.slots[slot(index)].with_mut(|slot| {
            // SAFETY: the receiver's, by the bit.
            let slot = unsafe { &mut *slot };
            // SAFETY: written before the bit was set, and taken once.
            unsafe { slot.assume_init_read() }
        })
    }
}

fn slot(index: u64) -> usize {
    (index % SLOTS as u64) as usize
}

/// The bit of a slot whose value is here.
fn ready(index: u64) -> u64 {
    1 << slot(index)
}

/// The bit of a slot that the receiver waits for.
fn announced(index: u64) -> u64 {
    ready(index) << ANNOUNCED_SHIFT
}

fn start_of(index: u64) -> u64 {
    index - index % SLOTS as u64
}

/// The senders' side.
pub(super) struct Blocks<T> {
    tail: AtomicU64,
    tail_block: AtomicPtr<Block<T>>,
    /// The block of index 0, made by the first push. Kept for the receiver's first look.
    first: AtomicPtr<Block<T>>,
}

/// The receiver's side.
pub(super) struct Head<T> {
    index: u64,
    /// Slots of the block of `index` whose bits were set when the receiver looked: it need not look
    /// again, at a word that senders change meanwhile. Then `block` is that block.
    seen: u32,
    /// The place for the receiver's waker has one that is its own. Kept here for [`super::chan`].
    pub(super) has_waker: bool,
    /// The block of `index`, or one before it; null before the first look.
    block: *mut Block<T>,
    /// The oldest block that has not been used again.
    oldest: *mut Block<T>,
    /// No value will come at or beyond this index.
    limit: u64,
    /// The index of the last wait that was announced and not withdrawn. Once the head is beyond, the
    /// push of that index has the waker.
    announced: u64,
}

/// No index.
const NONE: u64 = u64::MAX;

// SAFETY: values move between threads; the blocks are shared by protocol.
unsafe impl<T: Send> Send for Blocks<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Blocks<T> {}
// SAFETY: as above; one thread at a time has the head.
unsafe impl<T: Send> Send for Head<T> {}

/// Who is to be woken after a push.
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) struct Waits {
    /// The receiver has announced this very wait: its waker is the caller's.
    pub(super) announced: bool,
    /// The receiver waits in the block, or has waited there: its slot for wakers may have one.
    pub(super) in_block: bool,
}

/// What the receiver finds.
pub(super) enum Pop<T> {
    Value(T),
    /// Nothing yet.
    Empty,
    /// Nothing any more.
    Closed,
}

impl<T> Blocks<T> {
    pub(super) fn new() -> Self {
        Self {
            tail: AtomicU64::new(0),
            tail_block: AtomicPtr::new(ptr::null_mut()),
            first: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Whether the receiver accepts no more.
    pub(super) fn is_closed(&self) -> bool {
        // Ordering(mpsc.peek_closed): Relaxed. A snapshot that is stale at once.
        self.tail.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Pushes a value; says whether the receiver waits and must be woken.
    #[inline]
    pub(super) fn push(&self, value: T) -> Result<Waits, T> {
        let Some(index) = self.draw() else { return Err(value) };
        let block = self.find(index);
        block.slots[slot(index)].with_mut(|slot| {
            // SAFETY: the index was drawn by us alone.
            let slot = unsafe { &mut *slot };
            slot.write(value);
        });
        Ok(self.publish(block, index, ready(index)))
    }

    /// Says that nothing will be pushed any more; none if nobody would hear of it.
    pub(super) fn finish(&self) -> Option<Waits> {
        self.draw().map(|index| self.publish(self.find(index), index, TX_CLOSED))
    }

    /// Draws the next index; none if the receiver accepts no more.
    #[inline]
    fn draw(&self) -> Option<u64> {
        // Ordering(mpsc.guess): Relaxed. The exchange verifies it.
        let guess = self.tail.load(Ordering::Relaxed);
        match self.try_draw(guess) {
            Ok(drawn) => drawn,
            Err(_) => self.draw_beside_others(),
        }
    }

    // Ordering(mpsc.draw): Acquire; pairs with Ordering(mpsc.release_tail): a push whose index is
    // not below `seen_tail` sees the `tail_block` beyond.
    #[inline]
    fn try_draw(&self, tail: u64) -> Result<Option<u64>, u64> {
        if tail & CLOSED != 0 {
            return Ok(None);
        }
        let (ok, next) = (ord("mpsc.draw", Ordering::Acquire), tail + ONE);
        let drawn = self.tail.compare_exchange_weak(tail, next, ok, Ordering::Relaxed);
        drawn.map(|tail| Some(tail / ONE))
    }

    /// Draws an index beside others that do so, too.
    // Ordering(mpsc.guess_again): Relaxed. The exchange verifies it.
    #[cold]
    fn draw_beside_others(&self) -> Option<u64> {
        let mut tail = self.tail.load(Ordering::Relaxed);
        loop {
            tail = self.stand_back(tail);
            match self.try_draw(tail) {
                Ok(drawn) => return drawn,
                Err(now) => tail = now,
            }
        }
    }

    /// Lets others push for a moment, and for longer as long as they do without a break: each look
    /// costs them the line. Returns what `tail` is then.
    // Ordering(mpsc.stand_back): Relaxed. A number that decides for how long, and the next guess.
    fn stand_back(&self, mut tail: u64) -> u64 {
        let mut pauses = PAUSES_FIRST;
        loop {
            #[cfg(not(any(corio_loom, corio_shuttle)))]
            (0..pauses).for_each(|_| hint::spin_loop());
            let now = self.tail.load(Ordering::Relaxed);
            let pushed = (now - std::mem::replace(&mut tail, now)) / ONE;
            if pauses >= PAUSES_MOST || pushed < pauses / PAUSES_PER_PUSH {
                return now;
            }
            pauses *= 2;
        }
    }

    // Ordering(mpsc.publish): AcqRel; pairs with Ordering(mpsc.pop): the value is visible to the
    // receiver; and with Ordering(mpsc.announce): a waker that was announced is visible here. That
    // a waker is found if it waits in the block is the slot's business: a taker that comes too
    // early for the waker is seen by the receiver's registration, and so is our bit. An addition,
    // since nobody else sets it: x86-64 has no `or` that says what was there before.
    #[inline]
    fn publish(&self, block: &Block<T>, index: u64, bit: u64) -> Waits {
        let old = block.word.fetch_add(bit, ord("mpsc.publish", Ordering::AcqRel));
        Waits { announced: old & announced(index) != 0, in_block: old & RX_WAITS != 0 }
    }

    /// Walks to the block of an index that the caller drew.
    #[inline]
    fn find(&self, index: u64) -> &Block<T> {
        let start = start_of(index);
        // Ordering(mpsc.tail_block): Acquire; pairs with Ordering(mpsc.move_tail) and
        // Ordering(mpsc.make_first): the block's contents are visible.
        let mut current = self.tail_block.load(ord("mpsc.tail_block", Ordering::Acquire));
        if current.is_null() {
            current = self.make_first();
        }
        // SAFETY: by the module's note the block is not used again before our index is taken.
        let mut block = unsafe { &*current };
        if block.start() == start {
            return block;
        }
        // Only the threads that are far ahead try to move the end, so that few of them collide.
        let blocks_ahead = (start - block.start()) / SLOTS as u64;
        let mut moves = (slot(index) as u64) < blocks_ahead;
        while block.start() != start {
            let next = Self::next_or_append(block);
            moves = moves && self.try_move(block, next);
            // SAFETY: as above; linked behind a block that is not used again.
            block = unsafe { &*next };
        }
        block
    }

    // Ordering(mpsc.make_first): Release, Acquire on failure; pairs with itself,
    // Ordering(mpsc.tail_block) and Ordering(mpsc.first): the block's contents are visible.
    #[cold]
    fn make_first(&self) -> *mut Block<T> {
        let (ok, err) = (ord("mpsc.make_first", Ordering::Release), Ordering::Acquire);
        let made = Block::alloc(0);
        let first = match self.first.compare_exchange(ptr::null_mut(), made, ok, err) {
            Ok(_) => made,
            Err(winner) => {
                // SAFETY: never published.
                unsafe { pool::unbox(made) };
                winner
            }
        };
        let _ = self.tail_block.compare_exchange(ptr::null_mut(), first, ok, Ordering::Relaxed);
        first
    }

    // Ordering(mpsc.next): Acquire; pairs with Ordering(mpsc.append): the block's contents are
    // visible.
    // Ordering(mpsc.append): Release, Acquire on failure; pairs with Ordering(mpsc.next).
    fn next_or_append(block: &Block<T>) -> *mut Block<T> {
        let next = block.next.load(ord("mpsc.next", Ordering::Acquire));
        if !next.is_null() {
            return next;
        }
        let made = Block::alloc(block.start() + SLOTS as u64);
        let (ok, err) = (ord("mpsc.append", Ordering::Release), Ordering::Acquire);
        match block.next.compare_exchange(ptr::null_mut(), made, ok, err) {
            Ok(_) => made,
            Err(winner) => {
                // SAFETY: never published.
                unsafe { pool::unbox(made) };
                winner
            }
        }
    }

    /// Moves `tail_block` from `block` to `next` if all of `block`'s slots are written.
    fn try_move(&self, block: &Block<T>, next: *mut Block<T>) -> bool {
        // Ordering(mpsc.is_full): Relaxed. Only whether; the receiver, before it uses the block
        // again, has taken every value out and so has seen each of their senders go.
        let word = block.word.load(Ordering::Relaxed);
        if word & ALL != ALL {
            return false;
        }
        // Ordering(mpsc.move_tail): Release; pairs with Ordering(mpsc.tail_block).
        let ok = ord("mpsc.move_tail", Ordering::Release);
        let this = ptr::from_ref(block).cast_mut();
        if self.tail_block.compare_exchange(this, next, ok, Ordering::Relaxed).is_err() {
            return false;
        }
        // Ordering(mpsc.release_tail): Release; pairs with Ordering(mpsc.draw). A read that must
        // be a write: whoever draws after it has to see the pointer that we moved.
        let tail = if mutant("mpsc.seen_tail") {
            0
        } else {
            self.tail.fetch_or(0, ord("mpsc.release_tail", Ordering::Release))
        };
        block.seen_tail.with_mut(|seen| {
            // SAFETY: only the one thread that moved `tail_block` beyond this block writes it.
            unsafe { *seen = tail / ONE };
        });
        // Ordering(mpsc.released): Release; pairs with Ordering(mpsc.reclaim): `seen_tail`.
        block.word.fetch_or(RELEASED, ord("mpsc.released", Ordering::Release));
        true
    }

    /// Accepts no more; what was drawn before will still come.
    pub(super) fn close(&self, head: &mut Head<T>) {
        // Ordering(mpsc.close): Relaxed. The word's own order decides which pushes came before.
        let old = self.tail.fetch_or(CLOSED, Ordering::Relaxed);
        if old & CLOSED == 0 {
            head.limit = old / ONE;
        }
    }

    /// Takes the next value.
    #[inline]
    pub(super) fn pop(&self, head: &mut Head<T>) -> Pop<T> {
        if head.index >= head.limit {
            return Pop::Closed;
        }
        if u64::from(head.seen) & ready(head.index) == 0 {
            let Some(block) = self.advance(head) else { return Pop::Empty };
            // Ordering(mpsc.pop): Acquire; pairs with Ordering(mpsc.publish): the value is visible.
            let word = block.word.load(ord("mpsc.pop", Ordering::Acquire));
            if word & ready(head.index) == 0 {
                return if word & TX_CLOSED != 0 { Pop::Closed } else { Pop::Empty };
            }
            head.seen = (word & ALL) as u32;
        }
        // SAFETY: something of this block was seen: the head has it, and only the receiver uses it
        // again.
        let block = unsafe { &*head.block };
        // SAFETY: the bit is set, and the index is taken once: it grows now.
        let value = unsafe { block.take(head.index) };
        head.index += 1;
        if slot(head.index) == 0 && !mutant("mpsc.seen_stays") {
            head.seen = 0;
        }
        Pop::Value(value)
    }

    /// Says that the receiver waits for the next value, and that its waker is for the push of that
    /// one; false if there is news and it must look again: then the waker is still its own.
    // Ordering(mpsc.announce): Release; pairs with Ordering(mpsc.publish): the push sees the waker.
    // The word's own order decides: either the push sees the announcement, or we see its bit.
    pub(super) fn announce(&self, head: &mut Head<T>) -> bool {
        let Some(block) = self.advance(head) else {
            self.find_for_receiver(head);
            return false;
        };
        let order = ord("mpsc.announce", Ordering::Release);
        // Added, as in a push: the bit is clear, for it was not announced or was withdrawn.
        let old = block.word.fetch_add(announced(head.index), order);
        let waits = old & (ready(head.index) | TX_CLOSED) == 0;
        if waits {
            head.announced = head.index;
        }
        waits
    }

    /// Takes an announcement back; false if the push has come: then the waker is its.
    // Ordering(mpsc.withdraw): Relaxed. The waker was left by the receiver itself; a value is seen
    // by whoever looks for one.
    pub(super) fn withdraw(&self, head: &mut Head<T>) -> bool {
        // SAFETY: the head's block is used again only by the receiver.
        let Some(block) = (unsafe { head.block.as_ref() }) else { return true };
        head.announced = NONE;
        let old = block.word.fetch_and(!announced(head.index), Ordering::Relaxed);
        old & (ready(head.index) | TX_CLOSED) == 0 || mutant("mpsc.withdraw_late")
    }

    /// Says that the receiver waits; false if there is news and it must look again.
    // Ordering(mpsc.wait): Relaxed. The word's own order decides: either the push sees that we wait
    // or we see its bit, and then look again.
    pub(super) fn wait(&self, head: &mut Head<T>) -> bool {
        let Some(block) = self.advance(head) else {
            // The block of the next index does not exist: make it, there is nowhere else to wait.
            self.find_for_receiver(head);
            return false;
        };
        let old = block.word.fetch_or(RX_WAITS, Ordering::Relaxed);
        old & (ready(head.index) | TX_CLOSED) == 0
    }

    /// The receiver goes on: pushes need not wake it.
    pub(super) fn stop_waiting(&self, head: &Head<T>) {
        // SAFETY: the head's block is used again only by the receiver.
        let Some(block) = (unsafe { head.block.as_ref() }) else { return };
        // Ordering(mpsc.stop): Relaxed. A late push wakes once in vain.
        if block.word.load(Ordering::Relaxed) & RX_WAITS != 0 {
            block.word.fetch_and(!RX_WAITS, Ordering::Relaxed);
        }
    }

    /// Makes the block of the head's index, or the first one.
    fn find_for_receiver(&self, head: &mut Head<T>) {
        if head.block.is_null() {
            self.make_first();
        } else {
            // SAFETY: the head's block is used again only by the receiver.
            Self::next_or_append(unsafe { &*head.block });
        }
    }

    /// The block of the head's index, if it exists.
    #[inline]
    fn advance<'b>(&self, head: &mut Head<T>) -> Option<&'b Block<T>> {
        if head.block.is_null() {
            // Ordering(mpsc.first): Acquire; pairs with Ordering(mpsc.make_first).
            let first = self.first.load(ord("mpsc.first", Ordering::Acquire));
            head.block = first;
            head.oldest = first;
        }
        // SAFETY: blocks from `oldest` on are used again only by the receiver.
        let mut block = unsafe { head.block.as_ref() }?;
        while block.start() != start_of(head.index) {
            let next = block.next.load(ord("mpsc.next", Ordering::Acquire));
            if next.is_null() {
                return None;
            }
            head.block = next;
            // SAFETY: as above.
            block = unsafe { &*next };
            self.reclaim(head);
        }
        Some(block)
    }

    /// Uses blocks again that lie behind the head and that no push can hold.
    fn reclaim(&self, head: &mut Head<T>) {
        while head.oldest != head.block {
            // SAFETY: as in `advance`.
            let block = unsafe { &*head.oldest };
            // Ordering(mpsc.reclaim): Acquire; pairs with Ordering(mpsc.released): `seen_tail`,
            // and the last use of the block by whoever released it.
            if block.word.load(ord("mpsc.reclaim", Ordering::Acquire)) & RELEASED == 0 {
                return;
            }
            let seen_tail = block.seen_tail.with(|seen| {
                // SAFETY: RELEASED: written and not written again.
                unsafe { *seen }
            });
            if seen_tail > head.index {
                return;
            }
            let next = block.next.load(Ordering::Relaxed);
            // SAFETY: by the module's note nobody holds the block any more.
            unsafe { self.reuse(head.oldest) };
            head.oldest = next;
        }
    }

    /// # Safety
    ///
    /// Nobody but the caller holds the block.
    unsafe fn reuse(&self, used: *mut Block<T>) {
        // SAFETY: exclusive by the caller's word.
        let block = unsafe { &*used };
        block.make_anew();
        // Ordering(mpsc.reset): Relaxed. Exclusive; published by the append below.
        block.next.store(ptr::null_mut(), Ordering::Relaxed);
        block.word.store(0, Ordering::Relaxed);
        let mut current = self.tail_block.load(ord("mpsc.tail_block", Ordering::Acquire));
        for _ in 0..REUSE_TRIES {
            // SAFETY: only the receiver frees blocks, and this one lies at or behind the tail.
            let last = unsafe { &*current };
            block.start.store(last.start() + SLOTS as u64, Ordering::Relaxed);
            let (ok, err) = (ord("mpsc.append", Ordering::Release), Ordering::Acquire);
            match last.next.compare_exchange(ptr::null_mut(), used, ok, err) {
                Ok(_) => return,
                Err(next) => current = next,
            }
        }
        // SAFETY: as above, and not appended.
        unsafe { pool::unbox(used) };
    }

    /// Drops the values that are left and frees the blocks.
    ///
    /// # Safety
    ///
    /// Called once, by the last owner of both sides.
    pub(super) unsafe fn free(&self, head: &mut Head<T>) {
        head.limit = NONE;
        while let Pop::Value(value) = self.pop(head) {
            drop(value);
        }
        let mut current = head.oldest;
        while !current.is_null() {
            // SAFETY: exclusive; linked blocks are live.
            let block = unsafe { &*current };
            // Ordering: Relaxed; the caller has the blocks to itself.
            let next = block.next.load(Ordering::Relaxed);
            // SAFETY: as above; each is visited once.
            unsafe { pool::unbox(current) };
            current = next;
        }
    }
}

impl<T> Head<T> {
    pub(super) fn new() -> Self {
        let (block, oldest) = (ptr::null_mut(), ptr::null_mut());
        Self { index: 0, seen: 0, block, oldest, limit: NONE, announced: NONE, has_waker: false }
    }

    /// Whether the wait for the next value is announced.
    pub(super) fn is_announced(&self) -> bool {
        self.announced == self.index
    }
}

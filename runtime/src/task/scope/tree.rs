//! The cancellation scopes of one task, and who of them is offered a request.
//!
//! Vocabulary: a scope is *inside* another if it was polled by it. A *leaf* is a scope that may
//! take a request and has no such scope inside. A request is *offered* to a scope by a mark, and
//! *taken* by the scope's next poll. The *owner* of a request is the whole task, or a scope that
//! asks its own part of the task to stop; such a request is offered inside the owner only.
//!
//! # How a request finds its scope
//!
//! ```text
//!               offer to all leaves 1        polled 2
//!   pending ------------------------> offered --------> taken
//!      ^                                |  |
//!      |  all offered ones dropped 3    |  | not polled 4: offer to the scopes around
//!      `--------------------------------'  `---> offered .. until nobody is left: the owner
//! ```
//! 1, 3, 4 [`Tree::offer`]; 2 [`Tree::take`].
//!
//! A mark is provisional, because a scope may be alive and not be polled: a future that is kept
//! while another one is awaited. After a poll in which no offered scope was polled the offer moves
//! one scope outwards. A body that drops every offered scope before it is polled gets new offers;
//! after [`OUTERMOST_AFTER`] of them the outermost scopes are asked, after [`ATTEMPTS_MAX`] the
//! owner decides alone.
//!
//! A mask holds a request back for as long as it is polled: it is asked before each poll, and one that
//! was not polled then is passed by as any scope is. (A mask below a combinator with wakers of its
//! own is believed unasked: waking it to ask would keep the task awake.)
//!
//! Everything here belongs to the runner of the task: plain cells, no atomics, no lock.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use corio_sync::shim::mutant;

use super::node::{Delivery, Kind, Node, NodeRef, Said};
use super::share::Share;
use super::walk::{
    Found, any_marked, any_mask, any_owed, ask, clear_marks, collect_marked, find, forgive, held,
    is_inside, offer_leaves, offer_outermost, serve, set_mark, siblings, unmark,
};
use crate::error::{BY_HAND, Cancelled, FROM_TASK as TASK};
use crate::quiet::{drop_quietly, quietly};
use crate::task::requests::Requests;
use crate::task::state::State;

/// Polls that a request waits for offered scopes while the task keeps itself scheduled.
pub(super) const PATIENCE: u8 = 4;
/// Polls without a taker after which the leaves have had their chance.
const OUTERMOST_AFTER: u8 = 8;
/// Polls without a taker after which the owner of the request decides alone.
const ATTEMPTS_MAX: u8 = 16;

const _: () = assert!(PATIENCE < OUTERMOST_AFTER && OUTERMOST_AFTER < ATTEMPTS_MAX);

/// What is left to do when a walk is over, because it is foreign code, which may come back here.
#[derive(Debug, Default)]
pub(super) struct Errands {
    /// Wakers of combinators that poll only those parts that were woken.
    pub(super) wake: Vec<Waker>,
    /// Wakers of scopes that have gone.
    drop: Vec<Waker>,
}

impl Errands {
    pub(super) fn run(self) {
        self.wake.into_iter().for_each(|waker| quietly(|| waker.wake()));
        self.drop.into_iter().for_each(drop_quietly);
    }
}

/// The scopes of a task.
#[derive(Default)]
pub(crate) struct Tree {
    first: Cell<Option<NodeRef>>,
    /// The last id given; 0 and 1 name no node.
    last_id: Cell<u32>,
    pub(super) delivery: Delivery,
    /// The request that was taken last.
    pub(super) last: Cell<Option<Box<Cancelled>>>,
    /// What was answered, and is to be delivered once more if the task waits.
    pub(super) again: Cell<Option<Box<Cancelled>>>,
    /// What is to end the task, with its number.
    pub(super) unwind: Cell<Option<Box<(u64, Cancelled)>>>,
    /// Scopes whose request to their part is under way and counted among the task's cancels.
    pub(super) counted: Cell<u32>,
    /// Cancels of the whole task that were counted when one was taken last, less what was taken back
    /// since, as far as that was seen; and what this was before.
    pub(super) delivered: Cell<(u32, u32)>,
    /// A request that was made by hand, which nobody has counted, may be pending.
    pub(super) by_hand: Cell<bool>,
}

impl Drop for Tree {
    fn drop(&mut self) {
        // Destructors that ran after the body, those of its output, may have polled scopes.
        while let Some(node) = self.first.get() {
            self.let_go(node);
        }
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").finish_non_exhaustive()
    }
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// The task must be polled; some scope may take it then.
    Made,
    /// A mask holds it back.
    Held,
    /// No scope is there to take it: the owner does.
    Nobody,
}

/// The shape of the tree.
impl Tree {
    #[cfg(all(test, any(corio_loom, corio_shuttle)))]
    pub(super) fn first_for_models(&self) -> Option<NodeRef> {
        self.first.get()
    }

    /// A new scope inside `parent`.
    #[inline]
    pub(super) fn add(&self, task: *const (), kind: Kind, parent: Option<NodeRef>) -> NodeRef {
        let id = self.last_id.get().max(TASK).wrapping_add(1).max(TASK + 1);
        self.last_id.set(id);
        let node = NodeRef::new(task, kind, id);
        self.link(node, parent);
        node
    }

    /// The first of the outermost scopes.
    pub(super) fn first(&self) -> Option<NodeRef> {
        self.first.get()
    }

    #[inline]
    fn list(&self, parent: Option<NodeRef>) -> Option<NodeRef> {
        match parent {
            Some(parent) => {
                parent.touch();
                parent.child.get()
            }
            None => self.first.get(),
        }
    }

    #[inline]
    fn set_list(&self, parent: Option<NodeRef>, first: Option<NodeRef>) {
        match parent {
            Some(parent) => parent.child.set(first),
            None => self.first.set(first),
        }
    }

    #[inline]
    fn link(&self, node: NodeRef, parent: Option<NodeRef>) {
        node.touch();
        let first = self.list(parent);
        node.parent.set(parent);
        node.prev.set(None);
        node.next.set(first);
        if let Some(first) = first {
            first.touch();
            first.prev.set(Some(node));
        }
        self.set_list(parent, Some(node));
    }

    #[inline]
    fn cut(&self, node: NodeRef) {
        node.touch();
        let (prev, next) = (node.prev.get(), node.next.get());
        match prev {
            Some(prev) => prev.next.set(next),
            None => self.set_list(node.parent.get(), next),
        }
        if let Some(next) = next {
            next.prev.set(prev);
        }
    }

    /// Takes a node out of the tree; what is inside of it stays where it was.
    #[inline]
    pub(super) fn unlink(&self, node: NodeRef, state: &State) {
        self.settle_part(node, state);
        self.pass_outwards(node);
        self.take_out(node);
    }

    #[inline]
    fn take_out(&self, node: NodeRef) {
        self.cut(node);
        while let Some(child) = node.child.get() {
            self.cut(child);
            self.link(child, node.parent.get());
        }
    }

    /// A scope that is polled from another place than before.
    pub(super) fn move_to(&self, node: NodeRef, parent: Option<NodeRef>) {
        let mut above = parent;
        while let Some(at) = above {
            if at == node {
                return;
            }
            above = at.parent.get();
        }
        self.cut(node);
        self.link(node, parent);
        if !is_inside(node, node.owing_part()) {
            node.settle(node.owing_part());
        }
    }

    /// Lets every node go: the body is gone.
    #[inline]
    pub(crate) fn clear(&self, state: &State) {
        while let Some(node) = self.first.get() {
            self.settle_part(node, state);
            self.let_go(node);
        }
    }

    fn let_go(&self, node: NodeRef) {
        self.take_out(node);
        // Foreign code, and perhaps what keeps the task's own cell: it must not stay with a scope
        // that lives on elsewhere.
        let waker = node.waker.take();
        node.leave_tree();
        drop_quietly(waker);
    }

    /// Unlinks the scopes inside `parent` that were dropped on other threads.
    fn bury(&self, parent: Option<NodeRef>, state: &State, errands: &mut Errands) {
        let mut next = self.list(parent);
        while let Some(node) = next {
            next = node.next.get();
            self.bury(Some(node), state, errands);
            if node.is_scope_gone() {
                self.unlink(node, state);
                errands.drop.extend(node.waker.take());
                node.leave_tree();
            }
        }
    }
}

/// Offers.
impl Tree {
    pub(super) fn delivery_of<'a>(&'a self, owner: Option<&'a Node>) -> &'a Delivery {
        owner.map_or(&self.delivery, |owner| &owner.delivery)
    }

    /// Begins a new request of `owner`: nobody has been offered it.
    pub(super) fn begin(&self, owner: Option<NodeRef>) {
        self.conclude(owner);
        self.delivery_of(owner.as_deref()).active.set(true);
    }

    /// The request of `owner` was taken or taken back.
    pub(super) fn conclude(&self, owner: Option<NodeRef>) {
        self.withdraw(owner);
        forgive(self.list(owner), owner.map_or(TASK, |owner| owner.id.get()));
        let delivery = self.delivery_of(owner.as_deref());
        delivery.active.set(false);
        delivery.attempts.set(0);
        delivery.taken.set(false);
    }

    /// True if the task alone decides on the request to it.
    pub(super) fn is_exhausted(&self) -> bool {
        self.delivery.attempts.get() >= ATTEMPTS_MAX
    }

    /// Edges 1, 3 and 4. Offers the request of `owner` to scopes inside of it.
    pub(super) fn offer(
        &self,
        owner: Option<NodeRef>,
        state: &State,
        errands: &mut Errands,
    ) -> Offer {
        self.bury(owner, state, errands);
        let mark = owner.map_or(TASK, |owner| owner.id.get());
        let delivery = self.delivery_of(owner.as_deref());
        let attempts = delivery.attempts.get();
        let first = self.list(owner);
        let found = if attempts >= ATTEMPTS_MAX {
            let held = held(first);
            self.withdraw(owner);
            Found { marked: false, held }
        } else if any_marked(first, mark) {
            self.move_outwards(first, mark, owner, errands)
        } else if attempts >= OUTERMOST_AFTER {
            offer_outermost(first, mark, errands)
        } else {
            forgive(first, mark);
            offer_leaves(first, mark, errands)
        };
        match found {
            Found { marked: true, .. } => Offer::Made,
            Found { held: true, .. } => {
                delivery.attempts.set(0);
                Offer::Held
            }
            Found { .. } => Offer::Nobody,
        }
    }

    /// Before a poll: asks the masks whether they are still polled.
    pub(super) fn ask_masks(&self, owner: Option<NodeRef>) {
        ask(self.list(owner), owner.map_or(TASK, |owner| owner.id.get()));
    }

    /// True if some scope is still offered the request of `owner`.
    pub(super) fn is_offered(&self, owner: Option<NodeRef>) -> bool {
        any_marked(self.list(owner), owner.map_or(TASK, |owner| owner.id.get()))
    }

    /// True if some part of the task is masked, whether it was polled since it was asked or not.
    pub(super) fn is_masked(&self) -> bool {
        any_mask(self.list(None))
    }

    /// Takes back what was offered and not taken.
    pub(super) fn withdraw(&self, owner: Option<NodeRef>) {
        unmark(self.list(owner), owner.map_or(TASK, |owner| owner.id.get()));
    }

    /// The request of `owner` was taken: offers it to those whose mask is over, which has held it back.
    pub(super) fn serve(
        &self,
        owner: Option<NodeRef>,
        state: &State,
        errands: &mut Errands,
    ) -> bool {
        let mark = owner.map_or(TASK, |owner| owner.id.get());
        if mutant("tree.serves_nobody") {
            return false;
        }
        self.bury(owner, state, errands);
        serve(self.list(owner), mark, errands)
    }

    /// True if a mask holds back what others have taken.
    pub(super) fn owes(&self, owner: Option<NodeRef>) -> bool {
        any_owed(self.list(owner), owner.map_or(TASK, |owner| owner.id.get()))
    }

    /// True if a scope is owed a request that is under way.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    pub(super) fn is_owed(&self, node: NodeRef, state: &State) -> bool {
        let by_task = || {
            let pending = state.load_relaxed().is_cancel_pending();
            pending || self.delivery.taken.get() && !self.is_taken_back(state)
        };
        let part = node.owing_part();
        let by_part = || part != 0 && is_inside(node, part);
        by_part() || node.is_owed(TASK) && by_task()
    }

    /// The same of it and all inside, or something there is offered a request.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    pub(super) fn is_asked(&self, node: NodeRef, state: &State) -> bool {
        let offered = node.kind.get().catches() && node.mark.get() != 0;
        let mut inside = siblings(node.child.get());
        offered || self.is_owed(node, state) || inside.any(|node| self.is_asked(node, state))
    }

    fn move_outwards(
        &self,
        first: Option<NodeRef>,
        mark: u32,
        owner: Option<NodeRef>,
        errands: &mut Errands,
    ) -> Found {
        let (mut found, mut around) = (Found::default(), Vec::new());
        found.held = held(first);
        let mut offered = Vec::new();
        collect_marked(first, mark, &mut offered);
        for node in &offered {
            node.mark.set(0);
            node.passed.set(true);
            let mut above = node.parent.get();
            while let Some(at) = above.filter(|at| Some(*at) != owner && !at.kind.get().catches()) {
                if at.holds() {
                    break;
                }
                above = at.parent.get();
            }
            match above.filter(|at| Some(*at) != owner) {
                None => {}
                Some(at) if at.kind.get() == Kind::Mask || held(at.child.get()) => {
                    found.held = true
                }
                Some(at) => around.push(at),
            }
        }
        for node in around {
            found.marked |= set_mark(node, mark, errands);
        }
        found
    }

    /// Edge 2. The request that a marked scope takes; `None` if it was taken back.
    pub(super) fn take(
        &self,
        node: NodeRef,
        state: &State,
        requests: &Requests,
    ) -> Option<Cancelled> {
        node.touch();
        let mark = node.mark.replace(0);
        if mark == 0 {
            return None;
        }
        let said = if mark == TASK {
            self.take_part_in(state, requests)
        } else {
            let owner = find(self.first.get(), mark).filter(|_| is_inside(node, mark))?;
            owner.delivery.taken.set(true);
            owner.said()
        };
        if said.is_some() {
            self.feel(node, mark);
        }
        said
    }

    /// The scope has taken the request of this mark. Nobody around is owed that any more, nor is itself by
    /// what goes with its inside.
    fn feel(&self, node: NodeRef, mark: u32) {
        node.settle(mark);
        self.heard(&node, mark).answer();
        let mut above = node.parent.get();
        while let Some(at) = above.filter(|at| at.id.get() != mark) {
            at.settle(mark);
            let _ = self.heard(&at, mark);
            at.felt.set(!mutant("tree.felt_by_nobody"));
            above = at.parent.get();
        }
    }

    /// The request to the whole task that is being delivered, whether it is taken now or was.
    pub(super) fn take_part_in(&self, state: &State, requests: &Requests) -> Option<Cancelled> {
        if self.delivery.taken.get() { self.last() } else { self.take_pending(state, requests) }
    }

    /// Takes the pending cancel of the whole task; `None` if there is none any more.
    pub(super) fn take_pending(&self, state: &State, requests: &Requests) -> Option<Cancelled> {
        let cancels = self.cancels(state.load_relaxed());
        if !state.take_cancel() {
            return None;
        }
        // It tells a part that begins later which of the pending ones it did not begin under, so of
        // two figures the lower one is right.
        let cancels = cancels.min(self.cancels(state.load_relaxed()));
        self.delivered.set((cancels, self.delivered.get().0));
        self.by_hand.set(false);
        let said = requests.take_first().or_else(|| self.last());
        let said = said.unwrap_or_else(|| Cancelled::from_parts(None, None).with_origin(TASK));
        self.delivery.taken.set(true);
        self.delivery.renew();
        self.last.set(Some(Box::new(said.clone())));
        Some(said)
    }

    pub(super) fn last(&self) -> Option<Cancelled> {
        let last = self.last.take();
        let said = last.as_deref().cloned();
        self.last.set(last);
        said
    }
}

/// Requests to a part of the task.
impl Tree {
    /// Notes a request of `owner` to its part, until [`Tree::settle_part`]; `counted`: among the
    /// cancels of the task.
    pub(super) fn begin_part(&self, owner: NodeRef, said: Cancelled, counted: bool, state: &State) {
        self.begin(Some(owner));
        owner.delivery.renew();
        owner.said.set(Some(Box::new(Said::new(said))));
        owner.in_flight.set(true);
        owner.counted.set(counted);
        if counted {
            self.counted.set(self.counted.get() + 1);
            state.count_part();
        }
    }

    /// The request of `owner` to its part is to be heard at once: nothing else is offered inside of it any
    /// more, and of the masks in there each is believed until this request has asked it.
    #[cfg_attr(any(corio_loom, corio_shuttle), allow(dead_code, reason = "no model asks by hand"))]
    pub(super) fn go_first(&self, owner: NodeRef) {
        clear_marks(owner.child.get());
    }

    /// The request of `owner` to its part is over, if there was one.
    #[inline]
    pub(super) fn settle_part(&self, owner: NodeRef, state: &State) {
        if owner.in_flight.replace(false) {
            if owner.counted.replace(false) {
                self.counted.set(self.counted.get() - 1);
                state.uncount_part();
            }
            self.withdraw(Some(owner));
            forgive(owner.child.get(), owner.id.get());
        }
    }

    /// A request that was taken and has come to nothing, because the wait that it was to end did
    /// not last, is offered once more, unless it was taken back since.
    pub(super) fn give_back(&self, said: Cancelled, state: &State, requests: &Requests) -> bool {
        let mut owes = false;
        match said.origin() {
            BY_HAND => {
                requests.push(said);
                state.return_uncounted();
                self.by_hand.set(true);
            }
            // The message comes second, so that there is none without a cancel: a later one would
            // be delivered with it. The runner, which is here, takes both.
            TASK => {
                owes = state.return_cancel(self.counted.get());
                if owes {
                    self.pend_again(said, requests);
                }
            }
            part => {
                if let Some(owner) = find(self.first.get(), part).filter(|it| it.in_flight.get()) {
                    owner.delivery.taken.set(false);
                    owner.delivery.renew();
                    let attempts = owner.delivery.attempts.get();
                    owes = attempts < ATTEMPTS_MAX;
                    owner.delivery.attempts.set(attempts + u8::from(owes));
                }
            }
        }
        owes
    }

    /// What those that have taken the request of this origin have in common; `None` if the part that
    /// asked is gone.
    #[cfg_attr(any(corio_loom, corio_shuttle), allow(dead_code, reason = "only some models keep"))]
    pub(super) fn share_of(&self, origin: u32) -> Option<Arc<Share>> {
        match origin {
            BY_HAND | TASK => Some(self.delivery.holders.share()),
            part => find(self.first.get(), part).map(|owner| owner.delivery.holders.share()),
        }
    }

    /// The request of this origin that was taken last is answered.
    #[cfg_attr(
        any(corio_loom, corio_shuttle),
        allow(dead_code, reason = "only some models answer")
    )]
    pub(super) fn answer(&self, origin: u32) {
        match origin {
            BY_HAND | TASK => self.delivery.holders.answer(),
            part => {
                if let Some(owner) = find(self.first.get(), part) {
                    owner.delivery.holders.answer();
                }
            }
        }
    }

    /// A cancel of the whole task is pending again.
    pub(super) fn pend_again(&self, said: Cancelled, requests: &Requests) {
        let (_, before) = self.delivered.get();
        self.delivered.set((before, before));
        requests.push(said);
        if self.delivery.taken.replace(false) {
            self.delivery.renew();
        }
    }

    /// What the next part around that was asked to stop was told.
    pub(super) fn under_way_above(&self, part: NodeRef) -> Option<Cancelled> {
        self.under_way(part.parent.get())
    }

    /// As [`Tree::under_way_above`], of what is inside of this scope.
    pub(super) fn under_way(&self, mut around: Option<NodeRef>) -> Option<Cancelled> {
        while let Some(at) = around.filter(|at| !at.in_flight.get()) {
            around = at.parent.get();
        }
        around.and_then(|at| at.said())
    }
}

//! Scopes that ask their own part of the task to stop: limits and groups.

use super::frame::{Frame, Scope, current, frames, tree};
use super::merge::is_in_mask;
use super::node::NodeRef;
use super::tree::{Errands, Offer, PATIENCE};
use super::walk::held;
use crate::error::Cancelled;
use crate::task::inside;
use crate::task::raw::TaskPtr;

/// What a scope that limits its own part has come to.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A scope inside may take the request: poll the inside again.
    Offered,
    /// A mask holds it back, and the poll that has just ended may have been the last of it: ask and
    /// poll the inside once more.
    Held,
    /// It was taken, or is held back: the inside must be polled when it is woken.
    Waiting,
    /// Those that were woken have not all been polled: wake the task and say Pending.
    Again,
    /// Nobody inside is there to take it: drop the inside.
    Nobody,
}

/// The mask that holds a request back, seen from a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// It holds back a request to the part as well.
    Inside,
    Beside,
}

/// A request to a part, as who asks keeps it.
///
/// A part may be polled in another task than the one where it was asked, or in none. If somebody in there
/// has taken the request, that goes on until it ends; if nobody has, the scopes that have come along are
/// asked anew.
#[derive(Debug)]
pub(crate) struct Request {
    /// With the origin that the part has heard it from, once it was asked.
    said: Cancelled,
    /// Whoever asks waits for no other poll, and the task does not count it among its cancels.
    by_hand: bool,
    progress: Progress,
}

/// How far a request has come, as the last poll left it: the tree that knows belongs to the task of that
/// poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Offered,
    Held,
    Taken,
}

impl Request {
    pub(crate) fn new(said: Cancelled) -> Self {
        Self { said, by_hand: false, progress: Progress::Offered }
    }

    pub(crate) fn by_hand(said: Cancelled) -> Self {
        Self { by_hand: true, ..Self::new(said) }
    }

    pub(crate) fn is_by_hand(&self) -> bool {
        self.by_hand
    }

    /// True if `said` is this request, raised by who has taken it.
    pub(crate) fn is(&self, said: &Cancelled) -> bool {
        said.origin() == self.said.origin()
    }

    /// Asks the scopes inside of `scope` that the task around knows.
    pub(crate) fn begin(&mut self, scope: &mut Scope) -> Part {
        let (Some(node), Some(task)) = (scope.node, current()) else { return Part::Nobody };
        self.said = self.said.clone().with_origin(node.id.get());
        self.progress = Progress::Offered;
        let tree = tree(task);
        tree.begin_part(node, self.said.clone(), !self.by_hand, &task.header().state);
        if self.by_hand {
            tree.go_first(node);
        }
        match scope.offer(node, task) {
            // Nobody has asked the masks yet.
            Part::Held => Part::Offered,
            part => part,
        }
    }

    /// After a poll of the part, which said Pending; `again`: it followed [`Part::Held`].
    pub(crate) fn look(&mut self, scope: &mut Scope, again: bool) -> Part {
        let Some((node, task)) = scope.asked() else { return self.look_elsewhere(scope) };
        let tree = tree(task);
        let delivery = &node.delivery;
        self.progress = if delivery.taken.get() { Progress::Taken } else { Progress::Offered };
        let woken = inside::asks_again(task) || task.header().state.load_relaxed().is_scheduled();
        let waits = delivery.attempts.get() < PATIENCE && tree.is_offered(Some(node));
        if woken && waits && !self.by_hand {
            delivery.attempts.set(delivery.attempts.get() + 1);
            return Part::Again;
        }
        if self.progress == Progress::Taken {
            tree.pass_by(Some(node));
            if scope.serve(node, task) {
                return Part::Offered;
            }
            // As `Look::after_poll`: the mask may have had its last poll.
            let asks = !again && !woken && tree.owes(Some(node));
            return if asks { Part::Held } else { Part::Waiting };
        }
        delivery.attempts.set(delivery.attempts.get().saturating_add(1));
        match scope.offer(node, task) {
            Part::Held if again => {
                self.progress = Progress::Held;
                Part::Waiting
            }
            part => part,
        }
    }

    /// The task around, if there is one, has not heard of the request.
    fn look_elsewhere(&mut self, scope: &mut Scope) -> Part {
        match self.progress {
            Progress::Taken => Part::Waiting,
            _ if scope.is_known() => self.begin(scope),
            Progress::Held if current().is_none() => Part::Waiting,
            Progress::Offered | Progress::Held => Part::Nobody,
        }
    }
}

/// Scopes that ask their own part of the task to stop.
impl Scope {
    /// True if the caller is inside a task.
    pub(crate) fn is_in_task() -> bool {
        current().is_some()
    }

    /// The node, while a request to the part is under way in the task around.
    fn asked(&self) -> Option<(NodeRef, TaskPtr)> {
        let (node, task) = (self.node?, current()?);
        node.in_flight.get().then_some((node, task))
    }

    /// Before a poll of a part that was asked to stop, perhaps in another task.
    pub(crate) fn ask_part(&mut self) {
        self.leave_elsewhere();
        if let Some((node, task)) = self.asked() {
            tree(task).ask_masks(Some(node));
        }
    }

    fn offer(&self, node: NodeRef, task: TaskPtr) -> Part {
        let mut errands = Errands::default();
        let offer = tree(task).offer(Some(node), &task.header().state, &mut errands);
        errands.run();
        match offer {
            Offer::Made => Part::Offered,
            Offer::Held => Part::Held,
            Offer::Nobody => Part::Nobody,
        }
    }

    /// Offers what was taken to those whose mask is over.
    fn serve(&self, node: NodeRef, task: TaskPtr) -> bool {
        let mut errands = Errands::default();
        let served = tree(task).serve(Some(node), &task.header().state, &mut errands);
        errands.run();
        served
    }

    /// The part has ended with a value, which answers the request to it.
    pub(crate) fn close_part(&mut self) {
        if let (Some(node), Some(task)) = (self.node, current()) {
            tree(task).settle_part(node, &task.header().state);
        }
        self.release();
    }

    /// The part is to be dropped, and is not under way any more; as [`Scope::unanswered`].
    pub(crate) fn end_part(&mut self, said: Option<Cancelled>) -> Option<Cancelled> {
        if let (Some(node), Some(task)) = (self.node, current()) {
            tree(task).settle_part(node, &task.header().state);
        }
        self.unanswered(said)
    }

    /// Before the part is dropped: the request that has to go on outwards, if one to the whole task,
    /// or to a part around this one, has come meanwhile and is not answered. It is pending, or the
    /// part has raised it (`said`), or has caught it and is dropped before it has said what becomes
    /// of it.
    pub(crate) fn unanswered(&self, said: Option<Cancelled>) -> Option<Cancelled> {
        let (Some(node), Some(task)) = (self.node, current()) else { return said };
        let header = task.header();
        let tree = tree(task);
        if !tree.has_more(node, &header.state) {
            return None;
        }
        let masked = node.is_masked();
        let take = || {
            let pending = tree.take_pending(&header.state, &header.ext_or_make().requests)?;
            if tree.owe_beside(node) {
                header.state.look_again();
            }
            Some(pending)
        };
        let pending = if masked { None } else { take() };
        let own = node.id.get();
        let foreign = said.filter(|said| said.origin() != own);
        pending.or(foreign).or_else(|| tree.under_way_above(node)).or_else(|| tree.last())
    }

    /// The part has failed: what the task, or a part around, stands under is delivered once more if the
    /// task waits, also if it was caught before this part began. asyncio's group cancels its task again.
    #[cold]
    pub(crate) fn ask_again(&self) {
        let Some(task) = current().filter(|task| task.header().ext().is_some()) else { return };
        let (tree, state) = (tree(task), &task.header().state);
        let again = if is_in_mask() {
            self.unanswered(None)
        } else {
            let around = tree.under_way(frames(task).find_map(Frame::known));
            around.or_else(|| if tree.is_taken_back(state) { None } else { tree.last() })
        };
        if let Some(said) = again.filter(|_| !state.load_relaxed().is_cancel_pending()) {
            tree.again.set(Some(Box::new(said)));
            state.look_again();
        }
    }

    /// Where a mask holds back what is asked of the whole task; `None` if a scope is offered that, or
    /// nothing is in its way. One beside this part may have its turn in this poll only later, and be
    /// no more than a mask that nobody polls.
    pub(crate) fn held_back(&self) -> Option<Held> {
        let task = current()?;
        if tree(task).is_offered(None) {
            return None;
        }
        match self.node {
            Some(node) if held(node.child.get()) => Some(Held::Inside),
            _ => tree(task).is_masked().then_some(Held::Beside),
        }
    }

    /// True if a request to the whole task is pending: it goes first.
    pub(crate) fn is_task_cancelled() -> bool {
        current().is_some_and(|task| task.header().state.load_relaxed().is_cancel_pending())
    }
}

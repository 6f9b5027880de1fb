//! A child of a task group: how it comes to the group, and how it leaves.
use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread;

use corio_sync::shim::Ordering::Relaxed;
use pin_project_lite::pin_project;

use super::{Group, GroupOutput, STOPS};
use crate::cancel::Raising;
use crate::error::{Cancelled, Passed, payload_message};
use crate::scheduler::worker::hops;

/// A child that was admitted and is on its way to the group's list.
pub(super) struct Adding<'a, E>(pub(super) &'a Group<E>);

impl<E> Drop for Adding<'_, E> {
    fn drop(&mut self) {
        if self.0.roster.added(hops::is_in_single) {
            // The group was dropped meanwhile, and has perhaps not seen the child.
            self.0.stop_listed();
        }
    }
}

/// A child's place in its group; given back however the child ends, before its task is done.
pub(super) struct Member<E: Send + 'static> {
    group: Arc<Group<E>>,
    /// The group is to stop when it hears of the end.
    failed: bool,
}

impl<E: Send + 'static> Member<E> {
    pub(super) fn new(group: Arc<Group<E>>) -> Self {
        Self { group, failed: false }
    }

    /// The child has failed, and its group has the reason.
    fn fails(&mut self) {
        if hops::is_in_single() {
            self.failed = true;
        } else {
            self.group.roster.abort();
        }
    }

    /// The group raises this again when all have ended; the child ends with what is returned, which says
    /// the same words.
    fn panics(&mut self, payload: Box<dyn Any + Send>) -> Box<dyn Any + Send> {
        let said = payload_message(&*payload).map(String::from);
        self.group.panics.push(payload);
        self.fails();
        Box::new(Passed(said.unwrap_or_else(|| "a panic of its own".to_owned())))
    }
}

impl<E: Send + 'static> Drop for Member<E> {
    fn drop(&mut self) {
        // On a single loop the group hears of an end in the next turn, as asyncio's does by a done-callback.
        let heard = hops::next_turn(|| match self.failed {
            true => Arc::new(Failed(self.group.clone())).into(),
            false => self.group.clone().into(),
        });
        match heard {
            true => {}
            false if self.failed => self.group.hear(true),
            false => self.group.roster.leave(),
        }
    }
}

/// The turn of a child that has ended.
impl<E: Send + 'static> Wake for Group<E> {
    fn wake(self: Arc<Self>) {
        self.hear(false);
    }
}

/// The turn of one that has failed.
struct Failed<E: Send + 'static>(Arc<Group<E>>);

impl<E: Send + 'static> Wake for Failed<E> {
    fn wake(self: Arc<Self>) {
        self.0.hear(true);
    }
}

impl<E> Group<E> {
    /// A child has ended, which is over for the group now.
    fn hear(&self, failed: bool) {
        let mut sorted = false;
        if self.roster.is_aborted() {
            // The group has the list, or takes it.
        } else if failed {
            for child in self.added.take_all() {
                child.request(Some(STOPS.into()), self.at);
                self.stopped.push(child);
            }
            self.roster.abort();
        } else {
            sorted = self.forget_ended();
        }
        if self.roster.heard(sorted) {
            self.stop_listed();
        }
    }

    /// Takes those from the list that have ended, if they are many; true if it did.
    fn forget_ended(&self) -> bool {
        // Ordering: Relaxed; a number that says when to look.
        let ended = self.ended.load(Relaxed) + 1;
        let many = ended > 2 * (self.roster.len() + 8);
        // Ordering: Relaxed; as above.
        self.ended.store(if many { 0 } else { ended }, Relaxed);
        if many {
            let left = self.added.take_all().into_iter().filter(|child| !child.done());
            left.for_each(|child| self.added.push(child));
        }
        many
    }

    /// Cancels those in the list of a group that is gone.
    fn stop_listed(&self) {
        for child in self.added.take_all() {
            child.request(Some(STOPS.into()), child.spawned_at());
        }
    }
}

pin_project! {
    /// The body of a child.
    pub(super) struct Child<F, E>
    where
        E: Send,
        E: 'static,
    {
        // None in the end.
        #[pin]
        future: Option<F>,
        raise: Option<Raising>,
        // Last: the child has left when all else of it is gone.
        member: Member<E>,
    }

    impl<F, E> PinnedDrop for Child<F, E>
    where
        E: Send,
        E: 'static,
    {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let drop_it = AssertUnwindSafe(|| this.future.set(None));
            if let Err(payload) = catch_unwind(drop_it) {
                resume_unwind(this.member.panics(payload));
            }
        }
    }
}

impl<F, E: Send + 'static> Child<F, E> {
    pub(super) fn new(future: F, member: Member<E>) -> Self {
        Self { future: Some(future), raise: None, member }
    }
}

impl<F, E> Future for Child<F, E>
where
    F: Future,
    F::Output: GroupOutput<E>,
    E: Send + 'static,
{
    type Output = <F::Output as GroupOutput<E>>::Value;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.raise.is_some() {
            return Poll::Pending;
        }
        let future = this.future.as_pin_mut().expect("it is dropped with the child");
        let output = match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => output.split(),
            Err(payload) => resume_unwind(this.member.panics(payload)),
        };
        match output {
            Ok(value) => Poll::Ready(value),
            Err(error) => {
                this.member.group.errors.push(error);
                this.member.fails();
                let request = Cancelled::new("it failed, and its task group has the error");
                this.raise.insert(request.raising()).go();
                Poll::Pending
            }
        }
    }
}

/// Polls the body of a group; its panic is the group's to pass on, once the children have ended.
pub(super) fn poll_caught<F: Future>(
    body: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<thread::Result<F::Output>> {
    let polled = catch_unwind(AssertUnwindSafe(|| body.poll(cx)));
    polled.map_or_else(|payload| Poll::Ready(Err(payload)), |ready| ready.map(Ok))
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;

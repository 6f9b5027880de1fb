//! A child of a task group: how it comes to the group, and how it leaves.
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread;

use pin_project_lite::pin_project;

use super::{Group, GroupOutput, STOPS};
use crate::cancel::Raising;
use crate::error::Cancelled;
use crate::scheduler::worker::hops;

/// A child that was admitted and is on its way to the group's list.
pub(super) struct Adding<'a, E>(pub(super) &'a Group<E>);

impl<E> Drop for Adding<'_, E> {
    fn drop(&mut self) {
        if self.0.roster.added() {
            // The group was dropped meanwhile, and has perhaps not seen the child.
            for child in self.0.added.take_all() {
                child.request(Some(STOPS.into()), child.spawned_at());
            }
        }
    }
}

/// A child's place in its group; given back however the child ends, before its task is done.
pub(super) struct Member<E: Send + 'static>(pub(super) Arc<Group<E>>);

impl<E: Send + 'static> Drop for Member<E> {
    fn drop(&mut self) {
        self.0.roster.leave_or(|| self.lingers());
    }
}

impl<E: Send + 'static> Member<E> {
    /// On a single loop the last child leaves in the next turn: asyncio's group hears of an end by a
    /// done-callback.
    fn lingers(&self) -> bool {
        hops::next_turn(|| {
            self.0.roster.linger();
            self.0.clone().into()
        })
    }
}

/// The turn of a child that has lingered.
impl<E: Send + 'static> Wake for Group<E> {
    fn wake(self: Arc<Self>) {
        self.roster.leave();
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
                resume_unwind(this.member.0.panicked_in_child(payload));
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
        let group = &this.member.0;
        let future = this.future.as_pin_mut().expect("it is dropped with the child");
        let output = match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => output.split(),
            Err(payload) => resume_unwind(group.panicked_in_child(payload)),
        };
        match output {
            Ok(value) => Poll::Ready(value),
            Err(error) => {
                group.errors.push(error);
                group.roster.abort();
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

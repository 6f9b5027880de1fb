//! [`CancelToken`]: a tree of flags.
//!
//! Each poll is a call of its own, see [`Recorder::poll_for_a_while`]. Promises less than one step
//! each:
//!
//! - A cancel sets the flag of its token, then those below, and wakes; nobody sees a flag set whose
//!   parents' are not because of that cancel.
//! - Where the flag was set before, that call returns at once; the first one may still be at it.

use super::checker::Spec;
use super::record::{Recorder, run};
use corio_sync::CancelToken;

/// Tokens that all threads share, each the child of the one before; then the threads' own.
const SHARED: u64 = 3;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Flag {
    Clear,
    /// By this call, which has not told all below yet.
    Set(u64),
    Told,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Node {
    id: u64,
    parent: Option<u64>,
    flag: Flag,
}

/// Tokens, parents before their children.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Tree(Vec<Node>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A call cancels a token.
    Cancel(u64, u64),
    /// The call has told all that it has to tell.
    Told(u64),
    Child(u64, u64),
    IsCancelled(u64, bool),
    /// Who waits for this token was not woken.
    Asleep(u64),
}

impl Tree {
    pub fn new() -> Self {
        let node = |id: u64| Node { id, parent: id.checked_sub(1), flag: Flag::Clear };
        Self((0..SHARED).map(node).collect())
    }

    fn node(&mut self, id: u64) -> &mut Node {
        self.0.iter_mut().find(|node| node.id == id).expect("a token is recorded before its uses")
    }

    fn flag(&self, id: u64) -> Flag {
        self.clone().node(id).flag
    }

    /// Whether the flag may be set by now: whoever set one above is on its way down.
    fn reach(&mut self, id: u64) -> bool {
        if self.flag(id) != Flag::Clear {
            return true;
        }
        let Some(parent) = self.node(id).parent else { return false };
        self.reach(parent) && {
            self.node(id).flag = self.flag(parent);
            true
        }
    }

    /// The call has been everywhere below what it set.
    fn told(&mut self, call: u64) {
        for at in 0..self.0.len() {
            let above = self.0[at].parent.map(|parent| self.flag(parent));
            let reached = self.0[at].flag == Flag::Clear && above == Some(Flag::Set(call));
            if reached {
                self.0[at].flag = Flag::Set(call);
            }
        }
        for node in self.0.iter_mut().filter(|node| node.flag == Flag::Set(call)) {
            node.flag = Flag::Told;
        }
    }
}

impl Spec for Tree {
    type Step = Token;

    fn step(&self, step: &Token) -> Option<Self> {
        let mut next = self.clone();
        let legal = match *step {
            Token::Cancel(call, id) => {
                if self.flag(id) == Flag::Clear {
                    next.node(id).flag = Flag::Set(call);
                }
                true
            }
            Token::Told(call) => {
                next.told(call);
                true
            }
            Token::Child(id, parent) => {
                let set = self.flag(parent) != Flag::Clear;
                let flag = if set { Flag::Told } else { Flag::Clear };
                next.0.push(Node { id, parent: Some(parent), flag });
                true
            }
            Token::IsCancelled(id, true) => next.reach(id),
            Token::IsCancelled(id, false) => self.flag(id) == Flag::Clear,
            Token::Asleep(id) => self.flag(id) != Flag::Told,
        };
        legal.then_some(next)
    }
}

fn look(token: &CancelToken, id: u64, r: &mut Recorder<Token>) {
    r.call(|_| (vec![Token::IsCancelled(id, token.is_cancelled())], ()));
}

fn wait(token: &CancelToken, id: u64, r: &mut Recorder<Token>) {
    let mut future = Box::pin(token.cancelled());
    let steps = |output: Option<&()>| vec![Token::IsCancelled(id, output.is_some())];
    r.poll_for_a_while(future.as_mut(), steps, || vec![Token::Asleep(id)]);
    r.call(|_| (Vec::new(), drop(future)));
}

pub fn tokens(seed: u64) -> usize {
    type Tokens = [CancelToken; SHARED as usize];
    fn cancel(token: &CancelToken, id: u64, r: &mut Recorder<Token>) {
        r.call(|r| (vec![Token::Cancel(r.id(), id), Token::Told(r.id())], token.cancel()));
    }
    fn call(tokens: &Tokens, r: &mut Recorder<Token>) {
        let id = r.random.below(SHARED);
        let token = &tokens[id as usize];
        match r.random.below(8) {
            0 => cancel(token, id, r),
            1 => look(token, id, r),
            2..5 => wait(token, id, r),
            _ => {
                let own = r.next_id() + SHARED;
                let child = r.call(|_| (vec![Token::Child(own, id)], token.child()));
                wait(&child, own, r);
                if r.random.below(4) == 0 {
                    cancel(&child, own, r);
                    look(&child, own, r);
                }
            }
        }
    }
    let root = CancelToken::new();
    let child = root.child();
    let grandchild = child.child();
    run(seed, Tree::new(), [root, child, grandchild], call, |tokens, r| {
        (0..SHARED).for_each(|id| look(&tokens[id as usize], id, r));
    })
}

#[cfg(test)]
mod tests {
    use super::super::checker::{Call, explained};
    use super::*;

    fn told(history: &[(u64, u64, Token)]) -> bool {
        let thread = |(start, end, step): &(u64, u64, Token)| {
            let told =
                if let Token::Cancel(call, _) = step { Some(Token::Told(*call)) } else { None };
            let steps = [Some(step.clone()), told].into_iter().flatten().collect();
            vec![Call { start: *start, end: *end, steps }]
        };
        explained(&Tree::new(), &history.iter().map(thread).collect::<Vec<_>>())
    }

    #[test]
    fn a_cancel_goes_down_and_not_up() {
        let cancel = (1, 2, Token::Cancel(9, 1));
        assert!(told(&[cancel.clone(), (3, 4, Token::IsCancelled(2, true))]));
        assert!(!told(&[cancel.clone(), (3, 4, Token::IsCancelled(2, false))]));
        assert!(told(&[cancel.clone(), (3, 4, Token::IsCancelled(0, false))]));
        assert!(!told(&[cancel.clone(), (3, 4, Token::IsCancelled(0, true))]));
        assert!(!told(&[cancel, (3, 4, Token::Asleep(2))]));
    }

    #[test]
    fn a_cancel_goes_down_in_order() {
        let looks = |first, second| {
            let first = (2, 3, Token::IsCancelled(first, true));
            told(&[(1, 9, Token::Cancel(9, 0)), first, (4, 5, Token::IsCancelled(second, false))])
        };
        assert!(looks(0, 2), "on its way");
        assert!(!looks(2, 1), "has come by there");
    }

    #[test]
    fn a_second_cancel_does_not_wait_for_the_first() {
        let (first, second) = ((1, 9, Token::Cancel(8, 0)), (2, 3, Token::Cancel(9, 0)));
        assert!(told(&[first, second.clone(), (4, 5, Token::IsCancelled(1, false))]));
        assert!(!told(&[second, (4, 5, Token::IsCancelled(1, false))]));
    }
}

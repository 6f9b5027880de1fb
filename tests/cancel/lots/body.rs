//! Bodies as values: made by lot, and made smaller.

use corio_tests::Random;

/// What is inside of a body.
pub type Part = Box<Body>;

/// A body. Times are in milliseconds.
#[derive(Clone, Debug)]
pub enum Body {
    Sleep(u64),
    Yield,
    /// Cancels the task that it is in.
    Cancel,
    /// A limit inside a mask, which nothing else ends.
    Nap(u64),
    Pending,
    Event,
    Timeout(u64, Part),
    /// A limit, which after the second time is moved to the third one from then.
    Moved(u64, u64, u64, Part),
    Group(Group),
    /// A mask around a limit.
    Mask(u64, Part),
    Catch(Part, Part, Answer),
    OnCancel(Part, Part),
    Finally(Part, Part),
    Both(Part, Part),
    Join(Part, Part),
    Select(Part, Part),
    Unordered(Part, Part),
    Then(Part, Part),
    Await(Part),
    AwaitFor(u64, Part),
    Gather(Part, Part),
    Shield(Part),
    Race(u64, Part, Part),
    /// A task that cancels the one which awaits it.
    Parent(Part),
    /// A task whose handle is awaited twice, the first time for so long.
    Twice(u64, Part),
    /// The first one is polled for so long, kept while the second one is awaited, and then goes on. It may
    /// have taken a cancel, so the second one ends by itself.
    Kept(u64, Part, Part),
}

/// A task group.
#[derive(Clone, Debug)]
pub struct Group {
    pub body: Part,
    pub children: Vec<Child>,
    /// The body cancels it when it is over.
    pub stops: bool,
}

#[derive(Clone, Debug)]
pub struct Child {
    pub body: Body,
    pub end: End,
}

/// What a child does when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Ends,
    Fails,
    /// It cancels its group.
    Stops,
}

/// What code makes of a cancel that it has caught, when it has cleaned up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Raise,
    Suppress,
    Drop,
}

/// Makes bodies by lot.
#[derive(Clone)]
pub struct Maker(Random);

impl Maker {
    pub const fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0.below(limit)
    }

    pub fn short(&mut self) -> u64 {
        self.below(5) as u64
    }

    /// One that ends by itself.
    fn finite(&mut self) -> Body {
        let nap = self.short();
        match self.below(3) {
            0 => Body::Sleep(nap),
            1 => Body::Yield,
            _ => Body::Nap(nap),
        }
    }

    fn leaf(&mut self) -> Body {
        match self.below(10) {
            0..3 => self.finite(),
            3 => Body::Cancel,
            4..7 => Body::Pending,
            _ => Body::Event,
        }
    }

    fn part(&mut self, depth: u32) -> Part {
        Box::new(self.body(depth))
    }

    fn two(&mut self, depth: u32) -> (Part, Part) {
        (self.part(depth), self.part(depth))
    }

    /// One that is so deep at most.
    pub fn body(&mut self, depth: u32) -> Body {
        let Some(depth) = depth.checked_sub(1) else { return self.leaf() };
        let limit = self.short();
        let kind = self.below(21);
        match kind {
            0 => self.leaf(),
            1 | 2 => Body::Timeout(limit, self.part(depth)),
            3 => Body::Moved(self.short(), self.short(), self.short(), self.part(depth)),
            4 | 5 => Body::Group(self.group(depth)),
            6 => Body::Mask(limit, self.part(depth)),
            7 | 8 => self.catch(depth),
            9 => Body::OnCancel(self.part(depth), Box::new(self.finite())),
            10 => Body::Finally(self.part(depth), Box::new(self.finite())),
            15 => self.task(depth),
            16 => {
                let (a, b) = self.two(depth);
                Body::Race(self.short(), a, b)
            }
            18 => Body::Parent(self.part(depth)),
            19 => Body::Twice(limit, self.part(depth)),
            20 => Body::Kept(limit, self.part(depth), Box::new(self.finite())),
            kind => {
                let (a, b) = self.two(depth);
                match kind {
                    11 => Body::Both(a, b),
                    12 => Body::Join(a, b),
                    13 => Body::Select(a, b),
                    14 => Body::Unordered(a, b),
                    _ => Body::Then(a, b),
                }
            }
        }
    }

    fn group(&mut self, depth: u32) -> Group {
        let body = self.part(depth);
        let children = (0..self.below(3))
            .map(|_| {
                let body = self.body(depth);
                let end = match self.below(5) {
                    0..2 => End::Ends,
                    2..4 => End::Fails,
                    _ => End::Stops,
                };
                Child { body, end }
            })
            .collect();
        Group { body, children, stops: self.below(3) == 0 }
    }

    fn catch(&mut self, depth: u32) -> Body {
        let (inside, cleanup) = (self.part(depth), Box::new(self.finite()));
        let answer = match self.below(3) {
            0 => Answer::Raise,
            1 => Answer::Suppress,
            _ => Answer::Drop,
        };
        Body::Catch(inside, cleanup, answer)
    }

    fn task(&mut self, depth: u32) -> Body {
        let (body, kind, beside) = (self.part(depth), self.below(4), self.part(depth));
        match kind {
            0 => Body::Await(body),
            1 => Body::AwaitFor(3, body),
            2 => Body::Gather(body, beside),
            _ => Body::Shield(body),
        }
    }
}

/// Smaller ones.
impl Body {
    /// What a body is made of.
    fn parts(&mut self) -> Vec<&mut Self> {
        match self {
            Self::Sleep(_)
            | Self::Yield
            | Self::Cancel
            | Self::Nap(_)
            | Self::Pending
            | Self::Event => Vec::new(),
            Self::Timeout(_, a)
            | Self::Moved(_, _, _, a)
            | Self::Mask(_, a)
            | Self::Await(a)
            | Self::AwaitFor(_, a)
            | Self::Shield(a)
            | Self::Parent(a)
            | Self::Twice(_, a) => vec![a],
            Self::Group(group) => {
                let children = group.children.iter_mut().map(|child| &mut child.body);
                std::iter::once(&mut *group.body).chain(children).collect()
            }
            Self::Catch(a, b, _)
            | Self::OnCancel(a, b)
            | Self::Finally(a, b)
            | Self::Both(a, b)
            | Self::Join(a, b)
            | Self::Select(a, b)
            | Self::Unordered(a, b)
            | Self::Then(a, b)
            | Self::Gather(a, b)
            | Self::Kept(_, a, b)
            | Self::Race(_, a, b) => vec![a, b],
        }
    }

    fn times(&mut self) -> Vec<&mut u64> {
        match self {
            Self::Sleep(time) | Self::Nap(time) => vec![time],
            Self::Timeout(time, _)
            | Self::Mask(time, _)
            | Self::AwaitFor(time, _)
            | Self::Twice(time, _)
            | Self::Kept(time, ..)
            | Self::Race(time, ..) => vec![time],
            Self::Moved(limit, nap, to, _) => vec![limit, nap, to],
            _ => Vec::new(),
        }
    }

    /// What it costs to read.
    fn cost(&self) -> u64 {
        let mut copy = self.clone();
        let own = match &copy {
            Self::Pending => 20,
            Self::Yield => 21,
            Self::Sleep(_) => 22,
            Self::Event => 23,
            Self::Cancel => 24,
            Self::Group(group) => {
                let fails =
                    group.children.iter().filter(|child| child.end != End::Ends).count() as u64;
                50 + 5 * (fails + u64::from(group.stops))
            }
            Self::Unordered(..)
            | Self::Gather(..)
            | Self::Race(..)
            | Self::Moved(..)
            | Self::Parent(_)
            | Self::Twice(..) => 60,
            Self::Kept(..) => 62,
            Self::Join(..) | Self::Finally(..) => 52,
            Self::Catch(_, _, answer) => 50 + u64::from(*answer != Answer::Raise),
            _ => 50,
        };
        let times: u64 = copy.times().iter().map(|time| **time).sum();
        own + times + copy.parts().iter().map(|part| part.cost()).sum::<u64>()
    }

    /// It with something else in place of the part of that number.
    fn with_part(&self, index: usize, part: Self) -> Self {
        let mut copy = self.clone();
        *copy.parts()[index] = part;
        copy
    }

    /// Itself, changed in one place.
    fn changed(&self) -> Vec<Self> {
        let mut copy = self.clone();
        let mut all: Vec<_> = copy.parts().into_iter().map(|part| part.clone()).collect();
        all.extend([Self::Pending, Self::Yield, Self::Sleep(0)]);
        match copy.clone() {
            Self::Unordered(a, b) | Self::Gather(a, b) | Self::Race(_, a, b) => {
                all.extend([Self::Both(a.clone(), b.clone()), Self::Join(a, b)]);
            }
            Self::Kept(_, a, b) => all.push(Self::Then(a, b)),
            Self::Parent(a) | Self::Twice(_, a) => all.push(Self::Await(a)),
            Self::Join(a, b) => all.push(Self::Both(a, b)),
            Self::Finally(a, b) => all.push(Self::OnCancel(a, b)),
            Self::Moved(limit, _, _, a) => all.push(Self::Timeout(limit, a)),
            Self::Nap(time) => all.push(Self::Sleep(time)),
            Self::Catch(a, b, _) => {
                all.extend([
                    Self::OnCancel(a.clone(), b.clone()),
                    Self::Catch(a, b, Answer::Raise),
                ]);
            }
            Self::Group(group) => {
                all.push(Self::Group(Group { stops: false, ..group.clone() }));
                for index in 0..group.children.len() {
                    let (mut without, mut ends) = (group.clone(), group.clone());
                    without.children.remove(index);
                    ends.children[index].end = End::Ends;
                    all.extend([Self::Group(without), Self::Group(ends)]);
                }
            }
            _ => {}
        }
        for index in 0..copy.times().len() {
            let mut sooner = copy.clone();
            let time = &mut *sooner.times()[index];
            *time = time.saturating_sub(1);
            all.push(sooner);
        }
        all
    }

    /// True if it may be a clean-up: it ends by itself.
    const fn is_finite(&self) -> bool {
        matches!(self, Self::Sleep(_) | Self::Yield | Self::Nap(_))
    }

    /// Those that differ from it in one place.
    fn near(&self) -> Vec<Self> {
        let mut all = self.changed();
        for (index, part) in self.clone().parts().into_iter().enumerate() {
            all.extend(part.near().into_iter().map(|part| self.with_part(index, part)));
        }
        all.retain(|body| match body {
            Self::Catch(_, last, _)
            | Self::OnCancel(_, last)
            | Self::Finally(_, last)
            | Self::Kept(_, _, last) => last.is_finite(),
            _ => true,
        });
        all
    }

    /// The smallest one that fails, going from one to the next.
    pub fn minimal(mut self, fails: impl Fn(&Self) -> bool) -> Self {
        loop {
            let cost = self.cost();
            let smaller = self.near().into_iter().filter(|body| body.cost() < cost);
            let mut smaller: Vec<_> = smaller.collect();
            smaller.sort_by_key(Self::cost);
            match smaller.into_iter().find(&fails) {
                Some(body) => self = body,
                None => return self,
            }
        }
    }
}

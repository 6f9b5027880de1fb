//! The exact level: the deadlines of the current millisecond in the order of their nanoseconds.
//!
//! A binary heap by (deadline, order of arrival) that tells each node where it stands, so that a
//! removal finds it. A removed deadline leaves at once: marking it dead and popping it later would
//! let a worker that never looks at its timers pile up the cancelled ones.

/// One deadline in the heap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) deadline: u64,
    /// Counts arrivals: equal deadlines leave in the order in which they came.
    order: u64,
    node: u32,
}

impl Item {
    #[inline]
    fn is_before(&self, other: &Item) -> bool {
        (self.deadline, self.order) < (other.deadline, other.order)
    }
}

/// The heap. Its methods report each node whose position changed as `moved(node, position)`.
#[derive(Debug)]
pub(super) struct Exact {
    items: Vec<Item>,
    arrivals: u64,
}

impl Exact {
    pub(super) const fn new() -> Self {
        Self { items: Vec::new(), arrivals: 0 }
    }

    /// The earliest deadline.
    #[inline]
    pub(super) fn first(&self) -> Option<&Item> {
        self.items.first()
    }

    pub(super) fn push(&mut self, node: u32, deadline: u64, moved: impl FnMut(u32, u32)) {
        let order = self.arrivals;
        self.arrivals += 1;
        self.items.push(Item { deadline, order, node });
        self.sift_up(self.items.len() - 1, moved);
    }

    /// Removes the earliest deadline and names its node.
    pub(super) fn pop(&mut self, moved: impl FnMut(u32, u32)) -> Option<u32> {
        let node = self.items.first()?.node;
        self.remove(0, moved);
        Some(node)
    }

    /// Removes the deadline at a position.
    pub(super) fn remove(&mut self, position: u32, moved: impl FnMut(u32, u32)) {
        let position = position as usize;
        let removed = self.items.swap_remove(position);
        let Some(replacement) = self.items.get(position) else { return };
        // The last item took its place. It came from another branch, so it may belong either way.
        if replacement.is_before(&removed) {
            self.sift_up(position, moved);
        } else {
            self.sift_down(position, moved);
        }
    }

    fn sift_up(&mut self, mut at: usize, mut moved: impl FnMut(u32, u32)) {
        let item = self.items[at];
        while at > 0 {
            let parent = (at - 1) / 2;
            if !item.is_before(&self.items[parent]) {
                break;
            }
            self.items[at] = self.items[parent];
            moved(self.items[at].node, at as u32);
            at = parent;
        }
        self.items[at] = item;
        moved(item.node, at as u32);
    }

    fn sift_down(&mut self, mut at: usize, mut moved: impl FnMut(u32, u32)) {
        let item = self.items[at];
        loop {
            let left = 2 * at + 1;
            let right = left + 1;
            let Some(&first) = self.items.get(left) else { break };
            let (child, child_at) = match self.items.get(right) {
                Some(&second) if second.is_before(&first) => (second, right),
                _ => (first, left),
            };
            if !child.is_before(&item) {
                break;
            }
            self.items[at] = child;
            moved(child.node, at as u32);
            at = child_at;
        }
        self.items[at] = item;
        moved(item.node, at as u32);
    }
}

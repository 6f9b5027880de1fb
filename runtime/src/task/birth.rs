//! What a spawn says of the task that it makes.

use std::panic::Location;

use super::awaited::Awaiter;
use super::ext::TaskExt;

/// What a task is born with.
#[derive(Debug)]
pub(crate) struct Birth {
    pub(crate) spawned_at: &'static Location<'static>,
    /// Name and context, if the spawner gave any; the cell takes it. A task without gets a copy of its spawner's context.
    pub(crate) ext: Option<Box<TaskExt>>,
    /// Who awaits it through a composition, from the beginning.
    pub(crate) awaiter: Awaiter,
}

impl From<&'static Location<'static>> for Birth {
    #[inline]
    fn from(spawned_at: &'static Location<'static>) -> Self {
        Self { spawned_at, ext: None, awaiter: Awaiter::none() }
    }
}

impl Birth {
    /// What the cell takes.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        Self { spawned_at: self.spawned_at, ext: self.ext.take(), awaiter: self.awaiter }
    }
}

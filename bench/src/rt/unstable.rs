//! tokio's unstable options.

use std::fmt;

/// A set of tokio's unstable options.
///
/// Each helps some workloads and costs others, so each row names the set that serves it best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unstable {
    /// `enable_alt_timer`: timers by worker.
    pub alt_timer: bool,
    /// `enable_eager_driver_handoff`: another worker polls while this one runs tasks.
    pub handoff: bool,
    /// `enable_sharded_blocking_queue`: no single lock around `spawn_blocking`.
    pub sharded: bool,
    /// `disable_lifo_slot`: what a task wakes can be stolen at once.
    pub no_lifo: bool,
}

impl Unstable {
    /// None of them.
    pub const NONE: Self =
        Self { alt_timer: false, handoff: false, sharded: false, no_lifo: false };

    /// Reads names such as `handoff+nolifo`; `None` when one of them is none.
    pub fn parse(names: &str) -> Option<Self> {
        let mut set = Self::NONE;
        for name in names.split('+') {
            match name {
                "alt_timer" => set.alt_timer = true,
                "handoff" => set.handoff = true,
                "sharded" => set.sharded = true,
                "nolifo" => set.no_lifo = true,
                _ => return None,
            }
        }
        Some(set)
    }
}

/// The names of tokio's own builder methods.
impl fmt::Display for Unstable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods = [
            (self.alt_timer, "enable_alt_timer"),
            (self.handoff, "enable_eager_driver_handoff"),
            (self.sharded, "enable_sharded_blocking_queue"),
            (self.no_lifo, "disable_lifo_slot"),
        ];
        let on: Vec<_> = methods.into_iter().filter_map(|(on, name)| on.then_some(name)).collect();
        f.write_str(&on.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_methods() {
        let all = Unstable::parse("alt_timer+handoff+sharded+nolifo").unwrap();
        assert_eq!(
            all.to_string(),
            "enable_alt_timer, enable_eager_driver_handoff, enable_sharded_blocking_queue, \
             disable_lifo_slot"
        );
        assert_eq!(Unstable::parse("nolifo").unwrap().to_string(), "disable_lifo_slot");
        assert_eq!(Unstable::parse("handoff+"), None);
    }
}

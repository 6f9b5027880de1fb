//! What a storm has at hand: a runtime with settings drawn by lot, and the books.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use corio::{Builder, Runtime, TaskError};
use corio_tests::kit::{Ledger, Token};
use corio_tests::{Random, eventually};

/// The name of every runtime here, and so of its threads.
pub const NAME: &str = "gale";

/// The message of the panics that tasks draw by lot.
pub const PANIC: &str = "by lot";

/// The books of one runtime's life.
#[derive(Clone)]
pub struct Books {
    /// Bodies: one token each, from spawn to end.
    pub bodies: Ledger,
    /// Outputs: one token for each body that reached its end.
    pub outputs: Ledger,
    pub ended: Arc<[AtomicUsize; 3]>,
}

/// How a body ended, as its awaiter saw it.
#[derive(Clone, Copy, Debug)]
pub enum End {
    Value = 0,
    Cancelled = 1,
    Panicked = 2,
}

/// One runtime's settings and books.
pub struct World {
    pub books: Books,
    pub workers: usize,
    stealing: bool,
    lifo_slot: bool,
    budget: u32,
    watch: bool,
}

impl World {
    pub fn new(random: &mut Random) -> Self {
        Self {
            books: Books { bodies: Ledger::new(), outputs: Ledger::new(), ended: Arc::default() },
            workers: 1 + random.below(4),
            stealing: random.below(4) > 0,
            lifo_slot: random.below(4) > 0,
            budget: [1, 2, 128][random.below(3)],
            watch: random.below(4) > 0,
        }
    }

    pub fn builder(&self) -> Builder {
        Builder::new()
            .name(NAME)
            .workers(self.workers)
            .stealing(self.stealing)
            .lifo_slot(self.lifo_slot)
            .poll_budget(self.budget)
            .watch(self.watch)
            .shutdown_timeout(Duration::from_secs(60))
    }

    pub fn runtime(&self) -> Runtime {
        self.builder().build().expect("a runtime")
    }

    /// Balances the books of a runtime that is gone.
    pub fn settle(&self, storm: &str) {
        let Books { bodies, outputs, .. } = &self.books;
        eventually(&format!("{storm}: the drop of every body and output"), || {
            (bodies.live() == 0 && outputs.live() == 0).then_some(())
        });
        assert_eq!(bodies.made(), bodies.dropped(), "{storm}: a body was dropped twice");
        assert_eq!(outputs.made(), outputs.dropped(), "{storm}: an output was dropped twice");
        assert!(outputs.made() <= bodies.made(), "{storm}: a body ended twice");
        let seen: usize = self.books.ended.iter().map(|n| n.load(Ordering::Relaxed)).sum();
        assert!(seen <= bodies.made(), "{storm}: {seen} ends of {} bodies", bodies.made());
    }
}

impl Books {
    /// Notes how an awaited task ended.
    pub fn note(&self, result: Result<&Token, &TaskError>) -> End {
        let end = match result {
            Ok(_) => End::Value,
            Err(error) if error.is_panic() => {
                assert_eq!(error.panic_message(), Some(PANIC));
                End::Panicked
            }
            Err(_) => End::Cancelled,
        };
        self.ended[end as usize].fetch_add(1, Ordering::Relaxed);
        end
    }
}

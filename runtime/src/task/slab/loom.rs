//! Models of the slab: two slots per page, two pages per chunk, two classes.
use std::cell::Cell;

use corio_sync::model;
use corio_sync::shim::atomic::AtomicUsize;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::{Ordering, thread};

use super::SharedArenas;
use super::support::{Tag, TestArena, TestCell};

thread_local! {
    /// Arenas that exist; a model's threads all run on one thread of the system.
    static ARENAS: Cell<isize> = const { Cell::new(0) };
}

pub(super) fn count_arena(change: isize) {
    ARENAS.with(|arenas| arenas.set(arenas.get() + change));
}

/// Runs `body` and asserts that it leaves no arena behind.
fn without_leak(body: impl FnOnce()) {
    ARENAS.with(|arenas| arenas.set(0));
    body();
    assert_eq!(ARENAS.with(Cell::get), 0, "arenas left, or freed twice");
}

fn end(arena: TestArena, tag: &Arc<Tag>) {
    arena.close();
    arena.unlist();
    assert_eq!(tag.deaths(), 1, "deaths of an arena without cells");
}

model! {
    /// What two threads free, the owner uses again: after they are done with it, each cell once.
    slab_remote_free(threads = 3, bound = 3, claim = "remotely freed cells reach the owner once, after their last use") {
        without_leak(|| {
            let tag = Tag::new();
            let arena = TestArena::new(0, &tag);
            let threads = [1, 2].map(|payload| {
                let cell = arena.alloc(0, 0);
                thread::spawn(move || {
                    cell.write(payload);
                    cell.release(None);
                })
            });
            let early = arena.alloc(0, 7);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            let late = [arena.alloc(0, 8), arena.alloc(0, 9)];
            assert!(late[0] != late[1] && !late.contains(&early), "a cell was handed out twice");
            assert_eq!(early.read() + late[0].read() + late[1].read(), 24);
            for cell in [early, late[0], late[1]] {
                arena.free(cell);
            }
            assert_eq!(arena.live(), 0, "a cell was lost");
            end(arena, &tag);
        });
    }
}

model! {
    /// Closing against two late frees: one of the three lets the arena die.
    slab_close(threads = 3, bound = 3, claim = "a closed arena dies once, after its last cell, whoever frees it") {
        without_leak(|| {
            let tag = Tag::new();
            let arena = TestArena::new(0, &tag);
            let threads = [0, 1].map(|user| {
                let cell = arena.alloc(0, 0);
                let tag = tag.clone();
                thread::spawn(move || {
                    tag.trace(user);
                    drop(tag);
                    cell.release(None);
                })
            });
            arena.unlist();
            arena.close();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(tag.deaths(), 1);
        });
    }
}

model! {
    /// The last cell is freed while the list of arenas is given up, after a last walk.
    slab_unlist(threads = 2, bound = 3, claim = "a dead and unlisted arena is freed once, after the last walk") {
        without_leak(|| {
            let tag = Tag::new();
            let arena = TestArena::new(0, &tag);
            let cell = arena.alloc(0, 0);
            let thread = thread::spawn(move || cell.release(None));
            tag.trace(0);
            arena.close();
            arena.walk(None, |_| ());
            arena.unlist();
            thread.join().unwrap();
            assert_eq!(tag.deaths(), 1);
        });
    }
}

model! {
    /// A walker takes references while the owner allocates, drops the last one and reuses.
    slab_walk_reuse(threads = 2, bound = 3, claim = "a walker's reference is to a live task, however slots are reused") {
        without_leak(|| {
            let tag = Tag::new();
            let arena = TestArena::new(0, &tag);
            let walker = thread::spawn(move || {
                arena.walk(None, |cell| assert!([5, 6].contains(&cell.read()), "a dead task"));
            });
            let cell = arena.alloc(0, 5);
            arena.free(cell);
            let cell = arena.alloc(0, 6);
            walker.join().unwrap();
            assert_eq!(cell.read(), 6);
            arena.free(cell);
            end(arena, &tag);
        });
    }
}

/// An arena with an empty page of class 0 in its pool, and one cell that is still out.
fn pooled(tag: &Arc<Tag>) -> (TestArena, TestCell) {
    let arena = TestArena::new(0, tag);
    let [first, second, third] = [1, 2, 3].map(|payload| arena.alloc(0, payload));
    arena.free(first);
    arena.free(second);
    (arena, third)
}

fn walk_states(arena: TestArena) {
    arena.walk(None, |cell| assert_ne!(cell.state().load(Ordering::Relaxed), 0));
}

model! {
    /// Another class takes a page under a walker.
    slab_walk_carve(threads = 2, bound = 3, claim = "no page changes its class under a walker that knows it") {
        without_leak(|| {
            let tag = Tag::new();
            let (arena, cell) = pooled(&tag);
            let walker = thread::spawn(move || walk_states(arena));
            let other = arena.alloc(1, 0);
            assert_ne!(other, cell);
            arena.free(other);
            walker.join().unwrap();
            arena.free(cell);
            end(arena, &tag);
        });
    }
}

model! {
    /// A page is given back under a walker, and carved again.
    slab_walk_trim(threads = 2, bound = 3, claim = "no page is given back under a walker that knows it, and none is lost") {
        without_leak(|| {
            let tag = Tag::new();
            let (arena, cell) = pooled(&tag);
            let walker = thread::spawn(move || walk_states(arena));
            let given = arena.trim();
            let other = arena.alloc(1, 0);
            walker.join().unwrap();
            assert!(given + arena.trim() <= 1, "one page was empty");
            arena.free(other);
            arena.free(cell);
            end(arena, &tag);
        });
    }
}

model! {
    /// A page is given back only after a walk, though it was retired during it.
    slab_walk_postponed(threads = 2, bound = 3, claim = "a retired page waits until its walkers left") {
        without_leak(|| {
            let tag = Tag::new();
            let (arena, cell) = pooled(&tag);
            let walker = thread::spawn(move || walk_states(arena));
            let others = [arena.alloc(1, 0), arena.alloc(1, 0), arena.alloc(1, 0)];
            assert!(others[0] != others[1] && others[1] != others[2]);
            others.into_iter().for_each(|cell| arena.free(cell));
            walker.join().unwrap();
            arena.free(cell);
            end(arena, &tag);
        });
    }
}

/// Shared arenas of a model, with the tag that all of them get.
struct Shared {
    list: SharedArenas,
    tag: Arc<Tag>,
    /// Arenas that were made, listed or not.
    tags: AtomicUsize,
}

impl Shared {
    fn new() -> Arc<Self> {
        // SAFETY: the tag may die anywhere.
        let list = unsafe { SharedArenas::new(0, Tag::on_free_untraced) };
        Arc::new(Self { list, tag: Tag::new(), tags: AtomicUsize::new(0) })
    }

    /// Allocates in whichever arena is free; `None` once closed.
    fn alloc(&self, payload: u64) -> Option<TestCell> {
        let tag = || {
            self.tags.fetch_add(1, Ordering::Relaxed);
            Tag::hand_out(&self.tag)
        };
        self.list.with(tag, |owner| TestArena(owner.arena()).alloc(0, payload))
    }

    fn arenas(&self) -> usize {
        let mut count = 0;
        self.list.for_each_arena(|_| count += 1);
        count
    }
}

model! {
    /// Threads claim, append, allocate and free at the same time.
    slab_shared_claim(threads = 3, bound = 2, claim = "a shared arena has one owner at a time, and none is appended in vain") {
        without_leak(|| {
            let shared = Shared::new();
            let threads = [1, 2].map(|payload| {
                let shared = shared.clone();
                thread::spawn(move || {
                    let cell = shared.alloc(payload).unwrap();
                    assert_eq!(cell.read(), payload);
                    cell
                })
            });
            let cells = threads.map(|thread| thread.join().unwrap());
            assert_ne!(cells[0], cells[1], "a cell was handed out twice");
            cells.into_iter().for_each(|cell| cell.release(None));
            let arenas = shared.arenas();
            assert!(arenas <= 2);
            shared.list.close();
            assert_eq!(shared.tag.deaths(), arenas);
            assert_eq!(shared.tags.load(Ordering::Relaxed), arenas);
            assert!(shared.alloc(3).is_none(), "allocated from a closed list");
        });
    }
}

model! {
    /// The list is closed while a thread claims an arena, or appends one.
    slab_shared_close(threads = 2, bound = 3, claim = "every shared arena is closed once, by the closing thread or its user") {
        without_leak(|| {
            let shared = Shared::new();
            if let Some(cell) = shared.alloc(0) {
                cell.release(None);
            }
            let user = {
                let shared = shared.clone();
                thread::spawn(move || {
                    if let Some(cell) = shared.alloc(1) {
                        cell.release(None);
                    }
                })
            };
            shared.list.close();
            user.join().unwrap();
            assert_eq!(shared.tag.deaths(), shared.tags.load(Ordering::Relaxed));
        });
    }
}

model! {
    /// The list is closed while a thread appends its first arena, and another looks at all.
    slab_shared_append(threads = 2, bound = 3, claim = "an arena that is appended to a closing list is closed too") {
        without_leak(|| {
            let shared = Shared::new();
            let user = {
                let shared = shared.clone();
                thread::spawn(move || {
                    if let Some(cell) = shared.alloc(1) {
                        cell.release(None);
                    }
                })
            };
            shared.list.for_each_arena(|arena| walk_states(TestArena(arena)));
            shared.list.close();
            user.join().unwrap();
            assert_eq!(shared.tag.deaths(), shared.tags.load(Ordering::Relaxed));
        });
    }
}

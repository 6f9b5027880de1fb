//! The slab against oracles, on real memory and real threads.
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Barrier, mpsc};
use std::thread;

use corio_sync::shim::Ordering::{AcqRel, Relaxed};
use corio_sync::shim::sync::Arc;
use proptest::prelude::*;

use super::page::WORN;
use super::support::{Tag, TestArena, TestCell};
use super::{CLASSES, MAX_CELL, SharedArenas, class_of, size_of_class};

fn arena() -> (TestArena, Arc<Tag>) {
    let tag = Tag::new();
    (TestArena::new(3, &tag), tag)
}

/// Ends an arena whose cells are all free.
fn end(arena: TestArena, tag: &Tag) {
    assert_eq!(arena.live(), 0);
    arena.close();
    arena.unlist();
    assert_eq!(tag.deaths(), 1);
}

/// A class of 96 B.
const BIG: u8 = 5;

#[test]
fn classes_cover_all_sizes() {
    assert_eq!((MAX_CELL, CLASSES), (2176, 46));
    for size in 0..=MAX_CELL {
        let class = class_of(size).unwrap();
        let bytes = size_of_class(class);
        assert!(bytes >= size && bytes % 16 == 0);
        assert!(class == 0 || size_of_class(class - 1) < size, "{size} fits a smaller class");
    }
    assert_eq!(class_of(MAX_CELL + 1), None);
}

#[derive(Clone, Debug)]
enum Step {
    Alloc(u8),
    /// Free the cell at this place among the live ones; remotely if the flag is set.
    Free(prop::sample::Index, bool),
    FreeAll(bool),
    Trim,
    Maintain(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        60 => (1..CLASSES as u8).prop_map(Step::Alloc),
        10 => Just(Step::Alloc(45)),
        40 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(i, r)| Step::Free(i, r)),
        1 => any::<bool>().prop_map(Step::FreeAll),
        3 => Just(Step::Trim),
        3 => (0..9usize, 0..3usize).prop_map(|(cells, pages)| Step::Maintain(cells, pages)),
    ]
}

/// Fills all of a cell behind its state word with a pattern of its address.
fn fill(cell: TestCell, class: u8) {
    for offset in (8..size_of_class(class)).step_by(8) {
        let word = cell.0.as_ptr().wrapping_byte_add(offset).cast::<usize>();
        // SAFETY: inside a cell that the test holds.
        unsafe { word.write(word.addr()) };
    }
}

fn check(cell: TestCell, class: u8) {
    for offset in (8..size_of_class(class)).step_by(8) {
        let word = cell.0.as_ptr().wrapping_byte_add(offset).cast::<usize>();
        // SAFETY: inside a cell that the test holds and has filled.
        let value = unsafe { word.read() };
        assert_eq!(value, word.addr(), "somebody wrote to a live cell");
    }
}

fn run(steps: Vec<Step>) {
    let (arena, tag) = arena();
    let mut live: Vec<(TestCell, u8)> = Vec::new();
    let mut ids = HashSet::new();
    let release = |(cell, class): (TestCell, u8), remote: bool| {
        check(cell, class);
        cell.release(if remote { None } else { Some(arena) });
    };
    for step in steps {
        match step {
            Step::Alloc(class) => {
                let cell = arena.alloc(class, 0);
                assert_eq!(cell.0.addr().get() % 16, 0);
                assert!(ids.insert(cell.id()), "an id was used twice: {:?}", cell.id());
                fill(cell, class);
                live.push((cell, class));
            }
            Step::Free(index, remote) if !live.is_empty() => {
                release(live.swap_remove(index.index(live.len())), remote);
            }
            Step::Free(..) => {}
            Step::FreeAll(remote) => live.drain(..).for_each(|cell| release(cell, remote)),
            Step::Trim => drop(arena.trim()),
            Step::Maintain(cells, pages) => drop(arena.maintain(cells, pages)),
        }
    }
    let mut seen = HashSet::new();
    arena.walk(Some(arena), |cell| assert!(seen.insert(cell.0), "a cell was visited twice"));
    assert_eq!(seen, live.iter().map(|(cell, _)| cell.0).collect(), "the walk found other cells");
    arena.trim();
    assert_eq!(arena.live(), live.len());
    live.drain(..).for_each(|cell| release(cell, true));
    arena.trim();
    end(arena, &tag);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn random_use_keeps_cells_apart(steps in prop::collection::vec(step(), 1..1500)) {
        run(steps);
    }
}

#[test]
fn freed_cells_are_used_again_and_ids_are_not() {
    let (arena, tag) = arena();
    let first = arena.alloc(BIG, 0);
    let id = first.id();
    assert_eq!((id.arena, id.slot, id.generation), (3, 0, 0));
    arena.free(first);
    let second = arena.alloc(BIG, 0);
    assert_eq!(first, second);
    assert_eq!(second.id().generation, 1);
    second.release(None);
    let third = arena.alloc(BIG, 0);
    assert_eq!(first, third, "a remote free comes back before a slot is carved");
    assert_eq!(third.id().generation, 2);
    arena.free(third);
    end(arena, &tag);
}

/// All cells of the pages that hold `count` cells of a class.
fn burst(arena: TestArena, class: u8, count: usize) -> Vec<TestCell> {
    (0..count).map(|_| arena.alloc(class, 0)).collect()
}

#[test]
fn an_empty_page_serves_another_class_and_keeps_its_generations() {
    let (arena, tag) = arena();
    let mut generations = HashMap::new();
    for class in [BIG, BIG + 1, BIG] {
        let cells = burst(arena, class, 3000);
        for id in cells.iter().map(|cell| cell.id()) {
            let last = generations.insert((id.page, id.slot), id.generation);
            assert!(last.is_none_or(|last| last < id.generation), "an id came again");
        }
        cells.into_iter().for_each(|cell| arena.free(cell));
    }
    let pages = generations.keys().map(|(page, _)| page).max().unwrap();
    // 3000 cells of 96 B are 5 pages, of 112 B 6; one page of each class is kept.
    assert!(*pages < 8, "pages were not used again: {pages}");
    end(arena, &tag);
}

#[test]
fn a_worn_slot_is_never_used_again() {
    let (arena, tag) = arena();
    let warm = arena.alloc(BIG, 0);
    // SAFETY: the test holds the cell.
    let page = unsafe { super::chunk::page_of(warm.0) };
    // SAFETY: the arena lives.
    let inner = unsafe { arena.0.as_ref() };
    let wear = |owner: &mut super::owner::Owner| page.set_generation(&mut owner.token, WORN - 1);
    // SAFETY: this thread owns it.
    unsafe { inner.with_owner(wear) };
    let cell = arena.alloc(BIG, 0);
    assert_eq!(cell.id().generation, WORN - 1);
    arena.free(cell);
    let next = arena.alloc(BIG, 0);
    assert_ne!(next, cell, "a worn slot was used again");
    let rest = burst(arena, BIG, 5000);
    let page = warm.id().page;
    for cell in rest.into_iter().chain([warm, next]) {
        arena.free(cell);
    }
    // Now other classes take all pages but the worn one.
    let others = burst(arena, BIG + 1, 5000);
    assert!(others.iter().all(|cell| cell.id().page != page), "a worn page was carved again");
    others.into_iter().for_each(|cell| arena.free(cell));
    end(arena, &tag);
}

#[test]
fn nothing_changes_its_class_or_is_given_back_under_a_walker() {
    let (arena, tag) = arena();
    let cells = burst(arena, BIG, 3000);
    let pages: HashSet<u32> = cells.iter().map(|cell| cell.id().page).collect();
    let kept = cells[0];
    let mut rest = Some(cells[1..].to_vec());
    let mut others = Vec::new();
    arena.walk(Some(arena), |_| {
        if let Some(rest) = rest.take() {
            rest.into_iter().for_each(|cell| arena.free(cell));
            assert_eq!(arena.trim(), 0, "memory was given back under a walker");
            others = burst(arena, BIG + 1, 3000);
            let taken = others.iter().filter(|cell| pages.contains(&cell.id().page)).count();
            assert_eq!(taken, 0, "a page changed its class under a walker");
        }
    });
    assert!(arena.trim() >= 2, "postponed pages were forgotten");
    others.into_iter().chain([kept]).for_each(|cell| arena.free(cell));
    end(arena, &tag);
}

#[test]
fn maintain_gives_back_what_was_idle_for_a_whole_period() {
    let (arena, tag) = arena();
    let cells = burst(arena, BIG, 10_000);
    cells.into_iter().for_each(|cell| cell.release(None));
    assert!(arena.maintain(100, 100), "cells are left to take in");
    while arena.maintain(100, 0) {
        // Zero pages: all idle pages stay, so this ends only by the cells.
        if arena.live() == 0 {
            break;
        }
    }
    assert!(arena.maintain(0, 1), "more than one page is idle");
    while arena.maintain(0, 1) {}
    assert_eq!(arena.trim(), 0, "idle pages are left");
    end(arena, &tag);
}

/// Pages that an owner at rest keeps, and cells of more of them.
const KEPT: usize = 16;
const MANY: usize = 30_000;

#[test]
fn an_owner_at_rest_keeps_few_pages_and_knows_when_to_stop() {
    let (arena, tag) = arena();
    let few = burst(arena, BIG, 100);
    few.into_iter().for_each(|cell| cell.release(None));
    assert!(!arena.has_spare(), "what is kept in any case is not worth a look");
    let cells = burst(arena, BIG, MANY);
    assert!(!arena.has_spare(), "all are in use");
    cells.into_iter().for_each(|cell| cell.release(None));
    assert!(arena.has_spare(), "freed remotely");
    let steps = (0..MANY).take_while(|_| arena.tidy(1000, 4)).count();
    assert!((5..MANY).contains(&steps), "{steps} steps of four pages each");
    assert!(!arena.has_spare());
    let kept = arena.trim();
    assert!(kept <= KEPT, "{kept} empty pages were kept");
    // Freed by the owner itself, while a walker is inside and after it.
    let cells = burst(arena, BIG, MANY);
    let mut rest = Some(cells[1..].to_vec());
    arena.walk(Some(arena), |_| {
        if let Some(rest) = rest.take() {
            rest.into_iter().for_each(|cell| arena.free(cell));
            assert!((0..5).all(|_| arena.tidy(1000, MANY)), "nothing could be given back");
        }
    });
    while arena.tidy(1000, 4) {}
    assert!(arena.trim() <= KEPT);
    arena.free(cells[0]);
    end(arena, &tag);
}

#[test]
fn shared_arenas_at_rest_keep_few_pages() {
    let (list, tag) = shared();
    let alloc = |owner: &super::shared::OwnerToken<'_>| TestArena(owner.arena()).alloc(BIG, 0);
    let cells: Vec<_> =
        (0..MANY).filter_map(|_| list.with(|| Tag::hand_out(&tag), alloc)).collect();
    assert!(!list.may_have_spare(), "all are in use");
    cells.into_iter().for_each(|cell| cell.release(None));
    assert!(list.may_have_spare());
    list.with(|| Tag::hand_out(&tag), |_| assert!(list.tidy(MANY, MANY), "it is put off"));
    while list.tidy(1000, 4) {}
    assert!(!list.may_have_spare());
    let mut kept = 0;
    // The list lives, and nobody else uses the arena.
    list.for_each_arena(|arena| kept += TestArena(arena).trim());
    assert!(kept <= KEPT, "{kept} empty pages were kept");
    drop(list);
    assert_eq!(tag.deaths(), 1);
}

#[test]
fn cells_may_outlive_their_owner() {
    let (arena, tag) = arena();
    let cells = burst(arena, BIG, 1000);
    let (left, right) = cells.split_at(500);
    arena.close();
    assert_eq!(tag.deaths(), 0);
    thread::scope(|scope| {
        for half in [left, right].map(<[TestCell]>::to_vec) {
            let half = Sendable(half);
            scope.spawn(move || {
                let half = half;
                half.0.into_iter().for_each(|cell| cell.release(None));
            });
        }
    });
    assert_eq!(tag.deaths(), 1);
    let mut seen = 0;
    arena.walk(None, |_| seen += 1);
    assert_eq!(seen, 0);
    arena.unlist();
}

struct Sendable<T>(T);

// SAFETY: test cells may be released on any thread.
unsafe impl<T> Send for Sendable<T> {}

#[test]
fn threads_free_and_walk_while_the_owner_allocates() {
    const CELLS: u64 = if cfg!(debug_assertions) { 40_000 } else { 400_000 };
    let (arena, tag) = arena();
    let start = Barrier::new(4);
    let (to_left, left) = mpsc::channel::<TestCell>();
    let (to_right, right) = mpsc::channel::<TestCell>();
    let done = corio_sync::shim::atomic::AtomicUsize::new(0);
    thread::scope(|scope| {
        for inbox in [left, right] {
            let (start, done) = (&start, &done);
            scope.spawn(move || {
                start.wait();
                inbox.into_iter().for_each(|cell| cell.release(None));
                done.fetch_add(1, AcqRel);
            });
        }
        scope.spawn(|| {
            start.wait();
            while done.load(Relaxed) < 2 {
                arena.walk(None, |cell| assert!(cell.state().load(Relaxed) >= 1));
            }
        });
        start.wait();
        for i in 0..CELLS {
            let cell = arena.alloc((i * i % 13 + 1) as u8, 0);
            match i % 3 {
                0 => to_left.send(cell).unwrap(),
                1 => to_right.send(cell).unwrap(),
                _ => arena.free(cell),
            }
            if i % 1000 == 0 {
                arena.maintain(64, 1);
            }
        }
        drop((to_left, to_right));
    });
    arena.trim();
    end(arena, &tag);
}

fn shared() -> (SharedArenas, Arc<Tag>) {
    // SAFETY: the tag may die anywhere.
    (unsafe { SharedArenas::new(7, Tag::on_free) }, Tag::new())
}

fn count(list: &SharedArenas) -> usize {
    let mut count = 0;
    list.for_each_arena(|_| count += 1);
    count
}

#[test]
fn shared_arenas_are_reused_and_nest() {
    let (list, tag) = shared();
    let hand_out = || Tag::hand_out(&tag);
    let first = list.with(hand_out, |owner| owner.arena()).unwrap();
    assert_eq!(list.with(hand_out, |owner| owner.arena()), Some(first));
    let nested = list.with(hand_out, |outer| {
        let inner = list.with(hand_out, |inner| inner.arena()).unwrap();
        assert_ne!(inner, outer.arena(), "an arena had two owners");
        // SAFETY: the list lives.
        (unsafe { inner.as_ref() }).index()
    });
    assert_eq!(nested, Some(8));
    let panic = catch_unwind(AssertUnwindSafe(|| list.with(hand_out, |_| panic!("user code"))));
    assert!(panic.is_err());
    assert!(list.with(hand_out, |_| ()).is_some());
    assert_eq!(count(&list), 2, "an arena stayed claimed");
    list.close();
    assert_eq!(tag.deaths(), 2);
    assert!(list.with(hand_out, |_| ()).is_none());
    assert!(!list.maintain(1, 1), "a closed arena was claimed");
}

#[test]
fn a_list_closed_by_its_user_closes_the_claimed_arena_last() {
    let (list, tag) = shared();
    let cell = list.with(
        || Tag::hand_out(&tag),
        |owner| {
            list.close();
            assert_eq!(tag.deaths(), 0, "closed under its user");
            TestArena(owner.arena()).alloc(BIG, 0)
        },
    );
    assert_eq!(tag.deaths(), 0, "died with a cell out");
    cell.unwrap().release(None);
    assert_eq!(tag.deaths(), 1);
}

#[test]
fn foreign_threads_share_few_arenas() {
    const THREADS: usize = 4;
    let (list, tag) = shared();
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                for _ in 0..2000 {
                    let cell = list
                        .with(
                            || Tag::hand_out(&tag),
                            |owner| TestArena(owner.arena()).alloc(BIG, 0),
                        )
                        .unwrap();
                    cell.release(None);
                }
            });
        }
    });
    let arenas = count(&list);
    assert!((1..=THREADS).contains(&arenas), "{arenas} arenas for {THREADS} threads");
    while list.maintain(usize::MAX, usize::MAX) {}
    drop(list);
    assert_eq!(tag.deaths(), arenas);
}

/// Resident bytes of the process.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size()
}

#[cfg(target_os = "linux")]
#[test]
fn memory_in_use_falls_after_a_burst() {
    const CELLS: usize = 1_000_000;
    const BYTES: usize = 128;
    let (arena, tag) = arena();
    let class = class_of(BYTES).unwrap();
    let cells: Vec<TestCell> = burst(arena, class, CELLS);
    let full = resident();
    assert!(full > CELLS * 16, "the kernel counts resident pages");
    for cell in &cells {
        arena.free(*cell);
    }
    let given = arena.trim();
    let after = resident();
    assert!(given * 64 * 1024 > CELLS * BYTES * 99 / 100, "only {given} pages were empty");
    // Other tests run meanwhile and may take some memory: ask for well over half of it.
    let fallen = full.saturating_sub(after);
    assert!(fallen > CELLS * BYTES / 4, "fell by {fallen} only");
    let again = burst(arena, class, CELLS);
    let fresh = again.iter().filter(|cell| cell.id().generation == 0).count();
    assert!(fresh < 1000, "{fresh} slots are not those of pages that were given back");
    again.into_iter().for_each(|cell| arena.free(cell));
    end(arena, &tag);
}

//! Small blocks of memory that a thread keeps for its next nodes.
//!
//! *Why.* The collector frees retired nodes in batches of dozens. A general allocator keeps few
//! blocks at hand for each thread (glibc: seven of a size); the rest of each batch goes through its
//! slow paths, and comes back through them: some 150 ns per node. Here a block that is freed waits
//! for the next node of its size on the thread that freed it.
//!
//! *Vocabulary.* Blocks of like size lie on a **shelf**, a stack linked through the blocks
//! themselves. A shelf holds at most [`SHELF_BYTES`]; what does not fit goes to the allocator, as
//! does everything when the thread ends. A block may be freed on another thread than it came from.
//!
//! Nothing is shared, so there is nothing to model. In models and under sanitizers all blocks come
//! from the allocator and go there at once, so that a use after free shows.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr;

/// Sizes are rounded up to this; two words, what allocators align to anyway.
const GRAIN: usize = 16;

/// Larger blocks are not kept. A segment of waiting places has 408 bytes.
const LARGEST: usize = 512;

const SHELVES: usize = LARGEST / GRAIN;

/// What a thread keeps of one size: one of the collector's batches of 64 segments, many of small
/// nodes. A thread that has used all sizes keeps a megabyte at the most.
const SHELF_BYTES: usize = 32 * 1024;
const _: () = assert!(SHELF_BYTES >= 64 * 408);

const KEEPS: bool = !cfg!(any(corio_loom, corio_shuttle, corio_sanitize, miri));

thread_local! {
    static SHELVES_OF_THREAD: Shelves =
        const { Shelves([const { Shelf { top: Cell::new(ptr::null_mut()), count: Cell::new(0) } }; SHELVES]) };
}

struct Shelves([Shelf; SHELVES]);

struct Shelf {
    top: Cell<*mut Block>,
    count: Cell<usize>,
}

/// A block that nobody uses.
struct Block {
    next: *mut Block,
}

/// The shelf of a layout, if its blocks are kept.
const fn shelf_of(layout: Layout) -> Option<usize> {
    let fits = layout.size() > 0 && layout.size() <= LARGEST && layout.align() <= GRAIN;
    if KEEPS && fits { Some((layout.size() - 1) / GRAIN) } else { None }
}

/// The layout of the blocks on a shelf.
#[inline]
const fn layout_on(shelf: usize) -> Layout {
    match Layout::from_size_align((shelf + 1) * GRAIN, GRAIN) {
        Ok(layout) => layout,
        Err(_) => panic!("sizes are small and the alignment is a power of two"),
    }
}

impl Shelf {
    #[inline]
    fn take(&self) -> Option<*mut u8> {
        let top = self.top.get();
        if top.is_null() {
            return None;
        }
        // SAFETY: a block on a shelf is this thread's alone, and begins with its link.
        let block = unsafe { top.read() };
        self.top.set(block.next);
        self.count.set(self.count.get() - 1);
        Some(top.cast())
    }

    /// Keeps a block if there are fewer than `most`; false otherwise.
    ///
    /// # Safety
    ///
    /// The block has this shelf's layout, and is the caller's alone.
    #[inline]
    unsafe fn keep(&self, block: *mut u8, most: usize) -> bool {
        let count = self.count.get();
        if count >= most {
            return false;
        }
        let block: *mut Block = block.cast();
        // SAFETY: the caller's alone, and large and aligned enough for a link.
        unsafe { block.write(Block { next: self.top.get() }) };
        self.top.set(block);
        self.count.set(count + 1);
        true
    }
}

impl Drop for Shelves {
    fn drop(&mut self) {
        for (index, shelf) in self.0.iter().enumerate() {
            while let Some(block) = shelf.take() {
                // SAFETY: blocks of this shelf were allocated with this layout.
                unsafe { dealloc(block, layout_on(index)) };
            }
        }
    }
}

/// Moves a value to a block.
#[inline]
pub(crate) fn boxed<T>(value: T) -> *mut T {
    boxed_with(|| value)
}

/// Makes a value in a block; if that panics, the block is lost.
///
/// The block comes first: a value that is made before lies on the stack meanwhile, and is copied from
/// there in other pieces than it was written in, for which a processor waits some 15 cycles.
#[inline(always)]
pub(crate) fn boxed_with<T>(make: impl FnOnce() -> T) -> *mut T {
    const { assert!(size_of::<T>() > 0, "nodes have a size") };
    let block: *mut T = match const { shelf_of(Layout::new::<T>()) } {
        Some(shelf) => {
            let kept = SHELVES_OF_THREAD.try_with(|shelves| shelves.0[shelf].take());
            kept.ok().flatten().unwrap_or_else(|| fresh(layout_on(shelf))).cast()
        }
        None => fresh(Layout::new::<T>()).cast(),
    };
    // SAFETY: fresh or from a shelf: nobody else has it, and it has room for a T.
    unsafe { block.write(make()) };
    block
}

#[cold]
fn fresh(layout: Layout) -> *mut u8 {
    // SAFETY: no layout here has size zero.
    let block = unsafe { alloc(layout) };
    if block.is_null() {
        handle_alloc_error(layout);
    }
    block
}

/// Drops a value and gives its block back.
///
/// # Safety
///
/// `block` came from [`boxed`], and nobody else can reach it.
#[inline]
pub(crate) unsafe fn unbox<T>(block: *mut T) {
    let block = Emptied(block);
    // SAFETY: the caller's alone, with a value in it.
    unsafe { block.0.drop_in_place() };
}

/// Moves the value out and gives its block back.
///
/// # Safety
///
/// As [`unbox`].
#[inline]
pub(crate) unsafe fn unboxed<T>(block: *mut T) -> T {
    let block = Emptied(block);
    // SAFETY: the caller's alone, with a value in it, which is moved out once.
    unsafe { block.0.read() }
}

/// Gives the block back even if dropping its value panicked.
struct Emptied<T>(*mut T);

impl<T> Drop for Emptied<T> {
    #[inline]
    fn drop(&mut self) {
        let block: *mut u8 = self.0.cast();
        let Some(shelf) = (const { shelf_of(Layout::new::<T>()) }) else {
            // SAFETY: allocated by `boxed` with the layout of T.
            return unsafe { dealloc(block, Layout::new::<T>()) };
        };
        let layout = layout_on(shelf);
        let most = SHELF_BYTES / layout.size();
        let kept = SHELVES_OF_THREAD.try_with(|shelves| {
            // SAFETY: allocated by `boxed` with this shelf's layout, and handed over to us.
            unsafe { shelves.0[shelf].keep(block, most) }
        });
        if kept != Ok(true) {
            // SAFETY: as above, and not kept.
            unsafe { dealloc(block, layout) };
        }
    }
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle, corio_sanitize))))]
mod tests {
    use super::*;

    #[test]
    fn a_block_serves_again_on_its_thread() {
        let first = boxed([1u8; 40]);
        // SAFETY: made above.
        unsafe { unbox(first) };
        let second = boxed([2u64; 6]);
        assert_eq!(first.addr(), second.addr(), "40 and 48 bytes lie on one shelf");
        // SAFETY: made above.
        unsafe { unbox(second) };
    }

    #[test]
    fn a_full_shelf_and_a_large_block_go_to_the_allocator() {
        let many: Vec<_> = (0..SHELF_BYTES / LARGEST + 2).map(|_| boxed([0u8; LARGEST])).collect();
        let large = boxed([0u8; LARGEST + 1]);
        for block in many {
            // SAFETY: made above.
            unsafe { unbox(block) };
        }
        // SAFETY: made above.
        unsafe { unbox(large) };
        let shelf = shelf_of(Layout::new::<[u8; LARGEST]>()).unwrap();
        let kept = SHELVES_OF_THREAD.with(|shelves| shelves.0[shelf].count.get());
        assert_eq!(kept, SHELF_BYTES / LARGEST);
    }

    #[test]
    fn a_value_whose_drop_panics_still_gives_its_block_back() {
        struct Panics(#[allow(dead_code, reason = "gives the block a size")] [u64; 30]);
        impl Drop for Panics {
            fn drop(&mut self) {
                std::panic::resume_unwind(Box::new(()));
            }
        }
        let block = boxed(Panics([0; 30]));
        // SAFETY: made above.
        let dropped = std::panic::catch_unwind(|| unsafe { unbox(block) });
        assert!(dropped.is_err());
        let again = boxed([0u64; 30]);
        assert_eq!(block.addr(), again.addr());
        // SAFETY: made above.
        unsafe { unbox(again) };
    }
}

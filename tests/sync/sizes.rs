//! The table of sizes in docs/sync.md.

use std::path::Path;

use corio::sync::{
    Barrier, BoundedSemaphore, CancelToken, Condition, Event, Lock, Notify, OnceCell, RwLock,
    Semaphore, SetOnce,
};

/// Name and size of each type.
macro_rules! sizes {
    ($($type:ty),* $(,)?) => {
        [$((stringify!($type), size_of::<$type>())),*]
    };
}

#[cfg(target_pointer_width = "64")]
#[test]
fn the_sizes_in_the_docs_are_those_of_the_types() {
    let types = sizes![
        Lock<()>,
        Lock<u64>,
        RwLock<u64>,
        Semaphore,
        BoundedSemaphore,
        Event,
        Notify,
        Condition,
        Barrier,
        OnceCell<u64>,
        SetOnce<u64>,
        CancelToken,
    ];
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sync.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let (_, table) = page.split_once("| type | bytes |").expect("the page has the table");
    let rows: Vec<_> = table
        .lines()
        .skip(2)
        .map_while(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "))
        .collect();
    let ours: Vec<_> = types.iter().map(|(name, size)| (*name, size.to_string())).collect();
    let ours: Vec<_> = ours.iter().map(|(name, size)| (*name, size.as_str())).collect();
    assert_eq!(rows, ours, "left: docs/sync.md, right: the types");
}

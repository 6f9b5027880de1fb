//! Programs of asyncio beside the same ones of corio: `NN_name/program.py` and `NN_name/main.rs`
//! print the same lines, and a test compares them.
//!
//! ```text
//! cargo run --example porting -- 09_event_loop
//! python3 examples/porting/09_event_loop/program.py
//! ```

/// Names the programs: the folder, and the module made from it.
macro_rules! programs {
    ($($folder:literal $module:ident)*) => {
        $(
            #[path = $folder]
            mod $module {
                pub mod main;
            }
        )*

        fn program(name: &str) -> Option<fn()> {
            match name {
                $($folder => Some($module::main::main),)*
                _ => None,
            }
        }

        const NAMES: &[&str] = &[$($folder),*];
    };
}

programs! {
    "01_patients" patients
    "02_lock" lock
    "03_event" event
    "04_semaphore" semaphore
    "05_barrier" barrier
    "06_gather" gather
    "07_wait_for" wait_for
    "08_shield" shield
    "09_event_loop" event_loop
    "10_debug" debug
    "11_future" future
    "12_polling" polling
    "13_threadsafe" threadsafe
    "14_queues" queues
    "15_files" files
}

fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    match program(&name) {
        Some(main) => main(),
        None => println!("{}", NAMES.join("\n")),
    }
}

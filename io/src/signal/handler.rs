//! Functions that are called on signals: asyncio's `add_signal_handler`.
//!
//! A handler is a task that listens and calls; the table says which task belongs to which runtime
//! and kind. The task takes its own entry out when it ends, however it ends.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use corio_runtime::time::sleep;
use corio_runtime::{Handle, TaskRef};

use super::{SignalKind, Signals, stream};
use crate::sys;

/// How long a handler does not listen when the system has nothing left to listen with. A signal that
/// comes meanwhile is heard afterwards.
const PAUSE: Duration = Duration::from_millis(100);

/// One handler.
struct Entry {
    kind: SignalKind,
    handle: Handle,
    /// Tells entries of one kind and runtime apart.
    number: u64,
    task: Option<TaskRef>,
}

struct Table {
    entries: Vec<Entry>,
    next: u64,
}

static TABLE: Mutex<Table> = Mutex::new(Table { entries: Vec::new(), next: 0 });

/// Held for a look at a short list; nobody's code runs under it.
fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Table {
    fn take(&mut self, which: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let (taken, kept) = std::mem::take(&mut self.entries).into_iter().partition(which);
        self.entries = kept;
        taken
    }
}

/// asyncio's `add_signal_handler` and `remove_signal_handler`, for [`Handle`].
///
/// # Examples
///
/// ```no_run
/// use corio_io::signal::{SignalHandlers, SignalKind};
/// use corio_runtime::Handle;
///
/// # fn example() -> std::io::Result<()> {
/// Handle::current().add_signal_handler(SignalKind::hangup(), || println!("as you wish"))?;
/// # Ok(())
/// # }
/// ```
pub trait SignalHandlers {
    /// Calls `f` on each signal of a kind, as a callback of the runtime. Signals that come faster
    /// than it runs may be merged. A handler that this runtime had for the kind is replaced.
    ///
    /// asyncio: the same, but for the main thread only.
    ///
    /// # Errors
    ///
    /// The system's; also if nobody can listen to this kind, or the runtime has shut down.
    fn add_signal_handler(
        &self,
        kind: SignalKind,
        f: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<()>;

    /// Removes the handler; true if there was one. If nobody else listens to the kind, its default
    /// action is back.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::signal::{SignalHandlers, SignalKind};
    ///
    /// # corio_runtime::run(async {
    /// let (handle, kind) = (corio_runtime::Handle::current(), SignalKind::user_defined1());
    /// handle.add_signal_handler(kind, || println!("as you wish"))?;
    /// assert!(handle.remove_signal_handler(kind));
    /// assert!(!handle.remove_signal_handler(kind), "it is gone");
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    fn remove_signal_handler(&self, kind: SignalKind) -> bool;
}

impl SignalHandlers for Handle {
    fn add_signal_handler(
        &self,
        kind: SignalKind,
        f: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<()> {
        let signals = stream(kind)?;
        let number = {
            let mut table = table();
            table.next += 1;
            let number = table.next;
            let entry = Entry { kind, handle: self.clone(), number, task: None };
            table.entries.push(entry);
            number
        };
        let registered = Registered { number };
        let (handle, f) = (self.clone(), Arc::new(f));
        let task = self.try_create_task(listen(signals, handle, f, registered));
        let task = task.map_err(|_| io::Error::other("the runtime has shut down"))?.task_ref();
        let (replaced, known) = {
            let mut table = table();
            let older = |entry: &Entry| {
                entry.kind == kind && entry.handle == *self && entry.number < number
            };
            let replaced = table.take(older);
            let own = table.entries.iter_mut().find(|entry| entry.number == number);
            let known = own.map(|entry| entry.task = Some(task.clone()));
            (replaced, known)
        };
        end(replaced);
        if known.is_none() {
            // Another thread has replaced or removed it meanwhile, or the runtime has ended it.
            task.abort();
        }
        Ok(())
    }

    fn remove_signal_handler(&self, kind: SignalKind) -> bool {
        let ours = |entry: &Entry| entry.kind == kind && entry.handle == *self;
        let removed = table().take(ours);
        end(removed)
    }
}

/// Ends the tasks of entries that were taken out; true if there were any. One without a task is ended
/// by who makes it, and finds the entry gone.
fn end(entries: Vec<Entry>) -> bool {
    for entry in &entries {
        if let Some(task) = &entry.task {
            task.abort();
        }
    }
    !entries.is_empty()
}

async fn listen<F: Fn() + Send + Sync + 'static>(
    signals: Signals,
    handle: Handle,
    f: Arc<F>,
    _registered: Registered,
) {
    loop {
        match signals.recv().await {
            Ok(()) => {}
            // Nothing is left to watch it with. It may have come meanwhile, and is taken then.
            Err(error) if sys::is_exhausted(&error) => {
                sleep(PAUSE).await;
                continue;
            }
            Err(_) => return,
        }
        let f = f.clone();
        // A callback that panics is reported like any other, and does not end the listening.
        handle.call_soon(move || f());
    }
}

/// Takes an entry out when its task ends.
struct Registered {
    number: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut table = table();
        let at = table.entries.iter().position(|entry| entry.number == self.number);
        let removed = at.map(|at| table.entries.remove(at));
        drop(table);
        drop(removed);
    }
}

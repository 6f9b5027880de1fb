//! Contexts, and which one the calling code is in.

use std::any::Any;
use std::cell::{Cell, OnceCell};
use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;

use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::AtomicBool;

use super::context_cell::MadeOnce;
use super::slot::Slot;
use super::var::ContextVar;
use crate::task::raw::TaskPtr;
use crate::task::registry::TaskRef;
use crate::task::scope;

/// A variable's value, whose type the variable knows.
pub(super) type Value = Arc<dyn Any + Send + Sync>;

/// Variables by number, ascending, with their values. There are few of them.
pub(super) type Map = Arc<[(usize, Value)]>;

/// What variables are set to, for the code that runs in it. Clones are the same context.
///
/// A task has a context of its own, which begins as a copy of its spawner's; so do callbacks. What
/// a task sets is seen by itself and by what it spawns later, and by nobody else.
///
/// asyncio: `contextvars.Context`. There a context may be entered once at a time; here it is `Sync`,
/// and what several threads set in it at once is all kept.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// use corio::{Context, ContextVar};
///
/// static REQUEST: ContextVar<u32> = ContextVar::new("request");
///
/// let context = Context::new();
/// context.run(|| REQUEST.set(7));
/// assert_eq!(context.get(&REQUEST), Some(7));
/// assert_eq!(REQUEST.get(), None);
/// ```
///
/// ```
/// # use corio_runtime as corio;
/// use corio::{Context, ContextVar};
///
/// static USER: ContextVar<&str> = ContextVar::new("user");
///
/// let context = Context::new();
/// assert!(context.is_empty());
/// context.run(|| {
///     drop(USER.set("ann"));
///     assert_eq!(Context::current().get(&USER), Some("ann"));
/// });
/// assert_eq!((context.len(), context.get(&USER)), (1, Some("ann")));
/// assert_eq!(USER.get(), None, "it was set in the context alone");
/// let copy = context.copy();
/// copy.run(|| drop(USER.set("bob")));
/// assert_eq!(context.get(&USER), Some("ann"));
/// ```
#[derive(Clone)]
pub struct Context(Arc<Inner>);

pub(crate) struct Inner {
    values: Slot<Map>,
}

/// Somebody has set a variable. Until then there is nothing to inherit.
static USED: AtomicBool = AtomicBool::new(false);

/// Code that runs in a context of its own.
///
/// # Safety
///
/// Lives on the stack of [`in_frame`] and is reached through `TOP`, which is set back before the
/// frame goes, also when unwinding.
struct Frame {
    /// The task around, if any: its frames do not count for another one that is polled inside.
    task: Option<TaskPtr>,
    context: OnceCell<Context>,
}

thread_local! {
    static TOP: Cell<*const Frame> = const { Cell::new(ptr::null()) };
    /// That of the thread, outside of tasks and callbacks.
    static BASE: OnceCell<Context> = const { OnceCell::new() };
}

/// Sets `TOP` back.
struct Entered(*const Frame);

impl Drop for Entered {
    fn drop(&mut self) {
        TOP.set(self.0);
    }
}

fn in_frame<R>(context: OnceCell<Context>, f: impl FnOnce() -> R) -> R {
    let frame = Frame { task: scope::current(), context };
    let _entered = Entered(TOP.replace(&raw const frame));
    f()
}

/// The innermost frame, if it belongs to the calling code.
fn frame() -> Option<&'static Frame> {
    // SAFETY: the frame is on the stack below (invariant of `Frame`), and no caller keeps it.
    unsafe { TOP.get().as_ref() }.filter(|frame| frame.task == scope::current())
}

/// Calls `f` with the context of the calling code, if it has one.
fn with_current<R>(f: impl FnOnce(Option<&Inner>) -> R) -> R {
    if let Some(frame) = frame() {
        return f(frame.context.get().map(|context| &*context.0));
    }
    if let Some(task) = scope::current() {
        return f(task.header().ext().and_then(|ext| ext.context.get()));
    }
    let mut f = Some(f);
    let based = BASE.try_with(|base| {
        let f = f.take().expect("it is called once");
        f(base.get().map(|context| &*context.0))
    });
    // At the end of a thread its own context may be gone.
    based.unwrap_or_else(|_| f.take().expect("it was not called")(None))
}

/// What new tasks and callbacks start with: a copy of the caller's context, if there is anything in
/// it.
#[inline]
pub(crate) fn inherited() -> Option<Context> {
    // Ordering: Relaxed; who can see a context has seen the flag before it, by coherence.
    if USED.load(Relaxed) { inherited_now() } else { None }
}

#[cold]
fn inherited_now() -> Option<Context> {
    let map = with_current(|context| context.and_then(Inner::map))?;
    Some(Context::with_map(Some(map)))
}

/// A copy of the caller's context, for code that runs later.
///
/// asyncio: `contextvars.copy_context`.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// use corio::{ContextVar, copy_context};
///
/// static USER: ContextVar<&str> = ContextVar::new("user");
///
/// USER.set("ann");
/// let context = copy_context();
/// USER.set("bob");
/// assert_eq!(context.run(|| USER.get()), Some("ann"));
/// ```
#[must_use]
pub fn copy_context() -> Context {
    inherited().unwrap_or_default()
}

impl Context {
    /// An empty context.
    #[must_use]
    pub fn new() -> Self {
        Self::with_map(None)
    }

    fn with_map(map: Option<Map>) -> Self {
        Self(Arc::new(Inner { values: Slot::new(map) }))
    }

    /// The context that the calling code is in: what is set in it is set here.
    ///
    /// asyncio has no counterpart but `current_task().get_context()`.
    #[must_use]
    pub fn current() -> Self {
        if let Some(frame) = frame() {
            return frame.context.get_or_init(Self::new).clone();
        }
        if let Some(task) = scope::current() {
            return task.header().ext_or_make().context.get_or_make();
        }
        BASE.try_with(|base| base.get_or_init(Self::new).clone()).unwrap_or_default()
    }

    /// Another context with the same values.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self::with_map(self.0.map())
    }

    /// Calls `f` inside this context.
    ///
    /// asyncio: `Context.run`, except that a context may be entered again, also by other threads at
    /// the same time.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        in_frame(OnceCell::from(self.clone()), f)
    }

    /// What the variable is set to here; its default if it is not.
    #[must_use]
    pub fn get<T: Clone + Send + Sync + 'static>(&self, var: &ContextVar<T>) -> Option<T> {
        var.in_context(Some(&self.0))
    }

    /// How many variables are set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.values.read(|map| map.map_or(0, |map| map.len()))
    }

    /// True if no variable is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Sets a variable, or with `None` unsets it; returns what it was.
    pub(super) fn replace(&self, var: usize, value: Option<Value>) -> Option<Value> {
        // Ordering: Relaxed; see `inherited`.
        USED.store(true, Relaxed);
        let mut old = None;
        self.0.values.update(|map| {
            let all = map.map_or(&[][..], |map| &**map);
            let at = all.binary_search_by_key(&var, |(number, _)| *number);
            old = at.ok().map(|at| all[at].1.clone());
            let (before, after) = match at {
                Ok(at) => (&all[..at], &all[at + 1..]),
                Err(at) => (&all[..at], &all[at..]),
            };
            let new = value.clone().map(|value| (var, value));
            before.iter().cloned().chain(new).chain(after.iter().cloned()).collect()
        });
        old
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("variables", &self.len()).finish()
    }
}

impl Inner {
    /// The values, if there are any.
    fn map(&self) -> Option<Map> {
        self.values.read(|map| map.filter(|map| !map.is_empty()).cloned())
    }

    pub(super) fn value(&self, var: usize) -> Option<Value> {
        self.values.read(|map| {
            let map = map?;
            let at = map.binary_search_by_key(&var, |(number, _)| *number).ok()?;
            Some(map[at].1.clone())
        })
    }
}

/// What the variable of this number is set to for the calling code.
pub(super) fn value_of(var: usize) -> Option<Value> {
    with_current(|context| context?.value(var))
}

/// A function's context on its way to the loop or thread that calls the function.
#[derive(Debug)]
pub(crate) struct Captured(Option<Context>);

/// Takes a copy of the caller's context along.
pub(crate) fn capture() -> Captured {
    Captured(inherited())
}

impl Captured {
    /// Calls `f` in the context that was taken along. If it was empty, `f` gets one of its own as soon
    /// as it sets a variable.
    pub(crate) fn run<R>(self, f: impl FnOnce() -> R) -> R {
        in_frame(self.0.map(OnceCell::from).unwrap_or_default(), f)
    }
}

/// The place of a task's context: null until there is one, which then stays.
///
/// # Safety
///
/// A pointer that is not null came from `Arc::into_raw` and owns a reference.
#[derive(Debug)]
pub(crate) struct ContextCell(MadeOnce<Inner>);

impl Default for ContextCell {
    fn default() -> Self {
        Self::new(None)
    }
}

impl ContextCell {
    pub(crate) fn new(context: Option<Context>) -> Self {
        let raw = context.map_or(ptr::null(), |context| Arc::into_raw(context.0));
        Self(MadeOnce::new(raw.cast_mut()))
    }

    pub(crate) fn get(&self) -> Option<&Inner> {
        // SAFETY: the cell keeps its context as long as it lives (invariant of `ContextCell`).
        unsafe { self.0.get().as_ref() }
    }

    /// The context, made if need be. Lock-free: who loses the race drops its own.
    pub(crate) fn get_or_make(&self) -> Context {
        let inner = match self.get() {
            Some(inner) => ptr::from_ref(inner),
            None => self.make(),
        };
        // SAFETY: the pointer came from `Arc::into_raw`, and the cell's reference keeps it alive.
        let held = ManuallyDrop::new(unsafe { Arc::from_raw(inner) });
        Context(Arc::clone(&held))
    }

    fn make(&self) -> *const Inner {
        let made = Arc::into_raw(Context::new().0).cast_mut();
        match self.0.put(made) {
            Ok(()) => made,
            Err(other) => {
                // SAFETY: it was never published.
                drop(unsafe { Arc::from_raw(made) });
                other
            }
        }
    }
}

impl Drop for ContextCell {
    fn drop(&mut self) {
        let inner = self.0.take();
        if !inner.is_null() {
            // SAFETY: the reference is the cell's (invariant of `ContextCell`).
            drop(unsafe { Arc::from_raw(inner) });
        }
    }
}

impl TaskRef {
    /// The context that the task runs in: the very one, not a copy.
    ///
    /// asyncio: `Task.get_context`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// static USER: corio::ContextVar<&str> = corio::ContextVar::new("user");
    ///
    /// # corio::run(async {
    /// let task = corio::create_task(async {
    ///     drop(USER.set("ann"));
    ///     std::future::pending::<()>().await;
    /// });
    /// while task.get_context().is_empty() {
    ///     corio::time::yield_now().await;
    /// }
    /// assert_eq!(task.get_context().get(&USER), Some("ann"));
    /// # });
    /// ```
    #[must_use]
    pub fn get_context(&self) -> Context {
        self.ptr().header().ext_or_make().context.get_or_make()
    }
}

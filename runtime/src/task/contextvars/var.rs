//! Variables, and how to set one back.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;

use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::AtomicUsize;

use super::current::{Context, Inner, Value, value_of};

/// A variable that each task sees its own value of. Mostly a `static`.
///
/// Getting it costs a search among the variables that are set, and a clone of the value; setting it
/// copies the list of all of them, so let there be few, and large values be behind an `Arc`.
///
/// asyncio: `contextvars.ContextVar`.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// static REQUEST: corio::ContextVar<u32> = corio::ContextVar::with_default("request", 0);
///
/// # corio::run(async {
/// REQUEST.set(1);
/// let child = corio::create_task(async {
///     let inherited = REQUEST.get();
///     REQUEST.set(2);
///     inherited
/// });
/// assert_eq!(child.await.unwrap(), Some(1));
/// assert_eq!(REQUEST.get(), Some(1), "what the child sets is its own");
/// # });
/// ```
#[doc(alias = "LocalKey")]
pub struct ContextVar<T> {
    name: &'static str,
    default: Option<T>,
    /// 0 until the variable is first set or looked for.
    number: AtomicUsize,
}

static LAST_NUMBER: AtomicUsize = AtomicUsize::new(0);

impl<T> ContextVar<T> {
    /// A variable without a default.
    ///
    /// See [`set`](Self::set) for an example.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, default: None, number: AtomicUsize::new(0) }
    }

    /// A variable with a value for contexts in which it is not set.
    #[must_use]
    pub const fn with_default(name: &'static str, default: T) -> Self {
        Self { name, default: Some(default), number: AtomicUsize::new(0) }
    }

    /// The name, for people.
    ///
    /// See [`set`](Self::set) for an example.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    fn number(&self) -> usize {
        // Ordering: Relaxed, all; numbers carry nothing, and the exchange alone decides.
        let known = self.number.load(Relaxed);
        if known != 0 {
            return known;
        }
        let new = LAST_NUMBER.fetch_add(1, Relaxed) + 1;
        match self.number.compare_exchange(0, new, Relaxed, Relaxed) {
            Ok(_) => new,
            Err(known) => known,
        }
    }
}

impl<T: Clone + Send + Sync + 'static> ContextVar<T> {
    /// What the variable is set to for the calling code; its default, if any, if it is not.
    ///
    /// asyncio: `ContextVar.get`, which raises `LookupError` in place of `None`.
    #[must_use]
    pub fn get(&self) -> Option<T> {
        self.clone_out(value_of(self.number()))
    }

    /// Sets the variable for the calling code: its task, its callback, the innermost
    /// [`Context::run`], or else its thread. The token sets it back.
    ///
    /// asyncio: `ContextVar.set`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// static USER: corio::ContextVar<&str> = corio::ContextVar::new("user");
    ///
    /// let before = USER.set("ann");
    /// assert_eq!((USER.name(), USER.get()), ("user", Some("ann")));
    /// USER.reset(before).unwrap();
    /// assert_eq!(USER.get(), None);
    /// ```
    pub fn set(&self, value: T) -> Token<T> {
        let context = Context::current();
        let number = self.number();
        let old = context.replace(number, Some(std::sync::Arc::new(value)));
        Token { var: number, context, old, value: PhantomData }
    }

    /// Sets the variable back to what it was before the `set` that gave the token, or unsets it.
    ///
    /// asyncio: `ContextVar.reset`. A token can be used once; there that is checked when it runs.
    ///
    /// See [`set`](Self::set) for an example.
    ///
    /// # Errors
    ///
    /// [`ResetError`] if the token is another variable's, or the calling code is in another context;
    /// then nothing has changed, and the token comes back.
    pub fn reset(&self, token: Token<T>) -> Result<(), ResetError<T>> {
        if token.var != self.number() {
            return Err(ResetError { what: "was made by another variable", token });
        }
        if !Context::current().is(&token.context) {
            return Err(ResetError { what: "was made in another context", token });
        }
        token.context.replace(token.var, token.old);
        Ok(())
    }

    pub(super) fn in_context(&self, context: Option<&Inner>) -> Option<T> {
        self.clone_out(context.and_then(|context| context.value(self.number())))
    }

    fn clone_out(&self, value: Option<Value>) -> Option<T> {
        let Some(value) = value else { return self.default.clone() };
        value.downcast_ref::<T>().cloned()
    }
}

impl<T: fmt::Debug> fmt::Debug for ContextVar<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ContextVar");
        out.field("name", &self.name).field("default", &self.default).finish()
    }
}

/// What sets a variable back to what it was; made by [`ContextVar::set`]. Dropping it changes
/// nothing.
///
/// asyncio: `contextvars.Token`.
pub struct Token<T> {
    var: usize,
    context: Context,
    old: Option<Value>,
    value: PhantomData<fn() -> T>,
}

impl<T: Clone + 'static> Token<T> {
    /// What the variable was set to before; `None` if it was not set.
    ///
    /// asyncio: `Token.old_value`, which is `Token.MISSING` then.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// static USER: corio::ContextVar<&str> = corio::ContextVar::new("user");
    ///
    /// assert_eq!(USER.set("ann").old_value(), None);
    /// assert_eq!(USER.set("bob").old_value(), Some("ann"));
    /// ```
    #[must_use]
    pub fn old_value(&self) -> Option<T> {
        self.old.as_ref()?.downcast_ref::<T>().cloned()
    }
}

impl<T> fmt::Debug for Token<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("was_set", &self.old.is_some()).finish_non_exhaustive()
    }
}

/// A token that a variable could not be set back with.
pub struct ResetError<T> {
    what: &'static str,
    token: Token<T>,
}

impl<T> ResetError<T> {
    /// The token, which has not been used.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// static USER: corio::ContextVar<&str> = corio::ContextVar::new("user");
    ///
    /// let token = USER.set("ann");
    /// let elsewhere = corio::Context::new().run(|| USER.reset(token)).unwrap_err();
    /// assert_eq!(elsewhere.to_string(), "the token was made in another context");
    /// USER.reset(elsewhere.into_token()).unwrap();
    /// ```
    #[must_use]
    pub fn into_token(self) -> Token<T> {
        self.token
    }
}

impl<T> fmt::Debug for ResetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResetError").field("what", &self.what).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for ResetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the token {}", self.what)
    }
}

impl<T> Error for ResetError<T> {}

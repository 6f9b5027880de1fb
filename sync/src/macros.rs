//! The two macros of this crate: what no function can do.

/// Declares constructors as `const fn`, except under the model back ends: loom's atomics have no
/// `const fn new`.
macro_rules! const_fn {
    (impl<$($generic:ident),+> $type:ty { $($body:tt)* }) => {
        const_fn!(@ [<$($generic),+>] $type { $($body)* });
    };
    (impl $type:ty { $($body:tt)* }) => {
        const_fn!(@ [] $type { $($body)* });
    };
    (@ [$($generics:tt)*] $type:ty {
        $($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $arg_type:ty),*) -> $out:ty $body:block)*
    }) => {
        #[cfg(not(any(corio_loom, corio_shuttle)))]
        impl $($generics)* $type {
            $($(#[$meta])* $vis const fn $name($($arg: $arg_type),*) -> $out $body)*
        }
        #[cfg(any(corio_loom, corio_shuttle))]
        impl $($generics)* $type {
            $($(#[$meta])* $vis fn $name($($arg: $arg_type),*) -> $out $body)*
        }
    };
}

/// `Debug` of a future: its name and the place that created it.
macro_rules! future_debug {
    ([$($generics:tt)*] $type:ty, $name:literal) => {
        impl $($generics)* std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct($name).field("created_at", &self.caller).finish_non_exhaustive()
            }
        }
    };
}

//! Constructors that are `const` in programs; loom's atomics have no `const fn new`.

/// Declares constructors as `const fn`, except under the model back ends.
macro_rules! const_fn {
    (impl $(<$generic:ident>)? $type:ty {
        $($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $arg_type:ty),*) -> $out:ty $body:block)*
    }) => {
        #[cfg(not(any(corio_loom, corio_shuttle)))]
        impl $(<$generic>)? $type {
            $($(#[$meta])* $vis const fn $name($($arg: $arg_type),*) -> $out $body)*
        }
        #[cfg(any(corio_loom, corio_shuttle))]
        impl $(<$generic>)? $type {
            $($(#[$meta])* $vis fn $name($($arg: $arg_type),*) -> $out $body)*
        }
    };
}

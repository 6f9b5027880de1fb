//! `#[corio::main]` and `#[corio::test]`.
//!
//! Both work on tokens alone: no parser and no dependency, so that they cost a user's build
//! nothing. `entry` reads what is written and lays out what to write instead, without knowing
//! where its tokens come from; this file lends it the compiler's.
//!
//! An entry point becomes a plain function around its own `async fn`, unchanged:
//!
//! ```text
//! #[corio::main]                          fn main() -> R {
//! async fn main() -> R { body }    =>         async fn main() -> R { body }
//!                                             ::corio::run(main())
//!                                         }
//! ```
//!
//! Rejected: `run(async { body })`. It leaves the error type of `?` and the type of `return` to be
//! guessed, and the messages then point at the macro instead of at the body.

mod entry;

use entry::{Entry, Fault, Kind, Out, Token};
use proc_macro::{Delimiter, Group, Spacing, Span, TokenStream, TokenTree};

/// Runs an `async fn main` on corio.
///
/// asyncio: `asyncio.run(main())`. The calling thread becomes worker 0 and the body runs on it, so
/// it may hold values that are not `Send`. When it returns, what is still running is cancelled and
/// awaited, and then the runtime is gone.
///
/// # Arguments
///
/// - `workers = N`: event loops, one thread each; without it, one per core that the process may use.
/// - `debug = true`: checks and reports that cost time.
/// - `debug_socket = true`: `corio-top` may look at the program from outside, as with `CORIO_TOP=1`.
/// - `tokio_context = true`: tokio's context on all threads, for libraries that insist on it; wants
///   corio's feature `tokio-context`.
/// - `crate = "path"`: where corio is, if not at `::corio`.
///
/// # Panics
///
/// The function panics where `corio::run` does: inside another run, and when it is cancelled or
/// interrupted.
///
/// # Examples
///
/// ```
/// # extern crate self as corio; // a stand-in: this crate lies below corio
/// # pub fn run<T>(main: impl Future<Output = T>) -> T {
/// #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
/// #     let std::task::Poll::Ready(output) = std::pin::pin!(main).poll(&mut context) else { panic!() };
/// #     output
/// # }
/// #[corio_macros::main]
/// async fn main() -> std::io::Result<()> {
///     println!("hello");
///     Ok(())
/// }
/// ```
///
/// What is not an entry point does not compile:
///
/// ```compile_fail
/// #[corio_macros::main]
/// fn main() {} // not async
/// ```
/// ```compile_fail
/// #[corio_macros::main(workers = 0)]
/// async fn main() {}
/// ```
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(Kind::Main, arguments, item)
}

/// Runs an `async fn` as a test on corio, with two workers unless told otherwise.
///
/// asyncio: `unittest.IsolatedAsyncioTestCase`. Two workers are enough for tasks to move between
/// threads. The arguments are those of [`macro@main`]; other attributes, such as
/// `#[should_panic]`, stay as they are.
///
/// # Panics
///
/// The test fails where `corio::run` panics.
///
/// # Examples
///
/// ```
/// #[corio_macros::test(workers = 4)]
/// async fn answers() -> Result<(), std::num::ParseIntError> {
///     assert_eq!("42".parse::<u8>()?, 42);
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(Kind::Test, arguments, item)
}

fn expand(kind: Kind, arguments: TokenStream, item: TokenStream) -> TokenStream {
    match Entry::read(kind, &tokens(arguments), &tokens(item)) {
        Ok(entry) => entry.write().into_iter().flat_map(written).collect(),
        Err(fault) => complaint(fault),
    }
}

/// The compiler's tokens as [`entry`] sees them: one level deep.
fn tokens(stream: TokenStream) -> Vec<Token<TokenTree>> {
    stream.into_iter().map(|tree| Token { text: text(&tree), origin: tree }).collect()
}

fn text(tree: &TokenTree) -> String {
    match tree {
        // `None` groups stem from macros; what is inside does not concern us.
        TokenTree::Group(group) => {
            let empty = group.stream().is_empty();
            match (group.delimiter(), empty) {
                (Delimiter::Parenthesis, true) => "()".into(),
                (Delimiter::Parenthesis, false) => "(..)".into(),
                (Delimiter::Brace, _) => "{..}".into(),
                (Delimiter::Bracket, _) => "[..]".into(),
                (Delimiter::None, _) => group.stream().to_string(),
            }
        }
        other => other.to_string(),
    }
}

fn written(out: Out<TokenTree>) -> TokenStream {
    match out {
        Out::Origin(tree) => tree.into(),
        Out::Text(text) => text.parse().expect("entry writes whole tokens"),
        Out::Braces(inner) => grouped(Delimiter::Brace, inner),
        Out::Parentheses(inner) => grouped(Delimiter::Parenthesis, inner),
    }
}

fn grouped(delimiter: Delimiter, inner: Vec<Out<TokenTree>>) -> TokenStream {
    let inner = inner.into_iter().flat_map(written).collect();
    TokenTree::Group(Group::new(delimiter, inner)).into()
}

/// `compile_error!` at the fault, and an empty function so that its absence is not reported too.
fn complaint(fault: Fault<TokenTree>) -> TokenStream {
    let span = fault.at.map_or_else(Span::call_site, |tree| tree.span());
    let literal = proc_macro::Literal::string(&fault.message);
    let call = [
        TokenTree::Ident(proc_macro::Ident::new("compile_error", span)),
        TokenTree::Punct(proc_macro::Punct::new('!', Spacing::Alone)),
        TokenTree::Group(Group::new(
            Delimiter::Brace,
            TokenStream::from(TokenTree::Literal(literal)),
        )),
    ];
    let mut stream: TokenStream = call.into_iter().map(|tree| respanned(tree, span)).collect();
    if let Some(name) = fault.name {
        stream.extend("fn".parse::<TokenStream>().expect("a keyword"));
        stream.extend([name]);
        stream.extend("() {}".parse::<TokenStream>().expect("an empty function"));
    }
    stream
}

/// The whole call has to carry the span: the compiler points at its first and last token.
fn respanned(mut tree: TokenTree, span: Span) -> TokenTree {
    if let TokenTree::Group(group) = &tree {
        let inner = group.stream().into_iter().map(|t| respanned(t, span)).collect();
        tree = TokenTree::Group(Group::new(group.delimiter(), inner));
    }
    tree.set_span(span);
    tree
}

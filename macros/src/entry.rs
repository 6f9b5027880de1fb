//! Reading an entry point and laying out its replacement.
//!
//! Nothing here touches the compiler's tokens: a [`Token`] is its text and an opaque origin, which
//! comes out again as it went in. So the rules below have ordinary unit tests, and the user's
//! tokens keep their places for error messages.
//!
//! An item is read one level deep, in this order: attributes, visibility, `async fn NAME`, an
//! empty parenthesis, a return type, the body.

#[cfg(test)]
mod tests;

/// What the function is the entry of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A program: one worker per core unless told otherwise.
    Main,
    /// A test: [`TEST_WORKERS`] unless told otherwise.
    Test,
}

/// The fewest workers between which a task can move.
const TEST_WORKERS: &str = "2";

/// One token: brackets and what is in them are one, shown as `()`, `(..)`, `[..]` or `{..}`.
#[derive(Clone, Debug)]
pub(crate) struct Token<T> {
    pub(crate) text: String,
    pub(crate) origin: T,
}

/// A piece of the replacement.
#[derive(Clone, Debug)]
pub(crate) enum Out<T> {
    /// One of the user's tokens.
    Origin(T),
    /// Tokens of ours.
    Text(String),
    /// Braces around these.
    Braces(Vec<Out<T>>),
    /// Parentheses around these.
    Parentheses(Vec<Out<T>>),
}

/// Why there is no replacement.
#[derive(Clone, Debug)]
pub(crate) struct Fault<T> {
    /// The token to point at; the attribute itself if there is none.
    pub(crate) at: Option<T>,
    pub(crate) message: String,
    /// The name of the function, if one was read.
    pub(crate) name: Option<T>,
}

/// An entry point as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Entry<T> {
    kind: Kind,
    arguments: Arguments<T>,
    attributes: Vec<T>,
    visibility: Vec<T>,
    /// `async fn NAME ()`.
    signature: Vec<T>,
    name: T,
    /// From `->` to the body.
    output: Vec<T>,
    body: T,
}

#[derive(Clone, Debug)]
struct Arguments<T> {
    workers: Option<T>,
    debug: Option<T>,
    debug_socket: Option<T>,
    tokio_context: Option<T>,
    /// The path to corio, as text.
    path: Option<String>,
}

/// A list of tokens that is read from the front.
struct Reader<'a, T> {
    rest: &'a [Token<T>],
    name: Option<T>,
}

impl<'a, T: Clone> Reader<'a, T> {
    fn peek(&self) -> &'a str {
        self.rest.first().map_or("", |token| &token.text)
    }

    fn next(&mut self) -> Option<&'a Token<T>> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// Takes tokens while `wanted` says so.
    fn take(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<T> {
        let count = self.rest.iter().take_while(|token| wanted(&token.text)).count();
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        taken.iter().map(|token| token.origin.clone()).collect()
    }

    /// A fault at the next token.
    fn fault<R>(&self, message: impl Into<String>) -> Result<R, Fault<T>> {
        let at = self.rest.first().map(|token| token.origin.clone());
        Err(Fault { at, message: message.into(), name: self.name.clone() })
    }
}

impl<T: Clone> Entry<T> {
    pub(crate) fn read(
        kind: Kind,
        arguments: &[Token<T>],
        item: &[Token<T>],
    ) -> Result<Self, Fault<T>> {
        let attribute = match kind {
            Kind::Main => "#[corio::main]",
            Kind::Test => "#[corio::test]",
        };
        let name = item.windows(2).find(|two| two[0].text == "fn").map(|two| two[1].origin.clone());
        let mut reader = Reader { rest: item, name: name.clone() };
        let mut attributes = Vec::new();
        while reader.peek() == "#" {
            attributes.extend(reader.take(|text| text == "#"));
            attributes.extend(reader.take(|text| text == "[..]"));
        }
        let mut visibility = reader.take(|text| text == "pub");
        if !visibility.is_empty() {
            visibility.extend(reader.take(|text| text == "(..)"));
        }
        let mut signature = reader.take(|text| text == "async");
        if signature.is_empty() && reader.peek() == "fn" {
            return reader.fault(format!("{attribute} runs a future: write `async fn`"));
        }
        if reader.peek() != "fn" {
            return reader.fault(format!("{attribute} goes before an `async fn` and nothing else"));
        }
        signature.extend(reader.next().map(|token| token.origin.clone()));
        let Some(name) = reader.next().map(|token| token.origin.clone()) else {
            return reader.fault("the function has no name");
        };
        signature.push(name.clone());
        match reader.peek() {
            "<" => return reader.fault(format!("{attribute}: nobody could choose the parameters")),
            "()" => signature.extend(reader.take(|text| text == "()")),
            _ => {
                return reader.fault(format!(
                    "{attribute} calls the function without arguments; the command line is in \
                     `std::env::args()`"
                ));
            }
        }
        let output = reader.take(|text| text != "{..}");
        let Some(body) = reader.next().map(|token| token.origin.clone()) else {
            return reader.fault("the function has no body");
        };
        let arguments = Arguments::read(attribute, arguments, &name)?;
        Ok(Self { kind, arguments, attributes, visibility, signature, name, output, body })
    }

    /// The replacement: a plain function that holds the `async fn` and runs it.
    pub(crate) fn write(self) -> Vec<Out<T>> {
        let origins = |tokens: &[T]| tokens.iter().cloned().map(Out::Origin).collect::<Vec<_>>();
        let path = self.arguments.path.as_deref().unwrap_or("::corio");
        let workers = match (self.arguments.workers, self.kind) {
            (Some(written), _) => Some(Out::Origin(written)),
            (None, Kind::Test) => Some(Out::Text(TEST_WORKERS.into())),
            (None, Kind::Main) => None,
        };

        let mut inner = origins(&self.signature);
        inner.extend(origins(&self.output));
        inner.push(Out::Origin(self.body));
        let called = vec![Out::Origin(self.name.clone()), Out::Text("()".into())];
        let options = [
            ("workers", workers),
            ("debug", self.arguments.debug.map(Out::Origin)),
            ("debug_socket", self.arguments.debug_socket.map(Out::Origin)),
            ("tokio_context", self.arguments.tokio_context.map(Out::Origin)),
        ];
        if options.iter().all(|(_, value)| value.is_none()) {
            inner.push(Out::Text(format!("{path}::run")));
            inner.push(Out::Parentheses(called));
        } else {
            inner.push(Out::Text(format!("{path}::Builder::new()")));
            for (option, value) in options {
                if let Some(value) = value {
                    inner.push(Out::Text(format!(".{option}")));
                    inner.push(Out::Parentheses(vec![value]));
                }
            }
            inner.push(Out::Text(".run".into()));
            inner.push(Out::Parentheses(called));
            inner.push(Out::Text(
                ".unwrap_or_else(|error| ::core::panic!(\"corio: {}\", error))".into(),
            ));
        }

        let mut out = Vec::new();
        if self.kind == Kind::Test {
            out.push(Out::Text("#[::core::prelude::v1::test]".into()));
        }
        out.extend(origins(&self.attributes));
        out.extend(origins(&self.visibility));
        out.push(Out::Text("fn".into()));
        out.push(Out::Origin(self.name));
        out.push(Out::Text("()".into()));
        out.extend(origins(&self.output));
        out.push(Out::Braces(inner));
        out
    }
}

impl<T: Clone> Arguments<T> {
    fn read(attribute: &str, tokens: &[Token<T>], name: &T) -> Result<Self, Fault<T>> {
        let mut reader = Reader { rest: tokens, name: Some(name.clone()) };
        let mut read = Self {
            workers: None,
            debug: None,
            debug_socket: None,
            tokio_context: None,
            path: None,
        };
        while !reader.rest.is_empty() {
            let start = Reader { rest: reader.rest, name: reader.name.clone() };
            let key = reader.next().map_or("", |token| token.text.as_str());
            let known = match key {
                "workers" => read.workers.is_some(),
                "debug" => read.debug.is_some(),
                "debug_socket" => read.debug_socket.is_some(),
                "tokio_context" => read.tokio_context.is_some(),
                "crate" => read.path.is_some(),
                "worker_threads" | "threads" => {
                    return start.fault(format!("`{key}` is called `workers` here"));
                }
                _ => {
                    return start.fault(format!(
                        "{attribute} knows no `{key}`; there are `workers = N`, `debug = true`, \
                         `debug_socket = true`, `tokio_context = true` and `crate = \"path\"`"
                    ));
                }
            };
            if known {
                return start.fault(format!("`{key}` is given twice"));
            }
            if reader.peek() != "=" {
                return start.fault(format!("`{key}` wants a value: `{key} = ..`"));
            }
            reader.next();
            let value = Reader { rest: reader.rest, name: reader.name.clone() };
            let Some(token) = reader.next() else {
                return start.fault(format!("`{key}` wants a value: `{key} = ..`"));
            };
            if let Err(message) = read.set(key, token) {
                return value.fault(message);
            }
            if !reader.rest.is_empty() && reader.peek() != "," {
                return reader.fault("a comma goes between arguments");
            }
            reader.next();
        }
        Ok(read)
    }

    /// Takes one value, or says what it should have been.
    fn set(&mut self, key: &str, value: &Token<T>) -> Result<(), String> {
        let wanted = match (key, value.text.as_str()) {
            ("workers", text) => match integer(text) {
                Some(0) => return Err("0 workers run nothing; leave it out for all cores".into()),
                Some(_) => {
                    self.workers = Some(value.origin.clone());
                    return Ok(());
                }
                None => wanted::WORKERS,
            },
            ("debug", "true" | "false") => {
                self.debug = Some(value.origin.clone());
                return Ok(());
            }
            ("debug_socket", "true" | "false") => {
                self.debug_socket = Some(value.origin.clone());
                return Ok(());
            }
            ("tokio_context", "true" | "false") => {
                self.tokio_context = Some(value.origin.clone());
                return Ok(());
            }
            ("debug" | "debug_socket" | "tokio_context", _) => wanted::BOOLEAN,
            (_, text) => match path(text) {
                Some(path) => {
                    self.path = Some(path);
                    return Ok(());
                }
                None => wanted::CRATE,
            },
        };
        Err(format!("`{key}` wants {wanted}; this is `{}`", value.text))
    }
}

/// What an argument's value may be, said when it is something else.
mod wanted {
    pub(super) const WORKERS: &str = "a number such as 4; what is known only at run time goes to \
                                      `corio::Builder`";
    pub(super) const BOOLEAN: &str = "true or false";
    pub(super) const CRATE: &str = "a path in quotes such as \"::corio\"";
}

/// The value of a plain integer literal, with or without `usize` behind it.
fn integer(text: &str) -> Option<u64> {
    let digits = text.strip_suffix("usize").unwrap_or(text).replace('_', "");
    digits.parse().ok()
}

/// The path inside a string literal.
fn path(text: &str) -> Option<String> {
    let inside = text.strip_prefix('"')?.strip_suffix('"')?;
    let bare = inside.strip_prefix("::").unwrap_or(inside);
    let word = |s: &str| {
        s.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && s.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    bare.split("::").all(word).then(|| inside.to_owned())
}

//! The crates as trees of modules: which item a path names, and what a user can reach.
//!
//! Knows modules, `use`, functions, types, `impl` and the macros of [`expand`](super::expand): as
//! much as it takes to follow a name.

use std::collections::BTreeMap;

use super::expand::{Macro, Piece, closing, pieces, until};
use crate::source::{Tree, is_word};

/// The crates, by their names in code and the folders of their sources.
pub const CRATES: [(&str, &str); 4] = [
    ("corio_sync", "sync/src"),
    ("corio_runtime", "runtime/src"),
    ("corio_io", "io/src"),
    ("corio", "src"),
];

/// All modules of all crates.
pub struct World<'a> {
    pub modules: Vec<Module<'a>>,
    roots: BTreeMap<&'static str, usize>,
    pub impls: Vec<Impl<'a>>,
    /// By crate and name; with the files that define them, for a name may be used in several.
    macros: BTreeMap<(usize, &'a str), Vec<(&'a str, Macro<'a>)>>,
    /// Macros that users may call.
    exported: Vec<(usize, &'a str)>,
    /// Invocations that could not be followed.
    pub lost: Vec<String>,
}

/// A module, inline or a file.
pub struct Module<'a> {
    root: usize,
    parent: usize,
    pub items: BTreeMap<&'a str, Item<'a>>,
    uses: Vec<Use<'a>>,
}

/// What a module defines.
pub struct Item<'a> {
    /// For everybody who can reach the module, and in the documentation.
    public: bool,
    /// Where its keyword stands.
    pub at: Piece<'a>,
    pub what: What<'a>,
}

pub enum What<'a> {
    Module(usize),
    Function(Function<'a>),
    /// With the functions of a trait.
    Type(Vec<Function<'a>>),
    /// Another name for the type in these pieces.
    Alias(Vec<Piece<'a>>),
}

/// A function or method.
pub struct Function<'a> {
    pub name: Piece<'a>,
    /// Where `fn` stands; the name may come from elsewhere.
    pub keyword: Piece<'a>,
    pub output: Vec<Piece<'a>>,
    pub is_async: bool,
    pub public: bool,
    hidden: bool,
}

/// One branch of a `use`.
struct Use<'a> {
    public: bool,
    segments: Vec<&'a str>,
    /// `None` for a glob.
    name: Option<&'a str>,
}

/// An implementation.
pub struct Impl<'a> {
    pub module: usize,
    /// Where `impl` stands, or its opening brace.
    pub at: Piece<'a>,
    /// The last segment of the trait's path.
    pub of: Option<&'a str>,
    pub subject: Vec<Piece<'a>>,
    pub functions: Vec<Function<'a>>,
    /// `type X = ..;`.
    pub types: Vec<Vec<Piece<'a>>>,
}

/// What a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target<'a> {
    Module(usize),
    Item(usize, &'a str),
}

/// How long a chain of `use` may be.
const USES_MAX: usize = 12;
/// How long a path to the module of a glob may be.
const GLOBS_MAX: usize = 4;

impl<'a> World<'a> {
    pub fn of(tree: &'a Tree) -> Self {
        let mut world = Self {
            modules: Vec::new(),
            roots: BTreeMap::new(),
            impls: Vec::new(),
            macros: BTreeMap::new(),
            exported: Vec::new(),
            lost: Vec::new(),
        };
        for (name, folder) in CRATES {
            let root = world.modules.len();
            let Some(file) = tree.file(&format!("{folder}/lib.rs")) else { continue };
            world.modules.push(Module::new(root, root));
            world.roots.insert(name, root);
            for file in tree.files.iter().filter(|f| f.path.starts_with(&format!("{folder}/"))) {
                world.learn_macros(root, &pieces(file));
            }
            world.read(tree, root, folder, &pieces(file));
        }
        world
    }

    /// Takes the macros out of a file, wherever in it they are defined.
    fn learn_macros(&mut self, root: usize, code: &[Piece<'a>]) {
        for i in 0..code.len().saturating_sub(4) {
            if code[i].text == "macro_rules" && code[i + 3].text == "{" {
                let (name, end) = (code[i + 2].text, closing(code, i + 3));
                let defined = (&*code[i].file.path, Macro::new(&code[i + 4..end]));
                self.macros.entry((root, name)).or_default().push(defined);
                // What makes a static makes something that is there; it waits for nothing.
                let mut body = code[i + 4..end].windows(2).map(|pair| (pair[0].text, pair[1].text));
                if body.any(|(before, text)| text == "static" && before != "'") {
                    continue;
                }
                // `#[macro_export]`, and not `#[doc(hidden)]`.
                let above: Vec<_> = code[i.saturating_sub(12)..i].iter().map(|p| p.text).collect();
                let after =
                    above.iter().rposition(|t| matches!(*t, "}" | ";")).map_or(0, |n| n + 1);
                let above = &above[after..];
                if above.contains(&"macro_export") && !above.contains(&"hidden") {
                    self.exported.push((root, name));
                }
            }
        }
    }

    /// Reads the items in `code` into a module whose files below it lie in `folder`.
    fn read(&mut self, tree: &'a Tree, module: usize, folder: &str, code: &[Piece<'a>]) {
        let mut at = 0;
        while at < code.len() {
            let (head, start) = Head::of(code, at);
            let word = |i: usize| code.get(start + i).map_or("", |piece| piece.text);
            let end = item_end(code, start);
            let live = code.get(start).is_some_and(|piece| !piece.file.is_test(piece.at));
            at = end + 1;
            if !live {
                continue;
            }
            let name = word(1);
            match word(0) {
                "fn" => {
                    let function = Function::read(code, start, &head);
                    self.put((module, head.public), code[start], name, What::Function(function));
                }
                "struct" | "enum" | "union" => {
                    self.put((module, head.public), code[start], name, What::Type(Vec::new()));
                }
                "trait" => {
                    let mut body = members(module, &code[start..end]);
                    body.functions
                        .iter_mut()
                        .for_each(|function| function.public = !function.hidden);
                    self.put((module, head.public), code[start], name, What::Type(body.functions));
                }
                "type" => {
                    let to = until(code, start, |text| text == "=");
                    self.put(
                        (module, head.public),
                        code[start],
                        name,
                        What::Alias(code[to + 1..end].to_vec()),
                    );
                }
                "mod" => self.read_module(tree, module, folder, (&code[start..end], &head)),
                "use" => {
                    let uses = &mut self.modules[module].uses;
                    branch(&code[start + 1..end], head.public, &mut Vec::new(), uses);
                }
                "impl" => self.read_impl(module, &code[start..end]),
                "macro_rules" => {}
                _ => {
                    let (open, inner) = self.expansion(module, code, start);
                    if let Some(inner) = inner {
                        at = closing(code, open) + 1;
                        self.read(tree, module, folder, &inner);
                    }
                }
            }
        }
    }

    fn put(
        &mut self,
        (module, public): (usize, bool),
        at: Piece<'a>,
        name: &'a str,
        what: What<'a>,
    ) {
        // The first of several by `cfg` is as good as the others.
        self.modules[module].items.entry(name).or_insert(Item { public, at, what });
    }

    fn read_module(
        &mut self,
        tree: &'a Tree,
        parent: usize,
        folder: &str,
        (code, head): (&[Piece<'a>], &Head),
    ) {
        let (name, id) = (code[1].text, self.modules.len());
        let below = format!("{folder}/{name}");
        let candidates = [format!("{below}.rs"), format!("{below}/mod.rs")];
        let file = candidates.iter().find_map(|path| tree.file(path));
        if code.len() <= 2 && file.is_none() {
            return;
        }
        self.modules.push(Module::new(self.modules[parent].root, parent));
        self.put((parent, head.public), code[0], name, What::Module(id));
        match file {
            Some(file) if code.len() <= 2 => self.read(tree, id, &below, &pieces(file)),
            _ => self.read(tree, id, &below, &code[3..]),
        }
    }

    fn read_impl(&mut self, module: usize, code: &[Piece<'a>]) {
        let start = skip_generics(code, 1);
        let open = until(code, start, |text| text == "{");
        let header = &code[start..until(&code[..open], start, |text| text == "where").min(open)];
        let split = until(header, 0, |text| text == "for");
        let (of, subject) = match header.get(split) {
            Some(_) => (segments(&header[..split]).last().copied(), &header[split + 1..]),
            None => (None, header),
        };
        let subject = subject.to_vec();
        let members = members(module, &code[open..]);
        self.impls.push(Impl { at: code[0], of, subject, ..members });
    }

    /// The items that an invocation at `start` becomes, and where its bracket opens.
    fn expansion(
        &mut self,
        module: usize,
        code: &[Piece<'a>],
        start: usize,
    ) -> (usize, Option<Vec<Piece<'a>>>) {
        let text = |i: usize| code.get(i).map_or("", |piece| piece.text);
        let mut open = start;
        while is_word(text(open)) || matches!(text(open), "::" | "$") {
            open += 1;
        }
        if open == start || text(open) != "!" || !matches!(text(open + 1), "(" | "{" | "[") {
            return (open, None);
        }
        let (name, inner) = (text(open - 1), &code[open + 2..closing(code, open + 1)]);
        // What it declares stands there as it is.
        if name == "pin_project" {
            return (open + 1, Some(inner.to_vec()));
        }
        let Some(known) = self.macros.get(&(self.modules[module].root, name)) else {
            return (open + 1, None);
        };
        let Piece { file, at, .. } = code[start];
        let own = known.iter().rfind(|(path, _)| *path == file.path);
        // One that is defined elsewhere must be the only one of its name.
        let only = || known.first().filter(|_| known.len() == 1);
        let expanded = own.or_else(only).and_then(|(_, found)| found.expand(inner));
        if expanded.is_none() {
            self.lost.push(format!(
                "{}: `{name}!` cannot be followed; use fragments that tests/house/awaits knows, \
                 and a name that no other file of the crate has",
                file.place(at)
            ));
        }
        (open + 1, expanded)
    }

    /// What a path written in a module names.
    pub fn resolve(&self, module: usize, path: &[&'a str]) -> Option<Target<'a>> {
        self.follow(module, path, USES_MAX)
    }

    fn follow(&self, module: usize, path: &[&'a str], left: usize) -> Option<Target<'a>> {
        let left = left.checked_sub(1)?;
        let (first, rest) = path.split_first()?;
        let root = self.modules[module].root;
        let mut found = match *first {
            "crate" => Target::Module(root),
            "self" => Target::Module(module),
            "super" => Target::Module(self.modules[module].parent),
            name => match self.look(root, module, name, left) {
                Some(found) => found,
                None => Target::Module(*self.roots.get(name)?),
            },
        };
        for name in rest {
            let Target::Module(inside) = found else { return None };
            found = match *name {
                "super" => Target::Module(self.modules[inside].parent),
                name => self.look(root, inside, name, left)?,
            };
        }
        Some(found)
    }

    /// What a name means in a module, for the crate with this root: what is private in another crate
    /// may share its name with what is not.
    fn look(&self, root: usize, module: usize, name: &'a str, left: usize) -> Option<Target<'a>> {
        let here = &self.modules[module];
        let ours = here.root == root;
        match here.items.get(name).filter(|item| ours || item.public) {
            Some(Item { what: What::Module(id), .. }) => return Some(Target::Module(*id)),
            Some(_) => return Some(Target::Item(module, name)),
            None => {}
        }
        let uses = || here.uses.iter().filter(|one| ours || one.public);
        let named = uses().filter(|one| one.name == Some(name) && one.segments != [name]);
        let found = named.into_iter().find_map(|one| self.follow(module, &one.segments, left));
        found.or_else(|| {
            uses().filter(|one| one.name.is_none()).find_map(|one| {
                match self.follow(module, &one.segments, left.min(GLOBS_MAX))? {
                    Target::Module(id) if id != module => {
                        self.look(root, id, name, left.checked_sub(1)?)
                    }
                    _ => None,
                }
            })
        })
    }

    /// The item that a type's first path names; aliases are followed.
    pub fn head(&self, module: usize, pieces: &[Piece<'a>]) -> Option<Target<'a>> {
        let mut at = 0;
        while let Some("&" | "'" | "mut") = pieces.get(at).map(|piece| piece.text) {
            at += if pieces[at].text == "'" { 2 } else { 1 };
        }
        match self.resolve(module, &segments(&pieces[at..]))? {
            target @ Target::Item(module, name) => match &self.modules[module].items[name].what {
                What::Alias(to) => self.head(module, to),
                What::Type(_) => Some(target),
                _ => None,
            },
            Target::Module(_) => None,
        }
    }

    /// Every item that a user of the facade can name, with the path to it; macros end in `!`.
    pub fn public(&self) -> (BTreeMap<(usize, &'a str), String>, Vec<String>) {
        let mut walk = Walk { found: BTreeMap::new(), macros: Vec::new(), seen: Vec::new() };
        if let Some(root) = self.roots.get("corio") {
            self.walk(*root, "", &mut walk);
        }
        walk.macros.sort();
        walk.macros.dedup();
        (walk.found, walk.macros)
    }

    fn walk(&self, module: usize, prefix: &str, walk: &mut Walk<'a>) {
        if walk.seen.contains(&(module, prefix.to_owned())) {
            return;
        }
        walk.seen.push((module, prefix.to_owned()));
        let here = &self.modules[module];
        for (name, item) in here.items.iter().filter(|(_, item)| item.public) {
            match item.what {
                What::Module(id) => self.walk(id, &format!("{prefix}{name}::"), walk),
                _ => walk.put((module, name), format!("{prefix}{name}")),
            }
        }
        for one in here.uses.iter().filter(|one| one.public) {
            let target = self.resolve(module, &one.segments);
            match (target, one.name) {
                (Some(Target::Module(id)), None) => self.walk(id, prefix, walk),
                (Some(Target::Module(id)), Some(name)) => {
                    self.walk(id, &format!("{prefix}{name}::"), walk);
                }
                (Some(Target::Item(id, item)), Some(name)) => {
                    walk.put((id, item), format!("{prefix}{name}"));
                }
                _ => {}
            }
            let root = one.segments.first().and_then(|first| self.roots.get(first));
            if let (Some(root), [_, name]) = (root, &one.segments[..]) {
                if self.exported.contains(&(*root, *name)) {
                    walk.macros.push(format!("{prefix}{name}!"));
                }
            }
        }
    }
}

struct Walk<'a> {
    found: BTreeMap<(usize, &'a str), String>,
    macros: Vec<String>,
    seen: Vec<(usize, String)>,
}

impl<'a> Walk<'a> {
    /// Keeps the best of several paths: under the item's own name, then the shortest.
    fn put(&mut self, item: (usize, &'a str), path: String) {
        let rank =
            |path: &str| (path.rsplit("::").next() != Some(item.1), path.matches("::").count());
        match self.found.get(&item) {
            Some(known) if rank(known) <= rank(&path) => {}
            _ => drop(self.found.insert(item, path)),
        }
    }
}

impl Module<'_> {
    fn new(root: usize, parent: usize) -> Self {
        Self { root, parent, items: BTreeMap::new(), uses: Vec::new() }
    }
}

/// What stands before the keyword of an item.
struct Head {
    public: bool,
    hidden: bool,
    is_async: bool,
}

impl Head {
    /// With the index of the keyword.
    fn of(code: &[Piece<'_>], mut at: usize) -> (Self, usize) {
        let mut head = Self { public: false, hidden: false, is_async: false };
        let text = |i: usize| code.get(i).map_or("", |piece| piece.text);
        loop {
            match text(at) {
                "#" => {
                    let open = if text(at + 1) == "!" { at + 2 } else { at + 1 };
                    let close = closing(code, open);
                    head.hidden |= text(open + 1) == "doc" && text(open + 3) == "hidden";
                    at = close;
                }
                "pub" if text(at + 1) == "(" => at = closing(code, at + 1),
                "pub" => head.public = true,
                "async" => head.is_async = true,
                "unsafe" | "default" => {}
                "const" if matches!(text(at + 1), "fn" | "unsafe" | "async") => {}
                "\"" | "extern" => {}
                _ => {
                    // What is not in the documentation is nobody's.
                    head.public &= !head.hidden;
                    return (head, at);
                }
            }
            at += 1;
        }
    }
}

impl<'a> Function<'a> {
    fn read(code: &[Piece<'a>], start: usize, head: &Head) -> Self {
        let open = skip_generics(code, start + 2);
        let arrow = closing(code, open) + 1;
        let has = code.get(arrow).is_some_and(|piece| piece.text == "-");
        let from = if has { arrow + 2 } else { arrow };
        let to = until(code, from, |text| matches!(text, "where" | "{" | ";"));
        let output = if has { code[from..to].to_vec() } else { Vec::new() };
        let (name, keyword) = (code[start + 1], code[start]);
        let Head { public, hidden, is_async } = *head;
        Self { name, keyword, output, is_async, public, hidden }
    }
}

/// The functions and types in the braces of an `impl` or a trait.
fn members<'a>(module: usize, code: &[Piece<'a>]) -> Impl<'a> {
    let (functions, types) = (Vec::new(), Vec::new());
    let mut found = Impl { module, at: code[0], of: None, subject: Vec::new(), functions, types };
    let mut at = until(code, 0, |text| text == "{") + 1;
    while at < code.len() {
        let (head, start) = Head::of(code, at);
        let end = item_end(code, start);
        at = end + 1;
        match code.get(start).map(|piece| piece.text) {
            Some("fn") if !code[start].file.is_test(code[start].at) => {
                found.functions.push(Function::read(code, start, &head));
            }
            Some("type") => {
                let to = until(&code[..end], start, |text| text == "=");
                found.types.push(code[(to + 1).min(end)..end].to_vec());
            }
            _ => {}
        }
    }
    found
}

/// The index after `<..>`, if that is what stands at `at`.
fn skip_generics(code: &[Piece<'_>], at: usize) -> usize {
    match code.get(at) {
        Some(piece) if piece.text == "<" => until(code, at + 1, |_| false) + 1,
        _ => at,
    }
}

/// The index of the `;` or of the closing brace of an item.
fn item_end(code: &[Piece<'_>], from: usize) -> usize {
    let mut i = from;
    while i < code.len() {
        match code[i].text {
            ";" => return i,
            "{" if code[from].text != "use" => return closing(code, i),
            "(" | "[" | "{" => i = closing(code, i),
            _ => {}
        }
        i += 1;
    }
    code.len()
}

/// The words of a path, without generics.
pub fn segments<'a>(pieces: &[Piece<'a>]) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(piece) = pieces.get(at).filter(|piece| is_word(piece.text)) {
        found.push(piece.text);
        at += 1;
        if pieces.get(at).is_none_or(|piece| piece.text != "::") {
            break;
        }
        at += 1;
    }
    found
}

/// Takes a `use` apart.
fn branch<'a>(
    code: &[Piece<'a>],
    public: bool,
    prefix: &mut Vec<&'a str>,
    found: &mut Vec<Use<'a>>,
) {
    let (depth, mut at) = (prefix.len(), 0);
    while let Some(piece) = code.get(at) {
        match piece.text {
            "{" => {
                let close = closing(code, at);
                let mut from = at + 1;
                while from < close {
                    let to = until(&code[..close], from, |text| text == ",");
                    branch(&code[from..to], public, prefix, found);
                    from = to + 1;
                }
                prefix.truncate(depth);
                return;
            }
            "*" => {
                found.push(Use { public, segments: prefix.clone(), name: None });
                prefix.truncate(depth);
                return;
            }
            "::" => {}
            "as" => break,
            word => prefix.push(word),
        }
        at += 1;
    }
    if prefix.last() == Some(&"self") && prefix.len() > 1 {
        prefix.pop();
    }
    let own = prefix.last().copied();
    let name = if code.get(at).is_some() { code.get(at + 1).map(|p| p.text) } else { own };
    if prefix.len() > depth || name.is_some() {
        found.push(Use { public, segments: prefix.clone(), name });
    }
    prefix.truncate(depth);
}

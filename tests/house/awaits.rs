//! Every public await is in the anomaly table, and says what a cancel costs it.
//!
//! An await is a function that a user of the facade can reach and that returns a future: an `async
//! fn`, an `impl Future`, or a type with `Future` or `IntoFuture`; also a macro that waits, a type
//! that can be awaited though no function returns it, and a `Stream`. The list is made from the
//! sources; tests/awaits holds for each of them an entry `"path" => ..`, which drops and cancels it
//! at every poll, and tests/debug/unpolled another one, which says whether debug mode tells of it if
//! nobody polls it. There may be more entries `"path, where"` for what is the same function over
//! something else.
//!
//! `CORIO_LIST=1 cargo test -p corio-tests --test house awaits -- --nocapture` prints the list.

pub mod expand;
pub mod items;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use self::expand::Piece;
use self::items::{Function, Target, What, World, segments};
use crate::source::{File, Tree};
use crate::{expect_none, expect_one};

/// What must have an entry for each await, and where that is.
const TABLES: [(&str, &str); 2] = [
    ("the anomaly table", "tests/awaits/"),
    ("the table of the forgotten", "tests/debug/unpolled/"),
];
const SECTION: &str = "# Cancel safety";
/// Traits of what can be awaited.
const FUTURES: [&str; 2] = ["Future", "IntoFuture"];
/// Types of std that an await may be wrapped in.
const WRAPPERS: [&str; 4] = ["Result", "Option", "Box", "Pin"];
/// Traits that are none of a future, for a function that returns an `impl` of one.
const OTHERS: [&str; 12] = [
    "AsRef",
    "Debug",
    "Deref",
    "DerefMut",
    "Display",
    "DoubleEndedIterator",
    "Error",
    "ExactSizeIterator",
    "Fn",
    "FnMut",
    "FnOnce",
    "Iterator",
];
/// Associated types of std's traits that are no futures here.
const VALUES: [&str; 5] = ["Err", "Error", "Item", "Output", "Target"];

/// What functions return that is looked at elsewhere, or is no future.
const CLEAR: [(&str, &str); 4] = [
    ("GroupOutput::split", "a result"),
    ("Shieldable::into_wait", "what `shield` waits for, which is listed"),
    ("net::Listener::poll_accept", "a stream of bytes"),
    ("sync::oneshot::channel", "a receiver, which is listed as a type that is awaited"),
];

/// An await: its path below `corio::`, and where its function is.
struct Await<'a> {
    path: String,
    /// `None` for macros and types.
    places: Option<[Piece<'a>; 2]>,
}

/// The list in the making.
struct Listing<'w, 'a> {
    world: &'w World<'a>,
    /// What each `impl` is for.
    subjects: Vec<Option<Target<'a>>>,
    futures: BTreeSet<Target<'a>>,
    found: Vec<Await<'a>>,
    /// Types that functions return.
    returned: BTreeSet<Target<'a>>,
    /// Functions of which this list cannot say whether they return something to await.
    unclear: Vec<String>,
}

fn awaits<'a>(world: &World<'a>) -> Vec<Await<'a>> {
    listed(world).0
}

/// The awaits, and what cannot be classified.
fn listed<'a>(world: &World<'a>) -> (Vec<Await<'a>>, Vec<String>) {
    let mut list = Listing::new(world);
    let (public, macros) = world.public();
    for (id, path) in &public {
        list.functions_of(*id, path);
    }
    list.types(&public);
    list.found.extend(macros.into_iter().map(|path| Await { path, places: None }));
    list.found.sort_by(|a, b| a.path.cmp(&b.path));
    list.found.dedup_by(|a, b| a.path == b.path);
    (list.found, list.unclear)
}

impl<'w, 'a> Listing<'w, 'a> {
    fn new(world: &'w World<'a>) -> Self {
        let (futures, returned) = (BTreeSet::new(), BTreeSet::new());
        let (subjects, found, unclear) = (Vec::new(), Vec::new(), Vec::new());
        let mut list = Self { world, subjects, futures, found, returned, unclear };
        for one in &world.impls {
            let subject = world.head(one.module, &one.subject);
            list.subjects.push(subject);
            if one.of.is_some_and(|of| FUTURES.contains(&of)) {
                list.futures.extend(subject.filter(|_| !refers(&one.subject)));
                // What an `IntoFuture` turns into is awaited through it.
                let turned = one.types.iter().filter_map(|pieces| world.head(one.module, pieces));
                let turned: Vec<_> = turned.collect();
                list.returned.extend(turned);
            }
        }
        // What a hidden function returns is the business of a macro.
        for (id, module) in world.modules.iter().enumerate() {
            for item in module.items.values() {
                if let What::Function(function) = &item.what {
                    let returned = list.awaited(id, &function.output);
                    list.returned.extend(returned.flatten());
                }
            }
        }
        list
    }

    /// The functions of an item: itself, those of a trait, those of a type's own `impl`s.
    fn functions_of(&mut self, (module, name): (usize, &'a str), path: &str) {
        let world = self.world;
        match &world.modules[module].items[name].what {
            What::Function(function) => self.function(module, path.to_owned(), function),
            What::Type(functions) => {
                for function in functions {
                    self.function(module, format!("{path}::{}", function.name.text), function);
                }
            }
            _ => {}
        }
        for (i, one) in world.impls.iter().enumerate().filter(|(_, one)| one.of.is_none()) {
            if self.subjects[i] == Some(Target::Item(module, name)) {
                for function in one.functions.iter().filter(|function| function.public) {
                    self.function(one.module, format!("{path}::{}", function.name.text), function);
                }
            }
        }
    }

    fn function(&mut self, module: usize, path: String, function: &Function<'a>) {
        let returned = self.awaited(module, &function.output);
        if function.is_async || returned.is_some() {
            self.returned.extend(returned.flatten());
            self.found.push(Await { path, places: Some([function.keyword, function.name]) });
        } else if let Some(why) = self
            .unclear(module, &function.output)
            .filter(|_| CLEAR.iter().all(|(clear, _)| *clear != path))
        {
            let place = function.keyword.file.place(function.keyword.at);
            self.unclear.push(format!("{place}: {path:?} returns {why}; name it in this test"));
        }
    }

    /// What an output has that may be awaited, though it is no future itself.
    fn unclear(&self, module: usize, output: &[Piece<'a>]) -> Option<String> {
        (0..output.len()).find_map(|at| {
            let (names, before) = (segments(&output[at..]), at.checked_sub(1));
            if output[at].text == "impl" {
                let of = segments(&output[at + 1..]).last().copied().unwrap_or("?");
                return (!OTHERS.contains(&of)).then(|| format!("`impl {of}`"));
            }
            if before.is_some_and(|before| output[before].text == "::") {
                // Of `<T as Trait>::Type`, and the later parts of a path that was looked at.
                let whole = at > 1 && output[at - 2].text == ">";
                return whole.then(|| format!("an associated type `{}`", output[at].text));
            }
            if let [of, name] = names[..] {
                let generic = of == "Self" || of.len() == 1;
                if generic && !VALUES.contains(&name) {
                    return Some(format!("an associated type `{of}::{name}`"));
                }
            }
            let inside =
                self.world.head(module, &output[at..]).filter(|it| self.futures.contains(it));
            inside.map(|_| format!("a future `{}` inside of another type", names.join("::")))
        })
    }

    /// Whether a function's output is a future, perhaps in a wrapper; and its type, if it has a
    /// name.
    fn awaited(&self, module: usize, output: &[Piece<'a>]) -> Option<Option<Target<'a>>> {
        let names = segments(output);
        if names.first() == Some(&"impl") {
            return segments(&output[1..]).last().filter(|of| FUTURES.contains(of)).map(|_| None);
        }
        if let Some(target) = self.world.head(module, output) {
            return self.futures.contains(&target).then_some(Some(target));
        }
        let wrapped = names.last().is_some_and(|name| WRAPPERS.contains(name));
        let open = output.iter().position(|piece| piece.text == "<")?;
        if wrapped { self.awaited(module, &output[open + 1..]) } else { None }
    }

    /// Types that are awaited themselves.
    fn types(&mut self, public: &BTreeMap<(usize, &'a str), String>) {
        let world = self.world;
        for (i, one) in world.impls.iter().enumerate() {
            let Some(Target::Item(module, name)) = self.subjects[i] else { continue };
            let (Some(of), Some(path)) = (one.of, public.get(&(module, name))) else { continue };
            let path = if of == "Stream" {
                format!("{path} as Stream")
            } else if !FUTURES.contains(&of) {
                continue;
            } else if refers(&one.subject) {
                let mutable = one.subject.iter().any(|piece| piece.text == "mut");
                format!("&{}{path}", if mutable { "mut " } else { "" })
            } else if self.returned.contains(&Target::Item(module, name)) {
                continue;
            } else {
                format!("{path} as Future")
            };
            self.found.push(Await { path, places: None });
        }
    }
}

fn refers(subject: &[Piece<'_>]) -> bool {
    subject.first().is_some_and(|piece| piece.text == "&")
}

/// The documentation above a piece: the lines of `///` over its own, attributes left out.
pub fn documentation(piece: &Piece<'_>) -> String {
    let line = piece.file.line(piece.at);
    let lines: Vec<_> = piece.file.text.lines().take(line - 1).map(str::trim).collect();
    let above = lines.iter().rev().take_while(|line| {
        let start = ["///", "#[", "$(", "$v"].iter().any(|start| line.starts_with(start));
        start || line.ends_with(")]")
    });
    let mut above: Vec<_> = above.copied().collect();
    above.reverse();
    above.join("\n")
}

/// The entries of a table: path and place.
fn entries(tree: &Tree, folder: &str) -> Vec<(String, String)> {
    let files = tree.files.iter().filter(|file| file.path.starts_with(folder));
    files.flat_map(entries_of).collect()
}

fn entries_of(file: &File) -> Vec<(String, String)> {
    let lines = file.text.lines().enumerate().filter_map(|(i, line)| {
        let (path, rest) = line.trim_start().strip_prefix('"')?.split_once('"')?;
        rest.starts_with(" => ").then(|| (path.to_owned(), format!("{}:{}", file.path, i + 1)))
    });
    lines.collect()
}

fn untabled(tree: &Tree, list: &[Await<'_>], (table, folder): (&str, &str)) -> Vec<String> {
    let entries = entries(tree, folder);
    let mut found = Vec::new();
    let known: BTreeSet<_> = list.iter().map(|one| one.path.as_str()).collect();
    let mut tabled = BTreeSet::new();
    for (path, place) in &entries {
        // "path, where": once more, over something else.
        if !known.contains(path.split(", ").next().unwrap_or_default()) {
            found.push(format!("{place}: {path:?} is no public await; drop the entry"));
        }
        if !tabled.insert(path.as_str()) {
            found.push(format!("{place}: {path:?} has an entry already"));
        }
    }
    for one in list.iter().filter(|one| !tabled.contains(one.path.as_str())) {
        let place = one.places.map_or(String::from("src"), |[at, _]| at.file.place(at.at));
        let path = &one.path;
        found.push(format!("{place}: {path:?} is not in {table}; add it to {folder}"));
    }
    found
}

/// Files with entries that no run takes: the file beside the folder, or its `main.rs`, lists the
/// tables.
fn unrun(tree: &Tree, (table, folder): (&str, &str)) -> Vec<String> {
    let roots = [format!("{folder}main.rs"), format!("{}.rs", folder.trim_end_matches('/'))];
    let root = roots.iter().find_map(|path| tree.file(path));
    let runs = root.map_or_else(String::new, |root| {
        root.tokens().iter().map(|token| token.text).collect::<Vec<_>>().concat()
    });
    let files = tree.files.iter().filter(|file| file.path.starts_with(folder));
    let unrun = files.filter(|file| !entries_of(file).is_empty()).filter_map(|file| {
        let module = file.path[folder.len()..].trim_end_matches(".rs");
        let taken =
            [",", "["].iter().any(|before| runs.contains(&format!("{before}{module}::TABLE")));
        (!taken).then(|| format!("{}: {table} does not run `{module}::TABLE`", file.path))
    });
    unrun.collect()
}

fn undocumented(list: &[Await<'_>]) -> Vec<String> {
    let silent = list.iter().filter_map(|one| {
        let places = one.places?;
        let says = places.iter().any(|piece| documentation(piece).contains(SECTION));
        let place = places[0].file.place(places[0].at);
        let path = &one.path;
        (!says).then(|| format!("{place}: {path:?} lacks `{SECTION}`; say what a cancel costs"))
    });
    silent.collect()
}

/// The awaits of the workspace, listed once.
fn all() -> (&'static World<'static>, &'static [Await<'static>]) {
    let (world, list) = whole();
    (world, &list.0)
}

type Listed<'a> = (Vec<Await<'a>>, Vec<String>);

fn whole() -> (&'static World<'static>, &'static Listed<'static>) {
    static WORLD: OnceLock<World<'_>> = OnceLock::new();
    static LIST: OnceLock<Listed<'_>> = OnceLock::new();
    let world = WORLD.get_or_init(|| World::of(Tree::load()));
    (world, LIST.get_or_init(|| listed(world)))
}

#[test]
fn awaits_are_in_the_tables() {
    let (world, list) = all();
    if std::env::var_os("CORIO_LIST").is_some() {
        list.iter().for_each(|one| println!("{}", one.path));
    }
    assert!(list.len() > 200, "only {} awaits were found", list.len());
    expect_none("macros", world.lost.clone());
    for table in TABLES {
        expect_none(table.0, untabled(Tree::load(), list, table));
        expect_none(table.0, unrun(Tree::load(), table));
    }
}

#[test]
fn what_functions_return_is_known_to_be_awaited_or_not() {
    expect_none("what a function returns", whole().1.1.clone());
    assert!(CLEAR.is_sorted());
}

#[test]
fn what_cannot_be_classified_is_found() {
    let facade = "pub struct Wait; impl Future for Wait {}\nimpl<T> Wait {\n\
         pub fn stream() -> impl Stream<Item = u8> {}\n\
         pub fn own() -> Box<dyn Fn() -> impl OwnTrait> {}\n\
         pub fn tuple() -> (u8, Wait) {}\n\
         pub fn many() -> Vec<Wait> {}\n\
         pub fn turned() -> T::IntoFuture {}\n\
         pub fn its_own() -> Option<Self::Waiting> {}\n\
         pub fn cast() -> <T as IntoFuture>::IntoFuture {}\n\
         pub fn known() -> Result<T::Output, impl Iterator<Item = T>> {} }";
    let tree = Tree::of(&[("src/lib.rs", facade)]);
    let unclear = listed(&World::of(&tree)).1;
    let expected = [
        ("stream", "`impl Stream`"),
        ("own", "`impl OwnTrait`"),
        ("tuple", "a future `Wait` inside of another type"),
        ("many", "a future `Wait` inside of another type"),
        ("turned", "an associated type `T::IntoFuture`"),
        ("its_own", "an associated type `Self::Waiting`"),
        ("cast", "an associated type `IntoFuture`"),
    ];
    assert_eq!(unclear.len(), expected.len(), "{unclear:#?}");
    for (found, (name, what)) in unclear.iter().zip(expected) {
        assert!(found.contains(&format!("\"Wait::{name}\" returns {what};")), "{found}");
    }
}

#[test]
fn awaits_say_what_a_cancel_costs() {
    expect_none("cancel safety", undocumented(all().1));
}

#[test]
fn awaits_are_found() {
    let sync = "mod lock;\npub mod channel { pub mod mpsc {\n\
         pub struct Receiver<T>(T); pub struct Recv<'a, T>(&'a T);\n\
         impl<T> Future for Recv<'_, T> { }\n\
         macro_rules! ends { ($($r:ident),*) => { $(impl<T> $r<T> {\n\
         /// # Cancel safety\n/// Strict.\n#[must_use]\npub fn recv(&mut self) -> Recv<'_, T> { } })* } }\n\
         ends!(Receiver);\nimpl<T> futures_core::Stream for Receiver<T> { }\n\
         pub fn channel<T>() -> (T, Receiver<T>) { } } }\n\
         pub use channel::mpsc;\npub use lock::{Lock, Acquire, Later};\n\
         #[macro_export]\nmacro_rules! wait { () => {} }\n\
         #[macro_export]\nmacro_rules! local { ($n:ident) => { static $n: &'static u8 = &0; } }\n\
         #[doc(hidden)]\npub mod secret { pub async fn told() {} }";
    let lock = "pub struct Lock; pub struct Acquire; struct Inner;\n\
         pub struct Turned; pub type Held = Acquire; pub struct Later;\n\
         impl<F: Fn(u8) -> bool> std::future::Future for Acquire where F: X {}\n\
         impl Future for Turned {}\nimpl IntoFuture for Later { type IntoFuture = Turned; }\n\
         impl Future for &mut Later {}\nimpl Lock {\npub fn acquire(&self) -> Acquire {}\n\
         /// # Cancel safety\npub fn held<P: Fn(u8) -> bool>(&self) -> io::Result<Held, u8> {}\n\
         pub fn own(self) -> Self {} fn inner(&self) -> Acquire {} pub fn len() -> usize {}\n\
         pub(crate) fn near(&self) -> Acquire {} #[cfg(test)] pub fn tested() -> Acquire {}\n\
         /// # Cancel safety\npub async fn slow() {} }\nimpl Inner { pub fn x() -> Acquire {} }\n\
         pub fn unreached() -> Acquire {}";
    let facade = "pub mod sync { pub use corio_sync::*; }\npub use corio_sync::wait; pub use corio_sync::local;\n\
         /// # Cancel safety\npub fn far() -> impl Future<Output = ()> {}\n\
         pub use sync::Lock as Mutex; pub use inner::Later; mod inner { pub use corio_sync::*; }";
    let tree = Tree::of(&[
        ("sync/src/lib.rs", sync),
        ("sync/src/lock.rs", lock),
        ("src/lib.rs", facade),
        ("tests/awaits/a.rs", "awaits! {\n    \"far\" => x;\n \"far\" => y;\n \"gone\" => z;\n}"),
    ]);
    let world = World::of(&tree);
    let list = awaits(&world);
    let paths: Vec<_> = list.iter().map(|one| one.path.as_str()).collect();
    let expected = [
        "&mut Later",
        "Later as Future",
        "far",
        "sync::Lock::acquire",
        "sync::Lock::held",
        "sync::Lock::slow",
        "sync::mpsc::Receiver as Stream",
        "sync::mpsc::Receiver::recv",
        "wait!",
    ];
    assert_eq!(paths, expected);
    expect_one(undocumented(&list), "sync/src/lock.rs:8: \"sync::Lock::acquire\" lacks");
    let found = untabled(&tree, &list, TABLES[0]);
    assert_eq!(found.len(), 2 + expected.len() - 1, "{found:#?}");
    assert!(found[0].contains("has an entry already") && found[1].contains("no public await"));
}

#[test]
fn tables_that_nobody_runs_are_found() {
    let entry = "pub const TABLE: X = awaits! {\n    \"far\" => x;\n};";
    let files = |root, main| {
        Tree::of(&[
            ("tests/awaits/a.rs", entry),
            ("tests/awaits/far_a.rs", entry),
            ("tests/awaits/support.rs", "pub fn help() {}"),
            (root, main),
        ])
    };
    let found = |main| unrun(&files("tests/awaits/main.rs", main), TABLES[0]);
    let good = "mod a; mod far_a;\nconst AREAS: X = [(\"a\", a::TABLE), (\"b\", far_a::TABLE)];";
    expect_none("a good list", found(good));
    let beside = files("tests/awaits.rs", "const TABLES: X = [a::TABLE, far_a::TABLE];");
    expect_none("a list beside the folder", unrun(&beside, TABLES[0]));
    let words = "tests/awaits/a.rs: the anomaly table does not run `a::TABLE`";
    expect_one(found("mod a; mod far_a; // a::TABLE\nconst X: X = [far_a::TABLE];"), words);
    assert_eq!(found("").len(), 2);
}

#[test]
fn awaits_in_strange_macros_are_found() {
    let strange = "macro_rules! odd { ($x:item) => { $x } }\nodd!(pub async fn f() {});";
    let tree = Tree::of(&[("src/lib.rs", strange)]);
    expect_one(World::of(&tree).lost, "src/lib.rs:2: `odd!` cannot be followed");
}

#[test]
fn macros_of_one_name_are_told_apart_by_file() {
    let lib = "pub mod a; pub mod b; pub mod c;";
    let a = "macro_rules! made { ($($f:ident)*) => { $(pub async fn $f() {})* } }\nmade!(one two);";
    let b = "macro_rules! made { ($f:literal) => { pub async fn three() {} } }\nmade!(\"x\");";
    let tree = Tree::of(&[("src/lib.rs", lib), ("src/a.rs", a), ("src/b.rs", b)]);
    let world = World::of(&tree);
    let paths: Vec<_> = awaits(&world).into_iter().map(|one| one.path).collect();
    assert_eq!(
        (&*paths, world.lost),
        (&["a::one", "a::two", "b::three"].map(String::from)[..], vec![])
    );
    // Neither of the two is its own.
    let tree = Tree::of(&[
        ("src/lib.rs", lib),
        ("src/a.rs", a),
        ("src/b.rs", b),
        ("src/c.rs", "made!(four);"),
    ]);
    expect_one(World::of(&tree).lost, "src/c.rs:1: `made!` cannot be followed");
}

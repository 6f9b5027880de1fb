//! Every public function is shown at work: by an example of its own, by one on its type's page that
//! calls it, or by one that either page links to with the words `for an example`. What stands for a
//! function of the same name elsewhere, and links to it, needs no more.
//!
//! Which functions are public is told by the same walk that finds the awaits.

use std::collections::BTreeMap;

use crate::awaits::documentation;
use crate::awaits::expand::{Piece, pieces};
use crate::awaits::items::{Function, Target, What, World};
use crate::expect_none;
use crate::source::Tree;

/// Folders with public functions.
const FOLDERS: [&str; 5] = ["sync/src/", "runtime/src/", "io/src/", "src/", "macros/src/"];

/// What is above an example's code.
const SECTION: &str = "# Examples";
/// What follows links to examples.
const WORDS: &str = "for an example";
/// How often a function may stand for another one of its name.
const HOPS_MAX: usize = 2;

/// A public function, macro or type.
struct Page<'a> {
    /// Path below `corio::`.
    path: String,
    /// Path of the type that the function belongs to.
    owner: Option<&'a str>,
    is_type: bool,
    /// The keyword.
    at: Piece<'a>,
    documentation: String,
}

impl<'a> Page<'a> {
    fn of_type(path: &str, at: Piece<'a>) -> Self {
        let documentation = documentation(&at);
        Self { path: path.to_owned(), owner: None, is_type: true, at, documentation }
    }

    fn of_macro(name: Piece<'a>) -> Self {
        Self { is_type: false, ..Self::of_type(&format!("{}!", name.text), name) }
    }

    fn of_function(path: String, owner: Option<&'a str>, function: &Function<'a>) -> Self {
        let at = function.keyword;
        // In a macro the name may come from elsewhere, and bring what is said of it.
        let mut pages = vec![documentation(&at)];
        if function.name.file.line(function.name.at) != at.file.line(at.at) {
            pages.push(documentation(&function.name));
        }
        Self { path, owner, is_type: false, at, documentation: pages.join("\n") }
    }

    fn name(&self) -> &str {
        self.path.rsplit("::").next().unwrap_or_default()
    }

    fn place(&self) -> String {
        self.at.file.place(self.at.at)
    }

    /// The code of its examples. One that waits for ever, or for a user, may be compiled alone.
    fn example(&self) -> Option<String> {
        let (mut code, mut section, mut shown) = (String::new(), "", None);
        for line in self.documentation.lines() {
            let line = line.trim().trim_start_matches("///").trim_start();
            match (line.strip_prefix("```"), shown) {
                (Some(kind), None) => {
                    let runs = matches!(kind, "" | "no_run" | "should_panic");
                    shown = Some(runs && section == SECTION);
                }
                (None, None) if line.starts_with("# ") => section = line,
                (Some(_), Some(_)) => shown = None,
                (None, Some(true)) => code = code + line.trim_start_matches("# ") + "\n",
                (None, _) => {}
            }
        }
        (!code.is_empty()).then_some(code)
    }

    /// Whether its own example calls a function of this name.
    fn calls(&self, name: &str) -> bool {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        self.example().is_some_and(|code| {
            code.match_indices(name).any(|(at, _)| {
                let (before, after) = (&code[..at], &code[at + name.len()..]);
                !before.ends_with(is_part) && (after.starts_with('(') || after.starts_with("::<"))
            })
        })
    }

    /// What it links to above its examples, and whether for an example.
    fn links(&self) -> Vec<(&str, bool)> {
        let text = self.documentation.split(SECTION).next().unwrap_or_default();
        let mut links = Vec::new();
        for sentence in text.split_inclusive(". ").flat_map(|some| some.split_inclusive(".\n")) {
            for link in sentence.split('[').skip(1) {
                let Some((name, rest)) = link.split_once(']') else { continue };
                // The target of "[`x`](Self::x)", or "[`Self::x`]" itself.
                let target = rest.strip_prefix('(').and_then(|rest| rest.split(')').next());
                let target = target.unwrap_or(name).trim_matches('`').trim_end_matches("()");
                let target = target.trim_start_matches("fn@");
                links.push((target, sentence.contains(WORDS)));
            }
        }
        links
    }
}

/// Everything public, by path.
type Pages<'a> = BTreeMap<String, Page<'a>>;

fn pages<'a>(world: &World<'a>, names: &'a BTreeMap<(usize, &'a str), String>) -> Pages<'a> {
    let mut found = Pages::new();
    let put = |found: &mut Pages<'a>, page: Page<'a>| found.insert(page.path.clone(), page);
    for ((module, name), path) in names {
        let item = &world.modules[*module].items[name];
        match &item.what {
            What::Function(function) => {
                put(&mut found, Page::of_function(path.clone(), None, function));
            }
            What::Type(functions) => {
                put(&mut found, Page::of_type(path, item.at));
                for function in functions.iter().filter(|function| function.public) {
                    let own = format!("{path}::{}", function.name.text);
                    put(&mut found, Page::of_function(own, Some(path), function));
                }
            }
            What::Module(_) | What::Alias(_) => {}
        }
    }
    for one in world.impls.iter().filter(|one| one.of.is_none()) {
        let subject = world.head(one.module, &one.subject);
        let Some(Target::Item(module, name)) = subject else { continue };
        let Some(owner) = names.get(&(module, name)) else { continue };
        // What stands above an `impl` is on its type's page, too.
        if let Some(page) = found.get_mut(owner) {
            page.documentation += &format!("\n{}", documentation(&one.at));
        }
        for function in one.functions.iter().filter(|function| function.public) {
            let path = format!("{owner}::{}", function.name.text);
            put(&mut found, Page::of_function(path, Some(owner), function));
        }
    }
    found
}

/// Macros of both kinds that a user can call.
fn macros<'a>(tree: &'a Tree, reached: &[String]) -> Vec<Page<'a>> {
    let files = tree.files.iter().filter(|file| FOLDERS.iter().any(|of| file.path.starts_with(of)));
    let pages = files.flat_map(|file| {
        let code = pieces(file);
        let named = code.windows(3).filter_map(|three| {
            let is_there: fn(&Page<'_>, &[String]) -> bool = match (three[0].text, three[1].text) {
                ("macro_rules", "!") => |page, reached| reached.contains(&page.path),
                ("pub", "fn") => |page, _| page.documentation.contains("#[proc_macro_attribute"),
                _ => return None,
            };
            Some(Page::of_macro(three[2])).filter(|page| is_there(page, reached))
        });
        named.collect::<Vec<_>>()
    });
    pages.collect()
}

/// The page that a link on another one leads to.
///
/// Modules of the crates and of the facade are not the same, so what counts is the end of a path: the
/// longest that is somewhere, beside the page itself before it is elsewhere.
fn target<'p, 'a>(pages: &'p Pages<'a>, page: &Page<'a>, link: &str) -> Option<&'p Page<'a>> {
    let owner = page.owner.unwrap_or(&page.path);
    if let Some(rest) = link.strip_prefix("Self") {
        return pages.get(&format!("{owner}{rest}"));
    }
    let words = link.split("::").filter(|word| !matches!(*word, "crate" | "super"));
    let words: Vec<_> = words.collect();
    let beside = owner.rsplit_once("::").map_or("", |(module, _)| module);
    (0..words.len()).find_map(|from| {
        let path = words[from..].join("::");
        let end = format!("::{path}");
        let near = pages.get(format!("{beside}{end}").trim_start_matches("::"));
        let known = near.or_else(|| pages.get(&path));
        known.or_else(|| pages.values().find(|page| page.path.ends_with(&end)))
    })
}

/// True if the page's example calls a function of this name, or one that it names for it does.
fn shows(pages: &Pages<'_>, page: &Page<'_>, name: &str) -> bool {
    let mut targets = page.links().into_iter().filter(|(_, for_example)| *for_example);
    page.calls(name)
        || targets.any(|(link, _)| target(pages, page, link).is_some_and(|page| page.calls(name)))
}

fn is_shown(pages: &Pages<'_>, page: &Page<'_>, hops: usize) -> bool {
    let name = page.name();
    let owner = page.owner.and_then(|owner| pages.get(owner));
    let stands_for = |link| {
        let of = target(pages, page, link).filter(|of| of.name() == name && !of.is_type);
        of.is_some_and(|of| hops > 0 && is_shown(pages, of, hops - 1))
    };
    page.example().is_some()
        || shows(pages, page, name)
        || owner.is_some_and(|owner| shows(pages, owner, name))
        || page.links().into_iter().any(|(link, _)| stands_for(link))
}

fn unshown(tree: &Tree, world: &World<'_>) -> Vec<String> {
    let (names, reached) = world.public();
    let pages = pages(world, &names);
    let functions = pages.values().filter(|page| !page.is_type);
    let macros = macros(tree, &reached);
    let all = functions.chain(&macros).filter(|page| !is_shown(&pages, page, HOPS_MAX));
    let found = all.map(|page| {
        let (place, path) = (page.place(), &page.path);
        format!("{place}: `{path}` is shown nowhere; add `{SECTION}`, or link to one that calls it")
    });
    found.collect()
}

#[test]
fn public_functions_are_shown_at_work() {
    let tree = Tree::load();
    let world = World::of(tree);
    let (names, _) = world.public();
    let functions = pages(&world, &names).values().filter(|page| !page.is_type).count();
    assert!(functions > 1000, "only {functions} functions were found");
    expect_none("examples", unshown(tree, &world));
}

#[test]
fn functions_that_are_shown_nowhere_are_found() {
    let runtime = "pub fn silent() {}\n/// # Examples\n///\n/// ```\n/// x();\n/// ```\npub fn own() {}\n\
         /// # Examples\n/// ```text\n/// x\n/// ```\npub fn text() {}\n\
         /// # Examples\n/// ```\n/// t.both(); T::made::<u8>();\n/// ```\npub struct T; impl T {\n\
         pub fn both(&self) {} pub fn made() {}\n\
         pub fn bot(&self) {}\n\
         /// See [`shown`](Self::shown) for an example.\npub fn linked() {}\n\
         /// See [`T::shown`] for an example.\npub fn astray() {}\n\
         /// See [`T::shown`], and nothing of an example.\npub fn said() {}\n\
         /// As [`linked`](Self::linked).\npub fn stands() {}\n\
         /// See [`gone`](Self::gone) for an example.\npub fn lost() {}\n\
         /// # Examples\n///\n/// ```\n/// # t.linked();\n/// ```\npub fn shown() {}\n\
         fn private() {} #[doc(hidden)] pub fn hidden() {} }\n\
         struct U; impl U { pub fn unreached() {} } pub fn away() {}\n\
         #[macro_export]\nmacro_rules! bare { () => {} }\n\
         #[doc(hidden)]\n#[macro_export]\nmacro_rules! inner { () => {} }\n\
         macro_rules! own { () => {} }";
    let macros = "#[proc_macro_attribute]\npub fn main() {}\npub fn helper() {}";
    let facade = "pub use corio_runtime::{T, silent, own, text, bare};\n\
         /// See [`away`](crate::T::both) for an example.\npub fn far() {}\n\
         /// As [`T::linked`].\npub fn linked() {}";
    let tree = Tree::of(&[
        ("runtime/src/lib.rs", runtime),
        ("macros/src/lib.rs", macros),
        ("src/lib.rs", facade),
    ]);
    let found = unshown(&tree, &World::of(&tree));
    let names: Vec<_> = found.iter().filter_map(|one| one.split('`').nth(1)).collect();
    let expected = [
        "T::astray",
        "T::bot",
        "T::lost",
        "T::said",
        "T::stands",
        "far",
        "silent",
        "text",
        "bare!",
        "main!",
    ];
    assert_eq!(names, expected, "{found:#?}");
    assert!(found[1].starts_with("runtime/src/lib.rs:19: `T::bot` is shown nowhere"), "{found:#?}");
}

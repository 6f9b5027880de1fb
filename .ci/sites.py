"""Finds the named sites of the protocols: `ord("a.b", ..)`, `fence_at("a.b")`, `mutant("a.b")`.

A mutant is one change to one site: an ordering weakened to Relaxed, one half of AcqRel dropped
(`a.b:acq`, `a.b:rel`), a fence or a step left out. What may survive is argued in
`.ci/mutants-argued.txt` and, with the words `Not killable:`, at the site; and so is a named ordering that
is passed to no `ord`, because no model reaches it.
"""

import itertools
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ARGUED = ROOT / ".ci" / "mutants-argued.txt"
ENDLESS = ROOT / ".ci" / "mutants-endless.txt"
STALLS_ARGUED = ROOT / ".ci" / "stalls-argued.txt"
FOLDERS = ["sync/src", "runtime/src", "io/src"]
# The reason may stand this many lines above its site: one comment may serve a whole function.
REASON_LINES_MAX = 60

# Literals come before comments, so that `"//"` is not taken for one; a char literal before a
# lifetime, so that `'"'` does not open a string.
TOKEN = re.compile(
    r'''(?P<raw>\bb?r(?P<hash>\#*)".*?"(?P=hash))
      | (?P<string>\bb?"(?:\\.|[^"\\])*"|"(?:\\.|[^"\\])*")
      | (?P<char>'(?:\\[^']+|[^'\\])')
      | (?P<line>//[^\n]*)
      | (?P<block>/\*.*?\*/)''',
    re.X | re.S,
)
CALL = re.compile(r'\b(ord|fence_at|mutant)\(\s*("([^"]*)"|[^\s")][^,)]*)\s*(?:,\s*([\w:]+))?')

# An access to an atomic. What else has such a name takes fewer arguments, or a place first.
ACCESS = re.compile(r"\.\s*(load|store|swap|compare_exchange(?:_weak)?|fetch_\w+)\(")
ARGUMENTS = {"load": 1, "store": 2, "swap": 2}
NAMED = re.compile(r'\bord\("([^"]+)"|^\s*// Ordering\(([^),]+)')
NAMES = re.compile(r"\bOrdering\((\w+\.\w+)\)")
# Where the primitives are, and what is no part of their operations: tests, and counts of what is
# shown to people and of what a task has used up.
OPERATIONS = "sync/src"
NO_OPERATION = re.compile(r"/shim/|/stall_tests|loom\.rs$|tests\.rs$|/storms|/testing|_model\.rs$"
                          r"|/(coop|debug)\.rs$")


class Site:
    """One use of one name."""

    def __init__(self, name, kind, order, path, line, partners):
        self.name, self.kind, self.order = name, kind, order
        self.path, self.line, self.partners = path, line, partners

    def mutants(self):
        if self.kind == "ord" and self.order == "AcqRel":
            return [self.name, f"{self.name}:acq", f"{self.name}:rel"]
        return [self.name]


def code_of(text):
    """The text with its comments blanked; line breaks stay, so that line numbers do."""

    def blank(match):
        if match.lastgroup in ("line", "block") or match.group("line") or match.group("block"):
            return re.sub(r"[^\n]", " ", match.group(0))
        return match.group(0)

    return TOKEN.sub(blank, text)


def collect(root=ROOT):
    """All sites in the sources, and complaints about those that cannot be read."""
    found, wrong = [], []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.rs")):
            shown = path.relative_to(root)
            if shown.match("sync/src/shim/*.rs"):
                continue
            text = path.read_text()
            code, lines = code_of(text), text.splitlines()
            for match in CALL.finditer(code):
                if re.search(r"fn\s+$", code[: match.start()]):
                    continue
                line = code.count("\n", 0, match.start()) + 1
                name = match.group(3)
                if name is None:
                    wrong.append(f"{shown}:{line}: name the site of {match.group(1)} by a literal")
                    continue
                if not re.fullmatch(r"\w+\.\w+", name):
                    wrong.append(f"{shown}:{line}: {name!r} is not of the form module.site")
                    continue
                order = (match.group(4) or "").rsplit("::", 1)[-1]
                found.append(Site(name, match.group(1), order, shown, line,
                                  partners(name, lines[:line])))
    return found, wrong


CLAIM = re.compile(r"\s*// Ordering\(([\w., ]+)\):\s*(\w+)")


def bypassing(found, root=ROOT):
    """Orderings that have a name and a partner, and no site: those that no mutant weakens."""
    have, passed_by = {site.name for site in found}, {}
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.rs")):
            lines = path.read_text().splitlines()
            for at, line in enumerate(lines):
                claim = CLAIM.match(line)
                if not claim or claim.group(2) == "Relaxed":
                    continue
                rest = itertools.takewhile(
                    lambda l: l.lstrip().startswith("//") and not CLAIM.match(l), lines[at + 1 :])
                # One that says `as Ordering(..)` is judged where that is.
                if "pairs" not in " ".join([line, *rest]):
                    continue
                for name in re.split(r"[ ,]+", claim.group(1)):
                    if name not in have:
                        passed_by[name] = Site(name, "comment", claim.group(2),
                                               path.relative_to(root), at + 1, set())
    return passed_by


def partners(name, lines):
    """The modules that the comment of a site, the last before it, says it pairs with."""
    first = next((i for i in reversed(range(len(lines))) if f"Ordering({name})" in lines[i]), None)
    if first is None:
        return set()
    said = itertools.takewhile(lambda line: line.lstrip().startswith("//"), lines[first:])
    return {other.split(".")[0] for other in NAMES.findall(" ".join(said))} - {name.split(".")[0]}


def arguments(code, start):
    """How many there are in the parentheses that end at their partner."""
    depth, count, last = 1, 1, ""
    for char in code[start:]:
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(char, 0)
        if depth == 0:
            return count - (last == ",")
        count += depth == 1 and char == ","
        last = last if char.isspace() else char
    return count


def accesses(root=ROOT):
    """Every access to an atomic in an operation: (path, line) -> the name of its site."""
    found = {}
    for path in sorted((root / OPERATIONS).rglob("*.rs")):
        shown = path.relative_to(root).as_posix()
        if NO_OPERATION.search("/" + shown):
            continue
        text = path.read_text()
        code, lines = code_of(text), text.splitlines()
        for match in ACCESS.finditer(code):
            given = arguments(code, match.end())
            if given < ARGUMENTS.get(match.group(1), 2) or code.startswith("&mut", match.end()):
                continue
            line = code.count("\n", 0, match.start(1)) + 1
            # As stall_tests.rs names them: by the nearest site at or above.
            above = (NAMED.search(text) for text in reversed(lines[:line]))
            name = next((m.group(1) or m.group(2) for m in above if m), shown)
            found[shown, line] = name
    return found


def never_held(held, root=ROOT):
    """Complaints: an access at which no stall model has held a thread, unless it is argued, and an
    argument for what was held or is gone."""
    names = accesses(root)
    missed = {name for place, name in names.items() if place not in held}
    reasons = argued(STALLS_ARGUED)
    wrong = [f"no stall model holds a thread at {name} ({path}:{line})"
             for (path, line), name in sorted(names.items())
             if (path, line) not in held and name not in reasons]
    wrong += [f"{STALLS_ARGUED.name}: {name} has no reason (site, tab, reason)"
              for name, reason in sorted(reasons.items()) if not reason]
    wrong += [f"{STALLS_ARGUED.name} excuses {name}, which needs none"
              for name in sorted(set(reasons) - missed)]
    return wrong, len(names), len(missed)


def argued(listed=ARGUED):
    """What is argued for instead of shown, a mutant or an access: name -> reason."""
    reasons = {}
    for line in listed.read_text().splitlines() if listed.exists() else []:
        if line.strip() and not line.startswith("#"):
            name, _, reason = line.partition("\t")
            reasons[name.strip()] = reason.strip()
    return reasons


def argued_at_site(site):
    """True if `Not killable:` stands above the site or beside it."""
    lines = (ROOT / site.path).read_text().splitlines()
    near = lines[max(0, site.line - REASON_LINES_MAX) : site.line + 3]
    return any("Not killable:" in line for line in near)

"""Finds the named sites of the protocols: `ord("a.b", ..)`, `fence_at("a.b")`, `mutant("a.b")`.

A mutant is one change to one site: an ordering weakened to Relaxed, one half of AcqRel dropped
(`a.b:acq`, `a.b:rel`), a fence or a step left out. What may survive is argued in
`.ci/mutants-argued.txt` and, with the words `Not killable:`, at the site.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ARGUED = ROOT / ".ci" / "mutants-argued.txt"
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


class Site:
    """One use of one name."""

    def __init__(self, name, kind, order, path, line):
        self.name, self.kind, self.order = name, kind, order
        self.path, self.line = path, line

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
            code = code_of(path.read_text())
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
                found.append(Site(name, match.group(1), order, shown, line))
    return found, wrong


def argued():
    """Mutants that no model can show red: name -> reason."""
    reasons = {}
    for line in ARGUED.read_text().splitlines() if ARGUED.exists() else []:
        if line.strip() and not line.startswith("#"):
            name, _, reason = line.partition("\t")
            reasons[name.strip()] = reason.strip()
    return reasons


def argued_at_site(site):
    """True if `Not killable:` stands above the site or beside it."""
    lines = (ROOT / site.path).read_text().splitlines()
    near = lines[max(0, site.line - REASON_LINES_MAX) : site.line + 3]
    return any("Not killable:" in line for line in near)

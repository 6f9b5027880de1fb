"""Weakens each named site in turn and expects a model of the same crate to turn red.

A mutant under which no model turns red, and some model does not end in ten times its time, is told apart:
it counts as killed only if it is listed, with the reason, as one that makes a model loop for ever. A named
ordering that is no site, and so has no mutant, must be argued for.
"""

import concurrent.futures
import threading
import time

import models
import sites

# A model that a mutant slows down is not thereby red: it gets this many times its own time.
SLOWER_MAX = 10
SECONDS_MIN = 10


class Judge:
    """Runs models against mutants; remembers which model killed, and how long each takes alone."""

    def __init__(self, found, args):
        self.args = args
        self.argued = sites.argued()
        self.by_name = {}
        for m in found:
            self.by_name.setdefault(m.name, []).append(m)
        self.clean = {}
        self.locks = {}
        self.guard = threading.Lock()
        self.killers = {}
        self.more = {"CORIO_LOOM_BOUND": str(args.bound)} if args.bound else {}

    def candidates(self, mutant, site):
        """The models of the site's crate. First those whose name begins with its module, then those
        of the modules that it pairs with, then the rest; what killed last comes first, then the
        sequential pass, which is the faster one. What is argued for is tried on the first two only."""
        module = mutant.split(".")[0]
        crate = models.crate_of(site.path)
        chosen = [m for group in self.by_name.values() for m in group if m.crate == crate]
        last = self.killers.get(module, {})

        def distance(name):
            if name.startswith(module + "_"):
                return 0
            return 1 if any(name.startswith(f"{other}_") for other in site.partners) else 2

        if mutant in self.argued:
            chosen = [m for m in chosen if distance(m.name) < 2]
        return sorted(chosen, key=lambda m: (distance(m.name), -last.get((m.which, m.name), 0),
                                             m.which != "sc", m.threads * 10 + m.bound))

    def alone(self, model):
        """The outcome without any mutant: a model that is red by itself kills nothing."""
        key = (model.which, model.name)
        with self.guard:
            lock = self.locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self.clean:
                self.clean[key] = models.run(model, self.args.timeout, **self.more)
            return self.clean[key]

    def judge(self, mutant, site):
        """(verdict, by, seconds) of one mutant."""
        start = time.monotonic()
        late = None
        for model in self.candidates(mutant, site):
            clean = self.alone(model)
            if clean.trouble:
                return "broken", f"{model.which} {model.name} {clean.trouble}", start
            limit = min(self.args.timeout, max(SECONDS_MIN, SLOWER_MAX * clean.seconds))
            outcome = models.run(model, limit, CORIO_MUTANT=mutant, **self.more)
            if outcome.trouble and outcome.trouble.startswith("capped"):
                late = late or f"{model.which} {model.name} (did not end in {limit:.0f} s)"
            elif outcome.trouble:
                self.remember(mutant, model)
                return "killed", f"{model.which} {model.name}", start
        if late:
            return "by time", late, start
        return "survived", "", start

    def remember(self, mutant, model):
        with self.guard:
            last = self.killers.setdefault(mutant.split(".")[0], {})
            key = (model.which, model.name)
            last[key] = last.get(key, 0) + 1


def chosen_mutants(found, args):
    """The mutants to try, in order, each with its first site."""
    named = {}
    for site in found:
        for mutant in site.mutants():
            named.setdefault(mutant, site)
    mutants = sorted(named)
    if args.sites:
        unknown = [w for w in args.sites
                   if not any(m == w or m.startswith(w + ":") or (w.endswith(".") and m.startswith(w))
                              for m in mutants)]
        if unknown:
            raise SystemExit(f"no such site: {', '.join(unknown)}; .ci/mutants.sh --list names all")
        mutants = [m for m in mutants
                   if any(m == w or m.startswith(w + ":") or (w.endswith(".") and m.startswith(w))
                          for w in args.sites)]
    if args.part:
        k, n = (int(x) for x in args.part.split("/"))
        if not 1 <= k <= n:
            raise SystemExit(f"--part {args.part}: the part must be within 1..{n}")
        mutants = mutants[k - 1 :: n]
    return [(m, named[m]) for m in mutants]


def reasons_wrong(found, passed_by):
    """Complaints about the lists of argued and endless mutants, and orderings that are in neither."""
    mutants = {mutant: site for site in found for mutant in site.mutants()}
    known = mutants | passed_by
    wrong = []
    for name, reason in sites.argued(sites.ENDLESS).items():
        if name not in mutants:
            wrong.append(f"{sites.ENDLESS.name}: {name} is no mutant")
        elif not reason:
            wrong.append(f"{sites.ENDLESS.name}: {name} has no reason (mutant, tab, reason)")
    for name, site in sorted(passed_by.items()):
        if name not in sites.argued():
            wrong.append(f"{site.path}:{site.line}: no mutant weakens Ordering({name}): pass it through "
                         f"ord(), or argue for it in {sites.ARGUED.name}")
    for name, reason in sites.argued().items():
        if name not in known:
            wrong.append(f".ci/mutants-argued.txt: {name} is no site")
        elif not reason:
            wrong.append(f".ci/mutants-argued.txt: {name} has no reason (site, tab, reason)")
        elif not sites.argued_at_site(known[name]):
            site = known[name]
            wrong.append(f"{site.path}:{site.line}: say `Not killable:` and the reason at {name}")
    return wrong


def command(args):
    start = time.monotonic()
    found, wrong = sites.collect()
    passed_by = sites.bypassing(found)
    wrong += reasons_wrong(found, passed_by)
    chosen = chosen_mutants(found, args)
    if args.list:
        models.table([[m, s.kind, s.order, f"{s.path}:{s.line}"] for m, s in chosen],
                     ["mutant", "kind", "order", "at"])
        return 0
    judge = Judge(models.discover("plain", args.crate) + models.discover("sc", args.crate), args)
    reasons, endless = sites.argued(), sites.argued(sites.ENDLESS)
    rows, counts, untried = [], {"killed": 0, "by time": 0, "argued": 0, "survived": 0}, []

    def one(entry):
        mutant, site = entry
        if args.budget and time.monotonic() - start > args.budget:
            return mutant, site, "untried", "", 0.0
        verdict, by, began = judge.judge(mutant, site)
        return mutant, site, verdict, by, time.monotonic() - began

    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for mutant, site, verdict, by, seconds in pool.map(one, chosen):
            if verdict == "untried":
                untried.append(mutant)
                continue
            if verdict == "survived" and mutant in reasons:
                verdict, by = "argued", reasons[mutant]
            elif verdict in ("killed", "by time") and mutant in reasons:
                by += "; drop its line in mutants-argued.txt"
            elif verdict == "killed" and mutant in endless:
                by += f"; drop its line in {sites.ENDLESS.name}"
            elif verdict == "by time" and mutant not in endless:
                wrong.append(f"{mutant}: no model turns red, only {by}: if it loops for ever, say so in "
                             f"{sites.ENDLESS.name}")
            elif verdict == "broken":
                wrong.append(f"{mutant}: red without the mutant: {by}")
                verdict = "survived"
            counts[verdict] += 1
            rows.append([mutant, verdict, f"{seconds:.1f} s", f"{site.path}:{site.line}", by])
            print(f"{verdict:8} {mutant} {by}", flush=True)
    print()
    models.table(rows, ["mutant", "verdict", "time", "at", "by"])
    for line in wrong:
        print(f"FAILED {line}")
    if untried:
        print(f"not tried within {args.budget} s: {', '.join(untried)}")
    timed = [row[0] for row in rows if row[1] == "by time"]
    print(f"by time alone: {', '.join(timed) or 'none'}")
    print(f"no model reaches, and argued for: {', '.join(sorted(passed_by)) or 'none'}")
    print(f"mutants: {counts['killed']} killed, {counts['by time']} by time, {counts['argued']} argued, "
          f"{counts['survived']} survived of {len(rows)}; {time.monotonic() - start:.0f} s")
    return 1 if wrong or counts["survived"] or untried else 0

import random
LEVELS = {
 1: dict(p=6, y=6, tr=4, fin=2, oncancel=1, spawn=4, aw=4, cancel=5, self_=1, count=2, uncancel=1, err=1, catcherr=1, forever=1),
}
LEVELS[2] = dict(LEVELS[1], gather=2, gatherb=2, wait=2, shield=2, spawns=2, shieldo=1, uncancelo=1)
LEVELS[3] = dict(LEVELS[2], group=4, gspawn=7)
LEVELS[4] = dict(LEVELS[3], eset=2, eclear=1, ewait=2, lock=2, sem=1, qput=2, qget=2)
LEVELS[5] = dict(LEVELS[4], limit=5, resched=6, expired=1)
LEVELS[6] = dict(LEVELS[5], limitz=2)
LEVELS[7] = dict(LEVELS[1], group=4, gspawn=7, limit=5, resched=6, expired=1)
LEVELS[8] = dict(LEVELS[7], limitz=2)
MSGS = True

class G:
    def __init__(self, seed, level, size=45, msgs=False):
        self.r = random.Random(seed)
        self.w = LEVELS[level]
        self.ops, self.ws = zip(*self.w.items())
        self.budget = size
        self.names, self.owned, self.shared = [], [], []
        self.marks = 0
        self.gids, self.lids = [], []
        self.msgs = msgs
        self.nr = 0
        self.planned = [f"t{k}" for k in range(12)]
    def name(self):
        self.nr += 1
        n = f"t{self.nr-1}"
        self.names.append(n)
        return n
    def any(self):
        # also those to come
        return self.r.choice([f"t{k}" for k in range(min(self.nr + 3, max(4, self.nr + 1)))])
    def recent(self):
        k = max(0, self.nr - 1 - int(self.r.expovariate(0.5)))
        return f"t{k}"
    def mark(self):
        self.marks += 1
        return ["p", str(self.marks)]
    def block(self, depth, n=None, groups=()):
        n = n or self.r.randint(1, 4)
        out = []
        for _ in range(n):
            if self.budget <= 0: break
            out.append(self.stmt(depth, groups))
        if not out: out.append(["y", str(self.r.randint(1, 3))])
        return out
    def stmt(self, d, groups):
        self.budget -= 1
        r = self.r
        while True:
            op = r.choices(self.ops, self.ws)[0]
            if d <= 0 and op in ("tr", "fin", "oncancel", "spawn", "spawns", "catcherr", "gatherb", "group", "limit", "limitz", "lock", "sem", "gspawn"):
                continue
            if op == "gspawn" and not groups: continue
            break
        if op == "p": return self.mark()
        if op == "y": return ["y", str(r.choice([1, 1, 1, 2, 3, 5]))]
        if op == "tr": return ["try", self.block(d-1, groups=groups), self.block(d-1, r.randint(1, 2), groups), r.choice(["raise", "raise", "supp", "pass"])]
        if op in ("fin", "oncancel"): return [op, self.block(d-1, groups=groups), self.block(d-1, r.randint(1, 2), groups)]
        if op in ("spawn", "spawns"):
            n = self.name()
            return [op, n, self.block(d-1, groups=groups)]
        if op == "aw": return [r.choice(["await", "await", "awaitm"]), self.recent() if r.random() < .7 else self.any()]
        if op == "shieldo": return ["shieldo", self.recent()]
        if op == "shield": return ["shield", self.recent() if r.random() < .7 else self.any()]
        if op == "cancel":
            m = [f"m{r.randint(0,9)}"] if self.msgs and r.random() < .5 else []
            return ["cancel", self.recent() if r.random() < .5 else self.any()] + m
        if op == "uncancelo": return ["uncancelo", self.any()]
        if op == "self_": return ["self"]
        if op in ("count", "uncancel", "forever"): return [op]
        if op == "err": return ["err", f"e{r.randint(0,9)}"]
        if op == "catcherr": return ["catcherr", self.block(d-1, groups=groups)]
        if op in ("gather", "wait"):
            ns = []
            for _ in range(r.randint(1, 4)):
                n = self.recent() if r.random() < .7 else self.any()
                if n not in ns: ns.append(n)
            return [op, r.choice(["all", "first"]), ns]
        if op == "gatherb":
            return [op, r.choice(["all", "first"]), [[self.name(), self.block(d-1, groups=groups)] for _ in range(r.randint(1, 3))]]
        if op == "group":
            g = f"g{len(self.gids)}"
            self.gids.append(g)
            return ["group", g, r.choice(["prop", "eat"]), self.block(d-1, r.randint(2, 5), groups + (g,))]
        if op == "gspawn":
            n = self.name()
            g = groups[-1] if r.random() < .8 else r.choice(groups)
            return ["gspawn", g, n, self.block(d-1, groups=groups)]
        if op in ("limit", "limitz"):
            l = f"l{len(self.lids)}"
            self.lids.append(l)
            return ["limit", l, "zero" if op == "limitz" else "none", self.block(d-1, groups=groups)]
        if op in ("resched", "expired"):
            l = f"l{r.randrange(max(1, len(self.lids) + 1))}"
            return [op, l] + ([r.choice(["now", "now", "now", "none"])] if op == "resched" else [])
        if op in ("eset", "eclear", "ewait"): return [op, str(r.randrange(2))]
        if op == "lock": return [op, str(r.randrange(2)), self.block(d-1, groups=groups)]
        if op == "sem": return [op, "0", self.block(d-1, groups=groups)]
        if op == "qput": return [op, str(r.randrange(2)), f"v{r.randint(0,9)}"]
        if op == "qget": return [op, str(r.randrange(2))]
        raise AssertionError(op)
    def program(self):
        k = self.r.randint(2, 4)
        roots = [[self.name(), None] for _ in range(k)]
        for root in roots:
            root[1] = self.block(4, self.r.randint(2, 5))
        return roots

def show(x):
    return x if isinstance(x, str) else "(" + " ".join(map(show, x)) + ")"

def program(seed, level, size=45, msgs=False):
    r = random.Random(seed)
    return G(seed, level, size=r.choice([12, 20, 30, size]), msgs=msgs).program()

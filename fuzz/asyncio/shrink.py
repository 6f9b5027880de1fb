#!/usr/bin/env python3.13
"""shrink.py FILE.txt N [KIND]: minimises the first N of a kind; prints programs and both traces, one for each shape."""
import sys, copy
import fuzz, gen, interp

BODIES = {"try": [1, 2], "fin": [1, 2], "oncancel": [1, 2], "spawn": [2], "spawns": [2], "catcherr": [1], "group": [3], "gspawn": [3], "limit": [3], "lock": [2], "sem": [2]}

def blocks(prog):
    """every block (a list of statements) in the program, as live references"""
    out = []
    def walk(b):
        out.append(b)
        for s in b:
            for k in BODIES.get(s[0], []): walk(s[k])
            if s[0] == "gatherb":
                for x in s[2]: walk(x[1])
    for r in prog: walk(r[1])
    return out

def reductions(prog):
    n = len(prog)
    for k in range(n):
        if n > 1: yield prog[:k] + prog[k+1:]
    def edit(f):
        p = copy.deepcopy(prog)
        f(blocks(p))
        return p
    bs = blocks(prog)
    for i, b in enumerate(bs):
        for j, s in enumerate(b):
            def rm(q, i=i, j=j): del q[i][j]
            yield edit(rm)
            for k in BODIES.get(s[0], []):
                def inl(q, i=i, j=j, k=k): q[i][j:j+1] = q[i][j][k]
                yield edit(inl)
            if s[0] == "gatherb" or s[0] in ("gather", "wait"):
                for k in range(len(s[2])):
                    if len(s[2]) > 1:
                        def g(q, i=i, j=j, k=k): del q[i][j][2][k]
                        yield edit(g)
            if s[0] == "y" and s[1] != "1":
                def y(q, i=i, j=j): q[i][j][1] = str(int(q[i][j][1]) - 1)
                yield edit(y)
            if s[0] == "cancel" and len(s) > 2:
                def m(q, i=i, j=j): del q[i][j][2:]
                yield edit(m)
            if s[0] == "awaitm":
                def aw(q, i=i, j=j): q[i][j][0] = "await"
                yield edit(aw)

def size(p): return len(gen.show(p))

def kinds(progs):
    played = [interp.play(copy.deepcopy(p)) for p in progs]
    plain = [(str(k), gen.show(p)) for k, p in enumerate(progs) if not played[k][1]]
    got = fuzz.corio(plain, "shrink")
    out = []
    for k, (want, flags) in enumerate(played):
        said = got.get(str(k), [])
        out.append((None if flags else fuzz.verdict(said, want), said, want))
    return out

def shrink(prog, kind):
    while True:
        cands = sorted(reductions(prog), key=size)
        cands = [c for c in cands if c]
        best = None
        for at in range(0, len(cands), 40):
            ks = kinds(cands[at:at+40])
            hits = [c for c, k in zip(cands[at:at+40], ks) if k[0] == kind]
            if hits:
                best = hits[0]
                break
        if best is None: return prog
        prog = best

def shape(p):
    import re
    return re.sub(r"\d+", "", gen.show(p))

def strip(lines):
    """ticks up to the last other line before the cancels"""
    last = max((k for k, l in enumerate(lines) if not l.startswith("drv: tick")), default=0)
    out, run = [], 0
    for k, l in enumerate(lines[:last+1]):
        out.append(l.replace("drv: tick ", "."))
    # fold runs of ticks
    folded = []
    for l in out:
        if l.startswith(".") and folded and folded[-1].startswith("."): folded[-1] = folded[-1].split("..")[0] + ".." + l[1:]
        else: folded.append(l)
    return folded

def main():
    want_kind = sys.argv[3] if len(sys.argv) > 3 else None
    seen, n = {}, 0
    lines = sorted(open(sys.argv[1]), key=len)
    for line in lines:
        kind, id, text = line.rstrip("\n").split(" ", 2)
        if want_kind and kind != want_kind: continue
        n += 1
        if n > int(sys.argv[2]): break
        p = interp.parse(text)
        if kinds([p])[0][0] != kind: continue
        p = shrink(p, kind)
        sh = shape(p)
        seen[sh] = seen.get(sh, 0) + 1
        if seen[sh] > 1: continue
        _, a, b = kinds([p])[0]
        print(f"### {kind} {id} {gen.show(p)}")
        a, b = strip(a), strip(b)
        import difflib
        for l in difflib.ndiff(a, b):
            if not l.startswith("?"): print("   ", l)   # - corio, + asyncio
        print(flush=True)
    for sh, k in sorted(seen.items(), key=lambda x: -x[1]): print(k, sh)
if __name__ == "__main__":
    main()

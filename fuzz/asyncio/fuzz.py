#!/usr/bin/env python3.13
"""fuzz.py LEVEL FROM TO [--msgs]: compares; writes disagreeing programs to out/."""
import collections, os, subprocess, sys, tempfile
import gen, interp
HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.environ.get("CARGO_TARGET_DIR", f"{HERE}/target")
BIN = f"{TARGET}/release/corio-fuzz-asyncio"

def corio(progs, tag):
    """progs: [(id, text)] -> {id: lines}"""
    path = f"{tempfile.gettempdir()}/fuzz-asyncio.{os.getpid()}.{tag}"
    with open(path, "w") as f:
        for id, t in progs: f.write(f"{id} {t}\n")
    got, skip = {}, 0
    while skip < len(progs):
        p = subprocess.run([BIN, path, str(skip)], capture_output=True, text=True)
        cur = None
        for line in p.stdout.split("\n"):
            if line.startswith("== "): cur = line[3:]; got[cur] = []; skip += 1; ended = False
            elif line == "==end": ended = True
            elif cur is not None and line: got[cur].append(line)
        if cur is not None and not ended:
            got[cur].append(f"CRASH {p.returncode} {p.stderr[-300:]}")
        if p.returncode == 0: break
    os.unlink(path)
    return got

def per_task(lines):
    d = collections.defaultdict(list)
    for l in lines:
        n, _, t = l.partition(": ")
        if not (n == "drv" and t.startswith("tick")): d[n].append(t)
    return d

def verdict(a, b):
    """a: corio, b: asyncio"""
    if any(l == "HANG" or l.startswith(("PANIC", "CRASH")) or l.endswith("PANICKED") or "STOPPED" in l for l in a): return "BAD"
    if a == b: return None
    return "marks" if per_task(a) != per_task(b) else "order"

def main():
    level, lo, hi = map(int, sys.argv[1:4])
    msgs = "--msgs" in sys.argv
    os.makedirs(f"{HERE}/out", exist_ok=True)
    count = collections.Counter()
    step = 500
    for at in range(lo, hi, step):
        progs = [(str(s), gen.program(s, level, msgs=msgs)) for s in range(at, min(at + step, hi))]
        played = {i: interp.play(p) for i, p in progs}
        got = corio([(i, gen.show(p)) for i, p in progs if not played[i][1]], level)
        for i, p in progs:
            want, flags = played[i]
            count["n"] += 1
            if flags:
                count["flagged"] += 1
                continue
            v = verdict(got[i], want)
            if v:
                count[v] += 1
                if count[v] <= 400:
                    open(f"{HERE}/out/L{level}.txt", "a").write(f"{v} {level}.{i} {gen.show(p)}\n")
    print(dict(count))
if __name__ == "__main__":
    main()

"""onlybad.py LEVEL FROM TO SIZE: corio alone: hangs, panics, crashes"""
import sys, gen, fuzz
level, lo, hi, size = map(int, sys.argv[1:5])
n = 0
for at in range(lo, hi, 1000):
    progs = [(str(s), gen.show(gen.G(s, level, size=size).program())) for s in range(at, min(at+1000, hi))]
    got = fuzz.corio(progs, f"bad{level}")
    for i, p in progs:
        n += 1
        if fuzz.verdict(got[i], got[i]) == "BAD":
            bad = [l for l in got[i] if "PANIC" in l or l == "HANG" or "CRASH" in l][:1]
            print(level, i, bad, p[:300], flush=True)
print("done", level, n)

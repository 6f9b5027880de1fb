import sys, fuzz, gen, interp, shrink, copy
p = interp.parse(sys.argv[1])
got = fuzz.corio([("x", gen.show(p))], "one")["x"]
want, flags = interp.play(copy.deepcopy(p))
print(fuzz.verdict(got, want), flags)
import difflib
for l in difflib.ndiff(shrink.strip(got), shrink.strip(want)):
    if not l.startswith("?"): print("   ", l)

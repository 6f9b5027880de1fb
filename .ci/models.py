#!/usr/bin/env python3
"""Runs the project's models; loom.sh, shuttle.sh and mutants.sh are its front doors.

A model is a test declared with `corio_sync::model!`. It exists only in a build with
`--cfg corio_loom` (with `--cfg corio_sc` in addition: the pass whose loads are sequential) or
`--cfg corio_shuttle`. Each runs in a process of its own, because a deadlock found by loom aborts
the process and because `CORIO_MUTANT` is read once per process.

A model counts only if it printed `model NAME executions N complete` with N of at least 1: a run
that was capped, that timed out or that never started its body is a failure, not a pass.
"""

import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import sites

ROOT = Path(__file__).resolve().parent.parent
LISTED = ROOT / ".ci" / "models.txt"
CRATES = {"corio-sync": "sync", "corio-runtime": "runtime", "corio-io": "io"}
# What a pass is called, the flags of its build and the directory that keeps the build.
PASSES = {
    "plain": ("--cfg corio_loom", "loom"),
    "sc": ("--cfg corio_loom --cfg corio_sc", "loom_sc"),
    "shuttle": ("--cfg corio_shuttle", "shuttle"),
}
DESCRIBED = re.compile(r"model (\w+) threads (\d+) bound (\d+) claim (.*)")
HELD = re.compile(r"model (\w+) held(.*)")
COMPLETE = re.compile(r"model (\w+) executions (\d+) complete")


class Model:
    """One model of one pass: where it is and what it says about itself."""

    def __init__(self, crate, binary, test, which, threads, bound, claim):
        self.crate, self.binary, self.test, self.which = crate, binary, test, which
        self.threads, self.bound, self.claim = threads, bound, claim
        self.name = test.rsplit("::", 1)[-1]


class Outcome:
    """What one run of one model came to."""

    def __init__(self, model, executions, seconds, trouble, output):
        self.model, self.executions, self.seconds = model, executions, seconds
        self.trouble, self.output = trouble, output


def environment(which, **more):
    """The environment of a build or a run of a pass, free of loom's own switches."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("LOOM_")}
    env.pop("CORIO_MUTANT", None)
    env.pop("CORIO_MODEL_LIST", None)
    env.pop("CARGO_ENCODED_RUSTFLAGS", None)
    flags, directory = PASSES[which]
    env["RUSTFLAGS"] = flags
    env["CARGO_TARGET_DIR"] = str(ROOT / "target" / directory)
    env.update(more)
    return env


def crates_with_models():
    found = []
    for crate, folder in CRATES.items():
        files = (ROOT / folder / "src").rglob("*.rs")
        if any(re.search(r"\bmodel!\s*\{", sites.code_of(f.read_text())) for f in files):
            found.append(crate)
    return found


def crate_of(path):
    """The crate that a source file belongs to."""
    return next(crate for crate, folder in CRATES.items() if path.parts[0] == folder)


def build(which, only=None):
    """Builds the library tests of every crate that has models; returns crate -> binary."""
    crates = [crate for crate in crates_with_models() if only in (None, crate)]
    if not crates:
        sys.exit(f"{only or 'no crate'} declares {'no' if only else 'a'} model")
    print(f"building {', '.join(crates)} ({which})", file=sys.stderr, flush=True)
    command = ["cargo", "test", "--release", "--no-run", "--lib", "--quiet"]
    command += ["--message-format=json-render-diagnostics"]
    for crate in crates:
        command += ["-p", crate]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(which), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    if done.returncode != 0:
        # Warnings of a model build say nothing: much of a crate is left out of it.
        print(done.stderr, file=sys.stderr)
        sys.exit(f"the {which} build failed")
    binaries = {}
    for line in done.stdout.splitlines():
        message = json.loads(line) if line.startswith("{") else {}
        if message.get("executable") and message.get("profile", {}).get("test"):
            name = message["target"]["name"].replace("_", "-")
            if name in crates:
                binaries[name] = message["executable"]
    missing = [crate for crate in crates if crate not in binaries]
    if missing:
        sys.exit(f"the {which} build made no test binary for {', '.join(missing)}")
    return binaries


def discover(which, only=None):
    """Builds a pass and asks its binaries which models they hold."""
    models = []
    for crate, binary in build(which, only).items():
        tests = capture([binary, "--list", "--format=terse"], which)
        paths = {}
        for line in tests.splitlines():
            if line.endswith(": test"):
                path = line[: -len(": test")]
                paths.setdefault(path.rsplit("::", 1)[-1], []).append(path)
        described = capture([binary, "--nocapture"], which, CORIO_MODEL_LIST="1")
        for name, threads, bound, claim in DESCRIBED.findall(described):
            if len(paths.get(name, [])) != 1:
                sys.exit(f"{crate}: {name} names {len(paths.get(name, []))} tests, wanted one")
            test = paths[name][0]
            models.append(Model(crate, binary, test, which, int(threads), int(bound), claim))
    models.sort(key=lambda m: (list(CRATES).index(m.crate), m.name))
    return models


def capture(command, which, **more):
    """Output of a binary that describes itself; ordinary tests in it may fail under a model
    checker, only a death by signal or a hang spoils the description."""
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment(which, **more), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"{which}: {' '.join(command)} did not end within 120 s while listing models")
    if done.returncode < 0:
        print(done.stdout[-4000:])
        sys.exit(f"{which}: {command[0]} died of signal {-done.returncode} while listing models")
    return done.stdout


def run(model, timeout, **more):
    """Runs one model in its own process."""
    command = [model.binary, model.test, "--exact", "--nocapture", "--test-threads=1"]
    start = time.monotonic()
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment(model.which, **more), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout,
            errors="replace",
        )
        output, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as expired:
        output = (expired.stdout or b"").decode(errors="replace")
        trouble = f"capped: not complete after {timeout} s"
        return Outcome(model, 0, time.monotonic() - start, trouble, output)
    seconds = time.monotonic() - start
    complete = [int(n) for name, n in COMPLETE.findall(output) if name == model.name]
    if code < 0:
        trouble = f"died of signal {-code}"
    elif code > 0:
        trouble = "failed"
    elif not complete:
        trouble = "ended without saying that it is complete"
    elif complete[0] < 1:
        trouble = "explored no execution"
    else:
        trouble = None
    return Outcome(model, complete[0] if complete else 0, seconds, trouble, output)


def tail(text, lines=40):
    return "\n".join("    " + line for line in text.splitlines()[-lines:])


def table(rows, heads):
    rows = [heads] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def listed(engine):
    """The committed list of one engine: a set of (crate, name)."""
    found = set()
    for line in LISTED.read_text().splitlines() if LISTED.exists() else []:
        words = line.split()
        if words and not words[0].startswith("#") and words[0] == engine:
            found.add((words[1], words[2]))
    return found


def update(engine, models):
    """Rewrites the lines of one engine; those of the other stay."""
    other = "shuttle" if engine == "loom" else "loom"
    lines = [f"{engine} {m.crate} {m.name}" for m in models]
    lines += [f"{other} {crate} {name}" for crate, name in listed(other)]
    head = "# Every model, one per line: engine, crate, name. `.ci/loom.sh --update` and\n"
    head += "# `.ci/shuttle.sh --update` write it; a model that goes missing fails the build.\n"
    LISTED.write_text(head + "\n".join(sorted(set(lines))) + "\n")
    print(f"{LISTED.relative_to(ROOT)}: {len(models)} {engine} models")


def compare(engine, which, models, only):
    """Complains about each model that is listed and missing, or present and unlisted."""
    present = {(m.crate, m.name) for m in models}
    wrong = []
    expected = {(crate, name) for crate, name in listed(engine) if only in (None, crate)}
    missing = [f"{crate} {name}" for crate, name in sorted(expected - present)]
    unlisted = [f"{crate} {name}" for crate, name in sorted(present - expected)]
    if missing:
        wrong.append(f"{which}: in .ci/models.txt and not in the build: {', '.join(missing)}")
    if unlisted:
        wrong.append(f"{which}: not in .ci/models.txt, run .ci/{engine}.sh --update: "
                     f"{', '.join(unlisted)}")
    return wrong


def check(models, args):
    """Runs models side by side; returns the outcomes in order of completion."""
    more = {}
    if args.bound:
        more["CORIO_LOOM_BOUND"] = str(args.bound)
    if args.iterations:
        more["CORIO_SHUTTLE_ITERATIONS"] = str(args.iterations)
    outcomes = []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        waiting = [pool.submit(run, model, args.timeout, **more) for model in models]
        for done in concurrent.futures.as_completed(waiting):
            outcome = done.result()
            m = outcome.model
            what = outcome.trouble or f"{outcome.executions} executions"
            print(f"{m.which:7} {m.crate} {m.name}: {what}, {outcome.seconds:.2f} s", flush=True)
            if outcome.trouble:
                print(tail(outcome.output), flush=True)
            outcomes.append(outcome)
    return outcomes


def stalls(outcomes):
    """Complains about accesses in sync/src at which no stall model has held a thread."""
    held = set()
    for outcome in outcomes:
        for _, places in HELD.findall(outcome.output):
            held.update((path, int(line)) for path, line in
                        (place.rsplit(":", 1) for place in places.split()))
    wrong, count, argued = sites.never_held(held)
    print(f"stall models: {count} lines with accesses to atomics; those of {argued} sites are argued for")
    return wrong


def engine_command(engine, args):
    start = time.monotonic()
    chosen = {"loom": ["plain", "sc"], "shuttle": ["shuttle"]}[engine]
    if engine == "loom" and args.which != "both":
        chosen = [args.which]
    if args.list:
        rows = [[m.crate, m.name, m.threads, m.bound, m.claim] for m in discover(chosen[0], args.crate)]
        table(rows, ["crate", "model", "threads", "bound", "claim"])
        print(f"{len(rows)} models")
        return 0
    if args.update and args.crate:
        sys.exit("--update writes the list of all crates")
    if args.update:
        update(engine, discover(chosen[0], args.crate))
        return 0
    wrong, models = [], []
    for which in chosen:
        found = discover(which, args.crate)
        wrong += compare(engine, which, found, args.crate)
        models += [m for m in found if args.filter in m.name]
    if not models:
        wrong.append(f"no model's name contains {args.filter!r}")
    built = time.monotonic() - start
    # The longest first, as far as the bound tells, so that the last does not run alone.
    models.sort(key=lambda m: -(m.threads * 10 + m.bound))
    outcomes = check(models, args)
    failed = [o for o in outcomes if o.trouble]
    for o in failed:
        wrong.append(f"{o.model.which}: {o.model.crate} {o.model.name} {o.trouble}")
    if engine == "shuttle" and not args.filter and args.crate in (None, "corio-sync"):
        wrong += stalls(outcomes)
    for line in wrong:
        print(f"FAILED {line}")
    total = sum(o.executions for o in outcomes)
    print(f"{engine}: {len(outcomes)} runs of {len({o.model.name for o in outcomes})} models "
          f"({' and '.join(chosen)}), {total} executions, {len(failed)} failed; "
          f"build {built:.0f} s, all {time.monotonic() - start:.0f} s")
    return 1 if wrong else 0


def numbers(parser, jobs=2, timeout=120):
    parser.add_argument("--crate", choices=list(CRATES), help="only the models of this crate")
    parser.add_argument("--jobs", type=int, default=jobs, help="models side by side")
    parser.add_argument("--timeout", type=int, default=timeout, help="seconds for one model")
    parser.add_argument("--bound", type=int, help="preemption bound instead of each model's own")


def main():
    parser = argparse.ArgumentParser(description="Runs corio's models.")
    commands = parser.add_subparsers(dest="command", required=True)
    for engine in ("loom", "shuttle"):
        one = commands.add_parser(engine, prog=f".ci/{engine}.sh")
        one.add_argument("--list", action="store_true", help="print every model and its claim")
        one.add_argument("--update", action="store_true", help="rewrite .ci/models.txt")
        if engine == "loom":
            one.add_argument("--pass", dest="which", choices=["plain", "sc", "both"], default="both")
            one.set_defaults(iterations=None)
        else:
            one.add_argument("--iterations", type=int, help="schedules for each model")
        one.add_argument("filter", nargs="?", default="", help="only models whose name has this")
        numbers(one)
    one = commands.add_parser("mutants", prog=".ci/mutants.sh")
    one.add_argument("--all", action="store_true", help="every site (the default without --part)")
    one.add_argument("--part", help="K/N: the K-th of N parts, counted from 1")
    one.add_argument("--list", action="store_true", help="print the sites and stop")
    one.add_argument("--budget", type=int, help="start no further site after this many seconds")
    one.add_argument("sites", nargs="*", metavar="SITE", help="a site, or a module with its dot")
    numbers(one, timeout=60)
    args = parser.parse_args()
    if args.command == "mutants":
        import mutants

        sys.exit(mutants.command(args))
    sys.exit(engine_command(args.command, args))


if __name__ == "__main__":
    main()

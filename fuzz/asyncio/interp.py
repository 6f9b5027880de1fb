#!/usr/bin/env python3.13
"""interp.py PROGRAMS: the same as src/main.rs in asyncio, that of Python 3.13 or later, in its own words.

A group's set of tasks is in order of creation, `wait` adds its callbacks in order, and tasks are those of
asyncio's Python half, so that two runs say the same. Prints also "FLAG x" lines: the program has met a
difference that corio's documents state.

gather-awaits-all  from-asyncio, Several at once: a cancelled gather awaits all ends, asyncio's the first
older-cancel       from-asyncio, Time: a cancel that was pending when a limit began is not lost to it
cancel-after-limit from-asyncio, Order: a cancel right after the limit of its task has come
limit-zero         from-asyncio, Order: a limit that has come when its wait begins
uncancel-on-way    cancellation, 1: what is taken back is forgotten until it was delivered
err-beats-cancel   cancellation, 5: a value that comes with a cancel is dropped, an Err, too
barge              from-asyncio, Locks and queues: strictly in order of arrival
cycle              tasks that await one another, which asyncio's cancel does not end
"""
import asyncio, sys, logging, gc
from asyncio import tasks, timeouts, CancelledError
assert sys.version_info >= (3, 13), "its TaskGroup, Timeout and Task.uncancel are what is compared"
logging.disable(logging.CRITICAL)
sys.unraisablehook = lambda *a: None
sys.setrecursionlimit(1000)
ENV = None

class Err(Exception):
    pass

DEPTH = 0
class Task(tasks._PyTask):
    """Notes what it is asked and when that arrives."""
    _on_way = _limit_on_way = False
    def cancel(self, msg=None):
        global DEPTH
        if self._limit_on_way: ENV.flag("cancel-after-limit")
        DEPTH += 1
        try:
            if DEPTH > 60:
                ENV.flag("cycle")
                raise RecursionError
            asked = super().cancel(msg=msg)
        finally:
            DEPTH -= 1
        self._on_way |= asked
        return asked
    def uncancel(self):
        held = self._must_cancel
        left = super().uncancel()
        if left == 0 and self._on_way:
            if not held: ENV.flag("uncancel-on-way")
            self._on_way = False
        return left
    def _Task__step(self, exc=None):
        if self._must_cancel or isinstance(exc, CancelledError):
            self._on_way = self._limit_on_way = False
        super()._Task__step(exc)
tasks._PyTask._Task__step  # the name exists

class InOrder(dict):
    def add(self, task): self[task] = None
    def discard(self, task): self.pop(task, None)

class TaskGroup(asyncio.TaskGroup):
    def __init__(self):
        super().__init__()
        assert self._tasks == set()
        self._tasks = InOrder()

class Timeout(asyncio.Timeout):
    async def __aenter__(self):
        self.pending = asyncio.current_task()._must_cancel
        if self.when() is not None: ENV.flag("limit-zero")
        return await super().__aenter__()
    async def __aexit__(self, *exc):
        try: return await super().__aexit__(*exc)
        except TimeoutError:
            if self.pending: ENV.flag("older-cancel")
            raise
    def _on_timeout(self):
        super()._on_timeout()
        self._task._limit_on_way = self._task._on_way

async def gather(ts, all):
    outer, told = asyncio.gather(*ts, return_exceptions=all), []
    for t in ts: t.add_done_callback(told.append)
    def ended(outer):
        if outer._cancel_requested and len(told) < len(ts): ENV.flag("gather-awaits-all")
    outer.add_done_callback(ended)
    return await outer

class Env:
    def __init__(self):
        self.refs, self.order, self.owned, self.shared = {}, [], {}, {}
        self.outcome, self.groups, self.limits, self.lines, self.flags = {}, {}, {}, [], set()
        self.events = [asyncio.Event() for _ in range(2)]
        self.locks = [asyncio.Lock() for _ in range(2)]
        self.sems = [asyncio.Semaphore(1)]
        self.queues = [asyncio.Queue(1) for _ in range(2)]
        for q in self.queues: q.w_get = q.w_put = 0
        self.dead = False
    def flag(self, f):
        if not self.dead: self.flags.add(f)

def py(b): return str(bool(b))
def render(e):
    return f"G<{','.join(render(x) for x in e.exceptions)}>" if isinstance(e, BaseExceptionGroup) else str(e)

class C:
    def __init__(self, e, me): self.e, self.me = e, me
    def say(self, s):
        if not self.e.dead: self.e.lines.append(f"{self.me}: {s}")
    def named(self, n): return C(self.e, n)
    def watch(self, name, t):
        self.e.refs[name] = t
        self.e.order.append(name)
        c = self.named(name)
        def cb(t):
            o = self.e.outcome.get(name)
            if o and o.startswith("err"): c.say(f"done {o}")
            elif t.cancelled(): c.say("done cancelled")
            elif o: c.say(f"done {o}")
            else: c.say(f"done PANICKED {t.exception()!r}")
            if not t.cancelled(): t.exception()
        t.add_done_callback(cb)
    def taken(self, n): return self.e.owned.pop(n, None)

def spawn(coro): return asyncio.get_running_loop().create_task(coro)

async def whole(c, body):
    try:
        await block(c, body)
    except RecursionError:
        c.e.flag("cycle")
        raise
    except Err as e:
        c.e.outcome[c.me] = f"err {e}"
        if asyncio.current_task()._must_cancel:
            c.e.flag("err-beats-cancel")
        raise
    c.e.outcome[c.me] = "ok"
    return c.me

async def block(c, b):
    for s in b: await stmt(c, s)

async def clean(c, b):
    try: await block(c, b)
    except Err as e: c.say(f"clean err {e}")

def res(r):
    return "!cancelled" if isinstance(r, CancelledError) else f"!{r}" if isinstance(r, BaseException) else r

async def stmt(c, s):
    op, e = s[0], c.e
    if op == "p": c.say(f"mark {s[1]}")
    elif op == "y":
        for _ in range(int(s[1])): await asyncio.sleep(0)
    elif op == "forever": await asyncio.get_running_loop().create_future()
    elif op == "try":
        try:
            await block(c, s[1])
        except CancelledError as k:
            c.say(f"caught [{k.args[0] if k.args and k.args[0] else ''}]")
            await block(c, s[2])
            if s[3] == "raise":
                c.say("reraises")
                raise
            elif s[3] == "supp":
                c.say(f"suppressed {asyncio.current_task().uncancel()}")
            elif s[3] == "suppress":
                asyncio.current_task().uncancel()
                c.say("suppressed")
            else: c.say("passed")
    elif op == "fin":
        try: await block(c, s[1])
        finally: await clean(c, s[2])
    elif op == "oncancel":
        try: await block(c, s[1])
        except CancelledError:
            await clean(c, s[2])
            raise
    elif op in ("spawn", "spawns"):
        t = spawn(whole(c.named(s[1]), s[2]))
        c.watch(s[1], t)
        (e.owned if op == "spawn" else e.shared)[s[1]] = t
    elif op in ("await", "awaitm"):
        t = c.taken(s[1])
        if t is None: c.say("await none")
        elif t is asyncio.current_task(): c.say("await self")
        else: c.say(f"await = {await t}")
    elif op in ("shield", "shieldo"):
        t = e.shared.get(s[1]) if op == "shield" else c.taken(s[1])
        if t is None: c.say("shield none")
        elif t is asyncio.current_task(): c.say("shield self")
        else: c.say(f"shield = {await asyncio.shield(t)}")
    elif op == "cancel":
        t = e.refs.get(s[1])
        if t is None: c.say(f"cancel {s[1]} none")
        else: c.say(f"cancel {s[1]} {py(t.cancel(*s[2:]))}")
    elif op == "uncancelo":
        t = e.refs.get(s[1])
        if t is None: c.say("uncancel none")
        else: c.say(f"uncancel {s[1]} {t.uncancel()}")
    elif op == "self": c.say(f"self {py(asyncio.current_task().cancel())}")
    elif op == "count": c.say(f"count {asyncio.current_task().cancelling()}")
    elif op == "uncancel": c.say(f"uncancel {asyncio.current_task().uncancel()}")
    elif op == "err": raise Err(s[1])
    elif op == "catcherr":
        try: await block(c, s[1])
        except Err as x: c.say(f"caught err {x}")
    elif op in ("gather", "gatherb"):
        if op == "gather":
            ts = [t for t in [c.taken(n) for n in s[2]] if t]
            if not ts:
                c.say("gather none")
                return
        else:
            async def one(n, b):
                k = c.named(n)
                k.watch(n, asyncio.current_task())
                return await whole(k, b)
            ts = [spawn(one(n, b)) for n, b in s[2]]
        c.say(f"gather {','.join(res(r) for r in await gather(ts, s[1] == 'all'))}")
    elif op == "wait":
        ts = {c.taken(n): n for n in s[2]}
        ts.pop(None, None)
        if not ts:
            c.say("wait none")
            return
        # each once, in order: a set's order is none
        when = asyncio.FIRST_COMPLETED if s[1] == "first" else asyncio.ALL_COMPLETED
        d, p = await tasks._wait(list(ts), None, when, asyncio.get_running_loop())
        for t, n in ts.items(): e.owned[n] = t
        c.say(f"wait {','.join(sorted(ts[t] for t in d))} / {','.join(sorted(ts[t] for t in p))}")
    elif op == "group":
        try:
            async with TaskGroup() as g:
                e.groups[s[1]] = g
                await block(c, s[3])
        except BaseExceptionGroup as x:
            c.say(f"group failed {render(x)}")
            if s[2] == "prop": raise Err(render(x))
        else: c.say("group ok")
    elif op == "gspawn":
        g = e.groups.get(s[1])
        if g is None: c.say("gspawn none")
        else:
            try: t = g.create_task(whole(c.named(s[2]), s[3]))
            except RuntimeError: c.say("gspawn closed")
            else: c.watch(s[2], t)
    elif op == "limit":
        t = Timeout(0 if s[2] == "zero" else None)
        try:
            async with t:
                e.limits[s[1]] = t
                await block(c, s[3])
        except TimeoutError: c.say(f"limit timed out {t.expired()}")
        except Err:
            c.say(f"limit err {t.expired()}")
            raise
        else: c.say(f"limit ok {t.expired()}")
    elif op == "resched":
        t = e.limits.get(s[1])
        if t is None: c.say("resched none")
        else:
            try: t.reschedule(0 if s[2] == "now" else None)
            except RuntimeError: c.say("resched invalid")
            else: c.say("resched ok")
    elif op == "expired":
        t = e.limits.get(s[1])
        c.say("expired none" if t is None else f"expired {t.expired()}")
    elif op == "eset": e.events[int(s[1])].set()
    elif op == "eclear": e.events[int(s[1])].clear()
    elif op == "ewait":
        await e.events[int(s[1])].wait()
        c.say("event")
    elif op == "lock":
        async with e.locks[int(s[1])]:
            c.say("locked")
            await block(c, s[2])
    elif op == "sem":
        async with e.sems[int(s[1])]:
            c.say("got sem")
            await block(c, s[2])
    elif op == "qput":
        q = e.queues[int(s[1])]
        if not q.full() and q.w_put: e.flag("barge")
        q.w_put += 1
        try: await q.put(s[2])
        finally: q.w_put -= 1
        c.say("put")
    elif op == "qget":
        q = e.queues[int(s[1])]
        if not q.empty() and q.w_get: e.flag("barge")
        q.w_get += 1
        try: v = await q.get()
        finally: q.w_get -= 1
        c.say(f"get {v}")
    else: raise AssertionError(op)

async def drive(c, roots):
    e = c.e
    for n, b in roots:
        t = spawn(whole(c.named(n), b))
        c.watch(n, t)
        e.owned[n] = t
    for r in range(4):
        for k in range(25 if r else 50):
            await asyncio.sleep(0)
            c.say(f"tick {r} {k}")
        for n, t in [(n, e.refs[n]) for n in e.order]:
            if not t.done():
                c.say(f"cancels {n}")
                t.cancel()
    for _ in range(25): await asyncio.sleep(0)
    c.say(f"pending {','.join(n for n in e.order if not e.refs[n].done())}")

def parse(text):
    stack = [[]]
    for t in text.replace("(", " ( ").replace(")", " ) ").split():
        if t == "(": stack.append([])
        elif t == ")":
            l = stack.pop()
            stack[-1].append(l)
        else: stack[-1].append(t)
    return stack[0][0]

def play(prog):
    """The lines, and the flags."""
    global ENV
    loop = asyncio.SelectorEventLoop()
    loop.set_task_factory(lambda loop, coro, **k: Task(coro, loop=loop, **k))
    ENV = e = Env()
    try:
        loop.run_until_complete(drive(C(e, "drv"), prog))
    except (RecursionError, CancelledError) as x:
        e.flag("cycle" if "cycle" in e.flags else "driver " + repr(x))
    finally:
        e.dead = True
        loop.close()
    return e.lines, e.flags

def main():
    gc.disable()
    for k, line in enumerate(open(sys.argv[1])):
        id, prog = line.rstrip("\n").split(" ", 1)
        lines, flags = play(parse(prog))
        print("==", id)
        for l in lines: print(l)
        for f in sorted(flags): print("FLAG", f)
        print("==end")
        if k % 50 == 0: gc.collect()
if __name__ == "__main__":
    main()

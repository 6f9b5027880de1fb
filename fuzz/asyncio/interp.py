#!/usr/bin/env python3
"""interp.py PROGRAMS: the same as src/main.rs in asyncio, with the Task.uncancel, TaskGroup, Timeout of
Python 3.13 (TaskGroup's tasks in order of creation), and gather as corio's docs state it (a cancel awaits all).
Prints also "FLAG x" lines for stated differences."""
import asyncio, sys, logging, gc
from asyncio import tasks, exceptions, CancelledError
logging.disable(logging.CRITICAL)
sys.unraisablehook = lambda *a: None
sys.setrecursionlimit(1000)
ENV = None
CORIO = True   # emulate what the docs state

class Err(Exception):
    pass

class T(tasks._PyTask):
    _limit_asks = False
    _cancelish = -9
    _own = False
    _ended = -9
    _delivered = 0
    def uncancel(self):
        n = super().uncancel()
        if n == 0:
            if self._own and not self._must_cancel and self is not asyncio.current_task(): ENV.flag("uncancel-on-way")
            self._must_cancel = False
        return n
    def cancel(self, msg=None, kind=None):
        """kind: None is what is passed on by a task, a gather"""
        if not self.done():
            if self._cancelish >= TURN - 2: ENV.flag("soft-again")
            self._cancelish = TURN
            if any(t.done() and TURN - t._ended <= 2 for t in WAITS.get(self, ())): ENV.flag("soft-window")
            if isinstance(self._fut_waiter, GatheringFuture) and self._fut_waiter.done() and not self._fut_waiter._cancel_requested:
                ENV.flag("gather-done-cancel")
            self._own = True
            if kind in (None, "direct") and self._limit_asks:
                ENV.flag("cancel-after-limit")
            if kind is None: self._check_pass(1)
        global DEPTH
        DEPTH += 1
        try:
            if DEPTH > 60:
                ENV.flag("cycle")
                raise RecursionError
            r = super().cancel(msg=msg)
        finally:
            DEPTH -= 1
        if r and kind in ("limit", "group"):
            self._limit_asks = True
        return r
    def _check_pass(self, depth=0):
        """A cancel that goes on into a task that is ready to run, or was cancelled already."""
        w = self._fut_waiter
        if depth and (w is None or w.done()):
            ENV.flag("pass-ready")
    def _Task__step(self, exc=None):
        if self._must_cancel or isinstance(exc, CancelledError):
            self._limit_asks = False
            self._cancelish = TURN
            if self._own: self._delivered += 1
            self._own = False
        super()._Task__step(exc)
        if self.done():
            self._ended = TURN
            for g in GROUPS:
                if self in g._tasks and not g._finished:
                    if g._parent_task._cancelish >= TURN - 3: ENV.flag("soft-sees-end")
                    if self._ended - g._last_end <= 1: ENV.flag("soft-group-ends")
                    g._last_end = TURN
                    if any(t.done() and TURN - t._ended <= 3 for t in WAITS.get(g._parent_task, ())): ENV.flag("soft-group-in-hop")
            for w in asyncio.all_tasks():
                if w._cancelish >= TURN - 2 and w._waits_for(self): ENV.flag("soft-sees-end")
    def _waits_for(self, t):
        return self._fut_waiter is t or t in WAITS.get(self, ())
    def _Task__wakeup(self, future):
        try:
            future.result()
        except BaseException as exc:
            self._Task__step(exc)
        else:
            self._Task__step()
        self = None
tasks._PyTask._Task__wakeup  # the names exist
tasks._PyTask._Task__step

TURN = 0
DEPTH = 0
GROUPS = []
WAITS = {}
async def waits(aw, ts):
    me = asyncio.current_task()
    WAITS[me] = ts
    try: return await aw
    finally: WAITS.pop(me, None)
class Loop(asyncio.SelectorEventLoop):
    def _run_once(self):
        global TURN
        TURN += 1
        super()._run_once()

class TaskGroup:
    def __init__(self):
        self._finished = self._exiting = self._aborting = self._parent_cancel_requested = False
        self._tasks, self._errors = {}, []
        self._on_completed_fut = None
        self._last_end = -9
    async def __aenter__(self):
        self._loop = asyncio.get_running_loop()
        self._parent_task = asyncio.current_task()
        self._n0 = self._parent_task._delivered
        GROUPS.append(self)
        return self
    async def __aexit__(self, et, exc, tb):
        self._exiting = True
        prop = exc if et is not None and issubclass(et, CancelledError) else None
        hand = et is not None and issubclass(et, CancelledError) and self._n0 == self._parent_task._delivered
        if et is not None and not self._aborting:
            self._abort()
        while self._tasks:
            if self._on_completed_fut is None:
                self._on_completed_fut = self._loop.create_future()
            try:
                await self._on_completed_fut
            except CancelledError as ex:
                if hand: ENV.flag("hand-in-group")
                if not self._aborting:
                    prop = ex
                    self._abort()
            self._on_completed_fut = None
        self._finished = True
        if self._parent_cancel_requested:
            if self._parent_task.uncancel() == 0:
                prop = None
        if prop is not None and not self._errors:
            raise prop
        if et is not None and not issubclass(et, CancelledError):
            self._errors.append(exc)
        if self._errors:
            if self._parent_task.cancelling():
                self._parent_task.uncancel()
                self._parent_task.cancel(kind="recancel")
            raise BaseExceptionGroup("g", self._errors) from None
    def closed(self):
        failed = any(t.done() and not t.cancelled() and t.exception() is not None for t in self._tasks)
        return self._finished or self._aborting or CORIO and failed
    def create_task(self, coro):
        task = self._loop.create_task(coro)
        self._tasks[task] = None
        task.add_done_callback(self._on_task_done)
        return task
    def _abort(self):
        self._aborting = True
        for t in list(self._tasks):
            if not t.done():
                t.cancel(kind="group-child")
    def _on_task_done(self, task):
        self._tasks.pop(task, None)
        if self._on_completed_fut is not None and not self._tasks:
            if not self._on_completed_fut.done():
                self._on_completed_fut.set_result(True)
        if task.cancelled():
            return
        exc = task.exception()
        if exc is None:
            return
        self._errors.append(exc)
        if self._parent_task.done():
            return
        if not self._aborting and not self._parent_cancel_requested:
            self._abort()
            self._parent_cancel_requested = True
            self._parent_task.cancel(kind="group")

class Timeout:
    def __init__(self, zero):
        self.state, self.zero, self.handle, self.asked = "created", zero, None, False
    def reschedule(self, now):
        if self.state != "active":
            raise RuntimeError
        if self.handle is not None:
            self.handle.cancel()
        self.handle = None
        if now:
            t = self.task
            if not CORIO:
                self.handle = asyncio.get_running_loop().call_soon(self._on)
            elif t is asyncio.current_task() or t._fut_waiter is None or t._fut_waiter.done():
                ENV.flag("limit-ready")
                self.handle = asyncio.get_running_loop().call_soon(self._on)
            elif self.asked:
                ENV.flag("resched-again")
            elif any(g._parent_task is t and not g._finished and g._exiting and all(x.done() for x in g._tasks) for g in GROUPS):
                ENV.flag("limit-ready")
                self._on()
            else:
                self.asked = True
                if t._own: ENV.flag("soft-limit-after-cancel")
                t.cancel(kind="limit")
                self.handle = asyncio.get_running_loop().call_soon(self._comes)
        elif self.asked: ENV.flag("resched-again")
    def expired(self):
        return self.state in ("expiring", "expired")
    async def __aenter__(self):
        self.state, self.task = "active", asyncio.current_task()
        self.cancelling = self.task.cancelling()
        self.pending = self.task._must_cancel
        self.reschedule(self.zero)
        return self
    async def __aexit__(self, et, exc, tb):
        if self.handle is not None:
            self.handle.cancel()
            self.handle = None
        if self.asked: self.state = "expiring"
        if self.state == "expiring":
            self.state = "expired"
            if self.task.uncancel() <= self.cancelling and et is not None and issubclass(et, CancelledError):
                if self.pending:
                    ENV.flag("older-cancel-lost")
                raise TimeoutError from exc
        elif self.state == "active":
            self.state = "finished"
    def _comes(self):
        self.state, self.handle = "expiring", None
    def _on(self):
        if self.task._own: ENV.flag("soft-limit-after-cancel")
        self.task.cancel(kind="limit")
        self.state, self.handle = "expiring", None

class GatheringFuture(tasks._GatheringFuture):
    pass

def gather(children, ret):
    loop = asyncio.get_running_loop()
    nfinished, outer = 0, None
    def done(fut):
        nonlocal nfinished
        nfinished += 1
        if outer.done():
            if not fut.cancelled():
                fut.exception()
            return
        if not ret and not (CORIO and outer._cancel_requested):
            if fut.cancelled():
                outer.set_exception(fut._make_cancelled_error())
                return
            exc = fut.exception()
            if exc is not None:
                outer.set_exception(exc)
                return
        if nfinished == len(children):
            results = []
            for fut in children:
                if fut.cancelled():
                    res = CancelledError()
                else:
                    res = fut.exception()
                    if res is None:
                        res = fut.result()
                results.append(res)
            if outer._cancel_requested:
                outer.set_exception(fut._make_cancelled_error())
            else:
                outer.set_result(results)
    outer = GatheringFuture(children, loop=loop)
    for fut in children:
        if CORIO and fut.done():
            done(fut)
        else:
            fut.add_done_callback(done)
    return outer

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
        if not self.dead:
            self.flags.add(f)

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

async def clean(c, b, in_cancel=False):
    n = asyncio.current_task()._delivered
    try: await block(c, b)
    except CancelledError:
        if in_cancel and n == asyncio.current_task()._delivered: c.e.flag("hand-in-clean")
        raise
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
        finally: await clean(c, s[2], isinstance(sys.exc_info()[1], CancelledError))
    elif op == "oncancel":
        try: await block(c, s[1])
        except CancelledError:
            await clean(c, s[2], True)
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
        else: c.say(f"shield = {await waits(asyncio.shield(t), [t])}")
    elif op == "cancel":
        t = e.refs.get(s[1])
        if t is None: c.say(f"cancel {s[1]} none")
        else: c.say(f"cancel {s[1]} {py(t.cancel(*s[2:], kind='direct'))}")
    elif op == "uncancelo":
        t = e.refs.get(s[1])
        if t is None: c.say("uncancel none")
        else: c.say(f"uncancel {s[1]} {t.uncancel()}")
    elif op == "self": c.say(f"self {py(asyncio.current_task().cancel(kind='direct'))}")
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
        c.say(f"gather {','.join(res(r) for r in await waits(gather(ts, s[1] == 'all'), ts))}")
    elif op == "wait":
        ts = {c.taken(n): n for n in s[2]}
        ts.pop(None, None)
        if not ts:
            c.say("wait none")
            return
        # each once, in order: a set's order is none
        d, p = await waits(tasks._wait(list(ts), None, asyncio.FIRST_COMPLETED if s[1] == "first" else asyncio.ALL_COMPLETED, asyncio.get_running_loop()), list(ts))
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
        elif g.closed(): c.say("gspawn closed")
        else:
            c.watch(s[2], g.create_task(whole(c.named(s[2]), s[3])))
    elif op == "limit":
        t = Timeout(s[2] == "zero")
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
            try: t.reschedule(s[2] == "now")
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
                t.cancel(kind="direct")
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
    global TURN
    TURN = 0
    GROUPS.clear()
    WAITS.clear()
    loop = Loop()
    loop.set_task_factory(lambda loop, coro, **k: T(coro, loop=loop, **k))
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

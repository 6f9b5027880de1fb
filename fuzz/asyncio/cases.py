#!/usr/bin/env python3.13
"""The minimal cases, plain asyncio, that of Python 3.13 or later."""
import asyncio, sys
from asyncio import CancelledError, create_task, sleep
say = print
def spawn(name, coro):
    t = asyncio.get_running_loop().create_task(coro)
    t.add_done_callback(lambda t: say("  done", name, "cancelled" if t.cancelled() else "ok"))
    return t
async def turns(n):
    for k in range(n):
        await sleep(0); say("  tick", k)
async def forever(): await asyncio.get_running_loop().create_future()
async def noop(): pass
async def ys(n):
    for _ in range(n): await sleep(0)

async def A1():   # a cancel passed on to a task that is ready
    child = spawn("child", ys(6))
    async def p(): await child
    parent = spawn("parent", p())
    await ys(2)
    parent.cancel()
    say("  child.cancelling", child.cancelling())
    await turns(5)
async def A2():   # the child cancels its awaiter, and returns
    async def c(): parent.cancel()
    child = spawn("child", c())
    async def p(): say("  awaited", await child)
    parent = spawn("parent", p())
    await sleep(0)
    await turns(4)
async def A3():   # as A2, the awaiter first
    parent = None
    async def c(): parent.cancel()
    async def p():
        await child
        say("  awaited")
    parent = spawn("parent", p())
    child = spawn("child", c())
    await turns(4)
async def B1():   # a caught cancel, then an awaited task
    async def t():
        try: await forever()
        except CancelledError:
            await spawn("child", noop())
            say("  child awaited")
    t = spawn("t", t())
    await sleep(0)
    t.cancel()
    await turns(5)
async def B2():   # no cancel at all: a group's child ends a turn before an awaited task
    async def t():
        async with asyncio.TaskGroup() as g:
            async def c(): await ys(1)
            g.create_task(c())
            await other
            say("  other awaited")
    t0 = spawn("t", t())
    other = spawn("other", ys(3))
    await turns(6)
async def B3():   # a limit is taken away meanwhile
    async def t():
        nonlocal limit
        async with asyncio.timeout(None) as limit:
            await other
            say("  other awaited")
    limit = None
    t0 = spawn("t", t())
    async def r(): limit.reschedule(None)
    spawn("r", r())
    other = spawn("other", noop())
    await turns(4)
async def B4():   # a cancel taken back
    async def t():
        asyncio.current_task().cancel(); asyncio.current_task().uncancel()
        await other
        say("  other awaited")
    spawn("t", t())
    other = spawn("other", noop())
    await turns(4)
async def C1():   # a clean-up awaits a cancelled task
    dead = spawn("dead", forever())
    await sleep(0); dead.cancel(); await ys(3)
    async def t():
        try:
            try: await forever()
            finally: await dead
        except CancelledError:
            say("  caught")
            await sleep(0)
            asyncio.current_task().uncancel()
            say("  goes on")
    t = spawn("t", t())
    await sleep(0); t.cancel()
    await turns(5)
async def D1():   # gather of what has ended
    done = spawn("done", noop())
    await ys(3)
    async def t():
        await asyncio.gather(done); say("  gathered")
    spawn("t", t())
    await turns(5)
async def E1():   # a gather's turn, and a group's child that ends in it
    async def t():
        async with asyncio.TaskGroup() as g:
            g.create_task(ys(1))
            await asyncio.gather(other)
            say("  gathered")
        say("  group")
    spawn("t", t())
    other = spawn("other", ys(1))
    await turns(6)
async def E2():   # a wait's turn, and a group's child that ends in it
    ended = spawn("ended", noop())
    await ys(3)
    async def t():
        async with asyncio.TaskGroup() as g:
            g.create_task(noop())
            await asyncio.wait([ended])
            say("  waited")
    spawn("t", t())
    await turns(6)
async def F1():   # a group takes no more once a child has failed
    async def bad(): raise ValueError
    async def t():
        try:
            async with asyncio.TaskGroup() as g:
                g.create_task(bad())
                await sleep(0)
                try: g.create_task(noop()); say("  spawned")
                except RuntimeError: say("  refused")
        except* ValueError: say("  failed")
    spawn("t", t())
    await turns(5)
async def F2():   # a group takes no more once all have ended
    async def t():
        nonlocal g
        async with asyncio.TaskGroup() as g: g.create_task(noop())
        say("  group")
    g = None
    spawn("t", t())
    async def late():
        await ys(2)
        try: g.create_task(noop()); say("  spawned")
        except RuntimeError: say("  refused")
    spawn("late", late())
    await turns(6)
async def G1():   # a body's own error, a cancel that it had caught
    async def t():
        try:
            async with asyncio.TaskGroup():
                try: await forever()
                except CancelledError: raise ValueError
        except BaseExceptionGroup: say("  failed")
        await sleep(0)
        say("  goes on")
    t = spawn("t", t())
    await sleep(0); t.cancel()
    await turns(4)
async def H1():   # a child fails beside a grandchild it has just made, after a sibling has ended
    async def t():
        try:
            async with asyncio.TaskGroup() as g:
                async def c():
                    async def gc(): say("  grandchild ran")
                    g.create_task(gc())
                    raise ValueError
                g.create_task(noop())
                g.create_task(c())
        except* ValueError: say("  failed")
    spawn("t", t())
    await turns(6)
async def I1():   # cancelled in a shield's turn
    async def t():
        me = asyncio.current_task()
        async def c():
            await ys(3); me.cancel(); say("  cancel")
        spawn("c", c())
        await asyncio.shield(other)
    spawn("t", t())
    other = spawn("other", ys(3))
    await turns(7)
async def I2():   # cancelled in the turn in which a wait is about to return
    ended = spawn("ended", noop())
    await ys(3)
    async def t():
        me = asyncio.current_task()
        async def c():
            await ys(1); me.cancel(); say("  cancel")
        spawn("c", c())
        await asyncio.wait([ended])
    spawn("t", t())
    await turns(6)
async def J1():   # a body fails after its last child has ended
    async def t():
        try:
            async with asyncio.TaskGroup() as g:
                g.create_task(noop())
                await sleep(0)
                raise ValueError
        except* ValueError: say("  failed")
    spawn("t", t())
    await turns(5)
async def K1():   # a limit is moved to now by another task
    async def t():
        nonlocal limit
        try:
            async with asyncio.timeout(None) as limit: await forever()
        except TimeoutError: say("  timed out")
    limit = None
    spawn("t", t())
    async def r(): limit.reschedule(asyncio.get_running_loop().time()); say("  moved")
    spawn("r", r())
    await turns(5)
def main():
    assert sys.version_info >= (3, 13)
    for f in (A1, A2, A3, B1, B2, B3, B4, C1, D1, E1, E2, F1, F2, G1, H1, I1, I2, J1, K1):
        print(f.__name__)
        loop = asyncio.new_event_loop()
        try: loop.run_until_complete(f())
        except RuntimeError as e: print("  ", e)
if __name__ == "__main__":
    main()

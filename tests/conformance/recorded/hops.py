#!/usr/bin/env python3
"""Records how many turns of asyncio's loop lie between an event and who waits for it.

    python3 hops.py > hops.txt

As event_loop.py. Ticks are callbacks that submit the next one: they count turns, and show where in a
turn something happens. What blocks the loop makes timers due in one turn.

wait_for is that of 3.12 and later, which is a timeout around an await.
"""

import asyncio
import platform
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

SCENARIOS = {}
lines = []


def say(*words):
    lines.append(" ".join(str(word) for word in words))


def scenario(function):
    SCENARIOS[f"hops {function.__name__}"] = function
    return function


def ticks(count, n=1):
    say("tick", n)
    if n < count:
        asyncio.get_running_loop().call_soon(ticks, count, n + 1)


def block(seconds, count=0):
    """Stands for a callback that takes long; ticks begin in the next turn."""
    time.sleep(seconds)
    if count:
        asyncio.get_running_loop().call_soon(ticks, count)


async def turn():
    await asyncio.sleep(0)


def later(seconds, *words):
    asyncio.get_running_loop().call_later(seconds, say, *words)


def spawn(coro):
    return asyncio.get_running_loop().create_task(coro)


async def wait_for(aw, seconds):
    async with asyncio.timeout(seconds):
        return await aw


async def sleeper(name, seconds):
    await asyncio.sleep(seconds)
    say(name)


async def child(name="child", count=0, counted=5):
    """Ends after some turns, from where the turns are counted."""
    for _ in range(count):
        await turn()
    say(name)
    if counted:
        ticks(counted)
    return name


async def failing(counted=5):
    await turn()
    say("fails")
    ticks(counted)
    raise ValueError("failed")


async def for_ever(name):
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        say(name, "cancelled")
        raise


@scenario
async def a_sleep_and_a_callback():
    task = spawn(sleeper("sleeper", 0.01))
    await turn()
    later(0.011, "call_later")
    asyncio.get_running_loop().call_soon(block, 0.03, 3)
    await task


@scenario
async def sleeps_in_order():
    tasks = [spawn(sleeper(name, at)) for name, at in (("c", 0.012), ("a", 0.01), ("b", 0.011))]
    await turn()
    later(0.0105, "after a")
    later(0.0115, "after b")
    asyncio.get_running_loop().call_soon(block, 0.03, 3)
    for task in tasks:
        await task
    say("main")


@scenario
async def a_timeout_expires():
    async def limited():
        try:
            async with asyncio.timeout(0.01):
                await for_ever("inside")
        except TimeoutError:
            say("timed out")

    task = spawn(limited())
    await turn()
    later(0.009, "before")
    later(0.011, "after")
    asyncio.get_running_loop().call_soon(block, 0.03, 4)
    await task
    say("main")


@scenario
async def wait_for_expires():
    async def limited():
        try:
            await wait_for(asyncio.Event().wait(), 0.01)
        except TimeoutError:
            say("timed out")

    task = spawn(limited())
    await turn()
    later(0.009, "before")
    later(0.011, "after")
    asyncio.get_running_loop().call_soon(block, 0.03, 4)
    await task
    say("main")


@scenario
async def a_timeout_of_a_task_expires():
    async def limited():
        try:
            await wait_for(spawn(for_ever("child")), 0.01)
        except TimeoutError:
            say("timed out")

    task = spawn(limited())
    await turn()
    await turn()
    asyncio.get_running_loop().call_soon(block, 0.03, 5)
    await task
    say("main")


@scenario
async def a_wait_expires():
    task = spawn(for_ever("child"))

    async def waits():
        done, pending = await asyncio.wait([task], timeout=0.01)
        say("waited", len(done), len(pending))

    waiting = spawn(waits())
    await turn()
    later(0.009, "before")
    later(0.011, "after")
    asyncio.get_running_loop().call_soon(block, 0.03, 4)
    await waiting


@scenario
async def a_cancel_before_the_step():
    """What is due in the same turn cannot end a sleep that was cancelled."""

    async def sleeps():
        try:
            await asyncio.sleep(0.012)
            say("slept")
        except asyncio.CancelledError:
            say("cancelled")

    task = spawn(sleeps())
    await turn()
    loop = asyncio.get_running_loop()
    other = spawn(sleeper("other", 0.011))
    await turn()
    loop.call_later(0.01, task.cancel)
    loop.call_soon(block, 0.03, 3)
    await other
    await task


@scenario
async def a_stop_before_the_step():
    """The turn of the stop is the last one: the step is the next run's."""
    task = spawn(sleeper("sleeper", 0.01))
    await turn()
    loop = asyncio.get_running_loop()
    loop.call_later(0.009, loop.stop)
    later(0.011, "later")
    loop.call_soon(block, 0.03, 3)
    await task


@scenario
async def sockets():
    loop = asyncio.get_running_loop()
    near, far = socket.socketpair()
    near.setblocking(False)

    async def receives():
        say("received", len(await loop.sock_recv(near, 10)))

    task = spawn(receives())
    await turn()
    far.send(b"x")
    loop.call_later(0, say, "timer")
    ticks(4)
    await task
    near.close()
    far.close()


@scenario
async def streams():
    near, far = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=near)

    async def reads():
        say("read", len(await reader.read(10)))

    task = spawn(reads())
    await turn()
    far.send(b"x")
    asyncio.get_running_loop().call_later(0, say, "timer")
    ticks(4)
    await task
    writer.close()
    far.close()


@scenario
async def an_executor():
    loop = asyncio.get_running_loop()
    executor = ThreadPoolExecutor(1)
    go = threading.Event()

    async def runs():
        say("ran", await loop.run_in_executor(executor, lambda: go.wait() and 7))

    def join():
        go.set()
        # The executor has one thread: when this is done, the result before it was sent.
        executor.submit(lambda: None).result()
        loop.call_soon(ticks, 4)

    task = spawn(runs())
    await turn()
    loop.call_soon(join)
    await task
    executor.shutdown()


@scenario
async def other_threads():
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    async def waits():
        await future
        say("future")

    async def started():
        say("coroutine")

    def other():
        loop.call_soon_threadsafe(say, "callback")
        loop.call_soon_threadsafe(future.set_result, None)
        asyncio.run_coroutine_threadsafe(started(), loop)

    def join():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        loop.call_soon(ticks, 4)

    task = spawn(waits())
    await turn()
    loop.call_soon(join)
    await task
    await turn()


@scenario
async def primitives():
    event, lock, queue = asyncio.Event(), asyncio.Lock(), asyncio.Queue()
    semaphore = asyncio.Semaphore(0)
    future = asyncio.get_running_loop().create_future()

    async def waits(name, aw):
        await aw
        say(name)

    await lock.acquire()
    waiting = [("event", event.wait()), ("lock", lock.acquire()), ("queue", queue.get())]
    waiting += [("semaphore", semaphore.acquire()), ("future", future)]
    tasks = [spawn(waits(name, aw)) for name, aw in waiting]
    await turn()

    async def wakes():
        future.set_result(None)
        semaphore.release()
        queue.put_nowait(1)
        lock.release()
        event.set()
        say("woken")
        ticks(3)

    spawn(wakes())
    for task in tasks:
        await task


@scenario
async def an_awaited_task():
    await spawn(child())
    say("awaited")
    await turn()


@scenario
async def done_callbacks():
    task = spawn(child())
    task.add_done_callback(lambda _: say("callback 1"))
    gathered = asyncio.gather(task)
    task.add_done_callback(lambda _: say("callback 2"))
    await gathered
    say("gathered")
    await turn()


@scenario
async def gather():
    await asyncio.gather(spawn(child()))
    say("gathered")
    await turn()


@scenario
async def gather_of_three():
    """Which end in one turn, with something between them."""
    ends = [spawn(child("one", counted=0))]
    asyncio.get_running_loop().call_soon(ticks, 4)
    ends.append(spawn(child("two", counted=0)))
    asyncio.get_running_loop().call_soon(say, "between")
    ends.append(spawn(child("three", counted=0)))
    await asyncio.gather(*ends)
    say("gathered")
    await turn()


@scenario
async def gather_of_late_ones():
    """The first to end is behind the last one."""
    await asyncio.gather(spawn(child("late", 1)), spawn(child("early", 0, 0)))
    say("gathered")
    await turn()
    await turn()


@scenario
async def gather_fails():
    rest = spawn(for_ever("rest"))
    try:
        await asyncio.gather(rest, spawn(failing()))
    except ValueError:
        say("seen")
    await turn()
    rest.cancel()
    await turn()


@scenario
async def gather_is_cancelled():
    async def gathers():
        await asyncio.gather(spawn(for_ever("child")))

    task = spawn(gathers())
    await turn()
    await turn()
    task.cancel()
    ticks(5)
    try:
        await task
    except asyncio.CancelledError:
        say("seen")
    await turn()


@scenario
async def an_awaited_task_is_cancelled():
    async def awaits():
        await spawn(for_ever("child"))

    task = spawn(awaits())
    await turn()
    await turn()
    task.cancel()
    ticks(5)
    try:
        await task
    except asyncio.CancelledError:
        say("seen")
    await turn()


@scenario
async def a_chain_is_cancelled():
    async def awaits(depth):
        if depth:
            await spawn(awaits(depth - 1))
        else:
            await asyncio.gather(spawn(for_ever("one")), spawn(for_ever("two")))

    task = spawn(awaits(3))
    for _ in range(6):
        await turn()
    asyncio.get_running_loop().call_soon(say, "before")
    task.cancel()
    ticks(9)
    try:
        await task
    except asyncio.CancelledError:
        say("seen")
    await turn()


@scenario
async def a_chain_cancels_itself():
    """A cancel that is older than the await is passed on by the step that begins it."""

    async def awaits():
        child = spawn(for_ever("child"))
        await turn()
        asyncio.current_task().cancel()
        ticks(6)
        await child

    task = spawn(awaits())
    try:
        await task
    except asyncio.CancelledError:
        say("seen")
    await turn()


@scenario
async def two_chains_are_cancelled():
    async def awaits(name):
        await spawn(for_ever(name))

    tasks = [spawn(awaits("one")), spawn(awaits("two"))]
    await turn()
    await turn()
    for task in tasks:
        task.cancel()
    ticks(5)
    await asyncio.wait(tasks)
    say("seen")


@scenario
async def wait_for_all():
    done, _ = await asyncio.wait([spawn(child("late", 1)), spawn(child("early", 0, 0))])
    say("waited", len(done))
    await turn()
    await turn()


@scenario
async def wait_for_the_first():
    tasks = [spawn(child("late", 3, 0)), spawn(child("early"))]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    say("waited", len(done), len(pending))
    for task in tasks:
        await task


@scenario
async def wait_of_ended():
    task = spawn(child(counted=0))
    await turn()
    await turn()
    ticks(4)
    done, _ = await asyncio.wait([task])
    say("waited", len(done))
    await turn()


@scenario
async def completions():
    tasks = [spawn(child("late", 1, 0)), spawn(child("early"))]
    for end in asyncio.as_completed(tasks):
        say("completed", await end)
    await turn()


@scenario
async def completions_of_ended():
    task = spawn(child(counted=0))
    await turn()
    await turn()
    ticks(4)
    for end in asyncio.as_completed([task]):
        say("completed", await end)
    await turn()


@scenario
async def shield():
    await asyncio.shield(spawn(child()))
    say("shielded")
    await turn()


@scenario
async def shield_of_a_late_one():
    await asyncio.shield(spawn(child(count=2)))
    say("shielded")
    await turn()


@scenario
async def wait_for_a_task():
    await wait_for(spawn(child()), 10)
    say("waited")
    await turn()


@scenario
async def group():
    async with asyncio.TaskGroup() as group:
        group.create_task(child())
    say("group")
    await turn()


@scenario
async def group_of_late_ones():
    async with asyncio.TaskGroup() as group:
        group.create_task(child("late", 1))
        group.create_task(child("early", 0, 0))
    say("group")
    await turn()
    await turn()


@scenario
async def group_outlived_by_its_body():
    async with asyncio.TaskGroup() as group:
        group.create_task(child())
        for _ in range(3):
            await turn()
        say("body")
    say("group")
    await turn()


@scenario
async def group_ends_with_its_body():
    """The last child ends in the turn in which the body does."""
    async with asyncio.TaskGroup() as group:
        group.create_task(child())
        await turn()
        say("body")
    say("group")
    await turn()


@scenario
async def group_fails():
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(for_ever("sibling"))
            group.create_task(failing())
            await for_ever("body")
    except* ValueError:
        say("group")
    await turn()


@scenario
async def group_is_cancelled():
    async def body():
        async with asyncio.TaskGroup() as group:
            group.create_task(for_ever("sibling"))
            await for_ever("body")

    task = spawn(body())
    await turn()
    await turn()
    task.cancel()
    ticks(8)
    try:
        await task
    except asyncio.CancelledError:
        say("seen")
    await turn()


@scenario
async def a_cancel_goes_on_later():
    async def cleans():
        try:
            await for_ever("task")
        except asyncio.CancelledError:
            await turn()
            say("cleaned")
            raise

    task = spawn(cleans())
    await turn()
    task.cancel()
    ticks(5)
    try:
        await task
    except asyncio.CancelledError:
        say("seen")
    await turn()


@scenario
async def conditions():
    """Who is notified takes the lock again, one after the other."""
    condition = asyncio.Condition()

    async def waits(name):
        async with condition:
            say(name, "waits")
            await condition.wait()
            say(name, "goes on")

    tasks = [spawn(waits(name)) for name in ("one", "two", "three")]
    await turn()
    await turn()
    async with condition:
        condition.notify_all()
        ticks(8)
    say("released")
    for task in tasks:
        await task


@scenario
async def locks_in_turn():
    lock = asyncio.Lock()

    async def works(name):
        async with lock:
            say(name)
            await turn()
            say(name, "leaves")

    tasks = [spawn(works(name)) for name in ("one", "two", "three")]
    ticks(8)
    for task in tasks:
        await task


@scenario
async def a_lock_whose_next_is_cancelled():
    lock = asyncio.Lock()

    async def works(name):
        try:
            async with lock:
                say(name)
        except asyncio.CancelledError:
            say(name, "cancelled")

    await lock.acquire()
    tasks = [spawn(works(name)) for name in ("one", "two")]
    await turn()
    lock.release()
    tasks[0].cancel()
    ticks(5)
    for task in tasks:
        await task


@scenario
async def a_full_queue():
    queue = asyncio.Queue(1)

    async def puts(name):
        await queue.put(name)
        say(name, "is in")

    async def gets(count):
        for _ in range(count):
            say("got", await queue.get())

    tasks = [spawn(puts(name)) for name in ("one", "two", "three")]
    await turn()
    tasks.append(spawn(gets(3)))
    ticks(8)
    for task in tasks:
        await task


@scenario
async def a_queue_is_done():
    queue = asyncio.Queue()

    async def joins(name):
        await queue.join()
        say(name, "joined")

    queue.put_nowait(1)
    tasks = [spawn(joins(name)) for name in ("one", "two")]
    await turn()
    queue.task_done()
    ticks(4)
    for task in tasks:
        await task


@scenario
async def barriers():
    barrier = asyncio.Barrier(3)

    async def passes(name):
        await barrier.wait()
        say(name, "passes")

    tasks = [spawn(passes(name)) for name in ("one", "two")]
    await turn()
    tasks.append(spawn(passes("three")))
    ticks(6)
    for task in tasks:
        await task


@scenario
async def semaphores_in_turn():
    semaphore = asyncio.Semaphore(2)

    async def works(name):
        async with semaphore:
            say(name)
            await turn()

    tasks = [spawn(works(str(n))) for n in range(5)]
    ticks(8)
    for task in tasks:
        await task


@scenario
async def a_shield_is_cancelled():
    inner = spawn(child(count=4, counted=0))

    async def shields():
        try:
            await asyncio.shield(inner)
        except asyncio.CancelledError:
            say("shield cancelled")
            raise

    task = spawn(shields())
    await turn()
    task.cancel()
    ticks(8)
    try:
        await task
    except asyncio.CancelledError:
        say("seen")
    await inner
    say("main")


@scenario
async def limits_in_limits():
    """Both are due in one turn."""

    async def limited():
        try:
            async with asyncio.timeout(0.01):
                try:
                    async with asyncio.timeout(0.011):
                        await for_ever("inside")
                except TimeoutError:
                    say("inner")
                say("between")
                await for_ever("after")
        except TimeoutError:
            say("outer")

    task = spawn(limited())
    await turn()
    asyncio.get_running_loop().call_soon(block, 0.03, 6)
    await task
    say("main")


@scenario
async def wait_for_of_an_event():
    event = asyncio.Event()

    async def waits():
        await wait_for(event.wait(), 10)
        say("waited")

    task = spawn(waits())
    await turn()
    event.set()
    ticks(4)
    await task
    say("main")


@scenario
async def gather_of_all_ends():
    """With return_exceptions: all ends are awaited."""
    results = await asyncio.gather(
        spawn(failing()), spawn(child("late", 3, 0)), return_exceptions=True
    )
    say("gathered", len(results))
    await turn()


@scenario
async def two_await_one_task():
    task = spawn(child(count=1))

    async def awaits(name):
        await task
        say(name)

    tasks = [spawn(awaits(name)) for name in ("one", "two")]
    for waiting in tasks:
        await waiting
    await turn()


@scenario
async def a_task_in_a_group_is_cancelled():
    async with asyncio.TaskGroup() as group:
        one = group.create_task(for_ever("one"))
        group.create_task(child("two", 3, 0))
        await turn()
        one.cancel()
        ticks(8)
    say("group")


@scenario
async def a_group_in_a_group_fails():
    try:
        async with asyncio.TaskGroup() as outer:
            outer.create_task(for_ever("outer child"))
            async with asyncio.TaskGroup() as inner:
                inner.create_task(for_ever("inner child"))
                inner.create_task(failing(12))
                await for_ever("body")
    except* ValueError:
        say("group")
    await turn()


@scenario
async def a_body_fails():
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(for_ever("child"))
            await turn()
            ticks(8)
            raise ValueError("body")
    except* ValueError:
        say("group")
    await turn()


async def cleaning(name, turns):
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        say(name, "cancelled")
        for _ in range(turns):
            await turn()
        say(name, "cleaned")
        raise


async def cleaning_long(name):
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        say(name, "cancelled")
        await for_ever("clean-up")


async def limited(seconds, name, aw):
    """Says what comes out of a limit."""
    try:
        async with asyncio.timeout(seconds) as limit:
            await aw
        say(name, "ended", limit.expired())
    except TimeoutError:
        say(name, "timed out")
    except asyncio.CancelledError:
        say(name, "passed on", limit.expired())
        raise


async def limited_and_blocked(aw, seconds=0.03):
    """Everything below that is due in one turn."""
    task = spawn(aw)
    await turn()
    asyncio.get_running_loop().call_soon(block, seconds, 8)
    try:
        await task
    except asyncio.CancelledError:
        say("main cancelled")
    say("main")


@scenario
async def limits_that_come_at_once():
    await limited_and_blocked(limited(0.01, "outer", limited(0.011, "inner", cleaning("body", 2))))


@scenario
async def limits_that_come_at_once_inner_first():
    await limited_and_blocked(limited(0.011, "outer", limited(0.01, "inner", cleaning("body", 2))))


@scenario
async def three_limits_of_which_two_come():
    inner = limited(0.01, "inner", cleaning("body", 2))
    await limited_and_blocked(limited(0.011, "outer", limited(10, "middle", inner)))


@scenario
async def three_limits_that_come_at_once():
    inner = limited(0.01, "inner", cleaning("body", 2))
    await limited_and_blocked(limited(0.011, "outer", limited(0.012, "middle", inner)))


@scenario
async def limits_of_no_time():
    task = spawn(limited(0, "outer", limited(0, "inner", cleaning("body", 2))))
    await task
    say("main")


@scenario
async def a_limit_of_no_time_in_another():
    task = spawn(limited(10, "outer", limited(0, "inner", cleaning("body", 2))))
    await task
    say("main")


@scenario
async def limits_while_the_loop_is_busy():
    async def busy():
        time.sleep(0.03)
        await cleaning("body", 2)

    await limited(0.02, "outer", limited(0.01, "inner", busy()))
    say("main")


@scenario
async def a_limit_comes_in_the_clean_up_of_the_outer_one():
    task = spawn(limited(0.01, "outer", limited(0.03, "inner", cleaning_long("body"))))
    await task
    say("main")


@scenario
async def a_limit_comes_in_the_clean_up_of_the_inner_one():
    task = spawn(limited(0.03, "outer", limited(0.01, "inner", cleaning_long("body"))))
    await task
    say("main")


@scenario
async def an_await_after_a_caught_cancel():
    async def caught():
        try:
            await for_ever("body")
        except asyncio.CancelledError:
            await spawn(child("child", 0, 8))
            say("awaited")

    task = spawn(caught())
    await turn()
    task.cancel()
    await task
    say("main")


@scenario
async def a_limit_is_taken_away():
    limit = None
    other = None

    async def limited_by_none():
        nonlocal limit
        async with asyncio.timeout(10) as limit:
            await other
            say("awaited")

    async def takes_away():
        limit.reschedule(None)

    task = spawn(limited_by_none())
    spawn(takes_away())
    other = spawn(child("other", 0, 8))
    await task
    say("main")


@scenario
async def a_cleanup_awaits_a_cancelled_task():
    dead = spawn(for_ever("dead"))
    await turn()
    dead.cancel()
    await turn()
    await turn()

    async def caught():
        try:
            try:
                await for_ever("body")
            finally:
                await dead
        except asyncio.CancelledError:
            say("caught")
            ticks(8)
            await turn()
            asyncio.current_task().uncancel()
            say("goes on")

    task = spawn(caught())
    await turn()
    task.cancel()
    await task
    say("main")


@scenario
async def limits_in_a_body_that_goes_on():
    async def goes_on():
        try:
            await for_ever("body")
        except asyncio.CancelledError:
            await turn()
        say("body ends")

    await limited_and_blocked(limited(0.01, "outer", limited(0.011, "inner", goes_on())))


@scenario
async def a_cancel_after_a_limit():
    task = spawn(limited(0.01, "outer", limited(0.011, "inner", cleaning("body", 2))))
    await turn()
    asyncio.get_running_loop().call_soon(block, 0.03, 8)
    await turn()
    await turn()
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        say("main cancelled")
    say("main")


@scenario
async def a_limit_in_a_group_that_fails():
    async def busy():
        await turn()
        time.sleep(0.03)
        ticks(8)
        raise ValueError("failed")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(busy())
            await limited(0.01, "limit", cleaning("body", 2))
    except* ValueError:
        say("group")
    say("main")


@scenario
async def a_group_that_fails_in_a_limit():
    async def busy():
        await turn()
        time.sleep(0.03)
        raise ValueError("failed")

    async def grouped():
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(busy())
                await cleaning("body", 2)
        except* ValueError:
            say("group")

    await limited(0.01, "limit", grouped())
    say("main")


async def adds(name, group):
    late = child("late", 0, 0)
    try:
        group.create_task(late)
        say(name, "added")
    except RuntimeError:
        late.close()
        say(name, "refused")


@scenario
async def a_group_takes_a_child_until_it_hears_of_a_failure():
    async def bad():
        ticks(6)
        raise ValueError("failed")

    async def grouped():
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(bad())
                await turn()
                await adds("one", group)
                spawn(adds("two", group))
        except* ValueError:
            say("group")

    await spawn(grouped())
    say("main")


@scenario
async def a_group_takes_none_when_all_have_ended():
    async def grouped(groups):
        async with asyncio.TaskGroup() as group:
            groups.append(group)
            group.create_task(child("child", 0, 0))
        say("group")

    for count in range(5):
        groups = []
        task = spawn(grouped(groups))
        await turn()
        for _ in range(count):
            await turn()
        await adds(count, groups[0])
        await task


@scenario
async def a_body_fails_as_its_last_child_ends():
    async def grouped():
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
                await turn()
                raise ValueError("failed")
        except* ValueError:
            say("group")

    await spawn(grouped())
    say("main")


@scenario
async def a_child_fails_beside_a_grandchild():
    async def bad(group):
        ticks(6)
        group.create_task(child("grandchild", 0, 0))
        raise ValueError("failed")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(child("child", 0, 0))
            group.create_task(bad(group))
    except* ValueError:
        say("group")
    await turn()


async def beside_the_ends_of(children, count, waits):
    """A body that waits while children of its group end."""
    others = []

    async def grouped():
        async with asyncio.TaskGroup() as group:
            for _ in range(children):
                group.create_task(asyncio.sleep(0))
            await waits(others[0])
            say("body")
        say("group")

    task = spawn(grouped())
    others.append(spawn(child("other", count, 6)))
    await task
    say("main")


@scenario
async def a_child_ends_beside_a_gather():
    await beside_the_ends_of(1, 1, asyncio.gather)


@scenario
async def a_child_ends_beside_a_wait():
    await beside_the_ends_of(1, 1, lambda other: asyncio.wait([other]))


@scenario
async def a_child_ends_beside_a_task():
    async def awaits(other):
        await other

    await beside_the_ends_of(1, 3, awaits)


@scenario
async def a_hundred_children_end_beside_a_gather():
    await beside_the_ends_of(100, 1, asyncio.gather)


@scenario
async def a_body_that_was_woken_is_stopped_first():
    async def bad():
        await turn()
        ticks(4)
        raise ValueError("failed")

    async def grouped(event):
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(bad())
                try:
                    await event.wait()
                    say("woken")
                except asyncio.CancelledError:
                    say("stopped")
                    raise
        except* ValueError:
            say("group")

    event = asyncio.Event()
    task = spawn(grouped(event))
    for _ in range(3):
        await turn()
    event.set()
    await task
    say("main")


def main():
    print(f"# Recorded by hops.py with CPython {platform.python_version()}.")
    for name, function in SCENARIOS.items():
        lines.clear()
        loop = asyncio.new_event_loop()
        main_task = loop.create_task(function())
        try:
            loop.run_until_complete(main_task)
        except RuntimeError:
            say("stopped")
            loop.run_until_complete(main_task)
        said = list(lines)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        print(f"== {name}")
        for line in said:
            print(line)


main()

#!/usr/bin/env python3
"""Records the order in which asyncio's loop does things.

    python3 event_loop.py > event_loop.txt

As record.py, but each scenario gets a loop and runs it itself.
"""

import asyncio
import platform
import socket

SCENARIOS = {}
lines = []


def say(*words):
    lines.append(" ".join(str(word) for word in words))


def scenario(function):
    SCENARIOS[f"event_loop {function.__name__}"] = function
    return function


async def turns(name, count):
    for n in range(count):
        say(name, n)
        await asyncio.sleep(0)
    say(name, "end")


@scenario
def one_queue(loop):
    """Callbacks, first steps and yields stand in one queue."""

    async def main():
        say("main")
        loop.call_soon(say, "a")
        first = loop.create_task(turns("first", 3))
        loop.call_soon(say, "b")
        second = loop.create_task(turns("second", 2))
        loop.call_soon(lambda: (say("c"), loop.call_soon(say, "c2")))
        await asyncio.sleep(0)
        say("main again")
        loop.call_soon(say, "d")
        await first
        await second
        say("main end")

    loop.run_until_complete(main())


@scenario
def wakeups(loop):
    """What wakes several tasks appends them in the order in which they wait."""

    async def waiter(name, event):
        await event.wait()
        say(name)
        await asyncio.sleep(0)
        say(name, "again")

    async def main():
        event = asyncio.Event()
        tasks = [loop.create_task(waiter(name, event)) for name in "abc"]
        await asyncio.sleep(0)
        loop.call_soon(say, "before")
        loop.call_soon(lambda: (event.set(), say("set")))
        loop.call_soon(say, "after")
        await asyncio.sleep(0)
        say("main")
        loop.call_soon(say, "late")
        for task in tasks:
            await task

    loop.run_until_complete(main())


@scenario
def timers_after_ready(loop):
    """Due timers are appended to what is ready, in the order of their deadlines."""

    async def main():
        now = loop.time()
        loop.call_at(now - 1, say, "a second ago")
        loop.call_at(now - 3, lambda: (say("three ago"), loop.call_soon(say, "from a timer")))
        loop.call_at(now - 2, say, "two ago")
        loop.call_soon(say, "soon")
        loop.call_later(0, say, "later")
        loop.call_soon(say, "soon too")
        await asyncio.sleep(0)
        say("main")
        await asyncio.sleep(0)
        say("main again")
        await asyncio.sleep(0)

    loop.run_until_complete(main())


@scenario
def stop_ends_the_iteration(loop):
    """All that is ready runs, what it makes ready stays for the next run."""

    def stop():
        say("stop")
        loop.stop()
        loop.call_soon(say, "for the next run")

    loop.call_soon(say, "first")
    loop.call_soon(stop)
    loop.call_soon(lambda: (say("last"), loop.call_soon(say, "next run too")))
    loop.run_forever()
    say("stopped")
    loop.stop()
    loop.run_forever()
    say("stopped again")
    loop.stop()
    loop.run_forever()


@scenario
def stopped_before(loop):
    """A stop before the run lets one iteration happen."""
    loop.stop()
    loop.call_soon(lambda: (say("a"), loop.call_soon(say, "c")))
    loop.call_soon(say, "b")
    loop.run_forever()
    say("ran")
    loop.stop()
    loop.run_forever()


@scenario
def main_ends(loop):
    """The run goes on for one iteration after main has ended."""

    async def main():
        loop.call_soon(
            lambda: (say("one"), loop.call_soon(lambda: (say("two"), loop.call_soon(say, "three"))))
        )
        loop.create_task(turns("task", 3))
        say("main")

    loop.run_until_complete(main())
    say("between")
    loop.run_until_complete(turns("second", 1))
    say("between")
    loop.run_until_complete(turns("third", 2))


@scenario
def main_ends_after_a_wait(loop):
    async def main():
        loop.create_task(turns("task", 4))
        await asyncio.sleep(0)
        say("main")
        loop.call_soon(say, "soon")

    loop.run_until_complete(main())
    say("between")
    loop.run_until_complete(turns("second", 1))


@scenario
def stopped_in_main(loop):
    """The task that was to be completed can be taken up again."""
    event = asyncio.Event()

    async def work():
        say("work")
        loop.call_soon(loop.stop)
        await event.wait()
        say("work end")
        return 5

    task = loop.create_task(work())
    try:
        loop.run_until_complete(task)
    except RuntimeError as error:
        say(error)
    say(task.done())
    loop.call_soon(event.set)
    say(loop.run_until_complete(task))


@scenario
def cancelled_handles(loop):
    """A handle may be cancelled until its callback begins, also within one iteration."""
    handles = []

    async def main():
        loop.call_soon(lambda: (say("a"), handles[0].cancel(), handles[1].cancel()))
        handles.append(loop.call_soon(say, "b"))
        handles.append(loop.call_later(0, say, "timer"))
        handles.append(loop.call_soon(say, "c"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        say(*(handle.cancelled() for handle in handles))
        handles[0].cancel()
        say(handles[0].cancelled())

    loop.run_until_complete(main())


@scenario
def threadsafe_on_the_same_thread(loop):
    async def main():
        loop.call_soon(say, 1)
        loop.call_soon_threadsafe(say, 2)
        loop.call_soon(say, 3)
        loop.create_task(turns("task", 1))
        loop.call_soon_threadsafe(say, 4)
        await asyncio.sleep(0)
        say("main")

    loop.run_until_complete(main())


@scenario
def outside_of_the_run(loop):
    """What is submitted while the loop stands still keeps its order."""
    event = asyncio.Event()

    async def waiter():
        say("waiter")
        await event.wait()
        say("woken")

    task = loop.create_task(waiter())
    loop.call_soon(say, "a")
    loop.run_until_complete(turns("main", 1))
    loop.call_soon(say, "b")
    event.set()
    loop.call_soon(say, "c")
    loop.call_soon_threadsafe(say, "d")
    say("standing")
    loop.run_until_complete(turns("main", 2))
    say(task.done())


@scenario
def yields_do_not_starve(loop):
    """A task that yields for ever lets timers and callbacks through."""
    done = []

    async def busy():
        while not done:
            await asyncio.sleep(0)
        say("busy end")

    async def main():
        loop.create_task(busy())
        loop.call_later(0.01, lambda: (say("timer"), done.append(1)))
        await asyncio.sleep(0.02)
        say("main")

    loop.run_until_complete(main())


@scenario
def current_task_in_callbacks(loop):
    async def main():
        task = asyncio.current_task()
        say(task is None)
        loop.call_soon(lambda: say(asyncio.current_task() is None))
        await asyncio.sleep(0)
        say(asyncio.current_task() is task)

    loop.run_until_complete(main())


@scenario
def failing_callbacks(loop):
    """The loop goes on, and the handler hears of each."""
    loop.set_exception_handler(lambda loop, context: say("handler", context["exception"]))

    def fail(word):
        raise RuntimeError(word)

    async def main():
        loop.call_soon(fail, "one")
        loop.call_soon(say, "between")
        loop.call_later(0, fail, "two")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        say("main")

    loop.run_until_complete(main())


@scenario
def cancel_in_order(loop):
    """A cancel appends the task's step; what was ready before runs before it."""

    async def work(name):
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            say(name, "cancelled")
            raise

    async def main():
        tasks = [loop.create_task(work(name)) for name in ("x", "y")]
        await asyncio.sleep(0)
        loop.call_soon(say, "a")
        tasks[1].cancel()
        loop.call_soon(say, "b")
        tasks[0].cancel()
        loop.call_soon(say, "c")
        await asyncio.sleep(0)
        say("main")
        for task in tasks:
            try:
                await task
            except asyncio.CancelledError:
                say("seen")

    loop.run_until_complete(main())


@scenario
def result_of_a_future(loop):
    """Setting a result runs nothing; callbacks and waiters are queued as they were registered."""

    async def waiter(future):
        await future
        say("waiter")

    async def main():
        future = loop.create_future()
        future.add_done_callback(lambda _: say("callback 1"))
        task = loop.create_task(waiter(future))
        await asyncio.sleep(0)
        future.add_done_callback(lambda _: say("callback 2"))
        future.set_result(None)
        say("set")
        future.add_done_callback(lambda _: say("callback 3"))
        await asyncio.sleep(0)
        say("main")
        await task

    loop.run_until_complete(main())


@scenario
def io_before_timers(loop):
    """What can be read comes after what was ready, and before the timers that are due; who waits for it
    goes on in the next turn."""
    near, far = socket.socketpair()
    near.setblocking(False)

    async def reads():
        await loop.sock_recv(near, 1)
        say("readable")

    async def main():
        loop.create_task(reads())
        await asyncio.sleep(0)
        say("main")
        far.send(b"x")
        loop.call_later(0, say, "timer")
        loop.call_soon(say, "soon")
        await asyncio.sleep(0)
        say("main again")
        await asyncio.sleep(0)
        say("main ends")

    with near, far:
        loop.run_until_complete(main())


@scenario
def yields_do_not_starve_io(loop):
    """A task that always yields does not keep the loop from its sockets."""
    near, far = socket.socketpair()
    near.setblocking(False)
    done = []

    async def busy():
        while not done:
            await asyncio.sleep(0)
        say("busy end")

    async def reads():
        await loop.sock_recv(near, 1)
        say("readable")
        done.append(True)

    async def main():
        task = loop.create_task(busy())
        loop.create_task(reads())
        await asyncio.sleep(0)
        say("main")
        far.send(b"x")
        await task
        say("main again")

    with near, far:
        loop.run_until_complete(main())


def main():
    print(f"# Recorded by event_loop.py with CPython {platform.python_version()}.")
    for name, function in SCENARIOS.items():
        lines.clear()
        loop = asyncio.new_event_loop()
        function(loop)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        said = list(lines)
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        print(f"== {name}")
        for line in said:
            print(line)


main()

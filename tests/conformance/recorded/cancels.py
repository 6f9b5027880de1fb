#!/usr/bin/env python3
"""Records what a cancel does that comes while a composition is about to return.

    python3 cancels.py > cancels.txt

A task waits for others by a composition, and is cancelled after so many turns, by a task that was made
before all others or after them. Each line says in which turn it was said.
"""

import asyncio
import platform

SCENARIOS = {}
lines = []
now = 0


def scenario(children, start=0, since=0):
    """Of each child: after how many turns it ends, and how. The wait begins after `start` turns. The first
    `since` cancels are left out: those that a gather passes on."""

    def enlist(function):
        SCENARIOS[f"cancels {function.__name__}"] = (children, start, since, function)
        return function

    return enlist


def say(*words):
    lines.append(f"{now} " + " ".join(str(word) for word in words))


def count_turns():
    global now
    now += 1
    asyncio.get_running_loop().call_soon(count_turns)


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


async def child(name, count, ends):
    try:
        await turns(count)
        if ends == "never":
            await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        say(name, "cancelled")
        raise
    say(name, ends)
    if ends == "fails":
        raise ValueError
    return name


async def waiter(function, start, tasks):
    await turns(start)
    try:
        say("waited", *await function(tasks))
    except ValueError:
        say("waited in vain")
    except asyncio.CancelledError:
        say("waiter cancelled")


async def played(function, children, start, count, first):
    global now
    now = 0
    count_turns()
    spawn = asyncio.get_running_loop().create_task
    waiting = None

    async def cancels():
        await turns(count)
        say("cancels", waiting.cancel())

    cancelling = [spawn(cancels())] if first else []
    tasks = [spawn(child(name, *how)) for name, how in zip("abc", children)]
    waiting = spawn(waiter(function, start, tasks))
    if not first:
        cancelling.append(spawn(cancels()))
    await turns(14)
    for task in tasks:
        task.cancel()
        if not task.cancelled() and task.done():
            task.exception()


@scenario([(3, "ends")])
async def shield(tasks):
    return [await asyncio.shield(tasks[0])]


@scenario([(3, "ends"), (3, "ends")])
async def wait(tasks):
    await asyncio.wait(tasks)
    return [task.done() for task in tasks]


@scenario([(3, "ends"), (4, "ends")])
async def wait_one_after_the_other(tasks):
    await asyncio.wait(tasks)
    return [task.done() for task in tasks]


@scenario([(3, "ends"), (0, "never")])
async def wait_first(tasks):
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return [task.done() for task in tasks]


@scenario([(2, "ends"), (3, "fails"), (0, "never")])
async def wait_exception(tasks):
    await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    return [task.done() for task in tasks]


@scenario([(0, "ends")], 2)
async def wait_ended(tasks):
    await asyncio.wait(tasks)
    return [task.done() for task in tasks]


@scenario([(3, "ends"), (3, "ends")])
async def as_completed(tasks):
    return [await result for result in asyncio.as_completed(tasks)]


@scenario([(3, "ends"), (5, "ends")])
async def as_completed_one_after_the_other(tasks):
    return [await result for result in asyncio.as_completed(tasks)]


@scenario([(0, "ends")], 2)
async def as_completed_ended(tasks):
    return [await result for result in asyncio.as_completed(tasks)]


@scenario([(3, "ends"), (3, "ends")], since=5)
async def gather(tasks):
    return await asyncio.gather(*tasks)


@scenario([(3, "ends"), (4, "ends")], since=7)
async def gather_one_after_the_other(tasks):
    return await asyncio.gather(*tasks)


@scenario([(2, "ends"), (3, "fails"), (0, "never")], since=7)
async def gather_fails(tasks):
    return await asyncio.gather(*tasks)


@scenario([(2, "ends"), (3, "fails"), (4, "ends")], since=7)
async def gather_all(tasks):
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return ["failed" if isinstance(result, ValueError) else result for result in results]


def main():
    print(f"# Recorded by cancels.py with CPython {platform.python_version()}.")
    cancels = [(count, first) for count in range(1, 8) for first in (True, False)]
    for name, (children, start, since, function) in SCENARIOS.items():
        print(f"== {name}")
        for count, first in cancels[since:]:
            lines.clear()
            asyncio.run(played(function, children, start, count, first))
            print(f"after {count}, made {'first' if first else 'last'}")
            print(*lines, sep="\n")


main()

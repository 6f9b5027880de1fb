#!/usr/bin/env python3
"""Records what CPython's asyncio does in the scenarios of compositions and cancellation.

    python3 compose.py > compose.txt

As record.py, whose frame it uses. What changed after 3.11 (wait_for inline, the outer cancel that a
group keeps) is not among them.
"""

import asyncio

import record
from record import say, scenario, spawn, turn, turns

record.SCENARIOS.clear()


async def for_ever():
    await asyncio.get_running_loop().create_future()


async def cleaning(name, count=1):
    """Waits until it is cancelled, cleans up for some turns, and goes on with the cancel."""
    try:
        await for_ever()
    except asyncio.CancelledError:
        say(name, "cleans")
        await turns(count)
        say(name, "cleaned")
        raise


@scenario("compose")
async def sleep_zero():
    async def part(n):
        say(n)

    tasks = [spawn(part(n)) for n in range(3)]
    say("yields")
    await turn()
    say("resumes")
    await asyncio.gather(*tasks)


@scenario("compose")
async def cancel_goes_inwards_then_outwards():
    async def inner():
        await cleaning("inner")

    async def outer():
        try:
            await spawn(inner())
        except asyncio.CancelledError:
            say("outer", asyncio.current_task().cancelling())
            raise

    task = spawn(outer())
    await turns(3)
    task.cancel()
    say(task.done(), task.cancelling())
    await asyncio.wait([task])
    say(task.cancelled())


@scenario("compose")
async def group_outer_cancel():
    async def body():
        async with asyncio.TaskGroup() as group:
            group.create_task(cleaning("one"))
            group.create_task(cleaning("two", 2))
            await cleaning("body")

    task = spawn(body())
    await turns(2)
    task.cancel()
    await asyncio.wait([task])
    say(task.cancelled())


@scenario("compose")
async def group_cancel_and_errors():
    async def crash():
        try:
            await for_ever()
        finally:
            await turn()
            say("crash")
            raise ZeroDivisionError("crash")

    async def body():
        async with asyncio.TaskGroup() as group:
            group.create_task(crash())
            await for_ever()

    task = spawn(body())
    await turns(2)
    task.cancel()
    await asyncio.wait([task])
    say(task.cancelled(), *task.exception().exceptions)


@scenario("compose")
async def gather_order_of_ends():
    async def part(name, count):
        await turns(count)
        say(name)
        return name

    say(*await asyncio.gather(part("a", 3), part("b", 1), part("c", 2)))


@scenario("compose")
async def timeout_counts():
    async def body():
        task = asyncio.current_task()
        try:
            async with asyncio.timeout(0.002) as limit:
                try:
                    await for_ever()
                finally:
                    say("inside", task.cancelling(), limit.expired())
        except TimeoutError:
            say("outside", task.cancelling(), limit.expired())

    await spawn(body())


record.main("compose.py")

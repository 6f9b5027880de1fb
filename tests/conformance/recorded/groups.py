#!/usr/bin/env python3
"""Records what CPython's asyncio does in the scenarios of groups that keep a cancel, or deliver it again.

    python3 groups.py > groups.txt

As record.py, whose frame it uses; since CPython 3.13 a group cancels its task once more.
"""

import asyncio

import record
from record import say, scenario, spawn, turn, turns

record.SCENARIOS.clear()


async def for_ever():
    await asyncio.get_running_loop().create_future()


async def fails(count):
    await turns(count)
    raise ZeroDivisionError("boom")


def cancelling():
    return asyncio.current_task().cancelling()


async def group_of(caught):
    """A group whose body catches a cancel, and a child that fails while the body goes on."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails(6))
            try:
                await for_ever()
            except asyncio.CancelledError:
                say("caught", cancelling())
                await caught()
                say("never said")
    except* ZeroDivisionError as group:
        say(*group.exceptions, cancelling())
    try:
        await turn()
        say("goes on", cancelling())
    except asyncio.CancelledError:
        say("cancelled again", cancelling())
        raise


async def told(task):
    await asyncio.wait([task])
    say(task.cancelled())


@scenario("groups")
async def a_child_fails_while_the_body_cleans_up():
    task = spawn(group_of(for_ever))
    await turns(2)
    task.cancel()
    await told(task)


@scenario("groups")
async def a_child_fails_after_the_body_has_taken_its_cancel_back():
    async def taken_back():
        asyncio.current_task().uncancel()
        await for_ever()

    task = spawn(group_of(taken_back))
    await turns(2)
    task.cancel()
    await told(task)


@scenario("groups")
async def a_child_fails_while_a_scope_of_the_clean_up_waits():
    async def catches_once_more():
        try:
            await for_ever()
        except asyncio.CancelledError:
            say("stopped", cancelling())
            raise

    task = spawn(group_of(catches_once_more))
    await turns(2)
    task.cancel()
    await told(task)


@scenario("groups")
async def a_cancel_that_is_older_than_the_group():
    async def cancelled_before():
        asyncio.current_task().cancel()
        await group_of(for_ever)

    await told(spawn(cancelled_before()))


@scenario("groups")
async def a_cancel_that_was_answered_before_the_group():
    async def answered():
        asyncio.current_task().cancel()
        try:
            await turn()
        except asyncio.CancelledError:
            asyncio.current_task().uncancel()
        asyncio.current_task().cancel()
        await group_of(for_ever)

    await told(spawn(answered()))


async def after(group):
    """What a group that fails leaves behind."""
    try:
        await group
    except* ZeroDivisionError as group:
        say(*group.exceptions, cancelling())
    try:
        await turn()
        say("goes on", cancelling())
    except asyncio.CancelledError:
        say("cancelled again", cancelling())
        raise


async def caught():
    try:
        await for_ever()
    except asyncio.CancelledError:
        say("caught", cancelling())


async def uncaught(group):
    """As after; nobody catches what comes again."""
    try:
        await group
    except* ZeroDivisionError as group:
        say(*group.exceptions, cancelling())
    await turn()
    say("goes on")


async def cancelled_in(group, after=after):
    """Counts turns from the one in which the task of the group is cancelled."""
    task = spawn(after(group()))
    await turns(2)
    task.cancel()
    for n in range(12):
        say("turn", n)
        await turn()
        if task.done():
            break
    await told(task)


@scenario("groups")
async def a_body_makes_an_error_of_its_cancel():
    async def group():
        async with asyncio.TaskGroup():
            await caught()
            raise ZeroDivisionError("of the body")

    await cancelled_in(group)


@scenario("groups")
async def a_body_makes_an_error_of_what_it_has_taken_back():
    async def group():
        async with asyncio.TaskGroup():
            await caught()
            asyncio.current_task().uncancel()
            raise ZeroDivisionError("of the body")

    await cancelled_in(group)


@scenario("groups")
async def a_child_fails_after_the_body_has_caught_a_cancel_and_ended():
    async def group():
        async with asyncio.TaskGroup() as group:
            group.create_task(fails(6))
            await caught()

    await cancelled_in(group)


@scenario("groups")
async def a_group_fails_after_a_cancel_was_caught():
    async def group():
        await caught()
        async with asyncio.TaskGroup() as group:
            group.create_task(fails(1))
            await turn()

    await cancelled_in(group)


@scenario("groups")
async def a_group_fails_at_once_after_a_cancel_was_caught():
    async def group():
        await caught()
        async with asyncio.TaskGroup():
            raise ZeroDivisionError("of the body")

    await cancelled_in(group)


@scenario("groups")
async def a_group_fails_while_its_body_cleans_up():
    async def group():
        async with asyncio.TaskGroup() as group:
            group.create_task(fails(6))
            await caught()
            await for_ever()

    await cancelled_in(group)


@scenario("groups")
async def a_group_fails_and_its_body_passes_its_cancel_on():
    async def cleans():
        try:
            await for_ever()
        except asyncio.CancelledError:
            raise ZeroDivisionError("of a child")

    async def group():
        async with asyncio.TaskGroup() as group:
            group.create_task(cleans())
            await for_ever()

    await cancelled_in(group)


@scenario("groups")
async def a_cancel_that_comes_again_ends_the_task():
    async def group():
        async with asyncio.TaskGroup():
            await caught()
            raise ZeroDivisionError("of the body")

    await cancelled_in(group, uncaught)


@scenario("groups")
async def a_cancel_that_a_group_has_kept_ends_the_task():
    async def group():
        async with asyncio.TaskGroup() as group:
            group.create_task(fails(6))
            await caught()
            await for_ever()

    await cancelled_in(group, uncaught)


record.main("groups.py")

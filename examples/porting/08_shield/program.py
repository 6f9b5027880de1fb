"""A task that a cancelled or timed-out wait leaves alone, and that is awaited later."""

import asyncio


async def save(paid):
    print("saving")
    await paid.wait()
    print("saved")
    return "receipt"


async def main():
    paid = asyncio.Event()
    task = asyncio.create_task(save(paid))
    try:
        await asyncio.wait_for(asyncio.shield(task), 0.01)
    except asyncio.TimeoutError:
        print("no patience")
    print("cancelled:", task.cancelled(), "done:", task.done())

    async def waiter():
        await asyncio.shield(task)

    waiting = asyncio.create_task(waiter())
    await asyncio.sleep(0)
    waiting.cancel()
    try:
        await waiting
    except asyncio.CancelledError:
        print("the waiter is cancelled")
    print("cancelled:", task.cancelled())
    paid.set()
    print(await task)


asyncio.run(main())

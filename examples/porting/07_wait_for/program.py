"""A wait with a limit: the value in time, or a timeout and a cancelled inner task."""

import asyncio


async def slow(name, delay):
    try:
        await asyncio.sleep(delay)
    except asyncio.CancelledError:
        print(name, "is cancelled")
        raise
    return f"{name} is done"


async def main():
    print(await asyncio.wait_for(slow("one", 0.001), 10))
    try:
        await asyncio.wait_for(slow("two", 3600), 0.01)
    except asyncio.TimeoutError:
        print("two takes too long")
    task = asyncio.create_task(slow("three", 3600))
    try:
        await asyncio.wait_for(task, 0.01)
    except asyncio.TimeoutError:
        print("three takes too long")
    print("cancelled:", task.cancelled())
    print(await asyncio.wait_for(slow("four", 0), None))


asyncio.run(main())

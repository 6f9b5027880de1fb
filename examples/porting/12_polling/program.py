"""A loop that looks at a task again and again, and cancels it when it has waited long enough."""

import asyncio


async def work(steps):
    for step in range(steps):
        print("step", step)
        await asyncio.sleep(0)
    return "worked"


async def watch(task, patience):
    looks = 0
    while not task.done():
        if looks == patience:
            print("cancel:", task.cancel())
        looks += 1
        await asyncio.sleep(0)
    print("done:", task.done(), "cancelled:", task.cancelled())
    print("cancel again:", task.cancel())


async def main():
    quick = asyncio.create_task(work(2))
    await watch(quick, 10)
    print(quick.result())
    slow = asyncio.create_task(work(10))
    await watch(slow, 3)
    try:
        await slow
    except asyncio.CancelledError:
        print("the slow one was cancelled")


asyncio.run(main())

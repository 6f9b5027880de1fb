"""An event: waited for, set, cleared, waited for again."""

import asyncio


async def waiter(name, event):
    print(name, "waits")
    await event.wait()
    print(name, "goes on")


async def main():
    event = asyncio.Event()
    first = asyncio.create_task(waiter("first", event))
    await asyncio.sleep(0.005)
    print("set:", event.is_set())
    event.set()
    await first
    print("set:", event.is_set())
    await waiter("late", event)
    event.clear()
    second = asyncio.create_task(waiter("second", event))
    await asyncio.sleep(0.005)
    print("done:", second.done())
    event.set()
    await second


asyncio.run(main())

"""A barrier: waited for, used as a context, reset and aborted under its waiters.

asyncio has barriers since 3.11.
"""

import asyncio


async def meet(barrier):
    return await barrier.wait()


async def hope(name, barrier):
    try:
        await barrier.wait()
    except asyncio.BrokenBarrierError:
        print(name, "finds it broken")


async def main():
    barrier = asyncio.Barrier(3)
    indices = await asyncio.gather(*(meet(barrier) for _ in range(3)))
    print("indices:", sorted(indices), "waiting:", barrier.n_waiting)

    async def within():
        async with barrier as index:
            return index

    print("in a context:", sorted(await asyncio.gather(*(within() for _ in range(3)))))

    lonely = asyncio.create_task(hope("one", barrier))
    await asyncio.sleep(0.005)
    print("waiting:", barrier.n_waiting)
    await barrier.reset()
    await lonely
    print("broken:", barrier.broken)

    lonely = asyncio.create_task(hope("two", barrier))
    await asyncio.sleep(0.005)
    await barrier.abort()
    await lonely
    print("broken:", barrier.broken)
    await hope("three", barrier)
    await barrier.reset()
    print("parties:", barrier.parties, "broken:", barrier.broken)


asyncio.run(main())

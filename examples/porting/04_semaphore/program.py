"""A semaphore that lets two in at a time, and a bounded one that is released too often."""

import asyncio


async def visit(semaphore, inside, most):
    async with semaphore:
        inside.append(1)
        most.append(len(inside))
        await asyncio.sleep(0.001)
        inside.pop()


async def main():
    semaphore = asyncio.Semaphore(2)
    inside, most = [], []
    await asyncio.gather(*(visit(semaphore, inside, most) for _ in range(6)))
    print("visits:", len(most), "at most at a time:", max(most))
    await semaphore.acquire()
    print("locked:", semaphore.locked())
    await semaphore.acquire()
    print("locked:", semaphore.locked())
    semaphore.release()
    semaphore.release()
    semaphore.release()
    for _ in range(3):
        await semaphore.acquire()
    print("one more than at first")

    bounded = asyncio.BoundedSemaphore(1)
    await bounded.acquire()
    bounded.release()
    try:
        bounded.release()
    except ValueError:
        print("released too often")


asyncio.run(main())
